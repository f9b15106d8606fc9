"""What the program says of security, telemetry and traffic, shown to an API server and to istioctl."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.kube import RefusedError
from embedded.access import CONTEXT
from embedded.cluster import Cluster
from operations.manifests.objects import Api
from program.config.scenarios import SCENARIOS
from tests.embedded.objects import Manifest, complaints, declared, includes

JWT = {"issuer": "https://accounts.example.com", "audiences": ["bookinfo"]}
EXCEPTION = {"selector": {"app": "ratings"}, "ports": {"9080": "PERMISSIVE"}}
ORDERS = {"name": "orders", "namespace": "shop", "image": "shop.example/orders:1", "port": 8080}
RULE: dict[str, Any] = {
    "from": [{"source": {"namespaces": ["shop"], "ipBlocks": ["10.0.0.0/8"], "serviceAccounts": ["web/page"]}}],
    "to": [{"operation": {"paths": ["/api/*"], "methods": ["GET"], "hosts": ["*.example"], "ports": ["80"]}}],
    "when": [{"key": "request.auth.claims[groups]", "values": ["admins"]}],
}
# Everything of traffic that the scenarios leave out.
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
VERSIONED = {
    "name": "orders",
    "namespace": "shop",
    "versions": {"v1": "shop.example/orders:1", "v2": "shop.example/orders:2"},
    "port": 8080,
    "replicas": 2,
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
}
STACKS: dict[str, dict[str, Any]] = {
    "mutual TLS in the mesh": {"security": {"mtls": {}}},
    "mutual TLS in the namespace": {
        "security": {"mtls": {"scope": "namespace", "exceptions": {"ratings-plain": EXCEPTION}}}
    },
    "authorization": {"security": {"authorization": True}},
    "who may call a service of the user's own": {
        "security": {"authorization": True, "networkPolicies": {}},
        "services": [{**ORDERS, "allowFrom": ["bookinfo-productpage", "default/bookinfo-reviews"]}],
    },
    "tokens by address": {"security": {"jwt": {**JWT, "jwksUri": "https://accounts.example.com/keys"}}},
    "tokens by keys": {"security": {"jwt": {**JWT, "jwks": {"keys": [{"kty": "RSA", "e": "AQAB", "n": "AQAB"}]}}}},
    "tokens of several issuers, and what becomes of them": {
        "security": {
            "jwt": {
                "issuers": [
                    {
                        **JWT,
                        "jwksUri": "https://accounts.example.com/keys",
                        "forwardOriginalToken": True,
                        "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}],
                        "outputPayloadToHeader": "x-payload",
                        "fromHeaders": [{"name": "x-token", "prefix": "Token "}],
                        "fromParams": ["token"],
                        "fromCookies": ["session"],
                        "timeout": "10s",
                    },
                    {
                        "issuer": "partner",
                        "jwks": {"keys": [{"kty": "RSA", "e": "AQAB", "n": "AQAB"}]},
                        "forwardOriginalToken": True,
                    },
                ],
                "required": "dry-run",
                "services": ["orders", "productpage"],
            }
        },
        "services": [ORDERS],
    },
    "policies": {
        "security": {
            "authorization": "dry-run",
            "jwt": {**JWT, "jwksUri": "https://accounts.example.com/keys"},
            "policies": {
                "gateway": {"gateway": "bookinfo-gateway", "action": "DENY", "rules": [RULE]},
                "orders": {"service": "orders", "rules": [{key: RULE[key] for key in ("from", "to")}], "dryRun": False},
                "nobody": {"service": "details", "rules": []},
                "watched": {"service": "ratings", "action": "AUDIT", "rules": [{}]},
            },
        },
        "services": [ORDERS],
    },
    "a certificate that exists": {"security": {"tls": {"secret": "bookinfo-tls"}}},
    "a certificate made here": {"security": {"tls": {"selfSigned": True}}},
    "network policies": {"security": {"networkPolicies": {"egress": ["192.168.49.2/32", "2001:db8::/64"]}}},
    "Pod Security": {"security": {"podSecurity": {"warn": "restricted", "audit": "baseline"}}},
    "everything": {
        "security": {
            "mtls": {"exceptions": {"ratings-plain": EXCEPTION}},
            "authorization": True,
            "jwt": {**JWT, "jwksUri": "https://accounts.example.com/keys"},
            "tls": {"secret": "bookinfo-tls"},
            "networkPolicies": {},
        }
    },
    "telemetry": {
        "observability": {
            "accessLogs": True,
            "accessLogFilter": "response.code >= 400",
            "metrics": {
                "disabled": ["REQUEST_SIZE", "TCP_SENT_BYTES"],
                "tags": {"request_host": "request.host"},
                "removeTags": ["request_protocol"],
            },
            "tracing": {"sampling": 12.5, "collector": "otel.monitoring.svc:4317"},
        }
    },
    "telemetry of the namespace": {"observability": {"scope": "namespace", "accessLogs": True}},
    **{scenario: {"scenario": scenario} for scenario in SCENARIOS},
    **{name: {"traffic": {"reviews": wanted}} for name, wanted in COMBINATIONS.items()},
    "a canary of the user's own": {"services": [{**VERSIONED, "traffic": {"canary": CANARY}}]},
    "circuit breaking of the user's own": {"services": [{**VERSIONED, "traffic": {"canary": CANARY, **CONNECTIONS}}]},
}
OURS = ("istio.io/", "networking.k8s.io/")


@cache
def objects(artefacts: Path, stack: str) -> list[dict[str, Any]]:
    wanted = STACKS[stack].items()
    return declared(artefacts, **{key: each if isinstance(each, str) else json.dumps(each) for key, each in wanted})


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    return Api(cluster.kubeconfig, CONTEXT)


def kept(api: Api, manifest: Manifest) -> Any:
    """What the API server would keep in default of what is said: schemas and CEL rules are applied, nothing is made."""
    here = {**manifest, "metadata": {"name": manifest["metadata"]["name"], "namespace": "default"}}
    return api.dry_run(here).get("spec", {})


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("stack", STACKS)
def test_the_api_server_takes_and_keeps_every_policy_whole(artefacts: Path, api: Api, stack: str) -> None:
    policies = [each for each in objects(artefacts, stack) if any(group in each["apiVersion"] for group in OURS)]
    assert len(policies) > 1  # the Gateway or the HTTPRoute of the page is one of them
    for policy in policies:
        found = kept(api, policy)
        assert includes(found, policy["spec"]), f"of {policy['spec']} the API server keeps {found}"


@pytest.mark.parametrize("stack", STACKS)
def test_istioctl_finds_neither_error_nor_warning(artefacts: Path, tmp_path: Path, stack: str) -> None:
    assert complaints(objects(artefacts, stack), tmp_path) == []


def said(api_version: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}, "spec": spec}


def security(kind: str, **spec: Any) -> dict[str, Any]:
    return said("security.istio.io/v1", kind, **spec)


def traffic(kind: str, **spec: Any) -> dict[str, Any]:
    return said("networking.istio.io/v1", kind, **spec)


def route(**rule: Any) -> dict[str, Any]:
    parent = {"group": "", "kind": "Service", "name": "reviews", "port": 9080}
    return said("gateway.networking.k8s.io/v1", "HTTPRoute", parentRefs=[parent], rules=[rule])


GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "bookinfo-gateway"}
BACKEND = {"name": "reviews-v1", "port": 9080}


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (security("PeerAuthentication", portLevelMtls={"9080": {"mode": "STRICT"}}), "portLevelMtls requires selector"),
        (security("PeerAuthentication", mtls={"mode": "SOMETIMES"}), "mode"),
        (security("RequestAuthentication", targetRefs=[GATEWAY], jwtRules=[{"jwks": "{}"}]), "issuer"),
        (
            security("RequestAuthentication", jwtRules=[{"issuer": "i", "jwks": "{}", "jwksUri": "https://a.example"}]),
            "only one of jwks or jwksUri",
        ),
        (security("AuthorizationPolicy", targetRefs=[{**GATEWAY, "kind": "HTTPRoute"}]), "Support kinds"),
        (route(backendRefs=[{**BACKEND, "weight": -1}]), "weight"),
        (route(backendRefs=[{"name": "reviews-v1"}]), "Must have port for Service reference"),
        (route(matches=[{"headers": [{"name": "end-user", "value": ""}]}]), "value"),
        (route(filters=[{"type": "RequestMirror"}]), "requestMirror must be specified"),
        # Why a timeout is a VirtualService's to say:
        (route(timeouts={"request": "1s"}, backendRefs=[BACKEND]), "timeouts: field not declared"),
        (traffic("VirtualService", hosts=["reviews"], http=[{"timeout": "abc"}]), "timeout"),
        (traffic("VirtualService", hosts=["reviews"], http=[{"retries": {"perTryTimeout": "0s"}}]), "perTryTimeout"),
        (traffic("VirtualService", hosts=["reviews"], http=[{"fault": {"delay": {"fixedDelay": "7"}}}]), "fixedDelay"),
        (traffic("VirtualService", hosts=["reviews"], http=[{"route": [{"weight": 5}]}]), "destination"),
        (traffic("DestinationRule", host="reviews", trafficPolicy={"loadBalancer": {"simple": "BEST"}}), "simple"),
        (
            traffic(
                "DestinationRule",
                host="reviews",
                trafficPolicy={"loadBalancer": {"simple": "RANDOM", "consistentHash": {"httpHeaderName": "a"}}},
            ),
            "loadBalancer",
        ),
        (traffic("DestinationRule", host="reviews", subsets=[{"labels": {"version": "v1"}}]), "name"),
    ],
)
def test_the_embedded_cluster_refuses_what_a_real_one_would(api: Api, manifest: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=f"answers (422|500|400) to PATCH .*{words}"):
        kept(api, manifest)
