"""A port of this machine's loopback that leads to a Service's pod, whichever that is meanwhile."""

import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.commands import UserError
from components.commands.mesh_pods import is_ready
from components.kube import Kube, KubeError

POLL_SECONDS = 1.0
HOST = "127.0.0.1"
FORWARDING = "Forwarding from"
"""What kubectl prints once it listens."""


@dataclass(kw_only=True)
class Forward:
    """`kubectl port-forward` to one ready pod of a Service, begun again when it ends or the pod changes.

    Attributes:
        kubectl: how kubectl is called on the stack's cluster.
        environment: its environment.
        kube: the cluster.
        namespace: the Service's namespace.
        service: its name.
        port: the Service's port that is forwarded.
        local: the port on loopback, which nothing listens on yet.
        say: receives a line when the pod changes, or the forward had to be begun again.
    """

    kubectl: str
    environment: Mapping[str, str]
    kube: Kube
    namespace: str
    service: str
    port: int
    local: int
    say: Callable[[str], None] = print
    _pod: str = field(default="", init=False)
    _told: str = field(default="", init=False)
    _ports: list[dict[str, Any]] = field(default_factory=list, init=False)

    def keep(self, opened: Callable[[], None], ended: threading.Event) -> None:
        """Forward until ``ended``; ``opened`` is called once, when the port leads to a pod.

        Raises:
            UserError: there is no such Service, or kubectl refuses the first forward; in its own words.
            KubeError: the cluster does not answer before the first forward.
        """
        while not ended.is_set():
            if pod := self._ready_pod():
                self._tell_change(pod["metadata"]["name"])
                if self._forward(pod, opened, ended):
                    opened = _nothing
                    continue
            ended.wait(POLL_SECONDS)

    def _forward(self, pod: Mapping[str, Any], opened: Callable[[], None], ended: threading.Event) -> bool:
        """Forward to a pod until it, kubectl or the person ends that; whether the port led to it at all."""
        with tempfile.TemporaryDirectory() as folder, self._kubectl(pod, said := Path(folder, "said")) as process:
            listening = is_over = False
            while not listening and not is_over:
                # Looked at before what it has said, which is then all of it.
                is_over = process.poll() is not None or ended.wait(POLL_SECONDS / 10)
                listening = FORWARDING in said.read_text()
            if not listening:
                if not ended.is_set() and opened is not _nothing:
                    raise UserError(
                        f"`kubectl port-forward` to pod {self._pod} fails: {' '.join(said.read_text().split())}"
                    )
                return False
            opened()
            while process.poll() is None and not ended.wait(POLL_SECONDS) and self._serves(self._pod):
                pass
            if process.poll() is not None and not ended.is_set():
                last = said.read_text().strip().rpartition("\n")[2]
                self.say(f"The forward to pod {self._pod} ended ({last}): it is begun again")
            return True

    @contextmanager
    def _kubectl(self, pod: Mapping[str, Any], said: Path) -> Iterator["subprocess.Popen[bytes]"]:
        ports = f"{self.local}:{self._target(pod)}"
        words = ["port-forward", f"--namespace={self.namespace}", f"--address={HOST}", f"pod/{self._pod}", ports]
        with said.open("wb") as output:
            process = subprocess.Popen(
                [self.kubectl, *words],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def _tell_change(self, name: str) -> None:
        if self._pod and name != self._pod:
            self.say(f"Pod {self._pod} is gone or not ready: {HOST}:{self.local} leads to pod {name} now")
        self._pod = name

    def _ready_pod(self) -> dict[str, Any] | None:
        """A pod of the Service's that can be forwarded to, the present one if it still can; None while there is none.

        Raises:
            UserError: there is no such Service.
            KubeError: the cluster does not answer, and nothing was forwarded yet.
        """
        try:
            pods = {pod["metadata"]["name"]: pod for pod in self._pods() if _can_serve(pod)}
        except KubeError as error:
            if not self._pod:
                raise
            self._tell_once(f"{error}; waiting for it")
            return None
        if not pods:
            self._tell_once(f"No pod of Service {self.namespace}/{self.service} is ready: waiting for one")
            return None
        self._told = ""
        return pods.get(self._pod) or pods[min(pods)]

    def _pods(self) -> list[dict[str, Any]]:
        spec = self._spec()
        # Kept for the forward: a cluster that stops answering just now would end it, not have it wait.
        self._ports = spec["ports"]
        selector = ",".join(f"{key}%3D{value}" for key, value in spec["selector"].items())
        return self.kube.objects(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}")

    def _spec(self) -> dict[str, Any]:
        found = self.kube.find(f"/api/v1/namespaces/{self.namespace}/services/{self.service}")
        if found is None:
            raise UserError(f"Service {self.namespace}/{self.service} is not there: `make up` creates it")
        spec: dict[str, Any] = found["spec"]
        return spec

    def _serves(self, name: str) -> bool:
        """Whether the pod can still be forwarded to; yes while the cluster does not answer, which kubectl will tell."""
        try:
            pod = self.kube.find(f"/api/v1/namespaces/{self.namespace}/pods/{name}")
        except KubeError:
            return True
        return pod is not None and _can_serve(pod)

    def _target(self, pod: Mapping[str, Any]) -> int:
        """The pod's own port behind the Service's."""
        entries = {entry["port"]: entry for entry in self._ports}
        if self.port not in entries:
            listed = ", ".join(map(str, sorted(entries)))
            raise UserError(f"Service {self.namespace}/{self.service} has no port {self.port}; it has {listed}")
        target = entries[self.port].get("targetPort", self.port)
        named = {
            port.get("name"): port["containerPort"]
            for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
            for port in container.get("ports", ())
        }
        return int(named.get(target, target))

    def _tell_once(self, line: str) -> None:
        if line != self._told:
            self.say(line)
        self._told = line


def free_port(preferred: int) -> int:
    """``preferred`` where nothing listens there, else one that is free."""
    for port in (preferred, 0):
        try:
            with socket.create_server((HOST, port)) as server:
                return int(server.getsockname()[1])
        except OSError:
            if port == 0:
                raise
    raise AssertionError("unreachable")


def _can_serve(pod: dict[str, Any]) -> bool:
    return is_ready(pod) and "deletionTimestamp" not in pod["metadata"]


def _nothing() -> None:
    pass
