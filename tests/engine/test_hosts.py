"""The language host and the Command plugin that are built from embedded/go, by the real engine on tiny programs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import toolchain
from operations.manifests.objects import wait_until

STACK = "tiny"
# Seconds, on a machine that does a lot else.
PATIENCE = 300
RUNTIME = {"name": "python", "options": {"virtualenv": sys.prefix}}

# Writes its own process id to a file beside the program; a file that is there is whole.
TELLS_PID = """
import os, pathlib, time
import pulumi
from pulumi_command import local

def tell(name, pid):
    part = pathlib.Path(f"{name}.part")
    part.write_text(str(pid))
    part.rename(f"{name}.pid")

tell("program", os.getpid())
tell("host", os.getppid())
"""

# The shell of a Command, a child of it, and the plugin that has started it tell theirs.
WAITING = (
    "sleep 1000 & tell() { echo $2 >$1.part; mv $1.part $1.pid; }; tell plugin $PPID; tell child $!; tell shell $$"
)

DAEMON = (
    f"{sys.executable} -c 'import subprocess; "
    'print(subprocess.Popen(["sleep", "1000"], start_new_session=True, stdout=-3, stderr=-3).pid)\''
)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project with a stack of its own.

    Attributes:
        folder: the project's; programs, plugins and Commands run in it.
        engine: the folder that the engine was built into.
    """

    folder: Path
    engine: Path

    def write(self, program: str, **settings: Any) -> None:
        """Write the program, and the project's description with further settings."""
        description = {"name": STACK, "runtime": RUNTIME, **settings}
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(description))
        (self.folder / "__main__.py").write_text(program)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the CLI as a terminal does, in a process group of its own; its output goes to a file."""
        with (self.folder / "output").open("w") as output:
            return subprocess.Popen(
                [self.engine / "bin" / "pulumi", *words, "--non-interactive", "--color=never"],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                process_group=0,
            )

    def run(self, *words: str, fails: bool = False) -> str:
        """Run the CLI to its end, and return what it says."""
        code = self.start(*words).wait(timeout=PATIENCE)
        said = self.said()
        assert bool(code) == fails, f"pulumi {' '.join(words)} exits with {code}:\n{said}"
        return said

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def up(self) -> str:
        return self.run("up", "--yes", "--skip-preview", "--stack", STACK)

    def destroy(self) -> str:
        return self.run("destroy", "--yes", "--skip-preview", "--stack", STACK)

    def outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets", "--stack", STACK))
        return outputs

    def resources(self) -> list[str]:
        """Names of the stack's Commands."""
        state = json.loads(self.run("stack", "export", "--stack", STACK))
        found = state["deployment"].get("resources", [])
        return [each["urn"].rpartition("::")[2] for each in found if each["type"] == "command:local:Command"]

    def log(self) -> list[str]:
        """What the Commands have added to the file `log` since last asked."""
        file = self.folder / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def pid(self, name: str) -> int:
        """The process id that something has told under a name."""
        file = self.folder / f"{name}.pid"
        wait_until(f"{name} to tell its process id", file.exists, PATIENCE)
        return int(file.read_text())

    def environment(self) -> Mapping[str, str]:
        state = self.folder / "state"
        return {
            **os.environ,
            "PATH": f"{self.engine / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }


def runs(pid: int) -> bool:
    """Whether a process is there. One that nobody has collected yet is not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")


def gone(*pids: int) -> None:
    """Wait until processes have ended."""
    for pid in pids:
        wait_until(f"the end of process {pid}", lambda pid=pid: not runs(pid), PATIENCE)  # type: ignore[misc]


@pytest.fixture(scope="session")
def engine() -> Path:
    return toolchain.ensure("engine").engine


@pytest.fixture
def project(engine: Path, tmp_path: Path) -> Project:
    (tmp_path / "state").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "plugins").symlink_to(engine / "home" / "plugins")
    project = Project(folder=tmp_path, engine=engine)
    project.write("")
    project.run("stack", "init", STACK)
    return project


LIFE = """
import pulumi
from pulumi_command import local
command = local.Command("command", create={create!r}, update={update!r}, delete={delete!r}, triggers={triggers!r})
pulumi.export("said", command.stdout)
"""


def test_a_command_is_created_updated_replaced_and_deleted(project: Project) -> None:
    commands = {
        "create": "echo create $WORD >>log; echo created",
        "update": "echo update after $PULUMI_COMMAND_STDOUT >>log; echo updated",
        "delete": "echo delete after $PULUMI_COMMAND_STDOUT >>log",
        "triggers": ["a"],
    }
    project.write(LIFE.format_map(commands))
    project.run("preview", "--stack", STACK)
    assert project.log() == []
    project.up()
    assert project.log() == ["create"]
    assert project.outputs() == {"said": "created"}

    project.run("preview", "--expect-no-changes", "--stack", STACK)
    project.run("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--stack", STACK)
    assert project.log() == []

    project.write(LIFE.format_map(commands := commands | {"create": "exit 1"}))
    assert "1 to update" in project.run("preview", "--stack", STACK)
    project.up()
    assert project.log() == ["update after created"]
    assert project.outputs() == {"said": "updated"}

    commands |= {"triggers": ["b"], "create": "echo create >>log; echo replaced"}
    project.write(LIFE.format_map(commands))
    assert "1 to replace" in project.run("preview", "--stack", STACK)
    project.up()
    assert project.log() == ["create", "delete after updated"]

    project.destroy()
    assert project.log() == ["delete after replaced"]


def test_a_command_gets_its_variables_its_input_its_folder_and_its_interpreter(project: Project) -> None:
    (project.folder / "sub").mkdir()
    project.write("""
import pulumi
from pulumi_command import local
first = local.Command("first", create="echo first")
second = local.Command(
    "second", create="import os, sys; print(os.environ['A'], sys.stdin.read(), os.path.basename(os.getcwd()))",
    environment={"A": first.stdout}, stdin="input", dir="sub", interpreter=["python", "-c"], logging="none",
)
pulumi.export("said", second.stdout)
pulumi.export("run", local.run_output(command="echo run >&2").stderr)
""")
    project.run("preview", "--stack", STACK)
    project.up()
    assert project.outputs() == {"said": "first input sub", "run": "run"}


def test_what_comes_of_a_secret_is_secret(project: Project) -> None:
    project.write("""
import pulumi
from pulumi_command import local
command = local.Command("command", create="cat", stdin=pulumi.Output.secret("hush"), logging="none")
pulumi.export("said", command.stdout)
""")
    project.up()
    assert project.run("stack", "output", "said", "--stack", STACK) == "[secret]\n"
    assert "hush" not in project.run("stack", "export", "--stack", STACK)
    assert project.outputs() == {"said": "hush"}


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        pytest.param("import pulumi\nraise pulumi.RunError('my reason')", "error: my reason", id="a user's error"),
        pytest.param("raise ValueError('my reason')", "ValueError: my reason", id="an exception"),
        pytest.param("raise SystemExit(3)", "program exited with non-zero exit code: 3", id="an exit code"),
    ],
)
def test_a_failing_program_says_once_why(project: Project, program: str, expected: str) -> None:
    project.write(program)
    said = project.run("preview", "--stack", STACK, fails=True)
    assert said.partition("Diagnostics:")[2].count(expected) == 1


COMPONENT = """
from typing import Optional, TypedDict
from pulumi.provider.experimental import component_provider_host

class ThingArgs(TypedDict):
    word: pulumi.Input[str]

class Thing(pulumi.ComponentResource):
    said: pulumi.Output[str]

    def __init__(self, name: str, args: ThingArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("things:index:Thing", name, {}, opts)
        create = pulumi.Output.concat("echo ", args["word"], EXTRA)
        self.said = local.Command(f"{name}-say", create=create, opts=pulumi.ResourceOptions(parent=self)).stdout
        self.register_outputs({"said": self.said})

tell("component", os.getpid())
component_provider_host(name="things", components=[Thing])
"""

USER = """
class Thing(pulumi.ComponentResource):
    said: pulumi.Output[str]

    def __init__(self, name, word):
        super().__init__("things:index:Thing", name, {"word": word, "said": None}, None, remote=True)

pulumi.export("said", Thing("a", "hello").said)
"""


@pytest.fixture
def component(project: Project) -> Project:
    """A project whose program uses a component of a plugin in Python."""
    plugin = project.folder / "things"
    plugin.mkdir()
    (plugin / "PulumiPlugin.yaml").write_text(yaml.safe_dump({"runtime": RUNTIME}))
    (plugin / "__main__.py").write_text("EXTRA = ''\n" + TELLS_PID.partition("\ntell(")[0] + COMPONENT)
    project.write(TELLS_PID + USER, plugins={"providers": [{"name": "things", "path": "./things"}]})
    return project


def test_a_component_of_a_plugin_in_python_is_brought_up_and_down(component: Project) -> None:
    component.up()
    assert component.outputs() == {"said": "hello"}
    gone(component.pid("component"), component.pid("program"), component.pid("host"))
    component.run("preview", "--expect-no-changes", "--stack", STACK)
    component.destroy()


PACK = """
import os, pathlib
import pulumi
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def judge(args, report):
    if args.resource_type == "command:local:Command":
        report(f"no commands on {pulumi.get_stack()} where word is {pulumi.Config('tiny').get('word')}")

pathlib.Path("pack.part").write_text(str(os.getpid()))
pathlib.Path("pack.part").rename("pack.pid")
PolicyPack(
    "pack",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy(name="no-commands", description="None", validate=judge)],
)
"""


@pytest.mark.usefixtures("leftovers")
def test_a_policy_pack_is_installed_judges_by_the_stack_s_configuration_and_ends_with_the_cli(project: Project) -> None:
    pack = project.folder / "pack"
    pack.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": "venv"}}
    (pack / "PulumiPolicy.yaml").write_text(yaml.safe_dump({"runtime": runtime}))
    (pack / "requirements.txt").write_text("pulumi-policy\n")
    (pack / "__main__.py").write_text(PACK)
    said = project.run("install", "--cwd", str(pack))
    assert "Successfully installed" in said
    project.write('from pulumi_command import local\nlocal.Command("command", create="true")')
    project.run("config", "set", "word", "hello", "--stack", STACK)
    said = project.run("preview", "--policy-pack", str(pack), "--stack", STACK, fails=True)
    assert "[mandatory]  no-commands" in said
    assert "no commands on tiny where word is hello" in said
    judge = pack / "pack.pid"
    gone(int(judge.read_text()))

    judge.unlink()
    project.write(f"{TELLS_PID}\ntime.sleep(1000)")
    cli = project.start("preview", "--policy-pack", str(pack), "--stack", STACK)
    wait_until("the pack to tell its process id", judge.exists, PATIENCE)
    processes = (int(judge.read_text()), project.pid("program"), project.pid("host"))
    assert all(map(runs, processes))
    cli.kill()
    gone(*processes)


ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def ended(project: Project, cli: subprocess.Popen[str], how: signal.Signals) -> str:
    """What the CLI has said until it has ended, told once how."""
    cli.send_signal(how)
    code = cli.wait(timeout=PATIENCE)
    said = project.said()
    assert code == -how if how == signal.SIGKILL else code > 0, said
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    return said


@pytest.fixture
def leftovers(project: Project) -> Iterator[None]:
    """What tells its process id is ended whatever a test finds."""
    yield
    for file in project.folder.rglob("*.pid"):
        if runs(pid := int(file.read_text())):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("ignores", ["", "trap '' TERM INT; "], ids=["a command that heeds", "one that heeds nothing"])
def test_nothing_of_a_running_command_is_left(project: Project, how: signal.Signals, ignores: str) -> None:
    project.write(f'{TELLS_PID}\nlocal.Command("command", create="{ignores}{WAITING}; wait; sleep 1000")')
    cli = project.start("up", "--yes", "--skip-preview", "--stack", STACK)
    processes = [project.pid(name) for name in ("shell", "child", "plugin", "program", "host")]
    assert all(map(runs, processes))
    ended(project, cli, how)
    gone(*processes)


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize("how", ENDINGS)
def test_nothing_of_a_busy_program_is_left(project: Project, how: signal.Signals) -> None:
    project.write(f"{TELLS_PID}\ntime.sleep(1000)")
    cli = project.start("preview", "--stack", STACK)
    processes = [project.pid(name) for name in ("program", "host")]
    ended(project, cli, how)
    gone(*processes)


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize("how", ENDINGS)
def test_nothing_of_a_plugin_in_python_is_left(component: Project, how: signal.Signals) -> None:
    main = component.folder / "things" / "__main__.py"
    main.write_text(main.read_text().replace("EXTRA = ''", f"EXTRA = '; {WAITING}; wait'"))
    cli = component.start("up", "--yes", "--skip-preview", "--stack", STACK)
    processes = [component.pid(name) for name in ("shell", "child", "plugin", "component", "program", "host")]
    ended(component, cli, how)
    gone(*processes)


@pytest.mark.usefixtures("leftovers")
def test_a_second_interrupt_ends_at_once(project: Project) -> None:
    project.write(f'{TELLS_PID}\nlocal.Command("command", create="trap \'\' TERM INT; {WAITING}; wait; sleep 1000")')
    cli = project.start("up", "--yes", "--skip-preview", "--stack", STACK)
    processes = [project.pid(name) for name in ("shell", "child", "plugin", "program", "host")]
    cli.send_signal(signal.SIGINT)
    wait_until("the first to be heeded", lambda: "^C received; cancelling" in project.said(), PATIENCE)
    said = ended(project, cli, signal.SIGINT)
    assert "^C received; terminating" in said
    gone(*processes)


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize("how", ENDINGS)
def test_a_daemon_of_a_finished_command_lives_on(project: Project, how: signal.Signals) -> None:
    create = f"{DAEMON} >daemon.part; mv daemon.part daemon.pid"
    project.write(f"""{TELLS_PID}
first = local.Command("first", create={create!r})
local.Command("second", create={WAITING + "; wait"!r}, opts=pulumi.ResourceOptions(depends_on=[first]))
""")
    cli = project.start("up", "--yes", "--skip-preview", "--stack", STACK)
    gone_then = [project.pid(name) for name in ("shell", "child", "plugin", "program", "host")]
    ended(project, cli, how)
    gone(*gone_then)
    assert runs(project.pid("daemon"))


def test_a_stack_goes_on_after_it_was_interrupted(project: Project) -> None:
    # The second runs once the engine knows that the first is through.
    project.write("""
import pulumi
from pulumi_command import local
first = local.Command("first", create="echo first >>log")
waits = pulumi.ResourceOptions(depends_on=[first])
local.Command("second", create="echo second >>log; until [ -e go-on ]; do sleep 0.05; done", opts=waits)
""")
    cli = project.start("up", "--yes", "--skip-preview", "--stack", STACK)
    log = project.folder / "log"
    wait_until("the second to run", lambda: log.exists() and "second" in log.read_text().split(), PATIENCE)
    ended(project, cli, signal.SIGINT)
    assert project.resources() == ["first"]
    project.log()
    (project.folder / "go-on").touch()
    project.up()
    assert project.log() == ["second"]
