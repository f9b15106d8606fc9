import asyncio
import contextlib
import runpy
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime.config import CONFIG

from components.commands import UserError
from operations.manifests.evaluate import Recorder, Registration, evaluate, stack_config

DESCRIPTION = """
name: shop
config:
  text: {type: string, default: none}
  number: {type: integer, default: 4}
  object: {type: object, default: {}}
  pulumi:disable-default-providers: {value: [kubernetes]}
"""
OF_PULUMI = {"pulumi:disable-default-providers": '["kubernetes"]'}
PROGRAM = """
import pathlib
import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

config = pulumi.Config()
group = pulumi.ComponentResource("shop:index:Group", "group")
provider = k8s.Provider("provider")
first = k8s.core.v1.ConfigMap("first", data={"a": config.require("text")},
    opts=pulumi.ResourceOptions(parent=group, provider=provider, protect=True))
command = local.Command("command", create="true", opts=pulumi.ResourceOptions(depends_on=[first]))
pulumi.export(config.require("text"), {"printed": command.stdout, "data": first.data, "stack": pulumi.get_stack()})
pulumi.export("folder", str(pathlib.Path.cwd()))
"""


SECRETS = """
import pulumi

hidden = pulumi.Output.secret("hidden")
pulumi.CustomResource("shop:index:One", "whole", {"data": pulumi.Output.secret({"a": ["hidden", 0.5]}), "count": 3})
pulumi.CustomResource("shop:index:One", "part", {"data": {"a": [hidden, 0.5]}, "count": 3})
"""
SIDE_BY_SIDE = """
import pulumi
for number in range(WORKERS):
    pulumi.CustomResource("shop:index:One", f"one-{number}", {})
"""


@dataclass(kw_only=True)
class Meeting(Recorder):
    """Makes a resource only once as many others are being made."""

    barrier: threading.Barrier

    def create(self, registration: Registration) -> dict[str, Any]:
        self.barrier.wait(60)
        return super().create(registration)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(DESCRIPTION)
    (tmp_path / "Pulumi.one.yaml").write_text("config:\n  shop:text: one\n  shop:flag: true\nencryptionsalt: v1:x\n")
    (tmp_path / "Pulumi.two.yaml").write_text("")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return tmp_path


def run(recorder: Recorder, stack: str, project: Path) -> None:
    """Evaluate the project's program, in its folder."""
    program = str(project / "__main__.py")
    with contextlib.chdir(project):
        config = stack_config(stack, project=project)
        evaluate(recorder, stack, config, lambda: runpy.run_path(program, run_name="__main__"))


@pytest.fixture
def recorder(project: Path) -> Recorder:
    """What the project's program registers."""
    made = Recorder()
    run(made, "one", project)
    return made


def test_a_stacks_configuration_is_defaults_then_file_then_overrides(project: Path) -> None:
    assert stack_config("one", {"number": "5"}, project) == {
        "shop:text": "one",
        "shop:number": "5",
        "shop:object": "{}",
        "shop:flag": "true",
        **OF_PULUMI,
    }


def test_an_empty_stack_file_leaves_the_defaults(project: Path) -> None:
    assert stack_config("two", project=project) == {
        "shop:text": "none",
        "shop:number": "4",
        "shop:object": "{}",
        **OF_PULUMI,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("config: [", "^Pulumi.two.yaml cannot be read: while parsing a flow node expected "),
        ("\x07", "^Pulumi.two.yaml cannot be read: "),
        ("- shop:text", r"^Pulumi.two.yaml has config \['shop:text'\]; accepted: keys with a namespace"),
        ("config: 1", "^Pulumi.two.yaml has config 1; accepted: "),
        ("config: {shop:text: one, text: two}", "^Pulumi.two.yaml has the config key 'text'; accepted: keys with a "),
    ],
)
def test_a_stack_file_that_holds_no_configuration_is_refused_in_one_paragraph(
    project: Path, content: str, message: str
) -> None:
    (project / "Pulumi.two.yaml").write_text(content)
    with pytest.raises(UserError, match=message) as refused:
        stack_config("two", project=project)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "config:", "config: {}", "encryptionsalt: v1:x"])
def test_a_stack_file_may_say_nothing(project: Path, content: str) -> None:
    (project / "Pulumi.two.yaml").write_text(content)
    assert stack_config("two", project=project)["shop:text"] == "none"


