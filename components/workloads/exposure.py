"""A service of the mesh, made reachable from outside by a Gateway of the Gateway API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

GROUP = "gateway.networking.k8s.io"
API_VERSION = f"{GROUP}/v1"
GATEWAY_CLASS = "istio"
SERVICE_TYPE = "networking.istio.io/service-type"
# Not said, as `istioctl analyze` of Istio 1.23 warns of that annotation, which istiod copies to pods and Services.
ISTIOS_OWN_TYPE = "LoadBalancer"
WAIT_FOR = "pulumi.com/waitFor"
# Without TLS and with it: what the Gateway listens on, and what a person forwards it to.
HTTP_PORT, HTTP_LOCAL_PORT = 80, 8080
HTTPS_PORT, HTTPS_LOCAL_PORT = 443, 8443
HTTP, HTTPS = "http", "https"
MOVED = 301
PATH_KINDS = ("Exact", "PathPrefix", "RegularExpression")


@dataclass(frozen=True, kw_only=True)
class ExposureArgs:
    """What is shown to the outside, and how.

    Attributes:
        namespace: namespace of the Gateway, the HTTPRoute and the service.
        gateway: the Gateway's name; Istio makes a Deployment and a Service named GATEWAY-istio for it.
        route: the HTTPRoute's name.
        service: the Service that requests go to.
        port: its port, 1 to 65535.
        paths: pairs of a path's kind (Exact, PathPrefix, RegularExpression) and the path.
        requires: what must be there before a Gateway can be made: the Gateway API's CRDs and istiod.
        service_type: type of the Service that Istio makes. A LoadBalancer may never get an address (minikube without
            a tunnel), so the Gateway is then only waited for until Istio has accepted it.
        revision: Istio revision that serves the Gateway; empty for the default one.
        tls_secret: a Secret of type kubernetes.io/tls in the namespace, for HTTPS, to which HTTP then
            redirects; None for HTTP alone.

    Source: https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/ and, for Bookinfo's names,
    samples/bookinfo/gateway-api/bookinfo-gateway.yaml of istio/istio, branch release-1.23.
    """

    namespace: pulumi.Input[str]
    gateway: str
    route: str
    service: str
    port: int
    paths: Sequence[tuple[str, str]]
    requires: Sequence[pulumi.Resource] = ()
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "LoadBalancer"
    revision: str = ""
    tls_secret: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        for kind, path in self.paths:
            if kind not in PATH_KINDS or not path.startswith("/"):
                raise pulumi.RunError(
                    f"paths has ({kind!r}, {path!r}); accepted: a kind of {', '.join(PATH_KINDS)} and a path from /"
                )


def gateway_annotations(service_type: str) -> dict[str, str]:
    """Annotations that tell Istio the Service's type, and Pulumi which condition to wait for."""
    if service_type == ISTIOS_OWN_TYPE:
        return {WAIT_FOR: "condition=Accepted"}
    return {SERVICE_TYPE: service_type, WAIT_FOR: "condition=Programmed"}


def revision_labels(revision: str) -> dict[str, Any]:
    """The metadata that has one of several revisions serve a Gateway; empty for the default one."""
    return {"labels": {"istio.io/rev": revision}} if revision else {}


