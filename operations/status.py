"""What runs on a stack's cluster, as a person reads it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from components.commands.mesh_pods import containers, is_ready
from components.kube import Kube
from operations import engine
from operations.pulumi_cli import STATE, Cli


def pods(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every pod: namespace, name, phase, whether it is ready, its containers and native sidecars with their images."""
    return [
        {
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "phase": pod["status"].get("phase", "Unknown"),
            "ready": is_ready(pod),
            "containers": [{"name": c["name"], "image": c["image"]} for c in containers(pod)],
        }
        for pod in Kube(str(Path(settings["kubeconfig"]).expanduser()), settings["context"]).objects("/api/v1/pods")
    ]


def outputs(stack: str) -> dict[str, Any]:
    """The stack's outputs, empty before the first ``up``."""
    if not (STATE / f"Pulumi.{stack}.yaml").exists():
        return {}
    cli = Cli(engine=engine.find(), stack=stack, state=STATE)
    cli.select()
    found: dict[str, Any] = json.loads(cli.run("stack", "output", "--json", quiet=True))
    return found


def show(settings: Mapping[str, str], found: Mapping[str, Any]) -> None:
    """Print the pods, and the outputs that are no list of them."""
    console = Console(highlight=False)
    for pod in pods(settings):
        names = ", ".join(container["name"] for container in pod["containers"])
        ready = "ready" if pod["ready"] else "not ready"
        console.print(f"{pod['namespace']:<14} {pod['name']:<40} {pod['phase']}, {ready}: {names}", soft_wrap=True)
    for name, value in found.items():
        if name != "pods":  # shown above
            console.print(f"{name}: {json.dumps(value, indent=2)}", soft_wrap=True, markup=False)


def show_as_json(settings: Mapping[str, str], found: Mapping[str, Any]) -> None:
    """Print pods and outputs as one JSON object: {"pods": [...], "outputs": {...}}."""
    print(json.dumps({"pods": pods(settings), "outputs": dict(found)}, indent=2))
