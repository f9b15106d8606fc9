"""What is in the cluster before anything is composed: the one place that reads it."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi

from components.commands.adopt import release_of
from components.gateway_api import BUNDLE_VERSION, CHANNEL, GROUPS, POLICY
from components.kube import Kube, KubeError, MissingContextError, UnreachableError
from components.mesh.injected_namespace import REVISION
from components.ownership import Owner
from components.versions import Version
from components.workloads.bookinfo import SERVICES
from program import traces
from program.settings import Settings
from program.traces import Traces

# The field managers of Pulumi's provider, and of this project's commands.
MANAGERS = ("pulumi", "istio-minikube")
WATCHED = (".istio.io", *(f".{group}" for group in GROUPS))
STATUS = "sidecar.istio.io/status"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
PODS = "/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"


@dataclass(frozen=True, kw_only=True)
class Crd:
    """A Gateway API CRD in the cluster, or the policy beside them; bundle version and channel may be empty."""

    bundle_version: str
    channel: str
    ours: bool


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What the cluster holds of the things that a cluster has only one of.

    Attributes:
        identity: the UID of its namespace kube-system; empty while there is no cluster.
        kubernetes: the API server's version; None while there is no cluster.
        namespaces: every namespace, and whether this stack made it.
        gateway_api: the Gateway API's CRDs by name.
        istio_crds: Istio's CRDs by name, and whether this stack brought them.
        istiods: the versions of the istiods that run, by NAMESPACE/NAME of their Deployments; None where the image
            does not tell.
        unreleased: those of them that no Helm release made, as `istioctl install` does not.
        own_istiods: those of them that are marked as this stack's: it marks control planes side by side.
        revision_users: the pods that a revision of Istio serves, as NAMESPACE/NAME, by revision (``default`` for the
            one without a name); read only where there is an istiod.
        traces: what else there is of Istio.
        foreign_labels: the labels of each namespace that others than Pulumi have set.
        gateway_api_policy: the policy that a release of the Gateway API guards its CRDs with; None for none.
        services: the specs of the Services that traffic goes to, and that this stack does not deploy, by name.
        cert_manager: whether cert-manager's kinds are there.
        jobs: what runs to an end in the stack's namespaces and may get a sidecar, as KIND NAMESPACE/NAME.
        container_runtimes: what runs the containers of its nodes, such as docker or containerd; read for ambient only.
        dns: addresses of the cluster's DNS.
        terminating: what is being deleted, as namespace/NAME or customresourcedefinition/NAME.
    """

    identity: str = ""
    kubernetes: Version | None = None
    namespaces: Mapping[str, bool] = field(default_factory=dict)
    gateway_api: Mapping[str, Crd] = field(default_factory=dict)
    istio_crds: Mapping[str, bool] = field(default_factory=dict)
    istiods: Mapping[str, Version | None] = field(default_factory=dict)
    unreleased: frozenset[str] = frozenset()
    own_istiods: frozenset[str] = frozenset()
    revision_users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    traces: Traces = field(default_factory=Traces)
    foreign_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    terminating: frozenset[str] = frozenset()
    gateway_api_policy: Crd | None = None
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    cert_manager: bool = False
    jobs: tuple[str, ...] = ()
    container_runtimes: frozenset[str] = frozenset()


def look_up(settings: Settings, owner: Owner) -> Cluster:
    """Read the cluster that ``settings`` names, on behalf of ``owner``.

    Unless clusterMode is existing there may be none yet; an empty Cluster then says so.

    Raises:
        pulumi.RunError: the cluster should be there and cannot be read; says which file, context or address.
    """
    starts_cluster = settings.cluster_mode != "existing"
    profile = settings.minikube_profile
    try:
        kube = Kube(settings.kubeconfig, settings.context)
        return replace(
            _read(kube, owner),
            services=_services(kube, settings),
            container_runtimes=_runtimes(kube, settings),
            jobs=_jobs(kube, settings),
        )
    except MissingContextError as error:
        if starts_cluster:
            return Cluster()
        raise pulumi.RunError(f"{error}. Set kubeconfig and context, or clusterMode to minikube") from error
    except UnreachableError as error:
        if settings.cluster_mode == "embedded":
            raise pulumi.RunError(f"{error}; the embedded cluster was stopped: `make up` starts it") from error
        if starts_cluster and not _profile_exists(profile):
            return Cluster()  # the context is left over from a profile that was deleted
        advice = f"`minikube start --profile={profile}` starts it" if starts_cluster else "start the cluster"
        raise pulumi.RunError(f"{error}; {advice}, or set kubeconfig and context to another") from error
    except KubeError as error:
        raise pulumi.RunError(f"{error}; check kubeconfig and the credentials of context {settings.context}") from error


