"""What every benchmark stands on: clusters, programs in processes of their own, and the Pulumi CLI."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from embedded import artifacts
from embedded.cluster import Cluster
from operations import engine
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import Cli

PROGRAMS = Path(__file__).resolve().parent / "programs"
ISTIO = "1.23.0"
GATEWAY_API = "v1.1.0"


class Cost(NamedTuple):
    """What a run of a child took, the interpreter's start left out: seconds by the clock and of the processor, and MiB.

    The processor's seconds are of the process alone, whatever else runs on the machine.
    """

    seconds: float
    cpu: float
    mib: float


def quietly(*command: str, folder: Path = PROJECT, environment: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is printed first.
    """
    try:
        return subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, env=environment, capture_output=True, text=True, check=True
        ).stdout
    except subprocess.CalledProcessError as error:
        print(error.stdout, error.stderr, sep="\n", file=sys.stderr)
        raise


def child(project: Path, stack: str, *config: str) -> Cost:
    """Evaluate a program in a process of its own."""
    words = ["--project", str(project), "--stack", stack, "--config", *config]
    return Cost(**json.loads(quietly(sys.executable, "-m", "benchmarks.child", *words)))


@contextmanager
def fresh_cluster() -> Iterator[Cluster]:
    """An embedded cluster with nothing on it, and stand-in charts and CRDs in its folder; deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "cluster", say=lambda _: None)
        artifacts.prepare(cluster.root, ISTIO)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.delete()


def cli(cluster: Cluster, stack: str, project: Path = PROJECT) -> Cli:
    """The Pulumi CLI on a stack whose state is in the cluster's folder."""
    return Cli(engine=engine.find(), stack=stack, state=cluster.root / project.name, project=project)


def settings(cluster: Cluster) -> dict[str, str]:
    """Configuration keys that point stack ``embedded`` at a cluster."""
    return {
        "kubeconfig": str(cluster.kubeconfig),
        "istioChartRepository": str(cluster.root / "charts"),
        "gatewayApiManifest": str(cluster.root / "gateway-api" / GATEWAY_API / "standard"),
    }
