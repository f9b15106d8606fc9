import fcntl
import gzip
import io
import ipaddress
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from embedded import access, artifacts, cluster, process, simulated, toolchain
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.loopback import Api
from embedded.simulated import Ports
from embedded.toolchain.groups import groups
from operations.manifests.objects import wait_until

PORTS = Ports(etcd=2379, etcd_peer=2380, apiserver=6443)
FOLDER = Path("/somewhere")


def all_arguments() -> list[str]:
    return [
        *simulated.etcd_arguments(PORTS, FOLDER),
        *simulated.apiserver_arguments(PORTS, certificates=FOLDER, tokens=FOLDER, signing_key=FOLDER),
        *simulated.controller_manager_arguments(FOLDER),
        *simulated.scheduler_arguments(),
        *simulated.kwok_arguments(),
    ]


def test_every_address_given_to_a_process_is_loopback() -> None:
    addresses = re.findall(r"=(?:default=)?(?:http://)?(\d+\.\d+\.\d+\.\d+)(?!/|\d)", "\n".join(all_arguments()))
    assert len(addresses) >= 9
    assert {ipaddress.ip_address(each).is_loopback for each in addresses} == {True}


def test_controllers_and_scheduler_serve_nothing() -> None:
    assert "--secure-port=0" in simulated.controller_manager_arguments(FOLDER)
    assert "--secure-port=0" in simulated.scheduler_arguments()


def test_services_live_inside_127_8() -> None:
    services = ipaddress.ip_network(simulated.SERVICE_RANGE)
    assert isinstance(services, ipaddress.IPv4Network)
    assert services.subnet_of(ipaddress.IPv4Network("127.0.0.0/8"))
    assert f"--service-cluster-ip-range={simulated.SERVICE_RANGE}" in all_arguments()


def test_pods_get_addresses_to_which_no_connection_can_be_made() -> None:
    address = ipaddress.ip_network(simulated.POD_RANGE)[1]
    with socket.socket() as probe:
        probe.settimeout(1)
        with pytest.raises(OSError, match="unreachable"):
            probe.connect((str(address), 80))


def test_the_node_has_the_tutorials_size() -> None:
    status = simulated.node_manifest()["status"]
    assert isinstance(status, dict)
    assert status["capacity"] == status["allocatable"]
    assert {key: status["capacity"][key] for key in ("cpu", "memory", "pods")} == {
        "cpu": "4",
        "memory": "5500Mi",
        "pods": "110",
    }


def test_the_kubeconfig_has_one_context_named_embedded_and_needs_no_other_file() -> None:
    written = yaml.safe_load(access.kubeconfig(6443, b"PEM", "secret"))
    assert written["current-context"] == "embedded"
    assert [context["name"] for context in written["contexts"]] == ["embedded"]
    assert written["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:6443",
        "certificate-authority-data": "UEVN",
    }
    assert written["users"][0]["user"] == {"token": "secret"}


def test_a_signing_key_is_a_p256_private_key_of_which_no_two_are_alike() -> None:
    first, second = simulated.signing_key(), simulated.signing_key()
    begin, *body, end = first.splitlines()
    der = b64decode("".join(body))
    assert (begin, end) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    # RFC 5915: a sequence of version 1, an octet string of 32 bytes, and the curve's name.
    assert der[:7] == bytes([0x30, len(der) - 2, 2, 1, 1, 4, 32])
    assert der.endswith(bytes.fromhex("a00a06082a8648ce3d030107"))
    assert first != second


def test_free_ports_are_free_and_different() -> None:
    ports = simulated.free_ports()
    assert len({ports.etcd, ports.etcd_peer, ports.apiserver}) == 3
    socket.create_server(("127.0.0.1", ports.apiserver)).close()


def test_an_api_server_that_is_not_there_is_status_0(tmp_path: Path) -> None:
    port = simulated.free_ports().apiserver
    assert Api(port=port, certificate=tmp_path / "none", token="t").request("GET", "/readyz") == (0, None)  # noqa: S106


def test_a_cluster_that_was_never_started_does_not_run_and_can_be_stopped_and_deleted(tmp_path: Path) -> None:
    never = Cluster(tmp_path / "root")
    assert not never.running()
    never.stop()
    never.delete()
    assert not never.root.exists()


# Tools that are lines of shell: what start() does when one of them fails.


