"""Checks that the mesh works, for a pulumi-command `local.Command`: python -m commands.mesh_check < CHECK.json.

CHECK.json, every key needed and no other allowed but "waypoint", the Gateway of a namespace in ambient mode:

    {"kubeconfig": "~/.kube/config", "context": "minikube", "namespace": "default", "istioVersion": "1.23.0",
     "deployments": ["details-v1"], "timeoutSeconds": 120, "pages": [{"service": "productpage",
     "namespace": "default", "port": 9080, "path": "/productpage", "title": "Simple Bookstore App"}]}

Looks again until all is right or timeoutSeconds are over. Right: stdout {"pods": [{"namespace", "name", "containers":
[{"name", "image"}]}], "pages": [{"service", "status"}]}. Wrong: exit code 1 and a table of what to do on stderr.
"""

import argparse
import html
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from . import UserError, run, say
from .ambient import Ambient, namespace_faults, pod_faults

POLL_SECONDS = 0.5
SIDECAR = "istio-proxy"
REVISION = "deployment.kubernetes.io/revision"
Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page behind a Service: port 1 to 65535; path starts with /, without query; title is part of its <title>."""

    service: str
    namespace: str
    port: int
    path: str
    title: str

    @property
    def proxy_path(self) -> str:
        """Return the page's path on the API server, whose proxy needs no tunnel and no port-forward.

        https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
        """
        return f"/api/v1/namespaces/{self.namespace}/services/{self.service}:{self.port}/proxy{self.path}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What to check, as in the module's docstring."""

    kubeconfig: str
    context: str
    namespace: str
    istio_version: str
    deployments: tuple[str, ...]
    pages: tuple[Page, ...]
    timeout_seconds: int
    waypoint: str = ""


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


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _whole(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


_TEXT = (_text, "a text that is not empty")
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("kubeconfig", "context", "namespace", "istioVersion"), _TEXT),
    "deployments": (
        lambda value: isinstance(value, list) and value != [] and all(map(_text, value)),
        "a list of at least one Deployment's name",
    ),
    "pages": (lambda value: isinstance(value, list), "a list of pages"),
    "timeoutSeconds": (_whole(3600), "a whole number from 1 to 3600"),
}
_OPTIONAL = {"waypoint": _TEXT}
_PAGE_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("service", "namespace", "title"), _TEXT),
    "port": (_whole(65535), "a whole number from 1 to 65535"),
    "path": (lambda value: _text(value) and bool(re.fullmatch("/[^?#]*", value)), "a text such as /productpage"),
}


def _fields(document: Any, fields: dict[str, tuple[Callable[[Any], bool], str]], where: str) -> Manifest:
    if not isinstance(document, dict):
        raise UserError(f"{where} is {json.dumps(document)}; accepted: an object with {', '.join(fields)}.")
    if odd := [key for key in document if key not in fields] or [key for key in fields if key not in document]:
        fault = "not a known key" if odd[0] in document else "missing"
        raise UserError(f"{where}: {odd[0]} is {fault}; accepted: {', '.join(fields)}.")
    for key, (accepts, form) in fields.items():
        if not accepts(document[key]):
            raise UserError(f"{where}: {key} is {json.dumps(document[key])}; accepted: {form}.")
    return document


def parse(text: str) -> Check:
    """Read CHECK.json.

    Raises:
        UserError: not JSON, an unknown or missing key, or a wrong value; names the key, the value, what is accepted.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UserError(f"The mesh check's input on stdin is not JSON: {error}.") from None
    optional = {key: _OPTIONAL[key] for key in _OPTIONAL if isinstance(document, dict) and key in document}
    given = _fields(document, _FIELDS | optional, "The mesh check's input")
    pages = [_fields(page, _PAGE_FIELDS, f"The mesh check's pages[{i}]") for i, page in enumerate(given["pages"])]
    return Check(
        kubeconfig=given["kubeconfig"],
        context=given["context"],
        namespace=given["namespace"],
        istio_version=given["istioVersion"],
        deployments=tuple(given["deployments"]),
        pages=tuple(Page(**page) for page in pages),
        timeout_seconds=given["timeoutSeconds"],
        waypoint=given.get("waypoint", ""),
    )


def image_version(image: str) -> str | None:
    """Return an image's tag; None when it has none (a digest says nothing of the version)."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2] or None


