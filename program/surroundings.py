"""What else there is in a cluster that decides how a stack's objects must be: read for ``lookup`` alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.gateway_api import GROUPS
from components.kube import Kube
from components.workloads.bookinfo import SERVICES
from embedded.record import Kind, recorded
from program.settings import Settings
from program.workloads import places

# The field managers of Pulumi's provider, and of this project's commands.
MANAGERS = ("pulumi", "istio-minikube")
WATCHED = (".istio.io", *(f".{group}" for group in GROUPS))
CERTIFICATES = "certificates.cert-manager.io"
Metadata = Mapping[str, Any]


def services(kube: Kube, settings: Settings) -> dict[str, Mapping[str, Any]]:
    """The specs of the Services of others that the stack's traffic and policies are for, as far as they are there."""
    deployed = SERVICES if settings.bookinfo else ()
    places = {each.service: settings.namespace for each in settings.traffic if each.service not in deployed}
    places |= {service.name: service.namespace for service in settings.services if service.existing}
    found = {name: kube.find(f"/api/v1/namespaces/{place}/services/{name}") for name, place in places.items()}
    return {name: service["spec"] for name, service in found.items() if service}


def container_runtimes(kube: Kube, settings: Settings) -> frozenset[str]:
    """The nodes' container runtimes, without their versions."""
    nodes = kube.objects("/api/v1/nodes") if settings.data_plane == "ambient" else []
    return frozenset(node["status"]["nodeInfo"]["containerRuntimeVersion"].partition(":")[0] for node in nodes)


def vanilla_proxies(settings: Settings) -> bool:
    """Whether the proxies are upstream's Envoy: those of an embedded cluster's real node, started or to be started."""
    if settings.cluster_mode != "embedded":
        return False
    return recorded(Path(settings.kubeconfig).parent) is Kind.REAL


def dns(kube: Kube) -> tuple[str, ...]:
    """The addresses of the cluster's DNS."""
    service = kube.find("/api/v1/namespaces/kube-system/services/kube-dns")
    return tuple(service["spec"].get("clusterIPs") or ()) if service else ()


def jobs(kube: Kube, settings: Settings) -> tuple[str, ...]:
    """Jobs that have not ended, and CronJobs, of the stack's namespaces."""
    found = []
    for namespace in places(settings):
        for kind in ("CronJob", "Job"):
            items = kube.find(f"/apis/batch/v1/namespaces/{namespace}/{kind.lower()}s") or {"items": []}
            found += [f"{kind} {namespace}/{job['metadata']['name']}" for job in items["items"] if _wants_sidecar(job)]
    return tuple(found)


def _wants_sidecar(job: Mapping[str, Any]) -> bool:
    ended = job.get("status", {}).get("completionTime") or job["metadata"].get("ownerReferences")
    spec = job["spec"].get("jobTemplate", job)["spec"]
    metadata = spec["template"].get("metadata") or {}
    said = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    return not ended and said.get("sidecar.istio.io/inject") != "false"


def foreign_labels(metadata: Metadata) -> dict[str, str]:
    """The labels that nobody of this project's has set."""
    ours: set[str] = set()
    for entry in metadata.get("managedFields") or ():
        if entry["manager"].startswith(MANAGERS):
            ours |= set(entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {}))
    return {key: value for key, value in metadata.get("labels", {}).items() if f"f:{key}" not in ours}


def terminating(namespaces: Mapping[str, Metadata], crds: Sequence[Metadata]) -> frozenset[str]:
    """What is being deleted, as namespace/NAME or customresourcedefinition/NAME."""
    watched = [crd for crd in crds if crd["name"].endswith(WATCHED)]
    going = [f"namespace/{name}" for name, metadata in namespaces.items() if "deletionTimestamp" in metadata]
    return frozenset(
        [*going, *(f"customresourcedefinition/{crd['name']}" for crd in watched if "deletionTimestamp" in crd)]
    )
