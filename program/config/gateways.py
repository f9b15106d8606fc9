"""Reads the configuration of gateways: the one that every stack has, and others beside it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, cast

from components.annotations import camel_case
from components.mesh.gateway_service import GatewayPort, GatewayService, ServiceType
from components.mesh.ingress_gateway import NAME, labels_of, service_account
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.observability.addons import ADDONS
from components.workloads.bookinfo import GATEWAY as BOOKINFO_GATEWAY
from program.config.kubernetes.shapes import annotations, listed, network
from program.config.values import DNS_LABEL, INJECTABLE, LABEL_KEY, Value

# The ServiceAccount's name is the longest that is made of it, and the label istio a part of it.
# Beside those of others in istio-system, and the one that policies know already.
OTHERS = "|".join((BOOKINFO_GATEWAY, "istiod(-.*)?", *ADDONS))
GATEWAY_NAME = rf"(?!({OTHERS})$)[a-z]([-a-z0-9]{{0,40}}[a-z0-9])?"
ADDRESS = network("an IP address such as 10.0.0.10", parse=ip_address)
RANGES = listed(network("a CIDR such as 203.0.113.0/24", r"\S+/\d+"), "a list of CIDRs")


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway of the stack: pods that listen, and their Service.

    Attributes:
        name: the name of its Deployment and its Service.
        namespace: its namespace.
        kind: ingress, at which services are shown, or egress.
        service_type: the Service's type.
        service: what else is said of the Service.
        replicas: how many pods there are at least.
    """

    name: str
    namespace: str
    kind: Literal["ingress", "egress"]
    service_type: ServiceType
    service: GatewayService = field(default_factory=GatewayService)
    replicas: int

    @property
    def account(self) -> str:
        """Its identity in the mesh, as NAMESPACE/NAME of its service account."""
        return f"{self.namespace}/{service_account(self.name)}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        return labels_of(self.name)


def read_all(value: Value, *, service_type: ServiceType, replicas: int) -> dict[str, Gateway]:
    """The gateways by name, Istio's own first.

    Args:
        value: an object of gateways by their names.
        service_type: the type of an ingress gateway's Service that is not told another.
        replicas: how many pods one has that is not told otherwise.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    entries = value.entries("an object of gateways by name, such as {istio-ingressgateway: {service: {...}}}")
    gateways = {}
    for name, entry in {NAME: value.below(f".{NAME}", {}), **entries}.items():
        Value(entry.path, name).text(
            GATEWAY_NAME,
            f"a DNS-1035 label of up to 42 characters as its name, such as internal, but not {BOOKINFO_GATEWAY}, nor "
            "that of an istiod or an addon",
        )
        gateways[name] = _gateway(name, entry, service_type, replicas)
    _refuse_shared(value, gateways)
    return gateways


def _refuse_shared(value: Value, gateways: Mapping[str, Gateway]) -> None:
    """What one gateway alone can have."""
    selected: dict[str, str] = {}
    taken: dict[object, str] = {}
    for name, gateway in gateways.items():
        if (other := selected.setdefault(gateway.labels["istio"], name)) != name:
            raise Value(f"{value.path}.{name}", name).error(
                f"another name, as {other} has the same label istio={gateway.labels['istio']}, by which Istio's "
                "Gateways select pods"
            )
        said = gateway.service
        for key, one in (
            ("clusterIP", said.cluster_ip),
            *((f"nodePorts.{port}", number) for port, number in said.node_ports.items()),
            ("healthCheckNodePort", said.health_check_node_port),
        ):
            if one and (other := taken.setdefault(one, name)) != name:
                raise Value(f"{value.path}.{name}.service.{key}", one).error(f"another than that of {other}")


def refuse_shared_namespaces(value: Value, gateways: Mapping[str, Gateway], places: Collection[str]) -> None:
    """Refuse a gateway among services, whose policies would hold for it.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    for name, gateway in gateways.items():
        if gateway.namespace in places:
            raise Value(f"{value.path}.{name}.namespace", gateway.namespace).error(
                f"{ISTIO_NAMESPACE}, or a namespace of gateways alone, as what is forbidden in a namespace of services "
                "would hold for the gateway"
            )