def gateway_options(parent: pulumi.Resource, requires: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
    """A Gateway's: Istio answers in a second, and were the API gone, the provider would wait for 10 minutes."""
    timeouts = pulumi.CustomTimeouts(create="3m", update="3m")
    return pulumi.ResourceOptions(parent=parent, depends_on=list(requires), custom_timeouts=timeouts)


def gateway_spec(tls_secret: pulumi.Input[str] | None = None) -> dict[str, Any]:
    """HTTP on port 80, and with a certificate HTTPS on port 443 too, for routes of the Gateway's own namespace."""
    listeners: list[dict[str, Any]] = [{"name": HTTP, "port": HTTP_PORT, "protocol": "HTTP"}]
    if tls_secret is not None:
        tls = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": tls_secret}]}
        listeners.append({"name": HTTPS, "port": HTTPS_PORT, "protocol": "HTTPS", "tls": tls})
    return {
        "gatewayClassName": GATEWAY_CLASS,
        "listeners": [{**listener, "allowedRoutes": {"namespaces": {"from": "Same"}}} for listener in listeners],
    }


def target_ref(gateway: str) -> dict[str, str]:
    """How a policy of Istio's names the Gateway that it is for."""
    return {"group": GROUP, "kind": "Gateway", "name": gateway}


def route_spec(
    gateway: str, service: str, port: int, paths: Sequence[tuple[str, str]], listener: str = ""
) -> dict[str, Any]:
    """Requests for any of ``paths`` go to ``service``; ``listener`` names the one that takes them, empty for any."""
    return {
        "parentRefs": [{"name": gateway, **({"sectionName": listener} if listener else {})}],
        "rules": [
            {
                "matches": [{"path": {"type": kind, "value": path}} for kind, path in paths],
                "backendRefs": [{"name": service, "port": port}],
            }
        ],
    }


def redirect_name(route: str) -> str:
    """The name of the HTTPRoute that sends requests over HTTP to HTTPS."""
    return f"{route}-redirect"


def redirect_spec(gateway: str, hostnames: Sequence[str] = ()) -> dict[str, Any]:
    """Requests over HTTP are sent to HTTPS, but those of routes with a path: of cert-manager's challenges, say.

    ``hostnames`` are the hosts for which that is so; none for any.
    """
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": MOVED}}
    return {
        "parentRefs": [{"name": gateway, "sectionName": HTTP}],
        **({"hostnames": list(hostnames)} if hostnames else {}),
        "rules": [{"filters": [redirect]}],
    }


class Exposure(pulumi.ComponentResource):
    """A Gateway of class istio, and an HTTPRoute from it to a service.

    Attributes:
        gateway: the Gateway's name; Istio's Deployment and Service for it are called GATEWAY-istio.

    Example:
        Exposure(
            "exposure",
            ExposureArgs(
                namespace=shop.namespace,
                gateway="bookinfo-gateway",
                route="bookinfo",
                service="productpage",
                port=9080,
                paths=[("Exact", "/productpage"), ("PathPrefix", "/static")],
                requires=[gateway_api, istio],
                tls_secret=certificate.secret,
            ),
            in_cluster,
        )
    """

    gateway: pulumi.Output[str]

    def __init__(self, name: str, args: ExposureArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Exposure", name, None, opts)
        k8s.apiextensions.CustomResource(
            f"{name}-gateway",
            api_version=API_VERSION,
            kind="Gateway",
            metadata={
                "name": args.gateway,
                "namespace": args.namespace,
                "annotations": gateway_annotations(args.service_type),
                **revision_labels(args.revision),
            },
            spec=gateway_spec(args.tls_secret),
            opts=gateway_options(self, args.requires),
        )
        k8s.apiextensions.CustomResource(
            f"{name}-route",
            api_version=API_VERSION,
            kind="HTTPRoute",
            metadata={"name": args.route, "namespace": args.namespace},
            spec=route_spec(
                args.gateway, args.service, args.port, args.paths, HTTPS if args.tls_secret is not None else ""
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        if args.tls_secret is not None:
            k8s.apiextensions.CustomResource(
                f"{name}-redirect",
                api_version=API_VERSION,
                kind="HTTPRoute",
                metadata={"name": redirect_name(args.route), "namespace": args.namespace},
                spec=redirect_spec(args.gateway),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
        self.gateway = pulumi.Output.from_input(args.gateway)
        self._namespace = pulumi.Output.from_input(args.namespace)
        self._tls = args.tls_secret is not None
        self.register_outputs({"gateway": self.gateway})

    def url(self, path: str) -> str:
        """Where ``path`` is found while the port is forwarded."""
        return (
            f"https://localhost:{HTTPS_LOCAL_PORT}{path}" if self._tls else f"http://localhost:{HTTP_LOCAL_PORT}{path}"
        )

    def commands(self, kubectl: str) -> dict[str, pulumi.Output[str]]:
        """What a person runs to reach the service; ``kubectl`` is how they call it on the cluster."""
        call = pulumi.Output.format("{0} --namespace {1}", kubectl, self._namespace)
        service = pulumi.Output.format("service/{0}-{1}", self.gateway, GATEWAY_CLASS)
        ports = f"{HTTPS_LOCAL_PORT}:{HTTPS_PORT}" if self._tls else f"{HTTP_LOCAL_PORT}:{HTTP_PORT}"
        return {
            "portForward": pulumi.Output.format("{0} port-forward {1} {2}", call, service, ports),
            "pods": pulumi.Output.format("{0} get pods", call),
            "gateway": pulumi.Output.format("{0} get gateway {1}", call, self.gateway),
        }
