"""The mesh: settings in, components composed, outputs out."""

import pulumi
import pulumi_kubernetes as k8s

import components as mesh
from components.bookinfo import GATEWAY as BOOKINFO_GATEWAY
from components.bookinfo import PAGE_PATHS, PAGE_TITLE, PORT
from components.istio_base import merged
from components.ownership import owner_labels
from gateway_api import cache_folder, load_manifest
from lookup import look_up
from preflight import plan
from settings import Settings

settings = Settings.load()
stack = pulumi.get_stack()
labels = owner_labels(stack)
planned = plan(settings, look_up(settings, stack))
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

# Literal file, context and identity: the first preview needs no cluster, and none of them ever replaces everything.
provider = k8s.Provider(
    "cluster",
    kubeconfig=settings.kubeconfig,
    context=settings.context,
    cluster_identifier=settings.context,
    opts=pulumi.ResourceOptions(depends_on=cluster),
)
in_cluster = pulumi.ResourceOptions(provider=provider)

istio = mesh.IstioBase(
    "istio",
    mesh.IstioBaseArgs(
        version=settings.istio_version,
        chart_repository=settings.istio_chart_repository,
        namespace_exists=planned.istio_namespace_exists,
        namespace_labels=labels,
        values=merged(settings.observability.istiod_values, settings.istio_values),
        revision=settings.revision,
    ),
    in_cluster,
)
ingress = mesh.IngressGateway(
    "ingress",
    mesh.IngressGatewayArgs(
        namespace=istio.namespace,
        istiod=istio.istiod,
        service_type=settings.ingress_service_type,
        revision=settings.revision,
    ),
    in_cluster,
)
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
        labels=labels,
    ),
    in_cluster,
)
namespace = mesh.InjectedNamespace(
    "namespace",
    mesh.InjectedNamespaceArgs(
        namespace=settings.namespace,
        exists=planned.namespace_exists,
        labels=labels,
        revision=settings.revision,
        pod_security=settings.security.pod_security,
    ),
    in_cluster,
)
namespaces = {settings.namespace: namespace.namespace}
for other, exists in planned.service_namespaces.items():
    namespaces[other] = mesh.InjectedNamespace(
        f"namespace-{other}",
        mesh.InjectedNamespaceArgs(namespace=other, exists=exists, labels=labels, revision=settings.revision),
        in_cluster,
    ).namespace
deployments: dict[str, dict[str, k8s.apps.v1.Deployment]] = {name: {} for name in namespaces}
pulumi.export("istioVersion", istio.version)
pulumi.export("namespaces", {"istio": istio.namespace, "injected": namespace.namespace})

if settings.bookinfo:
    bookinfo = mesh.Bookinfo(
        "bookinfo", mesh.BookinfoArgs(namespace=namespace.namespace, injectors=[istio.istiod]), in_cluster
    )
    tls_secret = None
    if settings.security.tls:
        certificate_args = mesh.GatewayCertificateArgs(
            namespace=namespace.namespace, gateway=BOOKINFO_GATEWAY, source=settings.security.tls
        )
        tls_secret = mesh.GatewayCertificate("gateway-certificate", certificate_args, in_cluster).secret
    exposure = mesh.Exposure(
        "exposure",
        mesh.ExposureArgs(
            namespace=namespace.namespace,
            gateway=BOOKINFO_GATEWAY,
            route="bookinfo",
            service="productpage",
            port=PORT,
            paths=PAGE_PATHS,
            requires=[gateway_api, istio.istiod],
            service_type=settings.ingress_service_type,
            revision=settings.revision,
            tls_secret=tls_secret,
        ),
        in_cluster,
    )
    deployments[settings.namespace] |= bookinfo.deployments
    pulumi.export("productPage", exposure.url("/productpage"))
    pulumi.export("commands", exposure.commands(settings.context))

for service in settings.services:
    user_service = mesh.UserService(
        f"service-{service.name}",
        mesh.UserServiceArgs(
            service=service.name,
            namespace=namespaces[service.namespace],
            injectors=[istio.istiod],
            images=service.images,
            port=service.port,
            replicas=service.replicas,
            resources=service.resources,
        ),
        in_cluster,
    )
    deployments[service.namespace] |= user_service.deployments

steered = [(settings.namespace, traffic) for traffic in settings.traffic]
steered += [(service.namespace, service.traffic) for service in settings.services]
for place, traffic in steered:
    if mesh.kinds(traffic):
        mesh.TrafficPolicy(
            f"traffic-{traffic.service}",
            mesh.TrafficPolicyArgs(namespace=namespaces[place], traffic=traffic, requires=[gateway_api, istio.istiod]),
            in_cluster,
        )

security = mesh.Security(
    "security",
    mesh.SecurityArgs(
        config=settings.security,
        namespace=settings.namespace,
        namespaces=namespaces,
        gateway=BOOKINFO_GATEWAY if settings.bookinfo else "",
        allows=[
            mesh.Allow(service=service.name, namespace=service.namespace, port=service.port, callers=service.allow_from)
            for service in settings.services
            if service.allow_from
        ],
        requires=[istio.istiod],
    ),
    in_cluster,
)

observability = mesh.Observability(
    "observability",
    mesh.ObservabilityArgs(
        config=settings.observability,
        istio_namespace=istio.namespace,
        namespace=namespace.namespace,
        context=settings.context,
        requires=[istio.istiod],
    ),
    in_cluster,
)
if observability.commands:
    pulumi.export("observability", observability.commands)

page = settings.security.page_to_check(
    mesh.Page(service="productpage", namespace=settings.namespace, port=PORT, path="/productpage", title=PAGE_TITLE),
    BOOKINFO_GATEWAY,
)
pages = [page] if page and settings.mesh_check_http and settings.bookinfo else []
checks = [
    mesh.MeshCheck(
        "mesh-check" if place == settings.namespace else f"mesh-check-{place}",
        mesh.MeshCheckArgs(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            namespace=namespaces[place],
            istio_version=istio.version,
            deployments=checked,
            pages=pages if place == settings.namespace else [],
            requires=[security],
        ),
    )
    for place, checked in deployments.items()
    if checked
]
if checks:
    found = pulumi.Output.all(*(check.pods for check in checks))
    pulumi.export("pods", found.apply(lambda lists: [pod for pods in lists for pod in pods]))
if settings.services:
    pulumi.export("services", {s.name: f"http://{s.name}.{s.namespace}:{s.port}" for s in settings.services})
