"""``python -m operations`` as a person runs it, in a copy of the project with a cluster of its own."""

import json
import re
import urllib.request
from pathlib import Path

from embedded import process
from tests.embedded.project import operate


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_up_brings_cluster_and_mesh_status_shows_them_and_destroy_leaves_nothing(copy: Path) -> None:
    preview = operate(copy, "preview")
    assert preview.returncode == 0, preview.stderr
    assert not (copy / ".embedded" / "kubeconfig").exists()

    up = operate(copy, "up")
    assert up.returncode == 0, up.stderr
    assert up.stdout.splitlines()[0] == "Stack embedded: minikube is not on PATH"
    status = json.loads(operate(copy, "status", "--output", "json").stdout.partition("\n")[2])
    # Beside Bookinfo's, a real istiod has a pod of the Gateway's there.
    injected = [pod for pod in status["pods"] if pod["namespace"] == "default" and len(pod["containers"]) > 1]
    assert len(injected) == 6
    if page := re.search(r"^Bookinfo: (http://\S+)$", up.stdout, re.MULTILINE):
        with urllib.request.urlopen(page[1], timeout=60) as answer:  # noqa: S310 on loopback
            assert b"<title>Simple Bookstore App</title>" in answer.read()
    assert all(pod["ready"] and "istio-proxy" in [c["name"] for c in pod["containers"]] for pod in injected)

    shell = operate(copy, "shell", "--", "pulumi", "preview", "--expect-no-changes")
    assert shell.returncode == 0, shell.stdout
    output = operate(copy, "shell", "--", "pulumi", "stack", "output", "istioVersion")
    assert re.fullmatch(r"\d+\.\d+\.\d+", output.stdout.splitlines()[-1])
    assert "details-v1" in operate(copy, "shell", "--", "kubectl", "get", "pods").stdout

    # A simulated cluster's processes, or a real one's first, with which all others end.
    records = [*(copy / ".embedded").glob("pids/*"), *(copy / ".embedded").glob("process")]
    running = [process.recorded(file) for file in records]
    assert running
    assert all(process.alive(each) for each in running)
    destroyed = operate(copy, "destroy")
    assert destroyed.returncode == 0, destroyed.stderr
    # Not by /proc: what has ended stays there until its parent has collected it.
    assert not any(process.alive(each) for each in running)
    assert not (copy / ".embedded" / "kubeconfig").exists()


def test_pods_created_before_istiod_is_ready_fail_the_update(copy: Path) -> None:
    waits = "injectors=base.control_planes,\n            data_plane=base.data_planes[settings.namespace]"
    replace(copy / "program" / "applications.py", waits, 'injectors=[], data_plane="1.23.0"')
    replace(copy / "program" / "applications.py", "PODS_SECONDS = 600", "PODS_SECONDS = 5")
    done = operate(copy, "up")
    assert done.returncode == 1
    assert "mesh-check-command" in done.stdout
    assert "istio-proxy" in done.stdout


def test_bad_configuration_is_told_without_a_traceback_and_nothing_is_started(copy: Path) -> None:
    done = operate(copy, "up", "--config", "ingressServiceType=Loadbalancer")
    assert done.returncode == 1
    assert "config key istio-minikube:ingressServiceType is 'Loadbalancer'; accepted: LoadBalancer or" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (copy / ".embedded" / "kubeconfig").exists()
