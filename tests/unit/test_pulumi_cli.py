import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.commands import UserError
from operations import engine, pulumi_cli
from operations.engine import Engine
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import Cli
from tests.unit.fake_tools import Tool


@pytest.fixture
def pulumi(tmp_path: Path) -> Tool:
    tool = Tool.install(tmp_path / "bin", "pulumi")
    tool.answer("stack", '{"istioVersion": "1.23.0"}')
    return tool


@pytest.fixture
def cli(pulumi: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Cli(engine=Engine(binary=pulumi.binary), stack="dev", state=tmp_path / "deep" / "state")


@pytest.fixture
def options(cli: Cli) -> str:
    return f"--config-file {cli.state}/Pulumi.dev.yaml --stack dev --non-interactive"


SELECT = "stack select --create --stack dev --non-interactive"


def test_up_makes_the_stack_brings_it_up_and_gives_its_outputs(cli: Cli, pulumi: Tool, options: str) -> None:
    assert cli.up({}) == {"istioVersion": "1.23.0"}
    assert pulumi.words == [
        SELECT,
        f"up --yes --skip-preview --suppress-progress --suppress-outputs {options}",
        "stack output --json --stack dev --non-interactive",
    ]


def configured(cli: Cli) -> Any:
    """The stack's file as the CLI is given it."""
    return yaml.safe_load((cli.state / f"Pulumi.{cli.stack}.yaml").read_text())


def test_overrides_are_keys_of_this_project_in_the_type_that_its_schema_gives(cli: Cli) -> None:
    cli.up({"bookinfo": "false", "minikubeCpus": "6", "namespace": "shop", "services": '[{"name": "a"}]', "typo": "1"})
    config = configured(cli)["config"]
    read = {
        key: config[f"istio-minikube:{key}"] for key in ("bookinfo", "minikubeCpus", "namespace", "services", "typo")
    }
    assert read == {"bookinfo": False, "minikubeCpus": 6, "namespace": "shop", "services": [{"name": "a"}], "typo": "1"}


def test_preview_shows_the_differences(cli: Cli, pulumi: Tool, options: str) -> None:
    cli.preview()
    assert pulumi.words == [SELECT, f"preview --diff {options}"]


def test_destroy_asks_nothing(cli: Cli, pulumi: Tool, options: str) -> None:
    cli.destroy()
    assert pulumi.words == [SELECT, f"destroy --yes --skip-preview --suppress-progress {options}"]


def test_the_program_is_run_in_the_project_and_the_stack_is_made_beside_the_state(cli: Cli, pulumi: Tool) -> None:
    cli.preview()
    assert pulumi.folders == [str(cli.state), str(PROJECT)]
    assert (cli.state / "Pulumi.yaml").read_bytes() == (PROJECT / "Pulumi.yaml").read_bytes()


def test_what_the_cli_shows_reaches_the_terminal(cli: Cli, pulumi: Tool, capfd: pytest.CaptureFixture[str]) -> None:
    pulumi.answer("preview", "+ 36 to create")
    cli.preview()
    assert capfd.readouterr().out == "+ 36 to create\n"


@pytest.mark.parametrize("command", ["stack", "preview"])
def test_a_failing_command_is_named(cli: Cli, pulumi: Tool, command: str) -> None:
    pulumi.answer(command, "error: no", 255)
    with pytest.raises(UserError, match=f"^`pulumi {command}` exits with 255; what it says above tells why$"):
        cli.preview()


def test_no_account_is_needed(cli: Cli, pulumi: Tool) -> None:
    cli.preview()
    assert pulumi.environment["PULUMI_BACKEND_URL"] == f"file://{cli.state}?metadata=skip"
    assert pulumi.environment["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert pulumi.environment["PULUMI_SKIP_UPDATE_CHECK"] == "true"


@pytest.mark.parametrize(
    "variable", ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_SKIP_UPDATE_CHECK", "KUBECONFIG"]
)
def test_what_is_set_outside_wins(cli: Cli, pulumi: Tool, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "mine")
    cli.preview()
    assert pulumi.environment[variable] == "mine"


def test_a_passphrase_in_a_file_is_not_overridden_by_an_empty_one(
    cli: Cli, pulumi: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "secret.txt")
    cli.preview()
    assert "PULUMI_CONFIG_PASSPHRASE" not in pulumi.environment


def test_the_stacks_file_is_copied_anew_for_each_run(cli: Cli) -> None:
    cli.preview()
    copy = cli.state / "Pulumi.dev.yaml"
    copy.write_text("config: {istio-minikube:namespace: shop}\n")
    cli.preview()
    assert configured(cli) == yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())


def test_the_salt_that_the_cli_wrote_into_the_copy_is_kept(cli: Cli) -> None:
    cli.preview()
    copy = cli.state / "Pulumi.dev.yaml"
    copy.write_text(copy.read_text() + "encryptionsalt: v1:abc\n")
    cli.preview()
    assert configured(cli) == yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text()) | {"encryptionsalt": "v1:abc"}