def fake_tools(folder: Path, **scripts: str) -> Path:
    folder.mkdir()
    for name in groups()["cluster"].files:
        (folder / name).write_text(f"#!/bin/sh\n{scripts.get(name.replace('-', '_'), 'while :; do sleep 0.1; done')}\n")
        (folder / name).chmod(0o755)
    return folder


def silent(_: str) -> None:
    pass


def processes_of(root: Path) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if f"{root}/" in command or str(root.parent / "tools") in command:
            found.append(command)
    return found


def test_a_process_that_dies_at_the_start_is_an_error_that_quotes_its_log(tmp_path: Path) -> None:
    tools = fake_tools(tmp_path / "tools", server="echo one; echo 'bad flag'; exit 2")
    failing = Cluster(tmp_path / "root", tools=tools, say=silent)
    with pytest.raises(EmbeddedError, match=r"^etcd ended .*logs/etcd\.log, ends with: one / bad flag"):
        failing.start()
    assert processes_of(failing.root) == []


def test_a_full_disk_is_an_error_that_says_to_make_room(tmp_path: Path) -> None:
    tools = fake_tools(tmp_path / "tools", server="echo 'write x: no space left on device'; exit 1")
    with pytest.raises(EmbeddedError, match="Make room on the disk"):
        Cluster(tmp_path / "root", tools=tools, say=silent).start()


def test_ports_that_are_taken_again_and_again_are_an_error_in_the_end(tmp_path: Path) -> None:
    taken = "echo x >>$HOME/tries; echo 'listen tcp 127.0.0.1:1: bind: address already in use'; exit 1"
    unlucky = Cluster(tmp_path / "root", tools=fake_tools(tmp_path / "tools", server=taken), say=silent)
    with pytest.raises(EmbeddedError, match="3 times in a row a port was taken"):
        unlucky.start()
    assert (unlucky.root / "tries").read_text() == "x\n" * 3


def test_nothing_is_started_on_a_recorded_port_on_which_someone_else_listens(tmp_path: Path) -> None:
    tools = fake_tools(tmp_path / "tools", server='echo "$@" >>$HOME/tried; exit 1')
    moving = Cluster(tmp_path / "root", tools=tools, say=silent)
    moving.root.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as somebody_elses:
        taken = replace(simulated.free_ports(), etcd=somebody_elses.getsockname()[1])
        (moving.root / "ports.json").write_text(json.dumps(asdict(taken)))
        with pytest.raises(EmbeddedError, match="etcd ended"):
            moving.start()
    assert "--data-dir" in (moving.root / "tried").read_text()
    assert f":{taken.etcd}" not in (moving.root / "tried").read_text()


def test_a_start_that_takes_too_long_says_what_it_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "START_TIMEOUT", 0.3)
    slow = Cluster(tmp_path / "root", tools=fake_tools(tmp_path / "tools"), say=silent)
    with pytest.raises(EmbeddedError, match="waited until the API server has its certificate"):
        slow.start()
    assert processes_of(slow.root) == []


def test_ctrl_c_during_a_start_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    interrupted = Cluster(tmp_path / "root", tools=fake_tools(tmp_path / "tools"), say=silent)
    monkeypatch.setattr(interrupted, "_wait_until", interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.start()
    assert processes_of(interrupted.root) == []


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"cannot use .*file/root"):
        Cluster(tmp_path / "file" / "root", say=silent).start()


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    tools = fake_tools(tmp_path / "tools", server="exit 1")
    private = Cluster(tmp_path / "root", tools=tools, say=silent)
    with pytest.raises(EmbeddedError):
        private.start()
    written = [private.root / "secrets" / name for name in ("tokens.csv", "service-accounts.key")]
    assert [oct(path.stat().st_mode & 0o777) for path in written] == ["0o600", "0o600"]


# Processes.


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[process.Process]:
    process.spawn(
        ["/bin/sleep", "60"], pid_file=tmp_path / "pid", log=tmp_path / "log", environment=process.environment()
    )
    started = process.recorded(tmp_path / "pid")
    assert started is not None
    yield started
    process.stop([started], 0)


def test_a_process_is_alive_until_it_is_stopped(sleeper: process.Process) -> None:
    assert process.alive(sleeper)
    process.stop([sleeper], 5)
    assert not process.alive(sleeper)


def test_a_process_that_has_ended_but_was_not_collected_by_its_parent_is_not_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "_collect", lambda _: None)
    with subprocess.Popen(["true"]) as child:
        while (stat := Path(f"/proc/{child.pid}/stat").read_text().split())[2] != "Z":
            pass
        assert not process.alive(process.Process(pid=child.pid, started=stat[21]))


