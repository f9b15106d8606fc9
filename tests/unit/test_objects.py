from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from operations import objects as apply
from operations.objects import Api, complaints, described, is_ready, run_command, wait_until
from tests.unit.fake_api import FakeApi

DISCOVERY = {
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
        {"name": "configmaps/status", "kind": "ConfigMap", "namespaced": True},
        {"name": "namespaces", "kind": "Namespace", "namespaced": False},
    ]
}
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
PATH = "/api/v1/namespaces/shop/configmaps/a"
APPLIED = f"{PATH}?fieldManager=istio-minikube&force=true"


def manifest(kind: str, **annotations: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "a", "annotations": {f"pulumi.com/{k}": v for k, v in annotations.items()}},
    }


def condition(kind: str, status: str, **more: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status, **more}]}}


def deployment(*, replicas: int = 2, updated: int = 2, available: int = 2, observed: int = 3) -> dict[str, Any]:
    counts = {"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}
    status = {"observedGeneration": observed, **counts}
    return {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}


def workload(*, scheduled: int | None = None, updated: int, available: int) -> dict[str, Any]:
    """A DaemonSet for ``scheduled`` nodes, or a StatefulSet of 2 pods."""
    names = (
        ("updatedReplicas", "availableReplicas") if scheduled is None else ("updatedNumberScheduled", "numberAvailable")
    )
    nodes = {} if scheduled is None else {"desiredNumberScheduled": scheduled}
    spec = {"replicas": 2} if scheduled is None else {}
    status = {"observedGeneration": 1, **nodes, **dict(zip(names, (updated, available), strict=True))}
    return {"metadata": {"generation": 1}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("wanted", "live", "ready"),
    [
        (manifest("ConfigMap"), {"data": {}}, True),
        (manifest("ConfigMap"), {}, False),
        (manifest("Deployment"), deployment(), True),
        (manifest("Deployment"), deployment(updated=1), False),
        (manifest("Deployment"), deployment(available=1), False),
        (manifest("Deployment"), deployment(replicas=3), False),
        (manifest("Deployment"), deployment(observed=2), False),
        (manifest("Deployment"), {"metadata": {"generation": 1}, "spec": {}}, False),
        (manifest("Deployment"), {}, False),
        (manifest("Deployment", skipAwait="true"), deployment(available=0), True),
        (manifest("Deployment", skipAwait="false"), deployment(available=0), False),
        (manifest("DaemonSet"), workload(scheduled=3, updated=3, available=3), True),
        (manifest("DaemonSet"), workload(scheduled=3, updated=2, available=3), False),
        (manifest("DaemonSet"), workload(scheduled=3, updated=3, available=2), False),
        (manifest("StatefulSet"), workload(updated=2, available=2), True),
        (manifest("StatefulSet"), workload(updated=1, available=2), False),
        (manifest("StatefulSet"), workload(updated=2, available=1), False),
        (manifest("CustomResourceDefinition"), condition("Established", "True"), True),
        (manifest("CustomResourceDefinition"), condition("Established", "False"), False),
        (manifest("CustomResourceDefinition"), condition("NamesAccepted", "True"), False),
        (manifest("CustomResourceDefinition"), {}, False),
        (manifest("Gateway", waitFor="condition=Programmed"), condition("Programmed", "True"), True),
        (manifest("Gateway", waitFor="condition=Programmed"), condition("Accepted", "True"), False),
        (manifest("Gateway", waitFor="condition=Programmed"), {"status": {"conditions": None}}, False),
    ],
)
def test_an_object_is_ready_when_the_provider_would_stop_waiting(
    wanted: dict[str, Any], live: dict[str, Any], ready: bool
) -> None:
    assert is_ready(wanted, live) is ready


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (condition("Available", "False", message="no pods"), "no pods"),
        (condition("Available", "False"), "Available"),
        (condition("ReplicaFailure", "True", message="quota exceeded"), "quota exceeded"),
        (condition("Progressing", "True", message="all is well"), "its conditions say nothing"),
        ({}, "its conditions say nothing"),
        ({"status": {"conditions": None}}, "its conditions say nothing"),
    ],
)
def test_what_an_object_complains_of_is_in_its_conditions(live: dict[str, Any], words: str) -> None:
    assert complaints(live) == words


@pytest.mark.parametrize(
    ("metadata", "words"), [({"name": "a"}, "Thing a"), ({"name": "a", "namespace": "shop"}, "Thing shop/a")]
)
def test_an_object_is_described_by_kind_namespace_and_name(metadata: dict[str, str], words: str) -> None:
    assert described({"kind": "Thing", "metadata": metadata}) == words


def test_waiting_ends_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    answers = iter([False, False, True])
    wait_until("it", lambda: next(answers))
    assert pauses == [0.1, 0.1]


def test_waiting_gives_up_and_says_for_what() -> None:
    with pytest.raises(UserError, match=r"^waited 0 s for it$"):
        wait_until("it", lambda: False, timeout=0)


