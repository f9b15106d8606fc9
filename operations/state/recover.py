"""``make recover``: repairs what an update that was killed has left, so that the next ``up`` succeeds.

A killed Pulumi CLI leaves its lock, plugins that live on, creations that its state does not know the end of, and Helm
releases that Helm regards as unfinished or that the state does not have at all.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.commands import UserError
from components.commands.cluster import must_be_known
from components.kube import KUBE_SYSTEM, Kube, KubeError
from components.ownership import LABEL
from operations.pulumi_cli import Cli

RELEASE = "kubernetes:helm.sh/v3:Release"
GUARD = "ClusterGuard$command:local:Command::"
# Helm refuses to touch a release in one of these, and nothing but the process that was killed would end it.
# Source: https://github.com/helm/helm/blob/v3.18.5/pkg/release/status.go
UNFINISHED = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})
PATIENCE_SECONDS = 10
POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, order=True)
class Release:
    """A Helm release's namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision of a release, by its Secret: its number, and Helm's word for how far it got."""

    release: Release
    number: int
    status: str

    @property
    def secret(self) -> str:
        """The Secret's path."""
        return f"{secrets(self.release.namespace)}/sh.helm.release.v1.{self.release.name}.v{self.number}"


def secrets(namespace: str) -> str:
    """The path of a namespace's Secrets."""
    return f"/api/v1/namespaces/{namespace}/secrets"


@dataclass(frozen=True, kw_only=True)
class State:
    """What matters here of a stack's state.

    Attributes:
        cluster: the UID of the cluster that the stack was brought up on; empty where none is recorded.
        recorded: the Helm releases that the state has.
        begun: those whose creation was begun, and neither ended nor recorded.
        uses_cluster: whether anything at all is, or may be, in the cluster.
    """

    cluster: str
    recorded: frozenset[Release]
    begun: frozenset[Release]
    uses_cluster: bool

    @classmethod
    def of(cls, export: Mapping[str, Any]) -> "State":
        """From what ``pulumi stack export`` prints."""
        deployment = export["deployment"]
        resources = deployment.get("resources") or []
        pending = [each["resource"] for each in deployment.get("pending_operations") or []]
        guards = [each["outputs"]["stdout"] for each in resources if GUARD in each["urn"] and "outputs" in each]
        recorded = frozenset(_releases(resources))
        return cls(
            cluster=guards[0] if guards else "",
            recorded=recorded,
            begun=frozenset(_releases(pending)) - recorded,
            uses_cluster=any(each["type"].startswith("kubernetes:") for each in [*resources, *pending]),
        )


def _releases(resources: Iterable[Mapping[str, Any]]) -> Iterator[Release]:
    for each in resources:
        if each["type"] == RELEASE:
            yield Release(namespace=each["inputs"]["namespace"], name=each["inputs"]["name"])


def revisions(kube: Kube, releases: Iterable[Release]) -> list[Revision]:
    """Every revision that Helm keeps of these releases."""
    wanted = set(releases)
    found = []
    for namespace in sorted({release.namespace for release in wanted}):
        for metadata in kube.metadata(f"{secrets(namespace)}?labelSelector=owner%3Dhelm"):
            labels = metadata["labels"]
            release = Release(namespace=namespace, name=labels["name"])
            if release in wanted:
                found.append(Revision(release=release, number=int(labels["version"]), status=labels["status"]))
    return found


def stale(found: Iterable[Revision], begun: Collection[Release]) -> list[Revision]:
    """The revisions that Helm must forget.

    Of a release that was begun and not recorded these are all: installed again, it takes its objects over by their
    marks. Of any other they are those that were not finished: Helm goes on from the last one that was.
    """
    return [each for each in found if each.release in begun or each.status in UNFINISHED]


def forget(kube: Kube, doomed: Iterable[Revision]) -> None:
    """Have Helm forget revisions; their objects stay."""
    for each in doomed:
        kube.delete(each.secret)
        _say(f"Helm release {each.release}: revision {each.number}, {each.status}, is forgotten; its objects stay")


