"""What is in the cluster before anything is composed: the one place that reads it."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pulumi

from components.commands import UserError
from components.commands.adopt import release_of
from components.commands.mesh_pods import revision_of
from components.commands.minikube import remedy
from components.commands.profiles import listed
from components.gateway_api import BUNDLE_VERSION, CHANNEL, GROUPS, POLICY
from components.kube import Kube, KubeError, MissingContextError, UnreachableError
from components.kubeconfig import DEFAULT, shell_path
from components.ownership import UPSERTS, Owner
from components.versions import Version
from program import surroundings, traces
from program.leaving import leaving
from program.rules.foreign import Object, declared, stranger
from program.settings import Settings
from program.traces import Traces

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
# Each has a connection of its own, which costs more than one more answer to wait for.
WORKERS = 4
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
        missing: when it was found that there is no cluster; empty where there is one.
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
        services: the specs of the Services that traffic and policies are for and that this stack does not deploy, by
            name.
        cert_manager: whether cert-manager's kinds are there.
        jobs: what runs to an end in the stack's namespaces and may get a sidecar, as KIND NAMESPACE/NAME.
        container_runtimes: what runs the containers of its nodes, such as docker or containerd; read for ambient only.
        dns: addresses of the cluster's DNS.
        terminating: what is being deleted, as namespace/NAME or customresourcedefinition/NAME.
        vanilla_proxies: whether the proxies are upstream's Envoy, without Istio's own filters.
        leaving: the stack's own policies that may refuse Bookinfo's page and that this update removes.
        foreign: the objects that the stack would create and somebody else has created, and whose they are; none where
            the stack is to take them over.
    """

    identity: str = ""
    missing: str = ""
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
    vanilla_proxies: bool = False
    leaving: tuple[Object, ...] = ()
    foreign: Mapping[Object, str] = field(default_factory=dict)


