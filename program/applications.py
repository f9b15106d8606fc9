"""What runs on the foundation: Bookinfo, the user's services, their traffic, security, observability and checks."""

from collections.abc import Sequence
from itertools import chain

import pulumi

import components as mesh
from components.kubeconfig import kubectl
from components.mesh.waypoint import NAME as WAYPOINT
from components.objects import KubernetesObject, generations_of
from components.observability.observability import ObservabilityConfig
from components.security.gateway_certificate import CertificateSource, CertManager, secret_name
from components.security.security import SecurityConfig
from components.workloads.bookinfo import GATEWAY as BOOKINFO_GATEWAY
from components.workloads.bookinfo import PAGE_PATHS, PAGE_TITLE, PORT, ROUTE, SHOWN
from program.config.kubernetes.pods import CONTAINER, pod_fields
from program.exposed import callers, calling_namespaces, leaving_namespaces
from program.foundation import Ground, data_plane_of
from program.gateways import certificate, lead_out
from program.workloads import deployed, gateways, guarded, steered, workloads

# What Pulumi itself would give a Deployment: images may have to be fetched.
PODS_SECONDS = 600
Deployments = dict[str, KubernetesObject]


def bookinfo(base: Ground) -> Deployments:
    """Bookinfo, and the Gateway that shows its page; its Deployments."""
    settings, namespace = base.settings, base.namespaces[base.settings.namespace]
    sample = mesh.Bookinfo(
        "bookinfo",
        mesh.BookinfoArgs(
            namespace=namespace,
            injectors=base.control_planes,
            data_plane=base.data_planes[settings.namespace],
            image_source=settings.image_source,
            checked=True,
        ),
        base.opts,
    )
    tls_secret, source = None, settings.security.tls
    if source:
        # cert-manager's comes after the Gateway, which answers its challenges; any other before.
        late = isinstance(source, CertManager)
        tls_secret = secret_name(BOOKINFO_GATEWAY) if late else _certificate(base, source).secret
    exposure = mesh.Exposure(
        "exposure",
        mesh.ExposureArgs(
            namespace=namespace,
            gateway=BOOKINFO_GATEWAY,
            route=ROUTE,
            service=SHOWN,
            port=PORT,
            paths=PAGE_PATHS,
            requires=base.requires,
            service_type=settings.ingress_service_type,
            revision=settings.control_planes.label(settings.namespace),
            tls_secret=tls_secret,
        ),
        base.opts,
    )
    if isinstance(source, CertManager):
        _certificate(base, source, exposure)
    base.made.extend([sample, exposure])
    pulumi.export("productPage", exposure.url("/productpage"))
    pulumi.export("commands", exposure.commands(kubectl(settings.kubeconfig, settings.context)))
    return sample.deployments


def _certificate(base: Ground, source: CertificateSource, *requires: pulumi.Resource) -> mesh.GatewayCertificate:
    place = base.namespaces[base.settings.namespace]
    return certificate(base, "gateway-certificate", place, BOOKINFO_GATEWAY, source, *requires)


def services(base: Ground) -> dict[str, Deployments]:
    """The user's own services; their Deployments by namespace."""
    deployments: dict[str, Deployments] = {}
    for service in deployed(base.settings):
        said = service.kubernetes
        component = mesh.UserService(
            f"service-{service.name}",
            mesh.UserServiceArgs(
                service=service.name,
                namespace=base.namespaces[service.namespace],
                injectors=base.control_planes,
                data_plane=base.data_planes[service.namespace],
                images=service.images,
                image_source=base.settings.image_source,
                port=0 if service.has_named_ports else service.port,
                ports=service.ports if service.has_named_ports else (),
                replicas=service.replicas,
                resources=service.resources,
                container={key: said[key] for key in CONTAINER if key in said},
                pod=pod_fields(said),
                pod_annotations=said.get("podAnnotations", {}),
                pod_labels=said.get("podLabels", {}),
                account_annotations=said.get("serviceAccount", {}).get("annotations", {}),
                pull_secrets=service.pull_secrets,
                autoscaling=said.get("autoscaling", {}),
                disruption_budget=said.get("podDisruptionBudget", {}),
                checked=True,
            ),
            base.opts,
        )
        base.made.append(component)
        deployments.setdefault(service.namespace, {}).update(component.deployments)
    if base.settings.services:
        pulumi.export("services", {service.name: service.address for service in base.settings.services})
    return deployments


