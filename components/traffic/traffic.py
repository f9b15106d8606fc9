"""What traffic to a service should do, as plain values, and which API says it.

Values only: no Pulumi, no manifest. ``traffic_policy.py`` makes the manifests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["HTTPRoute", "DestinationRule", "VirtualService"]
LoadBalancer = Literal["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """A share of the requests goes to one subset.

    Attributes:
        subset: the subset's name.
        weight: percent of the requests with the same ``headers``.
        headers: lower-case header names and the exact values that a request must have; empty for any request.
    """

    subset: str
    weight: int = 100
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often a failed request is tried again.

    Attributes:
        attempts: 0 turns Istio's own two retries off.
        per_try_timeout: a duration; empty for the request's own timeout.
        on: Envoy's retry conditions, separated by commas; empty for Istio's own.
    """

    attempts: int
    per_try_timeout: str = ""
    on: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Trouble made on purpose.

    Attributes:
        delay: how long a request is held back, a duration; empty for not at all.
        abort: the HTTP status that a request is answered with instead; 0 for none.
        percent: how many of the requests, 0 to 100.
        headers: only requests with these headers; empty for all.
    """

    delay: str = ""
    abort: int = 0
    percent: float = 100
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A copy of some requests goes to a subset, whose answers are thrown away.

    Attributes:
        subset: the subset's name.
        percent: how many of the requests, 0 to 100.
    """

    subset: str
    percent: float = 100


@dataclass(frozen=True, kw_only=True)
class ConnectionPool:
    """Bounds beyond which a request is answered 503 at once; 0 and the empty duration stand for Istio's own.

    Attributes:
        max_connections: how many TCP connections to the service.
        max_pending_requests: how many requests wait for a connection.
        max_requests: how many requests are under way.
        max_requests_per_connection: after how many requests a connection is closed.
        connect_timeout: how long connecting may take, a duration.
    """

    max_connections: int = 0
    max_pending_requests: int = 0
    max_requests: int = 0
    max_requests_per_connection: int = 0
    connect_timeout: str = ""


@dataclass(frozen=True, kw_only=True)
class OutlierDetection:
    """When a pod that answers with errors gets no more requests for a while; empty durations are Istio's own.

    Attributes:
        consecutive_5xx_errors: how many 5xx answers in a row.
        interval: how often is counted.
        base_ejection_time: how long the pod is left out, longer with each time.
        max_ejection_percent: how many of the pods may be left out at once.
    """

    consecutive_5xx_errors: int = 5
    interval: str = ""
    base_ejection_time: str = ""
    max_ejection_percent: int = 10


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Everything that is wanted of the traffic to one service.

    Attributes:
        service: the Service's name.
        port: its port.
        subsets: values of the label ``version`` of its pods; each names a subset.
        routes: where requests go; anywhere where empty.
        timeout: a duration after which a request is answered 504; empty for none.
        retries: how often a failed request is tried again; Istio's own where there are none.
        fault: trouble made on purpose.
        mirror: a copy of requests for another subset.
        connection_pool: bounds of connections and requests.
        outlier_detection: when a pod that fails gets no more requests.
        load_balancer: how a pod is chosen; empty for Istio's own.
        hash_header: requests with the same value of this header go to the same pod; empty for none.
        locality_failover: region -> the region that takes over when its pods fail.
        target_port: where its pods listen, a number's digits or a container port's name; empty for the same.
        port_name: the port's name, which tells Istio the protocol.
        app_protocol: the protocol itself, where the port says it; empty for none.
        selector: labels of its pods; empty for its name as the label ``app``.

    Source: https://istio.io/latest/docs/concepts/traffic-management/
    """

    service: str
    port: int
    subsets: Sequence[str] = ()
    routes: Sequence[Route] = ()
    timeout: str = ""
    retries: Retries | None = None
    fault: Fault | None = None
    mirror: Mirror | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    load_balancer: LoadBalancer | Literal[""] = ""
    hash_header: str = ""
    locality_failover: Mapping[str, str] = field(default_factory=dict)
    target_port: str = ""
    port_name: str = "http"
    app_protocol: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_policy(self) -> bool:
        """Whether anything is wanted of the connections, which is a DestinationRule's to say."""
        wanted = (self.connection_pool, self.outlier_detection, self.load_balancer, self.hash_header)
        return any(wanted) or bool(self.locality_failover)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Requests with these headers go to these shares; no shares are any of the service's pods."""

    headers: Mapping[str, str]
    shares: Sequence[Route]
    faulty: bool = False


def kinds(traffic: Traffic) -> tuple[Kind, ...]:
    """The one place that decides which API says what is wanted, in the order in which the objects are to be made.

    * Weights, header matches and a full mirror: an HTTPRoute of the Gateway API, with the Service as its parent. Its
      backends are Services, so each subset gets one.
    * A timeout, retries, a fault, a mirror of a part: a VirtualService, with a DestinationRule where it names subsets.
      HTTPRoute knows no faults at all, and neither timeouts nor retries nor parts of a mirror in the standard
      channel of v1.1.0.
    * Connection pool, outlier detection, load balancing, locality failover: a DestinationRule. Routes beside it are
      a VirtualService's then: an HTTPRoute's requests go to the Services of the subsets, to which a rule for the
      service itself does not apply.

    Never an HTTPRoute and a VirtualService for one service: Istio would follow one of them only.
    """
    routed = bool(traffic.routes or traffic.mirror)
    part_mirrored = traffic.mirror is not None and traffic.mirror.percent < 100
    beyond_http_route = bool(traffic.timeout or traffic.retries or traffic.fault) or part_mirrored
    if beyond_http_route or (routed and traffic.has_policy):
        return ("DestinationRule", "VirtualService") if routed or traffic.has_policy else ("VirtualService",)
    if routed:
        return ("HTTPRoute",)
    return ("DestinationRule",) if traffic.has_policy else ()


def version_service_name(service: str, subset: str) -> str:
    """The name of the Service in front of one subset."""
    return f"{service}-{subset}"


def rules(traffic: Traffic) -> list[Rule]:
    """The routes by the headers they ask for, those that ask for most first, as in the Gateway API.

    The last rule is for every request. A fault for some headers only doubles the rules that such a request can meet.
    """
    asked: list[Mapping[str, str]] = []
    for headers in (*(route.headers for route in traffic.routes), {}):
        if headers not in asked:
            asked.append(headers)
    plain = [
        Rule(headers=headers, shares=[route for route in traffic.routes if route.headers == headers])
        for headers in sorted(asked, key=len, reverse=True)
    ]
    return [rule for each in plain for rule in _with_fault(each, traffic.fault)]


def _with_fault(rule: Rule, fault: Fault | None) -> list[Rule]:
    if fault is None or any(rule.headers.get(name, value) != value for name, value in fault.headers.items()):
        return [rule]
    faulty = Rule(headers={**rule.headers, **fault.headers}, shares=rule.shares, faulty=True)
    return [faulty] if faulty.headers == rule.headers else [faulty, rule]
