"""Whether a stack's settings fit what is in the cluster: refuse before anything is touched, or say what to do.

Pure rules: no Pulumi resource, no input or output.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from kubernetes.utils.quantity import parse_quantity

from components import kubernetes_upgrades, versions
from components.gateway_api import CRD
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.mesh.istio_base import istiod_release
from components.observability.addons import REQUESTS
from components.traffic.traffic import Traffic
from components.versions import Version
from program import supply
from program.config.charts import unknown_mesh_fields
from program.config.services import Service
from program.config.values import MASK
from program.lookup import Cluster
from program.rules import ambient as ambient_rules
from program.rules import certificates as certificate_rules
from program.rules import existing as existing_rules
from program.rules import foreign as foreign_rules
from program.rules import gateway_api as gateway_api_rules
from program.rules import meshes as mesh_rules
from program.rules import namespaces as namespace_rules
from program.rules import page as page_rules
from program.rules import revisions as revision_rules
from program.rules import sidecars as sidecar_rules
from program.rules import traffic as traffic_rules
from program.rules import vanilla as vanilla_rules
from program.settings import Settings
from program.workloads import places

MIB = 2**20
# Requests in processors and MiB, beside istiod's: Istio's sidecars and gateways (global.proxy.resources) and what a
# minikube node runs itself (kube-apiserver, controller-manager, scheduler, etcd, CoreDNS).
PROXY = (0.1, 128)
BOOKINFO_SIDECARS = 6
ISTIOD = {"cpu": "500m", "memory": "2048Mi"}
# Istio's agents on the one node.
AGENTS = {"cni": (0.1, 100), "ztunnel": (0.2, 512)}
MINIKUBE_SYSTEM = (0.75, 170)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the program leaves to others, and what it warns of.

    Attributes:
        foreign_gateway_api: the names of the Gateway API's CRDs that are somebody else's.
        own_gateway_api: the names of those that this stack brought.
        namespace_exists: the injected namespace is somebody else's.
        service_namespaces: the other namespaces that services of the user run in, and whether each is somebody else's.
        gateway_namespaces: the same of gateways.
        istio_namespace_exists: istio-system is somebody else's.
        foreign_istio_crds: the names of Istio CRDs that are somebody else's.
        adopted_releases: the Helm releases in istio-system, by name, that are somebody else's and are to be adopted.
        warnings: sentences for the user.
        platform: in ambient mode, what istio-cni is told of the nodes.
        dns: addresses of the cluster's DNS.
        traffic: the stack's traffic, completed by what is in the cluster.
        services: the user's own services, likewise.
        mesh_check_http: whether Bookinfo's page is asked for when the mesh is checked.
    """

    foreign_gateway_api: frozenset[str]
    own_gateway_api: frozenset[str]
    namespace_exists: bool
    service_namespaces: Mapping[str, bool]
    gateway_namespaces: Mapping[str, bool]
    istio_namespace_exists: bool
    foreign_istio_crds: frozenset[str]
    adopted_releases: tuple[str, ...]
    warnings: tuple[str, ...]
    traffic: tuple[Traffic, ...] = ()
    services: tuple[Service, ...] = ()
    mesh_check_http: bool = True
    dns: tuple[str, ...] = ()
    platform: str = ""

    def gateway_api_share(self, release: Callable[[], Sequence[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
        """This stack's part of a release's objects. ``release`` loads them, and is not called where it has none.

        What the stack brought stays declared run after run; what was there before never is.
        """
        if not self.foreign_gateway_api:
            return list(release())
        if not self.own_gateway_api and self.foreign_gateway_api >= gateway_api_rules.NEEDED:
            return []
        # Somebody else's bundle, and what it lacks: an earlier destroy keeps only the CRDs that others use.
        return [
            document
            for document in release()
            if document["kind"] == CRD and document["metadata"]["name"] not in self.foreign_gateway_api
        ]


def plan(settings: Settings, cluster: Cluster) -> Plan:
    """Compare what is wanted with what is there.

    Raises:
        pulumi.RunError: they do not fit; says what to change.
    """
    ambient_rules.refuse_misfits(settings)
    ambient_rules.refuse_other_nodes(settings, cluster)
    vanilla_rules.refuse_metrics(settings, cluster)
    namespace_rules.refuse_terminating(settings, cluster)
    namespace_rules.refuse_contradictions(settings, cluster)
    namespace_rules.refuse_unknown(settings, cluster)
    warnings = _compatibility(settings, cluster) + _capacity(settings) + page_rules.warnings(settings, cluster)
    warnings += _ignored_values(settings) + sidecar_rules.job_warnings(settings, cluster)
    warnings += existing_rules.warnings(settings, cluster)
    revision_rules.refuse_new_first(settings.control_planes, cluster)
    revision_rules.refuse_removal_in_use(settings.control_planes, cluster)
    _refuse_missing_charts(settings)
    certificate_rules.refuse_missing_cert_manager(settings, cluster)
    _refuse_unadopted(settings, cluster)
    foreign_rules.refuse_doubles(settings)
    foreign_rules.refuse(settings, cluster.foreign)
    mesh_rules.refuse_others(settings, cluster)
    warnings += gateway_api_rules.refuse_unfit(settings, cluster)
    foreign = gateway_api_rules.foreign(cluster)
    own = frozenset(cluster.gateway_api) - frozenset(foreign)
    return Plan(
        foreign_gateway_api=frozenset(foreign),
        own_gateway_api=own,
        namespace_exists=_exists(settings.namespace, cluster),
        service_namespaces={
            place: _exists(place, cluster) for place in places(settings) if place != settings.namespace
        },
        gateway_namespaces={
            gateway.namespace: _exists(gateway.namespace, cluster)
            for gateway in settings.gateways.values()
            if gateway.namespace != ISTIO_NAMESPACE
        },
        istio_namespace_exists=cluster.namespaces.get(ISTIO_NAMESPACE) is False,
        foreign_istio_crds=frozenset(
            name for name, ours in cluster.istio_crds.items() if not ours and not settings.adopt
        ),
        adopted_releases=tuple(mesh_rules.foreign_releases(settings, cluster)),
        warnings=tuple(warnings),
        # A cluster that the stack starts itself has no cache on its nodes, and need not be there yet.
        dns=cluster.dns if settings.cluster_mode == "existing" else (),
        platform=ambient_rules.platform(settings, cluster),
        traffic=traffic_rules.completed(settings, cluster),
        services=existing_rules.completed(settings, cluster),
        mesh_check_http=settings.mesh_check_http and page_rules.is_open(cluster),
    )


def _exists(namespace: str, cluster: Cluster) -> bool:
    """Whether a namespace is somebody else's. Every cluster has one named default, also one that is yet to be made."""
    return namespace == "default" or cluster.namespaces.get(namespace) is False


def _compatibility(settings: Settings, cluster: Cluster) -> list[str]:
    planes = settings.control_planes
    wanted = [Version.parse(version) for version in dict.fromkeys(planes.versions.values())]
    kubernetes = _kubernetes(settings, cluster)
    found = [
        problem
        for istio in wanted
        for problem in versions.incompatibilities(istio=istio, kubernetes=kubernetes, gateway_api=settings.gateway_api)
    ]
    found += revision_rules.version_problems(planes, cluster)
    found += [
        problem
        for istio in sorted({version for version in cluster.istiods.values() if version} - set(wanted))
        for problem in kubernetes_upgrades.outgrown(istio=istio, running=cluster.kubernetes, wanted=kubernetes)
    ]
    bundles = [
        Version.parse(crd.bundle_version) for crd in cluster.gateway_api.values() if crd.ours and crd.bundle_version
    ]
    if bundles:
        found += versions.gateway_api_problems(running=max(bundles), wanted=settings.gateway_api)
    if found and settings.compatibility == "enforce":
        raise pulumi.RunError(
            "these versions do not go together: " + "; ".join(found) + ". (compatibility: warn goes on all the same)"
        )
    for istio in wanted:
        found += versions.uncertainties(istio=istio, kubernetes=kubernetes)
    for line in dict.fromkeys(istio.line for istio in wanted):
        row = versions.ISTIO_LINES.get(line)
        if row and row.end_of_life:
            found.append(f"Istio {row.line} has been out of support since {row.end_of_life}")
    return found


def _kubernetes(settings: Settings, cluster: Cluster) -> Version:
    """The Kubernetes that there will be: that of the cluster, which is upgraded where minikube starts it.

    Raises:
        pulumi.RunError: it cannot become what is configured; says by which steps it can.
    """
    wanted = Version.parse(settings.kubernetes_version)
    if cluster.kubernetes is None or settings.cluster_mode != "minikube":
        return cluster.kubernetes or wanted
    if problems := kubernetes_upgrades.problems(running=cluster.kubernetes, wanted=wanted):
        raise pulumi.RunError("; ".join(problems))
    return wanted


def _refuse_missing_charts(settings: Settings) -> None:
    """Charts that come from a folder must be there; those at an address are looked for when they are installed."""
    for key, repository, charts in (
        ("istioChartRepository", settings.istio_chart_repository, supply.istio_charts(settings)),
        ("observability.chartRepository", settings.observability.chart_repository, supply.addon_charts(settings)),
    ):
        archives = [chart.file for chart in charts]
        missing = [archive for archive in archives if not (Path(repository).expanduser() / archive).is_file()]
        if repository and "://" not in repository and missing:
            raise pulumi.RunError(
                f"{key} is {repository!r}, where {missing[0]} is missing; accepted: a folder that holds "
                f"{' and '.join(archives)}, or an address"
            )


def _refuse_unadopted(settings: Settings, cluster: Cluster) -> None:
    """An istiod of the name that this stack's would have, and which no Helm release made."""
    release = f"{ISTIO_NAMESPACE}/{istiod_release(settings.revision)}"
    if release not in cluster.unreleased or settings.adopt:
        return
    version = cluster.istiods[release] or "(its image does not tell)"
    crds = sum(not ours for ours in cluster.istio_crds.values())
    raise pulumi.RunError(
        f"Deployment {release}, Istio {version}, is no Helm release's: `istioctl install` makes it so, and owns it "
        f"with its Service, ConfigMaps, roles, webhooks, {crds} CRDs and ingress gateway. To take all of that over, "
        f"with istiod left running, set adopt to true and istioVersion to {version} (another one restarts istiod), and "
        "run `make up`; destroy will then remove it. Else remove it with `istioctl uninstall --purge`, or use another "
        "cluster"
    )


def _ignored_values(settings: Settings) -> list[str]:
    """A warning of fields that istiod does not know: it ignores what is mistyped, or newer than it is."""
    found = unknown_mesh_fields(settings.istio_values)
    return [f"{', '.join(found)}: Istio's MeshConfig has no such field, and istiod ignores it"] if found else []


def _capacity(settings: Settings) -> list[str]:
    """A warning where a node made by minikube cannot hold what Istio, Bookinfo and the addons request."""
    if settings.cluster_mode != "minikube":
        return []
    istiods = len(settings.control_planes.versions) * settings.replicas
    cpu, memory = (istiods * each for each in _istiod_requests(settings.istio_values))
    ambient = settings.data_plane == "ambient"
    sidecars = BOOKINFO_SIDECARS * settings.bookinfo + sum(service.pod_count for service in settings.services)
    waypoints = len(places(settings))
    gateways = sum(gateway.replicas for gateway in settings.gateways.values())
    proxies = gateways + settings.bookinfo + (waypoints if ambient else sidecars)
    for chart in settings.node_agents:
        cpu, memory = cpu + AGENTS[chart][0], memory + AGENTS[chart][1]
    addons = [REQUESTS[addon] for addon in settings.observability.addons]
    cpu += MINIKUBE_SYSTEM[0] + proxies * PROXY[0] + sum(addon[0] for addon in addons)
    memory += MINIKUBE_SYSTEM[1] + proxies * PROXY[1] + sum(addon[1] for addon in addons)
    if cpu <= settings.minikube_cpus and memory <= settings.minikube_memory:
        return []
    return [
        f"Kubernetes, Istio and its pods request {cpu:.2f} processors and {memory:.0f} MiB, more than minikubeCpus "
        f"({settings.minikube_cpus}) or minikubeMemory ({settings.minikube_memory} MiB): pods may stay Pending. Raise "
        "them, or lower pilot.resources.requests in istioValues"
    ]


def _istiod_requests(values: Mapping[str, Any]) -> tuple[float, float]:
    """What one istiod requests, in processors and MiB: the chart's default, or what istioValues says; null is none."""
    node: Any = values
    for key in ("pilot", "resources", "requests"):
        node = node.get(key, {}) if isinstance(node, Mapping) else node
    requests = node if isinstance(node, Mapping) else dict.fromkeys(("cpu", "memory"))
    try:
        cpu, memory = (
            parse_quantity({None: 0, MASK: default}.get(quantity, quantity))
            for quantity, default in ((requests.get(key, default), default) for key, default in ISTIOD.items())
        )
    except (ValueError, TypeError) as error:
        raise pulumi.RunError(
            f"istioValues.pilot.resources.requests is {dict(requests)!r}; accepted: Kubernetes quantities such as "
            f"cpu: 500m and memory: 2Gi ({error})"
        ) from error
    return float(cpu), float(memory) / MIB
