"""Reads the configuration of traffic into ``Traffic`` values, and refuses what makes no sense."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from components.traffic.traffic import (
    ConnectionPool,
    Fault,
    LoadBalancer,
    Mirror,
    OutlierDetection,
    Retries,
    Route,
    Traffic,
    kinds,
    version_service_name,
)
from components.workloads.bookinfo import PORT, SERVICES, WORKLOADS
from components.workloads.service_port import HTTP
from program.config.kubernetes.shapes import PORT_NAME
from program.config.scenarios import SCENARIOS
from program.config.values import NAME_LENGTH, Value

# Istio compares header names in lower case: https://istio.io/latest/docs/reference/config/networking/virtual-service/
HEADER = r"[a-z0-9][-a-z0-9_.]*"
RETRY_ON = r"[a-z0-9-]+(,[a-z0-9-]+)*"
REGION = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
ROUTING = ("routes", "canary", "timeout", "retries", "fault", "mirror")
CONNECTIONS = ("connectionPool", "outlierDetection", "loadBalancer", "hashHeader", "localityFailover")


@dataclass(frozen=True, kw_only=True)
class Host:
    """A service that traffic goes to: its name, its port, and the versions that its pods are labelled with.

    ``target_port`` is where its pods listen, if that is said; ``port_name`` and ``app_protocol`` are the port's own,
    and ``is_http`` whether the mesh sees its requests.
    """

    service: str
    port: int
    target_port: str = ""
    port_name: str = HTTP
    app_protocol: str = ""
    is_http: bool = True
    subsets: tuple[str, ...] = ()


BOOKINFO = {
    service: Host(
        service=service,
        port=PORT,
        subsets=tuple(workload.version for workload in WORKLOADS if workload.service == service),
    )
    for service in SERVICES
}


def read_scenario(value: Value, *, bookinfo: bool) -> str:
    """The name of one of SCENARIOS, or empty; only empty without ``bookinfo``."""
    choices = SCENARIOS if bookinfo else {}
    return value.choice("", *choices, accepted=", ".join(["empty", *choices]))


def read_all(value: Value, scenario: str, *, bookinfo: bool, elsewhere: Collection[str]) -> tuple[Traffic, ...]:
    """What is wanted of traffic, by service: the scenario's, and the configuration's over it.

    Args:
        value: an object with services as its keys.
        scenario: the name of one of SCENARIOS, or empty.
        bookinfo: whether Bookinfo is deployed; any other service tells its port and subsets.
        elsewhere: services whose traffic is configured where they are.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    known = BOOKINFO if bookinfo else {}
    expanded = Value(value.path, SCENARIOS.get(scenario)).entries()
    wanted = {**expanded, **value.entries("an object with services as its keys")}
    for service in elsewhere:
        if service in wanted:
            raise wanted[service].error(f"traffic of {service} where it is deployed, under services")
    return tuple(
        read(entry, known[service]) if service in known else _read_foreign(service, entry, known)
        for service, entry in wanted.items()
    )


