"""Which objects a stack creates, and the refusal to take over one that somebody else has created: pure rules.

Not of Helm releases, whose objects Helm itself refuses to take over, nor of namespaces and CRDs, which are shared.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.gateway_api import POLICY
from components.kube import listing
from components.mesh import gateway_api_crds, ingress_gateway, revision_tag, waypoint
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.observability import mesh_telemetry
from components.ownership import LABEL
from components.security import (
    authorization,
    gateway_certificate,
    ingress_jwt,
    network_isolation,
    peer_authentications,
    policy,
)
from components.security.gateway_certificate import CertificateSource
from components.traffic import egress, egress_route, gateway_rules, stream_route, traffic_policy
from components.traffic.shared_gateway import host_name
from components.traffic.traffic import Traffic, kinds, version_service_name
from components.workloads import bookinfo, exposure, user_service
from program.exposed import ExposedAt, exposed, exposed_at
from program.settings import Settings
from program.workloads import deployed, guarded, places, steered, workloads
from program.workloads import gateways as elsewhere

CORE, APPS = "v1", "apps/v1"
RBAC = "rbac.authorization.k8s.io/v1"
ADMISSION = "admissionregistration.k8s.io/v1"
# What the provider calls itself in an object's managedFields; a suffix follows, different for each resource.
PROVIDER = "pulumi-kubernetes"


@dataclass(frozen=True, kw_only=True, order=True)
class Object:
    """What tells an object of a cluster from any other. ``namespace`` is empty where its kind has none."""

    namespace: str
    kind: str
    name: str
    api_version: str

    def __str__(self) -> str:
        return f"{self.kind} {'/'.join(filter(None, (self.namespace, self.name)))}"

    @property
    def listing(self) -> str:
        """The API's path of all objects of its kind in its namespace."""
        return listing(self.api_version, self.kind, self.namespace)


def declared(settings: Settings, *, brings_gateway_api: bool = True) -> frozenset[Object]:
    """Every object that the stack has a resource of its own for, but for namespaces."""
    return frozenset(_all(settings, brings_gateway_api=brings_gateway_api))


def refuse_doubles(settings: Settings) -> None:
    """Refuse two resources that would be one object, whose names come from different keys.

    Raises:
        pulumi.RunError: names each object, and what to do.
    """
    found = Counter(_all(settings, brings_gateway_api=True))
    if doubled := ", ".join(str(each) for each, times in sorted(found.items()) if times > 1):
        raise pulumi.RunError(
            f"two parts of the configuration would create the same object: {doubled}. Give one of them (a service or "
            "its version, a host or its gateway, a policy) another name"
        )


def _all(settings: Settings, *, brings_gateway_api: bool) -> list[Object]:
    found = [*_gateways(settings), *_services(settings), *_security(settings), *_observability(settings)]
    if settings.bookinfo:
        found += _bookinfo(settings)
    for host in settings.egress:
        for kind in egress.specs(host):
            found += _objects(egress.API_VERSION, kind, settings.namespace, egress.object_name(host.host))
        if host.gateway:
            for kind in egress_route.SPECS:
                place, name = settings.gateways[host.gateway].namespace, egress_route.route_name(host.host)
                found += _objects(egress_route.API_VERSION, kind, place, name)
    for place, traffic in steered(settings):
        found += _traffic(place, traffic)
    if settings.data_plane == "ambient":
        for place in places(settings):
            found += _objects(exposure.API_VERSION, "Gateway", place, waypoint.NAME)
    tags = map(revision_tag.webhook_name, settings.control_planes.tags)
    found += _objects(ADMISSION, "MutatingWebhookConfiguration", "", *tags)
    if brings_gateway_api and settings.gateway_api >= gateway_api_crds.POLICIES_SINCE:
        for kind in gateway_api_crds.POLICIES:
            found += _objects(ADMISSION, kind, "", POLICY)
    return found


def _objects(api_version: str, kind: str, namespace: str, *names: str) -> Iterator[Object]:
    for name in names:
        yield Object(api_version=api_version, kind=kind, namespace=namespace, name=name)