def _read(kube: Kube, owner: Owner) -> Cluster:
    def bundled(metadata: Mapping[str, Any]) -> Crd:
        marks = metadata.get("annotations", {})
        return Crd(bundle_version=marks.get(BUNDLE_VERSION, ""), channel=marks.get(CHANNEL, ""), ours=is_ours(metadata))

    def is_ours(metadata: Mapping[str, Any]) -> bool:
        return set(owner.labels.items()) <= set(metadata.get("labels", {}).items())

    crds = kube.metadata("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    dns = kube.find("/api/v1/namespaces/kube-system/services/kube-dns")
    policy = kube.find(f"{POLICIES}/{POLICY}")
    namespaces = {metadata["name"]: metadata for metadata in kube.metadata("/api/v1/namespaces")}
    istiods = {
        f"{istiod['metadata']['namespace']}/{istiod['metadata']['name']}": istiod
        for istiod in kube.objects("/apis/apps/v1/deployments?labelSelector=app%3Distiod")
    }
    return Cluster(
        identity=namespaces["kube-system"]["uid"],
        kubernetes=Version.parse(kube.get("/version")["gitVersion"]),
        namespaces={name: is_ours(metadata) for name, metadata in namespaces.items()},
        gateway_api={
            metadata["name"]: bundled(metadata)
            for metadata in crds
            if metadata["name"].endswith(tuple(f".{group}" for group in GROUPS))
        },
        istio_crds={metadata["name"]: is_ours(metadata) for metadata in crds if metadata["name"].endswith(".istio.io")},
        istiods={name: _version(istiod) for name, istiod in istiods.items()},
        unreleased=frozenset(name for name, istiod in istiods.items() if not release_of(istiod["metadata"])),
        own_istiods=frozenset(name for name, istiod in istiods.items() if is_ours(istiod["metadata"])),
        revision_users=_revision_users(kube.metadata(PODS)) if istiods else {},
        traces=traces.read(kube, istiods),
        cert_manager=any(metadata["name"] == "certificates.cert-manager.io" for metadata in crds),
        dns=tuple(dns["spec"].get("clusterIPs") or ()) if dns else (),
        gateway_api_policy=bundled(policy["metadata"]) if policy else None,
        foreign_labels={name: _foreign_labels(metadata) for name, metadata in namespaces.items()},
        terminating=frozenset(
            [f"namespace/{name}" for name, metadata in namespaces.items() if "deletionTimestamp" in metadata]
            + [
                f"customresourcedefinition/{metadata['name']}"
                for metadata in crds
                if "deletionTimestamp" in metadata and metadata["name"].endswith(WATCHED)
            ]
        ),
    )


def _services(kube: Kube, settings: Settings) -> dict[str, Mapping[str, Any]]:
    """The Services of others that the stack's traffic goes to, as far as they are there."""
    deployed = SERVICES if settings.bookinfo else ()
    names = [traffic.service for traffic in settings.traffic if traffic.service not in deployed]
    found = {name: kube.find(f"/api/v1/namespaces/{settings.namespace}/services/{name}") for name in names}
    return {name: service["spec"] for name, service in found.items() if service}


def _runtimes(kube: Kube, settings: Settings) -> frozenset[str]:
    """The nodes' container runtimes, without their versions."""
    nodes = kube.objects("/api/v1/nodes") if settings.data_plane == "ambient" else []
    return frozenset(node["status"]["nodeInfo"]["containerRuntimeVersion"].partition(":")[0] for node in nodes)


def _jobs(kube: Kube, settings: Settings) -> tuple[str, ...]:
    """Jobs that have not ended, and CronJobs, of the stack's namespaces."""
    found = []
    for namespace in dict.fromkeys((settings.namespace, *(service.namespace for service in settings.services))):
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


def _foreign_labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The labels that nobody of this project's has set."""
    ours: set[str] = set()
    for entry in metadata.get("managedFields") or ():
        if entry["manager"].startswith(MANAGERS):
            ours |= set(entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {}))
    return {key: value for key, value in metadata.get("labels", {}).items() if f"f:{key}" not in ours}


def _revision_users(pods: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The pods by the revision that made their proxy."""
    users: dict[str, list[str]] = {}
    for pod in pods:
        if revision := _revision(pod.get("annotations", {})):
            users.setdefault(revision, []).append(f"{pod['namespace']}/{pod['name']}")
    return users


def _revision(annotations: Mapping[str, str]) -> str:
    """The revision in what injection has written on a pod, or on the pods that istiod made for a Gateway.

    A label may be a tag; these never are. Source: pkg/kube/inject of istio/istio.
    """
    try:
        return str(json.loads(annotations[STATUS])["revision"])
    except (KeyError, ValueError, TypeError):
        return annotations.get(REVISION, "")


def _version(istiod: Mapping[str, Any]) -> Version | None:
    """The version in an istiod's image tag, such as 1.23.0 or 1.23.0-distroless."""
    image = istiod["spec"]["template"]["spec"]["containers"][0]["image"]
    try:
        return Version.parse(image.partition("@")[0].rpartition(":")[2])
    except ValueError:
        return None


def _profile_exists(profile: str) -> bool:
    """Whether minikube knows the profile; without minikube there is none."""
    if shutil.which("minikube") is None:
        return False
    found = subprocess.run(
        ["minikube", "profile", "list", "--light", "--output=json"], capture_output=True, text=True, check=False
    )
    return f'"Name":"{profile}"' in found.stdout
