"""Under a constant load: changes that lose no request, and what is killed heals, with the seconds that it takes."""

import json
import os
import signal
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.commands.mesh_pods import is_ready, statuses
from components.workloads.bookinfo import WORKLOADS
from embedded.node import cgroups
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.node.test_lifecycle import PROGRAMS, all_programs, processes
from tests.embedded.node.visits import load, settle, visits

ISTIO = "istio-system"
STARS = ("none", "black", "red")
HEALS = 60
"""Seconds, of which a busy machine may need some; docs/embedded.md says what an idle one takes."""

YOUNG = 12
"""Seconds: a kubelet that starts takes a container that runs for less than 10 for a new one, not ready until probed."""


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh) -> None:
    mesh.up()
    settle(mesh, *STARS)


def canary(mesh: Mesh, percent: int) -> None:
    mesh.up(traffic=json.dumps({"reviews": {"canary": {"from": "v1", "to": "v2", "percent": percent}}}))


def process_of(mesh: Mesh, program: str, pod: str) -> int | None:
    """The host's number of the process of a program in a pod whose name begins so; None while there is none."""
    found = []
    for pid in cgroups.members(cgroups.name_for(mesh.node.root)):
        try:
            command, environment = (Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue  # it has ended
        if command.split(b"\0")[0].endswith(program.encode()) and f"POD_NAME={pod}".encode() in environment:
            found.append(pid)
    assert len(found) < 2
    return found[0] if found else None


def kill(mesh: Mesh, program: str, pod: str) -> float:
    """Kill it; the moment."""
    number = process_of(mesh, program, pod)
    assert number
    os.kill(number, signal.SIGKILL)
    return time.monotonic()


def pods(mesh: Mesh) -> list[dict[str, Any]]:
    """Those of every namespace."""
    found: list[dict[str, Any]] = mesh.kubectl.json("get", "pods", "--all-namespaces")["items"]
    return found


def restarts(mesh: Mesh, pod: str, container: str) -> tuple[int, bool]:
    """How often a container of a pod whose name begins so was restarted, and whether it is ready, at one moment."""
    found = [each for each in pods(mesh) if each["metadata"]["name"].startswith(pod)]
    (status,) = [status for each in found for status in statuses(each) if status["name"] == container]
    return status["restartCount"], status["ready"]


def is_back(mesh: Mesh, pod: str, container: str, before: int) -> bool:
    """Whether a container has been restarted and is ready; that it was not may be over before anybody looks."""
    now, ready = restarts(mesh, pod, container)
    return ready and now > before


def grown_up(mesh: Mesh) -> bool:
    """Whether all pods are ready, none is ending, and no container has been started just now."""
    found = pods(mesh)
    if any("deletionTimestamp" in pod["metadata"] or not is_ready(pod) for pod in found):
        return False
    starts = [
        datetime.fromisoformat(each["state"]["running"]["startedAt"])
        for pod in found
        for each in statuses(pod)
        if "running" in each["state"]
    ]
    return (datetime.now(UTC) - max(starts)).total_seconds() > YOUNG


def rolled(mesh: Mesh, namespace: str, *deployments: str) -> None:
    names = [f"deployment/{name}" for name in deployments]
    mesh.kubectl("rollout", "restart", *names, f"--namespace={namespace}")
    for name in names:
        mesh.kubectl("rollout", "status", name, f"--namespace={namespace}", f"--timeout={PATIENCE}")
    # Which waits for the new pods: those of before go on for a while, and so do their processes.
    eventually(lambda: not any("deletionTimestamp" in pod["metadata"] for pod in pods(mesh)), HEALS)


def test_a_canary_walks_to_its_end_and_no_visitor_fails(mesh: Mesh) -> None:
    canary(mesh, 10)
    settle(mesh, "none", "black")
    with load(mesh, "none", "black") as visitors:
        for percent in (50, 100):
            canary(mesh, percent)
        settle(mesh, "black")
        visitors.quiet()
    assert visitors.failed == []
    assert set(visits(mesh, 40)) == {"black"}
    mesh.up()
    settle(mesh, *STARS)


def test_a_rollout_of_every_pod_loses_no_request(mesh: Mesh) -> None:
    with load(mesh, *STARS) as visitors:
        rolled(mesh, NAMESPACE, *(workload.name for workload in WORKLOADS))
        visitors.quiet()
    assert visitors.failed == []


def test_a_restart_of_istiod_loses_no_request(mesh: Mesh) -> None:
    with load(mesh, *STARS) as visitors:
        rolled(mesh, ISTIO, "istiod")
        visitors.quiet()
    assert visitors.failed == []


def test_a_killed_istiod_comes_back_and_loses_no_request(mesh: Mesh) -> None:
    with load(mesh, *STARS) as visitors:
        before, _ = restarts(mesh, "istiod-", "discovery")
        began = kill(mesh, "pilot-discovery", "istiod-")
        eventually(lambda: is_back(mesh, "istiod-", "discovery", before), HEALS)
        print(f"istiod is ready again {time.monotonic() - began:.1f} s after it was killed")
        visitors.quiet()
    assert visitors.failed == []


@pytest.mark.parametrize("workload", ["productpage-v1", "reviews-v1", "bookinfo-gateway-istio"])
def test_a_killed_envoy_comes_back_and_the_page_with_it(mesh: Mesh, workload: str) -> None:
    with load(mesh, *STARS) as visitors:
        before, _ = restarts(mesh, f"{workload}-", "istio-proxy")
        began = kill(mesh, "envoy", f"{workload}-")
        eventually(lambda: is_back(mesh, f"{workload}-", "istio-proxy", before), HEALS)
        visitors.quiet()
        healed = visitors.healed_after(began)
    print(f"the page is right again {healed:.1f} s after the Envoy of {workload} was killed")
    assert healed < HEALS


def test_killed_programs_of_the_node_come_back_and_but_for_the_relay_nobody_notices(mesh: Mesh) -> None:
    for name in PROGRAMS:
        eventually(partial(grown_up, mesh), HEALS)
        with load(mesh, *STARS) as visitors:
            killed = all_programs(mesh.node)[name]
            began = time.monotonic()
            os.kill(killed, signal.SIGKILL)
            eventually(partial(_replaced, mesh, name, killed), HEALS)
            eventually(mesh.node.running, HEALS)
            back = time.monotonic() - began
            visitors.quiet()
            healed = visitors.healed_after(began)
        print(f"{name}: the node is right again after {back:.1f} s, and the last visitor failed after {healed:.1f} s")
        if name == "relay":
            assert healed < HEALS
        else:
            assert visitors.failed == [], name


def _replaced(mesh: Mesh, name: str, killed: int) -> bool:
    return processes(mesh.node).get(name, killed) != killed
