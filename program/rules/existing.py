"""Services of kind existing, completed by what they are in the cluster: pure rules."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi

from components.workloads.service_port import ServicePort
from program.config.services import Service
from program.lookup import Cluster
from program.rules.traffic import completed_by
from program.settings import Settings


def completed(settings: Settings, cluster: Cluster) -> tuple[Service, ...]:
    """The user's own services, where the Service of somebody else's gives the pods and the ports of its own.

    Raises:
        pulumi.RunError: the Service has no such port.
    """
    return tuple(
        _completed(service, cluster.services[service.name])
        if service.existing and service.name in cluster.services
        else service
        for service in settings.services
    )


def warnings(settings: Settings, cluster: Cluster) -> list[str]:
    """A warning of the services that are to be there already and are not: nothing tells which pods they have."""
    missing = [
        f"{service.namespace}/{service.name}"
        for service in settings.services
        if service.existing and cluster.identity and service.name not in cluster.services
    ]
    if not missing:
        return []
    return [
        f"services of kind existing are not in the cluster: {', '.join(missing)}. Until they are, and `make up` has "
        "run again, policies are for pods with the labels of selector, or the name as the label app, and for the "
        "ports that the configuration has"
    ]


def _completed(service: Service, spec: Mapping[str, Any]) -> Service:
    found = {port["port"]: port for port in spec.get("ports") or ()}
    for port in service.ports:
        if port.port not in found:
            raise pulumi.RunError(
                f"service {service.name} of kind existing has port {port.port}, and the Service has "
                f"{', '.join(map(str, found)) or 'no port'}; accepted: ports that it has"
            )
    # Which number a container port's name has, is each pod's own to say.
    named = any(not port.target_port and isinstance(found[port.port].get("targetPort"), str) for port in service.ports)
    return replace(
        service,
        selector=service.selector or spec.get("selector") or {},
        ports=tuple(_as_found(port, found[port.port]) for port in service.ports),
        ports_known=not named,
        traffic=completed_by(service.traffic, spec),
    )


def _as_found(port: ServicePort, found: Mapping[str, Any]) -> ServicePort:
    target = found.get("targetPort")
    return replace(
        port,
        name=found.get("name") or port.name,
        target_port=port.target_port or (target if isinstance(target, int) else 0),
        app_protocol=found.get("appProtocol") or "",
    )