def _gateways(settings: Settings) -> Iterator[Object]:
    for gateway in settings.gateways.values():
        name, place = gateway.name, gateway.namespace
        yield from _objects(CORE, "ServiceAccount", place, ingress_gateway.service_account(name))
        for kind in ("Role", "RoleBinding"):
            yield from _objects(RBAC, kind, place, ingress_gateway.role_name(name))
        for api_version, kind in (
            (APPS, "Deployment"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            *((("policy/v1", "PodDisruptionBudget"),) if gateway.replicas > 1 else ()),
            (CORE, "Service"),
        ):
            yield from _objects(api_version, kind, place, name)
        yield from _shown(exposed_at(gateway, settings.services))
    for each in exposed(settings.services):
        if not each.expose.is_stream:
            kind = "GRPCRoute" if each.expose.protocol == "GRPC" else "HTTPRoute"
            yield from _objects(exposure.API_VERSION, kind, each.service.namespace, each.route)


def _shown(at: ExposedAt) -> Iterator[Object]:
    """What is created in a gateway's namespace for what is shown there, and for its streams."""
    name, place = at.gateway.name, at.gateway.namespace
    if at.routed:
        yield from _objects(exposure.API_VERSION, "Gateway", place, name)
    if at.redirected:
        yield from _objects(exposure.API_VERSION, "HTTPRoute", place, exposure.redirect_name(name))
    for host, source in at.certificates.items():
        yield from _certificate(place, gateway_certificate.secret_name(host_name(host)), source)
    for each in at.shown:
        steered = not each.expose.is_stream and each.expose.port == each.service.port
        if steered and gateway_rules.applies(each.service.traffic):
            yield from _objects(gateway_rules.API_VERSION, "EnvoyFilter", place, each.route)
        if each.expose.is_stream:
            yield from _objects(stream_route.API_VERSION, "Gateway", place, each.route)
            yield from _objects(stream_route.API_VERSION, "VirtualService", each.service.namespace, each.route)


def _certificate(place: str, secret: str, source: CertificateSource | None) -> Iterator[Object]:
    if isinstance(source, gateway_certificate.SelfSigned):
        yield from _objects(CORE, "Secret", place, secret)
    elif isinstance(source, gateway_certificate.CertManager):
        yield from _objects(gateway_certificate.CERT_MANAGER_API_VERSION, "Certificate", place, secret)


def _bookinfo(settings: Settings) -> Iterator[Object]:
    place, source = settings.namespace, settings.security.tls
    accounts = map(bookinfo.service_account_name, bookinfo.SERVICES)
    yield from _objects(CORE, "Service", place, *bookinfo.SERVICES)
    yield from _objects(CORE, "ServiceAccount", place, *accounts)
    yield from _objects(APPS, "Deployment", place, *(workload.name for workload in bookinfo.WORKLOADS))
    yield from _objects(exposure.API_VERSION, "Gateway", place, bookinfo.GATEWAY)
    yield from _objects(exposure.API_VERSION, "HTTPRoute", place, bookinfo.ROUTE)
    if source:
        yield from _objects(exposure.API_VERSION, "HTTPRoute", place, exposure.redirect_name(bookinfo.ROUTE))
    for traffic in settings.traffic:
        if traffic.service == bookinfo.SHOWN and gateway_rules.applies(traffic):
            name = gateway_rules.filter_name(traffic.service, bookinfo.GATEWAY)
            yield from _objects(gateway_rules.API_VERSION, "EnvoyFilter", place, name)
    yield from _certificate(place, gateway_certificate.secret_name(bookinfo.GATEWAY), source)


def _services(settings: Settings) -> Iterator[Object]:
    for service in deployed(settings):
        deployments = [user_service.deployment_name(service.name, version) for version in service.images]
        yield from _objects(CORE, "Service", service.namespace, service.name)
        yield from _objects(CORE, "ServiceAccount", service.namespace, service.name)
        yield from _objects(APPS, "Deployment", service.namespace, *deployments)
        if "autoscaling" in service.kubernetes:
            yield from _objects("autoscaling/v2", "HorizontalPodAutoscaler", service.namespace, *deployments)
        if "podDisruptionBudget" in service.kubernetes:
            yield from _objects("policy/v1", "PodDisruptionBudget", service.namespace, service.name)


def _traffic(place: str, traffic: Traffic) -> Iterator[Object]:
    for kind in kinds(traffic):
        yield from _objects(traffic_policy.API_VERSIONS[kind], kind, place, traffic.service)
        if kind == "HTTPRoute":
            subsets = (version_service_name(traffic.service, subset) for subset in traffic.subsets)
            yield from _objects(CORE, "Service", place, *subsets)


def _security(settings: Settings) -> Iterator[Object]:
    config, place = settings.security, settings.namespace
    everywhere = places(settings)
    gateway = [bookinfo.GATEWAY] if settings.bookinfo else []
    if mtls := config.mutual_tls:
        api_version, kind = peer_authentications.API_VERSION, "PeerAuthentication"
        for where in [ISTIO_NAMESPACE] if mtls.scope == "mesh" else everywhere:
            yield from _objects(api_version, kind, where, peer_authentications.DEFAULT)
        yield from _objects(api_version, kind, place, *(exception.name for exception in mtls.exceptions))
    yield from _authorization(settings, gateway)
    yield from _tokens(settings, gateway)
    if config.network_policies:
        api_version, kind = "networking.k8s.io/v1", "NetworkPolicy"
        yield from _objects(api_version, kind, place, *map(network_isolation.allow_name, gateway))
        for where in everywhere:
            yield from _objects(api_version, kind, where, network_isolation.ISOLATION)


def _authorization(settings: Settings, gateways: Sequence[str]) -> Iterator[Object]:
    config, place, pods = settings.security, settings.namespace, workloads(settings)
    names = [(service.namespace, authorization.allow_name(service.name)) for service in guarded(settings)]
    if config.authorization:
        opened = [gateway for gateway in gateways if not authorization.is_guarded(gateway, config.policies)]
        opened += bookinfo.SERVICES if settings.bookinfo else ()
        names += [(place, authorization.allow_name(target)) for target in opened]
        names += [(place, authorization.CHALLENGES)] * isinstance(config.tls, gateway_certificate.CertManager)
        names += [(where, authorization.DENY_ALL) for where in places(settings)]
    said = [(where, policy.policy_name(name, dry_run=config.authorization_dry_run)) for where, name in names]
    for each in config.policies:
        workload = pods.get(each.service) or elsewhere(settings).get(each.gateway)
        where = workload.namespace if workload else place
        said.append((where, policy.policy_name(each.name, dry_run=each.dry_run)))
    for where, name in said:
        yield from _objects(authorization.API_VERSION, "AuthorizationPolicy", where, name)


def _tokens(settings: Settings, gateways: Sequence[str]) -> Iterator[Object]:
    config, pods = settings.security, workloads(settings)
    found = elsewhere(settings)
    looking = gateways if config.jwt_gateways is None else config.jwt_gateways
    targets = [
        (found[gateway].namespace if gateway in found else settings.namespace, gateway)
        for gateway in (looking if config.jwt else ())
    ]
    targets += [(pods[service].namespace, service) for service in config.jwt_services]
    for where, target in targets:
        yield from _objects(ingress_jwt.API_VERSION, "RequestAuthentication", where, target)
        if config.jwt_required:
            name = policy.policy_name(ingress_jwt.require_token_name(target), dry_run=config.jwt_dry_run)
            yield from _objects(authorization.API_VERSION, "AuthorizationPolicy", where, name)


def _observability(settings: Settings) -> Iterator[Object]:
    config = settings.observability
    if config.access_logs or config.metrics or config.tracing:
        place = ISTIO_NAMESPACE if config.scope == "mesh" else settings.namespace
        yield from _objects(mesh_telemetry.API_VERSION, "Telemetry", place, mesh_telemetry.NAME)


def stranger(metadata: Mapping[str, Any], namespace: Mapping[str, Any], stack: str) -> str:
    """Whose an object is, for a person to read; empty where it is this stack's.

    It is if it carries the stack's mark; or if Pulumi's provider manages it, and neither it nor its namespace carries
    another stack's. An object of another Pulumi program, which marks nothing, cannot be told from this stack's own.

    Args:
        metadata: the object's.
        namespace: its namespace's; empty where it has none.
        stack: the name of this stack.
    """
    mark = metadata.get("labels", {}).get(LABEL) or namespace.get("labels", {}).get(LABEL)
    if metadata.get("labels", {}).get(LABEL) == stack:
        return ""
    # Of a status there is always another manager.
    entries = [each for each in metadata.get("managedFields", ()) if not each.get("subresource")]
    managers = sorted({each.get("manager", "") for each in entries})
    if not any(manager.startswith(PROVIDER) for manager in managers):
        return f"of {' and '.join(managers) or 'an unknown manager'}"
    return f"of stack {mark}" if mark not in (None, stack) else ""


def refuse(settings: Settings, foreign: Mapping[Object, str]) -> None:
    """Refuse to create objects that exist already and are not the stack's.

    Raises:
        pulumi.RunError: names each object, whose it is, and what to do.
    """
    if not foreign:
        return
    found = ", ".join(f"{each} ({whose})" for each, whose in sorted(foreign.items()))
    elsewhere = ", set namespace to another" if settings.namespace in {each.namespace for each in foreign} else ""
    raise pulumi.RunError(
        f"objects that this stack would create exist already and are not its own: {found}. Nothing was touched. "
        f"Delete or rename them{elsewhere}, or run `make recover` and then `make up`: the stack then takes them over, "
        f"and `make destroy` will remove them. An object of the stack's that was created again by hand is its own once "
        f"it is labelled {LABEL}=STACK"
    )
