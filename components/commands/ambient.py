"""What must be so of a namespace in ambient mode: pure rules on objects as the API server gives them.

Source: https://istio.io/latest/docs/ambient/usage/verify-mtls-enabled/ and
https://istio.io/latest/docs/ambient/usage/troubleshoot-ztunnel/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]

MODE = "istio.io/dataplane-mode"
USE_WAYPOINT = "istio.io/use-waypoint"
# istio-cni writes it on a pod whose traffic it redirects to ztunnel.
REDIRECTION = "ambient.istio.io/redirection"


@dataclass(frozen=True, kw_only=True)
class Ambient:
    """What a namespace's pods need around them. waypoint: the Gateway; None where there is none."""

    namespace: Manifest
    ztunnels: list[dict[str, Any]]
    waypoint: Manifest | None


def condition(item: Manifest, kind: str) -> bool:
    """Whether an object says of itself that a condition is true."""
    conditions = item.get("status", {}).get("conditions") or []
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)


def namespace_faults(ambient: Ambient, waypoint: str) -> list[tuple[str, str]]:
    """What is wrong with the namespace as a whole, each with what to do about it."""
    name = ambient.namespace["metadata"]["name"]
    labels = ambient.namespace["metadata"].get("labels", {})
    found = [
        (f"label {key} is {labels.get(key, 'missing')}, not {wanted}", f"kubectl label namespace {name} {key}={wanted}")
        for key, wanted in ((MODE, "ambient"), (USE_WAYPOINT, waypoint))
        if labels.get(key) != wanted
    ]
    if ambient.waypoint is None:
        found.append((f"no Gateway {waypoint}", f"kubectl get gateways -n {name}"))
    elif not condition(ambient.waypoint, "Programmed"):
        found.append((f"Gateway {waypoint} is not Programmed", f"kubectl describe gateway/{waypoint} -n {name}"))
    return found


def pod_faults(ambient: Ambient, pod: Manifest, containers: list[str], restart: str) -> list[tuple[str, str]]:
    """What is wrong with a pod beside its own readiness, each with what to do about it."""
    found = []
    if "istio-proxy" in containers:
        found.append(("has a sidecar, which keeps it out of ambient", f"older than the namespace's label: {restart}"))
    elif pod["metadata"].get("annotations", {}).get(REDIRECTION) != "enabled":
        found.append(
            ("its traffic is not redirected to ztunnel", "kubectl logs -n istio-system daemonset/istio-cni-node")
        )
    node = pod["spec"].get("nodeName", "")
    here = [ztunnel for ztunnel in ambient.ztunnels if ztunnel["spec"].get("nodeName") == node]
    if not any(condition(ztunnel, "Ready") for ztunnel in here):
        found.append(
            (f"no ready ztunnel on node {node or '-'}", "kubectl get pods -n istio-system -l app=ztunnel -o wide")
        )
    return found
