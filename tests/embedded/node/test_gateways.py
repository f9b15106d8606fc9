"""Gateways and what they show where everything else is forbidden, and one that moves to another namespace."""

import json
from typing import Any

import pytest

from embedded.node.addresses import NODE_ADDRESS, POD_RANGE
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import load_balancer
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.node.shown import FIXED, GATEWAY, GATEWAYS, NODE_PORT, PATIENCE, STARS, answered, ask, echoing
from tests.embedded.node.tokens import Issuer

AT_GATEWAY = "--namespace=istio-system"
# Rules of a gateway. Its pods listen on 8080 for 80, and on 8443 for 443; other ports stay open.
CLOSED = {
    "gateway": GATEWAY,
    "action": "DENY",
    "rules": [
        {"to": [{"operation": {"hosts": ["plain.example"], "paths": ["/whole/host"], "ports": [8080]}}]},
        {
            "from": [{"source": {"remoteIpBlocks": [POD_RANGE]}}],
            "to": [{"operation": {"paths": ["/whole/near"], "ports": [8080]}}],
        },
        {
            "from": [{"source": {"notRemoteIpBlocks": [POD_RANGE]}}],
            "to": [{"operation": {"paths": ["/whole/far"], "ports": [8080]}}],
        },
        {
            "to": [{"operation": {"paths": ["/ratings/9"], "ports": [8443]}}],
            "when": [{"key": "connection.sni", "values": ["shop.example"]}],
        },
    ],
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer.in_folder(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def guarded(mesh: Mesh, issuer: Issuer) -> dict[str, Any]:
    """Everything that may be forbidden, a fault for one user, and a load balancer for other clients than there are."""
    jwt = {"issuer": issuer.name, "jwks": issuer.jwks, "gateways": ["internal"], "fromParams": ["token"]}
    security = {
        "mtls": {"mode": "STRICT"},
        "authorization": True,
        "networkPolicies": {},
        "jwt": {**jwt, "outputPayloadToHeader": "x-sent"},
        "policies": {"closed": CLOSED},
    }
    fault = {"fault": {"abort": 418, "headers": {"end-user": "jason"}}}
    services = [{**echoing(), "allowFrom": ["stars"]}, {**STARS, "traffic": fault}]
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
    address = load_balancer(mesh.kubectl, GATEWAY, "istio-system")
    answered(mesh, 0, f"http://{address}/shop/3", "-host=plain.example", "-timeout=2s")
    answered(mesh, 200, f"http://{FIXED}/shop/3", "-host=plain.example")


@pytest.mark.usefixtures("guarded")
def test_a_policy_decides_at_the_gateway_that_it_names(mesh: Mesh) -> None:
    for path, status in (("host", 403), ("near", 403), ("far", 200), ("other", 200)):
        answered(mesh, status, f"/whole/{path}", "-host=plain.example")
    answered(mesh, 403, "s/ratings/9", "-host=shop.example")


@pytest.mark.usefixtures("guarded")
def test_tokens_are_looked_at_by_the_gateway_that_is_named(mesh: Mesh, issuer: Issuer) -> None:
    token, at = issuer.token(), ("http://internal.gateways/", "-host=internal.example")
    answered(mesh, 403, *at)

    def is_told() -> bool:
        """The service has the token's claims, in a header and in base64url."""
        answer = ask(mesh, f"{at[0]}?token={token}", at[1])
        return (answer["status"], answer.get("headers", {}).get("X-Got")) == (200, [token.split(".")[1]])

    eventually(is_told, PATIENCE)


@pytest.fixture(scope="module")
def moved(mesh: Mesh, guarded: dict[str, Any]) -> dict[str, Any]:
    """The ingress gateway in a namespace of its own, at the addresses that it had in istio-system."""
    assert guarded
    service = {"type": "NodePort", "clusterIP": FIXED, "nodePorts": {"http2": NODE_PORT}}
    security = {"mtls": {"mode": "STRICT"}, "authorization": True, "networkPolicies": {}}
    return mesh.up(
        bookinfo="false",
        services=json.dumps([STARS]),
        gateways=json.dumps({GATEWAY: {"namespace": "edge", "service": service}}),
        security=json.dumps(security),
    )


def test_the_ingress_gateway_answers_from_another_namespace_once_it_is_moved(mesh: Mesh, moved: dict[str, Any]) -> None:
    for at in (f"http://{GATEWAY}.edge", f"http://{FIXED}", f"http://{NODE_ADDRESS}:{NODE_PORT}"):
        answered(mesh, 200, f"{at}/ratings/0", "-host=shop.example")
    eventually(lambda: mesh.request("/ratings/0", host="shop.example").status == 200, PATIENCE)
    eventually(lambda: mesh.get(f"http://stars.{NAMESPACE}:9080/ratings/0")["status"] == 403, PATIENCE)
    assert mesh.kubectl("get", "deployments,services", AT_GATEWAY, f"--selector=app={GATEWAY}", "--output=name") == ""
    assert moved["gateways"][GATEWAY].endswith(
        "--namespace edge port-forward service/istio-ingressgateway 8080:80 8443:443"
    )