def test_a_process_that_ignores_being_asked_is_forced(tmp_path: Path) -> None:
    stubborn = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]
    pid_file, log = tmp_path / "pid", tmp_path / "log"
    process.spawn(stubborn, pid_file=pid_file, log=log, environment=process.environment())
    while not log.read_text():
        pass
    started = process.recorded(pid_file)
    assert started is not None
    process.stop([started], 0.1)
    assert not process.alive(started)


def test_somebody_elses_process_that_got_the_pid_of_ours_is_not_touched(sleeper: process.Process) -> None:
    stale = replace(sleeper, started="1")
    assert not process.alive(stale)
    process.stop([stale], 0)
    assert process.alive(sleeper)


@pytest.mark.parametrize("content", ["", "not a number\n1 (x) S 1", "12"])
def test_a_pid_file_that_makes_no_sense_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content)
    assert process.recorded(tmp_path / "pid") is None
    assert not process.alive(process.recorded(tmp_path / "pid"))


def test_a_process_has_a_session_of_its_own(sleeper: process.Process) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_a_process_outlives_its_starter_and_is_known_although_that_was_killed_at_once(tmp_path: Path) -> None:
    starter = (
        "import os, signal\nfrom pathlib import Path\nfrom embedded import process\n"
        f"process.spawn(['/bin/sleep', '60'], pid_file=Path({str(tmp_path / 'pid')!r}), "
        f"log=Path({str(tmp_path / 'log')!r}), environment=process.environment())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", starter], check=False)
    started = process.recorded(tmp_path / "pid")
    assert started is not None
    assert process.alive(started)
    process.stop([started], 0)


def test_a_lock_is_held_until_the_process_has_recorded_itself_and_no_longer(tmp_path: Path) -> None:
    pid_file, lock = tmp_path / "pid", tmp_path / "lock"
    os.mkfifo(tmp_path / "pid.new")  # the child cannot write who it is before somebody reads
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        starter = multiprocessing.get_context("fork").Process(
            target=process.spawn,
            args=(["/bin/sleep", "60"],),
            kwargs={
                "pid_file": pid_file,
                "log": tmp_path / "log",
                "environment": process.environment(),
                "held": handle.fileno(),
            },
        )
        starter.start()
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
        wait_until("the child to be there", lambda: bool(children.read_text()))
        starter.kill()
        starter.join()
    with lock.open("w") as handle:
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        identity = (tmp_path / "pid.new").read_text()
        fcntl.flock(handle, fcntl.LOCK_EX)
    pid_file.unlink()
    pid_file.write_text(identity)
    started = process.recorded(pid_file)
    assert process.alive(started)
    assert started
    process.stop([started], 0)


def test_a_process_that_cannot_record_itself_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="/bin/sleep could not be started"):
        process.spawn(
            ["/bin/sleep", "60"],
            pid_file=tmp_path / ("x" * 253),
            log=tmp_path / "log",
            environment=process.environment(),
        )


def test_processes_get_nothing_of_the_users_environment_but_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_DATA_DIR", "/elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    assert process.environment(HOME="/h") == {"PATH": os.environ["PATH"], "HOME": "/h"}


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for word in ("first", "second"):
        process.spawn(
            ["/bin/echo", word], pid_file=tmp_path / "pid", log=tmp_path / "x.log", environment=process.environment()
        )
        while not (tmp_path / "x.log").read_text():
            pass
    assert (tmp_path / "x.previous").read_text() == "first\n"


# Stages and artifacts.


def test_stages_are_a_definition_and_objects_of_the_kind_it_defines() -> None:
    definition, *stages = yaml.safe_load_all(cluster.STAGES.read_text())
    group, version = definition["spec"]["group"], definition["spec"]["versions"][0]["name"]
    assert {(stage["apiVersion"], stage["kind"]) for stage in stages} == {(f"{group}/{version}", "Stage")}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: thing\nversion: 0.0.0\nappVersion: 0.0.0\n")
    (tmp_path / "chart" / "templates" / "a.yaml").write_text("kind: A\n")
    return tmp_path / "chart"


def contents(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar.getmembers()}  # type: ignore[union-attr]


def test_a_packed_chart_has_the_version_that_was_asked_for(chart: Path) -> None:
    about = yaml.safe_load(contents(artifacts.pack(chart, "1.23.6"))["thing/Chart.yaml"])
    assert (about["name"], about["version"], about["appVersion"]) == ("thing", "1.23.6", "1.23.6")


