import json
from typing import Any

import pytest

from components.commands import UserError
from components.commands.ambient import Ambient, namespace_faults, pod_faults
from components.commands.mesh_pods import State, problems
from components.commands.mesh_request import parse

LABELS = {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "waypoint"}
REDIRECTED = {"ambient.istio.io/redirection": "enabled"}


def ready(kind: str = "Ready", status: str = "True", **spec: Any) -> dict[str, Any]:
    return {"metadata": {}, "spec": spec, "status": {"conditions": [{"type": kind, "status": status}]}}


def ambient(**changes: Any) -> Ambient:
    right: dict[str, Any] = {
        "namespace": {"metadata": {"name": "shop", "labels": LABELS}},
        "ztunnels": [ready(nodeName="one")],
        "waypoint": ready("Programmed"),
    }
    return Ambient(**{**right, **changes})


def pod(node: str = "one", annotations: dict[str, str] = REDIRECTED) -> dict[str, Any]:
    return {"metadata": {"name": "orders", "annotations": annotations}, "spec": {"nodeName": node}}


def wrong(found: list[tuple[str, str]]) -> list[str]:
    return [fault for fault, _ in found]


def test_a_labelled_namespace_with_a_programmed_waypoint_is_right() -> None:
    assert namespace_faults(ambient(), "waypoint") == []


def test_a_missing_label_is_told_with_the_command_that_sets_it() -> None:
    namespace = {"metadata": {"name": "shop", "labels": {"istio.io/use-waypoint": "other"}}}
    assert namespace_faults(ambient(namespace=namespace), "waypoint") == [
        (
            "label istio.io/dataplane-mode is missing, not ambient",
            "kubectl label namespace shop istio.io/dataplane-mode=ambient",
        ),
        (
            "label istio.io/use-waypoint is other, not waypoint",
            "kubectl label namespace shop istio.io/use-waypoint=waypoint",
        ),
    ]


@pytest.mark.parametrize(
    ("waypoint", "fault"),
    [
        (None, "no Gateway waypoint"),
        (ready("Programmed", "False"), "Gateway waypoint is not Programmed"),
        ({"metadata": {}}, "Gateway waypoint is not Programmed"),
    ],
)
def test_a_waypoint_that_does_not_work_is_told(waypoint: Any, fault: str) -> None:
    assert wrong(namespace_faults(ambient(waypoint=waypoint), "waypoint")) == [fault]


def test_a_redirected_pod_on_a_node_with_a_ready_ztunnel_is_right() -> None:
    assert pod_faults(ambient(), pod(), ["orders"], "restart") == []


@pytest.mark.parametrize(
    ("checked", "containers", "fault"),
    [
        (pod(), ["orders", "istio-proxy"], "has a sidecar, which keeps it out of ambient"),
        (pod(annotations={}), ["orders"], "its traffic is not redirected to ztunnel"),
        (pod(node="two"), ["orders"], "no ready ztunnel on node two"),
    ],
)
def test_a_pod_that_is_not_in_the_mesh_is_told_why(checked: Any, containers: list[str], fault: str) -> None:
    assert wrong(pod_faults(ambient(), checked, containers, "restart")) == [fault]


def test_a_ztunnel_that_is_not_ready_does_not_count() -> None:
    unready = ambient(ztunnels=[ready(status="False", nodeName="one")])
    assert wrong(pod_faults(unready, pod(), ["orders"], "restart")) == ["no ready ztunnel on node one"]


CHECK = {
    "kubeconfig": "k",
    "context": "c",
    "namespace": "shop",
    "istioVersion": "1.24.6",
    "deployments": ["orders"],
    "pages": [],
    "timeoutSeconds": 1,
    "waypoint": "waypoint",
}


def test_the_mesh_check_takes_the_namespace_and_each_pod_by_these_rules() -> None:
    owner = {"uid": "d", "name": "orders", "generation": 1}
    replica_set = {"metadata": {"uid": "r", "ownerReferences": [{"uid": "d"}]}}
    deployment = {"metadata": owner, "spec": {"replicas": 1}, "status": {"observedGeneration": 1}}
    bare = {
        "metadata": {"name": "orders-a", "namespace": "shop", "ownerReferences": [{"uid": "r"}]},
        "spec": {"nodeName": "one", "containers": [{"name": "orders", "image": "orders:1"}]},
        "status": ready()["status"],
    }
    state = State(deployments=[deployment], replica_sets=[replica_set], pods=[bare], ambient=ambient(waypoint=None))
    found = [(problem.workload, problem.pod, problem.wrong) for problem in problems(parse(json.dumps(CHECK)), state)]
    assert found == [
        ("namespace shop", "-", "no Gateway waypoint"),
        ("orders", "orders-a", "its traffic is not redirected to ztunnel"),
    ]


def test_the_waypoint_must_have_a_name() -> None:
    with pytest.raises(UserError, match='waypoint is ""; accepted: a text that is not empty'):
        parse(json.dumps({**CHECK, "waypoint": ""}))
