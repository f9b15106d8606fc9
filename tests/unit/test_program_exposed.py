"""What the whole program composes of services that are shown to the outside."""

import json
import re
from typing import Any

import pulumi
import pytest

from program.lookup import Cluster
from program.preflight import plan
from tests.unit.conftest import Run
from tests.unit.loading import loaded
from tests.unit.recording import Mesh

ORDERS: dict[str, Any] = {
    "name": "orders",
    "namespace": "shop",
    "versions": {"v1": "a/orders:1", "v2": "a/orders:2"},
    "port": 80,
    "allowFrom": ["web"],
    "traffic": {"canary": {"from": "v1", "to": "v2", "percent": 10}},
    "expose": [
        {"hosts": ["shop.example", "www.example"], "tls": {"selfSigned": True}, "paths": ["/orders"]},
        {"protocol": "TCP", "listen": 9000},
    ],
}
WEB: dict[str, Any] = {
    "name": "web",
    "image": "a/web:1",
    "ports": [{"name": "http", "port": 80}, {"name": "grpc", "port": 90}],
    "expose": [
        {"hosts": ["shop.example"]},
        {"hosts": ["plain.example"], "tls": {"secret": "mine"}, "httpsRedirect": False, "gateway": "internal"},
        {"gateway": {"name": "theirs", "namespace": "infra"}, "protocol": "GRPC"},
    ],
}
GATEWAYS = {"internal": {"namespace": "gateways", "replicas": 2, "service": {"type": "NodePort"}}}
HOST = "istio-ingressgateway"


@pytest.fixture(scope="module")
def mesh(run: Run) -> Mesh:
    security = {"authorization": True, "networkPolicies": {}}
    return run(
        "prod",
        gatewayApiVersion="v1.1.0",
        compatibility="warn",
        services=json.dumps([ORDERS, WEB]),
        gateways=json.dumps(GATEWAYS),
        security=json.dumps(security),
    )


def parents(mesh: Mesh, route: str) -> list[tuple[str, str, str]]:
    found = mesh.inputs(f"{route}-route")["spec"]["parentRefs"]
    return [(each["name"], each["namespace"], each.get("sectionName", "")) for each in found]


def test_prod_without_bookinfo_has_a_gateway_once_a_service_is_shown(mesh: Mesh, run: Run) -> None:
    gateway = mesh.inputs(f"shared-{HOST}-gateway")
    assert (gateway["metadata"]["name"], gateway["metadata"]["namespace"]) == (HOST, "istio-system")
    assert gateway["spec"]["addresses"] == [{"type": "Hostname", "value": HOST}]
    assert not [
        name for name in run("prod", gatewayApiVersion="v1.1.0", compatibility="warn").names if "shared" in name
    ]


def test_each_host_has_a_listener_with_its_certificate(mesh: Mesh) -> None:
    listeners = mesh.inputs(f"shared-{HOST}-gateway")["spec"]["listeners"][1:]
    assert {each["hostname"]: each["tls"]["certificateRefs"][0]["name"] for each in listeners} == {
        "shop.example": "shop.example-tls",
        "www.example": "www.example-tls",
    }
    secret = mesh.inputs(f"certificate-{HOST}-shop.example-secret")["metadata"]
    assert secret == {"name": "shop.example-tls", "namespace": "istio-system"}
    assert mesh.inputs(f"shared-{HOST}-redirect")["spec"]["hostnames"] == ["shop.example", "www.example"]


def test_all_services_behind_a_host_are_at_its_https_listener_alone(mesh: Mesh) -> None:
    shop = (HOST, "istio-system", "https-shop.example")
    assert parents(mesh, "orders-exposed") == [shop, (HOST, "istio-system", "https-www.example")]
    assert parents(mesh, "web-exposed") == [shop]


def test_what_is_not_redirected_is_answered_at_both_listeners(mesh: Mesh) -> None:
    internal = ("internal", "gateways")
    assert parents(mesh, "web-exposed-2") == [(*internal, "http"), (*internal, "https-plain.example")]
    assert "shared-internal-redirect" not in mesh.names
    listeners = mesh.inputs("shared-internal-gateway")["spec"]["listeners"]
    assert listeners[1]["tls"]["certificateRefs"] == [{"kind": "Secret", "name": "mine"}]


def test_a_gateway_of_somebody_elses_is_named_as_it_is(mesh: Mesh) -> None:
    assert parents(mesh, "web-exposed-3") == [("theirs", "infra", "")]
    route = mesh.inputs("web-exposed-3-route")
    assert (route["kind"], route["spec"]["rules"]) == ("GRPCRoute", [{"backendRefs": [{"name": "web", "port": 90}]}])


def test_a_route_waits_for_the_services_of_its_versions(mesh: Mesh) -> None:
    assert {"traffic-orders-v1", "traffic-orders-v2"} <= mesh.behind("orders-exposed-route")


def test_a_port_that_is_passed_on_is_one_of_the_gateways_service(mesh: Mesh) -> None:
    ports = mesh.inputs("ingress-service")["spec"]["ports"]
    assert ports[3:] == [{"name": "tcp-9000", "port": 9000, "targetPort": 9000, "protocol": "TCP"}]
    assert mesh.inputs("orders-exposed-2-gateway")["spec"]["selector"]["istio"] == "ingressgateway"


