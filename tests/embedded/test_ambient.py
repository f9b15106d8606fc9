"""The mesh without sidecars."""

import json

import pytest

from components.commands import UserError
from components.commands.mesh_check import Cluster as Checked
from components.commands.mesh_check import check_mesh
from components.commands.mesh_request import parse
from tests.embedded.stack import CONTEXT, Stack, as_config, objects, pods

ORDERS = {"name": "orders", "image": "shop.example/orders:1", "port": 8080}
AMBIENT = {
    "bookinfo": "false",
    "dataPlane": "ambient",
    "istioVersion": "1.24.6",
    "services": as_config([ORDERS]),
}


def test_pods_without_sidecars_are_redirected_to_a_ztunnel_and_the_waypoint_is_programmed(stack: Stack) -> None:
    before = set(objects(stack.kube))
    outputs = stack.up(**AMBIENT)
    assert [[c["name"] for c in pod["containers"]] for pod in outputs["pods"]] == [["orders"]]
    labels = stack.kube.get("/api/v1/namespaces/default")["metadata"]["labels"]
    assert (labels["istio.io/dataplane-mode"], labels["istio.io/use-waypoint"]) == ("ambient", "waypoint")
    assert {"daemonsets istio-system/istio-cni-node", "daemonsets istio-system/ztunnel"} <= set(objects(stack.kube))
    stack.down()
    assert {name for name in set(objects(stack.kube)) - before if not name.startswith("pods default/")} == set()


def test_a_pod_that_cni_has_not_redirected_fails_the_check(stack: Stack) -> None:
    stack.up(**AMBIENT)
    (pod,) = pods(stack.kube, "/api/v1/namespaces/default/pods?labelSelector=app%3Dorders")
    path = f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}"
    patch = {"metadata": {"annotations": {"ambient.istio.io/redirection": None}}}
    stack.kube.request("PATCH", path, patch, content_type="application/merge-patch+json")
    check = {
        "kubeconfig": str(stack.cluster.kubeconfig),
        "context": CONTEXT,
        "namespace": "default",
        "istioVersion": "1.24.6",
        "deployments": ["orders-v1"],
        "pages": [],
        "waypoint": "waypoint",
        "timeoutSeconds": 1,
    }
    with pytest.raises(UserError, match="its traffic is not redirected to ztunnel"):
        check_mesh(parse(json.dumps(check)), Checked(str(stack.cluster.kubeconfig), CONTEXT))


def test_a_stack_with_sidecars_becomes_ambient_in_one_update(stack: Stack) -> None:
    sidecar = AMBIENT | {"dataPlane": "sidecar"}
    (before,) = stack.up(**sidecar)["pods"]
    assert [c["name"] for c in before["containers"]] == ["orders", "istio-proxy"]
    (after,) = stack.up(**AMBIENT)["pods"]
    assert [c["name"] for c in after["containers"]] == ["orders"]
