from typing import Any

import pytest

from components import EgressRoute, EgressRouteArgs
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

HOST = "api.example.com"
SERVICE = "out.infra.svc.cluster.local"
EXPORTED = [".", "apps", "shop"]


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        given = EgressRouteArgs(
            route=HOST,
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
        "metadata": {"name": HOST, "namespace": "infra"},
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
        "subsets": [{"name": "api-example-com", "trafficPolicy": policy}],
        "exportTo": EXPORTED,
    }


def rule(at: str, number: int, destination: dict[str, Any], **names: Any) -> dict[str, Any]:
    route = [{"destination": {**destination, "port": {"number": number}}}]
    return {"match": [{"gateways": [at], "port": number, **names}], "route": route}


def test_requests_go_to_the_gateway_and_from_there_to_the_host(mesh: Mesh) -> None:
    there, own = {"host": SERVICE, "subset": "api-example-com"}, f"infra/{HOST}"
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
    assert mesh.registered["api"] == {"route": HOST}
