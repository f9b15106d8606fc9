"""Own services from outside, and the gateways' Services, by requests: each row of the tables in docs/gateways.md."""

import json
import re
from typing import Any

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node import echo
from tests.embedded.node.mesh import NAMESPACE, Mesh

PATIENCE = 120
PROXY = "docker.io/istio/proxyv2:1.31.0"
GRPC = "-H=content-type=application/grpc"
DETAILS, RATINGS = (f"docker.io/istio/examples-bookinfo-{each}-v1:1.20.3" for each in ("details", "ratings"))
GATEWAY = "istio-ingressgateway"
FIXED = "10.96.77.7"

SELF_SIGNED = {"selfSigned": True}
ECHO: dict[str, Any] = {
    "name": "echo",
    "image": PROXY,
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
            ],
        },
        {"protocol": "GRPC", "hosts": ["grpc.example"], "methods": ["shop.Orders", "shop.Carts/Get"]},
        {"protocol": "TCP", "listen": 9000},
        {"protocol": "TLS", "hosts": ["pass.example"], "port": 443},
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
            "nodePorts": {"http2": 30080},
            "loadBalancerSourceRanges": ["10.244.0.0/24"],
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"],
        }
    },
    "internal": {
        "namespace": "gateways",
        "service": {"loadBalancerClass": "example.com/none", "loadBalancerSourceRanges": ["203.0.113.0/24"]},
    },
    "egress": {"kind": "egress"},
}


@pytest.fixture(scope="module")
def echoing() -> dict[str, Any]:
    """The service that tells what it was asked for."""
    return {**ECHO, "args": ["--disable-hot-restart", "--config-yaml", json.dumps(echo.configuration())]}


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh, echoing: dict[str, Any]) -> dict[str, Any]:
    return mesh.up(bookinfo="false", services=json.dumps([echoing, STARS, MIXED]), gateways=json.dumps(GATEWAYS))


def ask(mesh: Mesh, url: str, *options: str) -> dict[str, Any]:
    """One request of a client outside the mesh, at the ingress gateway where the URL begins with a path."""
    scheme = "https" if url.startswith("s/") else "http"
    path = url.removeprefix("s")
    return mesh.get(url if "://" in url else f"{scheme}://{GATEWAY}.istio-system{path}", *options, inside=False)


def answered(mesh: Mesh, status: int, url: str, *options: str) -> None:
    """Wait until a request has this status; 0 where there is no answer."""
    eventually(lambda: ask(mesh, url, *options)["status"] == status, PATIENCE)


@pytest.mark.parametrize(
    ("url", "options", "status", "found"),
    [
        ("/cart/0", ["-host=shop.example"], 301, '"Location": ["https://shop.example/cart/0"]'),
        ("s/cart/0", ["-host=shop.example"], 200, '"X-Host": ["shop.example"]'),
        ("s/ratings/0", ["-host=shop.example"], 200, "Reviewer1"),
        ("s/other", ["-host=shop.example"], 404, ""),
        ("/cart/0", ["-host=unknown.example"], 404, ""),
        ("/shop/3", ["-host=plain.example"], 200, '"X-Path": ["/cart/3"]'),
        ("/shop/3", ["-host=plain.example"], 200, '"X-Host": ["cart.internal"]'),
        ("/whole/1", ["-host=plain.example"], 200, '"X-Path": ["/cart/7"]'),
        ("/exact", ["-host=plain.example", "-H=x-env=test"], 200, '"X-Got": ["by the gateway"]'),
        ("/exact", ["-host=plain.example"], 404, ""),
        ("/posted", ["-host=plain.example"], 404, ""),
        ("/v2/a?v=1", ["-host=plain.example"], 200, '"X-Path": ["/v2/a?v=1"]'),
        ("/v2/a", ["-host=plain.example"], 404, ""),
        ("/old/3", ["-host=plain.example"], 302, '"Location": ["http://new.example/cart/3"]'),
        ("/shop.Orders/List", ["-host=grpc.example", GRPC], 200, '"X-Protocol": ["HTTP/2"]'),
        ("/shop.Carts/Get", ["-host=grpc.example", GRPC], 200, '"X-Path": ["/shop.Carts/Get"]'),
        ("/shop.Carts/Put", ["-host=grpc.example"], 404, ""),
        (f"http://{GATEWAY}.istio-system:9000/anything", [], 200, '"X-Path": ["/anything"]'),
        ("s/anything", ["-host=pass.example"], 200, '"X-Path": ["/anything"]'),
        ("s/anything", ["-host=nobody.example"], 0, ""),
        ("/health", ["-host=mixed.example", "-H=end-user=jason"], 200, "Ratings is healthy"),
        ("http://internal.gateways/", ["-host=internal.example"], 200, '"X-Host": ["internal.example"]'),
        ("/", ["-host=internal.example"], 404, ""),
    ],
)
def test_a_request_from_outside_is_answered(mesh: Mesh, url: str, options: list[str], status: int, found: str) -> None:
    def is_answered() -> bool:
        answer = ask(mesh, url, *options)
        return answer["status"] == status and found in json.dumps([answer.get("headers"), answer.get("body")])

    eventually(is_answered, PATIENCE)


