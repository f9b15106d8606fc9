import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.commands.minikube import Difference, Wanted, conflict, differences, find_profile, hint, was_created

PROJECT = Path(__file__).parents[2]
FIGURES = ["--memory", "5500", "--cpus", "4", "--kubernetes-version", "v1.30.0"]
START = "start --profile=minikube --memory=5500 --cpus=4 --kubernetes-version=v1.30.0"
WANTED = Wanted(profile="minikube", memory=5500, cpus=4, kubernetes_version="v1.30.0")
CREATED = '{"profile": "minikube", "created": true}'
ADOPTED = '{"profile": "minikube", "created": false}'

# Stands in for minikube: logs its arguments, keeps its profiles in a file, and fails or hangs on demand.
FAKE = """#!{python}
import json, os, pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
state, verb = json.loads((here / "state.json").read_text()), sys.argv[1]
with (here / "log").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + " | " + os.environ.get("KUBECONFIG", "") + "\\n")
if verb == "profile":
    print(json.dumps({{"valid": list(state["profiles"].values()), "invalid": state["invalid"]}}))
    sys.exit()
name = next(argument.removeprefix("--profile=") for argument in sys.argv if argument.startswith("--profile="))
print(f"minikube says {{verb}}", flush=True)
if verb == "start":
    state["profiles"].setdefault(name, {{"Name": name, "Status": "OK", "Config": {{}}}})
elif verb == "delete" and not state["fails"].get("delete"):
    state["profiles"].pop(name, None)
(here / "written").write_text(json.dumps(state))
(here / "written").replace(here / "state.json")
def stopped(*_):
    (here / "stopped").touch()
    sys.exit(1)
if state["hangs"] == verb:
    signal.signal(signal.SIGTERM, stopped)
    (here / "hanging").touch()
    while not (here / "victim").exists():
        time.sleep(0.02)
    os.kill(int((here / "victim").read_text()), signal.SIGKILL)
sys.exit(state["fails"].get(verb, 0))
"""


def profile(**changed: Any) -> dict[str, Any]:
    config = {"Memory": 5500, "CPUs": 4, "Driver": "docker", "KubernetesConfig": {"KubernetesVersion": "v1.30.0"}}
    return {"Name": "minikube", "Status": "OK", "Config": config, **changed}


@dataclass
class Machine:
    """A PATH with nothing but the fake minikube on it."""

    folder: Path

    def set(self, **changed: Any) -> None:
        """Set the fake's state: profiles, invalid, fails (exit code by verb), hangs (a verb)."""
        state = {"profiles": {}, "invalid": [], "fails": {}, "hangs": "", **changed}
        (self.folder / "state.json").write_text(json.dumps(state))

    @property
    def profiles(self) -> list[str]:
        return list(json.loads((self.folder / "state.json").read_text())["profiles"])

    @property
    def calls(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def begin(self, *arguments: str, previous: str | None = None) -> subprocess.Popen[str]:
        env = {"PATH": str(self.folder), "HOME": str(self.folder)}
        if previous is not None:
            env["PULUMI_COMMAND_STDOUT"] = previous
        command = [sys.executable, "-m", "components.commands.minikube", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=PROJECT, env=env, stdout=pipe, stderr=pipe, text=True, process_group=0)

    def run(self, *arguments: str, previous: str | None = None) -> subprocess.CompletedProcess[str]:
        process = self.begin(*arguments, previous=previous)
        stdout, stderr = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, *more: str, previous: str | None = None) -> subprocess.CompletedProcess[str]:
        chosen = ("--profile", "minikube", *FIGURES, "--kubeconfig", "~/kube/config", *more)
        return self.run("start", *chosen, previous=previous)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    fake = tmp_path / "minikube"
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(0o755)
    made = Machine(tmp_path)
    made.set()
    return made


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# --- start


def test_a_missing_profile_is_started_with_the_tutorials_figures_and_reported_as_created(machine: Machine) -> None:
    done = machine.start()
    kubeconfig = str(machine.folder / "kube/config")
    assert (done.returncode, done.stdout) == (0, CREATED + "\n")
    assert machine.calls == [f"profile list -o json | {kubeconfig}", f"{START} | {kubeconfig}"]
    assert "minikube says start" in done.stderr


def test_the_driver_is_passed_on_when_one_is_given(machine: Machine) -> None:
    machine.start("--driver", "kvm2")
    assert machine.calls[-1].startswith(f"{START} --driver=kvm2 |")


@pytest.mark.parametrize("status", ["OK", "Running"])
def test_a_running_profile_with_the_same_figures_is_adopted_and_its_context_written(
    machine: Machine, status: str
) -> None:
    machine.set(profiles={"minikube": profile(Status=status)})
    done = machine.start()
    assert (done.returncode, done.stdout) == (0, ADOPTED + "\n")
    assert machine.calls[1:] == [f"update-context --profile=minikube | {machine.folder / 'kube/config'}"]


