import re
from typing import Any

import pulumi
import pytest

from components import SharedGateway, SharedGatewayArgs
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

SERVICE = "front-service"


def args(**changes: Any) -> SharedGatewayArgs:
    return SharedGatewayArgs(**{"gateway": "front", "namespace": "infra", "service": SERVICE, **changes})


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        given = args(
            namespace=something("namespace").id.apply(lambda _: "infra"),
            certificates={"shop.example": something("certificate").id.apply(lambda _: "a"), "*.b.example": "b"},
            redirected=["shop.example"],
            route_namespaces=["shop", "apps"],
            requires=[something("istiod")],
        )
        SharedGateway("shared", given)

    return compose(declare)


def allowed() -> dict[str, Any]:
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["infra", "apps", "shop"]}
    return {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [names]}}}


def secure(host: str, name: str, secret: str) -> dict[str, Any]:
    return {
        "name": name,
        "hostname": host,
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": secret}]},
        "allowedRoutes": allowed(),
    }


def test_it_listens_on_the_services_pods_for_http_and_for_each_host_with_a_certificate(mesh: Mesh) -> None:
    assert mesh.inputs("shared-gateway") == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": "front",
            "namespace": "infra",
            "annotations": {"pulumi.com/waitFor": "condition=Accepted"},
        },
        "spec": {
            "gatewayClassName": "istio",
            "addresses": [{"type": "Hostname", "value": SERVICE}],
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed()},
                secure("*.b.example", "https-wildcard.b.example", "b"),
                secure("shop.example", "https-shop.example", "a"),
            ],
        },
    }
    assert mesh.named("shared-gateway").dependencies == {"istiod", "namespace", "certificate"}


def test_hosts_are_redirected_to_https(mesh: Mesh) -> None:
    assert mesh.inputs("shared-redirect")["metadata"] == {"name": "front-redirect", "namespace": "infra"}
    assert mesh.inputs("shared-redirect")["spec"] == {
        "parentRefs": [{"name": "front", "sectionName": "http"}],
        "hostnames": ["shop.example"],
        "rules": [
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
        ],
    }


def test_alone_it_takes_routes_of_its_own_namespace_and_redirects_nothing(compose: Compose) -> None:
    mesh = compose(lambda: SharedGateway("shared", args(service_type="NodePort", revision="1-23-0")))
    assert mesh.names == {"shared", "shared-gateway"}
    gateway = mesh.inputs("shared-gateway")
    assert gateway["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Programmed"}
    assert gateway["metadata"]["labels"] == {"istio.io/rev": "1-23-0"}
    assert gateway["spec"]["listeners"] == [
        {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"redirected": ["a.b"]}, "redirected has 'a.b'; accepted: hosts of certificates"),
        (
            {"certificates": {f"{index}.b": "s" for index in range(64)}},
            "certificates has 64 hosts; accepted: 63 at one Gateway",
        ),
    ],
)
def test_what_a_gateway_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        args(**changes)
