"""A port of a service, and the protocol that Istio takes it to speak."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Protocol = Literal["", "TCP", "UDP", "SCTP"]
HTTP = "http"
# Istio's own: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
PROTOCOLS = ("http", "https", "http2", "grpc", "grpc-web", "tcp", "tls", "mongo", "mysql", "redis")
# Those whose requests a proxy of the mesh does not see.
OPAQUE = ("https", "tcp", "tls", "mongo", "mysql", "redis")


@dataclass(frozen=True, kw_only=True)
class ServicePort:
    """A port of a Service, and of the container behind it.

    Attributes:
        name: its name; PROTOCOL or PROTOCOL-SUFFIX tells Istio the protocol.
        port: the Service's port, 1 to 65535.
        target_port: the container's; 0 for the same.
        protocol: what is below the application's protocol; empty for TCP.
        app_protocol: the application's protocol, over what the name says; empty for none.
    """

    name: str
    port: int
    target_port: int = 0
    protocol: Protocol = ""
    app_protocol: str = ""

    @property
    def container_port(self) -> int:
        """Where the container listens."""
        return self.target_port or self.port

    @property
    def application(self) -> str:
        """The protocol that Istio takes it to speak; empty where it looks at the first bytes."""
        if self.app_protocol:
            return self.app_protocol
        named = [each for each in PROTOCOLS if self.name == each or self.name.startswith(f"{each}-")]
        return max(named, key=len, default="")

    @property
    def is_http(self) -> bool:
        """Whether the mesh sees its requests."""
        return self.application not in OPAQUE

    @property
    def of_service(self) -> dict[str, Any]:
        """The port as a Service has it."""
        more = {"targetPort": self.target_port, "protocol": self.protocol, "appProtocol": self.app_protocol}
        return {"port": self.port, "name": self.name, **{key: value for key, value in more.items() if value}}

    @property
    def of_container(self) -> dict[str, Any]:
        """The port as the container has it."""
        protocol = {"protocol": self.protocol} if self.protocol else {}
        return {"containerPort": self.container_port, "name": self.name, **protocol}


def container_ports(ports: Sequence[ServicePort]) -> list[ServicePort]:
    """The first of a Service's ports for each port of the container, which has each once."""
    found: dict[tuple[int, str], ServicePort] = {}
    for port in ports:
        found.setdefault((port.container_port, port.protocol or "TCP"), port)
    return list(found.values())
