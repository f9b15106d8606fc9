"""A real node's begin and end, by itself and by force."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from embedded import __main__ as command
from embedded import kinds
from embedded.node import cgroups
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
from embedded.record import RECORD, Kind, recorded
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE, Kubectl

PROGRAMS = {
    "etcd": "server",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "kubelet": "kubelet",
    "kube-proxy": "kube-proxy",
    "containerd": "containerd",
    "registry": "nodekit registry",
    "relay": "nodekit relay",
    "load-balancers": "nodekit load-balancers",
    "network-policies": "nodekit network-policies",
}
"""By name in the node's log, what the command line begins with."""

WATCHED = ("/etc", "/opt", "/run", "/var/lib", "/var/log", "/usr/libexec", "/usr/local")
"""Where programs of a node like to write, but for folders that change by themselves."""


def processes(cluster: RealCluster) -> dict[str, int]:
    """Pids by name in PROGRAMS, of those processes that are in the cluster's cgroup."""
    found: dict[str, dict[int, int]] = {}
    for pid in cgroups.members(cgroups.name_for(cluster.root)):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        line = " ".join([Path(words[0]).name, *words[1:2]])
        for name, start in PROGRAMS.items():
            if f"{line} ".startswith(f"{start} "):
                found.setdefault(name, {})[pid] = parent
    # What a program starts has the program's own command line until it becomes another one.
    return {name: pid for name, pids in found.items() for pid, parent in pids.items() if parent not in pids}


def all_programs(cluster: RealCluster) -> dict[str, int]:
    """`processes` once every program runs: one that has ended by itself is started again a moment later."""
    eventually(lambda: processes(cluster).keys() == PROGRAMS.keys(), 60)
    return processes(cluster)


def first_process(cluster: RealCluster) -> int:
    starter = (cluster.root / "process").read_text().split("\n")[0]
    return int(Path(f"/proc/{starter}/task/{starter}/children").read_text().split()[0])


def left_of(cluster: RealCluster) -> list[object]:
    """Processes and cgroups of a cluster."""
    name = cgroups.name_for(cluster.root)
    return [*cgroups.members(name), *(top / name for top in cgroups.hierarchies() if (top / name).exists())]


