"""Which pods still run another proxy than a new pod in their place would get.

Asked of the API server itself, by a dry run: it calls the istiod that a new pod would have, whatever revision, tag or
label leads there.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ..kube import Kube, RefusedError
from . import say, table
from .mesh_causes import INIT, unreachable
from .mesh_pods import DATA_PLANE, ISTIO_REVISION, SIDECAR, STATUS, image_version, revision_of

# What of a pod decides how it is injected, beside its namespace.
LABELS = (ISTIO_REVISION, "sidecar.istio.io/inject")
ANNOTATIONS = ("inject.istio.io/templates", "sidecar.istio.io/inject", "sidecar.istio.io/proxyImage")
RUNNING = "/api/v1{namespace}/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"
# Fits the Pod Security standard restricted, and quotas that ask for figures.
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "istio-minikube-injection-", "labels": {"app": "istio-minikube-injection"}},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "none",
                "image": "registry.k8s.io/pause:3.10",
                "resources": {
                    "requests": {"cpu": "1m", "memory": "1Mi"},
                    "limits": {"cpu": "10m", "memory": "10Mi"},
                },
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
HEADER = ("NAMESPACE", "POD", "ITS PROXY", "A NEW POD'S", "WHAT TO DO")
Manifest = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A pod's proxy: its version, or its whole image where that tells none; its revision; the pod's init container."""

    version: str
    revision: str
    init: str = ""

    def __str__(self) -> str:
        return f"{self.version}, revision {self.revision}{f', {self.init}' if self.init else ''}"


@dataclass(frozen=True, kw_only=True)
class Old:
    """A pod with another proxy than a new one would have; ``owner`` is what keeps it, as KIND/NAME."""

    namespace: str
    name: str
    owner: str
    proxy: Proxy
    wanted: Proxy


def proxy_of(pod: Manifest) -> Proxy | None:
    """The proxy that injection has given a pod; None where it has given none.

    Of pods that istiod makes for a Gateway too: it exchanges these itself.
    """
    if STATUS not in (annotations := pod["metadata"].get("annotations", {})):
        return None
    first = pod["spec"].get("initContainers") or []
    image = next((each["image"] for each in (*pod["spec"]["containers"], *first) if each["name"] == SIDECAR), "")
    return Proxy(
        version=image_version(image) or image,
        revision=revision_of(annotations),
        init=next((each["name"] for each in first if each["name"] in INIT), ""),
    )


def wanted(kube: Kube, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Proxy | None:
    """The proxy that a new pod with these would get; None where it would get none, or where that cannot be told."""
    pod = deepcopy(POD)
    pod["metadata"] |= {"labels": {**pod["metadata"]["labels"], **labels}, "annotations": dict(annotations)}
    try:
        return proxy_of(kube.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod))
    except RefusedError as refusal:
        # Others' namespaces may name an istiod that is none of this stack's, and long gone.
        why = ": ".join(unreachable(str(refusal)) or ("a plain one is refused", str(refusal)))
        say(f"namespace {namespace}: which proxy a new pod gets cannot be told: {why}")
        return None


def old(kube: Kube, namespace: str = "") -> list[Old]:
    """Every pod with another proxy than it would get now, but for this project's own, which roll by themselves.

    Args:
        kube: the API server.
        namespace: looks there only; empty for everywhere.
    """
    known: dict[Any, Proxy | None] = {}
    found = []
    for pod in kube.objects(RUNNING.format(namespace=f"/namespaces/{namespace}" if namespace else "")):
        metadata = pod["metadata"]
        has = proxy_of(pod)
        if has is None or "deletionTimestamp" in metadata or DATA_PLANE in metadata["annotations"]:
            continue
        labels = {key: value for key, value in metadata.get("labels", {}).items() if key in LABELS}
        annotations = {key: value for key, value in metadata["annotations"].items() if key in ANNOTATIONS}
        how = metadata["namespace"], *sorted(labels.items()), *sorted(annotations.items())
        if how not in known:
            known[how] = wanted(kube, metadata["namespace"], labels, annotations)
        if (new := known[how]) and new != has:
            owner = next((f"{each['kind']}/{each['name']}" for each in metadata.get("ownerReferences", ())), "")
            found.append(
                Old(namespace=metadata["namespace"], name=metadata["name"], owner=owner, proxy=has, wanted=new)
            )
    return sorted(found, key=lambda each: (each.namespace, each.name))


def tell(found: list[Old]) -> None:
    """Show pods of others that have an old proxy."""
    if found:
        rows = [(each.namespace, each.name, str(each.proxy), str(each.wanted), _remedy(each)) for each in found]
        say(f"Pods that are not this stack's, with an old proxy:\n{table(HEADER, *rows)}")


def _remedy(found: Old) -> str:
    kind, _, name = found.owner.partition("/")
    if kind == "ReplicaSet":
        return f"kubectl rollout restart deployment/{name.rpartition('-')[0]} -n {found.namespace}"
    if kind in ("DaemonSet", "StatefulSet"):
        return f"kubectl rollout restart {kind.lower()}/{name} -n {found.namespace}"
    return f"create it again ({found.owner or 'it has no controller'})"
