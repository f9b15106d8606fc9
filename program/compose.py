"""Composes the components: which are made, with what, and what waits for what. Every decision is in its arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

import components as mesh
from components.gateway_api import cache_folder, load_manifest
from components.images import pinned
from components.mesh.ambient_data_plane import PROFILE as AMBIENT
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.mesh.istio_base import merged
from components.mesh.waypoint import NAME as WAYPOINT
from components.objects import kubectl
from components.observability.observability import ObservabilityConfig
from components.ownership import Owner
from components.security.security import SecurityConfig
from components.workloads.bookinfo import GATEWAY as BOOKINFO_GATEWAY
from components.workloads.bookinfo import PAGE_PATHS, PAGE_TITLE, PORT
from program.lookup import Cluster
from program.preflight import Plan
from program.settings import Settings

Deployments = dict[str, k8s.apps.v1.Deployment]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What stands on the cluster before any application.

    Attributes:
        opts: options of a component in the cluster.
        istio_versions: the version of each namespace's proxies, once their istiod is ready.
        data_planes: the same of namespaces with sidecars, ``ambient`` of others.
        control_planes: what must be there before a pod that is to be in the mesh.
        namespaces: every injected namespace, by name; as an output once it is labelled.
        waypoints: in ambient mode, the proxies of namespaces.
        requires: what custom resources of Istio and of the Gateway API wait for.
        made: every component, for whoever must be the last.
    """

    settings: Settings
    opts: pulumi.ResourceOptions
    istio: mesh.IstioBase
    istio_versions: dict[str, pulumi.Output[str]]
    data_planes: dict[str, pulumi.Output[str]]
    control_planes: Sequence[pulumi.Resource]
    namespaces: dict[str, pulumi.Output[str]]
    requires: Sequence[pulumi.Resource]
    waypoints: Sequence[pulumi.Resource]
    made: list[pulumi.Resource] = field(default_factory=list)


def guard_of(
    settings: Settings, identity: pulumi.Input[str], after: Sequence[pulumi.Resource]
) -> mesh.ClusterGuardArgs:
    """A guard of the cluster of that identity, which comes after some resources."""
    return mesh.ClusterGuardArgs(
        identity=identity,
        accepted=settings.accept_cluster,
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        after=after,
    )


def arrive(settings: Settings, found: Cluster) -> tuple[k8s.Provider, mesh.ClusterGuardArgs]:
    """The provider of every Kubernetes resource, once the cluster runs and is the right one, and what guards it."""
    guard = guard_of(settings, found.identity, [])
    if settings.cluster_mode == "minikube":
        args = mesh.MinikubeArgs(
            profile=settings.minikube_profile,
            memory=settings.minikube_memory,
            cpus=settings.minikube_cpus,
            kubernetes_version=settings.kubernetes_version,
            kubeconfig=settings.kubeconfig,
            driver=settings.minikube_driver,
            missing=found.missing,
        )
        minikube = mesh.Minikube("minikube", args)
        guard = guard_of(settings, found.identity or minikube.cluster, [minikube])
    arrival = mesh.ClusterGuard("arrival", guard)
    # Literal file, context and identity: the first preview needs no cluster, and nothing ever replaces them.
    provider = k8s.Provider(
        "cluster",
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        cluster_identifier=settings.context,
        # What drifted is taken back also where kubectl or a controller wrote it; server-side apply refuses else.
        enable_patch_force=True,
        opts=pulumi.ResourceOptions(depends_on=[arrival]),
    )
    return provider, guard


def leave(guard: mesh.ClusterGuardArgs, made: Sequence[pulumi.Resource]) -> None:
    """What is deleted first, and only from the right cluster."""
    mesh.ClusterGuard("departure", replace(guard, after=[*guard.after, *made]))


