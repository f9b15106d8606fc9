"""What a mesh takes that nobody asks anything: memory and processor of a node with it, against one without."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Result
from benchmarks.setting import STACK, cli, real_cluster, settings, wait_for_page
from embedded.node import cgroups

WINDOW_SECONDS = 20.0
SETTLING_SECONDS = 30.0
"""What has just come up is not idle yet."""

TICKS = os.sysconf("SC_CLK_TCK")
PROXY = ("envoy", "pilot-agent")


class Taken(NamedTuple):
    """What processes take: memory in MiB, shared pages divided among those that share them, and cores."""

    mib: float
    cores: float


def results(runs: int) -> Iterator[Result]:
    """Memory and processor of everything, and of the proxies alone, against everything without a mesh."""
    with real_cluster() as cluster:
        group = cgroups.name_for(cluster.root)
        time.sleep(SETTLING_SECONDS)
        empty = [_taken(group) for _ in range(runs)]
        cli(cluster.root, STACK).up(settings(cluster.root), quiet=True)
        wait_for_page(cluster)
        time.sleep(SETTLING_SECONDS)
        idle = [_taken(group) for _ in range(runs)]
        proxies = [_taken(group, PROXY) for _ in range(runs)]
    for what, ours in (("a mesh with Bookinfo", idle), ("its eight proxies", proxies)):
        for measured, unit, part in (("memory", "MiB", 0), ("processor", "cores", 1)):
            yield Result(
                name=f"{measured} of {what}, idle, against the node alone",
                ours=[each[part] for each in ours],
                reference=[each[part] for each in empty],
                unit=unit,
            )


def _taken(group: str, names: tuple[str, ...] = ()) -> Taken:
    """What a cluster's processes take, those of some names if any are given; cores over a window."""
    before, began = _ticks(group, names), time.monotonic()
    time.sleep(WINDOW_SECONDS)
    after, window = _ticks(group, names), time.monotonic() - began
    spent = sum(ticks - before.get(pid, 0) for pid, ticks in after.items())
    return Taken(mib=sum(map(_mib, after)), cores=spent / TICKS / window)


def _ticks(group: str, names: tuple[str, ...]) -> dict[str, int]:
    """By process of a cluster's, its time on a processor so far, that of its dead children included."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (read := stat(folder, group)):
            name, fields = read
            if not names or name in names:
                found[folder.name] = sum(map(int, fields[11:15]))
    return found


def stat(process: Path, group: str) -> tuple[str, list[str]] | None:
    """Name, and the fields of its stat from the third on, of a process in the cgroup; None for others."""
    try:
        if f"/{group}/" not in (process / "cgroup").read_text().replace("\n", "/\n"):
            return None
        before, _, after = (process / "stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return None
    return before.partition("(")[2], after.split()


def _mib(pid: str) -> float:
    try:
        rolled_up = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    (kib,) = (line.split()[1] for line in rolled_up.splitlines() if line.startswith("Pss:"))
    return int(kib) / 1024
