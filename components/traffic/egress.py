"""Hosts outside the mesh, said to Istio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

API_VERSION = "networking.istio.io/v1"
Protocol = Literal["HTTP", "HTTP2", "GRPC", "TLS", "HTTPS", "TCP"]
# Encrypted by whoever sends it: the mesh sees the server's name and nothing else.
ENCRYPTED = ("TLS", "HTTPS")
# One star in front stands for any name below a domain.
ANY = "*."


@dataclass(frozen=True, kw_only=True)
class TlsOrigination:
    """Plain requests leave the pod's proxy encrypted.

    Attributes:
        port: where the host speaks TLS.
        sni: the server name that is asked for; empty for the host's own.
        ca_certificates: the path, in the proxy's container, of the certificates that the host's is checked against;
            empty for those of the proxy's image.
        insecure_skip_verify: whether any certificate will do.
    """

    port: int = 443
    sni: str = ""
    ca_certificates: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True, kw_only=True)
class ExternalHost:
    """A host outside the mesh.

    Attributes:
        host: its name in the DNS, or ``*.DOMAIN`` for any name below a domain.
        ports: by number, what it speaks there: HTTP, HTTP2, GRPC, TLS, HTTPS or TCP.
        addresses: where it is, in the place of what the DNS says; for TCP, which names no host, what tells it.
        tls: how requests that are plain in the pod leave it encrypted; None for as they are.
        gateway: the name of the egress gateway that requests leave by; empty for none.
    """

    host: str
    ports: Mapping[int, Protocol]
    addresses: Sequence[str] = ()
    tls: TlsOrigination | None = None
    gateway: str = ""


@dataclass(frozen=True, kw_only=True)
class EgressArgs:
    """Which hosts, and for whom.

    Attributes:
        namespace: where the objects are.
        namespaces: every namespace whose pods are told of the hosts.
        hosts: the hosts, each once.
        requires: what must be there first: istiod, which brings the kinds and checks the objects.

    Source: https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/ and
    https://istio.io/latest/docs/tasks/traffic-management/egress/egress-tls-origination/
    """

    namespace: pulumi.Input[str]
    namespaces: Sequence[str]
    hosts: Sequence[ExternalHost]
    requires: Sequence[pulumi.Resource] = ()


def object_name(host: str) -> str:
    """The name of a host's objects, ``any.DOMAIN`` for all names below a domain."""
    return host.replace(ANY, "any.", 1) if host.startswith(ANY) else host


def specs(host: ExternalHost, namespaces: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """A host's objects by kind, in the order in which they are created.

    What encrypts comes before what lets out, so that nothing leaves in plain text that is to be encrypted.
    """
    rule = {"DestinationRule": destination_rule(host, namespaces)} if host.tls else {}
    return {**rule, "ServiceEntry": service_entry(host, namespaces)}


def service_entry(host: ExternalHost, namespaces: Sequence[str]) -> dict[str, Any]:
    """What makes the host one of the mesh's services.

    Source: https://istio.io/latest/docs/reference/config/networking/service-entry/
    """
    spec: dict[str, Any] = {
        "hosts": [host.host],
        "location": "MESH_EXTERNAL",
        "ports": [_port(host, number, protocol) for number, protocol in sorted(host.ports.items())],
        "exportTo": sorted(namespaces),
    }
    if "TCP" in host.ports.values():
        # Nothing but the address tells whose a connection is, and it goes on to that very address.
        return {**spec, "resolution": "NONE", "addresses": list(host.addresses)}
    if host.addresses:
        return {**spec, "resolution": "STATIC", "endpoints": [{"address": each} for each in host.addresses]}
    return {**spec, "resolution": "NONE" if host.host.startswith(ANY) else "DNS"}


def _port(host: ExternalHost, number: int, protocol: Protocol) -> dict[str, Any]:
    port: dict[str, Any] = {"number": number, "name": f"{protocol.lower()}-{number}", "protocol": protocol}
    if host.tls and protocol not in ENCRYPTED:
        port["targetPort"] = host.tls.port
    return port


def destination_rule(host: ExternalHost, namespaces: Sequence[str]) -> dict[str, Any]:
    """What encrypts requests that are plain in the pod.

    Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
    """
    tls: dict[str, Any] = {"mode": "SIMPLE"}
    if host.tls:
        tls["sni"] = host.tls.sni or host.host
        if host.tls.insecure_skip_verify:
            tls["insecureSkipVerify"] = True
        else:
            # Without them the certificate of anybody whom the authorities know would do.
            tls["subjectAltNames"] = [tls["sni"]]
        if host.tls.ca_certificates:
            tls["caCertificates"] = host.tls.ca_certificates
    plain = [number for number, protocol in sorted(host.ports.items()) if protocol not in ENCRYPTED]
    return {
        "host": host.host,
        "trafficPolicy": {"portLevelSettings": [{"port": {"number": number}, "tls": tls} for number in plain]},
        "exportTo": sorted(namespaces),
    }


class Egress(pulumi.ComponentResource):
    """Hosts outside the mesh as its services: pods may call them where the mesh lets nothing else out.

    Example:
        Egress(
            "egress",
            EgressArgs(
                namespace=shop.namespace,
                namespaces=["shop"],
                hosts=[ExternalHost(host="api.example.com", ports={443: "TLS"})],
                requires=[istio],
            ),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: EgressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Egress", name, None, opts)
        for host in args.hosts:
            before = list(args.requires)
            for kind, spec in specs(host, args.namespaces).items():
                made = k8s.apiextensions.CustomResource(
                    f"{name}-{object_name(host.host)}-{kind.lower()}",
                    api_version=API_VERSION,
                    kind=kind,
                    metadata={"name": object_name(host.host), "namespace": args.namespace},
                    spec=spec,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=before),
                )
                before = [*before, made]
        self.register_outputs({"hosts": [host.host for host in args.hosts]})
