"""A preview that finds nothing to do: the program against a program with one Namespace, on the same engine."""

from collections.abc import Iterator

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import PROGRAMS, fresh_cluster, settings
from operations import pulumi_cli


def results(runs: int) -> Iterator[Result]:
    """One comparison, where there is a Pulumi CLI."""
    binary = pulumi_cli.found()
    if not binary:
        return
    with fresh_cluster() as cluster:
        mesh = pulumi_cli.Cli(binary=binary, stack="embedded", state=cluster.root / "state")
        mesh.up(settings(cluster), quiet=True)
        least = pulumi_cli.Cli(
            binary=binary, stack="bench", state=cluster.root / "least", project=PROGRAMS / "namespace"
        )
        least.up({"kubeconfig": str(cluster.kubeconfig)}, quiet=True)
        ours, reference = alternate(lambda: _preview(mesh), lambda: _preview(least), runs)
    yield Result(name="no-op preview, against one Namespace's", ours=ours, reference=reference, target=1.5)


def _preview(cli: pulumi_cli.Cli) -> float:
    return timed(lambda: cli.run("preview", "--expect-no-changes", quiet=True))
