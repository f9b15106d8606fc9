"""What istiod leaves behind when it goes, and what others have made beside it."""

from collections.abc import Iterator
from typing import Any

import pytest

from components.commands.crds import main
from embedded.cluster import Cluster
from operations.manifests.objects import Api
from tests.embedded.objects import delete
from tests.embedded.stack import CONTEXT, objects

LEADER = {"control-plane.alpha.kubernetes.io/leader": "{}"}
ISTIOS = {"istio.io/config": "true"}
ISTIOD = {"app": "istiod"}
POD = {"containers": [{"name": "discovery", "image": "example/pilot:1"}]}


def made(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    versions = {
        "GatewayClass": "gateway.networking.k8s.io/v1",
        "Lease": "coordination.k8s.io/v1",
        "Deployment": "apps/v1",
    }
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **more}


# What istiod makes by itself. Source: namespacecontroller.go, leaderelection.go, deploymentcontroller.go and ca.go of
# istio/istio, 1.23.0 to 1.30.3.
ISTIODS = [
    made("ConfigMap", "istio-ca-root-cert", "default", metadata={"labels": ISTIOS}),
    made("ConfigMap", "istio-ca-root-cert", "istio-system", metadata={"labels": ISTIOS}),
    made("ConfigMap", "istio-ca-crl", "default", metadata={"labels": ISTIOS}),
    made("ConfigMap", "istio-ca-crl", "kube-system", metadata={"labels": ISTIOS}),
    made("ConfigMap", "istio-leader", "istio-system", metadata={"annotations": LEADER}),
    made("ConfigMap", "istio-namespace-controller-election", "istio-system", metadata={"annotations": LEADER}),
    made("Lease", "istio-gateway-deployment-default", "istio-system"),
    made("Secret", "istio-ca-secret", "istio-system", type="istio.io/ca-root"),
    made("GatewayClass", "istio", spec={"controllerName": "istio.io/gateway-controller"}),
    made("GatewayClass", "istio-waypoint", spec={"controllerName": "istio.io/mesh-controller"}),
]
OTHERS = [
    made("ConfigMap", "istio-ca-root-cert", "kube-public"),
    made("ConfigMap", "mesh-dashboards", "default", metadata={"labels": ISTIOS}),
    made("ConfigMap", "somebodys-leader", "default", metadata={"annotations": LEADER}),
    made("Secret", "cacerts", "istio-system"),
    made("Lease", "somebodys", "istio-system"),
    made("GatewayClass", "somebodys", spec={"controllerName": "example.com/controller"}),
]


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    """The cluster with a namespace istio-system, which goes with everything in it."""
    api = Api(cluster.kubeconfig, CONTEXT)
    namespace = made("Namespace", "istio-system")
    api.apply(namespace)
    yield api
    delete(api, namespace)


@pytest.fixture
def left_behind(api: Api, crds: None) -> Iterator[Api]:  # noqa: ARG001 for GatewayClasses
    """The same with what istiod leaves behind, beside what others have made."""
    for manifest in [*ISTIODS, *OTHERS]:
        api.apply(manifest)
    yield api
    delete(api, *ISTIODS, *OTHERS)


def removed(cluster: Cluster, api: Api) -> set[str]:
    """What goes from the cluster."""
    before = set(objects(api.kube))
    place = [f"--kubeconfig={cluster.kubeconfig}", f"--context={CONTEXT}"]
    assert main(["remove", *place, "--stack=leaving", "--group=istio.io", "--istiod=istio-system"]) == 0
    return before - set(objects(api.kube))


def test_everything_that_istiod_has_made_goes_and_nothing_else(left_behind: Api, cluster: Cluster) -> None:
    assert removed(cluster, left_behind) == {
        "configmaps default/istio-ca-root-cert",
        "configmaps istio-system/istio-ca-root-cert",
        "configmaps default/istio-ca-crl",
        "configmaps kube-system/istio-ca-crl",
        "configmaps istio-system/istio-leader",
        "configmaps istio-system/istio-namespace-controller-election",
        "leases istio-system/istio-gateway-deployment-default",
        "secrets istio-system/istio-ca-secret",
        "gatewayclasses /istio",
        "gatewayclasses /istio-waypoint",
    }


def test_where_another_istiod_runs_all_of_it_stays(
    left_behind: Api, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {
        "selector": {"matchLabels": ISTIOD},
        "template": {"metadata": {"labels": ISTIOD}, "spec": POD},
        "replicas": 0,
    }
    theirs = made("Deployment", "istiod", "default", metadata={"labels": ISTIOD}, spec=spec)
    left_behind.apply(theirs)
    assert removed(cluster, left_behind) == set()
    assert capsys.readouterr().err == "kept: Istio's ConfigMaps and GatewayClasses, as istiod runs in default\n"
    delete(left_behind, theirs)