@pytest.mark.parametrize("status", ["Stopped", "Paused", "Unknown"])
def test_a_profile_that_does_not_run_is_started_again_without_sizes(machine: Machine, status: str) -> None:
    machine.set(profiles={"minikube": profile(Status=status)})
    done = machine.start()
    assert (done.returncode, done.stdout) == (0, ADOPTED + "\n")
    assert machine.calls[1:] == [f"start --profile=minikube | {machine.folder / 'kube/config'}"]


def test_a_stopped_profile_that_will_not_start_is_kept_and_the_failure_reported(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile(Status="Stopped")}, fails={"start": 80})
    done = machine.start()
    assert (done.returncode, done.stdout, machine.profiles) == (1, "", ["minikube"])
    assert "`minikube start --profile=minikube` failed (exit code 80). minikube's own words are above." in done.stderr


def test_a_profile_with_other_figures_is_refused_and_nothing_is_run(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile(Config={**profile()["Config"], "Memory": 2200})})
    done = machine.start()
    assert (done.returncode, done.stdout, len(machine.calls)) == (1, "", 1)
    assert conflict("minikube", [Difference("minikubeMemory", "2200 MiB", "5500 MiB")]) in done.stderr


@pytest.mark.parametrize(("previous", "stdout"), [(CREATED, CREATED), (ADOPTED, ADOPTED), (None, ADOPTED)])
def test_a_later_run_keeps_saying_who_created_the_cluster(machine: Machine, previous: str | None, stdout: str) -> None:
    machine.set(profiles={"minikube": profile()})
    assert machine.start(previous=previous).stdout == stdout + "\n"


def test_a_failed_start_deletes_what_it_made_and_shows_minikubes_words_and_a_hint(machine: Machine) -> None:
    machine.set(fails={"start": 69})
    done = machine.start()
    assert (done.returncode, done.stdout, machine.profiles) == (1, "", [])
    assert "minikube says start\nminikube says delete\n" in done.stderr
    assert done.stderr.endswith(
        "`minikube start` failed; the profile 'minikube' it was making was deleted again, so the next run starts "
        "clean. The driver cannot be used: start Docker (`docker info` must answer) or set minikubeDriver to another.\n"
    )


def test_a_failed_start_whose_remains_cannot_be_deleted_says_so(machine: Machine) -> None:
    machine.set(fails={"start": 80, "delete": 80})
    assert machine.start().stderr.endswith(
        "could not be deleted either: run `minikube delete -p minikube` before the next run.\n"
    )


@pytest.fixture
def hanging(machine: Machine) -> subprocess.Popen[str]:
    """A `start` whose minikube has made the profile and does not come to an end."""
    machine.set(hangs="start")
    process = machine.begin("start", "--profile", "minikube", *FIGURES, "--kubeconfig", "~/kube/config")
    assert until((machine.folder / "hanging").exists)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_stops_minikube_and_deletes_what_it_made(
    machine: Machine, hanging: subprocess.Popen[str], number: int
) -> None:
    hanging.send_signal(number)
    stdout, stderr = hanging.communicate(timeout=20)
    assert (hanging.returncode, stdout, machine.profiles) == (130, "", [])
    assert (machine.folder / "stopped").exists()
    assert machine.calls[-1].startswith("delete --profile=minikube |")
    assert stderr.endswith(
        "`minikube start` was interrupted; the profile 'minikube' it was making was deleted again, so the next run "
        "starts clean.\n"
    )


def test_what_was_made_is_deleted_even_when_the_whole_process_group_is_killed(
    machine: Machine, hanging: subprocess.Popen[str]
) -> None:
    # Pulumi ends a cancelled command with SIGKILL, and nobody reads its output afterwards.
    assert hanging.stdout is not None
    assert hanging.stderr is not None
    hanging.stdout.close()
    hanging.stderr.close()
    os.killpg(hanging.pid, signal.SIGKILL)
    hanging.wait()
    assert until(lambda: not machine.profiles)


def test_a_cluster_that_is_finished_just_when_nobody_is_left_to_report_it_is_deleted(
    machine: Machine, hanging: subprocess.Popen[str]
) -> None:
    (machine.folder / "victim").write_text(str(hanging.pid))
    hanging.wait()
    assert until(lambda: not machine.profiles)


def test_an_interrupted_restart_keeps_the_profile(machine: Machine) -> None:
    machine.set(hangs="start", profiles={"minikube": profile(Status="Stopped")})
    process = machine.begin("start", "--profile", "minikube", *FIGURES, "--kubeconfig", "~/kube/config")
    assert until((machine.folder / "hanging").exists)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, machine.profiles) == (130, "", ["minikube"])
    assert stderr.endswith("Interrupted.\n")


def test_without_minikube_the_message_names_what_to_install_and_the_alternatives(machine: Machine) -> None:
    (machine.folder / "minikube").unlink()
    done = machine.start()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "minikube is not on PATH. Install it (https://minikube.sigs.k8s.io/docs/start/), or use a cluster that already "
        "runs with `pulumi config set clusterMode existing`, or run `make up`, which without minikube rehearses the "
        "program on an embedded Kubernetes.\n"
    )


# --- delete


