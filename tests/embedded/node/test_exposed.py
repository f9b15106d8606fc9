"""Own services from outside, and the gateways' Services, by requests: each row of the tables in docs/gateways.md."""

import json
import re
from typing import Any

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh

PATIENCE = 120
DETAILS, RATINGS = (f"docker.io/istio/examples-bookinfo-{each}-v1:1.20.3" for each in ("details", "ratings"))
GATEWAY = "istio-ingressgateway"
FIXED = "10.96.77.7"

SELF_SIGNED = {"selfSigned": True}
WEB = {
    "name": "web",
    "image": DETAILS,
    "port": 9080,
    "expose": [
        {"hosts": ["shop.example"], "tls": SELF_SIGNED, "paths": ["/details"]},
        {
            "hosts": ["plain.example"],
            "rules": [
                {"paths": ["/shop"], "urlRewrite": {"replacePrefixMatch": "/details"}},
                {"paths": ["/whole"], "urlRewrite": {"replaceFullPath": "/details/7"}},
                {
                    "paths": [{"type": "Exact", "value": "/health"}],
                    "methods": ["GET"],
                    "headers": {"x-env": "test"},
                    "responseHeaders": {"set": {"x-shown": "yes"}, "remove": ["content-type"]},
                },
                {"paths": [{"type": "RegularExpression", "value": "/details/[0-9]"}], "queryParams": {"v": "1"}},
                {"paths": ["/old"], "redirect": {"hostname": "new.example", "replacePrefixMatch": "/details"}},
            ],
        },
        {"protocol": "TCP", "listen": 9000},
        {"protocol": "TLS", "hosts": ["pass.example"]},
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
    "expose": [
        {"hosts": ["shop.example"], "paths": ["/ratings"]},
        {"protocol": "GRPC", "hosts": ["grpc.example"], "methods": ["ratings"]},
    ],
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


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh) -> dict[str, Any]:
    return mesh.up(bookinfo="false", services=json.dumps([WEB, STARS, MIXED]), gateways=json.dumps(GATEWAYS))


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
        ("/details/0", ["-host=shop.example"], 301, "https://shop.example/details/0"),
        ("s/details/0", ["-host=shop.example"], 200, "William Shakespeare"),
        ("s/ratings/0", ["-host=shop.example"], 200, "Reviewer1"),
        ("s/other", ["-host=shop.example"], 404, ""),
        ("/details/0", ["-host=unknown.example"], 404, ""),
        ("/shop/3", ["-host=plain.example"], 200, '"id":3'),
        ("/whole/1", ["-host=plain.example"], 200, '"id":7'),
        ("/health", ["-host=plain.example", "-H=x-env=test"], 200, "Details is healthy"),
        ("/health", ["-host=plain.example"], 404, ""),
        ("/details/5?v=1", ["-host=plain.example"], 200, '"id":5'),
        ("/details/5", ["-host=plain.example"], 404, ""),
        ("/old/3", ["-host=plain.example"], 302, "http://new.example/details/3"),
        ("/ratings/0", ["-host=grpc.example"], 200, "Reviewer1"),
        ("/health", ["-host=grpc.example"], 404, ""),
        (f"http://{GATEWAY}.istio-system:9000/details/4", [], 200, '"id":4'),
        ("/health", ["-host=mixed.example", "-H=end-user=jason"], 200, "Ratings is healthy"),
        ("http://internal.gateways/details/2", ["-host=internal.example"], 200, '"id":2'),
        ("/details/0", ["-host=internal.example"], 404, ""),
    ],
)
def test_a_request_from_outside_is_answered(mesh: Mesh, url: str, options: list[str], status: int, found: str) -> None:
    def answered() -> bool:
        answer = ask(mesh, url, *options)
        return answer["status"] == status and found in json.dumps([answer.get("headers"), answer.get("body")]).replace(
            '\\"', '"'
        )

    eventually(answered, PATIENCE)


def test_an_answers_headers_are_set_and_removed(mesh: Mesh) -> None:
    def changed() -> bool:
        headers = ask(mesh, "/health", "-host=plain.example", "-H=x-env=test").get("headers", {})
        return headers.get("X-Shown") == ["yes"] and "application/json" not in json.dumps(headers)

    eventually(changed, PATIENCE)


def test_a_host_that_is_passed_on_is_told_by_its_name_and_not_looked_into(mesh: Mesh) -> None:
    """The service speaks no TLS, and says so in plain text: what the client said has reached it."""
    url = f"https://{GATEWAY}.istio-system/"
    eventually(
        lambda: "HTTP response to HTTPS client" in ask(mesh, url, "-host=pass.example").get("error", ""), PATIENCE
    )
    assert "HTTP response" not in ask(mesh, url, "-host=other.example").get("error", "")


def test_a_canarys_shares_hold_for_requests_from_outside(mesh: Mesh) -> None:
    seen = set[str]()

    def both() -> bool:
        seen.update(re.findall(r"(\w+) is healthy", ask(mesh, "/health", "-host=mixed.example").get("body", "")))
        return seen == {"Details", "Ratings"}

    eventually(both, PATIENCE)


def test_the_host_reaches_the_ingress_gateway_where_there_is_no_bookinfo(mesh: Mesh) -> None:
    eventually(lambda: mesh.request("/details/6", host="named.example").status == 200, PATIENCE)


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
    assert up["exposed"]["stars"] == ["https://shop.example/ratings", "http://grpc.example/"]
    assert up["exposed"]["web"][0] == "https://shop.example/details"
    assert up["gateways"]["internal"].endswith("--namespace gateways port-forward service/internal 8080:80 8443:443")


@pytest.fixture(scope="module")
def guarded(mesh: Mesh) -> dict[str, Any]:
    """Everything that may be forbidden, a fault for one user, and a load balancer for other clients than there are."""
    security = {"mtls": {"mode": "STRICT"}, "authorization": True, "networkPolicies": {}}
    fault = {"fault": {"abort": 418, "headers": {"end-user": "jason"}}}
    services = [{**WEB, "allowFrom": ["stars"]}, {**STARS, "traffic": fault}]
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
    answered(mesh, 0, f"http://web.{NAMESPACE}:9080/details/0", "-timeout=2s")
    answered(mesh, 200, "/shop/3", "-host=plain.example")
    answered(mesh, 200, "s/ratings/0", "-host=shop.example")
    answered(mesh, 200, f"http://{GATEWAY}.istio-system:9000/details/4")
    eventually(lambda: mesh.get(f"http://stars.{NAMESPACE}:9080/ratings/0")["status"] == 403, PATIENCE)


@pytest.mark.usefixtures("guarded")
def test_a_services_fault_holds_at_the_gateway_for_its_own_requests(mesh: Mesh) -> None:
    jason = "-H=end-user=jason"
    answered(mesh, 418, "s/ratings/0", "-host=shop.example", jason)
    answered(mesh, 200, "s/ratings/0", "-host=shop.example")
    answered(mesh, 200, "s/details/0", "-host=shop.example", jason)


@pytest.mark.usefixtures("guarded")
def test_a_load_balancer_lets_its_source_ranges_in_and_nobody_else(mesh: Mesh) -> None:
    (address,) = mesh.kubectl.json("get", "service", GATEWAY, "--namespace=istio-system")["status"]["loadBalancer"][
        "ingress"
    ]
    answered(mesh, 0, f"http://{address['ip']}/shop/3", "-host=plain.example", "-timeout=2s")
    answered(mesh, 200, f"http://{FIXED}/shop/3", "-host=plain.example")
