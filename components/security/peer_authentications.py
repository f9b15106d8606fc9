"""Whether the mesh's pods take plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

from ..mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE

API_VERSION = "security.istio.io/v1"
# Of the object that holds for a namespace, or for the mesh.
DEFAULT = "default"
Mode = Literal["STRICT", "PERMISSIVE", "DISABLE"]


@dataclass(frozen=True, kw_only=True)
class PortException:
    """Ports of some pods that are treated otherwise.

    Attributes:
        name: name of the PeerAuthentication.
        selector: labels of the pods; never empty, as Istio takes ports only together with a selector.
        ports: the container's port, 1 to 65535, and its mode.
    """

    name: str
    selector: Mapping[str, str]
    ports: Mapping[int, Mode]


@dataclass(frozen=True, kw_only=True)
class MutualTls:
    """What pods take.

    Attributes:
        mode: STRICT takes mutual TLS only, PERMISSIVE plain text too, DISABLE plain text only.
        scope: mesh for all pods with a sidecar, namespace for those of the stack's namespaces.
        exceptions: ports of the injected namespace's pods that are treated otherwise.
    """

    mode: Mode = "STRICT"
    scope: Literal["mesh", "namespace"] = "mesh"
    exceptions: tuple[PortException, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class PeerAuthenticationsArgs:
    """What is wanted, and where.

    Attributes:
        namespace: the injected namespace.
        others: the stack's other namespaces, by name.
        mutual_tls: what their pods, or the whole mesh's, take.
        requires: what must be there first: istiod, which brings the kind and checks the objects.

    Source: https://istio.io/latest/docs/reference/config/security/peer_authentication/
    """

    namespace: pulumi.Input[str]
    mutual_tls: MutualTls
    requires: Sequence[pulumi.Resource] = ()
    others: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def exception_spec(mutual_tls: MutualTls, exception: PortException) -> dict[str, Any]:
    """The spec for pods with exceptional ports: their other ports keep the mode."""
    return {
        "selector": {"matchLabels": dict(exception.selector)},
        "mtls": {"mode": mutual_tls.mode},
        "portLevelMtls": {str(port): {"mode": mode} for port, mode in exception.ports.items()},
    }


class PeerAuthentications(pulumi.ComponentResource):
    """One PeerAuthentication named default, for the mesh or the namespace, and one for each exception.

    Example:
        PeerAuthentications(
            "mtls",
            PeerAuthenticationsArgs(
                namespace=shop.namespace,
                mutual_tls=MutualTls(
                    scope="namespace",
                    exceptions=[PortException(name="probe", selector={"app": "details"}, ports={8080: "PERMISSIVE"})],
                ),
                requires=[istio],
            ),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: PeerAuthenticationsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:PeerAuthentications", name, None, opts)
        wanted = args.mutual_tls

        def peer_authentication(
            object_name: str, namespace: pulumi.Input[str], spec: dict[str, Any], mark: str = ""
        ) -> None:
            k8s.apiextensions.CustomResource(
                f"{name}-{object_name}{mark}",
                api_version=API_VERSION,
                kind="PeerAuthentication",
                metadata={"name": object_name, "namespace": namespace},
                spec=spec,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )

        place = ISTIO_NAMESPACE if wanted.scope == "mesh" else args.namespace
        peer_authentication(DEFAULT, place, {"mtls": {"mode": wanted.mode}})
        for other, output in args.others.items() if wanted.scope == "namespace" else ():
            peer_authentication(DEFAULT, output, {"mtls": {"mode": wanted.mode}}, f"-{other}")
        for exception in wanted.exceptions:
            peer_authentication(exception.name, args.namespace, exception_spec(wanted, exception))
        self.register_outputs({"mode": wanted.mode})
