"""Who may call whom, by the mesh's identities: service accounts proven by mutual TLS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.bookinfo import PORT, service_account_name
from ..workloads.exposure import GATEWAY_CLASS, target_ref
from .policy import DRY_RUN, LABELS, Policy, Workload, policy_name, policy_spec, principal, workload_of

API_VERSION = "security.istio.io/v1"
# https://cert-manager.io/docs/configuration/acme/http01/
CHALLENGES = "allow-challenges"
SOLVER = "acme.cert-manager.io/http01-solver"
DENY_ALL = "deny-by-default"


@dataclass(frozen=True, kw_only=True)
class Allow:
    """A service may be called by these accounts and nobody else.

    Attributes:
        service: its name, which is the value of its pods' label ``app`` where there is no ``selector``.
        namespace: its namespace.
        port: the container's port, 1 to 65535; 0 for every port.
        callers: service accounts, each as NAME, of the same namespace, or NAMESPACE/NAME; none means that nobody may.
        further_ports: more of the container's ports.
        selector: labels of its pods; empty for its name as the label ``app``.
    """

    service: str
    namespace: str
    port: int
    callers: tuple[str, ...]
    further_ports: tuple[int, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)


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
        dry_run: whether all but ``policies`` is evaluated, counted and logged, and not enforced.
        policies: further policies, of services and of Gateways of the injected namespace; each says itself whether
            it is a dry run.
        workloads: the pods of services that ``policies`` name, by the service's name; others are in the injected
            namespace, with the name as the label ``app``.
        gateways: the pods of gateways that are not created for a Gateway of the injected namespace, by name.
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
    dry_run: bool = False
    policies: Sequence[Policy] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    gateways: Mapping[str, Workload] = field(default_factory=dict)


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


def allow_spec(allow: Allow) -> dict[str, Any]:
    """The spec of the policy for one service. Without a rule it allows nothing."""
    spec: dict[str, Any] = {"selector": {"matchLabels": selector_of(allow)}, "action": "ALLOW"}
    if allow.callers:
        principals = [principal(allow.namespace, caller) for caller in allow.callers]
        rule: dict[str, Any] = {"from": [{"source": {"principals": principals}}]}
        if allow.port:
            rule["to"] = [{"operation": {"ports": [str(port) for port in (allow.port, *allow.further_ports)]}}]
        spec["rules"] = [rule]
    return spec


def selector_of(allow: Allow) -> dict[str, str]:
    """The labels of a service's pods."""
    return dict(allow.selector) or {"app": allow.service}


def open_gateway_spec(gateway: str) -> dict[str, Any]:
    """Anybody may call a Gateway's pods: what they pass on is subject to the services' own policies."""
    return {"targetRefs": [target_ref(gateway)], "action": "ALLOW", "rules": [{}]}


def challenges_spec() -> dict[str, Any]:
    """Anybody may call cert-manager's solvers of HTTP-01, which know one path each and live for minutes."""
    return {"selector": {"matchLabels": {SOLVER: "true"}}, "action": "ALLOW", "rules": [{}]}


def is_guarded(gateway: str, policies: Sequence[Policy]) -> bool:
    """Whether a policy lists what a Gateway lets in, so that it is not open to everything beside."""
    return any(policy.gateway == gateway and policy.allows for policy in policies)


def _guarded(policy: Policy, args: AuthorizationArgs) -> Workload | None:
    """The pods that a policy is for; None where it names a Gateway of the injected namespace."""
    if not policy.service:
        return args.gateways.get(policy.gateway)
    return workload_of(policy.service, args.namespace, args.workloads)


class Authorization(pulumi.ComponentResource):
    """AuthorizationPolicies: nothing is allowed, except for the Gateway and what is listed. Others get HTTP 403.

    Or less: what is listed is said of each service alone, and a dry run only tells what would be denied.

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
            name_here: str,
            place: str,
            spec: dict[str, Any],
            requires: Sequence[pulumi.Resource] = (),
            kubernetes_name: str = "",
            dry_run: bool = args.dry_run,
            labels: Mapping[str, str] | None = None,
        ) -> pulumi.Resource:
            return k8s.apiextensions.CustomResource(
                policy_name(f"{name}-{name_here}", dry_run=dry_run),
                api_version=API_VERSION,
                kind="AuthorizationPolicy",
                metadata={
                    "name": policy_name(kubernetes_name or name_here, dry_run=dry_run),
                    "namespace": args.namespaces.get(place, place),
                    **({"labels": labels} if labels else {}),
                    **({"annotations": DRY_RUN} if dry_run else {}),
                },
                spec=spec,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*args.requires, *requires]),
            )

        allowing = [policy(allow_name(allow.service), allow.namespace, allow_spec(allow)) for allow in args.allows]
        for each in args.policies:
            workload = _guarded(each, args)
            place = workload.namespace if workload else args.namespace
            spec = policy_spec(each, workload)
            made = policy(
                f"policy-{each.name}",
                place,
                spec,
                kubernetes_name=each.name,
                dry_run=each.dry_run,
                labels=LABELS,
            )
            allowing += [made] if each.action == "ALLOW" else []
        if args.deny_by_default and args.gateway and not is_guarded(args.gateway, args.policies):
            allowing.append(policy(allow_name(args.gateway), args.namespace, open_gateway_spec(args.gateway)))
        if args.deny_by_default and args.challenges:
            allowing.append(policy(CHALLENGES, args.namespace, challenges_spec()))
        if args.deny_by_default:
            # Last on the way up and first on the way down: at no time is a call refused that is to be allowed.
            for place in dict.fromkeys([args.namespace, *args.namespaces]):
                denied = DENY_ALL if place == args.namespace else f"{DENY_ALL}-{place}"
                policy(denied, place, {}, allowing, kubernetes_name=DENY_ALL)
        self.register_outputs({})