def is_version(tag: str, version: str) -> bool:
    """Tell whether a tag is `version`, in any variant (1.23.0-distroless) but no pre-release (1.23.0-rc.1)."""
    return tag == version or bool(re.match(re.escape(version) + "-(?!alpha|beta|rc)", tag))


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


def _statuses(pod: Manifest) -> list[Manifest]:
    return [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]


def _why_unready(pod: Manifest) -> str:
    """Return the reason of each container that is not ready, or why the pod was not scheduled, or its phase."""
    reasons = []
    for container in _statuses(pod):
        if not container.get("ready"):
            state = container.get("state", {})
            detail = state.get("waiting") or state.get("terminated") or {"reason": "running, its probe not passed yet"}
            parts = [detail.get("reason", "not ready"), detail.get("message", "")]
            reasons.append(f"{container['name']}: {' '.join(filter(None, parts))}")
    scheduled = _conditions(pod).get("PodScheduled", {})
    return "; ".join(reasons) or scheduled.get("message") or f"phase {pod['status'].get('phase', 'unknown')}"


def _sidecar_faults(pod: Manifest, version: str, restart: str) -> list[tuple[str, str]]:
    sidecar = next((container for container in containers(pod) if container["name"] == SIDECAR), None)
    if sidecar is None:
        return [(f"no {SIDECAR} container", f"namespace label? pod older than injection: {restart}")]
    if (tag := image_version(sidecar["image"])) is not None and not is_version(tag, version):
        return [(f"{SIDECAR} is {tag}, not {version}", f"older than istiod: {restart}")]
    return []


def _pod_problems(workload: str, pod: Manifest, check: Check, around: Ambient | None) -> list[Problem]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    restart = f"kubectl rollout restart deployment/{workload} -n {namespace}"
    names = [container["name"] for container in containers(pod)]
    faults = pod_faults(around, pod, names, restart) if around else _sidecar_faults(pod, check.istio_version, restart)
    found = [Problem(workload, name, wrong, remedy) for wrong, remedy in faults]
    ready = {status["name"] for status in _statuses(pod) if status.get("ready")}
    pod_ready = _conditions(pod).get("Ready", {}).get("status") == "True"
    if not pod_ready or (SIDECAR in names and SIDECAR not in ready):
        remedy = f"kubectl describe pod/{name} -n {namespace}"
        found.append(Problem(workload, name, f"not ready: {_why_unready(pod)}", remedy))
    return found


def problems(check: Check, state: State) -> list[Problem]:
    """Return everything that is wrong with the Deployments' current pods, in the order asked for; [] when all is right.

    Right means: the controller has seen the newest spec, all replicas exist, each pod is Ready and has a ready
    istio-proxy of the wanted version, or in ambient mode what commands/ambient.py wants: https://istio.io/v1.23/docs/ops/common-problems/injection/
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


def words(body: str) -> str:
    """Return the message of an API server's Status, or the start of any other body, on one line."""
    with suppress(ValueError, KeyError, TypeError):
        body = str(json.loads(body)["message"])
    return " ".join(body.split())[:300]


def page_problem(page: Page, status: int, body: str) -> Problem | None:
    """Judge a page's answer: status 200 and a <title> that holds the wanted one."""
    remedy = f"kubectl get --raw {page.proxy_path}"
    if status in (401, 403):
        return Problem(
            page.service, "-", f"{page.path}: HTTP {status}", "no right to services/proxy: meshCheckHttp false"
        )
    if status != 200:
        return Problem(page.service, "-", f"{page.path}: HTTP {status}: {words(body)}", remedy)
    match = re.search("<title[^>]*>(.*?)</title>", body, re.IGNORECASE | re.DOTALL)
    title = " ".join(html.unescape(match[1]).split()) if match else ""
    if page.title not in title:
        return Problem(page.service, "-", f"{page.path}: its title is {title!r}, not {page.title!r}", remedy)
    return None


