"""Reads which hosts outside the mesh pods call, and whether the mesh lets anything else out."""

from collections.abc import Mapping
from typing import Any, cast, get_args

from components.traffic.egress import ANY, ENCRYPTED, ExternalHost, Protocol, TlsOrigination
from program.config.gateways import Gateway
from program.config.kubernetes.shapes import listed, network
from program.config.values import DOMAIN, Value

HOST = rf"(?=.{{1,253}}$)(\*\.)?{DOMAIN}"
PATH = r"/\S+"
ADDRESSES = listed(
    network("an address such as 192.0.2.10, or for TCP a CIDR"), "a list of addresses, such as [192.0.2.10]"
)
POLICIES = ("ALLOW_ANY", "REGISTRY_ONLY")
PORTS = "an object of ports and protocols, such as {443: TLS, 80: HTTP}"
AMBIENT = "with dataPlane ambient, whose ztunnel lets everything out and reads no rule for hosts outside"


def read_policy(value: Value, *, data_plane: str, istio_values: Mapping[str, Any]) -> str:
    """What the mesh does with a host that it does not know: ALLOW_ANY, REGISTRY_ONLY, or empty for Istio's own.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    policy = value.choice("", *POLICIES, accepted=f"{' or '.join(POLICIES)}, or empty")
    mesh = istio_values.get("meshConfig")
    if policy and data_plane == "ambient":
        raise value.error(f"nothing {AMBIENT}")
    if policy and isinstance(mesh, Mapping) and "outboundTrafficPolicy" in mesh:
        raise value.error("nothing beside istioValues.meshConfig.outboundTrafficPolicy, which says the same")
    return policy


def read_hosts(value: Value, *, data_plane: str, gateways: Mapping[str, Gateway]) -> tuple[ExternalHost, ...]:
    """The hosts, and by which of ``gateways`` their requests leave.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    hosts: dict[str, ExternalHost] = {}
    items = value.items("a list of hosts outside the mesh, such as [{host: api.example.com}]")
    if items and data_plane == "ambient":
        raise value.error(f"an empty list {AMBIENT}")
    for item in items:
        host = _host(item, gateways)
        if host.host in hosts:
            raise Value(f"{item.path}.host", host.host).error(
                "a host that no other entry has; give it all of its ports"
            )
        hosts[host.host] = host
    return tuple(hosts.values())


def _host(value: Value, gateways: Mapping[str, Gateway]) -> ExternalHost:
    keys = value.keys("host", "ports", "addresses", "tls", "gateway")
    host = keys["host"].text(HOST, "a DNS name such as api.example.com, or *.example.com for any below it")
    ports = _ports(keys["ports"])
    addresses = tuple(ADDRESSES(keys["addresses"]))
    whole_name = not host.startswith(ANY)
    if "TCP" in ports.values():
        if set(ports.values()) != {"TCP"}:
            raise keys["ports"].error("TCP for all of a host's ports or for none: give the others another entry")
        if not addresses:
            raise keys["addresses"].error("addresses or CIDRs beside TCP, as nothing else tells whose a connection is")
    elif addresses and not whole_name:
        raise keys["addresses"].error("nothing beside *., whose hosts are where they say")
    elif networks := [each for each in addresses if "/" in each]:
        raise keys["addresses"].error(f"single addresses, not {', '.join(networks)}, but for TCP")
    tls = _tls(keys["tls"]) if keys["tls"].is_set else None
    if tls and (not whole_name or not set(ports.values()) - {*ENCRYPTED, "TCP"}):
        raise keys["tls"].error(
            "nothing but for a whole name with a port of HTTP, HTTP2 or GRPC: what is plain there leaves encrypted"
        )
    known = [name for name, gateway in gateways.items() if gateway.kind == "egress"]
    gateway = keys["gateway"].choice(
        *known, accepted=f"the name of an egress gateway of the key gateways: {', '.join(known) or 'none'}", default=""
    )
    if gateway and (not whole_name or "TCP" in ports.values()):
        raise keys["gateway"].error("nothing for *. and TCP: a gateway knows where requests go by a host's whole name")
    return ExternalHost(host=host, ports=ports, addresses=addresses, tls=tls, gateway=gateway)


def _ports(value: Value) -> dict[int, Protocol]:
    if not value.is_set:
        return {443: "TLS"}
    ports = {
        Value(entry.path, number).port(): cast(Protocol, entry.choice(*get_args(Protocol)))
        for number, entry in value.entries(PORTS).items()
    }
    if not ports:
        raise value.error(PORTS)
    return ports


def _tls(value: Value) -> TlsOrigination:
    keys = value.keys("port", "sni", "caCertificates", "insecureSkipVerify")
    return TlsOrigination(
        port=keys["port"].port(default=443),
        sni=keys["sni"].text(DOMAIN, "a DNS name such as api.example.com", default=""),
        ca_certificates=keys["caCertificates"].text(PATH, "a path in the proxy's container", default=""),
        insecure_skip_verify=keys["insecureSkipVerify"].boolean(default=False),
    )
