"""The cluster's own cgroup in each hierarchy, version 1 or 2, and its removal.

https://docs.kernel.org/admin-guide/cgroup-v1/index.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import hashlib
import os
import signal
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "cpuset", "memory", "pids")
SYSTEM = "system"
"""The cgroup of the node's own programs, beside kubelet's ``kubepods``: whoever is in it belongs to this cluster."""

V1_SYSTEM_HIERARCHY = "pids"
V1_CPU_SHARES = 16 * 1024
"""In version 1 all pods together compete as one with every other process of the machine, whose shares are 1024 each."""

PATIENCE = 30.0
"""Seconds that killed processes are given to be gone; a cgroup can be removed only when it is empty."""


class CgroupError(Exception):
    """A cgroup cannot be created or removed."""


def name_for(root: Path) -> str:
    """The name of the cgroup of the cluster in a folder: as unique as the folder's path."""
    return f"embedded-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"


def version(root: Path = ROOT) -> int:
    """1 or 2; hybrid set-ups are 1."""
    return 2 if (root / "cgroup.controllers").exists() else 1


def hierarchies(root: Path = ROOT) -> list[Path]:
    """The top folder of each hierarchy that is mounted."""
    if version(root) == 2:
        return [root]
    # Links such as cpu -> cpu,cpuacct would name a hierarchy twice.
    folders = [each for each in sorted(root.iterdir()) if not each.is_symlink()]
    return [each for each in folders if (each / "cgroup.procs").exists()]


def controllers(root: Path = ROOT) -> set[str]:
    """The controllers that can be used."""
    if version(root) == 2:
        return set((root / "cgroup.controllers").read_text().split())
    return {name for each in hierarchies(root) for name in each.name.split(",")}


def create(name: str, root: Path = ROOT) -> None:
    """Make the cluster's cgroup, ready for kubelet.

    Raises:
        OSError: The kernel refuses.
    """
    for hierarchy in hierarchies(root):
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        if version(root) == 2:
            _enable_below(hierarchy)
            _enable_below(folder)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            # A cpuset of version 1 starts empty, and no process can be put into an empty one.
            if version(root) == 1 and (folder / inherited).exists():
                (folder / inherited).write_text((hierarchy / inherited).read_text())
        if (shares := folder / "cpu.shares").exists():
            shares.write_text(str(V1_CPU_SHARES))
    _system(name, root).mkdir(exist_ok=True)


def joining(name: str, root: Path = ROOT) -> list[str]:
    """The begin of a command that puts itself, and with it all that it starts, where `clear` finds them.

    So also a child that has not asked yet to end with its parent, as unshare's does, when that is killed.
    """
    return ["/bin/sh", "-c", 'echo 0 >"$1" && shift && exec "$@"', "sh", str(_system(name, root) / "cgroup.procs")]


def clear(name: str, root: Path = ROOT) -> None:
    """Kill whatever runs in the cluster's cgroup and remove it. A kubelet looks at leftovers for seconds each.

    Raises:
        CgroupError: Something is still there after `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    tops = [hierarchy / name for hierarchy in hierarchies(root)]
    while remaining := [top for top in tops if top.exists()]:
        failures = [failure for top in remaining for failure in _remove(top)]
        if failures and time.monotonic() > deadline:
            message = f"A cgroup of the embedded cluster cannot be removed: {failures[0]}."
            raise CgroupError(message) from failures[0]
        if failures:
            time.sleep(0.02)


def exists(name: str, root: Path = ROOT) -> bool:
    """Whether there is anything of the cluster's cgroup, in whichever hierarchy."""
    return root.is_dir() and any((hierarchy / name).exists() for hierarchy in hierarchies(root))


def members(name: str, root: Path = ROOT) -> set[int]:
    """The processes in the cluster's cgroup, in whichever hierarchy."""
    found = set()
    for hierarchy in hierarchies(root):
        for folder, _, _ in os.walk(hierarchy / name):
            found |= _processes(Path(folder))
    return found


def _system(name: str, root: Path) -> Path:
    hierarchy = root if version(root) == 2 else root / V1_SYSTEM_HIERARCHY
    return hierarchy / name / SYSTEM


def _enable_below(folder: Path) -> None:
    enabled = set((folder / "cgroup.subtree_control").read_text().split())
    if missing := [each for each in NEEDED if each not in enabled]:
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in missing))


def _remove(top: Path) -> list[OSError]:
    """One try, from the bottom up; what did not work yet."""
    failures = []
    for folder, _, _ in os.walk(top, topdown=False):
        for pid in _processes(Path(folder)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            Path(folder).rmdir()
        except OSError as error:
            failures.append(error)
    return failures


def _processes(folder: Path) -> set[int]:
    try:
        pids = {int(each) for each in (folder / "cgroup.procs").read_text().split()}
    except OSError:
        return set()
    return pids - {0}  # processes of another PID namespace, seen from inside
