"""What is shown at each gateway, by all services together: pure data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.mesh.gateway_service import GatewayPort, GatewayService, all_ports
from components.security.gateway_certificate import CertificateSource
from components.traffic.egress import ExternalHost
from components.workloads.exposure import GATEWAY_CLASS
from program.config.expose import Expose
from program.config.gateways import Gateway
from program.config.services import Service

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