def test_another_gateway_is_in_a_namespace_of_its_own(mesh: Mesh) -> None:
    assert mesh.inputs("namespace-gateways-namespace")["metadata"]["labels"]["istio-injection"] == "enabled"
    assert mesh.inputs("gateway-internal-service")["metadata"]["namespace"] == "gateways"
    assert mesh.inputs("gateway-internal-service")["spec"]["type"] == "NodePort"
    assert mesh.options("gateway-internal").protect
    assert mesh.inputs("gateway-internal-autoscaler")["spec"]["minReplicas"] == 2
    assert "gateways" not in json.dumps(mesh.inputs("injection-check-command")["create"])


def accounts(mesh: Mesh, service: str) -> list[str]:
    (rule,) = mesh.inputs(f"security-authorization-allow-{service}")["spec"]["rules"]
    return [each.removeprefix("cluster.local/ns/") for each in rule["from"][0]["source"]["principals"]]


def test_gateways_may_call_what_they_show(mesh: Mesh) -> None:
    own = "istio-system/sa/istio-ingressgateway-service-account"
    assert accounts(mesh, "orders") == ["shop/sa/web", own]
    assert accounts(mesh, "web") == [own, "gateways/sa/internal-service-account", "infra/sa/theirs-istio"]


def test_packets_of_gateways_come_in_with_and_without_authorization(mesh: Mesh, run: Run) -> None:
    def callers(found: Mesh, isolation: str) -> list[str]:
        sources = found.inputs(isolation)["spec"]["ingress"][0]["from"][1:]
        return [each["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for each in sources]

    gateways = ["gateways", "infra", "istio-system"]
    assert callers(mesh, "security-network-mesh-isolation") == gateways
    alone = run(
        "dev", services=json.dumps([WEB]), gateways=json.dumps(GATEWAYS), security=json.dumps({"networkPolicies": {}})
    )
    assert callers(alone, "security-network-mesh-isolation") == gateways
    assert "security-authorization-allow-web" not in alone.names


def test_the_outputs_say_where_services_are_and_how_to_get_there(mesh: Mesh) -> None:
    assert mesh.outputs["exposed"] == {
        "orders": [
            "https://shop.example/orders",
            "https://www.example/orders",
            "tcp://istio-ingressgateway.istio-system:9000",
        ],
        "web": ["https://shop.example/", "https://plain.example/", "http://*/"],
    }
    assert mesh.outputs["gateways"] == {
        HOST: f"kubectl --context prod --namespace istio-system port-forward service/{HOST} 8080:80 8443:443",
        "internal": "kubectl --context prod --namespace gateways port-forward service/internal 8080:80 8443:443",
    }


def test_the_checks_wait_for_what_is_shown(run: Run) -> None:
    issued = {"hosts": ["a.example"], "tls": {"certManager": {"issuer": "ca"}}}
    mesh = run("dev", services=json.dumps([{**WEB, "expose": [issued]}]))
    assert f"certificate-{HOST}-a.example-ready" in mesh.behind("mesh-check-command")
    assert f"shared-{HOST}-gateway" in mesh.behind(f"certificate-{HOST}-a.example-certificate")


def test_a_certificate_that_nothing_would_issue_is_refused_by_its_key() -> None:
    expose = [{"hosts": ["a.example"], "tls": {"certManager": {"issuer": "ca"}}}]
    keys = {"services": json.dumps([{**WEB, "expose": expose}]), "istioChartRepository": "https://charts.example"}
    message = r"^services\.web\.expose\[0\]\.tls\.certManager is set, and the cluster has no CRD certificates"
    with pytest.raises(pulumi.RunError, match=message):
        plan(loaded(**keys), Cluster(identity="1a2b"))
    plan(loaded(**keys), Cluster(identity="1a2b", cert_manager=True))


LEAVING = {"host": "api.example", "ports": {"443": "TLS", "8080": "HTTP"}, "gateway": "out"}
OUT = json.dumps({"out": {"kind": "egress", "namespace": "leaving"}})


def test_requests_to_a_host_leave_by_its_gateway_whose_service_has_the_hosts_ports(run: Run) -> None:
    security = json.dumps({"networkPolicies": {}})
    mesh = run("dev", egress=json.dumps([LEAVING]), gateways=OUT, security=security)
    ports = mesh.inputs("gateway-out-service")["spec"]["ports"]
    assert [port["name"] for port in ports] == ["status-port", "http2", "https", "http-8080"]
    route = mesh.inputs("egress-route-api.example-virtualservice")
    assert route["metadata"] == {"name": "api-example", "namespace": "leaving"}
    assert route["spec"]["exportTo"] == [".", "default"]
    assert {"gateway-out-deployment", "egress-api.example-serviceentry"} <= mesh.behind(
        "egress-route-api.example-virtualservice"
    )
    assert "leaving" in mesh.inputs("egress-api.example-serviceentry")["spec"]["exportTo"]
    (first, *_) = mesh.inputs("security-network-mesh-isolation")["spec"]["egress"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "leaving"}}} in first["to"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gateway": HOST}, f"is '{HOST}'; accepted: the name of an egress gateway of the key gateways: out"),
        ({"host": "*.b.example"}, "is 'out'; accepted: nothing for *. and TCP: a gateway knows where requests go by a"),
        ({"ports": {"9": "TCP"}, "addresses": ["192.0.2.1"]}, "is 'out'; accepted: nothing for *. and TCP"),
    ],
)
def test_a_way_out_that_is_none_is_refused(changes: dict[str, Any], named: str) -> None:
    message = re.escape(f"config key istio-minikube:egress[0].gateway {named}")
    with pytest.raises(pulumi.RunError, match=f"^{message}"):
        loaded(egress=json.dumps([{**LEAVING, **changes}]), gateways=OUT)