def test_delete_removes_the_cluster_that_this_stack_created(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile()})
    done = machine.run("delete", "--profile", "minikube", "--kubeconfig", "~/kube/config", previous=CREATED)
    assert (done.returncode, machine.profiles) == (0, [])
    assert machine.calls == [f"delete --profile=minikube | {machine.folder / 'kube/config'}"]


@pytest.mark.parametrize("previous", [None, "", ADOPTED, "garbled {", '{"profile": "other", "created": true}'])
def test_delete_leaves_any_other_cluster_alone(machine: Machine, previous: str | None) -> None:
    done = machine.run("delete", "--profile", "minikube", previous=previous)
    assert (done.returncode, machine.calls) == (0, [])
    assert done.stderr == "minikube profile 'minikube' was adopted, not created by this stack: it is left alone.\n"


def test_a_failed_delete_fails_the_command(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile()}, fails={"delete": 80})
    done = machine.run("delete", "--profile", "minikube", previous=CREATED)
    assert done.returncode == 1
    assert "`minikube delete --profile=minikube` failed (exit code 80)." in done.stderr


# --- pure


@pytest.mark.parametrize(
    "stdout", [None, "", "[]", "null", '{"created": true}', '{"profile": "minikube", "created": "true"}', ADOPTED]
)
def test_only_a_previous_run_that_says_so_created_the_profile(stdout: str | None) -> None:
    assert was_created(CREATED, "minikube")
    assert not was_created(stdout, "minikube")
    assert not was_created(CREATED, "other")


def test_the_profile_is_found_by_its_exact_name() -> None:
    listing = json.dumps({"valid": [profile(Name="minikube2"), profile()], "invalid": []})
    assert find_profile(listing, "minikube") == profile()
    assert find_profile(listing, "mini") is None


def test_no_profiles_at_all_is_no_profile() -> None:
    assert find_profile('{"invalid":[],"valid":[]}', "minikube") is None


def test_a_broken_profile_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError) as caught:
        find_profile('{"invalid":[{"Name":"minikube","Config":null}],"valid":[]}', "minikube")
    assert str(caught.value) == (
        "minikube profile 'minikube' exists but is broken (minikube lists it as invalid). Delete it with `minikube "
        "delete -p minikube`, or choose another name with `pulumi config set minikubeProfile NAME`."
    )


@pytest.mark.parametrize(("listing", "shown"), [("", "nothing"), ('{"error":{}}', '{"error":{}}'), ("[]", "[]")])
def test_a_listing_of_another_shape_is_shown_in_the_error(listing: str, shown: str) -> None:
    with pytest.raises(UserError) as caught:
        find_profile(listing, "minikube")
    assert str(caught.value) == f"`minikube profile list -o json` did not list the profiles; it printed: {shown}"


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"Memory": 2200}, ("minikubeMemory", "2200 MiB", "5500 MiB")),
        ({"Memory": 0}, ("minikubeMemory", "no limit", "5500 MiB")),
        ({"CPUs": 2}, ("minikubeCpus", "2", "4")),
        ({"CPUs": 0}, ("minikubeCpus", "no limit", "4")),
        ({"KubernetesConfig": {"KubernetesVersion": "v1.28.3"}}, ("kubernetesVersion", "v1.28.3", "v1.30.0")),
        ({"Driver": "kvm2"}, ("minikubeDriver", "kvm2", "docker")),
    ],
)
def test_each_figure_that_differs_is_named_with_both_values(
    changed: dict[str, Any], difference: tuple[str, str, str]
) -> None:
    wanted = replace(WANTED, driver="docker")
    assert differences(wanted, {**profile()["Config"], **changed}) == [difference]


@pytest.mark.parametrize("driver", ["kvm", "kvm2", ""])
def test_the_driver_is_compared_only_when_given_and_by_any_of_its_names(driver: str) -> None:
    assert differences(replace(WANTED, driver=driver), {**profile()["Config"], "Driver": "kvm2"}) == []


def test_the_conflict_lists_every_figure_and_both_ways_out() -> None:
    found = [Difference("minikubeMemory", "2200 MiB", "5500 MiB"), Difference("minikubeCpus", "2", "4")]
    assert conflict("minikube", found) == (
        "minikube profile 'minikube' already exists with other figures (minikubeMemory: the profile has 2200 MiB, the "
        "stack wants 5500 MiB; minikubeCpus: the profile has 2, the stack wants 4), and minikube cannot change them in "
        "place. Either set minikubeMemory, minikubeCpus to the profile's figures with `pulumi config set`, or keep "
        "yours and choose another name in minikubeProfile or delete the profile with `minikube delete -p minikube`."
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (23, "lower minikubeMemory"),
        (49, "check the network"),
        (55, "start Docker"),
        (63, "start Docker"),
        (80, "above"),
    ],
)
def test_the_hint_follows_minikubes_groups_of_exit_codes(code: int, words: str) -> None:
    assert words in hint(code)


def test_the_command_line_explains_itself() -> None:
    env = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-m", "components.commands.minikube", "start", "--help"]
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=True)
    assert "--kubernetes-version" in done.stdout
