"""What a cloud's Kubernetes service changes in admission webhooks by itself, for good: no drift of anybody's."""

from collections.abc import Mapping
from typing import Any

# AKS keeps every webhook away from its own namespaces: https://learn.microsoft.com/azure/aks/faq
AKS_KEYS = frozenset({"control-plane", "kubernetes.azure.com/managedby"})
# GKE Autopilot does so by name: https://cloud.google.com/kubernetes-engine/docs/concepts/autopilot-security
NAME, GKE_NAMESPACES = "kubernetes.io/metadata.name", ("kube-", "gke-")
EXCLUDING = frozenset({"NotIn", "DoesNotExist"})
Manifest = Mapping[str, Any]


def is_clouds(expression: Manifest) -> bool:
    """Whether a cloud has put this into a webhook's namespaceSelector."""
    if expression["operator"] not in EXCLUDING:
        return False
    if expression["key"] in AKS_KEYS:
        return True
    values = expression.get("values") or ()
    return expression["key"] == NAME and bool(values) and all(value.startswith(GKE_NAMESPACES) for value in values)


def with_exclusions(wanted: Manifest, live: Manifest) -> dict[str, Any]:
    """A webhook configuration with what a cloud has added to the live one's namespaceSelectors, in the live order."""
    found = {webhook["name"]: webhook for webhook in live.get("webhooks") or ()}
    webhooks = [_excluding(webhook, found.get(webhook["name"], {})) for webhook in wanted.get("webhooks") or ()]
    return {**wanted, "webhooks": webhooks}


def _excluding(wanted: Manifest, live: Manifest) -> dict[str, Any]:
    there = (live.get("namespaceSelector") or {}).get("matchExpressions") or []
    selector = wanted.get("namespaceSelector") or {}
    ours = selector.get("matchExpressions") or []
    added = [expression for expression in there if is_clouds(expression) and expression not in ours]
    if not added:
        return dict(wanted)
    # The list is compared as it stands: where only a cloud's are more than ours, the live order is right.
    same = [expression for expression in there if expression not in added] == ours
    return {**wanted, "namespaceSelector": {**selector, "matchExpressions": there if same else [*ours, *added]}}
