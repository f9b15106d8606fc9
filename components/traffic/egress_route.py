"""The way of requests to a host outside the mesh, by an egress gateway."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from .egress import ENCRYPTED, Protocol

API_VERSION = "networking.istio.io/v1"
MESH = "mesh"
NAME_LENGTH = 63


@dataclass(frozen=True, kw_only=True)
class EgressRouteArgs:
    """Which host's requests go by which gateway.

    Attributes:
        route: the name of Istio's Gateway, DestinationRule and VirtualService: a DNS-1123 label, as Istio takes no
            dots in the name of a Gateway.
        host: the host, which a ServiceEntry makes known to the mesh.
        ports: by number, what is spoken there. HTTP, HTTP2 and GRPC go to the gateway by the mesh's mutual TLS; TLS and
            HTTPS are passed on as they are. Not TCP, which names no host.
        gateway: the name of the gateway's Service, which has these ports.
        gateway_namespace: its namespace, where the objects are too.
        gateway_labels: labels of its pods.
        namespaces: the namespaces whose requests go by it.
        requires: what must be there first: istiod and the ServiceEntry.

    Source: https://istio.io/latest/docs/tasks/traffic-management/egress/egress-gateway/
    """

    route: str
    host: str
    ports: Mapping[int, Protocol]
    gateway: str
    gateway_namespace: pulumi.Input[str]
    gateway_labels: Mapping[str, str] = field(default_factory=dict)
    namespaces: Sequence[str] = ()
    requires: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        if "TCP" in self.ports.values():
            raise pulumi.RunError(f"ports is {dict(self.ports)!r}; accepted: any protocol but TCP, which names no host")

    @property
    def service(self) -> pulumi.Output[str]:
        """The host of the gateway's Service."""
        return pulumi.Output.format("{0}.{1}.svc.cluster.local", self.gateway, self.gateway_namespace)

    @property
    def plain(self) -> list[int]:
        """The ports whose requests the gateway sees."""
        return [number for number, protocol in sorted(self.ports.items()) if protocol not in ENCRYPTED]


def route_name(host: str) -> str:
    """A host as the name of its objects: dashes for dots, and where that tells not enough, a digest of it behind."""
    name = host.replace(".", "-")
    if "-" not in host and len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 9].rstrip('-')}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def gateway_spec(args: EgressRouteArgs) -> dict[str, Any]:
    """What the gateway listens for."""
    servers = []
    for number, protocol in sorted(args.ports.items()):
        spoken, mode = ("HTTPS", "ISTIO_MUTUAL") if number in args.plain else ("TLS", "PASSTHROUGH")
        port = {"number": number, "name": f"{protocol.lower()}-{number}", "protocol": spoken}
        servers.append({"port": port, "hosts": [args.host], "tls": {"mode": mode}})
    return {"selector": dict(args.gateway_labels), "servers": servers}


def destination_rule_spec(args: EgressRouteArgs) -> dict[str, Any]:
    """The way to the gateway: by mutual TLS, with the host as the name of the server."""
    tls = {"mode": "ISTIO_MUTUAL", "sni": args.host}
    ports = [{"port": {"number": number}, "tls": tls} for number in args.plain]
    subset = {
        "name": args.route,
        **({"trafficPolicy": {"portLevelSettings": ports}} if ports else {}),
    }
    return {"host": args.service, "subsets": [subset], "exportTo": _export(args)}


def virtual_service_spec(args: EgressRouteArgs) -> dict[str, Any]:
    """From the pods to the gateway, and from there to the host."""
    own = pulumi.Output.format("{0}/{1}", args.gateway_namespace, args.route)
    rules: dict[str, list[dict[str, Any]]] = {}
    for number in sorted(args.ports):
        names = {} if number in args.plain else {"sniHosts": [args.host]}
        there = {"host": args.service, "subset": args.route, "port": {"number": number}}
        for at, destination in ((MESH, there), (own, {"host": args.host, "port": {"number": number}})):
            match = [{"gateways": [at], "port": number, **names}]
            rules.setdefault("http" if number in args.plain else "tls", []).append(
                {"match": match, "route": [{"destination": destination}]}
            )
    return {"hosts": [args.host], "gateways": [MESH, own], **rules, "exportTo": _export(args)}


def _export(args: EgressRouteArgs) -> list[str]:
    return sorted({*args.namespaces, "."})


SPECS = {"Gateway": gateway_spec, "DestinationRule": destination_rule_spec, "VirtualService": virtual_service_spec}
"""By kind, in the order in which the objects are created: last what sends requests to the gateway."""


class EgressRoute(pulumi.ComponentResource):
    """Requests to a host outside the mesh leave the cluster by a gateway, whose pods alone need a way out.

    Attributes:
        route: the name of its objects.

    Example:
        EgressRoute(
            "api-route",
            EgressRouteArgs(
                route="api-example-com",
                host="api.example.com",
                ports={443: "TLS"},
                gateway="istio-egressgateway",
                gateway_namespace=istio.namespace,
                gateway_labels={"istio": "egressgateway"},
                namespaces=["shop"],
                requires=[istio],
            ),
            in_cluster,
        )
    """

    route: pulumi.Output[str]

    def __init__(self, name: str, args: EgressRouteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:EgressRoute", name, None, opts)
        before = list(args.requires)
        for kind, spec in SPECS.items():
            made = k8s.apiextensions.CustomResource(
                f"{name}-{kind.lower()}",
                api_version=API_VERSION,
                kind=kind,
                metadata={"name": args.route, "namespace": args.gateway_namespace},
                spec=spec(args),
                opts=pulumi.ResourceOptions(parent=self, depends_on=before),
            )
            before = [*before, made]
        self.route = pulumi.Output.from_input(args.route)
        self.register_outputs({"route": self.route})
