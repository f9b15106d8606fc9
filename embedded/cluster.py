"""The embedded cluster: a real Kubernetes API with one simulated node, on loopback only.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real programs; kwok (https://kwok.sigs.k8s.io)
stands in for the kubelet, so pods become Running and Ready without any container being run.
"""

import fcntl
import json
import secrets
import shutil
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from embedded import process, toolchain
from embedded.errors import EmbeddedError
from embedded.loopback import Api

DEFAULT_ROOT = Path(__file__).resolve().parents[1] / ".embedded"
CONTEXT = "embedded"
NODE = "embedded"
NODE_CPU = "4"
NODE_MEMORY = "5500Mi"
NODE_PODS = "110"
SERVICE_RANGE = "127.96.0.0/16"
"""Inside 127.0.0.0/8: a packet to a Service cannot leave the machine."""

POD_RANGE = "239.96.0.0/16"
"""Endpoints may not be loopback addresses, so pods get multicast ones: the kernel refuses TCP to those at once."""

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

# No cloud, no disks, no kubelet certificates in the rehearsal. The token controller would need a key for a kind of
# token that nothing has used since Kubernetes 1.24.
IDLE_CONTROLLERS = (
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "cloud-node-lifecycle-controller",
    "device-taint-eviction-controller",
    "ephemeral-volume-controller",
    "legacy-serviceaccount-token-cleaner-controller",
    "node-ipam-controller",
    "node-route-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "podcertificaterequest-cleaner-controller",
    "resourceclaim-controller",
    "service-lb-controller",
    "serviceaccount-token-controller",
    "storage-version-migrator-controller",
    "storageversion-garbage-collector-controller",
    "ttl-controller",
    "volumeattributesclass-protection-controller",
)

Say = Callable[[str], None]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where on 127.0.0.1 the processes listen."""

    etcd: int
    etcd_peer: int
    apiserver: int


class _PortTaken(Exception):  # noqa: N818 - a signal between two methods, not an error that anyone sees
    pass


class Cluster:
    """An embedded cluster that lives in one folder and outlives the program that started it."""

    def __init__(self, root: Path = DEFAULT_ROOT, *, tools: Path | None = None, say: Say = _say) -> None:
        """Describe a cluster; nothing happens yet.

        Args:
            root: Folder of everything the cluster writes; made on start. Two clusters in two folders do not meet.
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
        with self._exclusively():
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
            with self._exclusively():
                self._stop_processes()

    def delete(self) -> None:
        """Stop and remove everything the cluster has written, except what others put into its folder."""
        if not self.root.exists():
            return
        with self._exclusively():
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
        return _node_is_ready(api) and _has_default_account(api)

    def _launch(self, tools: Path) -> None:
        self.root.chmod(0o700)
        for folder in (self._pids, self._certificates, self._secrets, self.logs):
            folder.mkdir(exist_ok=True)
        if not self._signing_key.exists():
            _write(self._signing_key, signing_key())
        if not self._tokens.exists():
            _write(self._tokens, f"{secrets.token_urlsafe(32)},rehearsal,rehearsal,system:masters\n")
        ports = self._ports()
        for _ in range(PORT_TRIES):
            # Looked at first: an API server must never reach the etcd that another cluster has on the port of ours.
            if ports is None or not all(map(is_free, asdict(ports).values())):
                ports = free_ports()
                _write(self._ports_file, json.dumps(asdict(ports)))
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
        # The API server makes both anew when both are missing, and gives up when one is.
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
        self._wait_until("the node is ready", lambda: _node_is_ready(api), deadline)
        self._wait_until("namespace default has its ServiceAccount", lambda: _has_default_account(api), deadline)

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
        # kwok takes over nobody else's lease, and to this kwok the one before it is somebody else.
        api.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE}")

    def _apply(self, api: Api, path: str, manifest: object, deadline: float) -> None:
        query = "?fieldManager=rehearsal&force=true"

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
            _write(self.kubeconfig, kubeconfig(api.port, api.certificate.read_bytes(), api.token))

    def _ports(self) -> Ports | None:
        try:
            return Ports(**json.loads(self._ports_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _api(self, ports: Ports) -> Api:
        token = self._tokens.read_text().partition(",")[0]
        return Api(port=ports.apiserver, certificate=self._certificate, token=token)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """One start, stop or delete at a time; the kernel gives the lock back when its holder dies."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / "lock").open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                self._lock = handle.fileno()
                yield
        except OSError as error:
            message = (
                f"The embedded cluster cannot use {self.root}: {error}. Make it writable, with room, and try again."
            )
            raise EmbeddedError(message) from error


def etcd_arguments(ports: Ports, data: Path) -> list[str]:
    """Flags of etcd; nothing is synced to disk, as nothing here must survive a power cut."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_arguments(ports: Ports, *, certificates: Path, tokens: Path, signing_key: Path) -> list[str]:
    """Flags of kube-apiserver.

    Args:
        ports: Where it and etcd listen.
        certificates: Folder in which it puts a certificate that it signs itself.
        tokens: CSV file of who may log in.
        signing_key: PEM file of the key that signs ServiceAccounts' tokens.
    """
    return [
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        # Else it would publish its own address as an endpoint, and endpoints may not be loopback addresses.
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--cert-dir={certificates}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={signing_key}",
        f"--service-account-signing-key-file={signing_key}",
        # No container runs that could answer a webhook, such as a revision tag's; policies do what istiod's would.
        "--disable-admission-plugins=MutatingAdmissionWebhook",
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=0",
        "--max-mutating-requests-inflight=0",
        "--profiling=false",
    ]


def controller_manager_arguments(certificate: Path) -> list[str]:
    """Flags of kube-controller-manager, which serves nothing itself.

    Args:
        certificate: PEM file of the API server's certificate, published to every namespace.
    """
    return [
        "--secure-port=0",
        "--leader-elect=false",
        f"--root-ca-file={certificate}",
        f"--controllers=*,{','.join(f'-{name}' for name in IDLE_CONTROLLERS)}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]


def scheduler_arguments() -> list[str]:
    """Flags of kube-scheduler, which serves nothing itself."""
    return ["--secure-port=0", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000"]


def kwok_arguments() -> list[str]:
    """Flags of kwok. Without a lease the node-lifecycle controller declares the node dead after a while."""
    return [
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
        "--enable-crds=Stage",
        "--node-ip=127.0.0.1",
        f"--cidr={POD_RANGE}",
    ]


def node_manifest() -> dict[str, object]:
    """The one node, of the tutorial's size (minikube start --memory=5500 --cpus=4)."""
    resources = {"cpu": NODE_CPU, "memory": NODE_MEMORY, "pods": NODE_PODS, "ephemeral-storage": "100Gi"}
    labels = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": NODE,
        "type": "kwok",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": labels},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": NODE},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "simulated by kwok",
                "kernelVersion": "simulated",
                "containerRuntimeVersion": f"kwok://{toolchain.module_version('sigs.k8s.io/kwok')}",
                "kubeletVersion": toolchain.kubernetes_version(),
                "kubeProxyVersion": "",
                "bootID": "",
                "machineID": "",
                "systemUUID": "",
            },
        },
    }


