"""What runs in a stack's namespaces, as its policies and its checks name it: pure."""

from components.mesh import ingress_gateway
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.security.policy import Workload
from components.workloads.bookinfo import PORT, SERVICES
from program.config.services import Service
from program.settings import Settings


def deployed(settings: Settings) -> list[Service]:
    """The services of the user's own that this stack deploys."""
    return [service for service in settings.services if not service.existing]


def places(settings: Settings) -> list[str]:
    """The namespaces whose pods this stack puts into the mesh, its main one first.

    Those of services that somebody else deploys are somebody else's.
    """
    return [*dict.fromkeys((settings.namespace, *(service.namespace for service in deployed(settings))))]


def workloads(settings: Settings) -> dict[str, Workload]:
    """The pods of every service that policies may name."""
    bookinfo = {
        service: Workload(namespace=settings.namespace, selector={"app": service}, ports=(PORT,), http_ports=(PORT,))
        for service in (SERVICES if settings.bookinfo else ())
    }
    return {**bookinfo, **{service.name: service.workload for service in settings.services}}


def gateways() -> dict[str, Workload]:
    """The pods of the gateways that are not created for a Gateway, by name."""
    ports = tuple(target for name, _, target in ingress_gateway.PORTS if name != "status-port")
    pods = Workload(namespace=ISTIO_NAMESPACE, selector=ingress_gateway.LABELS, ports=ports, http_ports=ports)
    return {ingress_gateway.NAME: pods}
