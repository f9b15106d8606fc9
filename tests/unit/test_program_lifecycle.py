"""The whole program with control planes side by side, and with the ambient data plane."""

import json

import pytest

from tests.unit.conftest import Run
from tests.unit.recording import Mesh

ORDERS = {"name": "orders", "namespace": "shop", "image": "shop.example/orders:1", "port": 8080}
REVISIONS = [{"name": "1-23-0", "version": "1.23.0"}, {"name": "1-24-6", "version": "1.24.6"}]


@pytest.fixture(scope="module")
def canary(run: Run) -> Mesh:
    return run(
        compatibility="warn",
        revisions=json.dumps(REVISIONS),
        tags='{"default": "1-23-0", "next": "1-24-6"}',
        services=json.dumps([ORDERS]),
        namespaceRevisions='{"shop": "next", "istio-system": "1-24-6"}',
    )


@pytest.fixture(scope="module")
def ambient(run: Run) -> Mesh:
    return run(
        compatibility="warn",
        dataPlane="ambient",
        istioVersion="1.24.6",
        services=json.dumps([ORDERS]),
        istioValues='{"global": {"hub": "registry.example"}}',
    )


def test_each_namespace_asks_for_its_revision_or_tag(canary: Mesh) -> None:
    assert canary.inputs("namespace-namespace")["metadata"]["labels"] == {"istio-injection": "enabled"}
    assert canary.inputs("namespace-shop-namespace")["metadata"]["labels"]["istio.io/rev"] == "next"
    template = canary.inputs("ingress-deployment")["spec"]["template"]["metadata"]
    assert template["labels"]["istio.io/rev"] == "1-24-6"
    assert "labels" not in canary.inputs("exposure-gateway")["metadata"]


@pytest.mark.parametrize(
    ("deployment", "check", "version"),
    [
        ("bookinfo-details-v1", "mesh-check-command", "1.23.0"),
        ("service-orders-v1", "mesh-check-shop-command", "1.24.6"),
    ],
)
def test_pods_roll_to_the_version_of_their_namespace_and_are_checked_for_it(
    canary: Mesh, deployment: str, check: str, version: str
) -> None:
    template = canary.inputs(deployment)["spec"]["template"]["metadata"]
    assert template["annotations"]["istio-minikube/data-plane"] == version
    assert json.loads(canary.inputs(check)["stdin"])["istioVersion"] == version
    assert canary.outputs["istioVersion"] == "1.23.0"


def test_the_gateway_is_of_its_own_revisions_version(canary: Mesh) -> None:
    template = canary.inputs("ingress-deployment")["spec"]["template"]["metadata"]
    assert template["annotations"]["istio-minikube/data-plane"] == "1.24.6"


@pytest.mark.parametrize("resource", ["ingress-deployment", "bookinfo-details-v1", "service-orders-v1"])
def test_pods_wait_for_every_control_plane_and_tag(canary: Mesh, resource: str) -> None:
    planes = {"istio-istiod-1-23-0", "istio-istiod-1-24-6", "tag-default-webhook", "tag-next-webhook"}
    assert planes <= canary.named(resource).dependencies


def test_the_base_follows_the_newest_and_the_default_tag(canary: Mesh) -> None:
    assert canary.inputs("istio-base")["version"] == "1.24.6"
    assert canary.inputs("istio-base")["values"]["defaultRevision"] == "1-23-0"


def test_a_stack_without_revisions_has_the_resources_it_always_had(dev: Mesh) -> None:
    releases = {name: each.inputs for name, each in dev.of_token("kubernetes:helm.sh/v3:Release").items()}
    assert set(releases) == {"istio-base", "istio-istiod"}
    assert {name: inputs["values"] for name, inputs in releases.items()} == {
        "istio-base": {"global": {"istioNamespace": "istio-system"}},
        "istio-istiod": {"global": {"hub": "docker.io/istio", "istioNamespace": "istio-system"}},
    }
    assert "waypoint" not in json.loads(dev.inputs("mesh-check-command")["stdin"])


def test_ambient_brings_its_charts_for_minikube_with_the_users_global_values(ambient: Mesh) -> None:
    expected = {"profile": "ambient", "global": {"platform": "minikube", "hub": "registry.example"}}
    assert ambient.inputs("ambient-cni")["values"] == ambient.inputs("ambient-ztunnel")["values"] == expected
    assert ambient.inputs("istio-istiod")["values"] == {
        "profile": "ambient",
        "global": {"istioNamespace": "istio-system", "hub": "registry.example"},
    }


@pytest.mark.parametrize(
    ("namespace", "waypoint", "check"),
    [
        ("namespace-namespace", "waypoint-gateway", "mesh-check-command"),
        ("namespace-shop-namespace", "waypoint-shop-gateway", "mesh-check-shop-command"),
    ],
)
def test_each_namespace_is_in_ambient_mode_with_a_waypoint_and_a_check(
    ambient: Mesh, namespace: str, waypoint: str, check: str
) -> None:
    labels = ambient.inputs(namespace)["metadata"]["labels"]
    assert (labels["istio.io/dataplane-mode"], labels["istio.io/use-waypoint"]) == ("ambient", "waypoint")
    assert {"istio-injection", "istio.io/rev"} & set(labels) == set()
    assert {namespace, "istio-istiod"} <= ambient.named(waypoint).dependencies
    assert json.loads(ambient.inputs(check)["stdin"])["waypoint"] == "waypoint"
    assert waypoint in ambient.named(check).dependencies


@pytest.mark.parametrize("deployment", ["bookinfo-details-v1", "service-orders-v1"])
def test_pods_in_ambient_wait_for_the_data_plane_and_do_not_roll_with_its_version(
    ambient: Mesh, deployment: str
) -> None:
    assert {"ambient-cni", "ambient-ztunnel"} <= ambient.named(deployment).dependencies
    template = ambient.inputs(deployment)["spec"]["template"]["metadata"]
    assert template["annotations"]["istio-minikube/data-plane"] == "ambient"
