"""The programs of a real node, and where they are."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where the programs are.

    Attributes:
        control_plane: folder of etcd (as ``server``), kube-apiserver, kube-controller-manager and kube-scheduler.
        node: folder of kubelet, kube-proxy, containerd, its shim, runc, nodekit, pause, coredns and bookinfo, with
            CNI's plugins in its folder ``cni``.
        istio: folder of pilot-discovery, pilot-agent, install-cni, istio-cni and envoy.
        nft: the program nft.
        libraries: LD_LIBRARY_PATH for nft; empty where it is the machine's own.
    """

    control_plane: Path
    node: Path
    istio: Path
    nft: Path
    libraries: str = ""


def machines_nft() -> Path | None:
    """The machine's own nft; None where it has none. Not every user's PATH has the folders that it is in."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which("nft", path=path)
    return Path(found) if found else None
