from typing import Any

import pulumi
import pytest

from components import StreamRoute, StreamRouteArgs
from tests.unit.conftest import Compose
from tests.unit.recording import something

LABELS = {"istio": "ingressgateway"}


def args(**changes: Any) -> StreamRouteArgs:
    whole: dict[str, Any] = {
        "route": "db-exposed",
        "namespace": "shop",
        "gateway_namespace": "infra",
        "gateway_labels": LABELS,
        "listen": 5432,
        "service": "db",
        "port": 5433,
    }
    return StreamRouteArgs(**{**whole, **changes})


def route(number: int) -> list[dict[str, Any]]:
    return [{"destination": {"host": "db.shop.svc.cluster.local", "port": {"number": number}}}]


def test_every_connection_to_a_port_goes_to_the_service(compose: Compose) -> None:
    mesh = compose(lambda: StreamRoute("db", args(requires=[something("istiod")])))
    assert mesh.inputs("db-gateway") == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "db-exposed", "namespace": "infra"},
        "spec": {
            "selector": LABELS,
            "servers": [{"port": {"number": 5432, "name": "tcp-5432", "protocol": "TCP"}, "hosts": ["*"]}],
        },
    }
    assert mesh.inputs("db-virtual-service") == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "db-exposed", "namespace": "shop"},
        "spec": {
            "gateways": ["infra/db-exposed"],
            "hosts": ["*"],
            "tcp": [{"match": [{"port": 5432}], "route": route(5433)}],
        },
    }
    assert mesh.named("db-gateway").dependencies == {"istiod"}
    assert mesh.named("db-virtual-service").dependencies == {"istiod", "db-gateway"}
    assert mesh.registered["db"] == {"route": "db-exposed"}


def test_tls_goes_to_the_service_whose_host_is_named(compose: Compose) -> None:
    mesh = compose(lambda: StreamRoute("db", args(protocol="TLS", listen=443, hosts=["db.example"])))
    assert mesh.inputs("db-gateway")["spec"]["servers"] == [
        {
            "port": {"number": 443, "name": "tls-443", "protocol": "TLS"},
            "hosts": ["db.example"],
            "tls": {"mode": "PASSTHROUGH"},
        }
    ]
    assert mesh.inputs("db-virtual-service")["spec"] == {
        "gateways": ["infra/db-exposed"],
        "hosts": ["db.example"],
        "tls": [{"match": [{"port": 443, "sniHosts": ["db.example"]}], "route": route(5433)}],
    }


@pytest.mark.parametrize("changes", [{"hosts": ["db.example"]}, {"protocol": "TLS"}])
def test_hosts_are_for_tls_which_needs_them(changes: dict[str, Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"^hosts is .*; accepted: one host or more with protocol TLS, and none"):
        args(**changes)
