"""``python -m operations``: the command line, with nothing behind it."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pulumi
import pytest

from components.commands import UserError
from components.kube import KubeError
from embedded.errors import EmbeddedError
from operations import __main__ as command
from operations import status, systems
from operations.manifests.evaluate import LOG, PROJECT
from tests.unit.fake_api import FakeApi


@pytest.fixture(autouse=True)
def work(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands in for the work of ``up``; the stack is never looked for."""
    work = Mock(return_value=None, __doc__="Bring the stack up.")
    monkeypatch.setitem(command.STACK_COMMANDS, "up", work)
    monkeypatch.setattr("operations.stacks.chosen", lambda stack: stack or "embedded")
    return work


@pytest.mark.parametrize(
    "error", [UserError("set text"), KubeError("set text"), EmbeddedError("set text"), pulumi.RunError("set text")]
)
def test_what_a_person_can_put_right_is_one_paragraph_and_exit_code_1(
    work: Mock, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    work.side_effect = error
    assert command.main(["up"]) == 1
    assert capsys.readouterr().err == "error: set text\n"


@pytest.mark.parametrize("platform", ["win32", "cygwin", "freebsd14"])
def test_another_system_is_refused_in_one_sentence_before_what_it_lacks_is_imported(platform: str) -> None:
    elsewhere = f"""
import runpy, sys
sys.platform = {platform!r}
sys.modules |= dict.fromkeys(["fcntl", "pwd"])
runpy.run_module("operations", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", elsewhere], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {platform} is not supported; accepted: Linux, macOS, or on Windows the Linux shell of WSL2 "
        "(https://learn.microsoft.com/windows/wsl/install)\n"
    )


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_linux_and_macos_are_supported(platform: str) -> None:
    systems.require(platform)


def test_a_command_does_not_wait_for_the_sdks_that_only_the_program_needs() -> None:
    listing = "import sys, operations.__main__; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", listing], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in modules.stdout.split()}
    assert "operations" in loaded
    assert loaded & {"pulumi_kubernetes", "pulumi_command"} == set()


def test_ctrl_c_says_how_to_go_on(work: Mock, capsys: pytest.CaptureFixture[str]) -> None:
    work.side_effect = KeyboardInterrupt
    assert command.main(["up"]) == 130
    assert capsys.readouterr().err == (
        "interrupted: run the same command again to continue, or `make destroy` to remove what was created\n"
    )


def test_a_command_is_given_the_stack_that_was_chosen(work: Mock) -> None:
    assert command.main(["up"]) == 0
    assert command.main(["up", "--stack", "prod"]) == 0
    assert [call.args[0].stack for call in work.call_args_list] == ["embedded", "prod"]


def test_a_commands_own_exit_code_is_kept(work: Mock) -> None:
    work.return_value = 7
    assert command.main(["up"]) == 7


def test_keys_for_one_run_are_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    options = command.arguments().parse_args(["up", "--config", "a=b=c", "--config", "d="])
    assert options.config == [("a", "b=c"), ("d", "")]
    with pytest.raises(SystemExit):
        command.arguments().parse_args(["up", "--config", "bookinfo"])
    assert "'bookinfo' is not KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted({**command.STACK_COMMANDS, **command.OTHER_COMMANDS}))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m operations {name}")
    work = {**command.STACK_COMMANDS, **command.OTHER_COMMANDS}[name]
    assert (work.__doc__ or "").strip(".") in " ".join(said.split())


POD: dict[str, Any] = {
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
PENDING = {**POD, "metadata": {"namespace": "default", "name": "b"}, "status": {}}


@pytest.fixture
def running(api: FakeApi) -> dict[str, str]:
    """The settings of a stack whose cluster has two pods."""
    api.answer("/api/v1/pods", {"items": [POD, PENDING]})
    return {"kubeconfig": str(api.kubeconfig), "context": "there"}


def test_status_lists_pods_with_their_containers_and_the_outputs_as_json(
    running: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    status.show_as_json(running, {"istioVersion": "1.23.0"})
    containers = [{"name": "details", "image": "d:1"}, {"name": "istio-proxy", "image": "p:2"}]
    pod = {"namespace": "default", "containers": containers}
    assert json.loads(capsys.readouterr().out) == {
        "pods": [
            {**pod, "name": "details-v1-a", "phase": "Running", "ready": True},
            {**pod, "name": "b", "phase": "Unknown", "ready": False},
        ],
        "outputs": {"istioVersion": "1.23.0"},
    }


def test_status_is_readable_too(running: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    status.show(running, {"istioVersion": "1.23.0", "pods": []})
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "default details-v1-a Running, ready: details, istio-proxy",
        "default b Unknown, not ready: details, istio-proxy",
        'istioVersion: "1.23.0"',
    ]


def test_status_tells_the_address_at_which_the_page_answers(
    running: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "settings_of", lambda _: running)
    monkeypatch.setattr(status, "outputs", lambda _: {"productPage": "http://localhost:8080/productpage"})
    monkeypatch.setattr("operations.access.page.address", lambda settings, _: f"http://{settings['context']}:1/")
    assert command.main(["status"]) == 0
    assert capsys.readouterr().out.endswith("\nBookinfo: http://there:1/\n")
    monkeypatch.setattr("operations.access.page.address", lambda *_: None)
    assert command.main(["status"]) == 0
    assert "Bookinfo" not in capsys.readouterr().out


def test_what_takes_seconds_says_what_it_does_or_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("operations.reference.write", lambda: None)
    assert command.main(["reference"]) == 0
    assert capsys.readouterr().out == "docs/components.md has what the components' docstrings say\n"
    monkeypatch.setattr("operations.distribution.build", lambda: [Path("dist/a.whl")])
    assert command.main(["distribution"]) == 0
    assert capsys.readouterr() == ("dist/a.whl\n", "Building the wheel and the source archive of the last commit\n")


@pytest.mark.parametrize(("level", "line"), [(logging.WARNING, "warning: {}\n"), (logging.INFO, "{}\n")])
def test_what_the_program_tells_is_one_line_however_long(
    work: Mock, capsys: pytest.CaptureFixture[str], level: int, line: str
) -> None:
    address = f"https://example.org/{'long/' * 40}file.yaml"
    work.side_effect = lambda _: LOG.log(level, f"Fetching {address}")
    assert command.main(["up"]) == 0
    assert capsys.readouterr().err == line.format(f"Fetching {address}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--section=Dev=nofile", "--out=comment.md"], "error: nofile: No such file or directory; accepted: for --sec"),
        (["--out=nofolder/comment.md"], "error: nofolder/comment.md: No such file or directory; accepted: for --sec"),
    ],
)
def test_a_file_of_a_comment_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(["comment", *words]) == 1
    assert capsys.readouterr().err.startswith(message)


def test_a_stack_that_was_never_brought_up_has_no_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "STATE", tmp_path)
    assert status.outputs("dev") == {}