@pytest.mark.parametrize("earlier", ["", "config: {istio-minikube:namespace: shop}\n"])
def test_an_earlier_copy_without_salt_is_written_anew(cli: Cli, earlier: str) -> None:
    cli.preview()
    (cli.state / "Pulumi.dev.yaml").write_text(earlier)
    cli.preview()
    assert configured(cli) == yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())


def test_another_projects_program_has_its_own_file_keys_and_types(cli: Cli, pulumi: Tool, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nconfig: {copies: {type: integer}}\n")
    (tmp_path / "Pulumi.dev.yaml").touch()
    replace(cli, project=tmp_path).up({"copies": "2"})
    assert configured(cli) == {"config": {"shop:copies": 2}}
    assert (cli.state / "Pulumi.yaml").read_text().startswith("name: shop\n")
    assert pulumi.folders[1] == str(tmp_path)


def test_a_quiet_up_says_nothing(cli: Cli, pulumi: Tool, capfd: pytest.CaptureFixture[str]) -> None:
    pulumi.answer("up", "updating")
    cli.up({}, quiet=True)
    assert capfd.readouterr().out == ""


def test_a_stacks_own_salt_wins_and_an_empty_stack_file_will_do(cli: Cli, tmp_path: Path) -> None:
    shutil.copyfile(PROJECT / "Pulumi.yaml", tmp_path / "Pulumi.yaml")
    file = tmp_path / "Pulumi.dev.yaml"
    file.touch()
    cli = replace(cli, project=tmp_path)
    cli.preview()
    assert configured(cli) == {}
    (cli.state / "Pulumi.dev.yaml").write_text("encryptionsalt: v1:earlier\n")
    file.write_text("encryptionsalt: v1:own\n")
    cli.preview()
    assert configured(cli) == {"encryptionsalt": "v1:own"}


def test_a_stack_file_without_a_key_takes_those_of_a_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(PROJECT / "Pulumi.yaml", tmp_path / "Pulumi.yaml")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n")
    monkeypatch.setattr(pulumi_cli, "PROJECT", tmp_path)
    cli.up({"namespace": "shop"})
    assert configured(cli) == {"config": {"istio-minikube:namespace": "shop"}}


def test_an_override_that_is_no_yaml_is_refused(cli: Cli, pulumi: Tool) -> None:
    message = r"^config key istio-minikube:istioValues is '\{'; accepted: YAML of type object$"
    with pytest.raises(UserError, match=message):
        cli.up({"istioValues": "{"})
    assert pulumi.words == []


def test_recovering_unlocks_the_stack_and_refreshes_its_state(cli: Cli, pulumi: Tool, options: str) -> None:
    cli.select()
    cli.recover()
    assert pulumi.words[1:] == [
        "cancel --yes --stack dev --non-interactive",
        f"refresh --yes --skip-preview --clear-pending-creates {options}",
    ]


UPSERT = {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}


@pytest.mark.parametrize("through", ["up", "destroy"])
def test_after_recovering_objects_are_taken_over_until_a_command_has_gone_through(
    cli: Cli, pulumi: Tool, through: str
) -> None:
    cli.select()
    cli.recover()
    command = {"up": lambda: cli.up({}), "destroy": cli.destroy}[through]
    pulumi.answer(through, "", 255)
    with pytest.raises(UserError):
        command()
    assert cli._upsert({}) == UPSERT
    pulumi.answer(through, "")
    command()
    assert cli._upsert({}) == {}


def test_a_preview_takes_over_what_the_next_up_will(cli: Cli, pulumi: Tool) -> None:
    cli.preview()
    assert not UPSERT.items() <= pulumi.environment.items()
    cli.recover()
    cli.preview()
    assert UPSERT.items() <= pulumi.environment.items()


def test_a_stack_that_cannot_be_refreshed_has_not_recovered(cli: Cli, pulumi: Tool) -> None:
    cli.select()
    pulumi.answer("refresh", "", 255)
    with pytest.raises(UserError):
        cli.recover()
    assert cli._upsert({}) == {}


def test_the_state_is_read_as_it_is(cli: Cli, pulumi: Tool) -> None:
    cli.select()
    pulumi.answer("stack", '{"deployment": {}}')
    assert cli.export() == {"deployment": {}}
    assert pulumi.words[-1] == "stack export --stack dev --non-interactive"


def test_what_the_cli_starts_can_be_told_from_other_stacks(cli: Cli, pulumi: Tool) -> None:
    cli.preview()
    assert cli.mark == f"ISTIO_MINIKUBE_STACK={cli.state}/dev"
    assert pulumi.environment["ISTIO_MINIKUBE_STACK"] == f"{cli.state}/dev"


def test_a_cli_that_is_fetched_is_put_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, root: str) -> None:
            self.command = f"{root}/bin/pulumi"

    monkeypatch.setattr("pulumi.automation.PulumiCommand.install", Installed)
    assert engine._fetch(tmp_path) == tmp_path / "bin" / "pulumi"