def ground(settings: Settings, planned: Plan, owner: Owner, provider: k8s.Provider) -> Ground:
    """Istio, its gateway, the Gateway API's CRDs and the injected namespaces."""
    in_cluster = pulumi.ResourceOptions(provider=provider)
    # What others on a shared cluster build on. A component's children inherit it.
    shared = pulumi.ResourceOptions(provider=provider, protect=settings.protect)
    planes = settings.control_planes
    ambient = settings.data_plane == "ambient"
    ambient_profile = AMBIENT if ambient else {}
    release = (settings.gateway_api_manifest, settings.gateway_api_version, settings.gateway_api_channel)
    gateway_api = mesh.GatewayApiCrds(
        "gateway-api",
        mesh.GatewayApiCrdsArgs(
            manifest=planned.gateway_api_share(lambda: load_manifest(*release, cache_folder())),
            owner=owner,
            source=settings.gateway_api_manifest,
            version=settings.gateway_api_version,
            channel=settings.gateway_api_channel,
            requires=[provider],
        ),
        shared,
    )
    istio = mesh.IstioBase(
        "istio",
        mesh.IstioBaseArgs(
            version=planes.base,
            chart_repository=settings.istio_chart_repository,
            owner=owner,
            namespace_exists=planned.istio_namespace_exists,
            foreign_crds=planned.foreign_istio_crds,
            requires=[provider, gateway_api],
            values=merged(ambient_profile | settings.observability.istiod_values, settings.istio_values),
            image_digests=settings.image_digests,
            revision=settings.revision,
            revisions=planes.istiods if planes.side_by_side else {},
            default_revision=planes.default,
            replicas=settings.replicas,
            adopt=settings.adopt,
        ),
        shared,
    )
    places = {settings.namespace: planned.namespace_exists, **planned.service_namespaces}
    versions = {place: istio.version_of(planes.istiod(place)) for place in (ISTIO_NAMESPACE, *places)}
    istiods = list(istio.istiods.values())
    tags = [
        mesh.RevisionTag(
            f"tag-{tag}",
            mesh.RevisionTagArgs(tag=tag, revision=planes.chart_revision(revision), istiods=istiods),
            shared,
        )
        for tag, revision in planes.tags.items()
    ]
    data_plane = []
    if ambient:
        args = mesh.AmbientDataPlaneArgs(
            version=planes.base,
            chart_repository=settings.istio_chart_repository,
            namespace=istio.namespace,
            istiods=istiods,
            platform="minikube" if settings.cluster_mode == "minikube" else "",
            values={key: settings.istio_values[key] for key in ("global",) if key in settings.istio_values},
            image_digests=settings.image_digests,
        )
        data_plane.append(mesh.AmbientDataPlane("ambient", args, shared))
    ingress = mesh.IngressGateway(
        "ingress",
        mesh.IngressGatewayArgs(
            namespace=istio.namespace,
            injectors=[*istiods, *tags],
            istio_version=versions[ISTIO_NAMESPACE],
            service_type=settings.ingress_service_type,
            revision=planes.label(ISTIO_NAMESPACE),
            replicas=settings.replicas,
        ),
        shared,
    )
    injected = {
        name: mesh.InjectedNamespace(
            "namespace" if name == settings.namespace else f"namespace-{name}",
            mesh.InjectedNamespaceArgs(
                namespace=name,
                exists=exists,
                labels=owner.labels,
                revision=planes.label(name),
                waypoint=WAYPOINT if ambient else "",
                pod_security=settings.security.pod_security if name == settings.namespace else {},
            ),
            shared if name == settings.namespace else in_cluster,
        )
        for name, exists in places.items()
    }
    namespaces = {name: component.namespace for name, component in injected.items()}
    waypoints = [
        mesh.Waypoint(
            "waypoint" if name == settings.namespace else f"waypoint-{name}",
            mesh.WaypointArgs(namespace=namespace, requires=[gateway_api, *istiods]),
            in_cluster,
        )
        for name, namespace in namespaces.items()
        if ambient
    ]
    pulumi.export("istioVersion", versions[settings.namespace])
    pulumi.export("namespaces", {"istio": istio.namespace, "injected": namespaces[settings.namespace]})
    return Ground(
        settings=settings,
        opts=in_cluster,
        istio=istio,
        istio_versions=versions,
        data_planes={place: pulumi.Output.from_input("ambient") for place in places} if ambient else versions,
        control_planes=[*istiods, *tags, *data_plane],
        namespaces=namespaces,
        requires=[gateway_api, *istiods],
        waypoints=waypoints,
        made=[gateway_api, istio, *tags, *data_plane, ingress, *injected.values(), *waypoints],
    )


def bookinfo(base: Ground) -> Deployments:
    """Bookinfo, and the Gateway that shows its page; its Deployments."""
    settings, namespace = base.settings, base.namespaces[base.settings.namespace]
    sample = mesh.Bookinfo(
        "bookinfo",
        mesh.BookinfoArgs(
            namespace=namespace,
            injectors=base.control_planes,
            data_plane=base.data_planes[settings.namespace],
            image_digests=settings.image_digests,
        ),
        base.opts,
    )
    tls_secret = None
    if settings.security.tls:
        args = mesh.GatewayCertificateArgs(namespace=namespace, gateway=BOOKINFO_GATEWAY, source=settings.security.tls)
        certificate = mesh.GatewayCertificate("gateway-certificate", args, base.opts)
        base.made.append(certificate)
        tls_secret = certificate.secret
    exposure = mesh.Exposure(
        "exposure",
        mesh.ExposureArgs(
            namespace=namespace,
            gateway=BOOKINFO_GATEWAY,
            route="bookinfo",
            service="productpage",
            port=PORT,
            paths=PAGE_PATHS,
            requires=base.requires,
            service_type=settings.ingress_service_type,
            revision=settings.control_planes.label(settings.namespace),
            tls_secret=tls_secret,
        ),
        base.opts,
    )
    base.made.extend([sample, exposure])
    pulumi.export("productPage", exposure.url("/productpage"))
    pulumi.export("commands", exposure.commands(kubectl(settings.kubeconfig, settings.context)))
    return sample.deployments


