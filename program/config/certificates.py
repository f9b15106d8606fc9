"""Reads where a certificate of a gateway comes from."""

from components.security.gateway_certificate import CertificateSource, CertManager, ExistingSecret, SelfSigned
from program.config.values import DNS_NAME, Value

WILDCARD_NAME = rf"(\*\.)?{DNS_NAME}"
# X.509's bound of a subject's common name.
COMMON_NAME = 64


def as_configured(source: CertificateSource) -> dict[str, object]:
    """A source as the configuration says it, the host apart."""
    if isinstance(source, ExistingSecret):
        return {"secret": source.name}
    if isinstance(source, CertManager):
        return {"certManager": {"issuer": source.issuer, "kind": source.kind}}
    return {"selfSigned": True}


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
        return ExistingSecret(name=keys["secret"].text(DNS_NAME, "the name of a Secret such as bookinfo-tls"))
    accepted = (WILDCARD_NAME, "a DNS name such as bookinfo.example.com")
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
        issuer=manager["issuer"].text(DNS_NAME, "the name of an issuer of cert-manager's"),
        kind="Issuer" if kind == "Issuer" else "ClusterIssuer",
    )
