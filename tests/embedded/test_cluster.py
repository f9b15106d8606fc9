import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import artifacts, process, toolchain
from embedded.cluster import STOP_ORDER, Cluster
from tests.embedded.kube import Kube, eventually

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: app, image: example/app:1}]}
"""


def processes(cluster: Cluster) -> dict[str, int]:
    """Pids of the cluster's processes by program, as the kernel sees them: those whose arguments name its folder."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            program, *arguments = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if Path(program).name in {*STOP_ORDER, "server"} and f"{cluster.root}/" in " ".join(arguments):
            assert Path(program).name not in found
            found[Path(program).name] = int(folder.name)
    return found


GATEWAYS = "gateways.gateway.networking.k8s.io"
ALL = {"server", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}


def pods_of(kube: Kube, name: str) -> list[Any]:
    return list(kube.core.list_namespaced_pod("default", label_selector=f"app={name}").items)


def roll_out(kube: Kube, name: str) -> None:
    kube.create(DEPLOYMENT.replace("NAME", name))
    eventually(lambda: kube.apps.read_namespaced_deployment_status(name, "default").status.ready_replicas == 2, 15)


def test_starting_a_running_cluster_is_quick_and_changes_nothing(cluster: Cluster) -> None:
    before, kubeconfig = processes(cluster), cluster.kubeconfig.read_text()
    assert set(before) == ALL
    began = time.monotonic()
    assert cluster.start() is False
    assert time.monotonic() - began < 1
    assert processes(cluster) == before
    assert cluster.kubeconfig.read_text() == kubeconfig


def test_a_lost_kubeconfig_is_written_again(cluster: Cluster) -> None:
    kubeconfig = cluster.kubeconfig.read_text()
    cluster.kubeconfig.unlink()
    cluster.start()
    assert cluster.kubeconfig.read_text() == kubeconfig


def test_there_is_one_node_of_the_tutorials_size(kube: Kube) -> None:
    (node,) = kube.core.list_node().items
    assert node.metadata.name == "embedded"
    allocatable = node.status.allocatable
    assert (allocatable["cpu"], allocatable["memory"], allocatable["pods"]) == ("4", "5500Mi", "110")
    assert node.metadata.labels["kubernetes.io/os"] == "linux"
    assert node.metadata.labels["kubernetes.io/arch"] == "amd64"
    assert node.metadata.labels["kubernetes.io/hostname"] == "embedded"
    assert node.status.node_info.kubelet_version == toolchain.kubernetes_version()
    assert [each.status for each in node.status.conditions if each.type == "Ready"] == ["True"]


def test_the_server_reports_the_version_that_go_mod_pins(kube: Kube) -> None:
    assert kube.version.get_code().git_version == toolchain.kubernetes_version()


def test_a_service_gets_an_address_from_which_no_packet_leaves_the_machine(kube: Kube) -> None:
    kube.create("{apiVersion: v1, kind: Service, metadata: {name: loop}, spec: {ports: [{port: 80}]}}")
    address = kube.core.read_namespaced_service("loop", "default").spec.cluster_ip
    kube.core.delete_namespaced_service("loop", "default")
    assert ipaddress.ip_address(address).is_loopback