def test_waiting_that_is_stopped_ends_at_once_and_says_for_what() -> None:
    with pytest.raises(UserError, match=r"^no longer waited for it$"):
        wait_until("it", lambda: False, stopped=lambda: True)


@pytest.fixture
def client(api: FakeApi) -> Api:
    api.answer("/api/v1", DISCOVERY)
    return Api(api.kubeconfig, "there")


def test_an_object_is_applied_by_the_server_as_ours(api: FakeApi, client: Api) -> None:
    api.answer(APPLIED, {**MAP, "data": {}}, method="PATCH")
    assert client.apply(MAP) == {**MAP, "data": {}}
    request = api.requests[-1]
    assert (request.body, request.headers["Content-Type"]) == (MAP, "application/apply-patch+yaml")


def test_the_kinds_of_a_group_are_asked_for_once(api: FakeApi, client: Api) -> None:
    api.answer(PATH, MAP)
    assert (client.get(MAP), client.get(MAP)) == (MAP, MAP)
    assert [request.path for request in api.requests] == ["/api/v1", PATH, PATH]


@pytest.mark.parametrize(
    ("changes", "metadata", "path"),
    [
        ({"kind": "Namespace"}, {"name": "shop"}, "/api/v1/namespaces/shop"),
        ({}, {"name": "a"}, "/api/v1/namespaces/default/configmaps/a"),
        ({"apiVersion": "group.io/v1"}, {"name": "a", "namespace": "b"}, "/apis/group.io/v1/namespaces/b/configmaps/a"),
    ],
)
def test_an_object_is_found_by_kind_namespace_and_group(
    api: FakeApi, client: Api, changes: dict[str, str], metadata: dict[str, str], path: str
) -> None:
    api.answer("/apis/group.io/v1", DISCOVERY)
    api.answer(path, {"kind": "found"})
    assert client.get({**MAP, **changes, "metadata": metadata}) == {"kind": "found"}


def test_what_is_not_there_is_none(client: Api) -> None:
    assert client.get(MAP) is None


def test_a_dry_run_is_by_a_manager_of_no_fields(api: FakeApi, client: Api) -> None:
    api.answer(f"{PATH}?fieldManager=istio-minikube-drift&force=true&dryRun=All", {**MAP, "data": {}}, method="PATCH")
    assert client.dry_run(MAP) == {**MAP, "data": {}}
    request = api.requests[-1]
    assert (request.body, request.headers["Content-Type"]) == (MAP, "application/apply-patch+yaml")


def test_finding_does_not_wait_for_a_kind_to_be_served(api: FakeApi, client: Api) -> None:
    assert client.find({**MAP, "apiVersion": "group.io/v1"}) is None
    assert client.find(MAP) is None
    api.answer(PATH, MAP)
    assert client.find(MAP) == MAP


def test_a_kind_that_is_never_served_is_named(client: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "DISCOVERY_SECONDS", 0)
    gateway = {**MAP, "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"}
    with pytest.raises(UserError, match=r"for the API server to serve Gateway of gateway\.networking\.k8s\.io/v1$"):
        client.get(gateway)


def test_deleting_waits_until_the_object_is_gone(api: FakeApi, client: Api) -> None:
    api.answer(f"{PATH}?propagationPolicy=Background", {"kind": "Status"}, method="DELETE")
    client.delete(MAP)
    assert [(request.method, request.path) for request in api.requests[1:]] == [
        ("DELETE", f"{PATH}?propagationPolicy=Background"),
        ("GET", PATH),
    ]


@pytest.mark.parametrize("thing", [MAP, {**MAP, "apiVersion": "group.io/v1"}], ids=["that lingers", "of no known kind"])
def test_an_api_that_is_stopped_waits_for_nothing(api: FakeApi, client: Api, thing: dict[str, Any]) -> None:
    api.answer(f"{PATH}?propagationPolicy=Background", {"kind": "Status"}, method="DELETE")
    api.answer(PATH, MAP)
    client.stopped = lambda: True
    with pytest.raises(UserError, match=r"^no longer waited for "):
        (client.delete if thing is MAP else client.get)(thing)


def test_deleting_what_is_not_there_is_done(client: Api, api: FakeApi) -> None:
    client.delete(MAP)
    assert [request.method for request in api.requests[1:]] == ["DELETE"]


def test_a_command_is_run_as_pulumi_command_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE", "outside")
    script = 'cat; pwd; echo "$ISTIO_VERSION,$PULUMI_COMMAND_STDOUT,$OUTSIDE"; echo trouble >&2'
    inputs = {"stdin": "told\n", "environment": {"ISTIO_VERSION": "1.23.0"}, "create": "x"}
    assert run_command(script, inputs, tmp_path, previous="before") == {
        **inputs,
        "stdout": f"told\n{tmp_path}\n1.23.0,before,outside",
        "stderr": "trouble",
    }


def test_a_command_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^`echo no >&2; exit 3` exits with 3:\nno$"):
        run_command("echo no >&2; exit 3", {}, tmp_path)
