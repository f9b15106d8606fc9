"""Whether the namespaces that a stack uses can be used: what their labels say, and whether they stay. Pure rules."""

from collections.abc import Iterator, Mapping

import pulumi

from components.mesh.injected_namespace import DATA_PLANE_MODE, INJECTION, POD_SECURITY, REVISION
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from program.config.node_agents import uses_cni
from program.lookup import Cluster
from program.settings import Settings
from program.workloads import places

ENFORCE = f"{POD_SECURITY}/enforce"
UNPRIVILEGED = ("baseline", "restricted")


def refuse_terminating(settings: Settings, cluster: Cluster) -> None:
    """Refuse what is being deleted: whatever is made in it, or of it, is refused or goes with it.

    Raises:
        pulumi.RunError: names each object and how to wait for its end.
    """
    used = {f"namespace/{name}" for name in (*_gateway_places(settings), *places(settings))}
    found = sorted(name for name in cluster.terminating if name in used or name.startswith("customresourcedefinition/"))
    if found:
        raise pulumi.RunError(
            f"{', '.join(found)} is being deleted: wait for it with `kubectl wait --for=delete --timeout=5m "
            f"{' '.join(found)}`, and see what holds it with `kubectl get {found[0]} --output yaml`, under status"
        )


def refuse_contradictions(settings: Settings, cluster: Cluster) -> None:
    """Refuse labels of somebody else's that keep pods from getting what the stack asks for.

    Raises:
        pulumi.RunError: names the namespace, the label and the command that removes it.
    """
    gateway_places = _gateway_places(settings)
    for namespace in (*gateway_places, *places(settings)):
        labels = cluster.foreign_labels.get(namespace, {})
        rules = _gateways if namespace in gateway_places else _pods
        for key, why in rules(settings, namespace, labels):
            raise pulumi.RunError(
                f"namespace {namespace} has the label {key}={labels[key]}, which is not this stack's: {why}. Remove it "
                f"with `kubectl label namespace {namespace} {key}-`"
            )


def refuse_unknown(settings: Settings, cluster: Cluster) -> None:
    """Refuse namespaces whose Deployments are to be restarted, and that are not there: a mistyped name helps nobody.

    Raises:
        pulumi.RunError: names the key and the namespace.
    """
    for name in settings.rollout if cluster.namespaces else ():
        if name not in cluster.namespaces:
            raise pulumi.RunError(f"rollout names {name!r}, and the cluster has no such namespace; leave it out")


def _gateway_places(settings: Settings) -> list[str]:
    return [*dict.fromkeys((ISTIO_NAMESPACE, *(gateway.namespace for gateway in settings.gateways.values())))]


def _gateways(settings: Settings, namespace: str, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What keeps the ingress gateway's pod, which asks by a label of its own, from being injected."""
    revision = settings.control_planes.label(namespace)
    if labels.get(INJECTION) == "disabled" or (revision and INJECTION in labels):
        yield INJECTION, "the ingress gateway's pod would keep the image `auto` and never start"


def _pods(settings: Settings, namespace: str, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    revision = settings.control_planes.label(namespace)
    if settings.data_plane == "ambient":
        for key in (INJECTION, REVISION):
            if key in labels and labels[key] != "disabled":
                yield key, "its pods would get a sidecar, which keeps them out of ambient"
        return
    if revision and INJECTION in labels:
        yield INJECTION, f"it wins over {REVISION}={revision}, so that another istiod would inject, or none"
    if labels.get(DATA_PLANE_MODE) == "ambient":
        yield DATA_PLANE_MODE, "dataPlane is sidecar, and Istio takes a namespace for one or the other"
    if labels.get(ENFORCE) in UNPRIVILEGED and not (settings.cni or uses_cni(settings.istio_values)):
        yield (
            ENFORCE,
            "each pod's istio-init needs NET_ADMIN, which that level refuses. With cni true, which installs Istio's "
            "CNI plugin, the label can stay (where others install it: istioValues {pilot: {cni: {enabled: true}}})",
        )
