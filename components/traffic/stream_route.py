"""A service's port that is shown to the outside without a look into what is said there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

API_VERSION = "networking.istio.io/v1"
ANY = "*"


@dataclass(frozen=True, kw_only=True)
class StreamRouteArgs:
    """Which connections to which gateway go to which service.

    Attributes:
        route: the name of Istio's Gateway and VirtualService.
        namespace: the service's namespace.
        gateway_namespace: the gateway's namespace.
        gateway_labels: labels of the gateway's pods.
        listen: the port of the gateway's Service, 1 to 65535.
        service: the Service that connections go to.
        port: its port, 1 to 65535.
        protocol: TCP, where every connection to the port goes to the service; or TLS, which is passed on as it is to
            the service whose host the client names (SNI).
        hosts: with TLS, these hosts, or wildcards such as *.example.com.
        requires: what must be there first: istiod, which brings the kinds and checks the objects.

    By Istio's own API, as Istio reads TCPRoute and TLSRoute from its standard channel only where the Gateway API has
    them there (v1.5 and v1.6).

    Source: https://istio.io/latest/docs/tasks/traffic-management/ingress/ingress-sni-passthrough/
    """

    route: str
    namespace: pulumi.Input[str]
    gateway_namespace: pulumi.Input[str]
    gateway_labels: Mapping[str, str] = field(default_factory=dict)
    listen: int
    service: str
    port: int
    protocol: Literal["TCP", "TLS"] = "TCP"
    hosts: Sequence[str] = ()
    requires: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        if bool(self.hosts) != (self.protocol == "TLS"):
            raise pulumi.RunError(
                f"hosts is {list(self.hosts)!r}; accepted: one host or more with protocol TLS, and none with TCP"
            )


def gateway_spec(args: StreamRouteArgs) -> dict[str, Any]:
    """What the gateway listens for."""
    port = {"number": args.listen, "name": f"{args.protocol.lower()}-{args.listen}", "protocol": args.protocol}
    server = {"port": port, "hosts": list(args.hosts) or [ANY]}
    if args.protocol == "TLS":
        server["tls"] = {"mode": "PASSTHROUGH"}
    return {"selector": dict(args.gateway_labels), "servers": [server]}


def virtual_service_spec(args: StreamRouteArgs, gateway: pulumi.Input[str]) -> dict[str, Any]:
    """Where the connections go; ``gateway`` is NAMESPACE/NAME of what listens for them."""
    host = pulumi.Output.format("{0}.{1}.svc.cluster.local", args.service, args.namespace)
    route = [{"destination": {"host": host, "port": {"number": args.port}}}]
    if args.protocol == "TLS":
        rules = {"tls": [{"match": [{"port": args.listen, "sniHosts": list(args.hosts)}], "route": route}]}
    else:
        rules = {"tcp": [{"match": [{"port": args.listen}], "route": route}]}
    return {"gateways": [gateway], "hosts": list(args.hosts) or [ANY], **rules}


class StreamRoute(pulumi.ComponentResource):
    """A port of a gateway, by Istio's Gateway, that leads to a service, by its VirtualService.

    Attributes:
        route: the name of both, once they are there.

    Example:
        StreamRoute(
            "postgres",
            StreamRouteArgs(
                route="postgres",
                namespace=shop.namespace,
                gateway_namespace=istio.namespace,
                gateway_labels={"istio": "ingressgateway"},
                listen=5432,
                service="postgres",
                port=5432,
                requires=[istio],
            ),
            in_cluster,
        )
    """

    route: pulumi.Output[str]

    def __init__(self, name: str, args: StreamRouteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:StreamRoute", name, None, opts)
        gateway = k8s.apiextensions.CustomResource(
            f"{name}-gateway",
            api_version=API_VERSION,
            kind="Gateway",
            metadata={"name": args.route, "namespace": args.gateway_namespace},
            spec=gateway_spec(args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        listener = pulumi.Output.format("{0}/{1}", args.gateway_namespace, args.route)
        service = k8s.apiextensions.CustomResource(
            f"{name}-virtual-service",
            api_version=API_VERSION,
            kind="VirtualService",
            metadata={"name": args.route, "namespace": args.namespace},
            spec=virtual_service_spec(args, listener),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway, *args.requires]),
        )
        self.route = service.id.apply(lambda _: args.route)
        self.register_outputs({"route": self.route})
