"""What the program itself costs, without any cluster: evaluation under mocks, and imports."""

import sys
from collections.abc import Iterator

from benchmarks.measure import Result, alternate
from benchmarks.setting import PROGRAMS, Cost, child, quietly

COPIES = (1, 10, 100, 500)
FEW = 100
TARGET = 1.2
# The program's modules, imported as __main__.py does, and its packages with the classes of the resources that it makes,
# as most programs import them.
OURS = "import gc; gc.disable(); from program import compose, lookup, preflight, settings, supply"
PACKAGES = (
    "import pulumi, pulumi_command.local, kubernetes, yaml; from pulumi_kubernetes import apps, core, helm; "
    "apps.v1.Deployment, core.v1.Namespace, helm.v3.Release"
)


def results(runs: int) -> Iterator[Result]:
    """Time and memory of components against a bare loop, time as the number of copies grows, and imports."""
    for copies in COPIES:
        yield from _against_a_bare_loop(copies, runs)
    few, many = COPIES[-2:]
    ours, reference = alternate(lambda: _evaluate(many).cpu / many, lambda: _evaluate(few).cpu / few, runs)
    yield Result(name=f"evaluation per Bookinfo, {many} against {few}", ours=ours, reference=reference, target=TARGET)
    ours, reference = alternate(lambda: _imported(OURS), lambda: _imported(PACKAGES), runs)
    yield Result(name="imports, the program against its packages", ours=ours, reference=reference, target=TARGET)


def _against_a_bare_loop(copies: int, runs: int) -> Iterator[Result]:
    # The short ones are soon disturbed, and soon done.
    runs *= 3 if copies < FEW else 1
    made, bare = alternate(lambda: _evaluate(copies), lambda: _evaluate(copies, bare=True), runs)
    name = f"evaluation of {copies} Bookinfos, {{}}, against a bare loop"
    cpu, memory = name.format("processor time"), name.format("peak memory")
    yield Result(name=cpu, ours=[cost.cpu for cost in made], reference=[cost.cpu for cost in bare], target=TARGET)
    ours, reference = [cost.mib for cost in made], [cost.mib for cost in bare]
    yield Result(name=memory, ours=ours, reference=reference, target=TARGET, unit="MiB")


def _evaluate(copies: int, *, bare: bool = False) -> Cost:
    return child(PROGRAMS / "many", "bench", f"copies={copies}", f"bare={str(bare).lower()}")


def _imported(statement: str) -> float:
    """The processor's seconds from the interpreter's start to the end of a statement."""
    return float(quietly(sys.executable, "-c", f"{statement}; import time; print(time.process_time())"))
