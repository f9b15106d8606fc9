import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from components.kube import APPLY, MERGE, Kube, KubeError, MissingContextError, RefusedError, UnreachableError
from tests.unit.clock import Clock
from tests.unit.fake_api import FakeApi

PODS = "/api/v1/pods"
POD = "/api/v1/namespaces/default/pods/a"


@pytest.fixture
def kube(api: FakeApi) -> Kube:
    return Kube(api.kubeconfig, "there")


def test_the_kubeconfig_may_be_named_from_the_home_folder(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(api.kubeconfig.parent))
    assert Kube("~/kubeconfig", "there").where == api.where


def test_a_missing_file_is_told_from_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(MissingContextError, match=r"does not exist; accepted: the path of a kubeconfig file$"):
        Kube(tmp_path / "none", "there")


def test_a_missing_context_is_refused_with_those_there_are(api: FakeApi) -> None:
    with pytest.raises(
        MissingContextError, match=f"^context 'x' is not in kubeconfig {api.kubeconfig}; accepted: gone, there$"
    ):
        Kube(api.kubeconfig, "x")


@pytest.mark.parametrize("content", ["", "contexts: null\ncurrent-context: ''"])
def test_a_file_without_contexts_says_so(api: FakeApi, content: str) -> None:
    api.kubeconfig.write_text(content)
    with pytest.raises(MissingContextError, match=r"; accepted: none, as it has no contexts$"):
        Kube(api.kubeconfig, "there")


@pytest.mark.parametrize("content", [b"{{", b"text", b"- 1", b"contexts: [1]", b"contexts: [{}]", b"\xff\xfe"])
def test_a_broken_file_is_refused(api: FakeApi, content: bytes) -> None:
    api.kubeconfig.write_bytes(content)
    with pytest.raises(KubeError, match=f"^kubeconfig {api.kubeconfig} cannot be used: ") as refused:
        Kube(api.kubeconfig, "there")
    assert not isinstance(refused.value, MissingContextError)


def test_get_gives_the_answer(api: FakeApi, kube: Kube) -> None:
    api.answer(POD, {"kind": "Pod"})
    assert kube.get(POD) == {"kind": "Pod"}
    (request,) = api.requests
    assert (request.headers["Authorization"], request.headers["Accept"]) == ("Bearer secret", "application/json")


def test_find_gives_none_where_there_is_nothing(api: FakeApi, kube: Kube) -> None:
    assert kube.find(POD) is None
    api.answer(POD, {"kind": "Pod"})
    assert kube.find(POD) == {"kind": "Pod"}


def test_objects_gives_the_items(api: FakeApi, kube: Kube) -> None:
    api.answer(PODS, {"items": [{"kind": "Pod"}]})
    assert kube.objects(PODS) == [{"kind": "Pod"}]


def test_metadata_gives_the_items_metadata_and_asks_for_no_more(api: FakeApi, kube: Kube) -> None:
    api.answer(PODS, {"items": [{"metadata": {"name": "a"}}]})
    assert kube.metadata(PODS) == [{"name": "a"}]
    assert api.accepted(PODS) == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def test_delete_says_whether_it_was_there(api: FakeApi, kube: Kube) -> None:
    assert kube.delete(POD) is False
    api.answer(POD, {"kind": "Status"}, method="DELETE")
    assert kube.delete(POD) is True


@pytest.mark.parametrize("content_type", [APPLY, MERGE])
def test_a_patch_is_sent_as_what_it_is(api: FakeApi, kube: Kube, content_type: str) -> None:
    api.answer(POD, {"kind": "Pod"}, method="PATCH")
    patch: dict[str, Any] = {"metadata": {"labels": {"a": None}}}
    assert kube.request("PATCH", POD, patch, content_type=content_type) == {"kind": "Pod"}
    (request,) = api.requests
    assert (request.body, request.headers["Content-Type"]) == (patch, content_type)


@pytest.mark.parametrize("call", ["get", "find", "delete", "objects"])
@pytest.mark.parametrize(
    ("answer", "words"), [({"message": "no, you"}, "no, you"), ("<p>No</p>", "<p>No</p>"), ("", "")]
)
def test_a_refusal_gives_the_servers_words_and_status(
    api: FakeApi, kube: Kube, call: str, answer: Any, words: str
) -> None:
    method = "DELETE" if call == "delete" else "GET"
    api.answer(POD, answer, status=403, method=method)
    with pytest.raises(RefusedError) as refused:
        getattr(kube, call)(POD)
    assert (refused.value.status, str(refused.value)) == (403, f"{api.where} answers 403 to {method} {POD}: {words}")


@pytest.mark.parametrize("answer", ["<html>hello</html>", "[]", "{}", ""])
def test_what_does_not_answer_as_kubernetes_is_no_api_server(api: FakeApi, kube: Kube, answer: str) -> None:
    api.answer(POD, answer)
    with pytest.raises(UnreachableError) as refused:
        kube.get(POD)
    assert str(refused.value) == f"{api.where} is none: what answers GET {POD} is not Kubernetes"


def test_nothing_that_answers_is_an_error_of_one_line(api: FakeApi) -> None:
    with pytest.raises(
        UnreachableError, match=r"^the API server http://127\.0\.0\.1:1 .* does not answer: .*refused"
    ) as error:
        Kube(api.kubeconfig, "gone").get(POD)
    assert "\n" not in str(error.value)


def test_a_server_without_tls_is_an_error_of_one_line(api: FakeApi) -> None:
    api.kubeconfig.write_text(api.kubeconfig.read_text().replace("http:", "https:"))
    with pytest.raises(UnreachableError, match=f"(?i)does not answer: .*{ssl.__name__}") as error:
        Kube(api.kubeconfig, "there").get(POD)
    assert "\n" not in str(error.value)


def test_a_server_that_is_busy_is_asked_again(api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answer(POD, {"message": "busy"}, status=429)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        api.answer(POD, {"kind": "Pod"})

    monkeypatch.setattr("time.sleep", pause)
    assert kube.get(POD) == {"kind": "Pod"}
    assert pauses == [0.2]


def test_a_server_that_stays_busy_is_quoted(api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answer(POD, {"message": "busy"}, status=429)
    monkeypatch.setattr("components.kube.time", Clock())
    with pytest.raises(RefusedError, match=f"^{api.where} answers 429 to GET {POD}: busy$"):
        kube.get(POD)
    assert len(api.requests) > 1


def test_a_server_that_never_answers_is_given_up(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.kube.TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        api.kubeconfig.write_text(api.kubeconfig.read_text().replace("127.0.0.1:1\n", f"127.0.0.1:{port}\n"))
        with pytest.raises(UnreachableError, match=rf"^the API server http://127\.0\.0\.1:{port} .* timed out"):
            Kube(api.kubeconfig, "gone").get(POD)


def test_no_items_at_all_are_none(api: FakeApi, kube: Kube) -> None:
    api.answer(PODS, {"items": None})
    assert kube.metadata(PODS) == []


def test_bytes_that_are_no_text_are_shown_as_such(api: FakeApi, kube: Kube) -> None:
    api.answer(POD, "\udcff", status=500)
    assert kube.text(POD) == (500, "\ufffd")
    with pytest.raises(RefusedError, match=": \ufffd"):
        kube.get(POD)


@pytest.mark.parametrize(("status", "body"), [(200, "<title>Shop</title>"), (503, "no endpoints")])
def test_text_gives_status_and_body_whatever_they_are(api: FakeApi, kube: Kube, status: int, body: str) -> None:
    api.answer(POD, body, status=status)
    assert kube.text(POD) == (status, body)
