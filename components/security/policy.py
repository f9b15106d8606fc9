"""Who may ask for what, as one AuthorizationPolicy says it of one service or Gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..workloads.exposure import target_ref

DRY_RUN = {"istio.io/dry-run": "true"}
"""Annotations of a policy that is evaluated, counted and logged, and not enforced."""
LABELS = {"istio-minikube/policy": "true"}
"""Labels of a policy whose name is its author's choice, by which it is known again."""
# Istio reads it as the mesh's own trust domain, whatever that is called.
TRUST_DOMAIN = "cluster.local"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The pods of a service, as policies name them.

    Attributes:
        namespace: their namespace.
        selector: labels that they have, and no other pods of the namespace.
        ports: the containers' ports over TCP; none stands for every one of them.
        http_ports: those of them that speak HTTP.
    """

    namespace: str
    selector: Mapping[str, str]
    ports: Sequence[int] = ()
    http_ports: Sequence[int] = ()


def workload_of(service: str, namespace: str, known: Mapping[str, Workload]) -> Workload:
    """The pods of a service; where nothing else is known, those of the namespace with its name as the label ``app``."""
    return known.get(service, Workload(namespace=namespace, selector={"app": service}))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one AuthorizationPolicy says of one service, or of one Gateway.

    Attributes:
        name: its name.
        service: the service that it is for; empty for a Gateway's.
        gateway: the gateway that it is for, the injected namespace's or another's; empty for a service's.
        action: what becomes of a request that a rule fits.
        rules: the rules, in Istio's own spelling: ``from``, ``to`` and ``when``. None fits no request.
        dry_run: whether it is evaluated, counted and logged, and not enforced.
        provider: with CUSTOM, the name of the authorizer in ``meshConfig.extensionProviders``.

    Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
    """

    name: str
    service: str = ""
    gateway: str = ""
    action: Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"] = "ALLOW"
    rules: Sequence[Mapping[str, Any]] = ()
    dry_run: bool = False
    provider: str = ""

    @property
    def namespaces(self) -> set[str]:
        """The namespaces of the callers that it allows, as far as it names them."""
        sources = [each["source"] for rule in self.rules for each in rule.get("from", ())] if self.allows else []
        named = {name for source in sources for name in source.get("namespaces", ())}
        named |= {_namespace(name) for source in sources for name in source.get("principals", ())}
        return {name for name in named if name and "*" not in name}

    @property
    def allows(self) -> bool:
        """Whether it lets anybody in."""
        return self.action == "ALLOW" and not self.dry_run


def policy_name(name: str, *, dry_run: bool) -> str:
    """The name of a policy's object: another one for a dry run, so that neither is ever changed into the other.

    Changed in place, allowances would end before the denial that they are from.
    """
    return f"{name}-dry-run" if dry_run else name


def _namespace(identity: str) -> str:
    """The namespace in TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT."""
    return identity.partition("/ns/")[2].partition("/sa/")[0]


def principal(namespace: str, account: str) -> str:
    """The identity of NAME or NAMESPACE/NAME as a policy spells it."""
    place, _, name = account.rpartition("/")
    return f"{TRUST_DOMAIN}/ns/{place or namespace}/sa/{name}"


def target(workload: Workload | None, gateway: str) -> dict[str, Any]:
    """What a spec names its pods by: the labels of a service's, or their Gateway."""
    if workload is None:
        return {"targetRefs": [target_ref(gateway)]}
    return {"selector": {"matchLabels": dict(workload.selector)}}


def policy_spec(policy: Policy, workload: Workload | None) -> dict[str, Any]:
    """The spec of a policy for the pods of ``workload``, or of its Gateway where that is None."""
    return {
        **target(workload, policy.gateway),
        "action": policy.action,
        **({"provider": {"name": policy.provider}} if policy.provider else {}),
        **({"rules": [dict(rule) for rule in policy.rules]} if policy.rules else {}),
    }