def running(mark: str, is_wanted: Callable[[str], bool], listing: str | None = None) -> dict[int, str]:
    """The wanted programs, by process id, whose arguments or environment hold ``mark``.

    ``listing`` is what ``ps axeww -o pid=,args=`` prints, which is asked where none is given.
    """
    if listing is None:
        listing = subprocess.run(
            ["ps", "axeww", "-o", "pid=,args="], capture_output=True, text=True, check=True, errors="replace"
        ).stdout
    found = {}
    for line in listing.splitlines():
        pid, _, words = line.strip().partition(" ")
        name = Path(words.split(" ", 1)[0]).name
        if is_wanted(name) and f" {mark} " in f"{words} ":
            found[int(pid)] = name
    return found


def is_cli(program: str) -> bool:
    """Whether a program of this name is the Pulumi CLI."""
    return program == "pulumi"


def is_plugin(program: str) -> bool:
    """Whether a program of this name is one of the CLI's plugins."""
    return program.startswith(("pulumi-resource-", "pulumi-language-"))


def end_plugins(mark: str) -> None:
    """End the plugins of a CLI that was killed, which would go on with what they were told."""
    for pid, name in running(mark, is_plugin).items():
        _say(f"Ending {name} (process {pid}), which the killed update left running")
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := running(mark, is_plugin):
        time.sleep(POLL_SECONDS)
        if time.monotonic() > deadline:
            for pid in left:
                _signal(pid, signal.SIGKILL)


def _say(line: str) -> None:
    print(line, flush=True)  # the CLI writes to the same terminal


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself meanwhile


def unrecorded(kube: Kube, stack: str, state: State, declared: Collection[Release]) -> frozenset[Release]:
    """The releases that the stack began and its state does not have.

    The state tells those that an update was killed at. Of those that failed, as when the API server went away, it tells
    nothing: what the program declares, in a namespace that this stack created, is the stack's.
    """
    spaces = {release.namespace: kube.find(f"/api/v1/namespaces/{release.namespace}") or {} for release in declared}
    own = {name for name, space in spaces.items() if space.get("metadata", {}).get("labels", {}).get(LABEL) == stack}
    return state.begun | {each for each in declared if each.namespace in own} - state.recorded


def refuse_running(cli: Cli) -> None:
    """Do nothing where no update of the stack runs on this machine.

    Raises:
        UserError: one does.
    """
    if alive := ", ".join(map(str, running(cli.mark, is_cli))):
        raise UserError(f"an update of stack {cli.stack} is under way (process {alive}): wait for it, or interrupt it")


def recover(cli: Cli, settings: Mapping[str, str], overrides: Mapping[str, str], declared: Collection[Release]) -> None:
    """Put the stack and its cluster right; the next ``up`` then brings the mesh back.

    Args:
        cli: the CLI on the stack.
        settings: the stack's configuration by bare key.
        overrides: what of it is not in the stack's file.
        declared: the Helm releases of the program.

    Raises:
        UserError: an update of this stack runs, the cluster does not, or the CLI failed.
        UserError: it is not the cluster that the stack was brought up on.
    """
    refuse_running(cli)
    cli.select(overrides)
    state = State.of(cli.export())
    kube = _cluster(state, settings) if state.uses_cluster else None
    end_plugins(cli.mark)
    if kube:
        _put_helm_right(kube, cli.stack, state, declared)
    cli.recover()
    _say("The state is again what the cluster holds. Now run `up`, which takes over objects that it does not record")


def _put_helm_right(kube: Kube, stack: str, state: State, declared: Collection[Release]) -> None:
    begun = unrecorded(kube, stack, state, declared)
    found = revisions(kube, {*state.recorded, *begun, *declared})
    forget(kube, stale([each for each in found if each.release in state.recorded | begun], begun))
    for each in sorted({each.release for each in found} - state.recorded - begun):
        _say(
            f"Helm release {each} is there, and nothing tells that it is this stack's: it is left alone. If it is, "
            f"`kubectl --namespace {each.namespace} delete secret --selector owner=helm,name={each.name}`"
        )


def _cluster(state: State, settings: Mapping[str, str]) -> Kube:
    """The stack's cluster, if it is the recorded one."""
    try:
        kube = Kube(settings["kubeconfig"], settings["context"])
        here = str(kube.get(KUBE_SYSTEM)["metadata"]["uid"])
    except KubeError as error:
        raise UserError(f"{error}; start the cluster, then recover again") from error
    must_be_known(here, state.cluster, settings["context"])
    return kube
