import pytest

from components.commands import UserError, crds
from components.commands.cluster import arrive, leave, main
from components.commands.crds import OWNED
from components.kube import KUBE_SYSTEM
from tests.unit.fake_api import FakeApi

HERE = "11111111-aaaa-4aaa-8aaa-111111111111"
THERE = "22222222-bbbb-4bbb-8bbb-222222222222"


@pytest.mark.parametrize("recorded", ["", HERE], ids=["first up", "same cluster"])
def test_arriving_where_it_may_prints_the_cluster_to_be_recorded(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(HERE, recorded, "work")
    assert capsys.readouterr().out == f"{HERE}\n"


def test_arriving_on_another_cluster_is_refused_and_names_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError) as caught:
        arrive(HERE, THERE, "work")
    assert str(caught.value) == (
        f"context work now leads to cluster {HERE}, but this stack was brought up on cluster {THERE}: nothing was "
        f"touched. Set kubeconfig and context to that cluster or, if this one is to take its place, set acceptCluster "
        f"to {HERE} and run `make up`, which forgets the other and brings the whole mesh here"
    )
    assert capsys.readouterr().out == ""


def test_leaving_another_cluster_is_refused_and_names_both() -> None:
    with pytest.raises(
        UserError, match=rf"leads to cluster {HERE}, but .* brought up on cluster {THERE}: nothing was del"
    ):
        leave(HERE, THERE, "work")


@pytest.mark.parametrize("recorded", ["", HERE])
def test_leaving_the_recorded_cluster_is_let_through(recorded: str) -> None:
    leave(HERE, recorded, "work")


def test_the_recorded_cluster_is_what_the_previous_run_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"CLUSTER": HERE, "CONTEXT": "work"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULUMI_COMMAND_STDOUT", f"{THERE}\n")
    assert main(["arrive"]) == 1
    monkeypatch.setenv("PULUMI_COMMAND_STDOUT", f"{HERE}\n")
    assert main(["arrive"]) == 0
    assert capsys.readouterr().out == f"{HERE}\n"


def test_a_cluster_that_does_not_answer_is_not_left_and_the_ways_out_are_named(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leave", f"--kubeconfig={api.kubeconfig}", "--context=gone"]) == 1
    assert capsys.readouterr().err.endswith(
        ": nothing was deleted. Start the cluster, or, if it is gone for good, run `make destroy` or `pulumi stack rm "
        "--force`\n"
    )


CRD = {"name": "sidecars.networking.istio.io", "deletionTimestamp": "2026-01-01T00:00:00Z"}
STAYS = {"name": "gateways.networking.istio.io"}


@pytest.fixture
def leaving(api: FakeApi) -> FakeApi:
    """A cluster on which one CRD of a stack's stays, and one is on its way out."""
    api.answer(KUBE_SYSTEM, {"metadata": {"uid": HERE}})
    api.answer(OWNED, {"items": [{"metadata": CRD}, {"metadata": STAYS}]})
    return api


def left(api: FakeApi) -> int:
    return main(["leave", f"--kubeconfig={api.kubeconfig}", "--context=there"])


def test_leaving_ends_when_the_removed_crds_are_gone(leaving: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        leaving.answer(OWNED, {"items": [{"metadata": STAYS}]})

    monkeypatch.setattr("time.sleep", wait)
    assert left(leaving) == 0
    assert len(waits) == 1


def test_leaving_fails_where_a_removed_crd_stays(
    leaving: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crds, "CRD_GONE_SECONDS", 0)
    assert left(leaving) == 1
    assert f"CRD {CRD['name']} is still there 0 s after it was deleted" in capsys.readouterr().err
