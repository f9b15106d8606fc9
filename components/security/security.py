"""What a stack forbids: the parts of its security, composed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pulumi

from ..mesh.mesh_check import Page
from ..workloads.exposure import GATEWAY_CLASS, HTTP_PORT, HTTPS_PORT
from .authorization import Allow, Authorization, AuthorizationArgs, bookinfo_allows
from .gateway_certificate import CertificateSource, CertManager
from .ingress_jwt import IngressJwt, IngressJwtArgs, Jwt
from .network_isolation import NetworkIsolation, NetworkIsolationArgs
from .peer_authentications import MutualTls, PeerAuthentications, PeerAuthenticationsArgs
from .policy import Policy, Workload, workload_of


@dataclass(frozen=True, kw_only=True)
class NetworkPolicies:
    """Packets stay in the namespace.

    Attributes:
        egress: CIDRs outside that pods may connect to.
    """

    egress: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SecurityConfig:
    """The configuration of security; a part that is None, False or empty is left as Istio and Kubernetes have it.

    Attributes:
        mutual_tls: what the mesh's pods take.
        authorization: whether calls within the namespace are forbidden unless they are listed.
        authorization_dry_run: whether that is evaluated, counted and logged, and not enforced.
        policies: further policies, of services and of the Gateway.
        jwt: which tokens the Gateway asks for.
        other_issuers: tokens of other issuers that will do.
        jwt_required: whether a request without a token is denied.
        jwt_dry_run: whether that denial is evaluated, counted and logged, and not enforced.
        jwt_services: services that look at tokens too, by name.
        jwt_gateways: the gateways that look at tokens, by name; None for the Gateway.
        tls: where the certificate of the Gateway comes from, which then speaks HTTPS.
        pod_security: the Pod Security standard of the namespace by mode.
        network_policies: what may leave the namespace.
    """

    mutual_tls: MutualTls | None = None
    authorization: bool = False
    authorization_dry_run: bool = False
    policies: Sequence[Policy] = ()
    jwt: Jwt | None = None
    other_issuers: Sequence[Jwt] = ()
    jwt_required: bool = True
    jwt_dry_run: bool = False
    jwt_services: Sequence[str] = ()
    jwt_gateways: Sequence[str] | None = None
    tls: CertificateSource | None = None
    pod_security: Mapping[str, str] = field(default_factory=dict)
    network_policies: NetworkPolicies | None = None

    @property
    def gateway_port(self) -> int:
        """The port on which the Gateway shows anything."""
        return HTTPS_PORT if self.tls else HTTP_PORT

    @property
    def refuses_strangers(self) -> bool:
        """Whether a pod may refuse plain text from outside the mesh, as the API server's service proxy speaks it."""
        strict = self.mutual_tls is not None and self.mutual_tls.mode == "STRICT"
        denied = self.authorization and not self.authorization_dry_run
        return strict or denied or self.network_policies is not None

    @property
    def issuers(self) -> tuple[Jwt, ...]:
        """Whose tokens are good."""
        return (self.jwt, *self.other_issuers) if self.jwt else ()

    def asks_token(self, *, gateway: str = "", service: str = "") -> bool:
        """Whether a gateway or a service takes no request without a token."""
        looks = service in self.jwt_services if service else self.jwt_gateways is None or gateway in self.jwt_gateways
        return self.jwt is not None and self.jwt_required and not self.jwt_dry_run and looks

    def guards(self, *, gateway: str = "", service: str = "") -> bool:
        """Whether policies or tokens decide which requests a gateway or a service takes."""
        enforced = [policy for policy in self.policies if policy.action != "AUDIT" and not policy.dry_run]
        chosen = any((policy.gateway, policy.service) == (gateway, service) for policy in enforced)
        return chosen or self.asks_token(gateway=gateway, service=service)

    def page_to_check(self, page: Page, gateway: str) -> Page | None:
        """How the mesh's check can reach ``page``: directly, through the Gateway, or not at all as neither is open."""
        if self.guards(service=page.service) or self.guards(gateway=gateway):
            return None
        if not self.refuses_strangers:
            return page
        # The API server's proxy takes any certificate: https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
        scheme = "https:" if self.tls else ""
        return Page(
            service=f"{scheme}{gateway}-{GATEWAY_CLASS}",
            namespace=page.namespace,
            port=self.gateway_port,
            path=page.path,
            title=page.title,
        )


@dataclass(frozen=True, kw_only=True)
class SecurityArgs:
    """Which security, and where.

    Attributes:
        config: what is wanted.
        namespace: the injected namespace.
        namespaces: namespaces that are given policies, by name; outputs of those that must be there before them.
        gateway: Bookinfo's Gateway in that namespace; empty without Bookinfo.
        allows: calls that user services allow.
        workloads: the pods of services that policies name, by the service's name; others are in the injected
            namespace, with the name as the label ``app``.
        gateways: the pods of gateways that are not created for a Gateway of the injected namespace, by name.
        gateway_callers: by a namespace, others whose gateways call its services, and whose packets may come in.
        egress_namespaces: those of gateways by which requests leave the cluster, and to which packets may go.
        requires: what must be there first: istiod, which brings the kinds and checks the objects.
        dns: addresses of the cluster's DNS; empty where they are not known yet.
    """

    config: SecurityConfig
    namespace: str
    namespaces: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    gateway: str = ""
    allows: Sequence[Allow] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    gateways: Mapping[str, Workload] = field(default_factory=dict)
    gateway_callers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    egress_namespaces: Sequence[str] = ()
    requires: Sequence[pulumi.Resource] = ()
    dns: Sequence[str] = ()


