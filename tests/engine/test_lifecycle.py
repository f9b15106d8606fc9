"""Drift, vendored charts and adoption by the real Pulumi engine, on the embedded cluster."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.commands import UserError
from components.kube import MERGE, Kube
from embedded.cluster import Cluster
from operations import pulumi_cli
from operations.manifests import drift
from operations.manifests.objects import wait_until
from program.supply import LOCK, digest
from tests.embedded import istioctl
from tests.embedded.stack import CONTEXT, objects, settings_for

RATINGS = "/apis/apps/v1/namespaces/default/deployments/ratings-v1"
BUDGET = "/apis/policy/v1/namespaces/istio-system/poddisruptionbudgets/istiod"
SMALL = {"bookinfo": "false"}
NOT_THE_PROJECT = (".*", "__pycache__", "tests", "vendor")


def kube(cluster: Cluster) -> Kube:
    return Kube(cluster.kubeconfig, CONTEXT)


def found(cluster: Cluster, tools: Path) -> list[str]:
    return [str(each) for each in drift.find("embedded", settings_for(cluster), tools / "helm")[2]]


def test_what_the_engine_made_has_no_drift_and_what_was_changed_is_put_right(
    cli: pulumi_cli.Cli, cluster: Cluster, tools: Path
) -> None:
    cli.up(settings_for(cluster))
    assert found(cluster, tools) == []

    kube(cluster).request("PATCH", RATINGS, {"spec": {"replicas": 2}}, content_type=MERGE)
    kube(cluster).request("PATCH", BUDGET, {"spec": {"minAvailable": 0}}, content_type=MERGE)
    assert sorted(found(cluster, tools)) == [
        "Deployment default/ratings-v1 (bookinfo-ratings-v1): differs\n    spec.replicas: 2, should be 1",
        "PodDisruptionBudget istio-system/istiod (Helm release istiod, istio-istiod): differs\n"
        "    spec.minAvailable: 0, should be 1",
    ]

    api, _, differences = drift.find("embedded", settings_for(cluster), tools / "helm")
    assert len(drift.repair(api, differences)) == 1
    cli.run("refresh", "--yes", "--skip-preview", quiet=True)
    cli.run("up", "--yes", "--skip-preview", quiet=True)
    assert found(cluster, tools) == []
    # What `make drift` has put right is Helm's all the same.
    cli.run("preview", "--expect-no-changes", quiet=True)


@pytest.fixture
def project(tmp_path: Path, cluster: Cluster) -> Path:
    """A copy of this project, whose embedded cluster is the tests' own."""
    copy = tmp_path / "project"
    shutil.copytree(pulumi_cli.PROJECT, copy, ignore=shutil.ignore_patterns(*NOT_THE_PROJECT))
    (copy / ".venv").symlink_to(pulumi_cli.PROJECT / ".venv")
    (copy / ".embedded").symlink_to(cluster.root)
    config = settings_for(cluster) | {"context": CONTEXT}
    # Those that are no text have their own type in a file.
    read = config | {"istioValues": yaml.safe_load(config["istioValues"])}
    content = {"config": {f"istio-minikube:{key}": value for key, value in read.items()}}
    (copy / "Pulumi.embedded.yaml").write_text(yaml.safe_dump(content))
    return copy


def test_a_locked_stack_is_installed_from_its_vendored_files_and_another_file_is_refused(
    project: Path, cli: pulumi_cli.Cli, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    subprocess.run([sys.executable, "-m", "operations", "vendor", "--stack", "embedded"], cwd=project, check=True)
    assert (project / LOCK).is_file()
    cli = replace(cli, project=project)
    # Nothing answers there, and nobody asks.
    nowhere = {"istioChartRepository": "https://127.0.0.1:1/charts", "gatewayApiManifest": "/nowhere"}
    cli.up(SMALL | nowhere)
    cli.run("preview", "--expect-no-changes", quiet=True)

    chart = project / "vendor/embedded/istiod-1.23.0.tgz"
    locked = chart.read_bytes()
    chart.write_bytes(locked + b"\0")
    before = set(objects(kube(cluster)))
    with pytest.raises(UserError):
        cli.up(SMALL | nowhere)
    said = "".join(capfd.readouterr())
    assert (
        f"has sha256 {digest(locked + bytes(1))}, and {LOCK} says {digest(locked)}: nothing of it is installed" in said
    )
    assert set(objects(kube(cluster))) == before
    chart.write_bytes(locked)
    # Where its kubeconfig is.
    cli.run("destroy", "--yes", "--skip-preview", quiet=True)


@pytest.fixture
def istioctls_mesh(cluster: Cluster, tools: Path) -> Iterator[Kube]:
    """A mesh of istioctl's, of which only the namespace is left in the end."""
    settings_for(cluster)
    istioctl.install(cluster.kubeconfig, tools / "helm", cluster.root / "charts")
    yield kube(cluster)
    istioctl.uninstall(kube(cluster))


def test_a_mesh_of_istioctls_is_refused_then_taken_over_and_removed_whole(
    istioctls_mesh: Kube, cli: pulumi_cli.Cli, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError):
        cli.up(settings_for(cluster) | SMALL)
    assert "Deployment istio-system/istiod, Istio 1.23.0, is no Helm release's" in "".join(capfd.readouterr())

    before = {name: metadata["uid"] for name, metadata in objects(istioctls_mesh).items()}
    stays = {name for name in before if name.startswith(("pods istio-system/istiod-", "customresourcedefinitions "))}
    cli.up(settings_for(cluster) | SMALL | {"adopt": "true"})
    now = {name: metadata["uid"] for name, metadata in objects(istioctls_mesh).items()}
    assert {name: now.get(name) for name in stays} == {name: before[name] for name in stays}

    # From here on it is a stack like any other.
    cli.up(settings_for(cluster) | SMALL)
    cli.run("preview", "--expect-no-changes", quiet=True)
    cli.run("destroy", "--yes", "--skip-preview", quiet=True)
    wait_until("pods to be gone", lambda: not istioctls_mesh.objects("/api/v1/namespaces/istio-system/pods"), 60)
    assert {name for name in objects(istioctls_mesh) if "istio" in name} == {
        "configmaps istio-system/kube-root-ca.crt",
        "namespaces /istio-system",
        "serviceaccounts istio-system/default",
    }
