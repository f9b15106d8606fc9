"""Reads the configuration of security into a ``SecurityConfig``, and refuses what makes no sense."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from components.mesh.gateway_service import targets
from components.security.peer_authentications import Mode, MutualTls, PortException
from components.security.security import NetworkPolicies, SecurityConfig
from components.workloads.bookinfo import GATEWAY as BOOKINFO_GATEWAY
from components.workloads.bookinfo import SERVICES
from program.config.access import policies, tokens
from program.config.certificates import read_certificate
from program.config.gateways import Gateway
from program.config.kubernetes.shapes import labels, listed, network
from program.config.node_agents import uses_cni
from program.config.services import Service
from program.config.values import DNS_LABEL, Value

LEVELS = ("privileged", "baseline", "restricted")
CIDRS = listed(network("a CIDR such as 192.168.49.2/32", r"\S+/\d+"), "a list of CIDRs")


def read(
    value: Value,
    *,
    bookinfo: bool,
    istio_values: Mapping[str, Any],
    cni: bool = False,
    namespace: str = "default",
    services: Sequence[Service] = (),
    gateways: Mapping[str, Gateway] | None = None,
) -> SecurityConfig:
    """What is wanted.

    Args:
        value: the object ``security``.
        bookinfo: whether there is Bookinfo, whose Gateway ``jwt`` and ``tls`` are for.
        istio_values: values of the istiod chart, which say whether somebody else's CNI plugin is used, and
            what authorizes.
        cni: whether the stack installs it.
        namespace: the stack's namespace.
        services: the user's own services, which policies and tokens may be for too.
        gateways: further gateways, by name, which they may be for.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    keys = value.keys("mtls", "authorization", "jwt", "tls", "podSecurity", "networkPolicies", "policies")
    default = {BOOKINFO_GATEWAY: namespace} if bookinfo else {}
    if keys["tls"].is_set and not bookinfo:
        raise keys["tls"].error("nothing while bookinfo is false, as there is no Gateway then")
    gateways = gateways or {}
    everywhere = {**default, **{name: gateway.namespace for name, gateway in gateways.items()}}
    authorization, dry_run = tokens.enforcement(keys["authorization"], default=False)
    places = {**(dict.fromkeys(SERVICES, namespace) if bookinfo else {}), **{s.name: s.namespace for s in services}}
    http = [*(SERVICES if bookinfo else ()), *(service.name for service in services if service.workload.http_ports)]
    jwt: dict[str, Any] = {}
    if keys["jwt"].is_set:
        jwt = tokens.read(keys["jwt"], default=default, gateways=everywhere, services=http)
    looking = default if jwt.get("jwt_gateways") is None else jwt["jwt_gateways"]
    known = policies.Known(
        services=places,
        gateways=everywhere,
        tokens=[*(("gateway", each) for each in looking), *(("service", each) for each in jwt["jwt_services"])]
        if jwt
        else (),
        ports={
            **{("service", service.name): _elsewhere(service) for service in services if service.workload.ports},
            **{("gateway", name): targets(gateway.service) for name, gateway in gateways.items()},
        },
        providers=_providers(istio_values),
        dry_run=dry_run,
    )
    return SecurityConfig(
        mutual_tls=_mutual_tls(keys["mtls"]) if keys["mtls"].is_set else None,
        authorization=authorization,
        authorization_dry_run=dry_run,
        policies=policies.read(keys["policies"], known),
        **jwt,
        tls=read_certificate(keys["tls"]) if keys["tls"].is_set else None,
        pod_security=_pod_security(keys["podSecurity"], bookinfo=bookinfo, cni=cni or uses_cni(istio_values)),
        network_policies=_network_policies(keys["networkPolicies"]) if keys["networkPolicies"].is_set else None,
    )


def _elsewhere(service: Service) -> dict[int, int]:
    """The ports of a service that its containers have by another number, and that number."""
    listening = service.workload.ports
    return {each.port: each.target_port for each in service.ports if each.target_port and each.port not in listening}


def _providers(istio_values: Mapping[str, Any]) -> list[str]:
    """The names of what istiod can ask who may do what."""
    mesh = istio_values.get("meshConfig")
    listed = mesh.get("extensionProviders") if isinstance(mesh, Mapping) else None
    return [str(each.get("name")) for each in listed or () if isinstance(each, Mapping) and "name" in each]


def _mutual_tls(value: Value) -> MutualTls:
    keys = value.keys("mode", "scope", "exceptions")
    return MutualTls(
        mode=cast(Mode, keys["mode"].choice("STRICT", "PERMISSIVE", default="STRICT")),
        scope="mesh" if keys["scope"].choice("mesh", "namespace", default="mesh") == "mesh" else "namespace",
        exceptions=tuple(
            _exception(name, entry)
            for name, entry in keys["exceptions"].entries("an object of named exceptions").items()
        ),
    )


def _exception(name: str, value: Value) -> PortException:
    Value(value.path, name).text(rf"(?!default$){DNS_LABEL}", "a DNS-1123 label other than default as its name")
    keys = value.keys("selector", "ports")
    selector = labels(keys["selector"])
    if not selector:
        raise keys["selector"].error(
            "labels of the pods, such as {app: ratings}, as Istio takes ports only together with a selector"
        )
    ports = {
        Value(entry.path, port).port(): cast(Mode, entry.choice("STRICT", "PERMISSIVE", "DISABLE"))
        for port, entry in keys["ports"].entries("an object of ports and modes, such as {9080: PERMISSIVE}").items()
    }
    if not ports:
        raise keys["ports"].error("one port or more, such as {9080: PERMISSIVE}")
    return PortException(name=name, selector=selector, ports=ports)


def _pod_security(value: Value, *, bookinfo: bool, cni: bool) -> dict[str, str]:
    keys = value.keys("enforce", "warn", "audit")
    levels = {mode: level.choice(*LEVELS) for mode, level in keys.items() if level.is_set}
    enforced = levels.get("enforce", "privileged")
    if enforced != "privileged" and not cni:
        raise keys["enforce"].error(
            "privileged, as each pod's istio-init needs NET_ADMIN, which the other levels refuse (warn and audit take "
            "them all); or set cni to true, which installs Istio's CNI plugin (where others install it: istioValues "
            "{pilot: {cni: {enabled: true}}})"
        )
    if enforced == "restricted" and bookinfo:
        raise keys["enforce"].error("privileged or baseline while bookinfo is true, as its containers may run as root")
    return levels


def _network_policies(value: Value) -> NetworkPolicies:
    return NetworkPolicies(egress=tuple(CIDRS(value.keys("egress")["egress"])))
