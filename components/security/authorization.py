"""Who may call whom, by the mesh's identities: service accounts proven by mutual TLS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.bookinfo import PORT, service_account_name
from ..workloads.exposure import GATEWAY_CLASS, target_ref

API_VERSION = "security.istio.io/v1"
# Istio reads it as the mesh's own trust domain, whatever that is called.
TRUST_DOMAIN = "cluster.local"
# https://cert-manager.io/docs/configuration/acme/http01/
CHALLENGES = "allow-challenges"
SOLVER = "acme.cert-manager.io/http01-solver"
DENY_ALL = "deny-by-default"


@dataclass(frozen=True, kw_only=True)
class Allow:
    """A service may be called by these accounts and nobody else.

    Attributes:
        service: the value of its pods' label ``app``.
        namespace: its namespace.
        port: the container's port, 1 to 65535.
        callers: service accounts, each as NAME, of the same namespace, or NAMESPACE/NAME; none means that nobody may.
    """

    service: str
    namespace: str
    port: int
    callers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AuthorizationArgs:
    """What is forbidden and what is allowed.

    Attributes:
        namespace: the injected namespace.
        namespaces: every namespace of the stack, by name; outputs, so that it is there before its policies.
        deny_by_default: whether what no policy allows is forbidden in these namespaces.
        gateway: a Gateway of the injected namespace that stays open to the outside; empty for none.
        allows: the calls that are allowed.
        challenges: whether cert-manager's pods that answer challenges may be called.
        requires: what must be there first: istiod, which brings the kind and checks the objects.

    Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
    """

    namespace: str
    namespaces: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    deny_by_default: bool = True
    allows: Sequence[Allow] = ()
    requires: Sequence[pulumi.Resource] = ()
    gateway: str = ""
    challenges: bool = False


def allow_name(target: str) -> str:
    """The name of the policy that opens a service, or a Gateway."""
    return f"allow-{target}"


def bookinfo_allows(namespace: str, gateway: str) -> list[Allow]:
    """The calls that Bookinfo makes; ``gateway`` is its Gateway, whose pods run under the account GATEWAY-istio."""
    edges = {
        "productpage": f"{gateway}-{GATEWAY_CLASS}",
        "details": service_account_name("productpage"),
        "reviews": service_account_name("productpage"),
        "ratings": service_account_name("reviews"),
    }
    return [
        Allow(service=service, namespace=namespace, port=PORT, callers=(caller,)) for service, caller in edges.items()
    ]


def principal(namespace: str, account: str) -> str:
    """The identity of NAME or NAMESPACE/NAME as a policy spells it."""
    place, _, name = account.rpartition("/")
    return f"{TRUST_DOMAIN}/ns/{place or namespace}/sa/{name}"


def allow_spec(allow: Allow) -> dict[str, Any]:
    """The spec of the policy for one service. Without a rule it allows nothing."""
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": allow.service}}, "action": "ALLOW"}
    if allow.callers:
        principals = [principal(allow.namespace, caller) for caller in allow.callers]
        spec["rules"] = [
            {
                "from": [{"source": {"principals": principals}}],
                "to": [{"operation": {"ports": [str(allow.port)]}}],
            }
        ]
    return spec


def open_gateway_spec(gateway: str) -> dict[str, Any]:
    """Anybody may call a Gateway's pods: what they pass on is subject to the services' own policies."""
    return {"targetRefs": [target_ref(gateway)], "action": "ALLOW", "rules": [{}]}


def challenges_spec() -> dict[str, Any]:
    """Anybody may call cert-manager's solvers of HTTP-01, which know one path each and live for minutes."""
    return {"selector": {"matchLabels": {SOLVER: "true"}}, "action": "ALLOW", "rules": [{}]}


class Authorization(pulumi.ComponentResource):
    """AuthorizationPolicies: nothing is allowed, except for the Gateway and what is listed. Others get HTTP 403.

    Example:
        Authorization(
            "authorization",
            AuthorizationArgs(
                namespace="shop",
                allows=[Allow(service="ratings", namespace="shop", port=9080, callers=["bookinfo-reviews"])],
                requires=[istio],
            ),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: AuthorizationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Authorization", name, None, opts)

        def policy(
            object_name: str,
            place: str,
            spec: dict[str, Any],
            requires: Sequence[pulumi.Resource] = (),
            kubernetes_name: str = "",
        ) -> pulumi.Resource:
            return k8s.apiextensions.CustomResource(
                f"{name}-{object_name}",
                api_version=API_VERSION,
                kind="AuthorizationPolicy",
                metadata={
                    "name": kubernetes_name or object_name,
                    "namespace": args.namespaces.get(place, place),
                },
                spec=spec,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*args.requires, *requires]),
            )

        allowing = [policy(allow_name(allow.service), allow.namespace, allow_spec(allow)) for allow in args.allows]
        if args.deny_by_default and args.gateway:
            allowing.append(policy(allow_name(args.gateway), args.namespace, open_gateway_spec(args.gateway)))
        if args.deny_by_default and args.challenges:
            allowing.append(policy(CHALLENGES, args.namespace, challenges_spec()))
        if args.deny_by_default:
            # Last on the way up and first on the way down: at no time is a call refused that is to be allowed.
            for place in args.namespaces:
                denied = DENY_ALL if place == args.namespace else f"{DENY_ALL}-{place}"
                policy(denied, place, {}, allowing, kubernetes_name=DENY_ALL)
        self.register_outputs({})
