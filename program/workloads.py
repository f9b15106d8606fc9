"""What runs in a stack's namespaces, as its policies and its checks name it: pure."""

from components.mesh.gateway_service import PORTS
from components.security.policy import Workload
from components.traffic.traffic import Traffic
from components.workloads.bookinfo import PORT, SERVICES
from program.config.services import Service
from program.settings import Settings

STATUS_PORT = "status-port"


def deployed(settings: Settings) -> list[Service]:
    """The services of the user's own that this stack deploys."""
    return [service for service in settings.services if not service.existing]


def places(settings: Settings) -> list[str]:
    """The namespaces whose pods this stack puts into the mesh, its main one first.

    Those of services that somebody else deploys are somebody else's.
    """
    return [*dict.fromkeys((settings.namespace, *(service.namespace for service in deployed(settings))))]


def steered(settings: Settings) -> list[tuple[str, Traffic]]:
    """What is configured of the traffic to each service, with the service's namespace."""
    own = [(service.namespace, service.traffic) for service in settings.services]
    return [*((settings.namespace, traffic) for traffic in settings.traffic), *own]


def guarded(settings: Settings) -> list[Service]:
    """The services whose callers are listed: where they say so, or everything that is not listed is denied.

    An exposed service in a namespace of somebody else's, where nothing is denied, stays open to its other callers.
    """
    denied = places(settings) if settings.security.authorization else []
    return [each for each in settings.services if each.allow_from or (each.expose and each.namespace in denied)]


def workloads(settings: Settings) -> dict[str, Workload]:
    """The pods of every service that policies may name."""
    bookinfo = {
        service: Workload(namespace=settings.namespace, selector={"app": service}, ports=(PORT,), http_ports=(PORT,))
        for service in (SERVICES if settings.bookinfo else ())
    }
    return {**bookinfo, **{service.name: service.workload for service in settings.services}}


def gateways(settings: Settings) -> dict[str, Workload]:
    """The pods of the stack's own gateways, by name: not those that Istio creates for a Gateway."""
    http = tuple(target for name, _, target in PORTS if name != STATUS_PORT)
    return {
        name: Workload(namespace=gateway.namespace, selector=gateway.labels, ports=http, http_ports=http)
        for name, gateway in settings.gateways.items()
    }
