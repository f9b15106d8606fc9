"""A real node that starts while Pulumi's engine does: who sees it, who has created it, and what becomes of it."""

import json
import signal
from pathlib import Path
from unittest.mock import Mock

import pytest

from embedded import __main__ as command
from embedded import kinds
from embedded.errors import EmbeddedError
from embedded.kinds import AHEAD
from embedded.node.cluster import RealCluster
from embedded.record import RECORD, Kind
from operations import deploy
from operations.node import ahead

SETTINGS = {"clusterMode": "embedded"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cluster with a real node that was never started."""
    monkeypatch.delenv("PULUMI_COMMAND_STDOUT", raising=False)
    (tmp_path / RECORD).write_text("real\n")
    return tmp_path


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands in for the process that starts the node."""
    process = Mock()
    process.__enter__ = Mock(return_value=process)
    process.__exit__ = Mock(return_value=False)
    process.begun = Mock(return_value=process)
    monkeypatch.setattr("operations.node.ahead.subprocess.Popen", process.begun)
    return process


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> Mock:
    monkeypatch.setattr("embedded.kinds.delete", deleted := Mock())
    return deleted


def test_only_a_stacks_own_real_node_is_started_ahead(root: Path) -> None:
    assert ahead.folder({**SETTINGS, "kubeconfig": str(root / "kubeconfig")}) == root
    assert ahead.folder({"clusterMode": "existing", "kubeconfig": str(root / "kubeconfig")}) is None
    (root / RECORD).write_text("simulated\n")
    assert ahead.folder({**SETTINGS, "kubeconfig": str(root / "kubeconfig")}) is None


def test_the_node_is_started_while_the_block_runs_and_waited_for(root: Path, early: Mock, deleted: Mock) -> None:
    with ahead.starting(root):
        assert early.begun.call_args.args[0][1:] == ["-m", "embedded", "start", f"--root={root}", "--ahead"]
        assert (root / AHEAD).exists()
        (root / AHEAD).unlink()  # as the stack's Command does
    early.__exit__.assert_called_once()
    deleted.assert_not_called()


def test_nothing_is_started_for_others(early: Mock) -> None:
    with ahead.starting(None):
        early.begun.assert_not_called()


@pytest.mark.parametrize("error", [RuntimeError("refused"), KeyboardInterrupt()])
def test_a_node_that_no_command_has_taken_goes_with_the_failure(
    root: Path, early: Mock, deleted: Mock, error: BaseException
) -> None:
    with pytest.raises(type(error)), ahead.starting(root):
        raise error
    early.send_signal.assert_called_once_with(signal.SIGINT)
    deleted.assert_called_once_with(root)


@pytest.mark.usefixtures("early")
def test_a_node_that_the_command_has_taken_stays_when_something_later_fails(root: Path, deleted: Mock) -> None:
    def up() -> None:
        with ahead.starting(root):
            (root / AHEAD).unlink()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        up()
    deleted.assert_not_called()


@pytest.mark.parametrize(("begun", "runs", "created"), [(True, True, True), (False, True, False), (False, False, True)])
def test_who_takes_a_node_that_was_started_ahead_has_created_it(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    begun: bool,
    runs: bool,
    created: bool,
) -> None:
    if begun:
        (root / AHEAD).touch()
    monkeypatch.setattr(kinds, "choose", lambda *_: Kind.REAL if not begun else pytest.fail("probed again"))
    monkeypatch.setattr(RealCluster, "running", lambda _: runs)
    monkeypatch.setattr(RealCluster, "start", start := Mock())
    monkeypatch.setattr(RealCluster, "identity", lambda _: "uid")
    assert command.main(["start", f"--root={root}", "--node=auto"]) == 0
    assert json.loads(capsys.readouterr().out) == {"created": created, "cluster": "uid"}
    assert start.call_count == (1 if begun or not runs else 0)
    assert not (root / AHEAD).exists()


def test_a_start_that_fails_leaves_no_sign_of_one_ahead(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / AHEAD).touch()
    monkeypatch.setattr(RealCluster, "start", Mock(side_effect=EmbeddedError("no room")))
    assert command.main(["start", f"--root={root}"]) == 1
    assert not (root / AHEAD).exists()


def test_ahead_means_without_a_kubeconfig(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / AHEAD).touch()
    monkeypatch.setattr(RealCluster, "start", start := Mock())
    assert command.main(["start", f"--root={root}", "--ahead"]) == 0
    start.assert_called_once_with(known=False)
    assert (root / AHEAD).exists()


def test_destroy_deletes_a_node_that_a_killed_up_has_started_ahead(
    root: Path, monkeypatch: pytest.MonkeyPatch, deleted: Mock
) -> None:
    ready = Mock(there=False, settings={**SETTINGS, "kubeconfig": str(root / "kubeconfig")})
    monkeypatch.setattr(deploy, "_ready", lambda *_: ready)
    monkeypatch.setattr("operations.state.lost.forget", Mock())
    deploy.destroy("embedded", {})
    deleted.assert_not_called()
    (root / AHEAD).touch()
    deploy.destroy("embedded", {})
    deleted.assert_called_once_with(root)
