import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import UnprocessibleEntityError

from tests.embedded.kube import Kube
from tests.embedded.objects import complaints, declared, includes, kept

JWT = {"issuer": "https://accounts.example.com", "audiences": ["bookinfo"]}
EXCEPTION = {"selector": {"app": "ratings"}, "ports": {"9080": "PERMISSIVE"}}
ORDERS = {"name": "orders", "namespace": "shop", "image": "shop.example/orders:1", "port": 8080}
RULE: dict[str, Any] = {
    "from": [{"source": {"namespaces": ["shop"], "ipBlocks": ["10.0.0.0/8"], "serviceAccounts": ["web/page"]}}],
    "to": [{"operation": {"paths": ["/api/*"], "methods": ["GET"], "hosts": ["*.example"], "ports": ["80"]}}],
    "when": [{"key": "request.auth.claims[groups]", "values": ["admins"]}],
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
}
OURS = ("security.istio.io/v1", "telemetry.istio.io/v1", "networking.k8s.io/v1", "gateway.networking.k8s.io/v1")


@cache
def objects(artefacts: Path, stack: str) -> list[dict[str, Any]]:
    return declared(artefacts, **{key: json.dumps(value) for key, value in STACKS[stack].items()})


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("stack", STACKS)
def test_the_api_server_takes_and_keeps_every_policy_whole(artefacts: Path, kube: Kube, stack: str) -> None:
    policies = [each for each in objects(artefacts, stack) if each["apiVersion"] in OURS]
    assert policies
    for policy in policies:
        found = kept(kube, policy).get("spec", {})
        assert includes(found, policy["spec"]), f"of {policy['spec']} the API server keeps {found}"


@pytest.mark.parametrize("stack", STACKS)
def test_istioctl_finds_neither_error_nor_warning(artefacts: Path, tmp_path: Path, stack: str) -> None:
    assert complaints(objects(artefacts, stack), tmp_path) == []


def istio(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": {"name": "it"}, "spec": spec}


GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "bookinfo-gateway"}


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (istio("PeerAuthentication", portLevelMtls={"9080": {"mode": "STRICT"}}), "portLevelMtls requires selector"),
        (istio("PeerAuthentication", mtls={"mode": "SOMETIMES"}), "mode"),
        (istio("RequestAuthentication", targetRefs=[GATEWAY], jwtRules=[{"jwks": "{}"}]), "issuer"),
        (
            istio("RequestAuthentication", jwtRules=[{"issuer": "i", "jwks": "{}", "jwksUri": "https://a.example"}]),
            "only one of jwks or jwksUri",
        ),
        (istio("AuthorizationPolicy", targetRefs=[{**GATEWAY, "kind": "HTTPRoute"}]), "Support kinds"),
    ],
)
def test_the_embedded_cluster_refuses_what_a_real_one_would(kube: Kube, manifest: dict[str, Any], words: str) -> None:
    with pytest.raises(UnprocessibleEntityError) as refused:
        kept(kube, manifest)
    assert words in str(refused.value)
