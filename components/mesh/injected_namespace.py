"""A namespace whose pods are in the mesh."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from ..objects import KubernetesObject, name_of

INJECTION = "istio-injection"
REVISION = "istio.io/rev"
DATA_PLANE_MODE = "istio.io/dataplane-mode"
USE_WAYPOINT = "istio.io/use-waypoint"
POD_SECURITY = "pod-security.kubernetes.io"


@dataclass(frozen=True, kw_only=True)
class InjectedNamespaceArgs:
    """Which namespace, and whose it is.

    Attributes:
        namespace: DNS-1123 label; not istio-system and not kube-*, whose pods Istio must not touch.
        exists: the namespace is somebody else's: it is labelled, and loses the label on destroy.
        labels: further labels of a namespace made here.
        revision: Istio revision, or tag, that injects; empty for the default one.
        waypoint: in ambient mode, the Gateway for requests to the namespace's Services; empty for sidecars.
        pod_security: the Pod Security standard (privileged, baseline, restricted) by mode (enforce, warn, audit).

    Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
    and https://istio.io/latest/docs/ambient/usage/add-workloads/
    and https://kubernetes.io/docs/concepts/security/pod-security-admission/
    """

    namespace: str
    exists: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    waypoint: str = ""
    pod_security: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.namespace == "istio-system" or self.namespace.startswith("kube-"):
            raise pulumi.RunError(
                f"namespace is {self.namespace!r}; accepted: any namespace but istio-system and kube-*, "
                "as a sidecar there would cut off the control plane it depends on"
            )


def injection_labels(revision: str) -> dict[str, str]:
    """The label that asks for sidecars. Never both: istio-injection wins over istio.io/rev."""
    return {REVISION: revision} if revision else {INJECTION: "enabled"}


def ambient_labels(waypoint: str) -> dict[str, str]:
    """The labels that ask for the mesh without sidecars."""
    return {DATA_PLANE_MODE: "ambient", USE_WAYPOINT: waypoint}


def pod_security_labels(levels: Mapping[str, str]) -> dict[str, str]:
    """The labels that hold pods to a Pod Security standard."""
    return {f"{POD_SECURITY}/{mode}": level for mode, level in levels.items()}


class InjectedNamespace(pulumi.ComponentResource):
    """A namespace whose new pods get an Istio sidecar, or whose pods are in the mesh without one (ambient).

    Attributes:
        namespace: its name, once it is labelled: whoever puts pods into it waits for that.

    Example:
        InjectedNamespace("shop", InjectedNamespaceArgs(namespace="shop"), in_cluster)
    """

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: InjectedNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:InjectedNamespace", name, None, opts)
        mesh_labels = ambient_labels(args.waypoint) if args.waypoint else injection_labels(args.revision)
        labels = {**mesh_labels, **pod_security_labels(args.pod_security)}
        resource = KubernetesObject(
            "core/v1:NamespacePatch" if args.exists else "core/v1:Namespace",
            f"{name}-namespace",
            parent=self,
            metadata={"name": args.namespace, "labels": labels if args.exists else {**args.labels, **labels}},
        )
        self.namespace = name_of(resource)
        self.register_outputs({"namespace": self.namespace})
