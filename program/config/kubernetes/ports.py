"""Reads the ports of a service."""

from collections.abc import Mapping
from typing import cast

from components.workloads.service_port import HTTP, PROTOCOLS, Protocol, ServicePort
from program.config.kubernetes.shapes import PORT_NAME
from program.config.values import Value

# Istio's, and those of Kubernetes that it reads: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
APP_PROTOCOLS = (*PROTOCOLS, "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss")


def read(keys: Mapping[str, Value]) -> tuple[ServicePort, ...]:
    """The ports of ``port`` or of ``ports``; the first is what traffic, routes and the service's address mean.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    if not keys["ports"].is_set:
        return (ServicePort(name=HTTP, port=keys["port"].port()),)
    if keys["port"].is_set:
        raise keys["port"].error("a port, or ports with a name each; not both")
    items = keys["ports"].items("a list of ports, such as [{name: http, port: 80, targetPort: 8080}]")
    if not items:
        raise keys["ports"].error("one port or more")
    ports = tuple(_port(item) for item in items)
    for index, port in enumerate(ports):
        for what, value in (("name", port.name), ("port", port.port)):
            if value in [getattr(other, what) for other in ports[:index]]:
                raise keys["ports"].below(f"[{index}].{what}", value).error(f"a {what} that no other port has")
    if ports[0].protocol not in ("", "TCP"):
        raise items[0].below(".protocol", ports[0].protocol).error("TCP for the first port, which the mesh sees")
    return ports


def _port(value: Value) -> ServicePort:
    keys = value.keys("name", "port", "targetPort", "protocol", "appProtocol")
    app_protocol = keys["appProtocol"].choice(*APP_PROTOCOLS, default="")
    name = keys["name"].text(PORT_NAME, "a name of up to 15 characters, such as http, grpc-api or tcp-events")
    protocol = keys["protocol"].choice("TCP", "UDP", "SCTP", default="")
    return ServicePort(
        name=name,
        port=keys["port"].port(),
        target_port=keys["targetPort"].port(default=0),
        protocol=cast(Protocol, protocol),
        app_protocol=app_protocol,
    )