def test_a_cli_that_cannot_be_fetched_is_an_error_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(root: str) -> None:
        raise OSError(f"no network for {Path(root).name}")

    monkeypatch.setattr("pulumi.automation.PulumiCommand.install", install)
    with pytest.raises(UserError) as failed:
        engine._fetch(tmp_path)
    assert str(failed.value) == f"The Pulumi CLI cannot be fetched from Pulumi (no network for {tmp_path.name})"


@pytest.mark.parametrize(("adopt", "upsert"), [("true", {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}), ("false", {})])
def test_only_a_stack_that_adopts_a_mesh_takes_objects_over_that_are_there(
    cli: Cli, adopt: str, upsert: dict[str, str]
) -> None:
    assert cli._upsert({"adopt": adopt}) == upsert
    assert cli._upsert({}) == {}


def test_ctrl_c_waits_until_the_cli_has_ended_in_order(cli: Cli, pulumi: Tool, tmp_path: Path) -> None:
    pulumi.binary.write_text(
        f"#!/bin/sh\ntrap 'command -p sleep 0.6; command -p touch {tmp_path}/unlocked; exit 1' INT\n"
        f"command -p touch {tmp_path}/updating\nwhile :; do command -p sleep 0.05; done\n"
    )
    code = f"""
import os, signal, subprocess, time
from pathlib import Path
from operations.engine import Engine
from operations.pulumi_cli import Cli

class Interrupted(subprocess.Popen):
    def communicate(self, *words, **options):
        while not Path({str(tmp_path / "updating")!r}).exists():
            time.sleep(0.02)
        os.killpg(0, signal.SIGINT)  # as a terminal does
        return super().communicate(*words, **options)

subprocess.Popen = Interrupted
cli = Cli(engine=Engine(binary=Path({str(pulumi.binary)!r})), stack="dev", state=Path({str(cli.state)!r}))
try:
    cli.run("cancel")
except KeyboardInterrupt:
    assert Path({str(tmp_path / "unlocked")!r}).exists()
    print("in order")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        process_group=0,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("in order\n", "")