def _gateway(name: str, value: Value, service_type: ServiceType, replicas: int) -> Gateway:
    keys = value.keys("kind", "namespace", "replicas", "service")
    kind = cast(Literal["ingress", "egress"], keys["kind"].choice("ingress", "egress", default="ingress"))
    if name == NAME and kind != "ingress":
        raise keys["kind"].error(f"ingress, which {NAME} is; an egress gateway has a name of its own")
    namespace = keys["namespace"]
    if namespace.seen != ISTIO_NAMESPACE:
        namespace.text(INJECTABLE[0], f"{ISTIO_NAMESPACE}, or another DNS-1123 label but kube-*", default="a")
    service = keys["service"].keys(
        "type",
        "annotations",
        "externalTrafficPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "clusterIP",
        "nodePorts",
        "healthCheckNodePort",
        "ipFamilyPolicy",
        "ipFamilies",
        "ports",
    )
    default = "ClusterIP" if kind == "egress" else service_type
    chosen = cast(ServiceType, service["type"].choice("LoadBalancer", "NodePort", "ClusterIP", default=default))
    return Gateway(
        name=name,
        namespace=namespace.seen or ISTIO_NAMESPACE,
        kind=kind,
        service_type=chosen,
        service=_service(service, chosen),
        replicas=keys["replicas"].integer("a whole number of pods", least=1, most=1000, default=replicas),
    )


def _service(keys: Mapping[str, Value], service_type: ServiceType) -> GatewayService:
    policy = keys["externalTrafficPolicy"].choice("Cluster", "Local", default="")
    families = keys["ipFamilyPolicy"].choice("SingleStack", "PreferDualStack", "RequireDualStack", default="")
    service = GatewayService(
        annotations=annotations(keys["annotations"]),
        external_traffic_policy=cast(Any, policy),
        load_balancer_class=keys["loadBalancerClass"].text(
            LABEL_KEY, "the name of a class such as example.com/internal", default=""
        ),
        load_balancer_ip=_address(keys["loadBalancerIP"]),
        load_balancer_source_ranges=tuple(RANGES(keys["loadBalancerSourceRanges"])),
        cluster_ip=_address(keys["clusterIP"]),
        node_ports={
            name: port.integer("a port of the nodes", least=1, most=65535)
            for name, port in keys["nodePorts"].entries("an object such as {http2: 30080, https: 30443}").items()
        },
        health_check_node_port=keys["healthCheckNodePort"].port(default=0),
        ip_family_policy=cast(Any, families),
        ip_families=tuple(each.choice("IPv4", "IPv6") for each in keys["ipFamilies"].items("a list of IPv4 and IPv6")),
        ports=tuple(map(_port, keys["ports"].items("a list of ports, such as [{name: tcp-postgres, port: 5432}]"))),
    )
    refuse_problems(service, service_type, keys)
    return service


def refuse_problems(service: GatewayService, service_type: ServiceType, keys: Mapping[str, Value]) -> None:
    """Refuse what Kubernetes would refuse or ignore, by the key that says it.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    spelled = {"load_balancer_ip": "loadBalancerIP", "cluster_ip": "clusterIP"}
    for name, accepted in service.problems(service_type):
        raise keys[spelled.get(name, camel_case(name))].error(accepted)


def _address(value: Value) -> str:
    return str(ADDRESS(value)) if value.is_set else ""


def _port(value: Value) -> GatewayPort:
    keys = value.keys("name", "port", "targetPort")
    return GatewayPort(
        name=keys["name"].text(DNS_LABEL, "a DNS-1123 label that begins with the protocol, such as tcp-postgres"),
        port=keys["port"].port(),
        target_port=keys["targetPort"].integer("a port's number", least=1024, most=65535, default=0),
    )
