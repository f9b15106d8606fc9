"""BOOKINFO=upstream: which images an embedded cluster has as Bookinfo's."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from components.commands import UserError
from embedded.cluster import Cluster
from embedded.images.contents import workload_names
from embedded.images.oci import Image, Layout
from embedded.node.cluster import RealCluster
from operations import __main__ as command
from operations import stacks
from operations.node import bookinfo
from operations.node.bookinfo import Bookinfo

PAGE = workload_names("productpage-v1")


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A layout that stands in for upstream's images, of which it has the page's."""
    layout = Layout(tmp_path / "upstream", "x86_64")
    layout.add(Image(names=PAGE, layers=[{"/productpage.py": b"real"}], config={}))
    layout.finish()
    monkeypatch.setattr("embedded.images.upstream.ensure", lambda: layout.folder)
    return layout.folder


@pytest.fixture
def stopped(tmp_path: Path) -> RealCluster:
    """A cluster that does not run and has pulled images before."""
    cluster = RealCluster(tmp_path / "cluster", say=print)
    (cluster.root / "containerd").mkdir(parents=True)
    return cluster


@pytest.mark.usefixtures("upstream")
def test_a_cluster_that_does_not_run_pulls_all_images_again(stopped: RealCluster) -> None:
    bookinfo.provide(stopped, Bookinfo.UPSTREAM)
    assert (stopped.root / "loaded" / "index.json").read_text().count(PAGE[0]) == 1
    assert not (stopped.root / "containerd").exists()


@pytest.mark.usefixtures("upstream")
def test_the_same_choice_again_changes_nothing(stopped: RealCluster) -> None:
    bookinfo.provide(stopped, Bookinfo.UPSTREAM)
    (stopped.root / "containerd").mkdir()
    bookinfo.provide(stopped, Bookinfo.UPSTREAM)
    assert (stopped.root / "containerd").exists()


@pytest.mark.usefixtures("upstream")
def test_the_stand_ins_are_back_where_upstreams_are_given_up(stopped: RealCluster) -> None:
    bookinfo.provide(stopped, Bookinfo.UPSTREAM)
    (stopped.root / "containerd").mkdir()
    bookinfo.provide(stopped, Bookinfo.STAND_IN)
    assert PAGE[0] not in (stopped.root / "loaded" / "index.json").read_text()
    assert not (stopped.root / "containerd").exists()


@pytest.mark.usefixtures("upstream")
def test_a_cluster_that_runs_is_told_to_forget_the_others_and_the_person_that_pods_keep_them(
    stopped: RealCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr("embedded.process.recorded", lambda _: Mock(pid=7))
    monkeypatch.setattr("embedded.process.alive", lambda _: True)
    monkeypatch.setattr("embedded.node.settings.Settings.read", Mock())
    monkeypatch.setattr("embedded.node.containerd.remove_image", lambda name, *_: forgotten.append(name))
    monkeypatch.setattr(RealCluster, "running", lambda _: True)
    bookinfo.provide(stopped, Bookinfo.UPSTREAM)
    assert forgotten == PAGE
    assert (stopped.root / "containerd").exists()
    assert capsys.readouterr().out == (
        "Bookinfo's images are now the upstream ones; pods that run already keep theirs until `make shell`, then "
        "`kubectl rollout restart deployment` in their namespace\n"
    )


def test_simulated_pods_have_no_bookinfo_to_choose(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^BOOKINFO=upstream needs pods that run; those of the cluster in .* are sim"):
        bookinfo.provide(Cluster(tmp_path, say=print), Bookinfo.UPSTREAM)


def test_another_cluster_pulls_what_it_pulls() -> None:
    with pytest.raises(UserError, match=r"^BOOKINFO=upstream is for stacks with clusterMode embedded; .* existing"):
        stacks.prepare("prod", bookinfo=Bookinfo.UPSTREAM)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [([], None), (["--bookinfo=upstream"], Bookinfo.UPSTREAM), (["--bookinfo=stand-in"], "stand-in")],
)
def test_the_choice_is_one_of_up(monkeypatch: pytest.MonkeyPatch, words: list[str], chosen: Bookinfo | None) -> None:
    monkeypatch.setattr("operations.deploy.up", up := Mock())
    assert command.main(["up", "--stack=embedded", *words]) == 0
    up.assert_called_once_with("embedded", {}, policies=False, bookinfo=chosen)


def test_another_word_is_refused_with_those_that_are_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["up", "--bookinfo=real"])
    assert "argument --bookinfo: invalid choice: 'real' (choose from" in capsys.readouterr().err
