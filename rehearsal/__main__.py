"""``python -m rehearsal``: the whole stack on an embedded cluster, without minikube, Docker or an account."""

import argparse
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import pulumi
from rich.console import Console
from rich.logging import RichHandler

import pulumi_cli
from kube import Kube, KubeError
from rehearsal import artifacts, engine, toolchain
from rehearsal.cluster import Cluster
from rehearsal.errors import RehearsalError
from rehearsal.program import LOG, PROJECT, stack_config
from rehearsal.view import View

STACK = "rehearsal"
CONTEXT = "rehearsal"
ROOT = PROJECT / ".rehearsal"
STATE = ROOT / "pulumi"
LAST_UP = ROOT / "up.json"  # engine and outputs of the last up


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the embedded cluster and bring the stack up on it")
    down = commands.add_parser("down", help="take the stack away and stop the cluster")
    down.add_argument("--keep-cluster", action="store_true", help="take only the stack away")
    for parser_with_engine in (up, down):
        parser_with_engine.add_argument(
            "--engine",
            choices=("auto", "offline", "pulumi"),
            default="auto",
            help="pulumi: the Pulumi CLI with a local file backend; offline: the SDK's mocks, which apply each "
            "resource; auto (default): pulumi where the CLI is on PATH",
        )
        parser_with_engine.add_argument(
            "--config",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            type=_pair,
            help="a configuration key for this run, over Pulumi.rehearsal.yaml (repeatable)",
        )
    status = commands.add_parser("status", help="show the cluster's pods and the stack's outputs")
    status.add_argument("--output", choices=("text", "json"), default="text", help="text (default) or json")
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command, the process's own if no ``words`` are given; the exit code."""
    options = arguments().parse_args(words)
    console = Console(highlight=False)
    LOG.addHandler(RichHandler(console=console, show_time=False, show_path=False))
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        {"up": up, "down": down, "status": status}[options.command](options, console)
    except (RehearsalError, KubeError, pulumi.RunError, pulumi_cli.CliError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted: what was made stays; the same command goes on from there, `down` removes it", file=sys.stderr
        )
        return 130
    return 0


def up(options: argparse.Namespace, console: Console) -> None:
    """Start the cluster, bring the stack up, show what there is."""
    chosen = _engine(options.engine, console)
    tools = toolchain.ensure()
    overrides = dict(options.config)
    istio_version = stack_config(STACK, overrides)["istio-minikube:istioVersion"]
    artifacts.prepare(ROOT, istio_version)
    cluster = Cluster(ROOT, tools=tools)
    cluster.start()
    LAST_UP.write_text(json.dumps({"engine": _named(chosen), "outputs": {}}))
    if chosen:
        outputs = _cli(chosen).up(overrides)
    else:
        with View(console, "rehearsal") as view:
            outputs = engine.deploy(engine.applier(cluster.kubeconfig, CONTEXT, tools / "helm", view), STACK, overrides)
    LAST_UP.write_text(json.dumps({"engine": _named(chosen), "outputs": outputs}))
    show(console, pods(cluster.kubeconfig), outputs)


def down(options: argparse.Namespace, console: Console) -> None:
    """Take the stack away, then the cluster with everything that it wrote."""
    cluster = Cluster(ROOT)
    if cluster.running() and LAST_UP.exists():
        chosen = _engine(options.engine, console)
        if chosen:
            _cli(chosen).destroy()
        else:
            with View(console, "rehearsal") as view:
                applier = engine.applier(cluster.kubeconfig, CONTEXT, toolchain.ensure() / "helm", view)
                engine.destroy(applier, STACK, dict(options.config))
    LAST_UP.unlink(missing_ok=True)
    if not options.keep_cluster:
        cluster.delete()
        shutil.rmtree(STATE, ignore_errors=True)
        console.print("The rehearsal is gone; nothing of it runs.")


def status(options: argparse.Namespace, console: Console) -> None:
    """The pods with their containers, and the outputs of the last up."""
    cluster = Cluster(ROOT)
    if not cluster.running():
        raise RehearsalError("the embedded cluster does not run; `python -m rehearsal up` starts it")
    outputs = _last_up().get("outputs", {})
    found = pods(cluster.kubeconfig)
    if options.output == "json":
        print(json.dumps({"pods": found, "outputs": outputs}, indent=2))
    else:
        show(console, found, outputs)


def pods(kubeconfig: Path) -> list[dict[str, Any]]:
    """Every pod: namespace, name, phase, whether it is ready, and its containers with their images."""
    return [
        {
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "phase": pod["status"].get("phase", "Unknown"),
            "ready": any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])),
            "containers": [{"name": c["name"], "image": c["image"]} for c in pod["spec"]["containers"]],
        }
        for pod in Kube(kubeconfig, CONTEXT).objects("/api/v1/pods")
    ]


def show(console: Console, found: list[dict[str, Any]], outputs: dict[str, Any]) -> None:
    """Pods and outputs, as a person reads them."""
    for pod in found:
        names = ", ".join(container["name"] for container in pod["containers"])
        ready = "ready" if pod["ready"] else "not ready"
        console.print(f"{pod['namespace']:<14} {pod['name']:<40} {pod['phase']}, {ready}: {names}", soft_wrap=True)
    for name, value in outputs.items():
        if name != "pods":  # shown above
            console.print(f"{name}: {json.dumps(value, indent=2)}", soft_wrap=True)


def _engine(wanted: str, console: Console) -> Path | None:
    """The Pulumi CLI to use, or None for the offline engine. What was made by one of them stays with it."""
    found = pulumi_cli.found()
    made_by = _last_up().get("engine")
    if wanted == "auto":
        wanted = made_by or ("pulumi" if found else "offline")
        why = "as it made this stack" if made_by else f"as {found or 'no Pulumi CLI'} is on PATH"
        console.print(f"Engine: {wanted}, {why}")
    if made_by and made_by != wanted:
        raise RehearsalError(
            f"the stack on this cluster was made with --engine {made_by}, not {wanted}: give that, or start afresh "
            f"after `python -m rehearsal down --engine {made_by}`"
        )
    if wanted == "pulumi" and not found:
        raise RehearsalError("--engine pulumi needs the Pulumi CLI on PATH; install it, or take --engine offline")
    return found if wanted == "pulumi" else None


def _last_up() -> dict[str, Any]:
    return json.loads(LAST_UP.read_text()) if LAST_UP.exists() else {}


def _named(engine: Path | None) -> str:
    return "pulumi" if engine else "offline"


def _cli(binary: Path) -> pulumi_cli.Cli:
    return pulumi_cli.Cli(binary=binary, stack=STACK, state=STATE)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
