from typing import Any

import pulumi
import pytest

from components import EgressRoute, EgressRouteArgs
from components.traffic.egress_route import route_name
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

HOST, NAME = "api.example.com", "api-example-com"
SERVICE = "out.infra.svc.cluster.local"
EXPORTED = [".", "apps", "shop"]


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        given = EgressRouteArgs(
            route=route_name(HOST),
            host=HOST,
            ports={443: "TLS", 80: "HTTP"},
            gateway="out",
            gateway_namespace="infra",
            gateway_labels={"istio": "out"},
            namespaces=["shop", "apps"],
            requires=[something("istiod")],
        )
        EgressRoute("api", given)

    return compose(declare)


def test_the_gateway_takes_requests_by_mutual_tls_and_passes_on_what_is_encrypted(mesh: Mesh) -> None:
    assert mesh.inputs("api-gateway") == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": NAME, "namespace": "infra"},
        "spec": {
            "selector": {"istio": "out"},
            "servers": [
                {
                    "port": {"number": 80, "name": "http-80", "protocol": "HTTPS"},
                    "hosts": [HOST],
                    "tls": {"mode": "ISTIO_MUTUAL"},
                },
                {
                    "port": {"number": 443, "name": "tls-443", "protocol": "TLS"},
                    "hosts": [HOST],
                    "tls": {"mode": "PASSTHROUGH"},
                },
            ],
        },
    }


def test_the_way_to_the_gateway_names_the_host(mesh: Mesh) -> None:
    tls = {"mode": "ISTIO_MUTUAL", "sni": HOST}
    policy = {"portLevelSettings": [{"port": {"number": 80}, "tls": tls}]}
    assert mesh.inputs("api-destinationrule")["spec"] == {
        "host": SERVICE,
        "subsets": [{"name": NAME, "trafficPolicy": policy}],
        "exportTo": EXPORTED,
    }


def rule(at: str, number: int, destination: dict[str, Any], **names: Any) -> dict[str, Any]:
    route = [{"destination": {**destination, "port": {"number": number}}}]
    return {"match": [{"gateways": [at], "port": number, **names}], "route": route}


def test_requests_go_to_the_gateway_and_from_there_to_the_host(mesh: Mesh) -> None:
    there, own = {"host": SERVICE, "subset": NAME}, f"infra/{NAME}"
    names = {"sniHosts": [HOST]}
    assert mesh.inputs("api-virtualservice")["spec"] == {
        "hosts": [HOST],
        "gateways": ["mesh", own],
        "http": [rule("mesh", 80, there), rule(own, 80, {"host": HOST})],
        "tls": [rule("mesh", 443, there, **names), rule(own, 443, {"host": HOST}, **names)],
        "exportTo": EXPORTED,
    }


def test_what_sends_requests_to_the_gateway_is_last(mesh: Mesh) -> None:
    assert mesh.named("api-gateway").dependencies == {"istiod"}
    assert mesh.named("api-virtualservice").dependencies == {"istiod", "api-gateway", "api-destinationrule"}
    assert mesh.registered["api"] == {"route": NAME}


def test_names_are_labels_and_no_two_hosts_have_one() -> None:
    hosts = [HOST, "a-b.c", "a.b-c", f"{'a' * 60}.{'b' * 60}.c"]
    names = [route_name(host) for host in hosts]
    assert len(set(names)) == len(hosts)
    assert max(map(len, names)) <= 63
    assert not [name for name in names if "." in name]


def test_a_protocol_that_names_no_host_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"^ports is \{9: 'TCP'\}; accepted: any protocol but TCP"):
        EgressRouteArgs(route="a", host=HOST, ports={9: "TCP"}, gateway="out", gateway_namespace="infra")
