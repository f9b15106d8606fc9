"""``python -m operations``: the command line, with nothing behind it."""

import io
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pulumi
import pytest
from rich.console import Console

from components.commands import UserError
from components.kube import KubeError
from embedded.errors import EmbeddedError
from operations import __main__ as command
from operations import pulumi_cli
from tests.unit.fake_api import FakeApi

CLI = Path("/opt/pulumi")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rehearsal's folder, empty."""
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "LAST_UP", tmp_path / "up.json")
    return tmp_path


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False)


def printed(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    ("wanted", "found", "made_by", "chosen", "said"),
    [
        ("auto", None, None, None, "Engine: offline, as no Pulumi CLI is on PATH\n"),
        ("auto", CLI, None, CLI, f"Engine: pulumi, as {CLI} is on PATH\n"),
        ("auto", CLI, "offline", None, "Engine: offline, as it made this stack\n"),
        ("auto", CLI, "pulumi", CLI, "Engine: pulumi, as it made this stack\n"),
        ("offline", CLI, None, None, ""),
        ("pulumi", CLI, "pulumi", CLI, ""),
    ],
)
def test_the_engine_is_the_one_wanted_or_the_one_that_made_the_stack_or_the_one_there_is(
    root: Path,
    screen: Console,
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    found: Path | None,
    made_by: str | None,
    chosen: Path | None,
    said: str,
) -> None:
    monkeypatch.setattr(pulumi_cli, "found", lambda: found)
    (root / "up.json").write_text(json.dumps({"engine": made_by}))
    assert command._engine(wanted, screen) == chosen
    assert printed(screen) == said


@pytest.mark.parametrize(
    ("wanted", "made_by", "message"),
    [
        (
            "offline",
            "pulumi",
            "the stack on this cluster was made with --engine pulumi, not offline: give that, or start afresh after "
            "`python -m operations down --engine pulumi`",
        ),
        ("pulumi", None, "--engine pulumi needs the Pulumi CLI on PATH; install it, or take --engine offline"),
        ("auto", "pulumi", "--engine pulumi needs the Pulumi CLI on PATH; install it, or take --engine offline"),
    ],
)
def test_an_engine_that_cannot_do_it_is_refused(
    root: Path, screen: Console, monkeypatch: pytest.MonkeyPatch, wanted: str, made_by: str | None, message: str
) -> None:
    monkeypatch.setattr(pulumi_cli, "found", lambda: None)
    (root / "up.json").write_text(json.dumps({"engine": made_by}))
    with pytest.raises(UserError) as refused:
        command._engine(wanted, screen)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "error",
    [
        UserError("set text"),
        KubeError("set text"),
        EmbeddedError("set text"),
        pulumi.RunError("set text"),
        pulumi_cli.CliError("set text"),
    ],
)
def test_what_a_person_can_put_right_is_one_paragraph_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    monkeypatch.setitem(command.COMMANDS, "up", Mock(side_effect=error))
    assert command.main(["up"]) == 1
    assert capsys.readouterr().err == "error: set text\n"


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(command.COMMANDS, "up", Mock(side_effect=KeyboardInterrupt))
    assert command.main(["up"]) == 130
    assert capsys.readouterr().err.startswith("interrupted: what was made stays; the same command goes on from there")


@pytest.mark.parametrize("asked", ["status", "preview"])
def test_what_needs_a_cluster_that_does_not_run_says_how_to_start_it(
    asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pulumi_cli, "found", lambda: CLI)
    assert command.main([asked]) == 1
    assert capsys.readouterr().err == "error: the embedded cluster does not run; `python -m operations up` starts it\n"


def test_recovering_is_for_the_engine_that_keeps_a_state(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "up.json").write_text(json.dumps({"engine": "offline"}))
    monkeypatch.setattr("operations.recover.recover", recovered := Mock())
    assert command.main(["recover"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Nothing to do: the offline engine keeps no state, and `up` goes on from whatever it finds"
    )
    assert not recovered.called


def test_recovering_starts_the_cluster_and_takes_the_configuration_of_the_last_up(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "up.json").write_text(json.dumps({"engine": "pulumi", "config": {"namespace": "shop"}}))
    monkeypatch.setattr(pulumi_cli, "found", lambda: CLI)
    monkeypatch.setattr("embedded.toolchain.ensure", lambda: Path("tools"))
    monkeypatch.setattr(command, "Cluster", cluster := Mock())
    monkeypatch.setattr("operations.recover.recover", recovered := Mock())
    monkeypatch.setattr(command, "releases_of", lambda stack, _: {stack})
    assert command.main(["recover"]) == 0
    cluster.assert_called_once_with(root, tools=Path("tools"))
    cluster.return_value.start.assert_called_once_with()
    (cli, settings, overrides, declared), _ = recovered.call_args
    assert (cli.binary, cli.stack) == (CLI, "embedded")
    assert settings["namespace"] == "shop"
    assert overrides == {"namespace": "shop"}
    assert declared == {"embedded"}


def test_keys_for_one_run_are_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    options = command.arguments().parse_args(["up", "--config", "a=b=c", "--config", "d="])
    assert options.config == [("a", "b=c"), ("d", "")]
    with pytest.raises(SystemExit):
        command.arguments().parse_args(["up", "--config", "bookinfo"])
    assert "'bookinfo' is not KEY=VALUE" in capsys.readouterr().err


@pytest.fixture
def running(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """A cluster that runs, with one pod."""
    monkeypatch.setattr(command, "CONTEXT", "there")
    monkeypatch.setattr(command, "Cluster", lambda _: Mock(running=lambda: True, kubeconfig=api.kubeconfig))
    pod: dict[str, Any] = {
        "metadata": {"namespace": "default", "name": "details-v1-a"},
        "spec": {
            "initContainers": [
                {"name": "istio-init", "image": "p:2"},
                {"name": "istio-proxy", "image": "p:2", "restartPolicy": "Always"},
            ],
            "containers": [{"name": "details", "image": "d:1", "env": []}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    pending = {**pod, "metadata": {"namespace": "default", "name": "b"}, "status": {}}
    api.answer("/api/v1/pods", {"items": [pod, pending]})
    return api


def test_status_lists_pods_with_their_containers_and_the_outputs_as_json(
    running: FakeApi, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "up.json").write_text(json.dumps({"engine": "offline", "outputs": {"istioVersion": "1.23.0"}}))
    assert command.main(["status", "--output", "json"]) == 0
    containers = [{"name": "details", "image": "d:1"}, {"name": "istio-proxy", "image": "p:2"}]
    pod = {"namespace": "default", "containers": containers}
    assert json.loads(capsys.readouterr().out) == {
        "pods": [
            {**pod, "name": "details-v1-a", "phase": "Running", "ready": True},
            {**pod, "name": "b", "phase": "Unknown", "ready": False},
        ],
        "outputs": {"istioVersion": "1.23.0"},
    }
    assert running.requests[0].path == "/api/v1/pods"


def test_status_is_readable_too(running: FakeApi, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "up.json").write_text(json.dumps({"outputs": {"istioVersion": "1.23.0", "pods": []}}))
    assert command.main(["status"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "default details-v1-a Running, ready: details, istio-proxy",
        "default b Unknown, not ready: details, istio-proxy",
        'istioVersion: "1.23.0"',
    ]
    assert running.requests[0].path == "/api/v1/pods"
