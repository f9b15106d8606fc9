"""Reads gateways, services and hosts outside together, and refuses what two of them cannot say at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

from components.mesh.gateway_service import ServiceType
from components.security.gateway_certificate import CertificateSource
from components.traffic.egress import ExternalHost
from components.traffic.routes import PathMatch, RouteRule
from components.traffic.shared_gateway import MOST_LISTENERS, host_name
from components.workloads.exposure import HTTPS_PORT
from program.config import egress as egress_config
from program.config import gateways as gateways_config
from program.config import services as services_config
from program.config.certificates import as_configured
from program.config.gateways import Gateway
from program.config.services import Service
from program.config.values import NAME_LENGTH, Value
from program.exposed import ANY_HOST, ExposedAt, Shown, exposed, exposed_at


def read(
    gateways: Value, services: Value, *, namespace: str, service_type: ServiceType, replicas: int
) -> tuple[dict[str, Gateway], tuple[Service, ...]]:
    """The stack's gateways and its services, which fit each other.

    Args:
        gateways: the key of this name.
        services: the key of this name.
        namespace: the namespace of services that are not told another.
        service_type: the type of an ingress gateway's Service that is not told another.
        replicas: how many pods a gateway has that is not told otherwise.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    known = gateways_config.read_all(gateways, service_type=service_type, replicas=replicas)
    found = services_config.read_all(services, namespace, known)
    gateways_config.refuse_shared_namespaces(gateways, known, {namespace, *(each.namespace for each in found)})
    _refuse_contradictions(services, found, known)
    return known, found


def read_hosts(value: Value, *, data_plane: str, gateways: Mapping[str, Gateway]) -> tuple[ExternalHost, ...]:
    """The hosts outside the mesh, for whose ports the gateways by which their requests leave have room.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    hosts = egress_config.read_hosts(value, data_plane=data_plane, gateways=gateways)
    for index, host in enumerate(hosts):
        if gateway := gateways.get(host.gateway):
            at = exposed_at(gateway, (), hosts[: index + 1])
            for _, accepted in at.service.problems(gateway.service_type):
                raise value.below(f"[{index}].ports", dict(host.ports)).error(f"{accepted}, at gateway {gateway.name}")
    return hosts


def _refuse_contradictions(value: Value, services: Sequence[Service], gateways: Mapping[str, Gateway]) -> None:
    """Refuse what services cannot say together at one gateway.

    Args:
        value: the key ``services``.
        services: the services.
        gateways: the stack's gateways.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    for each in exposed(services):
        if each.expose.is_stream and len(each.route) > NAME_LENGTH:
            raise Value(f"{value.path}.{each.service.name}.name", each.service.name).error(
                f"a shorter name, as Istio's Gateway would be named {each.route}, and takes {NAME_LENGTH} characters"
            )
    for gateway in gateways.values():
        at = exposed_at(gateway, services)
        _refuse_two_certificates(value, at)
        _refuse_mixed_hosts(value, at)
        _refuse_two_streams(value, at)
        _refuse_two_of_one_request(value, at.routed)
        _refuse_no_room(value, at)
    for parent in dict.fromkeys(_parent(each) for each in exposed(services) if each.expose.parent):
        _refuse_two_of_one_request(value, [each for each in exposed(services) if _parent(each) == parent])


def _where(value: Value, shown: Shown, key: str, seen: object) -> Value:
    return Value(f"{value.path.removesuffix('services')}{shown.path}.{key}", seen)


def _refuse_two_certificates(value: Value, at: ExposedAt) -> None:
    found: dict[str, tuple[CertificateSource, Shown]] = {}
    names: dict[str, str] = {}
    for each in at.routed:
        for host, source in (each.expose.tls or {}).items():
            other, first = found.setdefault(host, (source, each))
            if other != source:
                raise _where(value, each, "tls", as_configured(source)).error(
                    f"what {first.path}.tls says of {host}, as a host has one certificate; one of the two is enough"
                )
            if first.expose.https_redirect != each.expose.https_redirect:
                raise _where(value, each, "httpsRedirect", each.expose.https_redirect).error(
                    f"what {first.path} says of {host}, all of whose requests over HTTP are redirected or none"
                )
            if (taken := names.setdefault(host_name(host), host)) != host:
                raise _where(value, each, "hosts", host).error(f"not both {taken} and this, which have one listener")
            if len(found) >= MOST_LISTENERS:
                raise _where(value, each, "hosts", list(each.expose.hosts)).error(
                    f"{MOST_LISTENERS - 1} hosts with a certificate at one gateway: show the others at another"
                )


def _refuse_mixed_hosts(value: Value, at: ExposedAt) -> None:
    """A route is attached to listeners with all of its hosts."""
    for each in at.routed:
        secure = set(each.expose.hosts) & set(at.redirected)
        if secure and secure != set(each.expose.hosts):
            raise _where(value, each, "hosts", list(each.expose.hosts)).error(
                f"hosts that are all redirected to HTTPS or none, as {', '.join(sorted(secure))} is: list the others "
                "in an entry of their own"
            )


def _refuse_two_streams(value: Value, at: ExposedAt) -> None:
    """One connection, two services; or a port that is to be understood and passed on."""
    streams: dict[tuple[int, str], Shown] = {}
    for each in at.shown:
        if not each.expose.is_stream:
            continue
        port = each.expose.listen
        for other in streams.values():
            if other.expose.listen == port and other.expose.protocol != each.expose.protocol:
                raise _where(value, each, "listen", port).error(f"a port other than that of {other.path}")
        for host in each.expose.hosts or (ANY_HOST,):
            if (first := streams.setdefault((port, host), each)) is not each:
                told = "a host and port" if each.expose.hosts else "a port"
                raise _where(value, each, "listen", port).error(f"{told} other than that of {first.path}")
            if port == HTTPS_PORT and host in at.certificates:
                raise _where(value, each, "hosts", host).error(
                    "a host whose TLS no other service ends at the gateway with tls"
                )


def _parent(shown: Shown) -> object:
    """Which Gateway of somebody else's a service is shown at; None for one of the stack's."""
    parent = shown.expose.parent
    return parent and replace(parent, namespace=parent.namespace or shown.service.namespace)


def _refuse_no_room(value: Value, at: ExposedAt) -> None:
    """Ports that the gateway's Service cannot have together."""
    streams = [each for each in at.shown if each.expose.is_stream]
    for count, each in enumerate(streams, start=1):
        for _, accepted in replace(at, shown=tuple(streams[:count])).service.problems(at.gateway.service_type):
            raise _where(value, each, "listen", each.expose.listen).error(f"{accepted}, at gateway {at.gateway.name}")


def _refuse_two_of_one_request(value: Value, shown: Sequence[Shown]) -> None:
    """Of two services that show the same, the Gateway API takes the older route, whichever that is."""
    seen: dict[object, Shown] = {}
    for each in shown:
        for host in each.expose.hosts or (ANY_HOST,):
            for met in _met(each.expose.rules):
                if (first := seen.setdefault((host, *met), each)) is not each:
                    raise _where(value, each, "hosts", list(each.expose.hosts)).error(
                        f"hosts, paths, methods or headers other than those of {first.path}, as a request goes to one "
                        "service"
                    )


def _met(rules: Sequence[RouteRule]) -> Iterator[tuple[object, ...]]:
    """What tells the requests of one rule from those of any other."""
    for rule in rules or [RouteRule()]:
        values = tuple(tuple(sorted(each.items(), key=str)) for each in (rule.headers, rule.query_params))
        yield from product(rule.paths or [PathMatch(value="/")], rule.methods or [""], [values])
