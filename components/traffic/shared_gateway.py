"""The Gateway that services are shown at: its listeners, on the pods of an IngressGateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.exposure import (
    API_VERSION,
    GATEWAY_CLASS,
    HTTP,
    HTTP_PORT,
    HTTPS,
    HTTPS_PORT,
    ISTIOS_OWN_TYPE,
    WAIT_FOR,
    gateway_options,
    redirect_name,
    redirect_spec,
    revision_labels,
)

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
# Of a Gateway; one is for HTTP.
MOST_LISTENERS = 64


@dataclass(frozen=True, kw_only=True)
class SharedGatewayArgs:
    """What is listened for, and on whose pods.

    Attributes:
        gateway: the Gateway's name.
        namespace: its namespace: that of the pods, which are served Secrets of no other.
        service: the name of the Service whose pods listen, which is in the namespace; an output of IngressGateway.
        service_type: its type. A LoadBalancer may never get an address (minikube without a tunnel), so the Gateway is
            then only waited for until Istio has accepted it.
        certificates: by a host, or a wildcard such as *.example.com, the Secret of type kubernetes.io/tls for HTTPS.
        redirected: those of them whose requests over HTTP are sent to HTTPS.
        route_namespaces: other namespaces whose routes may be attached.
        revision: Istio revision that serves the Gateway; empty for the default one.
        requires: what must be there first: the Gateway API's CRDs and istiod.

    Source: https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/#manual-deployment
    """

    gateway: str
    namespace: pulumi.Input[str]
    service: pulumi.Input[str]
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "LoadBalancer"
    certificates: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    redirected: Sequence[str] = ()
    route_namespaces: Sequence[str] = ()
    revision: str = ""
    requires: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        if len(self.certificates) >= MOST_LISTENERS:
            raise pulumi.RunError(
                f"certificates has {len(self.certificates)} hosts; accepted: {MOST_LISTENERS - 1} at one Gateway"
            )
        for host in self.redirected:
            if host not in self.certificates:
                raise pulumi.RunError(f"redirected has {host!r}; accepted: hosts of certificates")


def host_name(host: str) -> str:
    """A host, which may be a wildcard, as the name of an object or a part of one."""
    return host.replace("*", "wildcard")


def listener_name(host: str) -> str:
    """The name of the listener for a host over HTTPS."""
    return f"{HTTPS}-{host_name(host)}"


def allowed_routes(args: SharedGatewayArgs) -> dict[str, Any]:
    """Routes of the Gateway's own namespace, and of those that are listed."""
    if not args.route_namespaces:
        return {"namespaces": {"from": "Same"}}
    values = [args.namespace, *sorted(args.route_namespaces)]
    expression = {"key": NAMESPACE_LABEL, "operator": "In", "values": values}
    return {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [expression]}}}


def shared_spec(args: SharedGatewayArgs) -> dict[str, Any]:
    """HTTP for any host, and HTTPS for each host that has a certificate, on the Service's pods."""
    listeners: list[dict[str, Any]] = [{"name": HTTP, "port": HTTP_PORT, "protocol": "HTTP"}]
    for host, secret in sorted(args.certificates.items()):
        tls = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": secret}]}
        name = listener_name(host)
        listeners.append({"name": name, "hostname": host, "port": HTTPS_PORT, "protocol": "HTTPS", "tls": tls})
    return {
        "gatewayClassName": GATEWAY_CLASS,
        # Without it Istio would create pods and a Service of its own.
        "addresses": [{"type": "Hostname", "value": args.service}],
        "listeners": [{**listener, "allowedRoutes": allowed_routes(args)} for listener in listeners],
    }


class SharedGateway(pulumi.ComponentResource):
    """A Gateway of class istio that several services share, and the redirect from HTTP to HTTPS.

    Attributes:
        gateway: the Gateway's name, once Istio has accepted it.

    Example:
        SharedGateway(
            "shared",
            SharedGatewayArgs(
                gateway="istio-ingressgateway",
                namespace=istio.namespace,
                service="istio-ingressgateway",
                certificates={"shop.example.com": "shop-tls"},
                redirected=["shop.example.com"],
                route_namespaces=["shop"],
                requires=[gateway_api, istio],
            ),
            in_cluster,
        )
    """

    gateway: pulumi.Output[str]

    def __init__(self, name: str, args: SharedGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:SharedGateway", name, None, opts)
        condition = "Accepted" if args.service_type == ISTIOS_OWN_TYPE else "Programmed"
        gateway = k8s.apiextensions.CustomResource(
            f"{name}-gateway",
            api_version=API_VERSION,
            kind="Gateway",
            metadata={
                "name": args.gateway,
                "namespace": args.namespace,
                "annotations": {WAIT_FOR: f"condition={condition}"},
                **revision_labels(args.revision),
            },
            spec=shared_spec(args),
            opts=gateway_options(self, args.requires),
        )
        if args.redirected:
            k8s.apiextensions.CustomResource(
                f"{name}-redirect",
                api_version=API_VERSION,
                kind="HTTPRoute",
                metadata={"name": redirect_name(args.gateway), "namespace": args.namespace},
                spec=redirect_spec(args.gateway, sorted(args.redirected)),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
        self.gateway = gateway.id.apply(lambda _: args.gateway)
        self.register_outputs({"gateway": self.gateway})