def test_an_unknown_stack_is_refused_with_those_there_are(project: Path) -> None:
    with pytest.raises(
        UserError, match=r"^there is no stack 'three' here, as there is no file Pulumi.three.yaml; accepted: one, two$"
    ):
        stack_config("three", project=project)


def test_the_program_runs_with_configuration_and_stack(recorder: Recorder, project: Path) -> None:
    assert recorder.outputs == {"one": {"printed": "", "data": {"a": "one"}, "stack": "one"}, "folder": str(project)}


def test_no_event_loop_is_left_open(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remembered)
    run(Recorder(), "one", project)
    assert len(made) > 1
    assert all(loop.is_closed() for loop in made)


def test_a_second_program_knows_nothing_of_the_first(recorder: Recorder, project: Path) -> None:
    second = Recorder()
    run(second, "two", project)
    assert set(recorder.outputs) == {"one", "folder"}
    assert set(second.outputs) == {"none", "folder"}


def test_a_registration_knows_its_type_inputs_and_options(recorder: Recorder) -> None:
    first = recorder.named("first")
    assert (first.token, first.inputs["data"]) == ("kubernetes:core/v1:ConfigMap", {"a": "one"})
    assert (first.parent, first.provider) == ("group", "provider")
    assert (first.custom, first.protect) == (True, True)
    assert first.dependencies == set()


def test_the_defaults_of_options_are_told_too(recorder: Recorder) -> None:
    command = recorder.named("command")
    assert (command.parent, command.provider) == ("", "")
    assert command.dependencies == {"first"}
    assert not command.protect
    assert not recorder.named("group").custom


def test_what_waits_is_made_after_what_it_waits_for(recorder: Recorder) -> None:
    names = [registration.name for registration in recorder.registrations]
    assert names.index("first") < names.index("command")


@pytest.mark.parametrize("name", ["whole", "part"])
def test_a_secret_is_given_in_clear_and_is_known_for_one(project: Path, name: str) -> None:
    (project / "__main__.py").write_text(SECRETS)
    recorder = Recorder()
    run(recorder, "one", project)
    assert recorder.named(name).inputs["data"] == {"a": ["hidden", 0.5]}
    assert recorder.named(name).secrets == {"data"}


def test_a_whole_number_stays_one(project: Path) -> None:
    (project / "__main__.py").write_text(SECRETS)
    recorder = Recorder()
    run(recorder, "one", project)
    assert repr(recorder.named("part").inputs["count"]) == "3"


def test_resources_that_do_not_wait_for_each_other_are_made_side_by_side(project: Path) -> None:
    (project / "__main__.py").write_text(SIDE_BY_SIDE.replace("WORKERS", "32"))
    recorder = Meeting(barrier=threading.Barrier(32))
    run(recorder, "one", project)
    assert len(recorder.registrations) == 32


def test_nothing_of_a_program_is_left_in_the_runtime(recorder: Recorder) -> None:
    assert recorder.registrations
    assert CONFIG.get() == {}
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
    assert threads == []


def test_what_the_program_says_goes_to_pulumis_log(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    (project / "__main__.py").write_text("import pulumi\npulumi.warn(f'{__name__}, {pulumi.runtime.is_dry_run()}')")
    run(Recorder(), "one", project)
    assert [(record.name, record.message) for record in caplog.records] == [("pulumi", "__main__, False")]


def test_what_the_program_refuses_comes_through(project: Path) -> None:
    (project / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('set text')")
    with pytest.raises(pulumi.RunError, match=r"^set text$"):
        run(Recorder(), "one", project)


def test_a_provider_function_cannot_be_answered(project: Path) -> None:
    (project / "__main__.py").write_text(
        "import pulumi\npulumi.export('a', pulumi.Output.from_input(pulumi.runtime.invoke('x:y:z', {}).value))"
    )
    with pytest.raises(NotImplementedError, match=r"^the program calls x:y:z, which nothing here can answer$"):
        run(Recorder(), "one", project)


def test_defaults_of_a_project_are_read_as_yaml(project: Path) -> None:
    changed = {"name": "shop", "config": {"text": {"type": "string", "default": "1.23.0"}}}
    (project / "Pulumi.yaml").write_text(yaml.safe_dump(changed))
    assert stack_config("two", project=project) == {"shop:text": "1.23.0"}
