"""The Service in front of a gateway's pods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ServiceType = Literal["LoadBalancer", "NodePort", "ClusterIP"]
# name, port, container port. 15021 comes first: some load balancers take the first port for their health check.
PORTS = (("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443))
# What istio-proxy itself listens on: https://istio.io/latest/docs/ops/deployment/application-requirements/
ISTIOS_OWN = range(15000, 15100)
DUAL_STACK = ("PreferDualStack", "RequireDualStack")


@dataclass(frozen=True, kw_only=True)
class GatewayPort:
    """A port of a gateway's Service beside 80, 443 and that of the health check.

    Attributes:
        name: its name, a DNS-1123 label that begins with the protocol, such as tcp-postgres.
        port: its number, 1 to 65535; not one of 15000 to 15099, which are istio-proxy's own.
        target_port: where the pods listen, 1024 or more as they have no privileges; 0 for the port itself, or one that
            is free where the port is below 1024.
    """

    name: str
    port: int
    target_port: int = 0


@dataclass(frozen=True, kw_only=True)
class GatewayService:
    """What is said of a gateway's Service in Kubernetes's own words; what is empty is left to the cluster.

    Attributes:
        annotations: for the cloud's controller, such as one that asks for an internal load balancer.
        external_traffic_policy: Local keeps the clients' addresses, and sends nothing to nodes without a pod.
        load_balancer_class: which controller makes the load balancer.
        load_balancer_ip: the address that the load balancer is to have, where the cloud takes one.
        load_balancer_source_ranges: CIDRs of the clients that may connect.
        cluster_ip: the Service's address inside the cluster.
        node_ports: ports of the nodes by the name of the Service's port.
        health_check_node_port: the port of the nodes that a load balancer asks, with Local.
        ip_family_policy: whether the Service has addresses of one family or both.
        ip_families: IPv4, IPv6 or both, the first one first.
        ports: further ports.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/
    """

    annotations: Mapping[str, str] = field(default_factory=dict)
    external_traffic_policy: Literal["Cluster", "Local", ""] = ""
    load_balancer_class: str = ""
    load_balancer_ip: str = ""
    load_balancer_source_ranges: Sequence[str] = ()
    cluster_ip: str = ""
    node_ports: Mapping[str, int] = field(default_factory=dict)
    health_check_node_port: int = 0
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack", ""] = ""
    ip_families: Sequence[str] = ()
    ports: Sequence[GatewayPort] = ()

    @property
    def is_exclusive(self) -> bool:
        """Whether it has an address or a port that no other Service can have at the same time."""
        return bool(self.cluster_ip or self.load_balancer_ip or self.node_ports or self.health_check_node_port)

    def problems(self, service_type: ServiceType) -> Iterator[tuple[str, str]]:
        """What Kubernetes would refuse or ignore: the field, and what is accepted in its place."""
        if service_type != "LoadBalancer":
            for name in ("load_balancer_class", "load_balancer_ip", "load_balancer_source_ranges"):
                if getattr(self, name):
                    yield name, f"nothing while the Service is of type {service_type}, not LoadBalancer"
        if service_type == "ClusterIP":
            for name in ("external_traffic_policy", "node_ports"):
                if getattr(self, name):
                    yield name, "nothing while the Service is of type ClusterIP, not LoadBalancer or NodePort"
        if self.health_check_node_port and (service_type, self.external_traffic_policy) != ("LoadBalancer", "Local"):
            yield "health_check_node_port", "nothing but with a LoadBalancer whose externalTrafficPolicy is Local"
        names = [name for name, _, _ in all_ports(self)]
        for name in self.node_ports:
            if name not in names:
                yield "node_ports", f"ports by these names: {', '.join(names)}"
        numbers = [*self.node_ports.values(), *filter(None, (self.health_check_node_port,))]
        if doubled := sorted({str(each) for each in numbers if numbers.count(each) > 1}):
            name = (
                "node_ports" if len(set(self.node_ports.values())) < len(self.node_ports) else "health_check_node_port"
            )
            yield name, f"a port of the nodes for each, as two have {', '.join(doubled)}"
        if len(set(self.ip_families)) < len(self.ip_families):
            yield "ip_families", "IPv4, IPv6 or both, each once"
        elif len(self.ip_families) > 1 and self.ip_family_policy not in DUAL_STACK:
            yield "ip_families", f"one of them, or both together with ipFamilyPolicy {' or '.join(DUAL_STACK)}"
        listed = all_ports(self)
        for what, found in zip(("name", "number", "target port"), zip(*listed, strict=True), strict=True):
            if doubled := sorted({str(each) for each in found if found.count(each) > 1}):
                yield "ports", f"ports of which no two have one {what}, as two have {', '.join(doubled)}"
        if own := [port.port for port in self.ports if {port.port, port.target_port} & set(ISTIOS_OWN)]:
            yield "ports", f"ports beside 15000 to 15099, which are istio-proxy's own, not {own[0]}"


def target_of(port: GatewayPort) -> int:
    """Where the pods listen for a port: nowhere below 1024, and not where 80 and 443 already are."""
    if port.target_port:
        return port.target_port
    if port.port < 1024:
        return port.port + 8000
    return port.port + 10000 if port.port in (8080, 8443) else port.port


def all_ports(service: GatewayService) -> list[tuple[str, int, int]]:
    """Name, number and target of every port."""
    return [*PORTS, *((port.name, port.port, target_of(port)) for port in service.ports)]


def targets(service: GatewayService) -> dict[int, int]:
    """The ports at which the pods do not listen, and where they do in their place."""
    found = {port: target for _, port, target in all_ports(service)}
    return {port: target for port, target in found.items() if port not in found.values()}


def service_spec(labels: Mapping[str, str], service_type: str, service: GatewayService) -> dict[str, Any]:
    """The Service's spec, on the pods with ``labels``."""
    said: dict[str, Any] = {
        "externalTrafficPolicy": service.external_traffic_policy,
        "loadBalancerClass": service.load_balancer_class,
        "loadBalancerIP": service.load_balancer_ip,
        "loadBalancerSourceRanges": list(service.load_balancer_source_ranges),
        "clusterIP": service.cluster_ip,
        "healthCheckNodePort": service.health_check_node_port,
        "ipFamilyPolicy": service.ip_family_policy,
        "ipFamilies": list(service.ip_families),
    }
    ports: list[dict[str, Any]] = []
    for name, port, target in all_ports(service):
        ports.append({"name": name, "port": port, "targetPort": target, "protocol": "TCP"})
        if name in service.node_ports:
            ports[-1]["nodePort"] = service.node_ports[name]
    return {
        "type": service_type,
        "selector": dict(labels),
        **{key: value for key, value in said.items() if value},
        "ports": ports,
    }
