from typing import Any

import pytest

from components.commands import crds
from components.commands.crds import CRDS, OWNER, main
from tests.unit.fake_api import FakeApi

NAME = "sidecars.networking.istio.io"
LISTED = "/apis/networking.istio.io/v1/sidecars"


@pytest.fixture
def cluster(api: FakeApi) -> FakeApi:
    """A cluster with one CRD of the stack's, which goes when it is deleted."""
    spec = {
        "group": "networking.istio.io",
        "names": {"plural": "sidecars", "kind": "Sidecar"},
        "versions": [{"name": "v1alpha3", "served": False}, {"name": "v1", "served": True}],
    }
    api.answer(CRDS, {"items": [{"metadata": {"name": NAME, "labels": {OWNER: "dev"}}}]})
    api.answer(f"{CRDS}/{NAME}", {"spec": spec})
    return api


def removed(api: FakeApi) -> int:
    place = [f"--kubeconfig={api.kubeconfig}", "--context=there"]
    return main(["remove", *place, "--stack=dev", "--group=istio.io"])


def test_a_crd_whose_kind_is_served_a_moment_later_is_waited_for(
    cluster: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs: dict[str, Any] = {"items": [{"metadata": {"name": "theirs", "namespace": "shop"}}]}
    monkeypatch.setattr("time.sleep", lambda _: cluster.answer(LISTED, theirs))
    cluster.answer(f"{CRDS}/{NAME}", {"kind": "any"}, method="PATCH")
    assert removed(cluster) == 0
    assert f"kept: CRD {NAME}, as Sidecar shop/theirs is not this stack's" in capsys.readouterr().err
    assert [request.method for request in cluster.requests if request.method == "DELETE"] == []


def test_a_crd_whose_kind_is_never_served_is_not_removed(
    cluster: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crds, "SERVED_SECONDS", 0)
    assert removed(cluster) == 1
    assert f"answers 404 to GET {LISTED}" in capsys.readouterr().err
    assert [request.method for request in cluster.requests if request.method == "DELETE"] == []


def test_crds_that_nobody_needs_are_removed_and_told_in_order(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{plural}.networking.istio.io" for plural in ("gateways", "sidecars", "virtualservices")]
    api.answer(CRDS, {"items": [{"metadata": {"name": name, "labels": {OWNER: "dev"}}} for name in reversed(names)]})
    for name in names:
        plural = name.partition(".")[0]
        spec = {
            "group": "networking.istio.io",
            "names": {"plural": plural, "kind": plural.title()},
            "versions": [{"name": "v1", "served": True}],
        }
        api.answer(f"{CRDS}/{name}", {"spec": spec})
        api.answer(f"/apis/networking.istio.io/v1/{plural}", {"items": []})
        api.answer(f"{CRDS}/{name}", {"kind": "Status"}, method="DELETE")
    assert removed(api) == 0
    assert capsys.readouterr().err.splitlines() == [f"removed: CRD {name}" for name in names]
    deleted = {request.path for request in api.requests if request.method == "DELETE"}
    assert deleted == {f"{CRDS}/{name}" for name in names}
