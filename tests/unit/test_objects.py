from pathlib import Path

import pytest

from components.commands import UserError
from operations.manifests import objects as apply
from operations.manifests.objects import Api, described, run_command, wait_until
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


def test_a_command_is_run_as_pulumi_command_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE", "outside")
    script = 'cat; pwd; echo "$ISTIO_VERSION,$OUTSIDE"; echo trouble >&2'
    inputs = {"stdin": "told\n", "environment": {"ISTIO_VERSION": "1.23.0"}, "create": "x"}
    assert run_command(script, inputs, tmp_path) == {
        **inputs,
        "stdout": f"told\n{tmp_path}\n1.23.0,outside",
        "stderr": "trouble",
    }


def test_a_command_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^`echo no >&2; exit 3` exits with 3:\nno$"):
        run_command("echo no >&2; exit 3", {}, tmp_path)
