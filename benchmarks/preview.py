"""A preview that finds nothing to do: the program against a program with one Namespace, on the same engine and node."""

from collections.abc import Iterator

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import PROGRAMS, cli, mesh
from operations.pulumi_cli import Cli


def results(runs: int) -> Iterator[Result]:
    """One comparison."""
    with mesh() as (cluster, stack):
        least = cli(cluster.root, "bench", PROGRAMS / "namespace")
        least.up({"kubeconfig": str(cluster.kubeconfig)}, quiet=True)
        ours, reference = alternate(lambda: _preview(stack), lambda: _preview(least), runs)
    yield Result(name="preview without changes, against one Namespace's", ours=ours, reference=reference, target=1.5)


def _preview(stack: Cli) -> float:
    return timed(lambda: stack.run("preview", "--expect-no-changes", quiet=True))
