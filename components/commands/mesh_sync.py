"""What istiod says of its proxies: whose configuration was refused or not taken yet, and why.

istiod answers debugging questions from its pod's own loopback alone, where a forwarded port ends:
https://istio.io/latest/docs/ops/diagnostic-tools/controlz/ and pilot/pkg/xds/debug.go of istio/istio.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from .mesh_pods import Manifest, Problem

NAMESPACE = "istio-system"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CONTAINER = "discovery"
PORT = 15014
SYNCZ = "/debug/syncz"
PROXY = "istio-proxy"
# As syncz calls them, by the names of their types without what all begin with, and as istiod's log calls them.
KINDS = {
    "Cluster": ("cluster", "CDS"),
    "Listener": ("listener", "LDS"),
    "RouteConfiguration": ("route", "RDS"),
    "ClusterLoadAssignment": ("endpoint", "EDS"),
    "TypedExtensionConfig": ("extensionconfig", "ECDS"),
}
REFUSED = (
    "it goes on with what it had; look for what it cannot do in EnvoyFilters, Telemetries and WasmPlugins: "
    f"kubectl get envoyfilters,telemetries,wasmplugins -A; kubectl logs -n {NAMESPACE} -l app=istiod | grep ERROR"
)


class Pending(NamedTuple):
    """A proxy's answer to one kind of configuration that istiod waits for. ``error``: why it refused; may be empty."""

    proxy: str
    kind: str
    sent: str
    error: str


def is_istiod(pod: Manifest) -> bool:
    """Whether a pod is one of the control plane's."""
    return bool(pod["metadata"].get("labels", {}).get("app") == "istiod")


def proxies(pods: Sequence[Manifest]) -> set[str]:
    """What istiod calls the proxies of these pods."""
    return {f"{pod['metadata']['name']}.{pod['metadata']['namespace']}" for pod in pods}


def pending(syncz: Sequence[Manifest], log: Callable[[], str]) -> list[Pending]:
    """What istiod has sent and has no acknowledgement of, by proxy and kind.

    Args:
        syncz: what SYNCZ answers, of any version of istiod.
        log: gives istiod's log, which says why a proxy refused where syncz does not yet.
    """
    found = []
    for proxy in syncz:
        resources = {name.rpartition(".")[2]: each for name, each in (proxy.get("resources") or {}).items()}
        name = str(proxy["proxy"])
        for kind in dict.fromkeys([*KINDS, *resources]):
            prefix = KINDS.get(kind, ("",))[0]
            sent, acked = (str(proxy.get(f"{prefix}_{what}") or "") for what in ("sent", "acked"))
            error = str((resources.get(kind) or {}).get("lastError") or "")
            if error or sent != acked:
                found.append(Pending(name, kind, sent, error))
    if all(each.error for each in found):
        return found
    written = log()
    return [each._replace(error=each.error or _refusal(each, written)) for each in found]


def _refusal(each: Pending, log: str) -> str:
    """Why a proxy refused, as istiod has last written it; empty where it has not."""
    short = KINDS[each.kind][1]
    said = re.findall(rf"ADS:{short}: ACK ERROR {re.escape(each.proxy)}-\d+ \w+:(.*)", log)
    return said[-1] if said else ""


def stuck(before: Collection[Pending], after: Collection[Pending]) -> list[Pending]:
    """What was refused, and what is not acknowledged a while after it was sent: a busy istiod always waits for some."""
    waiting = {each[:3] for each in before}
    return [each for each in after if each.error or each[:3] in waiting]


def problem(each: Pending) -> Problem:
    """A row of the table of failures."""
    if each.error:
        said = " ".join(each.error.split())[:300]
        return Problem(PROXY, each.proxy, f"refuses its configuration of type {each.kind}: {said}", REFUSED)
    pod, _, namespace = each.proxy.rpartition(".")
    remedy = f"kubectl logs {pod} -n {namespace} -c {PROXY}"
    return Problem(PROXY, each.proxy, f"has not taken its configuration of type {each.kind}", remedy)


def parse(body: str) -> list[Manifest]:
    """The proxies in what SYNCZ answered.

    Raises:
        ValueError: it is no list of proxies.
    """
    listed = json.loads(body)
    if not isinstance(listed, list) or not all(isinstance(each, dict) and "proxy" in each for each in listed):
        raise ValueError(f"no list of proxies: {body[:100]}")
    return listed
