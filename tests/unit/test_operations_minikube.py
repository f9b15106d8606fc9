from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.kube import KUBE_SYSTEM
from operations import minikube
from tests.unit.fake_api import FakeApi
from tests.unit.fake_minikube import REFUSALS, FakeMinikube, profile


@pytest.fixture
def machine(tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeMinikube:
    """A machine whose minikube would start the cluster that the fake API server is."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    made = FakeMinikube.install(tmp_path / "bin")
    made.set(server={"cluster": {"server": f"http://127.0.0.1:{api.port}"}, "user": {"token": "secret"}})
    api.answer(KUBE_SYSTEM, {"metadata": {"uid": "1a2b"}})
    return made


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {
        "clusterMode": "minikube",
        "minikubeProfile": "minikube",
        "minikubeMemory": "5500",
        "minikubeCpus": "4",
        "minikubeDriver": "",
        "kubernetesVersion": "v1.30.0",
        "kubeconfig": str(tmp_path / "config"),
        "context": "minikube",
    }


def test_before_the_first_up_there_is_no_profile_and_none_is_started(
    machine: FakeMinikube, settings: dict[str, str]
) -> None:
    assert minikube.ensure_started(settings) is False
    assert machine.words == ["profile list -o json"]


@pytest.mark.parametrize("status", ["Stopped", "Paused", "Starting", ""])
def test_a_profile_that_was_stopped_is_started_before_it_is_looked_at(
    machine: FakeMinikube, settings: dict[str, str], status: str
) -> None:
    machine.set(profiles={"minikube": profile(status=status)})
    assert minikube.ensure_started(settings) is True
    assert machine.words[1:] == ["start --profile=minikube"]
    assert minikube.answers(settings)


def test_a_profile_that_runs_without_its_context_gets_it(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(profiles={"minikube": profile()})
    assert minikube.ensure_started(settings) is True
    assert machine.words[1:] == ["update-context --profile=minikube"]


def test_a_cluster_that_answers_is_not_asked_minikube_about(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(profiles={"minikube": profile(status="Stopped")})
    minikube.ensure_started(settings)
    before = len(machine.calls)
    assert minikube.ensure_started(settings) is True
    assert len(machine.calls) == before


def test_a_preview_starts_nothing(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(profiles={"minikube": profile(status="Stopped")})
    assert minikube.ensure_started(settings, start=False) is True
    assert machine.words == ["profile list -o json"]


@pytest.mark.parametrize("changed", [{"memory": 2200}, {"cpus": 2}, {"version": "v1.31.0"}])
def test_somebodys_stopped_profile_of_other_figures_is_refused_and_not_started(
    machine: FakeMinikube, settings: dict[str, str], changed: dict[str, Any]
) -> None:
    machine.set(profiles={"minikube": profile(status="Stopped", **changed)})
    with pytest.raises(UserError, match="minikube profile 'minikube'"):
        minikube.ensure_started(settings)
    assert machine.words == ["profile list -o json"]


def test_a_start_that_fails_is_told_with_what_to_do(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(profiles={"minikube": profile(status="Stopped")}, fails={"start": REFUSALS["docker"]})
    with pytest.raises(UserError, match=r"failed \(exit code 63\)\. The driver docker cannot be used"):
        minikube.ensure_started(settings)


# --- make doctor


def test_where_minikube_would_start_the_profile_there_is_no_obstacle(
    machine: FakeMinikube, settings: dict[str, str]
) -> None:
    assert minikube.obstacle(settings) == ""
    assert machine.words[-1] == (
        "start --profile=minikube --memory=5500 --cpus=4 --kubernetes-version=v1.30.0 --dry-run"
    )


def test_why_minikube_would_not_is_told_in_its_words_and_ours(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(fails={"start": REFUSALS["over Docker's memory"]})
    assert minikube.obstacle(settings) == (
        "Docker has only 3913MB memory but you specified 5500MB. minikubeMemory (5500 MiB) is more than there is: "
        "lower it (`pulumi config set minikubeMemory N`, 3913 at most), or give Docker, where it is the driver, "
        "more memory."
    )


def test_asking_leaves_nothing_behind(
    machine: FakeMinikube, settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    machine.set(fails={"start": REFUSALS["no driver"]})
    assert "The driver docker cannot be used" in minikube.obstacle(settings)
    assert (machine.profiles, machine.state["refused"], list((tmp_path / "tmp").iterdir())) == ({}, [], [])


def test_of_a_profile_that_exists_nothing_more_is_asked(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(profiles={"minikube": profile()}, fails={"start": REFUSALS["no driver"]})
    assert minikube.obstacle(settings) == ""
    assert machine.words == ["profile list -o json"]


def test_a_profile_that_is_broken_is_an_obstacle(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(broken=["minikube"])
    assert "exists but is broken" in minikube.obstacle(settings)
