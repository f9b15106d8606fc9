"""Reads which of a service's requests come from outside, and how, in the Gateway API's terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from components.mesh.gateway_service import ISTIOS_OWN
from components.mesh.ingress_gateway import NAME as INGRESS
from components.security.gateway_certificate import CertificateSource
from components.traffic.routes import RouteParent, RouteRule
from components.traffic.traffic import Traffic, kinds
from components.workloads.exposure import HTTP_PORT, HTTPS_PORT
from components.workloads.service_port import ServicePort
from program.config.certificates import WILDCARD_NAME, read_certificate
from program.config.gateways import Gateway
from program.config.route_rules import MOST, is_object, read_rule
from program.config.values import DNS_LABEL, DNS_NAME, Value

Protocol = Literal["HTTP", "GRPC", "TCP", "TLS"]
# Objects and listeners are named after it, with a few letters more: their names have up to 253.
HOST = (rf"(?=.{{1,240}}$){WILDCARD_NAME}", "a DNS name such as shop.example.com, or with * as its first label")
RULE = ("paths", "methods", "headers", "queryParams", "requestHeaders", "responseHeaders", "urlRewrite", "redirect")
KEYS = ("protocol", "port", "gateway", "hosts", "tls", "httpsRedirect", "listen", "rules", *RULE)
# Over HTTP/2; where nothing says what a port speaks, Istio does as the client does.
SPEAK_GRPC = ("", "grpc", "http2", "kubernetes.io/h2c")


@dataclass(frozen=True, kw_only=True)
class Expose:
    """One way in which a service is reached from outside.

    Attributes:
        protocol: what the gateway understands of it: HTTP, GRPC, TLS (the host alone) or TCP (nothing).
        port: the service's port.
        gateway: the name of the stack's gateway; empty where there is a ``parent``.
        parent: an existing Gateway that is not the stack's; None for the stack's.
        hosts: the hosts that are asked for; none for any.
        tls: where the certificate for each of them comes from; None for none.
        https_redirect: whether requests over HTTP are sent to HTTPS, where there is a certificate.
        listen: the gateway's port, with TCP and TLS; 0 otherwise.
        rules: which requests, with HTTP and GRPC.
    """

    protocol: Protocol
    port: int
    gateway: str = ""
    parent: RouteParent | None = None
    hosts: tuple[str, ...] = ()
    tls: Mapping[str, CertificateSource] | None = None
    https_redirect: bool = True
    listen: int = 0
    rules: tuple[RouteRule, ...] = ()

    @property
    def is_stream(self) -> bool:
        """Whether the gateway passes bytes on."""
        return self.protocol in ("TCP", "TLS")


def read_all(
    value: Value, *, ports: Sequence[ServicePort], gateways: Mapping[str, Gateway], traffic: Traffic
) -> tuple[Expose, ...]:
    """The ways in which a service is reached from outside.

    Args:
        value: a list.
        ports: the service's ports, the default one first.
        gateways: the stack's gateways by name.
        traffic: what is wanted of the traffic to the service.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    items = value.items("a list, such as [{hosts: [shop.example.com], paths: [/orders]}]")
    found = tuple(_read(item, ports, gateways) for item in items)
    steered = any(each.port == ports[0].port and not each.is_stream for each in found)
    if steered and (traffic.routes or traffic.mirror) and kinds(traffic) != ("HTTPRoute",):
        raise value.error(
            "nothing while traffic has routes, a canary or a mirror beside timeouts, faults or connection rules: a "
            "Gateway knows the versions only where an HTTPRoute shares the traffic out"
        )
    return found


def _read(value: Value, ports: Sequence[ServicePort], gateways: Mapping[str, Gateway]) -> Expose:
    keys = value.keys(*KEYS)
    protocol = cast(Protocol, keys["protocol"].choice("HTTP", "GRPC", "TCP", "TLS", default="HTTP"))
    gateway, parent = _gateway(keys["gateway"], gateways)
    hosts = tuple(dict.fromkeys(host.text(*HOST) for host in keys["hosts"].items("a list of hosts")))
    if len(hosts) > MOST:
        raise keys["hosts"].error(f"{MOST} hosts or fewer: list the others in an entry of their own")
    _refuse_for(protocol, keys)
    if protocol == "TLS" and not hosts:
        raise keys["hosts"].error("one host or more with protocol TLS, by which the gateway tells the services apart")
    if parent:
        for key in ("tls", "httpsRedirect", "listen"):
            if keys[key].is_set:
                raise keys[key].error("nothing beside a Gateway that is not the stack's, whose own listeners decide it")
        if protocol in ("TCP", "TLS"):
            raise keys["gateway"].error(f"the name of one of this stack's gateways with protocol {protocol}")
    if keys["tls"].is_set and not hosts:
        raise keys["hosts"].error("one host or more beside tls, as each has a certificate of its own")
    if keys["httpsRedirect"].is_set and not keys["tls"].is_set:
        raise keys["httpsRedirect"].error("nothing without tls")
    return Expose(
        protocol=protocol,
        port=_port(keys["port"], ports, protocol),
        gateway=gateway,
        parent=parent,
        hosts=hosts,
        tls={host: read_certificate(keys["tls"], host) for host in hosts} if keys["tls"].is_set else None,
        https_redirect=keys["httpsRedirect"].boolean(default=True),
        listen=_listen(keys["listen"], protocol),
        rules=_rules(keys, protocol) if protocol in ("HTTP", "GRPC") else (),
    )


