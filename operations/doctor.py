"""``make doctor``: what is installed, which cluster a stack would touch, and what is missing for what."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.kube import Kube, KubeError
from embedded import kinds, toolchain
from embedded.errors import EmbeddedError
from operations import minikube, reachability
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT

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
    Tool(name="pulumi", ask=("version",), note="make up fetches or builds it"),
    Tool(name="minikube", ask=("version", "--short"), note="stack dev needs it; stack embedded does not"),
    Tool(name="docker", ask=("version", "--format", "{{.Server.Version}}"), note="minikube's usual driver"),
    Tool(
        name="kubectl",
        ask=("version", "--client", "--output=json"),
        note="for the commands in the stack's outputs; `make shell STACK=embedded` has one",
    ),
    Tool(name="helm", ask=("version", "--short"), note="not needed: Pulumi and the embedded cluster have their own"),
    Tool(name="go", ask=("env", "GOVERSION"), note="make up gets it from PyPI"),
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
    """Which cluster ``make up`` of the stack would touch, in a few words."""
    where = f"context {settings['context']} of {settings['kubeconfig']}"
    if settings["clusterMode"] == "minikube":
        return f"minikube profile {settings['minikubeProfile']} ({where}), started where it does not run"
    if settings["clusterMode"] == "embedded":
        return f"the embedded cluster ({where}), started where it does not run"
    try:
        return Kube(settings["kubeconfig"], settings["context"]).where
    except KubeError as error:
        return f"none: {error}"


def obstacles(
    settings: Mapping[str, str],
    found: Mapping[str, str],
    *,
    python: tuple[int, ...],
    can_build: Callable[[], bool],
    no_driver: Callable[[], str],
) -> list[str]:
    """Why ``make up`` of the stack could not work at all; empty where it can.

    Args:
        settings: the stack's configuration by bare key.
        found: version by command, as version_of gives it.
        python: this Python's version.
        can_build: whether the embedded cluster is built, or Go is there to build it; asked only where it matters.
        no_driver: why minikube would not start the profile, if it would not; asked only where it matters.
    """
    blocked = []
    if python < MINIMUM_PYTHON:
        blocked.append(f"Python {'.'.join(map(str, python))} is older than 3.11: set PYTHON to a newer one")
    if settings["clusterMode"] == "existing":
        try:
            Kube(settings["kubeconfig"], settings["context"])
        except KubeError as error:
            blocked.append(str(error))
    elif settings["clusterMode"] == "minikube" and not found["minikube"]:
        blocked.append("the stack starts minikube, which is not on PATH: install it, or use STACK=embedded")
    elif settings["clusterMode"] == "minikube" and (reason := no_driver()):
        blocked.append(f"minikube would not start profile {settings['minikubeProfile']}: {reason}")
    elif settings["clusterMode"] == "embedded" and not can_build():
        blocked.append("the embedded cluster cannot be built: Go is missing, and not to be had from PyPI; install it")
    return blocked


def pods_of(settings: Mapping[str, str]) -> list[str]:
    """What stands in the way of real pods on the stack's embedded cluster; empty where nothing does."""
    root = (PROJECT / settings["kubeconfig"]).parent
    return [str(finding) for finding in kinds.findings(root, download=False)]


def can_build() -> bool:
    """Whether the embedded cluster's tools are built, or can be."""
    try:
        return toolchain.built("cluster", "engine") or bool(toolchain.find_go())
    except EmbeddedError:
        return False


def report(stack: str, *, as_json: bool = False, online: bool = False) -> int:
    """Print it; 1 where ``make up`` could not work at all, else 0.

    Args:
        stack: the stack's name.
        as_json: as one JSON object.
        online: also ask whether each address of the stack answers.
    """
    settings = settings_of(stack)
    found = {tool.name: version_of(tool) for tool in TOOLS}
    blocked = obstacles(
        settings,
        found,
        python=sys.version_info[:2],
        can_build=can_build,
        no_driver=lambda: minikube.obstacle(settings),
    )
    cluster = cluster_of(settings)
    simulated = pods_of(settings) if settings["clusterMode"] == "embedded" else []
    answers = reachability.of_stack(stack) if online else []
    blocked += [f"{answer.address.url} does not answer" for answer in answers if answer.blocks]
    if as_json:
        told = {answer.address.url: answer.why for answer in answers}
        shown = {"stack": stack, "cluster": cluster, "tools": found, "obstacles": blocked, "simulated": simulated}
        print(json.dumps(shown | ({"addresses": told} if online else {}), indent=2))
        return 1 if blocked else 0
    print(f"python    {sys.version.split()[0]}")
    for tool in TOOLS:
        says = VERSION.fullmatch(found[tool.name])
        print(f"{tool.name:<9} {found[tool.name] or 'not on PATH'}{'' if says else f'  ({tool.note})'}")
    print(f"\nCluster of stack {stack}: {cluster}")
    if settings["clusterMode"] == "embedded" and not simulated:
        print("Its pods are real: nothing stands in the way")
    for sentence in simulated:
        print(f"Its pods are simulated: {sentence}")
    if online:
        print(f"\nAddresses of stack {stack}, asked from this machine:{'' if answers else ' none'}")
    for answer in answers:
        print(answer)
    for sentence in blocked:
        print(f"`make up` cannot work: {sentence}")
    return 1 if blocked else 0
