"""A real node where the machine does not keep still: several at once, killed starters, a disk that fills, a reboot."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from components.kube import Kube
from embedded.access import CONTEXT
from embedded.node import cgroups, relays
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
from operations.access import page
from operations.manifests.evaluate import PROJECT
from tests.embedded.engine import for_tests
from tests.embedded.kube import eventually
from tests.embedded.node.mesh import TITLE
from tests.embedded.node.test_lifecycle import all_programs, kubectl_of, left_of
from tests.embedded.project import copy_to, operate, without

ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
PATIENCE = 300


@pytest.fixture
def clones(parts: Parts, images: Path, tmp_path: Path) -> Iterator[list[Path]]:  # noqa: ARG001 a real node is wanted
    """Two copies of the project; their clusters are gone in the end."""
    for_tests()
    found = [tmp_path / name for name in ("one", "two")]
    for folder in found:
        folder.mkdir()
        copy_to(folder)
    yield found
    for folder in found:
        subprocess.run([sys.executable, "-m", "embedded", "delete"], cwd=folder, check=True)


def killed_half_way(clone: Path) -> None:
    """Kill an ``up``, and all that it has started, while it creates the mesh in its new cluster; then recover."""
    command = [sys.executable, "-m", "operations", "up"]
    environment = {**os.environ, "PATH": without("minikube")}
    cluster = RealCluster(clone / ".embedded")
    with subprocess.Popen(command, cwd=clone, env=environment, start_new_session=True) as running:

        def creates_the_mesh() -> bool:
            # Whoever looks late finds an up that has gone through, which recover leaves as it is.
            assert not running.poll()
            # A node that was started ahead has no kubeconfig before the stack's Command has taken it.
            ready = cluster.running() and cluster.kubeconfig.exists()
            return ready and Kube(cluster.kubeconfig, CONTEXT).find(ISTIOD) is not None

        eventually(creates_the_mesh, PATIENCE)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    recovered = operate(clone, "recover")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr


def brought_up(clone: Path) -> str:
    """The page's address."""
    done = operate(clone, "up")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^Bookinfo: (http://\S+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return found[1]


def test_two_clones_at_once_show_a_page_each_also_after_an_up_that_was_killed(clones: list[Path]) -> None:
    one, two = clones
    with ThreadPoolExecutor() as pool:
        plain = pool.submit(brought_up, one)
        killed_half_way(two)
        addresses = {plain.result(), brought_up(two)}
    assert len(addresses) == 2
    for address in addresses:
        eventually(lambda address=address: TITLE in page.asked(address).body, 60)  # type: ignore[misc]
    clusters = [RealCluster(clone / ".embedded") for clone in clones]
    for cluster in clusters:
        all_programs(cluster)
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda clone: operate(clone, "destroy"), clones))
    assert [done.returncode for done in ended] == [0, 0], [done.stderr for done in ended]
    assert [left_of(cluster) for cluster in clusters] == [[], []]


def test_a_disk_that_fills_later_stops_changes_and_all_goes_on_once_there_is_room(
    parts: Parts, images: Path, tmp_path: Path
) -> None:
    root = tmp_path / "small"
    root.mkdir()
    where = asdict(parts)
    libraries = where.pop("libraries")
    script = [sys.executable, "-m", "tests.embedded.node.full_disk", str(root), str(images), libraries]
    command = ["unshare", "--mount", "--propagation=private", *script, *map(str, where.values())]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["refused"]
    assert (seen["restarts"], seen["had to be started"], seen["goes on with little room"]) == (0, False, True)
    assert f"needs 200 MB in {root}, where only 0 MB are free: make room there" in seen["told"]
    assert left_of(RealCluster(root)) == []


def test_what_a_reboot_leaves_is_not_in_the_next_starts_way(own_node: RealCluster, parts: Parts) -> None:
    own_node.start()
    kubectl = kubectl_of(own_node, parts)
    kubectl.run_client("before")
    record, port = own_node.root / "process", relays.ports(own_node.root / "ports.json")["http"]
    status, said = own_node.root / "status.json", (own_node.root / "status.json").read_bytes()
    pid, _, described = record.read_text().partition("\n")
    os.kill(int(pid), signal.SIGKILL)
    eventually(lambda: not cgroups.members(cgroups.name_for(own_node.root)), 60)
    # Whoever has its process number and its port now is somebody else, and what it said of itself is still there.
    with subprocess.Popen(["sleep", "600"]) as other, socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        record.write_text(f"{other.pid}\n{described}")
        status.write_bytes(said)
        for top in cgroups.hierarchies():
            (top / cgroups.name_for(own_node.root) / "kubepods" / "pod-of-before").mkdir(parents=True, exist_ok=True)
        assert not own_node.running()
        assert own_node.start() is True
        assert other.poll() is None
        other.kill()
    assert relays.ports(own_node.root / "ports.json")["http"] != port
    all_programs(own_node)

    def restarted() -> bool:
        (found,) = kubectl.json("get", "pod", "before")["status"]["containerStatuses"]
        return bool(found["ready"] and found["restartCount"] > 0)

    eventually(restarted, PATIENCE)