def _port(value: Value, ports: Sequence[ServicePort], protocol: Protocol) -> int:
    """The port that is shown; by default the first that speaks the protocol."""
    fitting = [port.port for port in ports if _speaks(port, protocol)]
    number = value.port(default=next(iter(fitting), ports[0].port))
    known = {port.port: port.name for port in ports}
    if number not in known:
        raise value.error(f"a port of the service: {', '.join(map(str, known))}")
    if number not in fitting:
        needs = {
            "GRPC": "gRPC, by the name grpc or grpc-SOMETHING or by appProtocol grpc",
            "HTTP": "HTTP, or protocol TCP or TLS",
        }
        raise Value(value.path, number).error(
            f"a port that speaks {needs.get(protocol, 'TCP')}, not the one named {known[number]}"
        )
    return number


def _speaks(port: ServicePort, protocol: Protocol) -> bool:
    """Whether the mesh takes a port to speak a protocol: what else is said there would not be understood."""
    if port.protocol not in ("", "TCP"):
        return False
    return {"GRPC": port.application in SPEAK_GRPC, "HTTP": port.is_http}.get(protocol, True)


def _gateway(value: Value, gateways: Mapping[str, Gateway]) -> tuple[str, RouteParent | None]:
    """The name of the stack's gateway, or an existing Gateway."""
    shown = [name for name, gateway in gateways.items() if gateway.kind == "ingress"]
    accepted = f"the name of an ingress gateway ({', '.join(shown)}), or {{name: NAME}} of an existing Gateway"
    if not value.is_set:
        return INGRESS, None
    if not is_object(value):
        return value.choice(*shown, accepted=accepted), None
    keys = value.keys("name", "namespace", "sectionName")
    return "", RouteParent(
        name=keys["name"].text(DNS_NAME, "the name of a Gateway of the Gateway API"),
        namespace=keys["namespace"].text(DNS_LABEL, "a namespace", default=""),
        section_name=keys["sectionName"].text(DNS_NAME, "the name of one of the Gateway's listeners", default=""),
    )


def _refuse_for(protocol: Protocol, keys: Mapping[str, Value]) -> None:
    """Refuse keys, of a way or of a rule, that mean nothing with the protocol."""
    unknown = {
        "HTTP": ("listen",),
        "GRPC": ("listen", "paths", "queryParams", "urlRewrite", "redirect"),
        "TLS": ("tls", "httpsRedirect", "rules", *RULE),
        "TCP": ("hosts", "tls", "httpsRedirect", "rules", *RULE),
    }
    for key in unknown[protocol]:
        if key in keys and keys[key].is_set:
            raise keys[key].error(f"nothing with protocol {protocol}")


def _listen(value: Value, protocol: Protocol) -> int:
    """The gateway's port."""
    if protocol not in ("TCP", "TLS"):
        return 0
    port = value.port(default=HTTPS_PORT if protocol == "TLS" else None)
    if port in ISTIOS_OWN or port == HTTP_PORT or (port == HTTPS_PORT and protocol == "TCP"):
        raise value.error(
            f"a port of the gateway's other than {HTTP_PORT} and {HTTPS_PORT}, where it speaks HTTP, and 15000 to 15099"
        )
    return port


def _rules(keys: Mapping[str, Value], protocol: Protocol) -> tuple[RouteRule, ...]:
    """The rules; where there is one, its keys may stand for it."""
    beside = [keys[key] for key in RULE if keys[key].is_set]
    if not keys["rules"].is_set:
        return (read_rule({key: keys[key] for key in RULE}, protocol),) if beside else ()
    if beside:
        raise beside[0].error("nothing beside rules, each of which says it for itself")
    found = []
    for item in keys["rules"].items("a list of rules, such as [{paths: [/orders]}]"):
        rule = item.keys(*RULE)
        _refuse_for(protocol, rule)
        found.append(read_rule(rule, protocol))
    return tuple(found)
