"""What stands on the cluster before any application: Istio, its gateway, CRDs and the injected namespaces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

import components as mesh
from components.chart_values import merged
from components.gateway_api import cache_folder, load_manifest
from components.mesh.ambient_data_plane import PROFILE as AMBIENT
from components.mesh.ambient_data_plane import RELEASES as AMBIENT_RELEASES
from components.mesh.cni import former_urn
from components.mesh.ingress_gateway import NAME as INGRESS
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.mesh.waypoint import NAME as WAYPOINT
from components.ownership import Owner
from program.exposed import exposed_at
from program.preflight import Plan
from program.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What stands on the cluster before any application.

    Attributes:
        opts: options of a component in the cluster.
        istio_versions: the version of each namespace's proxies, once their istiod is ready.
        data_planes: the same of namespaces with sidecars, ``ambient`` of others.
        control_planes: what must be there before a pod that is to be in the mesh.
        namespaces: every injected namespace, by name; as an output once it is labelled.
        gateways: the gateways by name.
        gateway_namespaces: their namespaces, by name; as outputs once they are there.
        waypoints: in ambient mode, the proxies of namespaces.
        requires: what custom resources of Istio and of the Gateway API wait for.
        dns: addresses of the cluster's DNS.
        certificates: what the page's check waits for.
        made: every component, for whoever must be the last.
    """

    settings: Settings
    opts: pulumi.ResourceOptions
    istio: mesh.IstioBase
    istio_versions: dict[str, pulumi.Output[str]]
    data_planes: dict[str, pulumi.Output[str]]
    control_planes: Sequence[pulumi.Resource]
    namespaces: dict[str, pulumi.Output[str]]
    gateways: dict[str, mesh.IngressGateway]
    gateway_namespaces: dict[str, pulumi.Output[str]]
    requires: Sequence[pulumi.Resource]
    waypoints: Sequence[pulumi.Resource]
    dns: Sequence[str] = ()
    certificates: list[pulumi.Resource] = field(default_factory=list)
    made: list[pulumi.Resource] = field(default_factory=list)

    def place(self, namespace: str) -> pulumi.Input[str]:
        """A namespace, once it is labelled where that is this stack's to do; else it is there already."""
        return self.namespaces.get(namespace, namespace)


