"""A service's route from a Gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.exposure import API_VERSION
from . import gateway_rules
from .routes import MOST_RULES, RouteKind, RouteParent, RouteRule, ValueMatch, parent_ref, rule_specs
from .traffic import Route, Traffic, kinds, rules, version_service_name


@dataclass(frozen=True, kw_only=True)
class ServiceRouteArgs:
    """Which requests at which Gateway go to which service.

    Attributes:
        route: the route's name.
        namespace: its namespace, and the service's.
        parents: the Gateways, or their listeners, that requests come from.
        service: the Service that they go to.
        port: its port, 1 to 65535.
        kind: HTTPRoute, or GRPCRoute for a service that speaks gRPC.
        hostnames: the hosts that are asked for; none for any.
        rules: which requests, and what is done with them; none for all of them, as they are.
        traffic: what is wanted of the traffic to the service: shares of its versions, timeout, retries and faults hold
            for these requests too.
        gateway_namespace: the namespace of the gateway's pods; empty where they are somebody else's, at which timeout,
            retries and faults do not hold.
        gateway_labels: their labels.
        requires: what must be there first: the Gateway API's CRDs and istiod.

    Source: https://gateway-api.sigs.k8s.io/reference/spec/
    """

    route: str
    namespace: pulumi.Input[str]
    parents: Sequence[RouteParent]
    service: str
    port: int
    kind: RouteKind = "HTTPRoute"
    hostnames: Sequence[str] = ()
    rules: Sequence[RouteRule] = ()
    traffic: Traffic | None = None
    gateway_namespace: pulumi.Input[str] = ""
    gateway_labels: Mapping[str, str] = field(default_factory=dict)
    requires: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        if len(found := route_spec(self)["rules"]) > MOST_RULES:
            raise pulumi.RunError(
                f"rules of route {self.route} are {len(found)} of the Gateway API's; accepted: {MOST_RULES} at most, "
                "each for 8 combinations of path and method, or for one where a prefix is replaced"
            )


def backends(args: ServiceRouteArgs, shares: Sequence[Route] = ()) -> list[dict[str, Any]]:
    """The Service, or those of its versions that have a share."""
    return [
        {"name": version_service_name(args.service, share.subset), "port": args.port, "weight": share.weight}
        for share in shares
    ] or [{"name": args.service, "port": args.port}]


def shared_out(rule: RouteRule, args: ServiceRouteArgs) -> list[dict[str, Any]]:
    """A rule as the route has it: once for each of traffic's own rules that its requests can meet."""
    if rule.redirect or args.traffic is None or kinds(args.traffic) != ("HTTPRoute",):
        return rule_specs(rule, args.kind, backends(args))
    found = []
    for each in rules(args.traffic):
        headers = {name: ValueMatch(value=value) for name, value in each.headers.items()}
        if all(rule.headers.get(name, match) == match for name, match in headers.items()):
            met = replace(rule, headers={**rule.headers, **headers})
            found += rule_specs(met, args.kind, backends(args, each.shares))
    if mirror := args.traffic.mirror:
        (copy,) = backends(args, [Route(subset=mirror.subset)])
        copied = {"type": "RequestMirror", "requestMirror": {"backendRef": _unweighted(copy)}}
        found = [{**said, "filters": [*said.get("filters", ()), copied]} for said in found]
    return found


def _unweighted(backend: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in backend.items() if key != "weight"}


def route_spec(args: ServiceRouteArgs) -> dict[str, Any]:
    """The route's spec."""
    return {
        "parentRefs": [parent_ref(parent) for parent in args.parents],
        **({"hostnames": list(args.hostnames)} if args.hostnames else {}),
        "rules": [said for rule in args.rules or [RouteRule()] for said in shared_out(rule, args)],
    }


def envoy_routes(args: ServiceRouteArgs) -> list[pulumi.Output[str]]:
    """Istio's names of the route's rules that lead to the service, in the gateway's Envoy.

    Source: pilot/pkg/config/kube/gateway/conversion.go of istio/istio: NAMESPACE.ROUTE.INDEX.
    """
    return [
        pulumi.Output.format("{0}.{1}.{2}", args.namespace, args.route, index)
        for index, rule in enumerate(route_spec(args)["rules"])
        if "backendRefs" in rule
    ]


class ServiceRoute(pulumi.ComponentResource):
    """An HTTPRoute or a GRPCRoute from a Gateway to a service.

    Attributes:
        route: the route's name, once it is there.

    Example:
        ServiceRoute(
            "orders-route",
            ServiceRouteArgs(
                route="orders",
                namespace=shop.namespace,
                parents=[RouteParent(name="ingress", namespace="istio-system")],
                service="orders",
                port=8080,
                hostnames=["shop.example.com"],
                rules=[RouteRule(paths=[PathMatch(value="/orders")], url_rewrite=UrlRewrite(replace_prefix_match="/"))],
                requires=[gateway_api, istio],
            ),
            in_cluster,
        )
    """

    route: pulumi.Output[str]

    def __init__(self, name: str, args: ServiceRouteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:ServiceRoute", name, None, opts)
        route = k8s.apiextensions.CustomResource(
            f"{name}-route",
            api_version=API_VERSION,
            kind=args.kind,
            metadata={"name": args.route, "namespace": args.namespace},
            spec=route_spec(args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        if args.traffic and args.gateway_labels and gateway_rules.applies(args.traffic):
            k8s.apiextensions.CustomResource(
                f"{name}-rules",
                api_version=gateway_rules.API_VERSION,
                kind="EnvoyFilter",
                metadata={"name": args.route, "namespace": args.gateway_namespace},
                spec=gateway_rules.route_filter(args.traffic, args.gateway_labels, envoy_routes(args)),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
        self.route = route.id.apply(lambda _: args.route)
        self.register_outputs({"route": self.route})
