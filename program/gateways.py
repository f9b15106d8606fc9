"""Composes what is shown at the gateways, listeners, certificates and routes, and what leaves by them."""

from collections.abc import Mapping, Sequence

import pulumi

import components as mesh
from components.kubeconfig import kubectl
from components.security.gateway_certificate import CertificateSource, CertManager, secret_name
from components.traffic import egress_route
from components.traffic.routes import RouteParent
from components.traffic.shared_gateway import host_name, listener_name
from components.workloads.exposure import HTTP, HTTP_LOCAL_PORT, HTTP_PORT, HTTPS_LOCAL_PORT, HTTPS_PORT
from program.config.gateways import Gateway
from program.exposed import ExposedAt, Shown, exposed, exposed_at
from program.foundation import Ground


def show(base: Ground, steered: Mapping[str, pulumi.Resource]) -> None:
    """The services that are shown to the outside, each at its gateway.

    Args:
        base: what stands on the cluster.
        steered: what shares out the traffic of a service, by its name: a route leads to Services that it creates.
    """
    ways = exposed(base.settings.services)
    if not ways:
        return
    places = {name: exposed_at(gateway, base.settings.services) for name, gateway in base.settings.gateways.items()}
    for at in places.values():
        if at.routed:
            _listen(base, at)
    urls: dict[str, list[str]] = {}
    for each in ways:
        there = places.get(each.expose.gateway)
        if there and each.expose.is_stream:
            _stream(base, there.gateway, each)
        else:
            _route(base, each, parents(each, there), steered)
        urls.setdefault(each.service.name, []).extend(addresses(each, there))
    pulumi.export("exposed", urls)
    used = dict.fromkeys(each.expose.gateway for each in ways if each.expose.gateway)
    call = kubectl(base.settings.kubeconfig, base.settings.context)
    ports = f"{HTTP_LOCAL_PORT}:{HTTP_PORT} {HTTPS_LOCAL_PORT}:{HTTPS_PORT}"
    pulumi.export(
        "gateways",
        {
            name: f"{call} --namespace {base.settings.gateways[name].namespace} port-forward service/{name} {ports}"
            for name in used
        },
    )


def parents(shown: Shown, at: ExposedAt | None) -> list[RouteParent]:
    """The listeners that a route is attached to: HTTPS for hosts with a certificate, HTTP for others.

    ``at`` is None where the Gateway is not the stack's.
    """
    if at is None:
        return [shown.expose.parent] if shown.expose.parent else []
    hosts = shown.expose.hosts
    secure = [host for host in hosts if host in at.certificates]
    place = at.gateway.namespace
    found = [RouteParent(name=at.gateway.name, namespace=place, section_name=listener_name(host)) for host in secure]
    if not hosts or set(hosts) - set(at.redirected):
        found.insert(0, RouteParent(name=at.gateway.name, namespace=place, section_name=HTTP))
    return found


def addresses(shown: Shown, at: ExposedAt | None) -> list[str]:
    """A service's addresses, as far as its configuration says; ``at`` is None where the Gateway is not the stack's."""
    expose = shown.expose
    here = f"{at.gateway.name}.{at.gateway.namespace}" if at else "*"
    hosts = expose.hosts or (here,)
    if expose.is_stream:
        return [f"{expose.protocol.lower()}://{host}:{expose.listen}" for host in hosts]
    secure = at.certificates if at else {}
    paths = [path.value for rule in expose.rules for path in rule.paths if path.type != "RegularExpression"]
    return [
        f"{'https' if host in secure else 'http'}://{host}{path}"
        for host in hosts
        for path in dict.fromkeys(paths or ["/"])
    ]