class Security(pulumi.ComponentResource):
    """Mutual TLS, authorization, tokens and network policies, as far as they are wanted.

    Example:
        Security(
            "security",
            SecurityArgs(
                namespace="shop",
                namespaces={"shop": shop.namespace},
                gateway="bookinfo-gateway",
                config=SecurityConfig(mutual_tls=MutualTls(scope="namespace"), authorization=True),
                requires=[istio],
            ),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Security", name, None, opts)
        config, here = args.config, pulumi.ResourceOptions(parent=self)
        # A namespace that no output stands for is there already.
        namespaces = {args.namespace: args.namespace, **args.namespaces}
        namespace = namespaces[args.namespace]
        bookinfo = bookinfo_allows(args.namespace, args.gateway) if config.authorization and args.gateway else []
        allows = [*bookinfo, *args.allows]
        calls = [*allows, *policy_calls(args)]
        if config.mutual_tls:
            PeerAuthentications(
                f"{name}-mtls",
                PeerAuthenticationsArgs(
                    namespace=namespace,
                    others={place: each for place, each in namespaces.items() if place != args.namespace},
                    mutual_tls=config.mutual_tls,
                    requires=args.requires,
                ),
                here,
            )
        tokens = self._tokens(name, args, namespaces, here)
        if config.authorization or allows or config.policies:
            Authorization(
                f"{name}-authorization",
                AuthorizationArgs(
                    namespace=args.namespace,
                    namespaces=namespaces,
                    deny_by_default=config.authorization,
                    dry_run=config.authorization_dry_run,
                    gateway=args.gateway,
                    allows=allows,
                    policies=config.policies,
                    workloads=args.workloads,
                    gateways=args.gateways,
                    challenges=isinstance(config.tls, CertManager),
                    # Before tokens are looked at, a rule that asks for one would fit no request.
                    requires=[*args.requires, *tokens],
                ),
                here,
            )
        for place, output in namespaces.items() if config.network_policies else ():
            main = place == args.namespace
            NetworkIsolation(
                f"{name}-network" if main else f"{name}-network-{place}",
                NetworkIsolationArgs(
                    namespace=output,
                    gateway=args.gateway if main else "",
                    gateway_ports=sorted({HTTP_PORT, config.gateway_port}),
                    caller_namespaces=sorted(
                        {*caller_namespaces(place, calls), *args.gateway_callers.get(place, ())} - {place}
                    ),
                    called_namespaces=sorted({*called_namespaces(place, calls), *args.egress_namespaces} - {place}),
                    dns=args.dns,
                    egress=config.network_policies.egress if config.network_policies else (),
                ),
                here,
            )
        self.register_outputs({})

    @staticmethod
    def _tokens(
        name: str, args: SecurityArgs, namespaces: Mapping[str, pulumi.Input[str]], here: pulumi.ResourceOptions
    ) -> list[IngressJwt]:
        """What looks at tokens: the Gateway, and services."""
        config = args.config
        if config.jwt is None:
            return []
        asked = IngressJwtArgs(
            namespace=namespaces[args.namespace],
            gateway=args.gateway,
            port=config.gateway_port,
            jwt=config.jwt,
            other_issuers=config.other_issuers,
            required=config.jwt_required,
            dry_run=config.jwt_dry_run,
            requires=args.requires,
        )
        gateways = filter(None, [args.gateway]) if config.jwt_gateways is None else config.jwt_gateways
        pods = {gateway: args.gateways.get(gateway) for gateway in gateways}
        for service in config.jwt_services:
            pods[service] = workload_of(service, args.namespace, args.workloads)
        made = []
        for target, workload in pods.items():
            place = namespaces.get(workload.namespace, workload.namespace) if workload else asked.namespace
            there = replace(asked, namespace=place, gateway=target, workload=workload)
            made.append(IngressJwt(f"{name}-jwt-{target}" if workload else f"{name}-jwt", there, here))
        return made


def policy_calls(args: SecurityArgs) -> list[Allow]:
    """The calls from other namespaces that policies allow, as far as NetworkPolicies must let them through."""
    return [
        Allow(
            service=policy.service,
            namespace=args.workloads[policy.service].namespace if policy.service in args.workloads else args.namespace,
            port=0,
            callers=tuple(f"{namespace}/*" for namespace in sorted(policy.namespaces)),
        )
        for policy in args.config.policies
        if policy.service and policy.namespaces
    ]


def called_namespaces(namespace: str, allows: Sequence[Allow]) -> list[str]:
    """The other namespaces whose pods may be called from ``namespace``."""
    return sorted({allow.namespace for allow in allows if namespace in _callers(allow)} - {namespace})


def caller_namespaces(namespace: str, allows: Sequence[Allow]) -> list[str]:
    """The other namespaces from which pods of ``namespace`` may be called."""
    found = {caller for allow in allows if allow.namespace == namespace for caller in _callers(allow)}
    return sorted(found - {namespace})


def _callers(allow: Allow) -> set[str]:
    return {caller.rpartition("/")[0] or allow.namespace for caller in allow.callers}