def table(*rows: tuple[str, ...]) -> str:
    """Lay rows out in columns; the first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


class Cluster:
    """The API server of a kubeconfig's context; raises UserError when it cannot be used."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        from ..kube import Kube  # slow to import: most wrong input never gets this far

        with _told():
            self._kube = Kube(kubeconfig, context)

    def state(self, namespace: str, waypoint: str = "") -> State:
        """Read the namespace's Deployments, ReplicaSets and pods, and with a waypoint what ambient mode needs."""
        with _told():
            return State(
                deployments=self._kube.objects(f"/apis/apps/v1/namespaces/{namespace}/deployments"),
                replica_sets=self._kube.objects(f"/apis/apps/v1/namespaces/{namespace}/replicasets"),
                pods=self._kube.objects(f"/api/v1/namespaces/{namespace}/pods"),
                ambient=self._ambient(namespace, waypoint) if waypoint else None,
            )

    def _ambient(self, namespace: str, waypoint: str) -> Ambient:
        gateways = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways"
        return Ambient(
            namespace=self._kube.find(f"/api/v1/namespaces/{namespace}") or {"metadata": {"name": namespace}},
            ztunnels=self._kube.objects("/api/v1/namespaces/istio-system/pods?labelSelector=app%3Dztunnel"),
            waypoint=self._kube.find(f"{gateways}/{waypoint}"),
        )

    def page(self, page: Page) -> tuple[int, str]:
        """GET the page; return its status and body."""
        with _told():
            return self._kube.text(quote(page.proxy_path, safe="/:"))


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a kubeconfig or an API server is the user's to put right."""
    from ..kube import KubeError

    try:
        yield
    except KubeError as error:
        raise UserError(f"{error}.") from error


def _look(cluster: Cluster, check: Check) -> tuple[State, list[Problem]]:
    state = cluster.state(check.namespace, check.waypoint)
    found = problems(check, state)
    if not found:  # a page of pods that are not right would only repeat what is wrong
        judged = [page_problem(page, *cluster.page(page)) for page in check.pages]
        found = [problem for problem in judged if problem is not None]
    return state, found


def check_mesh(
    check: Check,
    cluster: Cluster,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look until all is right, then print the result; raise a UserError with the table when time is over."""
    began = told = now()
    say(f"Checking {len(check.deployments)} Deployments in {check.namespace}, for up to {check.timeout_seconds} s ...")
    state, found = _look(cluster, check)
    while found and (left := began + check.timeout_seconds - now()) > 0:
        if now() - told >= 5:
            told = now()
            first = f"{found[0].workload}: {found[0].wrong}"
            say(f"{told - began:.0f} s of {check.timeout_seconds} s: not right yet: {len(found)}, first {first}")
        sleep(min(POLL_SECONDS, left))
        try:
            state, found = _look(cluster, check)
        except UserError as error:  # it answered before: a small cluster under load drops a request now and then
            found = [Problem("API server", "-", str(error), "kubectl get nodes")]
    if found:
        rows = table(("WORKLOAD", "POD", "WHAT IS WRONG", "WHAT TO DO"), *found)
        raise UserError(f"The mesh is not right after {now() - began:.0f} s:\n{rows}")
    report(check, state)


def report(check: Check, state: State) -> None:
    """Print the result on stdout and the table of what was seen on stderr."""
    seen = [("WORKLOAD", "POD", "SIDECAR VERSION")]
    pods = []
    by_name = {deployment["metadata"]["name"]: deployment for deployment in state.deployments}
    for workload in check.deployments:
        for pod in current_pods(by_name[workload], state):
            images = [{"name": container["name"], "image": container["image"]} for container in containers(pod)]
            pods.append({**{key: pod["metadata"][key] for key in ("namespace", "name")}, "containers": images})
            sidecars = [image_version(image["image"]) for image in images if image["name"] == SIDECAR]
            shown = sidecars[0] or "version not visible" if sidecars else "none, ambient"
            seen.append((workload, pod["metadata"]["name"], shown))
    say(table(*seen))
    pods.sort(key=lambda pod: str(pod["name"]))
    pages = [{"service": page.service, "status": 200} for page in check.pages]
    print(json.dumps({"pods": pods, "pages": pages}))


def main(arguments: list[str] | None = None) -> int:
    """Read the check from stdin, do it, and return the exit code. The command line takes nothing but --help."""
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser("python -m commands.mesh_check", description=__doc__, formatter_class=raw).parse_args(
        arguments
    )

    def work() -> None:
        check = parse(sys.stdin.read())
        check_mesh(check, Cluster(check.kubeconfig, check.context))

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