def machine() -> dict[str, object]:
    """What a node could change of the machine."""

    def printed(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    kernel = Path("/proc/sys")
    settings = {}
    for name in (
        "kernel/panic",
        "kernel/panic_on_oops",
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "net/ipv4/ip_forward",
    ):
        settings[name] = (kernel / name).read_text()
    return {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "links": printed("ip", "-oneline", "link", "show").replace("state UNKNOWN", ""),
        "routes": printed("ip", "route", "show", "table", "all"),
        "settings": settings,
        "folders": {folder: sorted(each.name for each in Path(folder).iterdir()) for folder in WATCHED},
        "cgroups": {str(top): sorted(each.name for each in top.iterdir()) for top in cgroups.hierarchies()},
    }


def kubectl_of(cluster: RealCluster, parts: Parts) -> Kubectl:
    return Kubectl(parts.control_plane / "kubectl", cluster.kubeconfig)


def test_nothing_of_the_machine_changes_and_deleting_leaves_nothing(own_node: RealCluster) -> None:
    before = machine()
    own_node.start()
    during = machine()
    cgroup = cgroups.name_for(own_node.root)
    assert during.pop("cgroups") == {top: sorted([*names, cgroup]) for top, names in cgroups_of(before).items()}
    assert during == {name: value for name, value in before.items() if name != "cgroups"}
    (own_node.root / "charts").mkdir()
    own_node.delete()
    assert left_of(own_node) == []
    assert sorted(path.name for path in own_node.root.iterdir()) == ["charts", "lock"]
    assert machine() == before


def cgroups_of(state: dict[str, object]) -> dict[str, list[str]]:
    found = state["cgroups"]
    assert isinstance(found, dict)
    return found


def test_stopping_leaves_no_process_and_starting_again_brings_the_pods_back(
    own_node: RealCluster, parts: Parts
) -> None:
    own_node.start()
    kubectl = kubectl_of(own_node, parts)
    kubectl.run_client("before")
    kubectl("cordon", "embedded")
    own_node.stop()
    assert left_of(own_node) == []
    assert not own_node.running()
    assert own_node.start() is True

    def restarted() -> bool:
        (status,) = kubectl.json("get", "pod", "before")["status"]["containerStatuses"]
        return bool(status["ready"] and status["restartCount"] > 0)

    eventually(restarted, 180)
    kubectl("exec", "before", "--", "bookinfo", "resolve", "kubernetes.default")


def test_two_clusters_do_not_meet(node: RealCluster, own_node: RealCluster, parts: Parts) -> None:
    own_node.start()
    kubectl_of(own_node, parts)("create", "namespace", "only-here")
    assert not set(all_programs(own_node).values()) & set(all_programs(node).values())
    own_node.delete()
    assert node.running()
    assert "only-here" not in kubectl_of(node, parts)("get", "namespaces")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_is_killed_comes_back_and_the_node_goes_on(
    node: RealCluster, kubectl: Kubectl, client: str, name: str
) -> None:
    killed = all_programs(node)[name]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: processes(node).get(name, killed) != killed, 60)
    eventually(node.running, 120)
    (status,) = kubectl.json("get", "pod", client)["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    pod = f"after-{name}"
    eventually(lambda: kubectl.tried("get", "serviceaccount", "default").returncode == 0, 60)
    kubectl.run_client(pod)
    kubectl("delete", "pod", pod, "--grace-period=1", f"--timeout={PATIENCE}")


@pytest.mark.parametrize("victim", ["the first process", "the recorded process"])
def test_one_process_ends_everything_and_the_next_start_is_a_clean_one(own_node: RealCluster, victim: str) -> None:
    own_node.start()
    recorded = int((own_node.root / "process").read_text().split("\n")[0])
    os.kill(first_process(own_node) if victim == "the first process" else recorded, signal.SIGKILL)
    eventually(lambda: not cgroups.members(cgroups.name_for(own_node.root)), 60)
    assert not own_node.running()
    assert own_node.start() is True
    all_programs(own_node)


def test_a_cluster_whose_folder_was_removed_is_ended_all_the_same(own_node: RealCluster) -> None:
    own_node.start()
    # Again where a program has written something meanwhile.
    eventually(lambda: subprocess.run(["rm", "-rf", own_node.root], check=False).returncode == 0, 60)
    assert recorded(own_node.root) is Kind.REAL
    kinds.delete(own_node.root)
    assert left_of(own_node) == []


STARTER = """
import sys
from pathlib import Path
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
root, images, libraries, *paths = sys.argv[1:]
names = ("control_plane", "node", "istio", "nft")
parts = Parts(**dict(zip(names, map(Path, paths), strict=True)), libraries=libraries)
RealCluster(Path(root), parts=parts, images=Path(images)).start()
"""


def starter(cluster: RealCluster, images: Path, parts: Parts) -> "subprocess.Popen[bytes]":
    """Another process that starts the cluster."""
    where = asdict(parts)
    libraries = where.pop("libraries")
    words = [str(cluster.root), str(images), libraries, *map(str, where.values())]
    return subprocess.Popen([sys.executable, "-c", STARTER, *words])


def has_made(starter: "subprocess.Popen[bytes]", path: Path) -> bool:
    """Whether something is there, without which no starter may end."""
    # Looked at first: whoever looks late finds both what is made and a starter that has ended.
    ended = starter.poll() is not None
    there = path.exists()
    assert there or not ended
    return there


MOMENTS = ("settings.json", "process", "kubeconfig", "status.json", "logs/etcd.log", "logs/kubelet.log", "logs/pods")
"""What is there from some moment of a start on; the last comes when the first pod does."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_starter_that_is_killed_half_way_is_not_in_the_next_ones_way(
    own_node: RealCluster, images: Path, parts: Parts, moment: str
) -> None:
    killed = starter(own_node, images, parts)
    while not has_made(killed, own_node.root / moment):
        pass
    killed.kill()
    killed.wait()
    own_node.start()
    assert own_node.running()
    all_programs(own_node)
    own_node.stop()
    assert left_of(own_node) == []


def test_a_second_starter_waits_and_finds_it_started(own_node: RealCluster, images: Path, parts: Parts) -> None:
    outcomes: list[bool] = []
    with starter(own_node, images, parts) as first:
        while not has_made(first, own_node.root / "settings.json"):
            pass
        thread = threading.Thread(target=lambda: outcomes.append(own_node.start()))
        thread.start()
        thread.join()
        assert first.wait() == 0
    assert outcomes == [False]


def test_a_program_that_cannot_run_is_named_with_its_last_words(tmp_path: Path, images: Path, parts: Parts) -> None:
    broken = tmp_path / "control-plane"
    broken.mkdir()
    for program in parts.control_plane.iterdir():
        (broken / program.name).symlink_to(program)
    (broken / "server").unlink()
    (broken / "server").write_text("#!/bin/sh\necho the disk is on fire\nexit 1\n")
    (broken / "server").chmod(0o755)
    failing = RealCluster(tmp_path / "root", parts=Parts(**{**asdict(parts), "control_plane": broken}), images=images)
    with pytest.raises(Exception, match=r"etcd ended 5 times in a row\. .*etcd\.log ends with: .*the disk is on fire"):
        failing.start()
    assert left_of(failing) == []
    failing.delete()


def test_a_node_that_was_started_ahead_is_unknown_until_a_stack_takes_it_as_its_own(
    own_node: RealCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_COMMAND_STDOUT", raising=False)
    root = own_node.root
    root.mkdir()
    (root / RECORD).write_text(f"{Kind.REAL}\n")
    (root / kinds.AHEAD).touch()
    assert command.main(["start", f"--root={root}", "--ahead"]) == 0
    assert own_node.running()
    assert not own_node.kubeconfig.exists()
    assert command.main(["start", f"--root={root}", "--node=auto"]) == 0
    assert json.loads(capsys.readouterr().out) == {"created": True, "cluster": own_node.identity()}
    assert own_node.kubeconfig.exists()
    assert command.main(["start", f"--root={root}", "--node=auto"]) == 0
    assert json.loads(capsys.readouterr().out)["created"] is False