@pytest.mark.usefixtures("kube")
def test_no_process_listens_on_or_is_connected_to_anything_but_loopback(cluster: Cluster) -> None:
    ours = set()
    for pid in processes(cluster).values():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
            if target.startswith("socket:["):
                ours.add(target[8:-1])
    addresses = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in ours:
            addresses |= {socket.inet_ntoa(bytes.fromhex(end[:8])[::-1]) for end in fields[1:3]}
    assert "127.0.0.1" in addresses
    # 0.0.0.0 is the far end of a socket that listens; one that listened on all addresses would have it as its near end.
    assert {each for each in addresses if not ipaddress.ip_address(each).is_loopback} <= {"0.0.0.0"}  # noqa: S104
    listening = [line.split()[1][:8] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert listening.count("0100007F") >= 3
    assert not [line for line in Path("/proc/net/tcp6").read_text().splitlines()[1:] if line.split()[9] in ours]


def test_a_deployment_rolls_out_and_its_pods_are_ready(kube: Kube) -> None:
    roll_out(kube, "rolls")
    pods = kube.core.list_namespaced_pod("default", label_selector="app=rolls").items
    assert [[container.ready for container in pod.status.container_statuses] for pod in pods] == [[True], [True]]
    kube.apps.delete_namespaced_deployment("rolls", "default")
    eventually(lambda: not kube.core.list_namespaced_pod("default", label_selector="app=rolls").items)


def test_a_service_of_ready_pods_has_endpoints(kube: Kube) -> None:
    roll_out(kube, "backend")
    service = {"metadata": {"name": "backend"}, "spec": {"selector": {"app": "backend"}, "ports": [{"port": 80}]}}
    kube.core.create_namespaced_service("default", service)
    slices = kube.resource("discovery.k8s.io/v1", "EndpointSlice")

    def ready() -> int:
        found = slices.get(namespace="default", label_selector="kubernetes.io/service-name=backend").items
        return sum(len(each.endpoints or []) for each in found)

    eventually(lambda: ready() == 2)
    kube.core.delete_namespaced_service("backend", "default")
    kube.apps.delete_namespaced_deployment("backend", "default")


def test_a_job_completes(kube: Kube) -> None:
    job = """
    apiVersion: batch/v1
    kind: Job
    metadata: {name: once}
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: example/job:1}]}}}
    """
    jobs = kube.resource("batch/v1", "Job")
    jobs.create(body=yaml.safe_load(job), namespace="default")
    eventually(lambda: jobs.get(name="once", namespace="default").status.succeeded == 1)
    jobs.delete(name="once", namespace="default", body={"propagationPolicy": "Foreground"})


@pytest.fixture
def gateway_crd(kube: Kube) -> Iterator[Path]:
    """The file of the definition of Gateways, which is applied."""
    module = toolchain.module_dir(*artifacts.GATEWAY_API)
    file = module / "config" / "crd" / "standard" / "gateway.networking.k8s.io_gateways.yaml"
    kube.apply_crds(file)
    yield file
    kube.delete_crds(GATEWAYS)


def test_kwok_stops_watching_gateways_when_their_definition_goes_and_begins_again_when_it_comes(
    cluster: Cluster, kube: Kube, gateway_crd: Path
) -> None:
    def stops() -> int:
        return (cluster.logs / "kwok.log").read_text().count("Stop stage controller")

    def create_and_wait() -> None:
        gateways = kube.resource("gateway.networking.k8s.io/v1", "Gateway")
        gateways.create(body=gateway("back", "istio"), namespace="default")
        eventually(lambda: programmed(gateways.get(name="back", namespace="default")), 5)

    create_and_wait()
    before = stops()
    kube.delete_crds(GATEWAYS)
    # A watch that went on in vain would be retried ever more rarely, up to every half a minute.
    eventually(lambda: stops() > before)
    kube.apply_crds(gateway_crd)
    create_and_wait()


def programmed(found: Any) -> bool:
    conditions = found.status.to_dict()["conditions"]
    return ("Programmed", "True") in {(each["type"], each["status"]) for each in conditions}


def gateway(name: str, class_name: str) -> dict[str, object]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": class_name, "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }


@pytest.mark.usefixtures("gateway_crd")
def test_a_gateway_of_istios_class_is_programmed_soon_after_its_definition_came(kube: Kube) -> None:
    gateways = kube.resource("gateway.networking.k8s.io/v1", "Gateway")
    gateways.create(body=gateway("others", "someone-elses"), namespace="default")
    gateways.create(body=gateway("ours", "istio"), namespace="default")

    def conditions(name: str) -> set[tuple[str, str, int]]:
        status = gateways.get(name=name, namespace="default").status.to_dict()
        return {(each["type"], each["status"], each.get("observedGeneration", 0)) for each in status["conditions"]}

    eventually(lambda: conditions("ours") == {("Accepted", "True", 1), ("Programmed", "True", 1)}, 5)
    assert ("Programmed", "True", 1) not in conditions("others")

    patch = {"spec": {"listeners": [{"name": "http", "port": 8080, "protocol": "HTTP"}]}}
    gateways.patch(name="ours", namespace="default", body=patch, content_type="application/merge-patch+json")
    eventually(lambda: conditions("ours") == {("Accepted", "True", 2), ("Programmed", "True", 2)}, 5)


