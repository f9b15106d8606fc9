"""What the program itself costs, without any cluster: evaluation under mocks, and imports."""

import sys
from collections.abc import Iterator

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import PROGRAMS, Cost, child, quietly

COPIES = (1, 10, 100, 500)
TARGET = 1.2
# The program's modules, and the packages that it cannot do without.
OURS = "import compose, lookup, preflight, settings, supply"
PACKAGES = "import pulumi, pulumi_kubernetes, pulumi_command, kubernetes, yaml"


def results(runs: int) -> Iterator[Result]:
    """Time and memory of components against a bare loop, time as the number of copies grows, and imports."""
    for copies in COPIES:
        made, bare = _pairs(copies, runs)
        for what, field in (("seconds", 0), ("peak MiB", 1)):
            yield Result(
                name=f"evaluation of {copies} Bookinfos, {what}, against a bare loop",
                ours=[cost[field] for cost in made],
                reference=[cost[field] for cost in bare],
                target=TARGET,
            )
    few, many = COPIES[-2:]
    ours, reference = alternate(lambda: _evaluate(many).seconds / many, lambda: _evaluate(few).seconds / few, runs)
    yield Result(name=f"evaluation per Bookinfo, {many} against {few}", ours=ours, reference=reference, target=TARGET)
    ours, reference = alternate(lambda: _imported(OURS), lambda: _imported(PACKAGES), runs)
    yield Result(name="imports, the program against its packages", ours=ours, reference=reference, target=TARGET)


def _pairs(copies: int, runs: int) -> tuple[list[Cost], list[Cost]]:
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(runs):
        costs[0].append(_evaluate(copies))
        costs[1].append(_evaluate(copies, bare=True))
    return costs


def _evaluate(copies: int, *, bare: bool = False) -> Cost:
    return child("evaluate", PROGRAMS / "many", "bench", f"copies={copies}", f"bare={str(bare).lower()}")


def _imported(statement: str) -> float:
    return timed(lambda: quietly(sys.executable, "-c", statement))
