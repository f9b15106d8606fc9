"""Checks that the mesh works, for a pulumi-command `local.Command`: python -m commands.mesh_check < CHECK.json.

CHECK.json, every key needed and no other allowed but "waypoint", the Gateway of a namespace in ambient mode, and
"revision", the revision of Istio that every sidecar must be of:

    {"kubeconfig": "~/.kube/config", "context": "minikube", "namespace": "default", "istioVersion": "1.23.0",
     "deployments": ["details-v1"], "timeoutSeconds": 120, "pages": [{"service": "productpage",
     "namespace": "default", "port": 9080, "path": "/productpage", "title": "Simple Bookstore App"}]}

Looks again until all is right or timeoutSeconds are over. Where this account may forward a port of istiod's pods,
istiod is asked too: every proxy of the namespace and of istio-system must have taken its configuration. Right: stdout
{"pods": [{"namespace", "name", "containers": [{"name", "image"}]}], "pages": [{"service", "status"}]}. Wrong: exit code
1 and a table of what to do on stderr.
"""

import argparse
import html
import json
import re
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote

from . import UserError, mesh_sync, run, say, table
from .ambient import Ambient, condition
from .mesh_causes import hopeless
from .mesh_pods import SIDECAR, Problem, State, containers, current_pods, image_version, problems
from .mesh_request import Check, Page, parse
from .mesh_sync import Pending

POLL_SECONDS = 0.5
# A proxy on a busy machine is given so long to acknowledge what istiod has sent it.
ACKNOWLEDGE_SECONDS = 1.0
# A webhook may fail while istiod is exchanged.
DOOMED_SECONDS = 15
# How the API server's proxy tells of a connection that is reset, and what an AuthorizationPolicy answers.
REFUSED = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.FORBIDDEN)
GATEWAY_NAME = "gateway.networking.k8s.io%2Fgateway-name"
# By a Gateway's port, what the name of its Service begins with for the API server's proxy.
SCHEMES = {80: "", 443: "https:"}
HEADER = ("WORKLOAD", "POD", "WHAT IS WRONG", "WHAT TO DO")
SIMULATED = "kwok://"
"""How the container runtime of a node that simulates its pods calls itself: https://kwok.sigs.k8s.io"""


def words(body: str) -> str:
    """Return the message of an API server's Status, or the start of any other body, on one line."""
    with suppress(ValueError, KeyError, TypeError):
        body = str(json.loads(body)["message"])
    return " ".join(body.split())[:300]


def page_problem(page: Page, status: int, body: str) -> Problem | None:
    """Judge a page's answer: status 200 and a <title> that holds the expected one."""
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


class Cluster:
    """The API server of a kubeconfig's context; raises UserError when it cannot be used."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        from ..kube import Kube  # slow to import: most wrong input never gets this far

        self._kube = Kube(kubeconfig, context)
        self._mute = False  # whether it has been said that istiod cannot be asked

    def state(self, namespace: str, waypoint: str = "") -> State:
        """Read the namespace's Deployments, ReplicaSets and pods, and with a waypoint what ambient mode needs."""
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

    def log(self, namespace: str, pod: str, container: str) -> str:
        """What a container has written before it ended the last time; empty where that cannot be had."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&previous=true&tailLines=50"
        status, text = self._kube.text(path)
        return text if status == HTTPStatus.OK else ""

    def pending(self, there: Collection[str]) -> list[Pending]:
        """What istiods wait for from the proxies ``there`` and from Istio's own, none where that cannot be asked.

        A proxy whose pod is gone is left out: istiod keeps one whose node was lost until its connection times out.
        """
        try:
            pods = self._kube.objects(mesh_sync.PODS)
            istiods = [pod["metadata"]["name"] for pod in pods if mesh_sync.is_istiod(pod) and condition(pod, "Ready")]
            found = [each for name in istiods for each in self._pending(name)]
        except (UserError, ValueError) as error:
            if not self._mute and not self.simulated():
                say(f"istiod is not asked whether proxies took their configuration: {error}")
            self._mute = True
            return []
        counted = {*there, *mesh_sync.proxies(pods)}
        return [each for each in found if each.proxy in counted]

    def _pending(self, istiod: str) -> list[Pending]:
        pod = f"{mesh_sync.PODS}/{istiod}"
        status, body = self._kube.forwarded(pod, mesh_sync.PORT, mesh_sync.SYNCZ)
        if status != HTTPStatus.OK:
            raise ValueError(f"{istiod} answers {status} to {mesh_sync.SYNCZ}")
        log = f"{pod}/log?container={mesh_sync.CONTAINER}&tailLines=2000"
        return mesh_sync.pending(mesh_sync.parse(body), lambda: self._kube.text(log)[1])

    def page(self, page: Page) -> tuple[int, str]:
        """GET the page; return its status and body.

        A policy that an update removes holds until its end, as Pulumi deletes last: a page that is refused is asked for
        at the namespace's Gateways, too, which policies let in.
        """
        status, body = self._kube.text(quote(page.proxy_path, safe="/:"))
        for shown in self._at_gateways(page) if status in REFUSED else ():
            answer = self._kube.text(quote(shown.proxy_path, safe="/:"))
            if page_problem(shown, *answer) is None:
                return answer
        return status, body

    def _at_gateways(self, page: Page) -> list[Page]:
        """The page as the Services of the namespace's Gateways may show it."""
        from ..kube import RefusedError

        try:
            services = self._kube.objects(f"/api/v1/namespaces/{page.namespace}/services?labelSelector={GATEWAY_NAME}")
        except RefusedError:
            return []  # who may not look at Services may not call them either, which is told
        return [
            replace(page, service=f"{SCHEMES[port['port']]}{service['metadata']['name']}", port=port["port"])
            for service in services
            for port in service["spec"]["ports"]
            if port["port"] in SCHEMES
        ]

    def simulated(self) -> bool:
        """Tell whether every node is one of kwok's, whose pods run nothing; who may not look at nodes has real ones."""
        from ..kube import RefusedError

        try:
            nodes = self._kube.objects("/api/v1/nodes")
        except RefusedError:
            return False
        return bool(nodes) and all(
            node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith(SIMULATED) for node in nodes
        )


