"""What may be said of gateways, and how what may not is refused."""

import json
from typing import Any

import pulumi
import pytest

from components.mesh.gateway_service import GatewayPort, GatewayService
from program.config.gateways import Gateway
from program.exposed import exposed_at
from tests.unit.loading import loaded, refusal

NAME = "istio-ingressgateway"


def read(gateways: dict[str, Any], **keys: str) -> dict[str, Gateway]:
    return dict(loaded(gateways=json.dumps(gateways), **keys).gateways)


def test_there_is_always_istios_own_first() -> None:
    found = read({"internal": {"namespace": "gateways", "replicas": 2}}, replicas="3", ingressServiceType="NodePort")
    assert found == {
        NAME: Gateway(name=NAME, namespace="istio-system", kind="ingress", service_type="NodePort", replicas=3),
        "internal": Gateway(name="internal", namespace="gateways", kind="ingress", service_type="NodePort", replicas=2),
    }
    assert list(found) == [NAME, "internal"]


def test_an_egress_gateway_is_for_the_cluster_alone() -> None:
    assert read({"out": {"kind": "egress"}})["out"].service_type == "ClusterIP"


def test_its_service_is_said_in_kubernetes_own_words() -> None:
    said = {
        "type": "LoadBalancer",
        "annotations": {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"},
        "externalTrafficPolicy": "Local",
        "loadBalancerClass": "service.k8s.aws/nlb",
        "loadBalancerIP": "10.0.0.5",
        "loadBalancerSourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
        "clusterIP": "10.96.0.7",
        "nodePorts": {"http2": 30080, "tcp-postgres": "30432"},
        "healthCheckNodePort": 30100,
        "ipFamilyPolicy": "PreferDualStack",
        "ipFamilies": ["IPv6", "IPv4"],
        "ports": [{"name": "tcp-postgres", "port": 5432}, {"name": "tls", "port": 8883, "targetPort": 1883}],
    }
    assert read({NAME: {"service": said}})[NAME].service == GatewayService(
        annotations={"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"},
        external_traffic_policy="Local",
        load_balancer_class="service.k8s.aws/nlb",
        load_balancer_ip="10.0.0.5",
        load_balancer_source_ranges=("10.0.0.0/8", "2001:db8::/32"),
        cluster_ip="10.96.0.7",
        node_ports={"http2": 30080, "tcp-postgres": 30432},
        health_check_node_port=30100,
        ip_family_policy="PreferDualStack",
        ip_families=("IPv6", "IPv4"),
        ports=(GatewayPort(name="tcp-postgres", port=5432), GatewayPort(name="tls", port=8883, target_port=1883)),
    )


LABEL = "a DNS-1035 label of up to 42 characters as its name, such as internal"
HTTP_AT = {"http2": 30080}
CLUSTER_IP = "nothing while the Service is of type ClusterIP, not LoadBalancer"
ALONE = (
    "istio-system, or a namespace of gateways alone, as what is forbidden in a namespace of services would hold for "
    "the gateway"
)


@pytest.mark.parametrize(
    ("path", "gateways", "accepted"),
    [
        ("Internal", {"Internal": {}}, LABEL),
        *(
            (name, {name: {}}, f"{LABEL}, but not bookinfo-gateway, nor that of an istiod or an addon")
            for name in ("bookinfo-gateway", "istiod", "istiod-canary", "prometheus")
        ),
        (
            "a.service.nodePorts",
            {"a": {"service": {"nodePorts": {"http2": 30080, "https": 30080}}}},
            "a port of the nodes for each, as two have 30080",
        ),
        (
            "a.service.healthCheckNodePort",
            {"a": {"service": {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30080, "nodePorts": HTTP_AT}}},
            "a port of the nodes for each, as two have 30080",
        ),
        (
            "b.service.nodePorts.http2",
            {"a": {"service": {"nodePorts": HTTP_AT}}, "b": {"service": {"nodePorts": HTTP_AT}}},
            "another than that of a",
        ),
        (
            "b.service.clusterIP",
            {"a": {"service": {"clusterIP": "10.96.0.7"}}, "b": {"service": {"clusterIP": "10.96.0.7"}}},
            "another than that of a",
        ),
        ("a.service.ipFamilies", {"a": {"service": {"ipFamilies": ["IPv4", "IPv4"]}}}, "IPv4, IPv6 or both, each once"),
        (
            "a.service.ipFamilies",
            {"a": {"service": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}}},
            "one of them, or both together with ipFamilyPolicy PreferDualStack or RequireDualStack",
        ),
        ("a.kind", {"a": {"kind": "east-west"}}, "ingress or egress"),
        (
            "istio-ingressgateway.kind",
            {NAME: {"kind": "egress"}},
            f"ingress, which {NAME} is; an egress gateway has a name of its own",
        ),
        (
            "ingressgateway",
            {"ingressgateway": {}},
            f"another name, as {NAME} has the same label istio=ingressgateway, by which Istio's Gateways select pods",
        ),
        ("a.namespace", {"a": {"namespace": "kube-system"}}, "istio-system, or another DNS-1123 label but kube-*"),
        ("a.namespace", {"a": {"namespace": "default"}}, ALONE),
        ("a.replicas", {"a": {"replicas": 0}}, "a whole number of pods, 1 to 1000"),
        ("a.service.type", {"a": {"service": {"type": "ExternalName"}}}, "LoadBalancer or NodePort"),
        (
            "a.service.loadBalancerIP",
            {"a": {"service": {"type": "ClusterIP", "loadBalancerIP": "10.0.0.1"}}},
            CLUSTER_IP,
        ),
        (
            "a.service.externalTrafficPolicy",
            {"a": {"service": {"type": "ClusterIP", "externalTrafficPolicy": "Local"}}},
            f"{CLUSTER_IP} or NodePort",
        ),
        (
            "a.service.healthCheckNodePort",
            {"a": {"service": {"healthCheckNodePort": 30000}}},
            "nothing but with a LoadBalancer whose externalTrafficPolicy is Local",
        ),
        (
            "a.service.nodePorts",
            {"a": {"service": {"nodePorts": {"http": 30080}}}},
            "ports by these names: status-port, http2, https",
        ),
        ("a.service.loadBalancerIP", {"a": {"service": {"loadBalancerIP": "ten"}}}, "an IP address such as 10.0.0.10"),
        (
            "a.service.loadBalancerSourceRanges[0]",
            {"a": {"service": {"loadBalancerSourceRanges": ["10.0.0.1/8"]}}},
            "a CIDR such as 203.0.113.0/24 (10.0.0.1/8 has host bits set)",
        ),
        ("a.service.annotations.a", {"a": {"service": {"annotations": {"a": 1}}}}, "text; a number, true or"),
        (
            "a.service.ports",
            {"a": {"service": {"ports": [{"name": "web", "port": 80}]}}},
            "ports of which no two have one number, as two have 80",
        ),
        (
            "a.service.ports",
            {"a": {"service": {"ports": [{"name": "web", "port": 81, "targetPort": 8080}]}}},
            "ports of which no two have one target port, as two have 8080",
        ),
        (
            "a.service.ports",
            {"a": {"service": {"ports": [{"name": "web", "port": 15012}]}}},
            "ports beside 15000 to 15099, which are istio-proxy's own, not 15012",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(path: str, gateways: dict[str, Any], accepted: str) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("gateways", f".{path}", gateways, accepted)):
        read(gateways)


def test_a_gateway_listens_for_what_is_passed_on_where_it_does_not_yet() -> None:
    expose = [{"protocol": "TCP", "listen": port} for port in (9000, 5432)]
    tls = {"protocol": "TLS", "hosts": ["a.example"]}
    service = {"name": "orders", "image": "a/b:1", "port": 80, "expose": [*expose, tls, {**tls, "listen": 8883}]}
    own = {NAME: {"service": {"ports": [{"name": "own", "port": 9000, "targetPort": 2000}]}}}
    found = loaded(services=json.dumps([service]), gateways=json.dumps(own))
    assert exposed_at(found.gateways[NAME], found.services).service.ports == (
        GatewayPort(name="own", port=9000, target_port=2000),
        GatewayPort(name="tcp-5432", port=5432),
        GatewayPort(name="tls-8883", port=8883),
    )
