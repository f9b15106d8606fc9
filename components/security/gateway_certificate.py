"""The certificate with which a Gateway speaks HTTPS."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

from ..objects import KubernetesObject, name_of
from ..python import program

MODULE = program("self_signed")
CERTIFICATE = program("certificate")
CERT_MANAGER_API_VERSION = "cert-manager.io/v1"


@dataclass(frozen=True, kw_only=True)
class SelfSigned:
    """A certificate made on this machine, that no client trusts by itself.

    Attributes:
        host: the DNS name in it.
    """

    host: str


@dataclass(frozen=True, kw_only=True)
class ExistingSecret:
    """A Secret of type kubernetes.io/tls that somebody else keeps in the Gateway's namespace.

    Attributes:
        name: the Secret's name.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class CertManager:
    """A certificate that cert-manager, which must be there, obtains and renews.

    Attributes:
        host: the DNS name in it.
        issuer: name of cert-manager's issuer.
        kind: whether the issuer is of the Gateway's namespace or of the cluster.
    """

    host: str
    issuer: str
    kind: Literal["Issuer", "ClusterIssuer"]


CertificateSource = SelfSigned | ExistingSecret | CertManager


@dataclass(frozen=True, kw_only=True)
class GatewayCertificateArgs:
    """Where the certificate comes from.

    Attributes:
        namespace: the Gateway's namespace, which must hold the Secret.
        gateway: the Gateway's name, or a host; a Secret that is made here is called GATEWAY-tls.
        source: where it comes from.
        kubeconfig: path of the kubeconfig file; for cert-manager's, which is waited for.
        context: its context.
        requires: for cert-manager's, what answers its challenges: the Gateway, which need not have the certificate yet.

    Source: https://gateway-api.sigs.k8s.io/guides/tls/ and https://cert-manager.io/docs/usage/certificate/
    """

    namespace: pulumi.Input[str]
    gateway: str
    source: CertificateSource
    kubeconfig: str = ""
    context: str = ""
    requires: Sequence[pulumi.Resource] = ()


def secret_name(gateway: str) -> str:
    """The name of the Secret that is made for a Gateway."""
    return f"{gateway}-tls"


def ready_command(args: GatewayCertificateArgs, namespace: str) -> str:
    """The shell command that waits until cert-manager has issued the certificate, or says what is missing."""
    place = [f"--kubeconfig={args.kubeconfig}", f"--context={args.context}", f"--namespace={namespace}"]
    return f"{CERTIFICATE} {shlex.join([*place, f'--name={secret_name(args.gateway)}'])}"


def self_signed_command(host: str) -> str:
    """The shell command that prints a certificate and its key as JSON."""
    return f"{MODULE} {shlex.join([f'--host={host}'])}"


def secret_data(printed: str) -> dict[str, str]:
    """The Secret's entries from what the command printed; none where it did not run."""
    made = json.loads(printed) if printed else {}
    return {"tls.crt": made.get("certificate", ""), "tls.key": made.get("key", "")}


def certificate_spec(source: CertManager, secret: str) -> dict[str, Any]:
    """The spec of cert-manager's Certificate."""
    return {
        "secretName": secret,
        "dnsNames": [source.host],
        "issuerRef": {"group": "cert-manager.io", "kind": source.kind, "name": source.issuer},
    }


class GatewayCertificate(pulumi.ComponentResource):
    """The Secret with a Gateway's certificate and key.

    Attributes:
        secret: the Secret's name, once it or cert-manager's request for it is there; for Exposure.

    Example:
        GatewayCertificate(
            "certificate",
            GatewayCertificateArgs(
                namespace=shop.namespace, gateway="bookinfo-gateway", source=SelfSigned(host="shop.example")
            ),
            in_cluster,
        )
    """

    secret: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:GatewayCertificate", name, None, opts)
        source, secret = args.source, secret_name(args.gateway)
        if isinstance(source, ExistingSecret):
            self.secret = pulumi.Output.from_input(source.name)
        elif isinstance(source, CertManager):
            certificate = k8s.apiextensions.CustomResource(
                f"{name}-certificate",
                api_version=CERT_MANAGER_API_VERSION,
                kind="Certificate",
                metadata={"name": secret, "namespace": args.namespace},
                spec=certificate_spec(source, secret),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
            ready = pulumi.Output.from_input(args.namespace).apply(lambda namespace: ready_command(args, namespace))
            issued = local.Command(
                f"{name}-ready",
                create=ready,
                update=ready,
                triggers=[source.host, source.kind, source.issuer],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[certificate]),
            )
            # Whoever uses the name waits for the certificate.
            self.secret = issued.stdout.apply(lambda _: secret)
        else:
            command = local.Command(
                f"{name}-self-signed",
                create=self_signed_command(source.host),
                triggers=[source.host],
                # Standard output holds the key: never shown, and encrypted in the state.
                logging=local.Logging.STDERR,
                # Another host is another Command, made by the text of its day; another text alone makes no other key.
                opts=pulumi.ResourceOptions(
                    parent=self, additional_secret_outputs=["stdout"], ignore_changes=["create"]
                ),
            )
            made = KubernetesObject(
                "core/v1:Secret",
                f"{name}-secret",
                parent=self,
                metadata={"name": secret, "namespace": args.namespace},
                type="kubernetes.io/tls",
                stringData=command.stdout.apply(secret_data),
            )
            self.secret = name_of(made)
        self.register_outputs({"secret": self.secret})
