"""Reads the configuration of security into a ``SecurityConfig``, and refuses what makes no sense."""

from collections.abc import Mapping
from ipaddress import ip_network
from json import dumps
from typing import Any, cast

from components.security.gateway_certificate import CertificateSource, CertManager, ExistingSecret, SelfSigned
from components.security.ingress_jwt import Jwt
from components.security.peer_authentications import Mode, MutualTls, PortException
from components.security.security import NetworkPolicies, SecurityConfig
from program.config.values import DNS_LABEL, LABEL_KEY, LABEL_VALUE, Value

LEVELS = ("privileged", "baseline", "restricted")
DNS_NAME = rf"(\*\.)?{DNS_LABEL}(\.{DNS_LABEL})*"
OBJECT_NAME = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
# X.509's bound of a subject's common name.
COMMON_NAME = 64
JWKS = "the issuer's keys as an object, such as {keys: [{kty: RSA, ...}]}"


def read(value: Value, *, bookinfo: bool, istio_values: Mapping[str, Any]) -> SecurityConfig:
    """What is wanted.

    Args:
        value: the object ``security``.
        bookinfo: whether there is Bookinfo, whose Gateway ``jwt`` and ``tls`` are for.
        istio_values: values of the istiod chart, which say whether Istio's CNI plugin is used.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    keys = value.keys("mtls", "authorization", "jwt", "tls", "podSecurity", "networkPolicies")
    for key in (keys["jwt"], keys["tls"]):
        if key.is_set and not bookinfo:
            raise key.error("nothing while bookinfo is false, as there is no Gateway then")
    return SecurityConfig(
        mutual_tls=_mutual_tls(keys["mtls"]) if keys["mtls"].is_set else None,
        authorization=keys["authorization"].boolean(default=False),
        jwt=_jwt(keys["jwt"]) if keys["jwt"].is_set else None,
        tls=read_certificate(keys["tls"]) if keys["tls"].is_set else None,
        pod_security=_pod_security(keys["podSecurity"], bookinfo=bookinfo, cni=uses_cni(istio_values)),
        network_policies=_network_policies(keys["networkPolicies"]) if keys["networkPolicies"].is_set else None,
    )


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
    selector = {
        Value(entry.path, label).text(LABEL_KEY, "a label's name"): entry.text(LABEL_VALUE, "a label's value")
        for label, entry in keys["selector"].entries().items()
    }
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


def _jwt(value: Value) -> Jwt:
    keys = value.keys("issuer", "jwksUri", "jwks", "audiences")
    issuer = keys["issuer"].text(r"\S+", "the tokens' issuer, such as https://accounts.example.com")
    if keys["jwksUri"].is_set == keys["jwks"].is_set:
        raise keys["jwksUri"].error("the address of the issuer's keys, or jwks with the keys themselves; not both")
    jwks = keys["jwks"].mapping(JWKS)
    if keys["jwks"].is_set and not (isinstance(jwks.get("keys"), list) and jwks["keys"]):
        raise keys["jwks"].error(JWKS)
    return Jwt(
        issuer=issuer,
        jwks_uri=keys["jwksUri"].text(r"https?://[^\s/]\S*", "an address from http:// or https://", default=""),
        # In one order: the Pulumi CLI sorts keys that the stack's file has in another.
        jwks=dumps(jwks, sort_keys=True) if jwks else "",
        audiences=tuple(item.text(r"\S+", "an audience") for item in keys["audiences"].items("a list of audiences")),
    )


def read_certificate(value: Value, host: str = "") -> CertificateSource:
    """Where a certificate comes from.

    Args:
        value: an object with one of the sources as its key.
        host: the DNS name in it; empty where the object says it.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    keys = value.keys("selfSigned", "secret", "certManager", *([] if host else ["host"]))
    keys = {"host": value.below(".host", None), **keys}
    sources = [key for key in ("selfSigned", "secret", "certManager") if keys[key].is_set]
    if len(sources) != 1:
        raise value.error("one of selfSigned: true, secret: NAME or certManager: {issuer: NAME}")
    if keys["secret"].is_set:
        if keys["host"].is_set:
            raise keys["host"].error("nothing beside secret, whose certificate says for which host it is")
        return ExistingSecret(name=keys["secret"].text(OBJECT_NAME, "the name of a Secret such as bookinfo-tls"))
    accepted = (DNS_NAME, "a DNS name such as bookinfo.example.com")
    if keys["selfSigned"].is_set:
        if not keys["selfSigned"].boolean():
            raise keys["selfSigned"].error("true, or another source of the certificate")
        name = host or keys["host"].text(*accepted, default="localhost")
        if len(name) > COMMON_NAME:
            raise keys["host"].error(
                f"a DNS name of up to {COMMON_NAME} characters beside selfSigned, as openssl takes"
            )
        return SelfSigned(host=name)
    manager = keys["certManager"].keys("issuer", "kind")
    kind = manager["kind"].choice("Issuer", "ClusterIssuer", default="ClusterIssuer")
    return CertManager(
        host=host or keys["host"].text(*accepted),
        issuer=manager["issuer"].text(OBJECT_NAME, "the name of an issuer of cert-manager's"),
        kind="Issuer" if kind == "Issuer" else "ClusterIssuer",
    )


def _pod_security(value: Value, *, bookinfo: bool, cni: bool) -> dict[str, str]:
    keys = value.keys("enforce", "warn", "audit")
    levels = {mode: level.choice(*LEVELS) for mode, level in keys.items() if level.is_set}
    enforced = levels.get("enforce", "privileged")
    if enforced != "privileged" and not cni:
        raise keys["enforce"].error(
            "privileged, as each pod's istio-init needs NET_ADMIN, which the other levels refuse (warn and audit take "
            "them all); or install Istio's CNI plugin and say so by istioValues {pilot: {cni: {enabled: true}}}"
        )
    if enforced == "restricted" and bookinfo:
        raise keys["enforce"].error("privileged or baseline while bookinfo is true, as its containers may run as root")
    return levels


def uses_cni(istio_values: Mapping[str, Any]) -> bool:
    """Whether istiod leaves a pod's network to the CNI plugin, so that the pod needs no privilege of its own."""
    pilot = istio_values.get("pilot")
    cni = pilot.get("cni") if isinstance(pilot, Mapping) else None
    return isinstance(cni, Mapping) and cni.get("enabled") is True


def _network_policies(value: Value) -> NetworkPolicies:
    egress = value.keys("egress")["egress"].items("a list of CIDRs")
    for item in egress:
        try:
            ip_network(item.text(r"\S+/\d+", "a CIDR such as 192.168.49.2/32"))
        except ValueError as error:
            raise item.error(f"a CIDR such as 192.168.49.2/32 ({error})") from error
    return NetworkPolicies(egress=tuple(str(item.seen) for item in egress))
