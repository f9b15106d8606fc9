"""Which kind of node an embedded cluster has: a real one where the machine lets it, a simulated one elsewhere."""

from pathlib import Path
from typing import Protocol

from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.files import exclusively, write
from embedded.node import obtain, probe
from embedded.node.cluster import RealCluster
from embedded.node.parts import machines_nft
from embedded.node.probe import Finding
from embedded.record import RECORD, Kind, recorded
from embedded.toolchain.progress import Say, to_stderr

AHEAD = "ahead"
"""In a cluster's folder, a file that is there while it is started ahead of the stack that is to have it."""


class AnyCluster(Protocol):
    """What both kinds of clusters can do; see `Cluster`."""

    root: Path
    kubeconfig: Path
    logs: Path

    def start(self) -> bool:
        """Bring it up, or find it up; whether it had to be started."""

    def stop(self) -> None:
        """End its processes; its data stays."""

    def delete(self) -> None:
        """End its processes and remove its data."""

    def running(self) -> bool:
        """Whether it is usable."""

    def identity(self) -> str:
        """The UID of its namespace kube-system."""


def choose(root: Path, wanted: Kind | None = None, say: Say = to_stderr) -> Kind:
    """Decide which kind the cluster in a folder has, once and for all until it is deleted.

    Args:
        root: The cluster's folder.
        wanted: The kind to insist on; None chooses a real one where the machine can run it.
        say: Receives, in one line, why a real one cannot be.

    Raises:
        EmbeddedError: The cluster there is of the other kind, or the machine cannot run the kind that was asked for.
    """
    before = recorded(root)
    if before and wanted and before is not wanted:
        message = f"The embedded cluster in {root} has a {before} node: delete it before it can have a {wanted} one."
        raise EmbeddedError(message)
    if before and cluster(root, before).running():
        return before  # the machine can, and what the cluster uses of it is not free any more
    kind = before or wanted or Kind.REAL
    if kind is Kind.REAL and (found := findings(root, say)):
        told = "; ".join(map(str, found))
        if before or wanted:
            message = f"A real node cannot run here: {told}."
            raise EmbeddedError(message)
        say(f"Pods are simulated, as a real node cannot run here: {told}")
        kind = Kind.SIMULATED
    record(root, kind)
    return kind


def record(root: Path, kind: Kind) -> None:
    """Have the cluster in a folder be of a kind, whatever the machine can.

    Raises:
        EmbeddedError: The folder cannot be used.
    """
    with exclusively(root):
        write(root / RECORD, f"{kind}\n")


def findings(root: Path, say: Say = to_stderr, *, download: bool = True) -> list[Finding]:
    """All that prevents a real node on this machine.

    Args:
        root: Where the cluster is to be.
        say: Receives progress.
        download: Whether to get nft, should it be missing, and try it too.
    """
    if found := probe.machine():
        return found
    if not download and machines_nft() is None and obtain.has_packages():
        return probe.kernel(root, None)
    try:
        nft, libraries = obtain.find_nft(say)
    except EmbeddedError as reason:
        told = str(reason).rstrip(".")
        return [Finding(what=f"there is no nft: {told}", remedy="install the package nftables, version 1.0.1 or newer")]
    return probe.kernel(root, nft, libraries)


def cluster(root: Path, kind: Kind | None = None, say: Say = to_stderr) -> AnyCluster:
    """The cluster in a folder.

    Args:
        root: Its folder.
        kind: What `choose` has said; by default the kind of the cluster that is there.
        say: Receives progress.
    """
    kind = kind or recorded(root)
    return RealCluster(root, say=say) if kind is Kind.REAL else Cluster(root, say=say)


def delete(root: Path, say: Say = to_stderr) -> None:
    """Delete the cluster in a folder, so that its next one may be of either kind."""
    cluster(root, say=say).delete()
    for name in (RECORD, AHEAD):
        (root / name).unlink(missing_ok=True)
