"""The mesh check asks a real istiod what it waits for from real Envoys."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from components.workloads.bookinfo import WORKLOADS
from embedded.access import CONTEXT
from operations.manifests.evaluate import PROJECT
from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh

PATIENCE = 120
METRICS = f"""
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{name: counts, namespace: {NAMESPACE}}}
spec: {{metrics: [{{providers: [{{name: prometheus}}]}}]}}
"""


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh) -> None:
    mesh.up()


def check(mesh: Mesh) -> "subprocess.CompletedProcess[str]":
    """Run the check as the Command does, but for a second only."""
    document = {
        "kubeconfig": str(mesh.node.kubeconfig),
        "context": CONTEXT,
        "namespace": NAMESPACE,
        "istioVersion": "1.31.0",
        "deployments": sorted(workload.name for workload in WORKLOADS),
        "pages": [],
        "timeoutSeconds": 1,
    }
    command = [sys.executable, "-m", "components.commands.mesh_check"]
    return subprocess.run(command, cwd=PROJECT, input=json.dumps(document), capture_output=True, text=True, check=False)


@pytest.fixture
def refused(mesh: Mesh) -> Iterator[None]:
    """A configuration that names a filter which these Envoys do not have."""
    mesh.kubectl.apply(METRICS)
    yield
    mesh.kubectl("delete", "telemetry", "counts", f"--namespace={NAMESPACE}")
    eventually(lambda: check(mesh).returncode == 0, PATIENCE)


def test_a_mesh_whose_proxies_have_taken_everything_is_right(mesh: Mesh) -> None:
    eventually(lambda: check(mesh).returncode == 0, PATIENCE)
    assert "istiod is not asked" not in check(mesh).stderr


@pytest.mark.usefixtures("refused")
def test_a_configuration_that_proxies_refuse_is_told_with_their_words(mesh: Mesh) -> None:
    last = [""]

    def is_told() -> bool:
        """Of a proxy that has got the configuration; others may get theirs later."""
        checked = check(mesh)
        last[:] = [checked.stderr]
        rows = [line for line in last[0].splitlines() if "refuses its configuration of type Listener: " in line]
        told = any("productpage-v1-" in row and f".{NAMESPACE} " in row and "istio.stats" in row for row in rows)
        return told and checked.returncode == 1

    try:
        eventually(is_told, PATIENCE)
    except AssertionError as late:
        raise AssertionError(last[0]) from late


def test_metrics_that_these_envoys_cannot_count_are_refused_before_anything_is_touched(mesh: Mesh) -> None:
    wanted = json.dumps({"metrics": {"disabled": ["REQUEST_SIZE"]}})
    told = mesh.refused(clusterMode="embedded", observability=wanted)
    assert "config key istio-minikube:observability.metrics is set" in told
    assert "without Istio's filter istio.stats" in told
