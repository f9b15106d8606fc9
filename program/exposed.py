"""What is shown at each gateway, by all services together: pure data, and what two of them cannot say at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from components.mesh.gateway_service import GatewayPort, GatewayService, ServiceType, all_ports
from components.security.gateway_certificate import CertificateSource
from components.traffic.egress import ExternalHost
from components.traffic.routes import PathMatch, RouteRule
from components.workloads.exposure import GATEWAY_CLASS, HTTPS_PORT
from program.config import gateways as gateways_config
from program.config import services as services_config
from program.config.expose import Expose
from program.config.gateways import Gateway
from program.config.services import Service
from program.config.values import NAME_LENGTH, Value

ANY_HOST = "*"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One way in which one service is reached.

    Attributes:
        service: the service.
        expose: the way.
        index: its place among the service's.
    """

    service: Service
    expose: Expose
    index: int

    @property
    def route(self) -> str:
        """The name of its route. That of the service alone is its traffic's within the mesh."""
        return f"{self.service.name}-exposed{f'-{self.index + 1}' if self.index else ''}"

    @property
    def path(self) -> str:
        """Where the configuration says it."""
        return f"services.{self.service.name}.expose[{self.index}]"


@dataclass(frozen=True, kw_only=True)
class ExposedAt:
    """Everything that is shown at one of the stack's gateways, and the hosts to which requests leave by it."""

    gateway: Gateway
    shown: tuple[Shown, ...]
    leaving: tuple[ExternalHost, ...] = ()

    @property
    def routed(self) -> list[Shown]:
        """What the gateway understands as HTTP."""
        return [each for each in self.shown if not each.expose.is_stream]

    @property
    def certificates(self) -> dict[str, CertificateSource]:
        """The hosts over HTTPS, whichever service says so."""
        return {host: source for each in self.routed for host, source in (each.expose.tls or {}).items()}

    @property
    def redirected(self) -> list[str]:
        """The hosts whose requests over HTTP are sent to HTTPS."""
        return sorted({host for each in self.routed if each.expose.https_redirect for host in each.expose.tls or {}})

    @property
    def namespaces(self) -> list[str]:
        """The services' namespaces."""
        return sorted({each.service.namespace for each in self.routed})

    @property
    def service(self) -> GatewayService:
        """The gateway's Service, with a port for each that is listened on beside HTTP's."""
        said = self.gateway.service
        known = {number for _, number, _ in all_ports(said)}
        listened: dict[int, str] = {number: each for host in self.leaving for number, each in host.ports.items()}
        listened |= {each.expose.listen: each.expose.protocol for each in self.shown if each.expose.is_stream}
        ports = [
            GatewayPort(name=f"{protocol.lower()}-{number}", port=number)
            for number, protocol in sorted(listened.items())
            if number not in known
        ]
        return replace(said, ports=(*said.ports, *ports)) if ports else said


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
    refuse_contradictions(services, found, known)
    return known, found


def exposed(services: Sequence[Service]) -> list[Shown]:
    """Every way in which a service is reached from outside."""
    return [
        Shown(service=service, expose=expose, index=index)
        for service in services
        for index, expose in enumerate(service.expose)
    ]


def exposed_at(gateway: Gateway, services: Sequence[Service], hosts: Sequence[ExternalHost] = ()) -> ExposedAt:
    """What is shown at a gateway, and which of the ``hosts`` are reached by it."""
    return ExposedAt(
        gateway=gateway,
        shown=tuple(each for each in exposed(services) if each.expose.gateway == gateway.name),
        leaving=tuple(host for host in hosts if host.gateway == gateway.name),
    )


def object_name(host: str) -> str:
    """A host, which may be a wildcard, as the name of an object."""
    return host.replace(ANY_HOST, "wildcard")


def callers(service: Service, gateways: Mapping[str, Gateway]) -> tuple[str, ...]:
    """The service accounts of the gateways that call a service, as NAMESPACE/NAME."""
    found = []
    for expose in service.expose:
        if parent := expose.parent:
            # Of the pods that Istio makes for a Gateway.
            found.append(f"{parent.namespace or service.namespace}/{parent.name}-{GATEWAY_CLASS}")
        else:
            found.append(gateways[expose.gateway].account)
    return tuple(dict.fromkeys(found))


def namespaces(services: Sequence[Service], gateways: Mapping[str, Gateway]) -> set[str]:
    """Where this stack's services and gateways are."""
    return {service.namespace for service in services if not service.existing} | {
        gateway.namespace for gateway in gateways.values()
    }


def calling_namespaces(services: Sequence[Service], gateways: Mapping[str, Gateway]) -> dict[str, list[str]]:
    """The namespaces of the gateways that call services, by the services' namespaces."""
    found: dict[str, set[str]] = {}
    for service in services:
        for account in callers(service, gateways):
            found.setdefault(service.namespace, set()).add(account.partition("/")[0])
    return {namespace: sorted(places) for namespace, places in found.items()}


def leaving_namespaces(hosts: Sequence[ExternalHost], gateways: Mapping[str, Gateway]) -> list[str]:
    """The namespaces of the gateways by which requests to hosts leave."""
    return sorted({gateways[host.gateway].namespace for host in hosts if host.gateway})


def refuse_contradictions(value: Value, services: Sequence[Service], gateways: Mapping[str, Gateway]) -> None:
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
        _refuse_two_of_one_request(value, at)
        for name, accepted in at.service.problems(gateway.service_type):
            raise Value(value.path, at.service.ports).error(f"{accepted} (service.{name} of gateway {gateway.name})")


def _where(value: Value, shown: Shown, key: str, seen: object) -> Value:
    return Value(f"{value.path.removesuffix('services')}{shown.path}.{key}", seen)


def _refuse_two_certificates(value: Value, at: ExposedAt) -> None:
    found: dict[str, tuple[CertificateSource, Shown]] = {}
    for each in at.routed:
        for host, source in (each.expose.tls or {}).items():
            other, first = found.setdefault(host, (source, each))
            if other != source:
                raise _where(value, each, "tls", source).error(
                    f"what {first.path}.tls says of {host}, as a host has one certificate; one of the two is enough"
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


def _refuse_two_of_one_request(value: Value, at: ExposedAt) -> None:
    """Of two services that show the same, the Gateway API takes the older route, whichever that is."""
    seen: dict[object, Shown] = {}
    for each in at.routed:
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