def _listen(base: Ground, at: ExposedAt) -> None:
    """The Gateway; cert-manager's certificates come after it, as it answers their challenges, any other before."""
    gateway, certificates = at.gateway, at.certificates

    def obtained(host: str, source: CertificateSource, *requires: pulumi.Resource) -> mesh.GatewayCertificate:
        name, place = f"certificate-{gateway.name}-{host_name(host)}", base.gateway_namespaces[gateway.namespace]
        return certificate(base, name, place, host_name(host), source, *requires)

    early = {
        host: obtained(host, source).secret
        for host, source in certificates.items()
        if not isinstance(source, CertManager)
    }
    shared = mesh.SharedGateway(
        f"shared-{gateway.name}",
        mesh.SharedGatewayArgs(
            gateway=gateway.name,
            namespace=base.gateway_namespaces[gateway.namespace],
            service=base.gateways[gateway.name].service,
            service_type=gateway.service_type,
            certificates={host: early.get(host, secret_name(host_name(host))) for host in certificates},
            redirected=at.redirected,
            route_namespaces=at.namespaces,
            revision=base.settings.control_planes.label(gateway.namespace),
            requires=base.requires,
        ),
        base.opts,
    )
    base.made.append(shared)
    for host, source in certificates.items():
        if isinstance(source, CertManager):
            obtained(host, source, shared)


def certificate(
    base: Ground,
    name: str,
    namespace: pulumi.Input[str],
    gateway: str,
    source: CertificateSource,
    *requires: pulumi.Resource,
) -> mesh.GatewayCertificate:
    """A certificate in a gateway's namespace, for ``gateway``, after which its Secret is named."""
    args = mesh.GatewayCertificateArgs(
        namespace=namespace,
        gateway=gateway,
        source=source,
        kubeconfig=base.settings.kubeconfig,
        context=base.settings.context,
        requires=requires,
    )
    made = mesh.GatewayCertificate(name, args, base.opts)
    base.made.append(made)
    base.certificates.append(made)
    return made


def _route(base: Ground, shown: Shown, parents: Sequence[RouteParent], steered: Mapping[str, pulumi.Resource]) -> None:
    service, expose = shown.service, shown.expose
    gateway = base.settings.gateways.get(expose.gateway)
    route = mesh.ServiceRoute(
        shown.route,
        mesh.ServiceRouteArgs(
            route=shown.route,
            namespace=base.place(service.namespace),
            parents=parents,
            service=service.name,
            port=expose.port,
            kind="GRPCRoute" if expose.protocol == "GRPC" else "HTTPRoute",
            hostnames=expose.hosts,
            rules=expose.rules,
            # What is wanted of a service's traffic is said of its first port.
            traffic=service.traffic if expose.port == service.port else None,
            gateway_namespace=base.gateway_namespaces[gateway.namespace] if gateway else "",
            gateway_labels=gateway.labels if gateway else {},
            requires=[*base.requires, *([steered[service.name]] if service.name in steered else [])],
        ),
        base.opts,
    )
    base.made.append(route)


def _stream(base: Ground, gateway: Gateway, shown: Shown) -> None:
    service, expose = shown.service, shown.expose
    route = mesh.StreamRoute(
        shown.route,
        mesh.StreamRouteArgs(
            route=shown.route,
            namespace=base.place(service.namespace),
            gateway_namespace=base.gateway_namespaces[gateway.namespace],
            gateway_labels=gateway.labels,
            listen=expose.listen,
            service=service.name,
            port=expose.port,
            protocol="TLS" if expose.protocol == "TLS" else "TCP",
            hosts=expose.hosts,
            requires=base.requires,
        ),
        base.opts,
    )
    base.made.append(route)


def lead_out(base: Ground, known: pulumi.Resource) -> None:
    """The way of requests to hosts outside the mesh, where they leave by a gateway; ``known`` makes the hosts known."""
    for host in base.settings.egress:
        if host.gateway:
            gateway = base.settings.gateways[host.gateway]
            args = mesh.EgressRouteArgs(
                route=egress_route.route_name(host.host),
                host=host.host,
                ports=host.ports,
                gateway=gateway.name,
                gateway_namespace=base.gateway_namespaces[gateway.namespace],
                gateway_labels=gateway.labels,
                namespaces=sorted(base.namespaces),
                requires=[*base.requires, known, base.gateways[gateway.name]],
            )
            base.made.append(mesh.EgressRoute(f"egress-route-{host.host}", args, base.opts))
