"""Judges the pods of a namespace: what is wrong with each, and what to do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .ambient import Ambient, condition, namespace_faults, pod_faults
from .mesh_request import Check

SIDECAR = "istio-proxy"
REVISION = "deployment.kubernetes.io/revision"
# On pods of this project: another value rolls them.
DATA_PLANE = "istio-minikube/data-plane"
# What injection writes on a pod.
STATUS, ISTIO_REVISION = "sidecar.istio.io/status", "istio.io/rev"
Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class State:
    """The namespace's objects as the API server gives them. ambient: what else counts there; None for sidecars."""

    deployments: list[Manifest]
    replica_sets: list[Manifest]
    pods: list[Manifest]
    ambient: Ambient | None = None


class Problem(NamedTuple):
    """A row of the table of failures."""

    workload: str
    pod: str
    wrong: str
    remedy: str


def image_version(image: str) -> str | None:
    """Return an image's tag; None when it has none (a digest says nothing of the version)."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2] or None


def is_version(tag: str, version: str) -> bool:
    """Tell whether a tag is `version`, in any variant (1.23.0-distroless) but no pre-release (1.23.0-rc.1)."""
    return tag == version or bool(re.match(re.escape(version) + "-(?!alpha|beta|rc)", tag))


def revision_of(annotations: Mapping[str, str]) -> str:
    """Return the revision of Istio in what injection has written on a pod, or istiod on the pods that it makes.

    A label may be a tag; these never are. Source: pkg/kube/inject of istio/istio.
    """
    try:
        return str(json.loads(annotations[STATUS])["revision"])
    except (KeyError, ValueError, TypeError):
        return annotations.get(ISTIO_REVISION, "")


def containers(pod: Manifest) -> list[Manifest]:
    """Return the pod's lasting containers: its containers, then its native sidecars.

    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    native = [c for c in pod["spec"].get("initContainers", []) if c.get("restartPolicy") == "Always"]
    return [*pod["spec"]["containers"], *native]


def current_pods(deployment: Manifest, state: State) -> list[Manifest]:
    """Return the pods of the Deployment's current ReplicaSet by name, without terminating and ended (evicted) ones."""

    def belongs(item: Manifest, owners: set[str]) -> bool:
        return any(owner["uid"] in owners for owner in item["metadata"].get("ownerReferences", []))

    def revision(item: Manifest) -> Any:
        return item["metadata"].get("annotations", {}).get(REVISION)

    owned = [item for item in state.replica_sets if belongs(item, {deployment["metadata"]["uid"]})]
    current = {item["metadata"]["uid"] for item in owned if revision(item) == revision(deployment)}
    alive = [
        pod
        for pod in state.pods
        if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]
    return sorted((pod for pod in alive if belongs(pod, current)), key=lambda pod: str(pod["metadata"]["name"]))


def _conditions(item: Manifest) -> dict[str, Manifest]:
    return {condition["type"]: condition for condition in item.get("status", {}).get("conditions", [])}


def _why_fewer(deployment: Manifest) -> str:
    """Return what the Deployment's own conditions say about pods that are not there, e.g. FailedCreate by a quota."""
    conditions = _conditions(deployment)
    for kind, bad in (("ReplicaFailure", "True"), ("Progressing", "False"), ("Available", "False")):
        if conditions.get(kind, {}).get("status") == bad:
            return f": {conditions[kind].get('reason', kind)}: {conditions[kind].get('message', '')}"
    return ""


def statuses(pod: Manifest) -> list[Manifest]:
    """Return what is said of each container, those of init containers first."""
    return [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]


def _why_unready(pod: Manifest) -> str:
    """Return the reason of each container that is not ready, or why the pod was not scheduled, or its phase."""
    reasons = []
    for container in statuses(pod):
        if not container.get("ready"):
            state = container.get("state", {})
            detail = state.get("waiting") or state.get("terminated") or {"reason": "running, its probe not passed yet"}
            parts = [detail.get("reason", "not ready"), detail.get("message", "")]
            reasons.append(f"{container['name']}: {' '.join(filter(None, parts))}")
    scheduled = _conditions(pod).get("PodScheduled", {})
    return "; ".join(reasons) or scheduled.get("message") or f"phase {pod['status'].get('phase', 'unknown')}"


def _sidecar_faults(pod: Manifest, check: Check, restart: str) -> list[tuple[str, str]]:
    sidecar = next((container for container in containers(pod) if container["name"] == SIDECAR), None)
    if sidecar is None:
        return [(f"no {SIDECAR} container", f"namespace label? pod older than injection: {restart}")]
    if (tag := image_version(sidecar["image"])) is not None and not is_version(tag, check.istio_version):
        return [(f"{SIDECAR} is {tag}, not {check.istio_version}", f"older than istiod: {restart}")]
    has = revision_of(pod["metadata"].get("annotations", {}))
    if check.revision and has != check.revision:
        return [
            (f"{SIDECAR} is of revision {has}, not {check.revision}", f"older than its namespace's label: {restart}")
        ]
    return []


def is_ready(pod: Manifest) -> bool:
    """Tell whether a pod is Ready."""
    return condition(pod, "Ready")


def _pod_problems(workload: str, pod: Manifest, check: Check, around: Ambient | None) -> list[Problem]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    restart = f"kubectl rollout restart deployment/{workload} -n {namespace}"
    names = [container["name"] for container in containers(pod)]
    faults = pod_faults(around, pod, names, restart) if around else _sidecar_faults(pod, check, restart)
    found = [Problem(workload, name, wrong, remedy) for wrong, remedy in faults]
    ready = {status["name"] for status in statuses(pod) if status.get("ready")}
    if not is_ready(pod) or (SIDECAR in names and SIDECAR not in ready):
        remedy = f"kubectl describe pod/{name} -n {namespace}"
        found.append(Problem(workload, name, f"not ready: {_why_unready(pod)}", remedy))
    return found


def problems(check: Check, state: State) -> list[Problem]:
    """Return everything that is wrong with the Deployments' current pods, in the order asked for; [] when all is right.

    Right means: the controller has seen the newest spec, all replicas exist, each pod is Ready and has a ready
    istio-proxy of the expected version, or in ambient mode what commands/ambient.py expects: https://istio.io/v1.23/docs/ops/common-problems/injection/
    """
    found = []
    if state.ambient:
        faults = namespace_faults(state.ambient, check.waypoint)
        found += [Problem(f"namespace {check.namespace}", "-", wrong, remedy) for wrong, remedy in faults]
    by_name = {deployment["metadata"]["name"]: deployment for deployment in state.deployments}
    for workload in check.deployments:
        deployment = by_name.get(workload)
        look = f"kubectl describe deployment/{workload} -n {check.namespace}"
        if deployment is None:
            remedy = f"kubectl get deployments -n {check.namespace}"
            found.append(Problem(workload, "-", f"no such Deployment in namespace {check.namespace}", remedy))
            continue
        if deployment.get("status", {}).get("observedGeneration", 0) < deployment["metadata"]["generation"]:
            found.append(Problem(workload, "-", "its newest version is not rolled out yet", look))
            continue
        pods = current_pods(deployment, state)
        wanted = deployment["spec"].get("replicas", 1)
        if not pods or len(pods) < wanted:
            found.append(Problem(workload, "-", f"{len(pods)} of {wanted} pods{_why_fewer(deployment)}", look))
        for pod in pods:
            found += _pod_problems(workload, pod, check, state.ambient)
    return found