def test_an_answers_headers_are_set_and_removed(mesh: Mesh) -> None:
    def is_changed() -> bool:
        headers = ask(mesh, "/exact", "-host=plain.example", "-H=x-env=test").get("headers", {})
        return headers.get("X-Shown") == ["yes"] and "X-Path" in headers and "X-Host" not in headers

    eventually(is_changed, PATIENCE)


def test_what_is_asked_for_by_another_method_is_answered(mesh: Mesh) -> None:
    eventually(lambda: mesh.request("/posted", host="plain.example", method="POST").status == 200, PATIENCE)


def test_a_canarys_shares_hold_for_requests_from_outside(mesh: Mesh) -> None:
    seen = set[str]()

    def both() -> bool:
        seen.update(re.findall(r"(\w+) is healthy", ask(mesh, "/health", "-host=mixed.example").get("body", "")))
        return seen == {"Details", "Ratings"}

    eventually(both, PATIENCE)


def test_the_host_reaches_the_ingress_gateway_where_there_is_no_bookinfo(mesh: Mesh) -> None:
    eventually(lambda: mesh.request("/", host="named.example").status == 200, PATIENCE)


def test_the_gateways_service_is_as_it_was_described(mesh: Mesh) -> None:
    service = mesh.kubectl.json("get", "service", GATEWAY, "--namespace=istio-system")
    assert service["metadata"]["annotations"]["example.com/internal"] == "true"
    spec = service["spec"]
    assert {key: spec[key] for key in ("clusterIP", "externalTrafficPolicy", "ipFamilies", "ipFamilyPolicy")} == {
        "clusterIP": FIXED,
        "externalTrafficPolicy": "Local",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    (address,) = service["status"]["loadBalancer"]["ingress"]
    for at in (f"http://{FIXED}", "http://10.200.0.1:30080", f"http://{address['ip']}"):
        answered(mesh, 200, f"{at}/shop/3", "-host=plain.example")


def test_a_load_balancer_of_another_class_is_left_to_it(mesh: Mesh) -> None:
    service = mesh.kubectl.json("get", "service", "internal", "--namespace=gateways")
    assert service["spec"]["loadBalancerClass"] == "example.com/none"
    assert service["status"] == {"loadBalancer": {}}


def test_an_egress_gateway_runs_and_is_for_the_cluster_alone(mesh: Mesh) -> None:
    service = mesh.kubectl.json("get", "service", "egress", "--namespace=istio-system")
    assert service["spec"]["type"] == "ClusterIP"
    mesh.kubectl("wait", "--namespace=istio-system", "--for=condition=Available", "deployment/egress", "--timeout=120s")


def test_the_outputs_say_where_services_are(up: dict[str, Any]) -> None:
    assert up["exposed"]["stars"] == ["https://shop.example/ratings"]
    assert up["exposed"]["echo"][0] == "https://shop.example/cart"
    assert up["gateways"]["internal"].endswith("--namespace gateways port-forward service/internal 8080:80 8443:443")


@pytest.fixture(scope="module")
def guarded(mesh: Mesh, echoing: dict[str, Any]) -> dict[str, Any]:
    """Everything that may be forbidden, a fault for one user, and a load balancer for other clients than there are."""
    security = {"mtls": {"mode": "STRICT"}, "authorization": True, "networkPolicies": {}}
    fault = {"fault": {"abort": 418, "headers": {"end-user": "jason"}}}
    services = [{**echoing, "allowFrom": ["stars"]}, {**STARS, "traffic": fault}]
    service = {**GATEWAYS[GATEWAY]["service"], "loadBalancerSourceRanges": ["203.0.113.0/24"]}
    gateways = {**GATEWAYS, GATEWAY: {"service": service}}
    return mesh.up(
        bookinfo="false",
        services=json.dumps(services),
        gateways=json.dumps(gateways),
        security=json.dumps(security),
    )


@pytest.mark.usefixtures("guarded")
def test_what_is_shown_stays_open_where_nothing_else_is(mesh: Mesh) -> None:
    """The gateway may call what it shows, under every part of security together."""
    answered(mesh, 0, f"http://echo.{NAMESPACE}/", "-timeout=2s")
    answered(mesh, 200, "/shop/3", "-host=plain.example")
    answered(mesh, 200, "s/ratings/0", "-host=shop.example")
    answered(mesh, 200, f"http://{GATEWAY}.istio-system:9000/")
    eventually(lambda: mesh.get(f"http://stars.{NAMESPACE}:9080/ratings/0")["status"] == 403, PATIENCE)


@pytest.mark.usefixtures("guarded")
def test_a_services_fault_holds_at_the_gateway_for_its_own_requests(mesh: Mesh) -> None:
    jason = "-H=end-user=jason"
    answered(mesh, 418, "s/ratings/0", "-host=shop.example", jason)
    answered(mesh, 200, "s/ratings/0", "-host=shop.example")
    answered(mesh, 200, "s/cart/0", "-host=shop.example", jason)


@pytest.mark.usefixtures("guarded")
def test_a_load_balancer_lets_its_source_ranges_in_and_nobody_else(mesh: Mesh) -> None:
    (address,) = mesh.kubectl.json("get", "service", GATEWAY, "--namespace=istio-system")["status"]["loadBalancer"][
        "ingress"
    ]
    answered(mesh, 0, f"http://{address['ip']}/shop/3", "-host=plain.example", "-timeout=2s")
    answered(mesh, 200, f"http://{FIXED}/shop/3", "-host=plain.example")
