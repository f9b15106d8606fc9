"""The tour's steps: each shows something, and makes sure that it is as the texts say."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable

from components.commands import UserError
from components.workloads.bookinfo import PAGE_TITLE, PORT, SHOWN, WORKLOADS
from operations.tour.world import World

OK = 200
REQUESTS = 200
"""Enough that 10 % of them are never none."""

SCENARIO = "reviews-90-10"
BLACK_AT_MOST = 60
CONTAINERS = ("Init Containers:", "Containers:")
POD, CONTAINER = r"Name(space)?: ", r"(Init )?Containers:|  \S+:$|    Image: "
SETTLED = 20
"""So many answers in a row mean that a change has reached every proxy."""


def why(_: World) -> None:
    """Nothing but words."""


def cluster(world: World) -> None:
    """The nodes."""
    world.show("kubectl", "get", "nodes")


def istio(world: World) -> None:
    """Istio's own pods, Services and autoscalers."""
    world.show("kubectl", "get", "pods,services,horizontalpodautoscalers", "--namespace", "istio-system")


def gateway(world: World) -> None:
    """The Gateway API and Bookinfo's Gateway and HTTPRoute."""
    world.show("kubectl", "get", "crd", "gateways.gateway.networking.k8s.io")
    world.show("kubectl", "get", "gateways,httproutes", "--namespace", world.namespace)


def namespace(world: World) -> None:
    """The label that brings the sidecars."""
    shown = world.show("kubectl", "get", "namespace", world.namespace, "--show-labels")
    expect("istio-injection=enabled" in shown or "istio.io/rev=" in shown, f"a label of injection on {world.namespace}")


def pods(world: World) -> None:
    """Bookinfo's pods, each with two containers."""
    shown = world.show("kubectl", "get", "pods", "--namespace", world.namespace)
    for workload in WORKLOADS:
        expect(re.search(rf"^{workload.name}-\S+ +2/2 ", shown, re.MULTILINE), f"a pod of {workload.name} that is 2/2")


def envoy(world: World) -> None:
    """The proxy in the description of a pod of details."""
    selector = f"/api/v1/namespaces/{world.namespace}/pods?labelSelector=app%3Ddetails"
    name = world.kube.metadata(selector)[0]["name"]
    shown = world.show("kubectl", "describe", "pod", name, "--namespace", world.namespace, excerpt=containers)
    expect("istio-proxy:" in shown, f"a container istio-proxy in pod {name}")


def page(world: World) -> None:
    """Requests through the gateway, while no rule says which version answers."""
    world.needs_answers()
    world.until(f"{world.page} to answer", lambda: answers(world, SETTLED)["ok"] == SETTLED)
    say_answers(world, answers(world, SETTLED))


def traffic(world: World) -> None:
    """A canary: a tenth of the requests for a new version."""
    routed = "reviews" in json.loads(world.settings["traffic"])
    world.needs("scenario", lambda own: not own and not routed)
    world.switch("scenario", SCENARIO)
    world.show("kubectl", "get", "httproutes", "--namespace", world.namespace)

    def settled() -> bool:
        found = answers(world, SETTLED)
        return found["ok"] == SETTLED and not found["red"]

    world.until("reviews v3 to get no more requests", settled)
    found = answers(world, REQUESTS)
    say_answers(world, found)
    expect(found["ok"] == REQUESTS and not found["red"], f"{REQUESTS} answers without red stars")
    expect(0 < found["black"] <= BLACK_AT_MOST, f"black stars in about a tenth of {REQUESTS} answers")


def security(world: World) -> None:
    """Mutual TLS: plain text is refused."""
    # A namespace with policies of its own refuses the API server's request before there is mutual TLS.
    world.needs("security", lambda own: not {*json.loads(own)} - {"tls"})
    path = f"/api/v1/namespaces/{world.namespace}/services/{SHOWN}:{PORT}/proxy/productpage"
    expect(say_plain(world, path) == OK, "an answer to plain text")
    world.switch("security", {"mtls": {"mode": "STRICT"}})
    world.show("kubectl", "get", "peerauthentications", "--all-namespaces")
    world.until("plain text to be refused", lambda: all(world.kube.text(path)[0] != OK for _ in range(3)))
    expect(say_plain(world, path) != OK, "plain text to be refused")
    world.until(f"{world.page} to answer", lambda: answers(world, SETTLED)["ok"] == SETTLED)
    say_answers(world, answers(world, SETTLED))


def observability(world: World) -> None:
    """Access logs: a line of the proxy for a request."""
    world.needs("observability", lambda own: not json.loads(own).get("accessLogs"))
    world.switch("observability", {"accessLogs": True})
    world.show("kubectl", "get", "telemetries", "--all-namespaces")
    mark = f"?tour={uuid.uuid4().hex[:8]}"
    pod = f"/api/v1/namespaces/{world.namespace}/pods?labelSelector=app%3D{SHOWN}"
    name = world.kube.metadata(pod)[0]["name"]
    log = f"/api/v1/namespaces/{world.namespace}/pods/{name}/log?container=istio-proxy&tailLines=100"

    def told() -> bool:
        world.ask(mark)
        return mark in world.kube.text(log)[1]

    world.say(f"$ curl '{world.page}{mark}'")
    world.until("a line of the proxy's log for this request", told)
    words = ("kubectl", "logs", name, "--namespace", world.namespace, "--container", "istio-proxy", "--tail", "100")
    world.show(*words, excerpt=lambda text: next((line for line in text.splitlines() if mark in line), ""))


def end(_: World) -> None:
    """What to do next."""


STEPS: dict[str, Callable[[World], None]] = {
    step.__name__: step
    for step in (why, cluster, istio, gateway, namespace, pods, envoy, page, traffic, security, observability, end)
}


def answers(world: World, count: int) -> Counter[str]:
    """So many requests to the page, counted: ``sent``, ``ok``, and what stars those showed."""
    found: Counter[str] = Counter(sent=count)
    for _ in range(count):
        answer = world.ask()
        if answer.status == OK and PAGE_TITLE in answer.body:
            found["ok"] += 1
            stars = re.search(r"text-(red|black)-500", answer.body)
            found[stars[1] if stars else "none"] += 1
    return found


def say_answers(world: World, found: Counter[str]) -> None:
    """Tell what requests to the page were answered with."""
    places = {name: found[name] for name in ("sent", "ok", "none", "black", "red")}
    world.say(world.texts.phrase("page", url=world.page, **places) + "\n")


def say_plain(world: World, path: str) -> int:
    """Ask for the page in plain text, by the API server; the status, which is told."""
    world.say(f"$ kubectl get --raw {path}")
    status, body = world.kube.text(path)
    world.say(world.texts.phrase("answer", status=status, words=said(body)) + "\n")
    return status


def said(body: str) -> str:
    """What a page, or the API server in its place, says in a few words: its title, or its message."""
    if title := re.search(r"<title>(.*?)</title>", body):
        return title[1].strip()
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    message = answer.get("message") if isinstance(answer, dict) else None
    return str(message or body).strip()[:200]


def containers(description: str) -> str:
    """Of a pod's description its name, and each container's name and image."""
    section, kept = "", []
    for line in description.splitlines():
        if not line.startswith(" "):
            section = line.strip()
        pattern = CONTAINER if section in CONTAINERS else POD
        if re.match(pattern, line):
            kept.append(line)
    return "\n".join(kept)


def expect(held: object, what: str) -> None:
    """Go on where it is as the texts say.

    Raises:
        UserError: it is not.
    """
    if not held:
        raise UserError(f"the tour expected {what}, which is not so: `make up` brings the stack to what it should be")