def ground(settings: Settings, planned: Plan, owner: Owner, provider: k8s.Provider) -> Ground:
    """Istio, its gateway, the Gateway API's CRDs and the injected namespaces."""
    in_cluster = pulumi.ResourceOptions(provider=provider)
    # What others on a shared cluster build on. A component's children inherit it.
    shared = pulumi.ResourceOptions(provider=provider, protect=settings.protect)
    planes = settings.control_planes
    ambient = settings.data_plane == "ambient"
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
            values=merged(_istiod_values(settings), settings.istio_values),
            secret_values="istioValues" in settings.secrets,
            image_source=settings.image_source,
            revision=settings.revision,
            revisions=planes.istiods if planes.side_by_side else {},
            default_revision=planes.default,
            replicas=settings.replicas,
            cni=_cni(settings) if settings.cni else None,
            adopt=settings.adopt,
            adopted_releases=planned.adopted_releases,
        ),
        shared,
    )
    places = {settings.namespace: planned.namespace_exists, **planned.service_namespaces}
    gateway_places = planned.gateway_namespaces
    versions = {place: istio.version_of(planes.istiod(place)) for place in (ISTIO_NAMESPACE, *gateway_places, *places)}
    data_planes = {place: data_plane_of(settings, planes.revision(place), versions[place]) for place in places}
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
            platform=planned.platform,
            values=_shared(settings),
            cni_values=settings.cni_values,
            ztunnel_values=settings.ztunnel_values,
            secret_charts=[chart for chart in AMBIENT_RELEASES if {"istioValues", f"{chart}Values"} & settings.secrets],
            image_source=settings.image_source,
            former=_former(mesh.IstioBase, "istio"),
        )
        data_plane.append(mesh.AmbientDataPlane("ambient", args, shared))
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
    injection = []
    if not ambient:
        checked = mesh.InjectionCheckArgs(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            namespaces=namespaces,
            istio_versions=data_planes,
            requires=[*istiods, *tags],
        )
        injection.append(mesh.InjectionCheck("injection-check", checked))
    of_gateways = {ISTIO_NAMESPACE: istio.namespace} | {
        name: mesh.InjectedNamespace(
            f"namespace-{name}",
            mesh.InjectedNamespaceArgs(namespace=name, exists=exists, labels=owner.labels, revision=planes.label(name)),
            shared,
        ).namespace
        for name, exists in gateway_places.items()
    }
    gateways = {
        gateway.name: mesh.IngressGateway(
            "ingress" if gateway.name == INGRESS else f"gateway-{gateway.name}",
            mesh.IngressGatewayArgs(
                gateway=gateway.name,
                namespace=of_gateways[gateway.namespace],
                injectors=[*istiods, *tags, *injection],
                istio_version=proxy_of(settings, planes.revision(gateway.namespace), versions[gateway.namespace]),
                service_type=gateway.service_type,
                service=exposed_at(gateway, settings.services, settings.egress).service,
                revision=planes.label(gateway.namespace),
                replicas=gateway.replicas,
                image_source=settings.image_source,
            ),
            shared,
        )
        for gateway in settings.gateways.values()
    }
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
        data_planes=data_planes,
        control_planes=[*istiods, *tags, *data_plane, *injection],
        namespaces=namespaces,
        gateways=gateways,
        gateway_namespaces=of_gateways,
        requires=[gateway_api, *istiods],
        waypoints=waypoints,
        dns=planned.dns,
        made=[gateway_api, istio, *tags, *data_plane, *injected.values(), *injection, *gateways.values(), *waypoints],
    )


def _istiod_values(settings: Settings) -> dict[str, Any]:
    """Values of istiod's chart that other keys than istioValues ask for."""
    values = merged(AMBIENT if settings.data_plane == "ambient" else {}, settings.observability.istiod_values)
    policy = settings.outbound_traffic_policy
    return merged(values, {"meshConfig": {"outboundTrafficPolicy": {"mode": policy}}} if policy else {})


def _shared(settings: Settings) -> dict[str, Any]:
    """The values of istiod's chart that Istio's node agents are given too."""
    return {key: settings.istio_values[key] for key in ("global",) if key in settings.istio_values}


def _cni(settings: Settings) -> mesh.CniPlugin:
    return mesh.CniPlugin(
        values=merged(_shared(settings), settings.cni_values),
        secret_values=bool({"istioValues", "cniValues"} & settings.secrets),
        former=_former(mesh.AmbientDataPlane, "ambient"),
    )


def _former(component: type[pulumi.ComponentResource], name: str) -> str:
    """The URN that istio-cni's release has where ``component`` has it: a stack may change its data plane."""
    token = f"istio-minikube:components:{component.__name__}"
    return former_urn(pulumi.get_stack(), pulumi.get_project(), token, name)


def proxy_of(settings: Settings, revision: str, version: pulumi.Output[str]) -> pulumi.Output[str]:
    """What tells the proxies that a revision's istiod gives from any other's."""
    return version.apply(lambda known: f"{known}/{revision}") if settings.control_planes.share_versions else version


def data_plane_of(settings: Settings, revision: str, version: pulumi.Output[str]) -> pulumi.Output[str]:
    """What puts the pods that use a revision into the mesh; when it changes, they roll."""
    if settings.data_plane == "ambient":
        return pulumi.Output.from_input("ambient")
    proxy = proxy_of(settings, revision, version)
    return proxy.apply(lambda known: f"{known}+cni") if settings.cni else proxy
