"""Istio's charts from a real OCI registry, which asks for the login in Docker's configuration file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.commands import UserError
from components.kube import MERGE, Kube
from embedded.cluster import Cluster
from operations import pulumi_cli, vendor
from operations.manifests import drift
from operations.manifests.render import render
from program.supply import LOCK, as_locked
from tests.embedded.stack import CONTEXT, settings_for
from tests.engine import oci_registry
from tests.engine.oci_registry import Registry
from tests.unit.loading import loaded

FOLDER = "mesh/charts"
CHARTS = ("base", "istiod")
SMALL = {"bookinfo": "false"}
BUDGET = "/apis/policy/v1/namespaces/istio-system/poddisruptionbudgets/istiod"


@pytest.fixture(scope="module")
def registry(cluster: Cluster, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that has the embedded cluster's charts."""
    settings_for(cluster)
    with oci_registry.serving(tmp_path_factory.mktemp("registry")) as served:
        for chart in CHARTS:
            served.push(tools / "helm", cluster.root / "charts" / f"{chart}-1.23.0.tgz", FOLDER)
        yield served


@pytest.fixture
def settings(registry: Registry, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The small stack with its charts from the registry, for whoever has the login."""
    for name, value in registry.trusted().items():
        monkeypatch.setenv(name, value)
    return settings_for(cluster) | SMALL | {"istioChartRepository": f"oci://{registry.host}/{FOLDER}"}


@pytest.fixture
def no_login(registry: Registry, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same for somebody who has not."""
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.no_login))
    return settings


def test_charts_in_the_registry_render_to_what_they_render_to_in_a_folder(
    settings: dict[str, str], cluster: Cluster
) -> None:
    _, from_registry = render("embedded", settings)
    _, from_folder = render("embedded", settings_for(cluster) | SMALL)
    assert [item.manifest for item in from_registry] == [item.manifest for item in from_folder]
    assert any(item.resource.name == "istio-istiod" for item in from_registry)


def test_charts_in_the_registry_are_vendored_and_locked(
    settings: dict[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    configured = loaded(**settings)
    vendor.vendor("dev", configured, update=False, project=tmp_path)
    locked = json.loads((tmp_path / LOCK).read_text())["dev"]
    for chart in CHARTS:
        file = f"{chart}-1.23.0.tgz"
        assert (tmp_path / "vendor/dev" / file).read_bytes() == (cluster.root / "charts" / file).read_bytes()
        assert locked[file]["source"] == f"{settings['istioChartRepository']}/{chart}:1.23.0"
    # What is locked is installed from the folder, and needs no registry any more.
    assert as_locked(configured, "dev", tmp_path) == replace(
        configured,
        istio_chart_repository="vendor/dev",
        gateway_api_manifest="vendor/dev/gateway-api-v1.1.0-standard.yaml",
        observability=replace(configured.observability, chart_repository="vendor/dev"),
    )


def test_without_the_login_nothing_is_vendored_and_the_registrys_answer_is_told(
    no_login: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"^oci://localhost:\d+/mesh/charts/base:1\.23\.0 cannot be pulled: .*credential"
    ):
        vendor.vendor("dev", loaded(**no_login), update=False, project=tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_the_engine_brings_the_mesh_up_from_the_registry_and_drift_is_found_and_put_right(
    settings: dict[str, str], cli: pulumi_cli.Cli, cluster: Cluster, tools: Path
) -> None:
    cli.preview(settings)
    cli.up(settings)
    cli.run("preview", "--expect-no-changes", quiet=True)
    kube = Kube(cluster.kubeconfig, CONTEXT)

    def found() -> list[str]:
        return [str(each) for each in drift.find("embedded", settings, tools / "helm")[2]]

    assert found() == []
    kube.request("PATCH", BUDGET, {"spec": {"minAvailable": 0}}, content_type=MERGE)
    assert found() == [
        "PodDisruptionBudget istio-system/istiod (Helm release istiod, istio-istiod): differs\n"
        "    spec.minAvailable: 0, should be 1"
    ]
    api, _, differences = drift.find("embedded", settings, tools / "helm")
    assert len(drift.repair(api, differences)) == 1
    assert found() == []
    # From the registry to the folder and back nothing is made anew: the releases are upgraded in place.
    istiod = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
    before = kube.get(istiod)["metadata"]["uid"]
    cli.up(settings_for(cluster) | SMALL)
    cli.up(settings)
    assert kube.get(istiod)["metadata"]["uid"] == before


def test_without_the_login_a_preview_fails_with_the_registrys_answer(
    no_login: dict[str, str], cli: pulumi_cli.Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError):
        cli.preview(no_login)
    assert "credential" in "".join(capfd.readouterr())
