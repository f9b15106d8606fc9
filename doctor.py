"""``make doctor``: what is installed, which cluster a stack would touch, and what is missing for what."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from rehearsal import toolchain
from rehearsal.declared import settings_of
from rehearsal.errors import RehearsalError

TIMEOUT_SECONDS = 20
MINIMUM_PYTHON = (3, 11)
VERSION = re.compile(r"v?\d+\.\d+(\.\d+)?[-+.\w]*")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A command, how it is asked for its version, and what it is for."""

    name: str
    ask: tuple[str, ...]
    needed_for: str


TOOLS = (
    Tool(name="pulumi", ask=("version",), needed_for="make preview; make up fetches it where it is missing"),
    Tool(name="minikube", ask=("version", "--short"), needed_for="stacks that start minikube; else they are rehearsed"),
    Tool(name="docker", ask=("version", "--format", "{{.Server.Version}}"), needed_for="minikube's usual driver"),
    Tool(
        name="kubectl", ask=("version", "--client", "--output=json"), needed_for="the commands in the stack's outputs"
    ),
    Tool(name="helm", ask=("version", "--short"), needed_for="nothing: Pulumi and the rehearsal bring their own"),
    Tool(name="go", ask=("env", "GOVERSION"), needed_for="the rehearsal; taken from PyPI where it is missing"),
)


def version_of(tool: Tool) -> str:
    """The version that the command on PATH gives; empty where there is none, a sentence where it does not answer."""
    if shutil.which(tool.name) is None:
        return ""
    try:
        done = subprocess.run(
            [tool.name, *tool.ask], capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not answer ({type(error).__name__})"
    said = VERSION.search(done.stdout.removeprefix("go"))
    if done.returncode or not said:
        return f"does not answer ({' '.join(done.stderr.split())[:100] or 'no version'})"
    return said[0]


def cluster_of(settings: Mapping[str, str]) -> str:
    """Which cluster the stack would touch, in a sentence."""
    kubeconfig = Path(settings["kubeconfig"]).expanduser()
    where = f"context {settings['context']} of {settings['kubeconfig']}"
    if settings["clusterMode"] == "minikube":
        return f"minikube profile {settings['minikubeProfile']} ({where}), started where it does not run"
    contexts = kubectl_contexts(kubeconfig)
    if settings["context"] not in contexts:
        return f"{where}, which is not there"
    return f"{where}, at {contexts[settings['context']]}"


def kubectl_contexts(kubeconfig: Path) -> dict[str, str]:
    """The contexts of a kubeconfig file with their servers; none where there is no such file."""
    if not kubeconfig.is_file():
        return {}
    content = yaml.safe_load(kubeconfig.read_text()) or {}
    servers = {entry["name"]: entry["cluster"].get("server", "") for entry in content.get("clusters") or ()}
    return {e["name"]: servers.get(e["context"].get("cluster", ""), "") for e in content.get("contexts") or ()}


def obstacles(
    found: Mapping[str, str], settings: Mapping[str, str], *, python: tuple[int, ...], can_rehearse: Callable[[], bool]
) -> list[str]:
    """Why ``make up`` of the stack could not work at all; empty where it can.

    Args:
        found: version by command, as version_of gives it.
        settings: the stack's configuration by bare key.
        python: this Python's version.
        can_rehearse: whether the embedded cluster is built, or Go is there to build it; asked only where it matters.
    """
    blocked = []
    if python < MINIMUM_PYTHON:
        blocked.append(f"Python {'.'.join(map(str, python))} is older than 3.11: set PYTHON to a newer one")
    if settings["clusterMode"] == "existing":
        if settings["context"] not in kubectl_contexts(Path(settings["kubeconfig"]).expanduser()):
            blocked.append(f"context {settings['context']} is not in {settings['kubeconfig']}: add it, or set context")
    elif not found["minikube"] and not can_rehearse():
        blocked.append("neither minikube nor Go and PyPI are there: install minikube, or Go for the rehearsal")
    return blocked


def can_rehearse() -> bool:
    """Whether the embedded cluster's tools are built, or can be."""
    try:
        return toolchain.built() or bool(toolchain.find_go(lambda _: None))
    except RehearsalError:
        return False


def main(words: list[str] | None = None) -> int:
    """Tell; the exit code is 1 only where ``make up`` could not work at all."""
    parser = argparse.ArgumentParser(prog="python -m doctor", description=__doc__)
    parser.add_argument("--stack", default="dev", help="the stack (default: %(default)s)")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text (default) or json")
    options = parser.parse_args(words)
    try:
        settings = settings_of(options.stack)
    except RehearsalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = {tool.name: version_of(tool) for tool in TOOLS}
    blocked = obstacles(found, settings, python=sys.version_info[:2], can_rehearse=can_rehearse)
    if options.output == "json":
        report = {"stack": options.stack, "cluster": cluster_of(settings), "tools": found, "obstacles": blocked}
        print(json.dumps(report, indent=2))
        return 1 if blocked else 0
    print(f"python    {sys.version.split()[0]}")
    for tool in TOOLS:
        missing = "" if found[tool.name][:1].isdigit() or found[tool.name][:1] == "v" else f"  (for {tool.needed_for})"
        print(f"{tool.name:<9} {found[tool.name] or 'missing'}{missing}")
    print(f"\nStack {options.stack} would touch {cluster_of(settings)}.")
    for sentence in blocked:
        print(f"`make up` cannot work: {sentence}.")
    return 1 if blocked else 0


if __name__ == "__main__":
    sys.exit(main())