def kubeconfig(port: int, certificate: bytes, token: str) -> str:
    """A kubeconfig with the one context `embedded`, holding everything that is needed.

    Args:
        port: The API server's on 127.0.0.1.
        certificate: PEM, what the API server presents.
        token: The administrator's.
    """
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": b64encode(certificate).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": server}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    return yaml.safe_dump(content, sort_keys=False)


def signing_key() -> str:
    """A new P-256 private key as PEM.

    RFC 5915 leaves the public half optional and Go computes it, so the random number alone, with a fixed frame
    around it, is a whole key: no cryptography package is needed.
    """
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    number = (1 + secrets.randbelow(order - 1)).to_bytes(32)
    version_then_octets, prime256v1 = bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107")
    body = b64encode(version_then_octets + number + prime256v1).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body[:64]}\n{body[64:]}\n-----END EC PRIVATE KEY-----\n"


def free_ports() -> Ports:
    """Three ports that the operating system says are free, all different."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        for each in (first, second, third):
            each.bind(("127.0.0.1", 0))
        etcd, etcd_peer, apiserver = (each.getsockname()[1] for each in (first, second, third))
    return Ports(etcd=etcd, etcd_peer=etcd_peer, apiserver=apiserver)


def is_free(port: int) -> bool:
    """Whether a server could listen there on 127.0.0.1 now."""
    with socket.socket() as probe:
        # As the servers do: connections of the previous run that are closing down are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _node_is_ready(api: Api) -> bool:
    lease, _ = api.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE}")
    status, node = api.request("GET", f"/api/v1/nodes/{NODE}")
    if lease != 200 or status != 200 or node["spec"].get("taints"):
        return False
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def _has_default_account(api: Api) -> bool:
    return bool(api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)


def tail(log: Path, lines: int) -> str:
    """The last lines of a log in one line; "(empty)" where there is none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return " / ".join(text.strip().splitlines()[-lines:]) or "(empty)"


def _write(path: Path, content: str) -> None:
    """Write a file of the user's eyes only, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)
