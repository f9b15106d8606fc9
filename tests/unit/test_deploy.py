from pathlib import Path
from unittest.mock import Mock

import pulumi as pulumi_sdk
import pytest

from components.commands import UserError
from components.kube import KubeError
from operations import deploy
from operations.evaluate import PROJECT, stack_config
from tests.unit.fake_tools import Tool

DEV, EMBEDDED = "dev", "embedded"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty; the state is kept elsewhere."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")
    return folder


@pytest.fixture
def minikube(path: Path) -> Tool:
    return Tool.install(path, "minikube")


@pytest.fixture
def pulumi(path: Path) -> Tool:
    tool = Tool.install(path, "pulumi")
    tool.answer("stack", "{}")
    return tool


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands in for ``python -m operations``."""
    main = Mock(return_value=7)
    monkeypatch.setattr("operations.__main__.main", main)
    return main


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["deploy", *words])
    return deploy.main()


@pytest.mark.parametrize(
    ("command", "words"),
    [("up", "up --yes --skip-preview"), ("preview", "preview --diff"), ("destroy", "destroy --yes --skip-preview")],
)
def test_with_minikube_the_stack_dev_is_the_clis(
    minikube: Tool, pulumi: Tool, rehearsed: Mock, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    assert main(monkeypatch, command) == 0
    assert pulumi.words[1].startswith(f"{words} --config-file {deploy.STATE}/Pulumi.dev.yaml --stack dev ")
    assert minikube.words == []
    assert not rehearsed.called


def test_drift_needs_no_pulumi_cli(minikube: Tool, rehearsed: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(monkeypatch, "drift", "--stack", "prod", "--repair") == 7
    rehearsed.assert_called_once_with(["drift", "--stack", "prod", "--repair"])
    assert minikube.words == []


def test_recover_is_given_the_stacks_configuration(
    minikube: Tool, pulumi: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.recover.recover", recovered := Mock())
    monkeypatch.setattr("operations.deploy.releases_of", lambda stack: {stack})
    assert main(monkeypatch, "recover", "--stack", "prod") == 0
    (cli, settings, overrides, declared), _ = recovered.call_args
    assert (cli.binary, cli.stack, cli.state) == (pulumi.binary, "prod", deploy.STATE)
    assert settings["context"] == stack_config("prod")["istio-minikube:context"]
    assert (overrides, declared) == ({}, {"prod"})
    assert minikube.words == []


@pytest.mark.parametrize("error", [UserError("set text"), KubeError("set text"), pulumi_sdk.RunError("set text")])
def test_what_recovering_refuses_is_one_paragraph(
    minikube: Tool,
    pulumi: Tool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    monkeypatch.setattr("operations.deploy.releases_of", lambda _: set())
    monkeypatch.setattr("operations.recover.recover", Mock(side_effect=error))
    assert main(monkeypatch, "recover") == 1
    assert capsys.readouterr().err == "error: set text\n"
    assert (minikube.words, pulumi.words) == ([], [])


REHEARSING = "minikube is not on PATH: rehearsing on the embedded cluster instead of starting one\n"
REHEARSED = "minikube is not on PATH: this is the rehearsal's embedded cluster\n"


@pytest.mark.parametrize(
    ("command", "rehearsals", "why"),
    [
        ("up", "up", REHEARSING),
        ("drift", "drift", REHEARSED),
        ("recover", "recover", REHEARSED),
        ("destroy", "down", REHEARSED),
    ],
)
def test_without_minikube_the_stack_dev_is_rehearsed_and_one_line_says_why(
    path: Path,
    rehearsed: Mock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    rehearsals: str,
    why: str,
) -> None:
    assert main(monkeypatch, command) == 7
    rehearsed.assert_called_once_with([rehearsals])
    assert capsys.readouterr().out == why
    assert list(path.iterdir()) == []


def test_without_minikube_the_cli_previews_the_rehearsal(
    pulumi: Tool, rehearsed: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(monkeypatch, "preview") == 7
    rehearsed.assert_called_once_with(["preview"])
    assert pulumi.words == []


@pytest.mark.usefixtures("path")
def test_policies_that_a_rehearsal_would_not_enforce_are_an_error(
    rehearsed: Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "up", "--policies") == 1
    assert capsys.readouterr().err.startswith("error: policies are enforced where minikube is on PATH")
    assert not rehearsed.called


def test_without_minikube_and_the_cli_there_is_nothing_to_preview(
    path: Path, rehearsed: Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "preview") == 1
    assert capsys.readouterr().err == (
        "error: a preview needs the Pulumi CLI on PATH; install it, or see the same program run by `make up`, which "
        "rehearses it on an embedded cluster\n"
    )
    assert not rehearsed.called
    assert list(path.iterdir()) == []


def test_another_stack_that_starts_minikube_is_not_rehearsed(
    path: Path, rehearsed: Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deploy, "stack_config", lambda _: {"istio-minikube:clusterMode": "minikube"})
    assert main(monkeypatch, "up", "--stack", "ci") == 1
    assert capsys.readouterr().err == "error: stack ci starts minikube, which is not on PATH; install it\n"
    assert not rehearsed.called
    assert list(path.iterdir()) == []


def test_a_stack_on_an_existing_cluster_needs_no_minikube(
    pulumi: Tool, rehearsed: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(monkeypatch, "preview", "--stack", EMBEDDED) == 0
    assert pulumi.words[1].endswith("/Pulumi.embedded.yaml --stack embedded --non-interactive")
    assert not rehearsed.called


def test_without_the_cli_it_is_fetched_into_the_users_cache(
    minikube: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = Tool.install(tmp_path / "cache", "pulumi")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = Mock(return_value=fetched.binary)
    monkeypatch.setattr("operations.pulumi_cli.fetched", asked)
    assert main(monkeypatch, "preview") == 0
    asked.assert_called_once_with(tmp_path / "cache" / "istio-minikube" / "pulumi")
    assert fetched.words[-1].startswith("preview --diff ")
    assert minikube.words == []


def test_an_unknown_stack_is_refused(
    minikube: Tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "up", "--stack", "moon") == 1
    assert capsys.readouterr().err.startswith("error: there is no stack 'moon' here; accepted: ")
    assert minikube.words == []


def test_a_failing_cli_is_told_and_is_a_failure(
    minikube: Tool, pulumi: Tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.answer("up", "", 255)
    assert main(monkeypatch, "up") == 1
    assert capsys.readouterr().err == "error: `pulumi up` exits with 255; what it says above tells why\n"
    assert minikube.words == []


@pytest.mark.parametrize("command", ["up", "preview"])
def test_the_policy_pack_is_enforced_where_asked_for(
    minikube: Tool, pulumi: Tool, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    assert main(monkeypatch, command, "--policies") == 0
    assert f" --policy-pack {PROJECT}/policy " in pulumi.words[1]
    assert minikube.words == []


def test_another_command_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(monkeypatch, "refresh")
    assert "invalid choice: 'refresh'" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(deploy, "run", Mock(side_effect=KeyboardInterrupt))
    assert main(monkeypatch, "up") == 130
    assert capsys.readouterr().err == (
        "interrupted: the same command goes on from there, `make destroy` removes what was made\n"
    )
