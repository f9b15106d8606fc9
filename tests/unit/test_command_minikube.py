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
from components.commands.minikube import (
    Difference,
    Wanted,
    conflict,
    created_here,
    differences,
    gone,
    recorded,
    refuse_misfit,
)
from components.commands.profiles import Profile
from components.kube import KUBE_SYSTEM
from tests.unit.fake_api import FakeApi
from tests.unit.fake_minikube import HALF_WAY, REFUSALS, FakeMinikube, profile

PROJECT = Path(__file__).parents[2]
FIGURES = ["--memory", "5500", "--cpus", "4", "--kubernetes-version", "v1.30.0"]
START = "start --profile=minikube --memory=5500 --cpus=4 --kubernetes-version=v1.30.0"
WANTED = Wanted(profile="minikube", memory=5500, cpus=4, kubernetes_version="v1.30.0")
UID = "11111111-aaaa-4aaa-8aaa-111111111111"
OTHER = "22222222-bbbb-4bbb-8bbb-222222222222"
THERE = Profile(
    name="minikube",
    status="OK",
    memory=5500,
    cpus=4,
    driver="docker",
    kubernetes_version="v1.30.0",
    machines=frozenset({"minikube"}),
)


def printed(*, created: bool, cluster: str = UID) -> str:
    return json.dumps({"profile": "minikube", "created": created, "cluster": cluster})


CREATED, ADOPTED = printed(created=True), printed(created=False)


@dataclass(frozen=True)
class Machine(FakeMinikube):
    """A PATH with nothing but the stand-in on it."""

    def begin(self, *arguments: str, previous: str | None = None) -> subprocess.Popen[str]:
        env = {"PATH": str(self.folder), "HOME": str(self.folder)}
        if previous is not None:
            env["PULUMI_COMMAND_STDOUT"] = previous
        command = [sys.executable, "-m", "components.commands.minikube", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=PROJECT, env=env, stdout=pipe, stderr=pipe, text=True, process_group=0)

    def run(self, *arguments: str, previous: str | None = None) -> subprocess.CompletedProcess[str]:
        process = self.begin(*arguments, previous=previous)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, *more: str, previous: str | None = None) -> subprocess.CompletedProcess[str]:
        chosen = ("--profile", "minikube", *FIGURES, "--kubeconfig", "~/kube/config", *more)
        return self.run("start", *chosen, previous=previous)

    def delete(self, previous: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.run("delete", "--profile", "minikube", "--kubeconfig", "~/kube/config", previous=previous)


@pytest.fixture
def machine(tmp_path: Path, api: FakeApi) -> Machine:
    """A new machine, whose minikube would start the cluster that the fake API server is."""
    made = Machine.install(tmp_path / "bin")
    made.set(server={"cluster": {"server": f"http://127.0.0.1:{api.port}"}, "user": {"token": "secret"}})
    api.answer(KUBE_SYSTEM, {"metadata": {"uid": UID}})
    return made


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
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
    machine.set(profiles={"minikube": profile(status=status)})
    done = machine.start()
    assert (done.returncode, done.stdout) == (0, ADOPTED + "\n")
    assert machine.calls[1:] == [f"update-context --profile=minikube | {machine.folder / 'kube/config'}"]


@pytest.mark.parametrize("status", ["Stopped", "Paused", "Unknown", "Starting", ""])
def test_a_profile_that_does_not_run_is_started_again_without_sizes(machine: Machine, status: str) -> None:
    machine.set(profiles={"minikube": profile(status=status)})
    done = machine.start()
    assert (done.returncode, done.stdout) == (0, ADOPTED + "\n")
    assert machine.calls[1:] == [f"start --profile=minikube | {machine.folder / 'kube/config'}"]
    assert f"The profile exists, {status.lower() or 'in a state that minikube has no word for'}: " in done.stderr


def test_what_minikubes_listing_complains_of_is_not_shown(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile(), "half": profile(status="")})
    done = machine.start()
    assert done.returncode == 0
    assert "host does not exist" not in done.stderr


def test_a_stopped_profile_that_will_not_start_is_kept_and_the_failure_reported(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile(status="Stopped")}, fails={"start": HALF_WAY})
    done = machine.start()
    assert (done.returncode, done.stdout, list(machine.profiles)) == (1, "", ["minikube"])
    assert "`minikube start --profile=minikube` failed (exit code 80). minikube's own words are above." in done.stderr


def test_a_profile_with_other_figures_is_refused_and_nothing_is_run(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile(memory=2200)})
    done = machine.start()
    assert (done.returncode, done.stdout, len(machine.calls)) == (1, "", 1)
    assert conflict("minikube", [Difference("minikubeMemory", "2200 MiB", "5500 MiB")]) in done.stderr