def traffic(base: Ground) -> dict[str, pulumi.Resource]:
    """How requests go between services; what says it, by service."""
    found: dict[str, pulumi.Resource] = {}
    for place, each in steered(base.settings):
        if mesh.kinds(each):
            args = mesh.TrafficPolicyArgs(
                namespace=base.place(place),
                traffic=each,
                requires=base.requires,
                gateway=BOOKINFO_GATEWAY if base.settings.bookinfo and each.service == SHOWN else "",
            )
            found[each.service] = mesh.TrafficPolicy(f"traffic-{each.service}", args, base.opts)
    base.made.extend(found.values())
    return found


def egress(base: Ground) -> None:
    """Hosts outside the mesh, and the way to them."""
    if not base.settings.egress:
        return
    ways_out = {gateway.namespace for gateway in base.settings.gateways.values() if gateway.kind == "egress"}
    args = mesh.EgressArgs(
        namespace=base.namespaces[base.settings.namespace],
        namespaces=sorted({*base.namespaces, *ways_out}),
        hosts=base.settings.egress,
        requires=base.requires,
    )
    known = mesh.Egress("egress", args, base.opts)
    base.made.append(known)
    lead_out(base, known)


def security(base: Ground) -> list[pulumi.Resource]:
    """Who may call whom, and how that is known: what must be in force before the mesh is checked."""
    settings = base.settings
    calls = {service.name: callers(service, settings.gateways) for service in settings.services}
    allows = [
        mesh.Allow(
            service=service.name,
            namespace=service.namespace,
            port=next(iter(service.workload.ports), 0),
            further_ports=tuple(service.workload.ports[1:]),
            selector=service.selector,
            callers=(*service.allow_from, *calls[service.name]),
        )
        for service in guarded(settings)
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
            workloads=workloads(settings),
            gateways=gateways(settings),
            gateway_callers=calling_namespaces(settings.services, settings.gateways),
            egress_namespaces=leaving_namespaces(settings.egress, settings.gateways),
            requires=base.control_planes,
            dns=base.dns,
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
            istio_version=base.settings.control_planes.base,
            revision="" if base.settings.revisions else base.settings.revision,
            image_source=base.settings.image_source,
            kubectl=kubectl(base.settings.kubeconfig, base.settings.context),
            requires=base.control_planes,
        ),
        base.opts,
    )
    base.made.append(component)
    if component.commands:
        pulumi.export("observability", component.commands)


def checks(
    base: Ground, deployments: dict[str, Deployments], after: Sequence[pulumi.Resource]
) -> Sequence[pulumi.Resource]:
    """A check of each namespace's Deployments and of Bookinfo's page, once ``after`` is in force."""
    settings, planes = base.settings, base.settings.control_planes
    product_page = mesh.Page(
        service=SHOWN, namespace=settings.namespace, port=PORT, path="/productpage", title=PAGE_TITLE
    )
    page = settings.security.page_to_check(product_page, BOOKINFO_GATEWAY)
    pages = [page] if page and settings.mesh_check_http and settings.bookinfo else []
    if page != product_page and settings.page_is_faulty:
        pages = []
    components = [
        mesh.MeshCheck(
            "mesh-check" if place == settings.namespace else f"mesh-check-{place}",
            mesh.MeshCheckArgs(
                kubeconfig=settings.kubeconfig,
                context=settings.context,
                namespace=base.namespaces[place],
                istio_version=base.istio_versions[place],
                revision=planes.revision(place) if planes.share_versions else "",
                deployments=generations_of(checked),
                waypoint=WAYPOINT if settings.data_plane == "ambient" else "",
                pages=pages if place == settings.namespace else [],
                requires=[*after, *base.waypoints, *base.certificates],
                timeout=PODS_SECONDS,
            ),
        )
        for place, checked in deployments.items()
    ]
    if components:
        base.made.extend(components)
        found = pulumi.Output.all(*(component.pods for component in components))
        pulumi.export("pods", found.apply(lambda lists: list(chain.from_iterable(lists))))
    return components


def rollout(base: Ground, after: Sequence[pulumi.Resource]) -> None:
    """A restart of others' Deployments that have old proxies, once the stack's own pods are right."""
    settings, planes = base.settings, base.settings.control_planes
    if not settings.rollout:
        return
    proxies = {revision: base.istio.version_of(planes.chart_revision(revision)) for revision in planes.versions}
    component = mesh.Rollout(
        "rollout",
        mesh.RolloutArgs(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            namespaces=settings.rollout,
            proxies={
                **{revision: data_plane_of(settings, revision, version) for revision, version in proxies.items()},
                **planes.tags,
            },
            requires=[*base.control_planes, *after],
            timeout=PODS_SECONDS,
        ),
    )
    base.made.append(component)
    pulumi.export("rollout", {"restarted": component.restarted, "old": component.old})
