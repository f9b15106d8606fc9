"""Seven things that go wrong, each put right by the documented command: on the offline engine `up` alone.

SIGINT is in test_command_line.py.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.kube import APPLY, MERGE, Kube
from embedded import process
from embedded.cluster import Cluster
from operations import drift
from operations.recover import revisions
from tests.embedded import releases
from tests.embedded.project import command, rehearse
from tests.embedded.releases import ISTIOD
from tests.embedded.stack import CONTEXT, Stack, settings_for

DETAILS = "/apis/apps/v1/namespaces/default/deployments/details-v1"
RATINGS = "/api/v1/namespaces/default/services/ratings"


def begun(copy: Path, made: str) -> "subprocess.Popen[str]":
    """An ``up`` that has just made a resource."""
    up = subprocess.Popen(
        command("up", "--engine", "offline"),
        cwd=copy,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert up.stdout
    for line in up.stdout:
        if f"✓ {made} " in line:
            return up
    pytest.fail(f"up ended without {made}: {up.communicate()[1]}")


def is_whole(copy: Path) -> bool:
    """Whether Bookinfo's pods are ready and have their sidecars."""
    pods = json.loads(rehearse(copy, "status", "--output", "json").stdout)["pods"]
    found = [pod for pod in pods if pod["namespace"] == "default"]
    return len(found) == 6 and all(
        pod["ready"] and "istio-proxy" in [container["name"] for container in pod["containers"]] for pod in found
    )


# Killed while Helm is at istiod's chart, and while Bookinfo's Deployments come up.
@pytest.mark.parametrize("made", ["istio-crds", "bookinfo-details"])
def test_up_goes_on_where_a_killed_one_stopped(copy: Path, made: str) -> None:
    up = begun(copy, made)
    up.kill()
    up.communicate()
    again = rehearse(copy, "up")
    assert again.returncode == 0, again.stderr
    assert is_whole(copy)


def test_up_goes_on_after_the_api_server_died_under_one(copy: Path) -> None:
    up = begun(copy, "istio-crds")
    server = process.recorded(copy / ".embedded" / "pids" / "kube-apiserver")
    assert server
    os.kill(server.pid, signal.SIGKILL)
    _, said = up.communicate(timeout=120)
    assert up.returncode == 1
    assert said.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in said

    assert rehearse(copy, "recover").stdout.splitlines()[-1] == (
        "Nothing to do: the offline engine keeps no state, and `up` goes on from whatever it finds"
    )
    again = rehearse(copy, "up")
    assert again.returncode == 0, again.stderr
    assert is_whole(copy)


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tools: Path) -> Iterator[Stack]:
    stack = Stack(cluster=cluster, helm=tools / "helm")
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "details-v1"}}
    labels = {"app": "details", "version": "v1"}
    container = {"name": "old", "image": "old:1"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    stack.kube.request("PATCH", f"{DETAILS}?fieldManager=somebody", {**theirs, "spec": spec}, content_type=APPLY)
    stack.up()
    yield stack
    stack.down()


@pytest.fixture
def kube(stack: Stack) -> Kube:
    return Kube(stack.cluster.kubeconfig, CONTEXT)


def drifted(stack: Stack) -> list[str]:
    return [str(each) for each in drift.find("embedded", settings_for(stack.cluster), stack.helm)[2]]


def test_an_object_that_was_there_before_is_taken_over(stack: Stack, kube: Kube) -> None:
    containers = kube.get(DETAILS)["spec"]["template"]["spec"]["containers"]
    assert "details" in [container["name"] for container in containers]
    assert drifted(stack) == []


def test_up_puts_back_what_was_deleted_and_what_was_changed(stack: Stack, kube: Kube) -> None:
    kube.delete(DETAILS)
    kube.request("PATCH", RATINGS, {"metadata": {"labels": {"app": "other"}}}, content_type=MERGE)
    assert len(drifted(stack)) == 2
    stack.up()
    assert drifted(stack) == []


def istiods(kube: Kube) -> list[str]:
    pods = kube.metadata("/api/v1/namespaces/istio-system/pods?labelSelector=app%3Distiod")
    return [pod["uid"] for pod in pods]


@pytest.mark.parametrize("left", ["pending-install", "pending-upgrade"])
def test_up_finishes_a_release_that_was_left_pending_without_restarting_it(stack: Stack, kube: Kube, left: str) -> None:
    before = istiods(kube)
    (revision,) = revisions(kube, [ISTIOD])
    if left == "pending-install":
        releases.set_status(kube, revision, left)
    else:
        releases.begin_upgrade(kube, revision)
    assert releases.of(kube, ISTIOD)[-1][1] == left
    stack.up()
    assert releases.of(kube, ISTIOD) == [(1, "deployed")]
    assert istiods(kube) == before
    assert drifted(stack) == []