@pytest.mark.parametrize(
    ("previous", "stdout"),
    [
        (CREATED, CREATED),
        ('{"profile": "minikube", "created": true}', CREATED),
        (printed(created=True, cluster=OTHER), ADOPTED),
        (ADOPTED, ADOPTED),
        (None, ADOPTED),
    ],
    ids=["created", "created by an older version", "created, and replaced since", "adopted", "unknown"],
)
def test_a_later_run_keeps_saying_who_created_the_cluster(machine: Machine, previous: str | None, stdout: str) -> None:
    machine.set(profiles={"minikube": profile()})
    assert machine.start(previous=previous).stdout == stdout + "\n"


def test_a_newer_kubernetes_is_an_upgrade_in_place(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile()})
    done = machine.start("--kubernetes-version", "v1.31.2", previous=CREATED)
    assert (done.returncode, done.stdout) == (0, CREATED + "\n")
    assert machine.words[1:] == ["start --profile=minikube --kubernetes-version=v1.31.2"]
    assert machine.profiles["minikube"]["version"] == "v1.31.2"


def test_a_profile_that_is_gone_is_told_and_not_silently_replaced(machine: Machine) -> None:
    done = machine.start(previous=CREATED)
    assert (done.returncode, done.stdout, machine.words) == (1, "", ["profile list -o json"])
    assert gone("minikube") in done.stderr


# --- a start that fails


def test_a_start_that_fails_half_way_deletes_what_it_made_and_says_what_to_do(machine: Machine) -> None:
    machine.set(fails={"start": HALF_WAY}, half_way=True)
    done = machine.start()
    assert (done.returncode, done.stdout, machine.profiles) == (1, "", {})
    assert HALF_WAY[1] in done.stderr
    assert "minikube says delete" in done.stderr
    assert done.stderr.endswith(
        "`minikube start` failed (exit code 80); the profile 'minikube' it was creating was deleted again, so the next "
        "run starts clean. minikube's own words are above.\n"
    )


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_start_that_is_refused_deletes_nothing_and_says_so(machine: Machine, refusal: str) -> None:
    machine.set(fails={"start": REFUSALS[refusal]})
    done = machine.start()
    assert (done.returncode, done.stdout) == (1, "")
    assert [words.split()[0] for words in machine.words] == ["profile", "start", "profile"]
    assert "it had created nothing yet, and nothing was deleted" in done.stderr


def test_a_failed_start_whose_remains_cannot_be_deleted_says_so(machine: Machine) -> None:
    machine.set(fails={"start": HALF_WAY, "delete": (80, "")}, half_way=True)
    assert "could not be deleted either: run `minikube delete -p minikube` before the next run." in (
        machine.start().stderr
    )


# --- a start that is cut off


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
    stdout, stderr = hanging.communicate(timeout=60)
    assert (hanging.returncode, stdout, machine.profiles) == (130, "", {})
    assert (machine.folder / "stopped").exists()
    assert machine.calls[-1].startswith("delete --profile=minikube |")
    assert stderr.endswith(
        "`minikube start` was interrupted; the profile 'minikube' it was creating was deleted again, so the next run "
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
    (machine.folder / "draft").write_text(str(hanging.pid))
    (machine.folder / "draft").rename(machine.folder / "victim")
    hanging.wait()
    assert until(lambda: not machine.profiles)


def test_an_interrupted_restart_keeps_the_profile(machine: Machine) -> None:
    machine.set(hangs="start", profiles={"minikube": profile(status="Stopped")})
    process = machine.begin("start", "--profile", "minikube", *FIGURES, "--kubeconfig", "~/kube/config")
    assert until((machine.folder / "hanging").exists)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, list(machine.profiles)) == (130, "", ["minikube"])
    assert (machine.folder / "stopped").exists()
    assert stderr.endswith("Interrupted.\n")


def test_without_minikube_the_message_names_what_to_install_and_the_alternatives(machine: Machine) -> None:
    (machine.folder / "minikube").unlink()
    done = machine.start()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "minikube is not on PATH. Install it (https://minikube.sigs.k8s.io/docs/start/), or use a cluster that already "
        "runs with `pulumi config set clusterMode existing`"
    )


# --- delete


def test_delete_removes_the_cluster_that_this_stack_created(machine: Machine) -> None:
    machine.start()
    done = machine.delete(previous=CREATED)
    assert (done.returncode, machine.profiles) == (0, {})
    assert machine.calls[-1] == f"delete --profile=minikube | {machine.folder / 'kube/config'}"


