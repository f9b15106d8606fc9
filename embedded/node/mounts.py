"""The file system as the node sees it: the machine's, with private folders where the node's programs write."""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

_BIND, _RECURSIVE, _PRIVATE, _SHARED = 1 << 12, 1 << 14, 1 << 18, 1 << 20
_DETACH = 2

TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What kubelet would set where it differs. They are the whole machine's: kubelet is shown files that say so already."""

_libc = ctypes.CDLL(None, use_errno=True)


def make_private(root: Path) -> None:
    """Arrange the mounts of the calling process's own mount namespace; nothing of it is seen outside.

    Args:
        root: The cluster's folder, whose folders take the place of the machine's.

    Raises:
        OSError: The kernel refuses a mount; the message names it.
    """
    mount(None, Path("/"), flags=_PRIVATE | _RECURSIVE)
    mount("tmpfs", Path("/run"), kind="tmpfs", data="mode=755")
    # Which pod had which address must not outlive a start: what is under /var/lib/cni goes with the mount.
    overlay(Path("/var/lib"), {"kubelet": root / "kubelet", "cni": None})
    # Where a node's CNI is: Istio's agent adds its plugin there, as on any node.
    overlay(Path("/etc"), {"cni": root / "configuration" / "cni"})
    overlay(Path("/opt"), {"cni": None})
    overlay(Path("/var/log"), {"pods": root / "logs" / "pods", "containers": root / "logs" / "containers"})
    for name, value in TUNABLES.items():
        shown = root / "configuration" / f"sysctl-{name.replace('/', '.')}"
        shown.write_text(f"{value}\n")
        mount(str(shown), Path("/proc/sys") / name, flags=_BIND)
    # Containers may ask for their mounts to be seen by the node and the other way round.
    mount(None, Path("/"), flags=_SHARED | _RECURSIVE)


def overlay(folder: Path, private: Mapping[str, Path | None]) -> None:
    """Give a folder private entries beside those that it has, which stay what and where they are.

    Overlayfs would not do: it forbids the private half to lie within the folder, as with a home below /var/lib.

    Args:
        folder: Such as /var/lib.
        private: By name, the folder to be seen there; None for one in memory that goes with the namespace.
    """
    original = Path("/run") / f"original-{folder.name}"
    original.mkdir()
    mount(str(folder), original, flags=_BIND | _RECURSIVE)
    mount("tmpfs", folder, kind="tmpfs", data="mode=755")
    for entry in original.iterdir():
        seen = folder / entry.name
        if entry.name in private:
            continue
        if entry.is_symlink():
            seen.symlink_to(entry.readlink())
            continue
        if entry.is_dir():
            seen.mkdir()
        else:
            seen.touch()
        mount(str(entry), seen, flags=_BIND | _RECURSIVE)
    for name, source in private.items():
        (folder / name).mkdir()
        if source is not None:
            source.mkdir(parents=True, exist_ok=True)
            mount(str(source), folder / name, flags=_BIND)
    _unmount(original)


def mount(
    source: str | None, target: Path, *, kind: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """Mount something, as the system call of that name does.

    Raises:
        OSError: The kernel refuses.
    """
    words = [None if word is None else os.fsencode(word) for word in (source, str(target), kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), data.encode() if data else None):
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: mount {source or ''} on", str(target))


def _unmount(target: Path) -> None:
    if _libc.umount2(os.fsencode(target), _DETACH):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
