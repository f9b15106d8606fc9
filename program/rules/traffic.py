"""Traffic to services that this stack does not deploy, completed by what they are in the cluster: pure rules."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi

from components.traffic.traffic import Traffic, kinds
from program.lookup import Cluster
from program.settings import Settings


def completed(settings: Settings, cluster: Cluster) -> tuple[Traffic, ...]:
    """The stack's traffic, where a Service of somebody else's gives port and pods of its subsets' Services.

    Raises:
        pulumi.RunError: the Service has no such port.
    """
    return tuple(
        completed_by(traffic, spec) if (spec := cluster.services.get(traffic.service)) else traffic
        for traffic in settings.traffic
    )


def completed_by(traffic: Traffic, spec: Mapping[str, Any]) -> Traffic:
    """Traffic to the service of a Service with this spec.

    Raises:
        pulumi.RunError: the Service has no such port.
    """
    ports = {port["port"]: port for port in spec.get("ports") or ()}
    if traffic.port not in ports:
        raise pulumi.RunError(
            f"traffic.{traffic.service}.port is {traffic.port}, and the Service {traffic.service} has "
            f"{', '.join(map(str, ports)) or 'no port'}; accepted: a port that it has"
        )
    if "HTTPRoute" not in kinds(traffic):
        return traffic
    port = ports[traffic.port]
    return replace(
        traffic,
        target_port=traffic.target_port or str(port.get("targetPort", "")),
        port_name=port.get("name") or traffic.port_name,
        app_protocol=port.get("appProtocol", ""),
        selector=spec.get("selector") or {},
    )
