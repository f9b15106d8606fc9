import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.kube import RefusedError
from embedded.access import CONTEXT
from embedded.cluster import Cluster
from operations.manifests.objects import Api
from program.config.scenarios import SCENARIOS
from tests.embedded.objects import complaints, declared, includes

Render = Callable[..., list[dict[str, Any]]]
# Everything that the scenarios leave out.
ROUTES = [
    {"subset": "v2", "headers": {"end-user": "jason"}, "weight": 40},
    {"subset": "v3", "headers": {"end-user": "jason"}, "weight": 60},
    {"subset": "v1"},
]
CONNECTIONS = {
    "connectionPool": {"maxConnections": 10, "maxPendingRequests": 5, "maxRequests": 100, "connectTimeout": "30ms"},
    "outlierDetection": {"interval": "1m30s"},
    "localityFailover": {"us-east": "us-west"},
}
COMBINATIONS: dict[str, dict[str, Any]] = {
    "two rules": {"routes": ROUTES},
    "headers only": {"routes": ROUTES[:2]},
    "everything at once": {
        **CONNECTIONS,
        "routes": ROUTES,
        "timeout": "10s",
        "retries": {"attempts": 3, "perTryTimeout": "2s", "on": "5xx,reset"},
        "mirror": {"subset": "v3", "percent": 12.5},
        "loadBalancer": "LEAST_REQUEST",
    },
    "no retries": {"retries": {"attempts": 0}},
    "fault": {"routes": ROUTES, "fault": {"delay": "5ms", "abort": 503, "percent": 0.1, "headers": {"a": "b"}}},
    "hash": {"hashHeader": "x-user"},
}
CANARY = {"from": "v1", "to": "v2", "percent": 10}
ORDERS = {
    "name": "orders",
    "namespace": "shop",
    "versions": {"v1": "shop.example/orders:1", "v2": "shop.example/orders:2"},
    "port": 8080,
    "replicas": 2,
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
}
STACKS: dict[str, dict[str, str]] = {
    **{scenario: {"scenario": scenario} for scenario in SCENARIOS},
    **{name: {"traffic": json.dumps({"reviews": wanted})} for name, wanted in COMBINATIONS.items()},
    "a canary of the user's own": {"services": json.dumps([{**ORDERS, "traffic": {"canary": CANARY}}])},
    "circuit breaking of the user's own": {
        "services": json.dumps([{**ORDERS, "traffic": {"canary": CANARY, **CONNECTIONS}}])
    },
}


@pytest.fixture(scope="module")
def render(artefacts: Path) -> Render:
    """Evaluates the program: ``render(scenario="all-v1")`` gives its Kubernetes objects but CRDs."""

    return partial(declared, artefacts)


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    return Api(cluster.kubeconfig, CONTEXT)


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("stack", STACKS)
def test_the_api_server_takes_and_keeps_all_of_what_is_said_of_traffic(render: Render, api: Api, stack: str) -> None:
    policies = [
        each for each in render(**STACKS[stack]) if "istio.io" in each["apiVersion"] or each["kind"] == "HTTPRoute"
    ]
    assert len(policies) > 1  # the HTTPRoute of the ingress is one of them
    for manifest in policies:
        here = {**manifest, "metadata": {"name": manifest["metadata"]["name"], "namespace": "default"}}
        kept = api.apply(here)["spec"]
        api.delete(here)
        assert includes(kept, manifest["spec"]), f"of {manifest['spec']} the API server keeps {kept}"


def gateway_api(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "reviews", "port": 9080}], "rules": [rule]},
    }


def istio(kind: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": spec,
    }


BACKEND = {"name": "reviews-v1", "port": 9080}


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        (gateway_api({"backendRefs": [{**BACKEND, "weight": -1}]}), "weight"),
        (gateway_api({"backendRefs": [{"name": "reviews-v1"}]}), "Must have port for Service reference"),
        (gateway_api({"matches": [{"headers": [{"name": "end-user", "value": ""}]}]}), "value"),
        (gateway_api({"filters": [{"type": "RequestMirror"}]}), "requestMirror must be specified"),
        # Why a timeout is a VirtualService's to say:
        (gateway_api({"timeouts": {"request": "1s"}, "backendRefs": [BACKEND]}), "timeouts: field not declared"),
        (istio("VirtualService", hosts=["reviews"], http=[{"timeout": "abc"}]), "timeout"),
        (istio("VirtualService", hosts=["reviews"], http=[{"retries": {"perTryTimeout": "0s"}}]), "perTryTimeout"),
        (istio("VirtualService", hosts=["reviews"], http=[{"fault": {"delay": {"fixedDelay": "7"}}}]), "fixedDelay"),
        (istio("VirtualService", hosts=["reviews"], http=[{"route": [{"weight": 5}]}]), "destination"),
        (istio("DestinationRule", host="reviews", trafficPolicy={"loadBalancer": {"simple": "BEST"}}), "simple"),
        (
            istio(
                "DestinationRule",
                host="reviews",
                trafficPolicy={"loadBalancer": {"simple": "RANDOM", "consistentHash": {"httpHeaderName": "a"}}},
            ),
            "loadBalancer",
        ),
        (istio("DestinationRule", host="reviews", subsets=[{"labels": {"version": "v1"}}]), "name"),
    ],
)
def test_the_embedded_cluster_refuses_what_a_real_one_would(api: Api, manifest: dict[str, Any], field: str) -> None:
    with pytest.raises(RefusedError, match=f"answers (422|500|400) to PATCH .*{field}"):
        api.apply(manifest)


@pytest.mark.parametrize("stack", STACKS)
def test_istioctl_finds_nothing_to_say(render: Render, tmp_path: Path, stack: str) -> None:
    assert complaints(render(**STACKS[stack]), tmp_path) == []
