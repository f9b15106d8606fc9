"""The embedded cluster: a real Kubernetes API with one simulated node, on loopback only.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real programs; kwok (https://kwok.sigs.k8s.io)
stands in for the kubelet, so pods become Running and Ready without any container being run.
"""

import json
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import yaml

from embedded import loopback, process, toolchain
from embedded.access import DEFAULT_ROOT, kubeconfig
from embedded.errors import EmbeddedError
from embedded.files import exclusively, tail, write
from embedded.loopback import Api
from embedded.simulated import (
    NODE,
    Ports,
    apiserver_arguments,
    controller_manager_arguments,
    etcd_arguments,
    free_ports,
    has_default_account,
    is_free,
    kwok_arguments,
    node_is_ready,
    node_manifest,
    scheduler_arguments,
    signing_key,
)
from embedded.toolchain.progress import Say, to_stderr

STAGES = Path(__file__).resolve().parent / "stages.yaml"
WATCHED = Path(__file__).with_name("watched.yaml")
WATCHED_PLURALS = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
START_TIMEOUT = 180.0
"""Seconds; a start takes about 5 on an idle machine."""

STOP_PATIENCE = 5.0
"""Seconds that etcd, which alone keeps anything, is given to end by itself."""

STOP_ORDER = ("kwok", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")
POLL = 0.05
"""Seconds."""

PORT_TRIES = 3


class _PortTaken(Exception):  # noqa: N818 - a signal between two methods, not an error that anyone sees
    pass


class Cluster:
    """An embedded cluster that lives in one folder and outlives the program that started it."""

    def __init__(self, root: Path = DEFAULT_ROOT, *, tools: Path | None = None, say: Say = to_stderr) -> None:
        """Describe a cluster; nothing happens yet.

        Args:
            root: Folder of everything the cluster writes; created on start. Two clusters in two folders do not meet.
            tools: Folder of the binaries; built or found in the user's cache by default.
            say: Receives progress, a line at a time; standard error by default.
        """
        self.root = root.resolve()
        self.kubeconfig = self.root / "kubeconfig"
        self.logs = self.root / "logs"
        self._tools = tools
        self._say = say
        self._pids = self.root / "pids"
        self._data = self.root / "etcd"
        self._ports_file = self.root / "ports.json"
        self._certificates = self.root / "certificates"
        self._certificate = self._certificates / "apiserver.crt"
        self._secrets = self.root / "secrets"
        self._tokens = self._secrets / "tokens.csv"
        self._signing_key = self._secrets / "service-accounts.key"
        self._lock: int | None = None

    def start(self) -> bool:
        """Bring the cluster up, or find it up; return whether it had to be started.

        When this returns, the node is Ready and the namespace `default` has its ServiceAccount.

        Raises:
            Unreachable: The binaries are not built yet and cannot be downloaded.
            EmbeddedError: A process died or the start took too long (the message quotes its log), or the disk is full.
        """
        with exclusively(self.root) as self._lock:
            if self.running():
                self._write_kubeconfig()
                self._say(f"The embedded cluster already runs: {self.kubeconfig}")
                return False
            tools = self._tools or toolchain.ensure("cluster", say=self._say).cluster
            began = time.monotonic()
            self._stop_processes()
            try:
                self._launch(tools)
            except BaseException:
                self._stop_processes()
                raise
            self._say(f"The embedded cluster is up after {time.monotonic() - began:.1f} s: {self.kubeconfig}")
            return True

    def stop(self) -> None:
        """End the cluster's processes; its data stays for the next start."""
        if self.root.exists():
            with exclusively(self.root) as self._lock:
                self._stop_processes()

    def delete(self) -> None:
        """Stop and remove everything the cluster has written, except what others put into its folder."""
        if not self.root.exists():
            return
        with exclusively(self.root) as self._lock:
            self._stop_processes()
            for folder in (self._data, self._certificates, self._secrets, self._pids, self.logs):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.kubeconfig, self._ports_file):
                file.unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether all processes run and the cluster is usable: the API server answers and the node is Ready."""
        if not all(process.alive(process.recorded(self._pids / name)) for name in STOP_ORDER):
            return False
        ports = self._ports()
        if ports is None or not self._tokens.exists():
            return False
        api = self._api(ports)
        return node_is_ready(api) and has_default_account(api)

    def identity(self) -> str:
        """The UID of its namespace kube-system, which no other cluster has.

        Raises:
            EmbeddedError: It does not answer.
        """
        ports = self._ports()
        return loopback.identity(self._api(ports) if ports else None, self.root)

    def _launch(self, tools: Path) -> None:
        self.root.chmod(0o700)
        for folder in (self._pids, self._certificates, self._secrets, self.logs):
            folder.mkdir(exist_ok=True)
        if not self._signing_key.exists():
            write(self._signing_key, signing_key())
        if not self._tokens.exists():
            write(self._tokens, f"{secrets.token_urlsafe(32)},embedded,embedded,system:masters\n")
        ports = self._ports()
        for _ in range(PORT_TRIES):
            # Looked at first: an API server must never reach the etcd that another cluster has on the port of ours.
            if ports is None or not all(map(is_free, asdict(ports).values())):
                ports = free_ports()
                write(self._ports_file, json.dumps(asdict(ports)))
            try:
                return self._launch_on(ports, tools)
            except _PortTaken:
                self._stop_processes()
                ports = None
        message = (
            f"{PORT_TRIES} times in a row a port was taken just after it had been free. Try again; see {self.logs}."
        )
        raise EmbeddedError(message)

    def _launch_on(self, ports: Ports, tools: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        api = self._api(ports)
        # The API server creates both again when both are missing, and gives up when one is.
        certificate_key = self._certificate.with_suffix(".key")
        self._certificate.unlink(missing_ok=True)
        certificate_key.unlink(missing_ok=True)

        self._spawn("etcd", tools / "server", *etcd_arguments(ports, self._data))
        self._spawn(
            "kube-apiserver",
            tools / "kube-apiserver",
            *apiserver_arguments(
                ports, certificates=self._certificates, tokens=self._tokens, signing_key=self._signing_key
            ),
        )
        self._wait_until("the API server has its certificate", certificate_key.exists, deadline)
        self._wait_until("the API server is ready", lambda: api.request("GET", "/readyz")[0] == 200, deadline)
        self._write_kubeconfig()

        client = f"--kubeconfig={self.kubeconfig}"
        manager = controller_manager_arguments(self._certificate)
        self._spawn("kube-controller-manager", tools / "kube-controller-manager", client, *manager)
        self._spawn("kube-scheduler", tools / "kube-scheduler", client, *scheduler_arguments())
        self._prepare_for_kwok(api, deadline)
        self._spawn("kwok", tools / "kwok", client, *kwok_arguments())
        self._wait_until("the node is ready", lambda: node_is_ready(api), deadline)
        self._wait_until("namespace default has its ServiceAccount", lambda: has_default_account(api), deadline)

    def _prepare_for_kwok(self, api: Api, deadline: float) -> None:
        definition, *stages = yaml.safe_load_all(STAGES.read_text())
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self._apply(api, f"{definitions}/{definition['metadata']['name']}", definition, deadline)
        for stage in stages:
            self._apply(api, f"/apis/kwok.x-k8s.io/v1alpha1/stages/{stage['metadata']['name']}", stage, deadline)
        for watched in yaml.safe_load_all(WATCHED.read_text()):
            plural = WATCHED_PLURALS[watched["kind"]]
            path = f"/apis/admissionregistration.k8s.io/v1/{plural}/{watched['metadata']['name']}"
            self._apply(api, path, watched, deadline)
        self._apply(api, f"/api/v1/nodes/{NODE}", node_manifest(), deadline)
        # Twice, as on a node that is there from an earlier start the first leaves the status alone.
        self._apply(api, f"/api/v1/nodes/{NODE}/status", node_manifest(), deadline)

    def _apply(self, api: Api, path: str, manifest: object, deadline: float) -> None:
        query = "?fieldManager=embedded&force=true"

        def applied() -> bool:
            # Again until it is accepted: a kind is known a moment after its definition.
            return api.request("PATCH", path + query, manifest)[0] in (200, 201)

        self._wait_until(f"{path} is accepted", applied, deadline)

    def _spawn(self, name: str, binary: Path, *arguments: str) -> None:
        process.spawn(
            [str(binary), *arguments],
            pid_file=self._pids / name,
            log=self.logs / f"{name}.log",
            # A home of its own, as kwok reads ~/.kwok.
            environment=process.environment(HOME=str(self.root)),
            held=self._lock,
        )

    def _wait_until(self, what: str, done: Callable[[], bool], deadline: float) -> None:
        while not done():
            for name in STOP_ORDER:
                pid_file = self._pids / name
                if pid_file.exists() and not process.alive(process.recorded(pid_file)):
                    raise self._died(name)
            if time.monotonic() > deadline:
                logs = "; ".join(f"{log.stem}: {tail(log, 1)}" for log in sorted(self.logs.glob("*.log")))
                message = (
                    f"The embedded cluster did not come up within {START_TIMEOUT:.0f} s: it waited until {what}. Where "
                    f"the machine is merely busy, try again. The last words in {self.logs} are {logs}."
                )
                raise EmbeddedError(message)
            time.sleep(POLL)

    def _died(self, name: str) -> Exception:
        log = self.logs / f"{name}.log"
        text = log.read_text(errors="replace")
        if "address already in use" in text:
            return _PortTaken()
        advice = "Make room on the disk" if "no space left on device" in text else "Put that right"
        return EmbeddedError(
            f"{name} ended while the embedded cluster was starting. Its log, {log}, ends with: {tail(log, 3)}. "
            f"{advice}, or remove the cluster and its data, then try again."
        )

    def _stop_processes(self) -> None:
        # Asked politely, the API server would wait for its last watcher.
        for name in STOP_ORDER:
            if recorded := process.recorded(self._pids / name):
                process.stop([recorded], STOP_PATIENCE if name == "etcd" else 0)
            (self._pids / name).unlink(missing_ok=True)

    def _write_kubeconfig(self) -> None:
        if ports := self._ports():
            api = self._api(ports)
            write(self.kubeconfig, kubeconfig(api.port, api.certificate.read_bytes(), api.token))

    def _ports(self) -> Ports | None:
        try:
            return Ports(**json.loads(self._ports_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _api(self, ports: Ports) -> Api:
        token = self._tokens.read_text().partition(",")[0]
        return Api(port=ports.apiserver, certificate=self._certificate, token=token)
