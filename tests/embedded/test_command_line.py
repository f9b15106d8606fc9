"""``python -m operations`` as a person runs it, in a copy of the project with a cluster of its own."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from embedded import process
from tests.embedded.project import command, rehearse


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_pods_made_before_istiod_is_ready_fail_the_update(copy: Path) -> None:
    waits = "injectors=base.control_planes,\n            data_plane=base.data_planes[settings.namespace]"
    replace(copy / "compose.py", waits, 'injectors=[], data_plane="1.23.0"')
    replace(copy / "components" / "mesh_check.py", "timeout: int = 120", "timeout: int = 5")
    done = rehearse(copy, "up", "--engine", "offline")
    assert done.returncode == 1
    assert "mesh-check-command" in done.stderr
    assert "istio-proxy" in done.stderr


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_during_up_leaves_nothing_that_the_next_up_trips_over(copy: Path) -> None:
    interrupted = subprocess.Popen(
        command("up", "--engine", "offline"), cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (copy / ".embedded" / "up.json").exists():  # the cluster is there and the stack is being made
        assert interrupted.poll() is None
        time.sleep(0.05)
    interrupted.send_signal(signal.SIGINT)
    _, said = interrupted.communicate(timeout=120)
    assert interrupted.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said

    again = rehearse(copy, "up")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1].startswith("A rehearsal: pods are simulated")
    status = json.loads(rehearse(copy, "status", "--output", "json").stdout)
    injected = [pod for pod in status["pods"] if pod["namespace"] == "default"]
    assert len(injected) == 6
    assert all(pod["ready"] and "istio-proxy" in [c["name"] for c in pod["containers"]] for pod in injected)
    assert status["outputs"]["istioVersion"] == "1.23.0"


def test_down_leaves_no_process_and_no_cluster(copy: Path) -> None:
    rehearse(copy, "up", "--engine", "offline", "--config", "bookinfo=false")
    running = [process.recorded(file) for file in (copy / ".embedded" / "pids").iterdir()]
    assert [process.alive(each) for each in running] == [True] * 5
    assert rehearse(copy, "down").returncode == 0
    # Not by /proc: what has ended stays there until its parent has collected it.
    assert [process.alive(each) for each in running] == [False] * 5
    assert not (copy / ".embedded" / "kubeconfig").exists()


def test_status_without_a_cluster_says_how_to_start_one(copy: Path) -> None:
    done = rehearse(copy, "status")
    assert done.returncode == 1
    assert done.stderr == "error: the embedded cluster does not run; `python -m operations up` starts it\n"


def test_bad_configuration_is_one_line_without_a_traceback(copy: Path) -> None:
    done = rehearse(copy, "up", "--engine", "offline", "--config", "ingressServiceType=Loadbalancer")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: config key istio-minikube:ingressServiceType is 'Loadbalancer'; "
        "accepted: LoadBalancer or NodePort or ClusterIP"
    )


def test_the_pulumi_engine_without_the_cli_says_what_it_needs(copy: Path) -> None:
    without = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command("up", "--engine", "pulumi"), cwd=copy, env=without, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "--engine pulumi needs the Pulumi CLI on PATH" in done.stderr
