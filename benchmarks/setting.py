"""What every benchmark stands on: clusters, programs in processes of their own, and the Pulumi CLI."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from embedded import kinds, toolchain
from embedded.access import CONTEXT
from embedded.cluster import Cluster
from embedded.node.cluster import RealCluster
from embedded.record import Kind
from operations import engine, stacks
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import Cli

PROGRAMS = Path(__file__).resolve().parent / "programs"
STACK = "embedded"
PAGE_SECONDS = 300
POLL_SECONDS = 0.1
C = TypeVar("C", Cluster, RealCluster)


class Cost(NamedTuple):
    """What a run of a child took, the interpreter's start left out: the process's own processor seconds, and MiB."""

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
def simulated_cluster() -> Iterator[Cluster]:
    """An embedded cluster with simulated pods and nothing on it; deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, running(Cluster(Path(folder) / "cluster", say=silent)) as cluster:
        yield cluster


@contextmanager
def real_cluster() -> Iterator[RealCluster]:
    """An embedded cluster with a real node and nothing on it, and Istio's charts in its folder; deleted afterwards.

    Raises:
        EmbeddedError: this machine cannot run one; `python -m embedded probe` says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "cluster"
        kinds.choose(root, Kind.REAL)
        stacks.write_artifacts(root, settings_of(STACK, settings(root)))
        cluster = RealCluster(root, say=silent)
        cluster.publish(stacks.gateways("default"))
        with running(cluster):
            yield cluster


@contextmanager
def running(cluster: C) -> Iterator[C]:
    """Start a cluster, and delete it afterwards."""
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.delete()


def kubectl(cluster: RealCluster, *words: str) -> str:
    """Run the kubectl that is built on a cluster, and return what it printed."""
    program = toolchain.ensure("cluster").cluster / "kubectl"
    return quietly(str(program), f"--kubeconfig={cluster.kubeconfig}", f"--context={CONTEXT}", *words)


@contextmanager
def mesh() -> Iterator[tuple[RealCluster, Cli]]:
    """A real node on which ``up`` has brought the mesh up; the CLI of its stack."""
    with real_cluster() as cluster:
        stack = cli(cluster.root, STACK)
        stack.up(settings(cluster.root), quiet=True)
        wait_for_page(cluster)
        yield cluster, stack


def cli(root: Path, stack: str, project: Path = PROJECT) -> Cli:
    """The Pulumi CLI on a stack whose state is in a cluster's folder."""
    return Cli(engine=engine.find(), stack=stack, state=root / project.name, project=project)


def settings(root: Path) -> dict[str, str]:
    """Configuration keys that point stack ``embedded`` at the cluster in a folder, which is there already."""
    gateway_api = settings_of(STACK)["gatewayApiVersion"]
    return {
        "clusterMode": "existing",
        "kubeconfig": str(root / "kubeconfig"),
        "istioChartRepository": str(root / "charts"),
        "gatewayApiManifest": str(root / "gateway-api" / gateway_api / "standard"),
    }


def wait_for_page(cluster: RealCluster) -> None:
    """Wait until the page answers on the host's loopback, with the book and its reviews.

    Raises:
        TimeoutError: it did not; says what answered last.
    """
    deadline, address = time.monotonic() + PAGE_SECONDS, f"http://{cluster.address('http')}/productpage"
    answer = ""
    while not ("<title>Simple Bookstore App" in answer and "Error fetching" not in answer):
        if time.monotonic() > deadline:
            message = f"{address} did not answer with the whole page within {PAGE_SECONDS} s: {answer[:300]}"
            raise TimeoutError(message)
        time.sleep(POLL_SECONDS)
        try:
            with urllib.request.urlopen(address, timeout=10) as page:  # noqa: S310 the host's own loopback
                answer = page.read().decode()
        except OSError as error:
            answer = str(error)


def silent(_: str) -> None:
    """Takes a line of progress, and says nothing."""