def test_stopping_leaves_no_process_and_starting_again_finds_everything_and_runs_pods(own_cluster: Cluster) -> None:
    own_cluster.start()
    roll_out(Kube(own_cluster.kubeconfig), "before")
    own_cluster.stop()
    assert processes(own_cluster) == {}
    assert not own_cluster.running()
    assert own_cluster.start() is True
    again = Kube(own_cluster.kubeconfig)
    assert len(pods_of(again, "before")) == 2
    roll_out(again, "after")


def test_deleting_leaves_nothing_but_what_others_put_there(own_cluster: Cluster) -> None:
    own_cluster.start()
    (own_cluster.root / "charts").mkdir()
    own_cluster.delete()
    assert processes(own_cluster) == {}
    assert sorted(path.name for path in own_cluster.root.iterdir()) == ["charts", "lock"]


def test_a_port_that_was_taken_while_the_cluster_was_down_is_replaced_by_another(own_cluster: Cluster) -> None:
    own_cluster.start()
    address = Kube(own_cluster.kubeconfig).api.configuration.host
    own_cluster.stop()
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        own_cluster.start()
        moved = Kube(own_cluster.kubeconfig)
        assert moved.api.configuration.host != address
        assert moved.core.read_node("embedded")


@pytest.mark.parametrize("moment", ["etcd", "kube-apiserver", "kube-scheduler", "kwok"])
def test_a_starter_that_is_killed_half_way_is_not_in_the_next_ones_way(
    own_cluster: Cluster, tools: Path, moment: str
) -> None:
    program = (
        "from pathlib import Path\nfrom embedded.cluster import Cluster\n"
        f"Cluster(Path({str(own_cluster.root)!r}), tools=Path({str(tools)!r})).start()"
    )
    starter = subprocess.Popen([sys.executable, "-c", program])
    while not (own_cluster.root / "pids" / moment).exists():
        assert starter.poll() is None
    starter.kill()
    starter.wait()
    own_cluster.start()
    assert own_cluster.running()
    assert set(processes(own_cluster)) == ALL


def test_stale_pid_files_are_not_believed(own_cluster: Cluster) -> None:
    pids = own_cluster.root / "pids"
    pids.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as somebody_elses:
        fields = Path(f"/proc/{somebody_elses.pid}/stat").read_text().split()
        fields[21] = "1"
        for name in STOP_ORDER:
            (pids / name).write_text(f"{somebody_elses.pid}\n{' '.join(fields)}\n")
        assert own_cluster.start() is True
        own_cluster.stop()
        assert somebody_elses.poll() is None
        somebody_elses.kill()


def test_a_cluster_of_which_a_process_has_died_is_not_running_and_start_repairs_it(own_cluster: Cluster) -> None:
    own_cluster.start()
    before = processes(own_cluster)
    os.kill(before["kwok"], signal.SIGKILL)
    eventually(lambda: not process.alive(process.recorded(own_cluster.root / "pids" / "kwok")))
    assert not own_cluster.running()
    kube = Kube(own_cluster.kubeconfig)
    kube.create(DEPLOYMENT.replace("NAME", "meanwhile"))
    eventually(lambda: [pod.spec.node_name for pod in pods_of(kube, "meanwhile")] == ["embedded"] * 2, 60)
    assert own_cluster.start() is True
    again = Kube(own_cluster.kubeconfig)
    eventually(lambda: [pod.status.phase for pod in pods_of(again, "meanwhile")] == ["Running"] * 2, 60)
    # With a lease kwok would pass over those of which it hears between creating the lease and hearing of that.
    assert not again.resource("coordination.k8s.io/v1", "Lease").get(namespace="kube-node-lease").items
    after = processes(own_cluster)
    assert set(after) == ALL
    assert not set(after.values()) & set(before.values())
    assert own_cluster.running()


def test_two_clusters_do_not_meet(cluster: Cluster, own_cluster: Cluster) -> None:
    own_cluster.start()
    Kube(own_cluster.kubeconfig).create("{apiVersion: v1, kind: Namespace, metadata: {name: only-here}}")
    own_cluster.delete()
    assert cluster.running()
    other = Kube(cluster.kubeconfig)
    assert "only-here" not in other.names(other.core.list_namespace())
