"""The mesh: settings in, components composed, outputs out."""

from dataclasses import replace

import pulumi
import pulumi_kubernetes as k8s

import components as mesh
from components.bookinfo import PAGE_PATHS, PAGE_TITLE, PORT
from components.ownership import Owner
from gateway_api import cache_folder, load_manifest
from lookup import look_up
from preflight import plan
from settings import Settings

settings = Settings.load()
owner = Owner(stack=pulumi.get_stack(), kubeconfig=settings.kubeconfig, context=settings.context)
found = look_up(settings, owner)
planned = plan(settings, found)
for warning in planned.warnings:
    pulumi.warn(warning)

cluster: list[pulumi.Resource] = []
if settings.cluster_mode == "minikube":
    minikube = mesh.Minikube(
        "minikube",
        mesh.MinikubeArgs(
            profile=settings.minikube_profile,
            memory=settings.minikube_memory,
            cpus=settings.minikube_cpus,
            kubernetes_version=settings.kubernetes_version,
            kubeconfig=settings.kubeconfig,
            driver=settings.minikube_driver,
        ),
    )
    cluster = [minikube]
else:
    guarded = mesh.ClusterGuardArgs(
        identity=found.identity,
        accepted=settings.accept_cluster,
        kubeconfig=settings.kubeconfig,
        context=settings.context,
    )
    cluster = [mesh.ClusterGuard("arrival", guarded)]

# Literal file, context and identity: the first preview needs no cluster, and none of them ever replaces everything.
provider = k8s.Provider(
    "cluster",
    kubeconfig=settings.kubeconfig,
    context=settings.context,
    cluster_identifier=settings.context,
    opts=pulumi.ResourceOptions(depends_on=cluster),
)
in_cluster = pulumi.ResourceOptions(provider=provider)
# What others on a shared cluster build on. A component's children inherit it.
shared = pulumi.ResourceOptions(provider=provider, protect=settings.protect)

gateway_api = mesh.GatewayApiCrds(
    "gateway-api",
    mesh.GatewayApiCrdsArgs(
        manifest=planned.gateway_api_share(
            lambda: load_manifest(
                settings.gateway_api_manifest,
                settings.gateway_api_version,
                settings.gateway_api_channel,
                cache_folder(),
            )
        ),
        owner=owner,
    ),
    shared,
)
istio = mesh.IstioBase(
    "istio",
    mesh.IstioBaseArgs(
        version=settings.istio_version,
        chart_repository=settings.istio_chart_repository,
        owner=owner,
        namespace_exists=planned.istio_namespace_exists,
        foreign_crds=planned.foreign_istio_crds,
        requires=[gateway_api],
        values=settings.istio_values,
        revision=settings.revision,
        replicas=settings.replicas,
    ),
    shared,
)
ingress = mesh.IngressGateway(
    "ingress",
    mesh.IngressGatewayArgs(
        namespace=istio.namespace,
        istiod=istio.istiod,
        istio_version=istio.version,
        service_type=settings.ingress_service_type,
        revision=settings.revision,
        replicas=settings.replicas,
    ),
    shared,
)
namespace = mesh.InjectedNamespace(
    "namespace",
    mesh.InjectedNamespaceArgs(
        namespace=settings.namespace,
        exists=planned.namespace_exists,
        labels=owner.labels,
        revision=settings.revision,
    ),
    shared,
)
everything: list[pulumi.Resource] = [ingress, istio, gateway_api, namespace]
pulumi.export("istioVersion", istio.version)
pulumi.export("namespaces", {"istio": istio.namespace, "injected": namespace.namespace})

if settings.bookinfo:
    bookinfo = mesh.Bookinfo(
        "bookinfo",
        mesh.BookinfoArgs(namespace=namespace.namespace, injectors=[istio.istiod], istio_version=istio.version),
        in_cluster,
    )
    exposure = mesh.Exposure(
        "exposure",
        mesh.ExposureArgs(
            namespace=namespace.namespace,
            gateway="bookinfo-gateway",
            route="bookinfo",
            service="productpage",
            port=PORT,
            paths=PAGE_PATHS,
            requires=[gateway_api, istio.istiod],
            service_type=settings.ingress_service_type,
            revision=settings.revision,
        ),
        in_cluster,
    )
    page = mesh.Page(
        service="productpage", namespace=settings.namespace, port=PORT, path="/productpage", title=PAGE_TITLE
    )
    check = mesh.MeshCheck(
        "mesh-check",
        mesh.MeshCheckArgs(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            namespace=namespace.namespace,
            istio_version=istio.version,
            deployments=bookinfo.deployments,
            pages=[page] if settings.mesh_check_http else [],
        ),
    )
    everything += [bookinfo, exposure, check]
    pulumi.export("pods", check.pods)
    pulumi.export("productPage", exposure.url("/productpage"))
    pulumi.export("commands", exposure.commands(settings.context))

if settings.cluster_mode == "existing":
    mesh.ClusterGuard("departure", replace(guarded, after=everything))
