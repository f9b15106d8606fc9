"""What is wanted of requests from outside, said to the Gateway's own Envoy.

A VirtualService reaches a Gateway of the Gateway API only by a name that is Istio's own and changes between releases,
and an HTTPRoute knows no faults: https://github.com/istio/istio/issues/46662 and 54196. What Istio itself makes of a
VirtualService's rules is merged into the Gateway's routes here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from .traffic import Fault, Traffic

FAULT_FILTER = "envoy.filters.http.fault"
FAULT_TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
API_VERSION = "networking.istio.io/v1alpha3"
SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
# A condition that needs more to be said, and so never holds: a merge cannot set Istio's own two attempts to none.
NEVER = "retriable-headers"
ISTIO_RETRIES = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


def applies(traffic: Traffic) -> bool:
    """Whether a Gateway in front of the service has to be told. Connections are: it reads DestinationRules itself."""
    return bool(traffic.fault or traffic.timeout or traffic.retries)


def filter_name(service: str, gateway: str) -> str:
    """The name of the EnvoyFilter."""
    return f"{service}-at-{gateway}"


def gateway_filter(traffic: Traffic, gateway: str) -> dict[str, Any]:
    """The spec of an EnvoyFilter on the pods of a Gateway whose only routes lead to the service.

    Source: https://istio.io/latest/docs/reference/config/networking/envoy-filter/ and
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
    """
    return _filter(traffic, {GATEWAY_NAME: gateway}, [{"action": "ROUTE"}])


def route_filter(traffic: Traffic, labels: Mapping[str, str], routes: Sequence[pulumi.Input[str]]) -> dict[str, Any]:
    """The same on a gateway's pods with ``labels``, for those of Envoy's ``routes`` alone that lead to the service."""
    return _filter(traffic, labels, [{"name": name} for name in routes])


def _filter(traffic: Traffic, labels: Mapping[str, str], routes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    patch = {"operation": "MERGE", "value": _route(traffic)}
    matches = [{"context": "GATEWAY", "routeConfiguration": {"vhost": {"route": dict(route)}}} for route in routes]
    return {
        "workloadSelector": {"labels": dict(labels)},
        "configPatches": [{"applyTo": "HTTP_ROUTE", "match": match, "patch": patch} for match in matches],
    }


def seconds(duration: str) -> str:
    """A duration such as 1m30s as protobuf's JSON has it: 90s."""
    total = sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|h|m|s)", duration))
    return f"{total:g}s"


def _route(traffic: Traffic) -> dict[str, Any]:
    value: dict[str, Any] = {}
    if traffic.fault:
        value["typed_per_filter_config"] = {FAULT_FILTER: {"@type": FAULT_TYPE, **_fault(traffic.fault)}}
    action: dict[str, Any] = {}
    if traffic.timeout:
        action["timeout"] = seconds(traffic.timeout)
    if retries := traffic.retries:
        policy: dict[str, Any] = {"num_retries": retries.attempts, "retry_on": retries.on or ISTIO_RETRIES}
        if retries.per_try_timeout:
            policy["per_try_timeout"] = seconds(retries.per_try_timeout)
        action["retry_policy"] = policy if retries.attempts else {"retry_on": NEVER}
    if action:
        value["route"] = action
    return value


def _fault(fault: Fault) -> dict[str, Any]:
    percentage = {"numerator": round(fault.percent * 10_000), "denominator": "MILLION"}
    found: dict[str, Any] = {}
    if fault.delay:
        found["delay"] = {"fixed_delay": seconds(fault.delay), "percentage": percentage}
    if fault.abort:
        found["abort"] = {"http_status": fault.abort, "percentage": percentage}
    if fault.headers:
        found["headers"] = [
            {"name": name, "string_match": {"exact": value}} for name, value in sorted(fault.headers.items())
        ]
    return found
