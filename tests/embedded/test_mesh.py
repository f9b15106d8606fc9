"""What the stack looks like while it is up."""

from collections.abc import Iterator
from typing import Any

import pytest

from embedded.cluster import Cluster
from tests.embedded.stack import Stack, pods

WORKLOADS = {"details-v1", "productpage-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3"}


@pytest.fixture(scope="module")
def running(cluster: Cluster) -> Iterator[tuple[Stack, dict[str, Any]]]:
    """The stack, up, with its outputs, for tests that only look."""
    stack = Stack(cluster=cluster)
    yield stack, stack.up()
    stack.down()


def test_up_gives_every_bookinfo_pod_its_sidecar_on_the_first_run(running: tuple[Stack, dict[str, Any]]) -> None:
    stack, outputs = running
    containers = {
        pod["metadata"]["name"].rsplit("-", 2)[0]: [c["name"] for c in pod["spec"]["containers"]]
        for pod in pods(stack.kube, "/api/v1/namespaces/default/pods")
    }
    assert containers == {name: [name.split("-")[0], "istio-proxy"] for name in WORKLOADS}
    assert {pod["name"].rsplit("-", 2)[0] for pod in outputs["pods"]} == WORKLOADS
    assert outputs["istioVersion"] == "1.23.0"


def test_up_makes_what_the_tutorial_shows_in_istio_system(running: tuple[Stack, dict[str, Any]]) -> None:
    stack, _ = running
    services = {
        s["metadata"]["name"]: s["spec"] for s in stack.kube.objects("/api/v1/namespaces/istio-system/services")
    }
    assert {name: [port["port"] for port in spec["ports"]] for name, spec in services.items()} == {
        "istiod": [15010, 15012, 443, 15014],
        "istio-ingressgateway": [15021, 80, 443],
    }
    assert services["istio-ingressgateway"]["type"] == "LoadBalancer"
    autoscalers = stack.kube.objects("/apis/autoscaling/v2/namespaces/istio-system/horizontalpodautoscalers")
    assert {a["metadata"]["name"]: (a["spec"]["minReplicas"], a["spec"]["maxReplicas"]) for a in autoscalers} == {
        "istiod": (1, 5),
        "istio-ingressgateway": (1, 5),
    }
    (gateway,) = pods(stack.kube, "/api/v1/namespaces/istio-system/pods?labelSelector=istio%3Dingressgateway")
    assert gateway["spec"]["containers"][0]["image"] == "docker.io/istio/proxyv2:1.23.0"