def read(value: Value, host: Host) -> Traffic:
    """What is wanted of the traffic to one service that this stack deploys.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    return _read(value.keys(*ROUTING, *CONNECTIONS), host)


def _read_foreign(service: str, value: Value, known: Iterable[str]) -> Traffic:
    """The same for a service that is there already, deployed by somebody else."""
    keys = value.keys("port", "targetPort", "subsets", *ROUTING, *CONNECTIONS)
    if not keys["port"].is_set:
        raise value.error(
            f"traffic of a service that this stack deploys ({', '.join(sorted(known)) or 'none'}); "
            "any other needs its port, and for routes its subsets, too"
        )
    subsets = dict.fromkeys(each.dns_label() for each in keys["subsets"].items("a list of values of the label version"))
    name = Value(value.path, service).service_name()
    host = Host(
        service=name, port=keys["port"].port(), target_port=_target_port(keys["targetPort"]), subsets=tuple(subsets)
    )
    return _read(keys, host)


def _target_port(value: Value) -> str:
    if isinstance(value.seen, str) and not value.seen.isdecimal():
        return value.text(PORT_NAME, "a port's number, or the name of a container's port such as web")
    return str(value.port()) if value.is_set else ""


def _read(keys: Mapping[str, Value], host: Host) -> Traffic:
    if not host.is_http and (routing := [key for key in ROUTING if keys[key].is_set]):
        raise keys[routing[0]].error(
            f"nothing while port {host.port_name} of {host.service} comes first and does not speak HTTP: the mesh sees "
            "connections there, and no requests"
        )
    routes = _routes(keys["routes"], host)
    if keys["canary"].is_set and not all(route.headers for route in routes):
        raise keys["canary"].error("a canary or routes without headers, not both")
    traffic = Traffic(
        service=host.service,
        port=host.port,
        target_port=host.target_port,
        port_name=host.port_name,
        app_protocol=host.app_protocol,
        subsets=host.subsets,
        routes=routes + _canary(keys["canary"], host),
        timeout=keys["timeout"].duration(default=""),
        retries=_retries(keys["retries"]),
        fault=_fault(keys["fault"]),
        mirror=_mirror(keys["mirror"], host),
        connection_pool=_connection_pool(keys["connectionPool"]),
        outlier_detection=_outlier_detection(keys["outlierDetection"]),
        load_balancer=cast(
            LoadBalancer, keys["loadBalancer"].choice("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", default="")
        ),
        hash_header=keys["hashHeader"].text(HEADER, "a lower-case header name such as x-user", default=""),
        locality_failover=_locality_failover(keys["localityFailover"]),
    )
    _refuse_contradictions(traffic, keys)
    _refuse_long_names(traffic, keys)
    return traffic


def _refuse_long_names(traffic: Traffic, keys: Mapping[str, Value]) -> None:
    """Each subset of an HTTPRoute gets a Service of its own."""
    names = [version_service_name(traffic.service, subset) for subset in traffic.subsets]
    longest = max(names, key=len, default="")
    if "HTTPRoute" in kinds(traffic) and len(longest) > NAME_LENGTH:
        steering = next(keys[key] for key in ("routes", "canary", "mirror") if keys[key].is_set)
        raise steering.error(
            f"nothing while the Service of a subset would be named {longest}, of {len(longest)} characters: Kubernetes "
            f"takes {NAME_LENGTH}: choose a shorter name of the service or the version"
        )


def _refuse_contradictions(traffic: Traffic, keys: Mapping[str, Value]) -> None:
    """What each key may say alone, and not together."""
    if traffic.fault and (traffic.timeout or traffic.retries):
        # https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute (fault)
        raise keys["fault"].error("a fault or timeout and retries, not both: Istio drops those beside a fault")
    if traffic.hash_header and traffic.load_balancer:
        raise keys["hashHeader"].error("hashHeader or loadBalancer, not both: each says how a pod is chosen")
    if traffic.locality_failover and not traffic.outlier_detection:
        raise keys["localityFailover"].error(
            "a failover together with outlierDetection, without which Istio does not see that pods fail"
        )


def _routes(value: Value, host: Host) -> tuple[Route, ...]:
    routes = tuple(_route(item, host) for item in value.items("a list of routes"))
    for headers in (route.headers for route in routes):
        total = sum(route.weight for route in routes if route.headers == headers)
        if total != 100:  # percent
            which = f"routes with headers {dict(headers)}" if headers else "routes without headers"
            raise value.error(f"weights that add up to 100; those of the {which} add up to {total}")
    return routes


def _route(value: Value, host: Host) -> Route:
    keys = value.keys("subset", "weight", "headers")
    return Route(
        subset=_subset(keys["subset"], host),
        weight=keys["weight"].integer("a whole percentage", least=0, most=100, default=100),
        headers=_headers(keys["headers"]),
    )


def _canary(value: Value, host: Host) -> tuple[Route, ...]:
    """Two routes in one figure: ``percent`` of the requests go to the subset ``to``, the others to ``from``."""
    if not value.is_set:
        return ()
    keys = value.keys("from", "to", "percent")
    old, new = _subset(keys["from"], host), _subset(keys["to"], host)
    if old == new:
        raise keys["to"].error(f"another subset than {old}, which from names")
    percent = keys["percent"].integer("a whole percentage", least=0, most=100)
    return (Route(subset=old, weight=100 - percent), Route(subset=new, weight=percent))


def _retries(value: Value) -> Retries | None:
    if not value.is_set:
        return None
    keys = value.keys("attempts", "perTryTimeout", "on")
    return Retries(
        attempts=keys["attempts"].integer("a whole number of attempts", least=0, most=100),
        per_try_timeout=keys["perTryTimeout"].duration(default=""),
        on=keys["on"].text(RETRY_ON, "Envoy's retry conditions such as 5xx,reset", default=""),
    )


def _fault(value: Value) -> Fault | None:
    if not value.is_set:
        return None
    keys = value.keys("delay", "abort", "percent", "headers")
    if not keys["delay"].is_set and not keys["abort"].is_set:
        raise value.error("a fault with delay (a duration), abort (an HTTP status) or both")
    return Fault(
        delay=keys["delay"].duration(default=""),
        abort=keys["abort"].integer("an HTTP status", least=200, most=599, default=0),
        percent=keys["percent"].number("a percentage", least=0, most=100, default=100),
        headers=_headers(keys["headers"]),
    )


def _mirror(value: Value, host: Host) -> Mirror | None:
    if not value.is_set:
        return None
    keys = value.keys("subset", "percent")
    return Mirror(
        subset=_subset(keys["subset"], host),
        percent=keys["percent"].number("a percentage", least=0, most=100, default=100),
    )


def _connection_pool(value: Value) -> ConnectionPool | None:
    if not value.is_set:
        return None
    keys = value.keys(
        "maxConnections", "maxPendingRequests", "maxRequests", "maxRequestsPerConnection", "connectTimeout"
    )

    def bound(key: str) -> int:
        return keys[key].integer("a whole number", least=1, default=0)

    return ConnectionPool(
        max_connections=bound("maxConnections"),
        max_pending_requests=bound("maxPendingRequests"),
        max_requests=bound("maxRequests"),
        max_requests_per_connection=bound("maxRequestsPerConnection"),
        connect_timeout=keys["connectTimeout"].duration(default=""),
    )


def _outlier_detection(value: Value) -> OutlierDetection | None:
    if not value.is_set:
        return None
    keys = value.keys("consecutive5xxErrors", "interval", "baseEjectionTime", "maxEjectionPercent")
    return OutlierDetection(
        consecutive_5xx_errors=keys["consecutive5xxErrors"].integer("a whole number of errors", least=1, default=5),
        interval=keys["interval"].duration(default=""),
        base_ejection_time=keys["baseEjectionTime"].duration(default=""),
        max_ejection_percent=keys["maxEjectionPercent"].integer("a whole percentage", least=0, most=100, default=10),
    )


def _locality_failover(value: Value) -> dict[str, str]:
    failover = {}
    for region, entry in value.entries("an object of regions, such as {us-east: us-west}").items():
        failover[Value(entry.path, region).text(REGION, "a region as its key")] = entry.text(REGION, "a region")
        if failover[region] == region:
            raise entry.error("another region than the one that fails")
    return failover


def _headers(value: Value) -> dict[str, str]:
    headers = {}
    for name, entry in value.entries("an object of header names and values, such as {end-user: jason}").items():
        Value(entry.path, name).text(HEADER, "a lower-case header name as its key, such as end-user")
        headers[name] = entry.text(r"\S(.*\S)?", "the exact value that the header must have")
    return headers


def _subset(value: Value, host: Host) -> str:
    if value.seen not in host.subsets:
        known = " or ".join(host.subsets) or "none: this service has no subsets"
        raise value.error(f"a subset of {host.service}: {known}")
    return str(value.seen)