def _look(cluster: Cluster, check: Check, sleep: Callable[[float], None]) -> tuple[State, list[Problem]]:
    state = cluster.state(check.namespace, check.waypoint)
    found = problems(check, state)
    if not found:  # a page of pods that are not right would only repeat what is wrong
        judged = [page_problem(page, *cluster.page(page)) for page in check.pages]
        found = [problem for problem in judged if problem is not None] + _unsynced(cluster, state, sleep)
    return state, found


def _unsynced(cluster: Cluster, state: State, sleep: Callable[[float], None]) -> list[Problem]:
    """The proxies of the namespace, and of Istio's own, that have not taken their configuration."""
    there = mesh_sync.proxies(state.pods)
    found = cluster.pending(there)
    if found:
        sleep(ACKNOWLEDGE_SECONDS)
        found = mesh_sync.stuck(found, cluster.pending(there))
    return [mesh_sync.problem(each) for each in found]


def check_mesh(
    check: Check,
    cluster: Cluster,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look until all is right, then print the result; raise a UserError with the table when time is over."""
    say(f"Checking {len(check.deployments)} Deployments in {check.namespace}, for up to {check.timeout_seconds} s ...")
    if check.pages and cluster.simulated():
        say("The nodes simulate their pods, so that no page answers: none is asked for")
        check = replace(check, pages=())
    report(check, settle(check, cluster, now, sleep))


def settle(
    check: Check,
    cluster: Cluster,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> State:
    """Look until all is right, and return what was seen; raise a UserError with the table when time is over."""
    began = told = now()
    state, found = _look(cluster, check, sleep)
    doomed_since: float | None = None
    while found and (left := began + check.timeout_seconds - now()) > 0:
        if now() - told >= 5:
            told = now()
            first = f"{found[0].workload}: {found[0].wrong}"
            say(f"{told - began:.0f} s of {check.timeout_seconds} s: not right yet: {len(found)}, first {first}")
        doomed = hopeless(check, state, lambda pod, container: cluster.log(check.namespace, pod, container))
        doomed_since = (doomed_since or now()) if doomed else None
        if doomed_since and now() - doomed_since >= DOOMED_SECONDS:
            rows = table(HEADER, *doomed)
            raise UserError(f"The mesh will not be right, however long one waits:\n{rows}")
        sleep(min(POLL_SECONDS, left))
        try:
            state, found = _look(cluster, check, sleep)
        except UserError as error:  # it answered before: a small cluster under load drops a request now and then
            found = [Problem("API server", "-", str(error), "kubectl get nodes")]
    if found:
        rows = table(HEADER, *found)
        raise UserError(f"The mesh is not right after {now() - began:.0f} s:\n{rows}")
    return state


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