@pytest.mark.parametrize("previous", [None, "", ADOPTED, "garbled {", '{"profile": "other", "created": true}'])
def test_delete_leaves_any_other_cluster_alone(machine: Machine, previous: str | None) -> None:
    done = machine.delete(previous=previous)
    assert (done.returncode, machine.calls) == (0, [])
    assert done.stderr == "minikube profile 'minikube' was adopted, not created by this stack: it is left alone.\n"


def test_delete_leaves_a_cluster_alone_that_somebody_has_created_in_the_place_of_this_stacks(machine: Machine) -> None:
    machine.start()
    done = machine.delete(previous=printed(created=True, cluster=OTHER))
    assert (done.returncode, list(machine.profiles)) == (0, ["minikube"])
    assert done.stderr.endswith("was created again since, and not by this stack: it is left alone.\n")


def test_delete_says_that_a_profile_is_gone_already_and_runs_nothing(machine: Machine) -> None:
    done = machine.delete(previous=CREATED)
    assert (done.returncode, machine.words) == (0, ["profile list -o json"])
    assert done.stderr == "minikube profile 'minikube' is gone already.\n"


def test_a_failed_delete_fails_the_command(machine: Machine) -> None:
    machine.set(profiles={"minikube": profile(status="Stopped")}, fails={"delete": (80, "")})
    done = machine.delete(previous=CREATED)
    assert done.returncode == 1
    assert "`minikube delete --profile=minikube` failed (exit code 80)." in done.stderr


# --- pure


@pytest.mark.parametrize("stdout", [None, "", "[]", "null", '{"created": true}', '{"profile": "other"}'])
def test_only_a_previous_run_on_the_profile_says_anything_of_it(stdout: str | None) -> None:
    assert recorded(CREATED, "minikube")["created"] is True
    assert recorded(stdout, "minikube") == {}


def test_a_garbled_word_for_created_is_no() -> None:
    assert not created_here({"created": "true"}, UID)


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"memory": 2200}, ("minikubeMemory", "2200 MiB", "5500 MiB")),
        ({"memory": 0}, ("minikubeMemory", "no limit", "5500 MiB")),
        ({"cpus": 2}, ("minikubeCpus", "2", "4")),
        ({"cpus": 0}, ("minikubeCpus", "no limit", "4")),
        ({"driver": "kvm2"}, ("minikubeDriver", "kvm2", "docker")),
    ],
)
def test_each_figure_that_minikube_cannot_change_is_named_with_both_values(
    changed: dict[str, Any], difference: tuple[str, str, str]
) -> None:
    assert differences(replace(WANTED, driver="docker"), replace(THERE, **changed)) == [difference]


@pytest.mark.parametrize("driver", ["kvm", "kvm2", ""])
def test_the_driver_is_compared_only_when_given_and_by_any_of_its_names(driver: str) -> None:
    assert differences(replace(WANTED, driver=driver), replace(THERE, driver="kvm2")) == []


@pytest.mark.parametrize("version", ["v1.30.0", "v1.30.7", "v1.31.0"])
def test_the_same_kubernetes_or_the_next_is_what_minikube_can_make_of_a_profile(version: str) -> None:
    refuse_misfit(replace(WANTED, kubernetes_version=version), THERE)


@pytest.mark.parametrize("version", ["v1.29.9", "v1.32.0"])
def test_any_other_kubernetes_is_not(version: str) -> None:
    with pytest.raises(UserError, match=r"^minikube profile 'minikube': Kubernetes 1\.30\.0 runs, and "):
        refuse_misfit(replace(WANTED, kubernetes_version=version), THERE)


def test_the_conflict_lists_every_figure_and_both_ways_out() -> None:
    found = [Difference("minikubeMemory", "2200 MiB", "5500 MiB"), Difference("minikubeCpus", "2", "4")]
    assert conflict("minikube", found) == (
        "minikube profile 'minikube' already exists with other figures (minikubeMemory: the profile has 2200 MiB, the "
        "stack wants 5500 MiB; minikubeCpus: the profile has 2, the stack wants 4), and minikube cannot change them in "
        "place. Either set minikubeMemory, minikubeCpus to the profile's figures with `pulumi config set`, or keep "
        "yours and choose another name in minikubeProfile or delete the profile with `minikube delete -p minikube`."
    )


def test_the_command_line_explains_itself() -> None:
    env = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-m", "components.commands.minikube", "start", "--help"]
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=True)
    assert "--kubernetes-version" in done.stdout
