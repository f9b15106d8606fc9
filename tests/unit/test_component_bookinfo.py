"""The facts are those of samples/bookinfo/platform/kube/bookinfo.yaml of istio/istio, branch release-1.23."""

from typing import Any

import pytest

from components import Bookinfo, BookinfoArgs
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

SERVICES = ["details", "ratings", "reviews", "productpage"]
DEPLOYMENTS = ["details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3", "productpage-v1"]
ACCOUNTS = [f"{service}-account" for service in SERVICES]
LIBERTY: dict[str, Any] = {
    "env": [{"name": "LOG_DIR", "value": "/tmp/logs"}],  # noqa: S108 the container's
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "wlp-output", "mountPath": "/opt/ibm/wlp/output"}],  # noqa: S108
}
SCRATCH: dict[str, Any] = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}  # noqa: S108
WLP_OUTPUT, TMP = {"name": "wlp-output", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}
DATA_PLANE = {"istio-minikube/data-plane": "1.23.0"}  # ours: pods are made anew when the sidecar's version changes
SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "9080", "prometheus.io/path": "/metrics"}


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        namespace = something("namespace")
        args = BookinfoArgs(
            namespace=namespace.id.apply(lambda _: "shop"), injectors=[something("istiod")], data_plane="1.23.0"
        )
        Bookinfo("bookinfo", args)

    return compose(declare)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_upstreams_and_is_not_waited_for(mesh: Mesh, service: str) -> None:
    assert mesh.kind(f"bookinfo-{service}") == "kubernetes:core/v1:Service"
    assert mesh.inputs(f"bookinfo-{service}") == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service,
            "namespace": "shop",
            "labels": {"app": service, "service": service},
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {"ports": [{"port": 9080, "name": "http"}], "selector": {"app": service}},
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_account_is_upstreams(mesh: Mesh, service: str) -> None:
    assert mesh.kind(f"bookinfo-{service}-account") == "kubernetes:core/v1:ServiceAccount"
    assert mesh.inputs(f"bookinfo-{service}-account") == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": f"bookinfo-{service}", "namespace": "shop", "labels": {"account": service}},
    }


@pytest.mark.parametrize(
    ("service", "version", "container", "volumes", "annotations"),
    [
        ("details", "v1", {}, [], {}),
        ("ratings", "v1", {}, [], {}),
        ("reviews", "v1", LIBERTY, [WLP_OUTPUT, TMP], {}),
        ("reviews", "v2", LIBERTY, [WLP_OUTPUT, TMP], {}),
        ("reviews", "v3", LIBERTY, [WLP_OUTPUT, TMP], {}),
        ("productpage", "v1", SCRATCH, [TMP], SCRAPED),
    ],
)
def test_a_deployment_is_upstreams(
    mesh: Mesh,
    service: str,
    version: str,
    container: dict[str, Any],
    volumes: list[dict[str, Any]],
    annotations: dict[str, str],
) -> None:
    labels = {"app": service, "version": version}
    assert mesh.kind(f"bookinfo-{service}-{version}") == "kubernetes:apps/v1:Deployment"
    assert mesh.inputs(f"bookinfo-{service}-{version}") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{service}-{version}", "namespace": "shop", "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {**annotations, **DATA_PLANE}},
                "spec": {
                    "serviceAccountName": f"bookinfo-{service}",
                    "containers": [
                        {
                            "name": service,
                            "image": f"docker.io/istio/examples-bookinfo-{service}-{version}:1.20.1",
                            "imagePullPolicy": "IfNotPresent",
                            "ports": [{"containerPort": 9080}],
                            **container,
                        }
                    ],
                    **({"volumes": volumes} if volumes else {}),
                },
            },
        },
    }


def test_it_is_these_objects_and_no_others(mesh: Mesh) -> None:
    children = {name for name in mesh.names if mesh.named(name).parent == "bookinfo"}
    assert children == {f"bookinfo-{name}" for name in SERVICES + ACCOUNTS + DEPLOYMENTS}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_waits_for_injection_the_namespace_and_its_account(mesh: Mesh, name: str) -> None:
    account = f"bookinfo-{name.split('-')[0]}-account"
    assert mesh.named(f"bookinfo-{name}").dependencies == {"istiod", "namespace", account}


@pytest.mark.parametrize("name", SERVICES + ACCOUNTS)
def test_services_and_accounts_wait_for_the_namespace_only(mesh: Mesh, name: str) -> None:
    assert mesh.named(f"bookinfo-{name}").dependencies == {"namespace"}


def test_its_outputs_are_its_services_and_deployments(mesh: Mesh) -> None:
    assert mesh.registered["bookinfo"] == {
        "services": sorted(SERVICES),
        "deployments": sorted(DEPLOYMENTS),
        # Of no uid and no generation, where nothing was created.
        "generations": dict.fromkeys(DEPLOYMENTS, "None/None"),
    }
