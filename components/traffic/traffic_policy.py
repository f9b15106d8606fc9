"""What traffic to one service should do, said to Istio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..objects import SKIP_AWAIT, KubernetesObject
from . import gateway_rules
from .traffic import Kind, Rule, Traffic, kinds, rules, version_service_name

VERSION_LABEL = "version"
API_VERSIONS: dict[Kind, str] = {
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "VirtualService": "networking.istio.io/v1",
}


@dataclass(frozen=True, kw_only=True)
class TrafficPolicyArgs:
    """Which traffic, and what to make of it.

    Attributes:
        namespace: the service's namespace.
        traffic: what is wanted.
        gateway: a Gateway of the namespace whose routes lead to this service alone, and which sees its rules too;
            empty for none.
        requires: what must be there first: the Gateway API's CRDs and istiod, which checks Istio's own objects.

    Source: https://istio.io/latest/docs/tasks/traffic-management/ and https://gateway-api.sigs.k8s.io/mesh/
    """

    namespace: pulumi.Input[str]
    traffic: Traffic
    requires: Sequence[pulumi.Resource] = ()
    gateway: str = ""


def spec_of(kind: Kind, traffic: Traffic) -> dict[str, Any]:
    """The spec of the object of one kind."""
    specs = {"HTTPRoute": http_route, "DestinationRule": destination_rule, "VirtualService": virtual_service}
    return specs[kind](traffic)


def version_service(traffic: Traffic, subset: str) -> dict[str, Any]:
    """The spec of the Service in front of one subset: an HTTPRoute's backends are Services."""
    target = int(traffic.target_port) if traffic.target_port.isdecimal() else traffic.target_port
    port = _set(targetPort=target, appProtocol=traffic.app_protocol)
    return {
        "ports": [{"port": traffic.port, "name": traffic.port_name, **port}],
        "selector": {**(traffic.selector or {"app": traffic.service}), VERSION_LABEL: subset},
    }


def http_route(traffic: Traffic) -> dict[str, Any]:
    """An HTTPRoute for requests within the mesh: its parent is the Service.

    Source: https://gateway-api.sigs.k8s.io/mesh/service-facets/ and samples/bookinfo/gateway-api of istio/istio.
    """
    parent = {"group": "", "kind": "Service", "name": traffic.service, "port": traffic.port}
    return {"parentRefs": [parent], "rules": [_http_route_rule(traffic, rule) for rule in rules(traffic)]}


def _http_route_rule(traffic: Traffic, rule: Rule) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if rule.headers:
        headers = [{"type": "Exact", "name": name, "value": value} for name, value in rule.headers.items()]
        result["matches"] = [{"headers": headers}]
    if traffic.mirror:
        backend = {"name": version_service_name(traffic.service, traffic.mirror.subset), "port": traffic.port}
        result["filters"] = [{"type": "RequestMirror", "requestMirror": {"backendRef": backend}}]
    result["backendRefs"] = [
        {
            "name": version_service_name(traffic.service, share.subset),
            "port": traffic.port,
            **_weight(rule, share.weight),
        }
        for share in rule.shares
    ] or [{"name": traffic.service, "port": traffic.port}]
    return result


def virtual_service(traffic: Traffic) -> dict[str, Any]:
    """A VirtualService for requests within the mesh.

    Source: https://istio.io/latest/docs/reference/config/networking/virtual-service/
    """
    return {"hosts": [traffic.service], "http": [_virtual_service_rule(traffic, rule) for rule in rules(traffic)]}


def _virtual_service_rule(traffic: Traffic, rule: Rule) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if rule.headers:
        result["match"] = [{"headers": {name: {"exact": value} for name, value in rule.headers.items()}}]
    if traffic.fault and rule.faulty:
        percentage = {"percentage": {"value": traffic.fault.percent}}
        result["fault"] = _set(
            delay=traffic.fault.delay and {**percentage, "fixedDelay": traffic.fault.delay},
            abort=traffic.fault.abort and {**percentage, "httpStatus": traffic.fault.abort},
        )
    result["route"] = [
        {"destination": {"host": traffic.service, "subset": share.subset}, **_weight(rule, share.weight)}
        for share in rule.shares
    ] or [{"destination": {"host": traffic.service}}]
    if traffic.timeout:
        result["timeout"] = traffic.timeout
    if traffic.retries:
        result["retries"] = {
            "attempts": traffic.retries.attempts,
            **_set(perTryTimeout=traffic.retries.per_try_timeout, retryOn=traffic.retries.on),
        }
    if traffic.mirror:
        result["mirror"] = {"host": traffic.service, "subset": traffic.mirror.subset}
        result["mirrorPercentage"] = {"value": traffic.mirror.percent}
    return result


