"""A preview that finds nothing to do: the program against a program with one Namespace, on the same engine."""

from collections.abc import Iterator

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import PROGRAMS, cli, fresh_cluster, settings
from operations.pulumi_cli import Cli


def results(runs: int) -> Iterator[Result]:
    """One comparison."""
    with fresh_cluster() as cluster:
        mesh = cli(cluster, "embedded")
        mesh.up(settings(cluster), quiet=True)
        least = cli(cluster, "bench", PROGRAMS / "namespace")
        least.up({"kubeconfig": str(cluster.kubeconfig)}, quiet=True)
        ours, reference = alternate(lambda: _preview(mesh), lambda: _preview(least), runs)
    yield Result(name="no-op preview, against one Namespace's", ours=ours, reference=reference, target=1.5)


def _preview(mesh: Cli) -> float:
    return timed(lambda: mesh.run("preview", "--expect-no-changes", quiet=True))
