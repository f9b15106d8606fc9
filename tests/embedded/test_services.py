"""Services of the user's own with all that can be said of them, from nothing to nothing."""

from typing import Any

from operations.manifests.objects import wait_until
from tests.embedded.stack import Stack, as_config, objects

POOL = {"connectionPool": {"maxConnections": 10}, "outlierDetection": {"consecutive5xxErrors": 3}}
FAILOVER = {"localityFailover": {"us-east": "us-west"}}
CANARY = {"from": "v1", "to": "v2", "percent": 10}
ORDERS = {
    "name": "orders",
    "namespace": "shop",
    "versions": {"v1": "shop.example/orders:1", "v2": "shop.example/orders:2"},
    "port": 8080,
    "replicas": 2,
    "allowFrom": ["default/web"],
    "traffic": {"canary": CANARY, "timeout": "2s", "retries": {"attempts": 1}, **POOL, **FAILOVER},
}
WEB = {"name": "web", "image": "shop.example/web:1", "port": 80, "traffic": {"routes": [{"subset": "v1"}]}}
CONFIG = {
    "bookinfo": "false",
    "services": as_config([ORDERS, WEB]),
    "security": as_config({"mtls": {}, "authorization": True, "networkPolicies": {}}),
}


def spec(stack: Stack, plural: str, namespace: str, name: str) -> Any:
    group = "networking.istio.io" if plural.endswith(("services", "rules")) else "security.istio.io"
    return stack.kube.get(f"/apis/{group}/v1/namespaces/{namespace}/{plural}/{name}")["spec"]


def destination(version: str, weight: int) -> dict[str, Any]:
    return {"destination": {"host": "orders", "subset": version}, "weight": weight}


def test_services_come_into_the_mesh_with_their_policies_follow_their_configuration_and_go(stack: Stack) -> None:
    before = set(objects(stack.kube))
    outputs = stack.up(**CONFIG)
    assert outputs["services"] == {"orders": "http://orders.shop:8080", "web": "http://web.default:80"}
    assert sorted((pod["namespace"], *(c["name"] for c in pod["containers"])) for pod in outputs["pods"]) == [
        ("default", "web", "istio-proxy"),
        *[("shop", "orders", "istio-proxy")] * 4,
    ]
    assert spec(stack, "virtualservices", "shop", "orders")["http"] == [
        {"route": [destination("v1", 90), destination("v2", 10)], "timeout": "2s", "retries": {"attempts": 1}}
    ]
    policy = spec(stack, "destinationrules", "shop", "orders")["trafficPolicy"]
    assert set(policy) == {"connectionPool", "outlierDetection", "loadBalancer"}
    (rule,) = spec(stack, "authorizationpolicies", "shop", "allow-orders")["rules"]
    assert rule["from"] == [{"source": {"principals": ["cluster.local/ns/default/sa/web"]}}]
    assert spec(stack, "peerauthentications", "istio-system", "default") == {"mtls": {"mode": "STRICT"}}

    # The next step of a canary is one figure.
    moved = {**ORDERS, "traffic": {**ORDERS["traffic"], "canary": {**CANARY, "percent": 50}}}  # type: ignore[dict-item]
    stack.up(**{**CONFIG, "services": as_config([moved, WEB])})
    (route,) = spec(stack, "virtualservices", "shop", "orders")["http"]
    assert route["route"] == [destination("v1", 50), destination("v2", 50)]

    stack.down()
    wait_until("pods to be gone", lambda: not stack.kube.objects("/api/v1/namespaces/default/pods"))
    assert set(objects(stack.kube)) == before
