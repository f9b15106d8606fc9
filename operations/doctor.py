"""``make doctor``: what is installed, which cluster a stack would touch, and what is missing for what."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.commands import UserError
from components.kube import Kube, KubeError
from embedded import toolchain
from operations.declared import settings_of
from operations.deploy import DEFAULT_STACK

TIMEOUT_SECONDS = 20
MINIMUM_PYTHON = (3, 11)
VERSION = re.compile(r"v?\d+\.\d+(\.\d+)?[-+.\w]*")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A command, how it is asked for its version, and what to know where it is missing."""

    name: str
    ask: tuple[str, ...]
    note: str


TOOLS = (
    Tool(name="pulumi", ask=("version",), note="make up and make preview fetch it"),
    Tool(name="minikube", ask=("version", "--short"), note="stack dev is rehearsed without it"),
    Tool(name="docker", ask=("version", "--format", "{{.Server.Version}}"), note="minikube's usual driver"),
    Tool(name="kubectl", ask=("version", "--client", "--output=json"), note="for the commands in the stack's outputs"),
    Tool(name="helm", ask=("version", "--short"), note="not needed: Pulumi and the rehearsal bring their own"),
    Tool(name="go", ask=("env", "GOVERSION"), note="the rehearsal takes it from PyPI"),
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


def cluster_of(stack: str, settings: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Which cluster ``make up`` of the stack would touch, in a few words."""
    if settings["clusterMode"] == "existing":
        try:
            return Kube(settings["kubeconfig"], settings["context"]).where
        except KubeError as error:
            return f"none: {error}"
    if not found["minikube"] and stack == DEFAULT_STACK:
        return "the embedded cluster of the rehearsal, in .embedded, as minikube is not on PATH"
    where = f"context {settings['context']} of {settings['kubeconfig']}"
    return f"minikube profile {settings['minikubeProfile']} ({where}), started where it does not run"


def obstacles(
    stack: str,
    found: Mapping[str, str],
    settings: Mapping[str, str],
    *,
    python: tuple[int, ...],
    can_rehearse: Callable[[], bool],
) -> list[str]:
    """Why ``make up`` of the stack could not work at all; empty where it can.

    Args:
        stack: the stack's name.
        found: version by command, as version_of gives it.
        settings: the stack's configuration by bare key.
        python: this Python's version.
        can_rehearse: whether the embedded cluster is built, or Go is there to build it; asked only where it matters.
    """
    blocked = []
    if python < MINIMUM_PYTHON:
        blocked.append(f"Python {'.'.join(map(str, python))} is older than 3.11: set PYTHON to a newer one")
    if settings["clusterMode"] == "existing":
        try:
            Kube(settings["kubeconfig"], settings["context"])
        except KubeError as error:
            blocked.append(str(error))
    elif not found["minikube"] and stack != DEFAULT_STACK:
        blocked.append(f"stack {stack} starts minikube, which is not on PATH: install it")
    elif not found["minikube"] and not can_rehearse():
        blocked.append("neither minikube nor Go and PyPI are there: install minikube, or Go for the rehearsal")
    return blocked


def can_rehearse() -> bool:
    """Whether the embedded cluster's tools are built, or can be."""
    try:
        return toolchain.built("cluster") or bool(toolchain.find_go())
    except UserError:
        return False


def main(words: list[str] | None = None) -> int:
    """Tell; the exit code is 1 only where ``make up`` could not work at all."""
    parser = argparse.ArgumentParser(prog="python -m operations.doctor", description=__doc__)
    parser.add_argument("--stack", default=DEFAULT_STACK, help="the stack (default: %(default)s)")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text (default) or json")
    options = parser.parse_args(words)
    try:
        settings = settings_of(options.stack)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = {tool.name: version_of(tool) for tool in TOOLS}
    blocked = obstacles(options.stack, found, settings, python=sys.version_info[:2], can_rehearse=can_rehearse)
    cluster = cluster_of(options.stack, settings, found)
    if options.output == "json":
        report = {"stack": options.stack, "cluster": cluster, "tools": found, "obstacles": blocked}
        print(json.dumps(report, indent=2))
        return 1 if blocked else 0
    print(f"python    {sys.version.split()[0]}")
    for tool in TOOLS:
        answers = VERSION.fullmatch(found[tool.name])
        print(f"{tool.name:<9} {found[tool.name] or 'missing'}{'' if answers else f'  ({tool.note})'}")
    print(f"\nCluster of stack {options.stack}: {cluster}")
    for sentence in blocked:
        print(f"`make up` cannot work: {sentence}")
    return 1 if blocked else 0


if __name__ == "__main__":
    sys.exit(main())