def services(base: Ground) -> dict[str, Deployments]:
    """The user's own services; their Deployments by namespace."""
    deployments: dict[str, Deployments] = {}
    for service in base.settings.services:
        component = mesh.UserService(
            f"service-{service.name}",
            mesh.UserServiceArgs(
                service=service.name,
                namespace=base.namespaces[service.namespace],
                injectors=base.control_planes,
                data_plane=base.data_planes[service.namespace],
                images={v: pinned(image, base.settings.image_digests) for v, image in service.images.items()},
                port=service.port,
                replicas=service.replicas,
                resources=service.resources,
            ),
            base.opts,
        )
        base.made.append(component)
        deployments.setdefault(service.namespace, {}).update(component.deployments)
    if base.settings.services:
        addresses = {s.name: f"http://{s.name}.{s.namespace}:{s.port}" for s in base.settings.services}
        pulumi.export("services", addresses)
    return deployments


def traffic(base: Ground) -> None:
    """How requests go between services."""
    steered = [(base.settings.namespace, each) for each in base.settings.traffic]
    steered += [(service.namespace, service.traffic) for service in base.settings.services]
    for place, each in steered:
        if mesh.kinds(each):
            args = mesh.TrafficPolicyArgs(namespace=base.namespaces[place], traffic=each, requires=base.requires)
            base.made.append(mesh.TrafficPolicy(f"traffic-{each.service}", args, base.opts))


def security(base: Ground) -> list[pulumi.Resource]:
    """Who may call whom, and how that is known: what must be in force before the mesh is checked."""
    settings = base.settings
    allows = [
        mesh.Allow(service=s.name, namespace=s.namespace, port=s.port, callers=s.allow_from)
        for s in settings.services
        if s.allow_from
    ]
    if not allows and settings.security == SecurityConfig():
        return []
    component = mesh.Security(
        "security",
        mesh.SecurityArgs(
            config=settings.security,
            namespace=settings.namespace,
            namespaces=base.namespaces,
            gateway=BOOKINFO_GATEWAY if settings.bookinfo else "",
            allows=allows,
            requires=base.control_planes,
        ),
        base.opts,
    )
    base.made.append(component)
    return [component]


def observability(base: Ground) -> None:
    """Logs, metrics, traces, and what shows them."""
    if base.settings.observability == ObservabilityConfig():
        return
    component = mesh.Observability(
        "observability",
        mesh.ObservabilityArgs(
            config=base.settings.observability,
            istio_namespace=base.istio.namespace,
            namespace=base.namespaces[base.settings.namespace],
            kubectl=kubectl(base.settings.kubeconfig, base.settings.context),
            requires=base.control_planes,
        ),
        base.opts,
    )
    base.made.append(component)
    if component.commands:
        pulumi.export("observability", component.commands)


def checks(base: Ground, deployments: dict[str, Deployments], after: Sequence[pulumi.Resource]) -> None:
    """A check of each namespace's Deployments and of Bookinfo's page, once ``after`` is in force."""
    settings = base.settings
    product_page = mesh.Page(
        service="productpage", namespace=settings.namespace, port=PORT, path="/productpage", title=PAGE_TITLE
    )
    page = settings.security.page_to_check(product_page, BOOKINFO_GATEWAY)
    pages = [page] if page and settings.mesh_check_http and settings.bookinfo else []
    components = [
        mesh.MeshCheck(
            "mesh-check" if place == settings.namespace else f"mesh-check-{place}",
            mesh.MeshCheckArgs(
                kubeconfig=settings.kubeconfig,
                context=settings.context,
                namespace=base.namespaces[place],
                istio_version=base.istio_versions[place],
                deployments=checked,
                waypoint=WAYPOINT if settings.data_plane == "ambient" else "",
                pages=pages if place == settings.namespace else [],
                requires=[*after, *base.waypoints],
            ),
        )
        for place, checked in deployments.items()
    ]
    if components:
        base.made.extend(components)
        found = pulumi.Output.all(*(component.pods for component in components))
        pulumi.export("pods", found.apply(lambda lists: _joined(lists)))


def _joined(lists: Sequence[Sequence[Any]]) -> list[Any]:
    return [entry for entries in lists for entry in entries]
