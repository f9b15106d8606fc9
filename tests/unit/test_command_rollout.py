"""Pods with an old proxy: which are told of, and which Deployments are restarted, one after the other."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.commands import UserError, rollout
from components.commands.mesh_pods import State
from components.commands.proxies import POD, Old, Proxy, old, proxy_of, tell
from components.kube import Kube
from tests.unit.fake_api import FakeApi

PODS = "pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"
DRY_RUN = "/api/v1/namespaces/orders/pods?dryRun=All"
DEPLOYMENTS, SETS = (f"/apis/apps/v1/namespaces/orders/{kind}" for kind in ("deployments", "replicasets"))
ASKED = {"kubeconfig": "k", "context": "there", "namespaces": ["orders"], "timeoutSeconds": 5}
REVISION = {"deployment.kubernetes.io/revision": "1"}


def injected(version: str = "1.24.6", revision: str = "default", init: str = "istio-init", **metadata: Any) -> Any:
    """A pod as injection leaves it."""
    status = json.dumps({"revision": revision})
    annotations = {"sidecar.istio.io/status": status, **metadata.pop("annotations", {})}
    made = {"name": "web-a", "namespace": "orders", "annotations": annotations, **metadata}
    first = [{"name": init, "image": "i"}] if init else []
    proxy = {"name": "istio-proxy", "image": f"docker.io/istio/proxyv2:{version}", "restartPolicy": "Always"}
    return {
        "metadata": made,
        "spec": {"containers": [{"name": "web", "image": "w:1"}], "initContainers": [*first, proxy]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [{"name": "istio-proxy", "ready": True}],
        },
    }


def listing(api: FakeApi, *pods: Any) -> None:
    for path in (f"/api/v1/{PODS}", f"/api/v1/namespaces/orders/{PODS}", "/api/v1/namespaces/orders/pods"):
        api.answer(path, {"items": list(pods)})


@pytest.fixture
def kube(api: FakeApi) -> Kube:
    """An API server whose istiod gives Istio 1.24.6 to pods of namespace orders."""
    api.answer(DRY_RUN, injected(), method="POST")
    return Kube(api.kubeconfig, "there")


def test_the_proxy_of_a_pod_is_what_injection_has_written() -> None:
    assert proxy_of(injected()) == Proxy(version="1.24.6", revision="default", init="istio-init")
    assert proxy_of({"metadata": {"name": "plain"}, "spec": {"containers": []}}) is None


@pytest.mark.parametrize(
    "pod",
    [injected("1.23.0"), injected(revision="canary"), injected(init="istio-validation")],
    ids=["version", "revision", "prepared by the CNI plugin"],
)
def test_a_pod_is_old_where_a_new_one_in_its_place_would_get_another_proxy(api: FakeApi, kube: Kube, pod: Any) -> None:
    listing(api, pod, injected(name="web-b"))
    assert [(each.name, each.proxy, each.wanted) for each in old(kube)] == [
        ("web-a", proxy_of(pod), Proxy(version="1.24.6", revision="default", init="istio-init"))
    ]


@pytest.mark.parametrize(
    "pod",
    [
        injected("1.23.0", annotations={"istio-minikube/data-plane": "1.23.0"}),
        injected("1.23.0", deletionTimestamp="now"),
        {"metadata": {"name": "gateway", "namespace": "orders"}, "spec": {"containers": []}},
    ],
    ids=["the stack's own, which rolls by itself", "ending", "not injected"],
)
def test_what_needs_no_restart_is_not_told_of(api: FakeApi, kube: Kube, pod: Any) -> None:
    listing(api, pod)
    assert old(kube) == []


def test_the_new_pod_is_asked_for_with_what_decides_its_injection_once_for_all_alike(api: FakeApi, kube: Kube) -> None:
    image = {"sidecar.istio.io/proxyImage": "p:1"}
    own: dict[str, Any] = {
        "labels": {"istio.io/rev": "canary", "app": "web"},
        "annotations": image,
    }
    listing(api, injected(name="a", **own), injected(name="b", **own), injected(name="c"))
    old(kube)
    asked = [request.body["metadata"] for request in api.requests if request.method == "POST"]
    base = POD["metadata"]
    labels = {**base["labels"], "istio.io/rev": "canary"}
    assert asked == [
        {**base, "labels": labels, "annotations": image},
        {**base, "annotations": {}},
    ]


@pytest.mark.parametrize(
    ("refusal", "status", "why"),
    [
        ("exceeded quota", 403, "a plain one is refused: the API server "),
        (
            'failed calling webhook "rev.namespace.sidecar-injector.istio.io": connection refused',
            500,
            "istiod does not answer: kubectl get pods -n istio-system -l app=istiod",
        ),
    ],
)
def test_a_namespace_where_that_cannot_be_told_is_named_and_passed_over(
    api: FakeApi, kube: Kube, capsys: pytest.CaptureFixture[str], refusal: str, status: int, why: str
) -> None:
    listing(api, injected("1.23.0"))
    api.answer(DRY_RUN, {"message": refusal}, status, "POST")
    assert old(kube) == []
    told = capsys.readouterr().err
    assert told.startswith(f"namespace orders: which proxy a new pod gets cannot be told: {why}")


@pytest.mark.parametrize(
    ("owner", "remedy"),
    [
        ("ReplicaSet/web-7d9", "kubectl rollout restart deployment/web -n orders"),
        ("StatefulSet/db", "kubectl rollout restart statefulset/db -n orders"),
        ("DaemonSet/log", "kubectl rollout restart daemonset/log -n orders"),
        ("Job/once", "create it again (Job/once)"),
        ("", "create it again (it has no controller)"),
    ],
)
def test_each_pod_is_told_of_with_what_renews_it(owner: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    before, now = (
        Proxy(version="1.23.0", revision="default"),
        Proxy(version="1.24.6", revision="canary", init="istio-init"),
    )
    tell([Old(namespace="orders", name="web-a", owner=owner, proxy=before, wanted=now)])
    told = capsys.readouterr().err
    assert "Pods that are not this stack's, with an old proxy:" in told
    row = f"orders     web-a  1.23.0, revision default  1.24.6, revision canary, istio-init  {remedy}"
    assert row in told.splitlines()


# Restarts


class Site:
    """Namespace orders with Deployments, whose controllers restart pods as soon as they are asked to."""

    def __init__(self, api: FakeApi, *names: str, replaces: bool = True) -> None:
        self.api = api
        self.renewed: list[str] = []
        self.names, self.replaces = names, replaces
        self.show()

    def show(self, **changes: Mapping[str, Any]) -> None:
        api = self.api
        deployments, sets, pods = [], [], []
        for name in self.names:
            changed = changes.get(name, {})
            spec = {"replicas": 1, **changed}
            metadata = {"name": name, "namespace": "orders", "uid": name, "generation": 1, "annotations": REVISION}
            deployments.append({"metadata": metadata, "spec": spec, "status": {"observedGeneration": 1}})
            owned = {"ownerReferences": [{"uid": name, "kind": "Deployment", "name": name}]}
            sets.append({"metadata": {"name": f"{name}-1", "uid": f"{name}-1", "annotations": REVISION, **owned}})
            kept: dict[str, Any] = {
                "ownerReferences": [{"uid": f"{name}-1", "kind": "ReplicaSet", "name": f"{name}-1"}]
            }
            renewed = name in self.renewed
            pods.append(injected("1.24.6" if renewed else "1.23.0", name=f"{name}-{'b' if renewed else 'a'}", **kept))
        api.answer(DEPLOYMENTS, {"items": deployments})
        api.answer(SETS, {"items": sets})
        listing(api, *pods)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0)


def ran(api: FakeApi, site: Site, monkeypatch: pytest.MonkeyPatch, seconds: int = 5) -> int:
    """Run the command while the site answers to restarts."""
    restart = rollout._restart

    def restarted(kube: Kube, deployment: Mapping[str, Any]) -> None:
        name = deployment["metadata"]["name"]
        api.answer(f"{DEPLOYMENTS}/{name}", {"kind": "Deployment"}, method="PATCH")
        restart(kube, deployment)
        if site.replaces:
            site.renewed.append(name)
            site.show()

    monkeypatch.setattr(rollout, "_restart", restarted)
    asked = {**ASKED, "kubeconfig": str(api.kubeconfig), "timeoutSeconds": seconds}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
    return rollout.main([])


def patched(api: FakeApi) -> list[str]:
    return [request.path.rpartition("/")[2] for request in api.requests if request.method == "PATCH"]


@pytest.mark.usefixtures("kube")
def test_deployments_are_restarted_one_after_the_other_as_kubectl_does_it(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(api, "web", "worker")
    assert ran(api, site, monkeypatch) == 0
    assert patched(api) == ["web", "worker"]
    (annotations,) = {
        key
        for request in api.requests
        if request.method == "PATCH"
        for key in request.body["spec"]["template"]["metadata"]["annotations"]
    }
    assert annotations == "kubectl.kubernetes.io/restartedAt"
    assert json.loads(capsys.readouterr().out) == {"restarted": ["orders/web", "orders/worker"], "old": []}


@pytest.mark.usefixtures("kube")
def test_what_is_up_to_date_is_not_restarted(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(api, "web")
    site.renewed.append("web")
    site.show()
    assert ran(api, site, monkeypatch) == 0
    assert patched(api) == []
    assert json.loads(capsys.readouterr().out) == {"restarted": [], "old": []}


@pytest.mark.usefixtures("kube")
def test_a_deployment_that_does_not_come_up_ends_the_rollout_and_no_further_one_is_touched(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(api, Site(api, "web", "worker", replaces=False), monkeypatch, seconds=1) == 1
    assert patched(api) == ["web"]
    told = capsys.readouterr().err
    assert (
        "Deployment orders/web was restarted and is not right; no further one was touched (restarted before: none). "
        in told
    )
    assert "`kubectl rollout undo deployment/web -n orders` brings" in told
    assert "istio-proxy is 1.23.0, not 1.24.6" in told


class Ending:
    """A namespace whose pods end one look after the other."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.looks = 0

    def state(self, _: str) -> State:
        self.looks += 1
        left, self.names = self.names, self.names[1:]
        return State(deployments=[], replica_sets=[], pods=[{"metadata": {"name": name}} for name in left])