def look_up(settings: Settings, owner: Owner) -> Cluster:
    """Read the cluster that ``settings`` names, on behalf of ``owner``.

    Unless clusterMode is existing there may be none yet; an empty Cluster then says so.

    Raises:
        pulumi.RunError: the cluster should be there and cannot be read; says which file, context or address.
    """
    try:
        there = _read(Kube(settings.kubeconfig, settings.context), settings, owner)
    except (MissingContextError, UnreachableError) as error:
        if settings.cluster_mode == "minikube":
            _refuse_profile(settings, error)
        elif settings.cluster_mode == "existing" or isinstance(error, UnreachableError):
            raise pulumi.RunError(f"{error}. {_advice(settings, error)}") from error
        there = Cluster(missing=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")
    except KubeError as error:
        raise pulumi.RunError(f"{error}; check kubeconfig and the credentials of context {settings.context}") from error
    return replace(there, vanilla_proxies=surroundings.vanilla_proxies(settings))


def _advice(settings: Settings, error: KubeError) -> str:
    if settings.cluster_mode == "embedded":
        return "The embedded cluster was stopped: `make up` starts it"
    if isinstance(error, MissingContextError):
        return "Set kubeconfig and context, or clusterMode to minikube"
    return "Start the cluster, or set kubeconfig and context to another"


def _refuse_profile(settings: Settings, error: KubeError) -> None:
    """Do nothing if the profile whose cluster could not be read does not exist: there is no cluster then.

    Real `minikube stop` takes the context out of the kubeconfig, so that a stopped cluster and none look alike there.

    Raises:
        pulumi.RunError: the profile exists, stopped or out of reach; with the command that puts it right.
    """
    try:
        known = listed(settings.kubeconfig) if shutil.which("minikube") else None
        profile = known.find(settings.minikube_profile) if known else None
    except UserError as told:
        raise pulumi.RunError(str(told)) from error
    if profile is None:
        return
    file = "" if settings.kubeconfig == DEFAULT else f"KUBECONFIG={shell_path(settings.kubeconfig)} "
    raise pulumi.RunError(
        f"minikube profile {profile.name!r} exists and is {profile.described}, but {error}. Nothing was touched: run "
        f"`{file}{shlex.join(remedy(profile))}` (`make up` does that by itself), or set minikubeProfile and context to "
        "another"
    ) from error


def _read(kube: Kube, settings: Settings, owner: Owner) -> Cluster:
    def is_ours(metadata: Mapping[str, Any]) -> bool:
        return set(owner.labels.items()) <= set(metadata.get("labels", {}).items())

    # Side by side: each answer takes a while to come, above all on a busy machine.
    with ThreadPoolExecutor(WORKERS) as pool:
        asked_crds = pool.submit(kube.metadata, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        asked_policy = pool.submit(kube.find, f"{POLICIES}/{POLICY}")
        asked_namespaces = pool.submit(kube.metadata, "/api/v1/namespaces")
        asked_istiods = pool.submit(kube.objects, "/apis/apps/v1/deployments?labelSelector=app%3Distiod")
        asked_version = pool.submit(kube.get, "/version")
        asked_dns = pool.submit(surroundings.dns, kube)
        asked_services = pool.submit(surroundings.services, kube, settings)
        asked_runtimes = pool.submit(surroundings.container_runtimes, kube, settings)
        asked_jobs = pool.submit(surroundings.jobs, kube, settings)
    crds, policy = asked_crds.result(), asked_policy.result()
    namespaces = {metadata["name"]: metadata for metadata in asked_namespaces.result()}
    istiods = {
        f"{istiod['metadata']['namespace']}/{istiod['metadata']['name']}": istiod for istiod in asked_istiods.result()
    }
    gateway_api = {
        metadata["name"]: _bundled(metadata, is_ours)
        for metadata in crds
        if metadata["name"].endswith(tuple(f".{group}" for group in GROUPS))
    }
    takes_over = settings.adopt or os.environ.get(UPSERTS, "").lower() in ("1", "true")
    names = declared(settings, brings_gateway_api=all(crd.ours for crd in gateway_api.values()))
    return Cluster(
        identity=namespaces["kube-system"]["uid"],
        kubernetes=Version.parse(asked_version.result()["gitVersion"]),
        namespaces={name: is_ours(metadata) for name, metadata in namespaces.items()},
        gateway_api=gateway_api,
        istio_crds={metadata["name"]: is_ours(metadata) for metadata in crds if metadata["name"].endswith(".istio.io")},
        istiods={name: _version(istiod) for name, istiod in istiods.items()},
        unreleased=frozenset(name for name, istiod in istiods.items() if not release_of(istiod["metadata"])),
        own_istiods=frozenset(name for name, istiod in istiods.items() if is_ours(istiod["metadata"])),
        revision_users=_revision_users(kube.metadata(PODS)) if istiods else {},
        traces=traces.read(kube, namespaces, istiods),
        foreign={} if takes_over else _foreign(kube, names, namespaces, owner.stack),
        leaving=leaving(kube, settings, names, namespaces, owner.stack),
        cert_manager=any(metadata["name"] == surroundings.CERTIFICATES for metadata in crds),
        dns=asked_dns.result(),
        gateway_api_policy=_bundled(policy["metadata"], is_ours) if policy else None,
        foreign_labels={name: surroundings.foreign_labels(metadata) for name, metadata in namespaces.items()},
        terminating=surroundings.terminating(namespaces, crds),
        services=asked_services.result(),
        container_runtimes=asked_runtimes.result(),
        jobs=asked_jobs.result(),
    )


def _bundled(metadata: Mapping[str, Any], is_ours: Callable[[Mapping[str, Any]], bool]) -> Crd:
    marks = metadata.get("annotations", {})
    return Crd(bundle_version=marks.get(BUNDLE_VERSION, ""), channel=marks.get(CHANNEL, ""), ours=is_ours(metadata))


def _foreign(
    kube: Kube, names: Iterable[Object], namespaces: Mapping[str, Mapping[str, Any]], stack: str
) -> dict[Object, str]:
    """Those of the objects that are there and not the stack's, and whose they are."""
    possible = [each for each in names if not each.namespace or each.namespace in namespaces]
    paths = sorted({each.listing for each in possible})
    with ThreadPoolExecutor(WORKERS) as pool:
        found = {
            path: {metadata["name"]: metadata for metadata in listed}
            for path, listed in zip(paths, pool.map(kube.served_metadata, paths), strict=True)
        }
    return {
        each: whose
        for each in possible
        if (metadata := found[each.listing].get(each.name))
        and (whose := stranger(metadata, namespaces.get(each.namespace, {}), stack))
    }


def _revision_users(pods: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The pods by the revision that made their proxy."""
    users: dict[str, list[str]] = {}
    for pod in pods:
        if revision := revision_of(pod.get("annotations", {})):
            users.setdefault(revision, []).append(f"{pod['namespace']}/{pod['name']}")
    return users


def _version(istiod: Mapping[str, Any]) -> Version | None:
    """The version in an istiod's image tag, such as 1.23.0 or 1.23.0-distroless."""
    image = istiod["spec"]["template"]["spec"]["containers"][0]["image"]
    try:
        return Version.parse(image.partition("@")[0].rpartition(":")[2])
    except ValueError:
        return None