def destination_rule(traffic: Traffic) -> dict[str, Any]:
    """A DestinationRule: the subsets, by label, and what is wanted of connections to all of them.

    Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/
    """
    subsets = [{"name": subset, "labels": {VERSION_LABEL: subset}} for subset in traffic.subsets]
    policy = _set(
        connectionPool=_connection_pool(traffic),
        outlierDetection=_outlier_detection(traffic),
        loadBalancer=_load_balancer(traffic),
    )
    return {"host": traffic.service, **_set(subsets=subsets, trafficPolicy=policy)}


def _connection_pool(traffic: Traffic) -> dict[str, Any]:
    pool = traffic.connection_pool
    if pool is None:
        return {}
    return _set(
        tcp=_set(maxConnections=pool.max_connections, connectTimeout=pool.connect_timeout),
        http=_set(
            http1MaxPendingRequests=pool.max_pending_requests,
            http2MaxRequests=pool.max_requests,
            maxRequestsPerConnection=pool.max_requests_per_connection,
        ),
    )


def _outlier_detection(traffic: Traffic) -> dict[str, Any]:
    outlier = traffic.outlier_detection
    if outlier is None:
        return {}
    return {
        "consecutive5xxErrors": outlier.consecutive_5xx_errors,
        "maxEjectionPercent": outlier.max_ejection_percent,
        **_set(interval=outlier.interval, baseEjectionTime=outlier.base_ejection_time),
    }


def _load_balancer(traffic: Traffic) -> dict[str, Any]:
    failover = [{"from": region, "to": other} for region, other in traffic.locality_failover.items()]
    return _set(
        simple=traffic.load_balancer,
        consistentHash=_set(httpHeaderName=traffic.hash_header),
        localityLbSetting=failover and {"enabled": True, "failover": failover},
    )


def _weight(rule: Rule, weight: int) -> dict[str, int]:
    """All of the requests need no weight."""
    return {"weight": weight} if len(rule.shares) > 1 else {}


def _set(**fields: Any) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}


class TrafficPolicy(pulumi.ComponentResource):
    """Traffic to one service, steered by an HTTPRoute or by a VirtualService and a DestinationRule.

    Attributes:
        kinds: the kinds of the objects that say so.

    Example:
        TrafficPolicy(
            "reviews",
            TrafficPolicyArgs(
                namespace=shop.namespace,
                traffic=Traffic(
                    service="reviews",
                    port=9080,
                    subsets=["v1", "v3"],
                    routes=[Route(subset="v1", weight=90), Route(subset="v3", weight=10)],
                ),
                requires=[gateway_api, istio],
            ),
            in_cluster,
        )
    """

    kinds: Sequence[Kind]

    def __init__(self, name: str, args: TrafficPolicyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:TrafficPolicy", name, None, opts)
        traffic = args.traffic
        self.kinds = kinds(traffic)
        before: list[pulumi.Resource] = list(args.requires)
        if "HTTPRoute" in self.kinds:
            before += [self._version_service(name, args, subset) for subset in traffic.subsets]
        for kind in self.kinds:
            # Subsets before what names them, else requests to them are answered 503:
            # https://istio.io/latest/docs/ops/best-practices/traffic-management/ (avoid 503 errors)
            policy = k8s.apiextensions.CustomResource(
                f"{name}-{kind.lower()}",
                api_version=API_VERSIONS[kind],
                kind=kind,
                metadata={"name": traffic.service, "namespace": args.namespace},
                spec=spec_of(kind, traffic),
                opts=pulumi.ResourceOptions(parent=self, depends_on=before),
            )
            before = [*before, policy]
        if args.gateway and gateway_rules.applies(traffic):
            k8s.apiextensions.CustomResource(
                f"{name}-gateway",
                api_version=gateway_rules.API_VERSION,
                kind="EnvoyFilter",
                metadata={
                    "name": gateway_rules.filter_name(traffic.service, args.gateway),
                    "namespace": args.namespace,
                },
                spec=gateway_rules.gateway_filter(traffic, args.gateway),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
        self.register_outputs({"kinds": list(self.kinds)})

    def _version_service(self, name: str, args: TrafficPolicyArgs, subset: str) -> KubernetesObject:
        return KubernetesObject(
            "core/v1:Service",
            f"{name}-{subset}",
            parent=self,
            metadata={
                "name": version_service_name(args.traffic.service, subset),
                "namespace": args.namespace,
                "annotations": SKIP_AWAIT,
            },
            spec=version_service(args.traffic, subset),
        )
