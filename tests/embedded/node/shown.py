"""The services and gateways that are shown to the outside, with every key that says how."""

import json
from typing import Any

from tests.embedded.kube import eventually
from tests.embedded.node import echo
from tests.embedded.node.mesh import Mesh

DETAILS, RATINGS = (f"docker.io/istio/examples-bookinfo-{each}-v1:1.20.3" for each in ("details", "ratings"))
GATEWAY = "istio-ingressgateway"
FIXED = "10.96.77.7"
PATIENCE = 120
OWN = "own-certificate"
NODE_PORT, HEALTH_PORT = 30080, 30090

SELF_SIGNED = {"selfSigned": True}
ECHO: dict[str, Any] = {
    "name": "echo",
    "image": echo.PROXY,
    "command": ["envoy"],
    # Not the proxy's own, whose packets pass by the sidecar.
    "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
    "ports": [
        {"name": "http", "port": 80, "targetPort": echo.PLAIN},
        {"name": "grpc", "port": 90, "targetPort": echo.GRPC},
        {"name": "tls", "port": 443, "targetPort": echo.ENCRYPTED},
    ],
    "expose": [
        {"hosts": ["shop.example"], "tls": SELF_SIGNED, "paths": ["/cart"]},
        {"hosts": ["both.example"], "tls": SELF_SIGNED, "httpsRedirect": False},
        {"hosts": ["own.example"], "tls": {"secret": OWN}},
        {"hosts": ["*.wild.example"]},
        {
            "hosts": ["plain.example"],
            "rules": [
                {"paths": ["/shop"], "urlRewrite": {"replacePrefixMatch": "/cart", "hostname": "cart.internal"}},
                {"paths": ["/whole"], "urlRewrite": {"replaceFullPath": "/cart/7"}},
                {
                    "paths": [{"type": "Exact", "value": "/exact"}],
                    "methods": ["GET"],
                    "headers": {"x-env": "test"},
                    "requestHeaders": {"set": {"x-sent": "by the gateway"}},
                    "responseHeaders": {"set": {"x-shown": "yes"}, "remove": ["x-host"]},
                },
                {"paths": ["/posted"], "methods": ["POST"]},
                {"paths": [{"type": "RegularExpression", "value": "/v[0-9]/.*"}], "queryParams": {"v": "1"}},
                {"paths": ["/old"], "redirect": {"hostname": "new.example", "replacePrefixMatch": "/cart"}},
                {
                    "paths": ["/gone"],
                    "redirect": {"scheme": "https", "port": 8443, "statusCode": 301, "replaceFullPath": "/new"},
                },
                {
                    "paths": ["/changed"],
                    "headers": {"x-env": {"type": "RegularExpression", "value": "t.*t"}},
                    "requestHeaders": {"add": {"x-sent": "more"}},
                    "responseHeaders": {"add": {"x-path": "more"}},
                },
                {"paths": ["/removed"], "requestHeaders": {"remove": ["x-sent"]}},
            ],
        },
        {"protocol": "GRPC", "hosts": ["grpc.example"], "methods": ["shop.Orders", "shop.Carts/Get"]},
        {"protocol": "TCP", "listen": 9000},
        # The pods have no privilege to listen there.
        {"protocol": "TCP", "listen": 700},
        {"protocol": "TLS", "hosts": ["pass.example"], "port": 443},
        {"protocol": "TLS", "hosts": ["further.example"], "port": 443, "listen": 9443},
        {"gateway": "internal", "hosts": ["internal.example"]},
        {
            "gateway": {"name": GATEWAY, "namespace": "istio-system", "sectionName": "http"},
            "hosts": ["named.example"],
        },
    ],
}
STARS = {
    "name": "stars",
    "image": RATINGS,
    "port": 9080,
    "expose": [{"hosts": ["shop.example"], "paths": ["/ratings"]}],
}
MIXED = {
    "name": "mixed",
    "versions": {"v1": DETAILS, "v2": RATINGS},
    "port": 9080,
    "traffic": {
        "canary": {"from": "v1", "to": "v2", "percent": 50},
        "routes": [{"subset": "v2", "headers": {"end-user": "jason"}}],
    },
    "expose": [{"hosts": ["mixed.example"]}],
}
GATEWAYS: dict[str, Any] = {
    GATEWAY: {
        "service": {
            "annotations": {"example.com/internal": "true"},
            "clusterIP": FIXED,
            "externalTrafficPolicy": "Local",
            "nodePorts": {"http2": NODE_PORT},
            "healthCheckNodePort": HEALTH_PORT,
            "ports": [{"name": "http-further", "port": 7000}],
            "loadBalancerSourceRanges": ["10.244.0.0/24"],
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"],
        }
    },
    "internal": {
        "namespace": "gateways",
        "replicas": 2,
        "service": {"loadBalancerClass": "example.com/none", "loadBalancerSourceRanges": ["203.0.113.0/24"]},
    },
    "egress": {"kind": "egress"},
}


def echoing() -> dict[str, Any]:
    """The service that tells what it was asked for."""
    return {**ECHO, "args": ["--disable-hot-restart", "--config-yaml", json.dumps(echo.configuration())]}


def ask(mesh: Mesh, url: str, *options: str) -> dict[str, Any]:
    """One request of a client outside the mesh, at the ingress gateway where the URL begins with a path."""
    scheme = "https" if url.startswith("s/") else "http"
    path = url.removeprefix("s")
    return mesh.get(url if "://" in url else f"{scheme}://{GATEWAY}.istio-system{path}", *options, inside=False)


def answered(mesh: Mesh, status: int, url: str, *options: str) -> None:
    """Wait until a request has this status; 0 where there is no answer."""
    eventually(lambda: ask(mesh, url, *options)["status"] == status, PATIENCE)