def test_the_pods_of_before_have_ended_before_the_next_deployment_has_its_turn() -> None:
    site = Ending("web-a", "web-b")
    rollout._await_end(site, {"web-a", "web-b"}, "orders", 5)  # type: ignore[arg-type]
    assert site.looks == 3
    with pytest.raises(UserError, match=r"^Pods web-a have not ended within 0 s\.$"):
        rollout._await_end(Ending("web-a", "web-a"), {"web-a"}, "orders", 0)  # type: ignore[arg-type]


@pytest.mark.usefixtures("kube")
def test_a_restart_waits_for_the_pods_of_before(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    awaited: list[set[str]] = []
    monkeypatch.setattr(rollout, "_await_end", lambda _, names, *__: awaited.append(names))
    assert ran(api, Site(api, "web", "worker"), monkeypatch) == 0
    assert awaited == [{"web-a"}, {"worker-a"}]


@pytest.mark.usefixtures("kube")
def test_a_paused_deployment_is_left_alone_and_told_of(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(api, "web")
    site.show(web={"paused": True})
    assert ran(api, site, monkeypatch) == 0
    assert patched(api) == []
    done = capsys.readouterr()
    assert "Deployment orders/web has an old proxy and is left alone: it is paused" in done.err
    assert json.loads(done.out)["old"] == [
        {
            "namespace": "orders",
            "name": "web-a",
            "owner": "ReplicaSet/web-1",
            "proxy": "1.23.0, revision default, istio-init",
            "wanted": "1.24.6, revision default, istio-init",
        }
    ]


@pytest.mark.parametrize(
    ("ready", "replicas", "reason"),
    [("False", 1, "web-a are not ready before"), ("True", 2, "it has 1 of 2 pods"), ("True", 1, "")],
)
def test_a_deployment_that_is_not_well_is_left_alone(ready: str, replicas: int, reason: str) -> None:
    deployment = {
        "metadata": {"name": "web", "uid": "web", "annotations": REVISION},
        "spec": {"replicas": replicas},
    }
    owner = {"ownerReferences": [{"uid": "web"}]}
    sets = [{"metadata": {"uid": "set", "annotations": REVISION, **owner}}]
    pod = injected(ownerReferences=[{"uid": "set"}])
    pod["status"]["conditions"] = [{"type": "Ready", "status": ready}]
    assert rollout.untouchable(deployment, State(deployments=[deployment], replica_sets=sets, pods=[pod])) == reason


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**ASKED, "more": 1})])
def test_wrong_input_is_told(text: str) -> None:
    with pytest.raises(UserError, match=r"^The rollout's input on stdin is wrong: "):
        rollout.read(text)
