from pathlib import Path

import pytest

from embedded import __main__ as command
from embedded import kinds
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.node import cgroups, obtain, probe
from embedded.node.cluster import RealCluster
from embedded.node.probe import Finding
from embedded.record import RECORD, Kind, recorded

NO_ROOT = Finding(what="mounts need root", remedy="run it as root")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "findings", lambda *_: [])


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "findings", lambda *_: [NO_ROOT])


@pytest.mark.usefixtures("able")
def test_a_machine_that_can_gets_a_real_node(tmp_path: Path) -> None:
    said: list[str] = []
    assert kinds.choose(tmp_path / "root", say=said.append) is Kind.REAL
    assert said == []
    assert isinstance(kinds.cluster(tmp_path / "root"), RealCluster)


@pytest.mark.usefixtures("unable")
def test_a_machine_that_cannot_gets_simulated_pods_and_one_line_that_says_why(tmp_path: Path) -> None:
    said: list[str] = []
    assert kinds.choose(tmp_path / "root", say=said.append) is Kind.SIMULATED
    assert said == ["Pods are simulated, as a real node cannot run here: mounts need root (run it as root)"]
    assert isinstance(kinds.cluster(tmp_path / "root"), Cluster)


@pytest.mark.usefixtures("able")
def test_a_cluster_keeps_its_kind_until_it_is_deleted(tmp_path: Path) -> None:
    assert kinds.choose(tmp_path, Kind.SIMULATED) is Kind.SIMULATED
    assert kinds.choose(tmp_path) is Kind.SIMULATED
    with pytest.raises(EmbeddedError, match="has a simulated node: delete it before it can have a real one"):
        kinds.choose(tmp_path, Kind.REAL)
    kinds.delete(tmp_path)
    assert recorded(tmp_path) is None
    assert kinds.choose(tmp_path) is Kind.REAL


@pytest.mark.usefixtures("unable")
def test_who_insists_on_a_real_node_is_told_why_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"A real node cannot run here: mounts need root \(run it as root\)\."):
        kinds.choose(tmp_path, Kind.REAL)
    assert recorded(tmp_path) is None


@pytest.mark.usefixtures("unable")
def test_a_real_cluster_does_not_become_a_simulated_one(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text("real\n")
    with pytest.raises(EmbeddedError, match="A real node cannot run here"):
        kinds.choose(tmp_path)
    assert recorded(tmp_path) is Kind.REAL


@pytest.mark.usefixtures("unable")
def test_a_running_cluster_is_proof_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / RECORD).write_text("real\n")
    monkeypatch.setattr(RealCluster, "running", lambda _: True)
    assert kinds.choose(tmp_path) is Kind.REAL


@pytest.mark.usefixtures("able")
def test_a_cluster_of_before_there_were_real_ones_is_a_simulated_one(tmp_path: Path) -> None:
    (tmp_path / "etcd").mkdir()
    assert kinds.choose(tmp_path) is Kind.SIMULATED


def test_a_running_cluster_whose_folder_was_removed_is_a_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "exists", lambda name: name == cgroups.name_for(tmp_path / "gone"))
    assert recorded(tmp_path / "gone") is Kind.REAL
    assert recorded(tmp_path / "never") is None


def test_nothing_is_downloaded_for_a_machine_that_cannot_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "machine", lambda: [NO_ROOT])
    monkeypatch.delattr(obtain, "find_nft")
    assert kinds.findings(tmp_path) == [NO_ROOT]


def test_nft_is_not_got_for_who_only_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "machine", list)
    monkeypatch.setattr(probe, "kernel", lambda _, nft: [] if nft is None else [NO_ROOT])
    monkeypatch.setattr(kinds, "machines_nft", lambda: None)
    monkeypatch.setattr(obtain, "has_packages", lambda: True)
    monkeypatch.delattr(obtain, "find_nft")
    assert kinds.findings(tmp_path, download=False) == []


def test_a_machine_without_nft_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise EmbeddedError("this system has no apt-get.")

    monkeypatch.setattr(probe, "machine", list)
    monkeypatch.setattr(obtain, "find_nft", refuse)
    (finding,) = kinds.findings(tmp_path)
    assert finding.what == "there is no nft: this system has no apt-get"
    assert "nftables" in finding.remedy


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([], 0, "Nothing prevents a real node on this machine\n"),
        ([NO_ROOT], 1, "mounts need root (run it as root)\n"),
    ],
)
def test_a_probe_says_what_prevents_a_real_node_or_that_nothing_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: list[Finding], code: int, said: str
) -> None:
    monkeypatch.setattr(kinds, "findings", lambda *_: found)
    assert command.main(["probe"]) == code
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(("known", "state"), [(True, "already runs"), (False, "is up")])
def test_a_cluster_that_nobody_knew_of_yet_is_said_to_be_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, state: str
) -> None:
    said: list[str] = []
    cluster = RealCluster(tmp_path, say=said.append)
    monkeypatch.setattr(RealCluster, "running", lambda _: True)
    monkeypatch.setattr(RealCluster, "_write_kubeconfig", lambda self: self.kubeconfig.touch())
    if known:
        cluster.kubeconfig.touch()
    assert cluster.start() is False
    assert said == [f"The embedded cluster {state}: {tmp_path / 'kubeconfig'}"]
