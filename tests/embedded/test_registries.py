"""With one key, every image of a stack comes from a mirror: all of its manifests, charts rendered, are read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from embedded import istio, toolchain
from embedded.cluster import Cluster
from operations.manifests.policies import resources, verdict
from operations.manifests.render import Rendered, render
from tests.embedded.stack import settings_for

MIRROR = "mirror.example:5000/hub"
SERVICES = json.dumps([{"name": "web", "versions": {"v1": "nginx:1.27", "v2": "quay.io/nginx/nginx:1.28"}, "port": 80}])
PUBLIC = ("docker.io", "quay.io", "gcr.io", "registry.istio.io")
# By which way of being in the mesh, and whose charts: stand-ins, or Istio's own of the embedded cluster's line.
STACKS = [("sidecar", "1.23.0"), ("ambient", "1.24.6"), ("sidecar", ""), ("ambient", "")]


def texts(value: Any) -> Iterator[str]:
    """Every text in a manifest, at any depth."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str):
        yield value


def images(items: list[Rendered]) -> set[str]:
    """The image of every container."""
    found = set()
    for item in items:
        pod = ((item.manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
        found |= {each["image"] for each in (*pod.get("containers", ()), *pod.get("initContainers", ()))}
    return found


@pytest.fixture(scope="module")
def istios_own(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Istio's own charts: their version and folder."""
    source, folder = toolchain.module_dir(istio.MODULE), tmp_path_factory.mktemp("charts")
    istio.package(source, folder)
    return istio.version(source), str(folder)


@pytest.fixture(params=STACKS, ids=lambda param: " ".join(param))
def settings(request: pytest.FixtureRequest, cluster: Cluster, istios_own: tuple[str, str]) -> dict[str, str]:
    """A stack with services."""
    data_plane, version = request.param
    more = {"dataPlane": data_plane, "services": SERVICES, "compatibility": "warn"}
    if version:
        return settings_for(cluster, version) | more
    version, folder = istios_own
    return settings_for(cluster) | more | {"istioVersion": version, "istioChartRepository": folder}


def test_a_stack_with_a_mirror_renders_no_image_outside_of_it(settings: dict[str, str]) -> None:
    config = settings | {"imageRegistry": MIRROR}
    recorder, items = render("embedded", config)
    assert {image for image in images(items) if not image.startswith(f"{MIRROR}/")} == {"auto"}
    assert f"{MIRROR}/library/nginx:1.27" in images(items)
    # Also not in what istiod injects, or anywhere else.
    crds = "CustomResourceDefinition"
    rest = [text for item in items if item.manifest["kind"] != crds for text in texts(item.manifest)]
    assert [text for text in rest if any(f"{host}/" in text for host in PUBLIC)] == []
    # The policy allows just what the configuration names.
    judged = {
        policy.name: faults
        for policy, _, faults in verdict("embedded", config, resources(recorder.registrations, items))
    }
    assert judged["images-from-allowed-registries"] == []
    without = {
        policy.name: faults for policy, _, faults in verdict("embedded", {}, resources(recorder.registrations, items))
    }
    assert without["images-from-allowed-registries"]


def test_pull_secrets_are_on_every_account_whose_pods_pull(settings: dict[str, str]) -> None:
    _, items = render("embedded", settings | {"imagePullSecrets": '["credentials"]'})
    accounts = {
        item.manifest["metadata"]["name"]: item.manifest for item in items if item.manifest["kind"] == "ServiceAccount"
    }
    pulling = {
        item.manifest["spec"]["template"]["spec"]["serviceAccountName"]
        for item in items
        if item.manifest["kind"] in ("Deployment", "DaemonSet")
    }
    assert {"istiod", "istio-ingressgateway-service-account", "bookinfo-ratings", "web"} <= pulling
    assert {name for name in pulling if accounts[name].get("imagePullSecrets") != [{"name": "credentials"}]} == set()
    # Istio's own chart also hands them to istiod, for the pods that it injects and the gateways that it makes.
    data = [item.manifest["data"] for item in items if item.manifest["kind"] == "ConfigMap"]
    injectors = [each for each in data if "values" in each]
    assert len(injectors) == (settings["istioVersion"] not in ("1.23.0", "1.24.6"))
    for injector in injectors:
        assert json.loads(injector["values"])["global"]["imagePullSecrets"] == ["credentials"]
        for template in yaml.safe_load(injector["config"])["templates"].values():
            assert "range .Values.global.imagePullSecrets" in template or "istio-proxy" not in template