def test_a_packed_chart_holds_its_files_and_the_extra_ones_under_its_name(chart: Path) -> None:
    assert sorted(contents(artifacts.pack(chart, "1.0.0", [("crds/c.yaml", b"c")]))) == [
        "thing/Chart.yaml",
        "thing/crds/c.yaml",
        "thing/templates/a.yaml",
    ]


def test_the_same_chart_packs_to_the_same_bytes_whenever_it_is_packed(
    chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = artifacts.pack(chart, "1.0.0")
    monkeypatch.setattr("time.time", lambda: 1e9)
    os.utime(chart / "templates" / "a.yaml", (0, 0))
    assert artifacts.pack(chart, "1.0.0") == first
    assert gzip.decompress(first)[:16].startswith(b"thing/Chart.yaml")


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Go modules that are folders here; the list grows by the path of each that is asked for."""
    crds = tmp_path / "modules" / "istio.io/api" / artifacts.ISTIO_CRDS
    crds.parent.mkdir(parents=True)
    crds.write_text("kind: CustomResourceDefinition\n")
    for channel in artifacts.CHANNELS:
        folder = tmp_path / "modules" / "sigs.k8s.io/gateway-api/config/crd" / channel
        folder.mkdir(parents=True)
        (folder / "gateways.yaml").write_text(channel)
        (folder / "gateways.yaml").chmod(0o444)
        (folder / "kustomization.yaml").touch()
    asked: list[str] = []

    def module_dir(path: str, version: str) -> Path:
        assert version.startswith("v")
        asked.append(path)
        return tmp_path / "modules" / path

    monkeypatch.setattr(toolchain, "module_dir", module_dir)
    return asked


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_preparing_makes_the_charts_and_both_channels(tmp_path: Path, modules: list[str]) -> None:
    artifacts.prepare(tmp_path / "root", "1.23.0")
    assert modules == ["istio.io/api", "sigs.k8s.io/gateway-api"]
    assert sorted(snapshot(tmp_path / "root")) == [
        "charts/base-1.23.0.tgz",
        "charts/cni-1.23.0.tgz",
        "charts/istiod-1.23.0.tgz",
        "charts/ztunnel-1.23.0.tgz",
        "gateway-api/v1.1.0/experimental/gateways.yaml",
        "gateway-api/v1.1.0/standard/gateways.yaml",
    ]
    assert "base/crds/crds.yaml" in contents((tmp_path / "root/charts/base-1.23.0.tgz").read_bytes())


def test_preparing_again_touches_nothing_and_asks_for_no_module(tmp_path: Path, modules: list[str]) -> None:
    artifacts.prepare(tmp_path, "1.23.0")
    before = snapshot(tmp_path)
    modules.clear()
    artifacts.prepare(tmp_path, "1.23.0")
    assert snapshot(tmp_path) == before
    assert modules == []


@pytest.mark.parametrize("damage", ["charts/base-1.23.0.tgz", "charts/istiod-1.23.0.tgz", "charts/.1.23.0.made-of"])
def test_what_is_missing_is_made_again(tmp_path: Path, modules: list[str], damage: str) -> None:
    artifacts.prepare(tmp_path, "1.23.0")
    modules.clear()
    (tmp_path / damage).unlink()
    artifacts.prepare(tmp_path, "1.23.0")
    assert (tmp_path / damage).exists()
    assert modules == ["istio.io/api"]


@pytest.mark.usefixtures("modules")
def test_a_changed_chart_is_packed_again(tmp_path: Path, chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("base", "istiod"):
        (tmp_path / "charts" / name).mkdir(parents=True)
        (tmp_path / "charts" / name / "Chart.yaml").write_text((chart / "Chart.yaml").read_text())
    monkeypatch.setattr(artifacts, "CHARTS", tmp_path / "charts")
    artifacts.prepare(tmp_path / "root", "1.23.0")
    (tmp_path / "charts" / "istiod" / "values.yaml").write_text("a: 1\n")
    artifacts.prepare(tmp_path / "root", "1.23.0")
    assert "thing/values.yaml" in contents((tmp_path / "root/charts/istiod-1.23.0.tgz").read_bytes())


@pytest.mark.usefixtures("modules")
def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="cannot be written to"):
        artifacts.prepare(tmp_path / "file", "1.23.0")
