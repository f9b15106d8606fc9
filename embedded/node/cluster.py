"""The embedded cluster with a real node, as the host sees it: started, stopped, removed."""

import json
import secrets
import shutil
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from embedded import loopback, process
from embedded.access import DEFAULT_ROOT, kubeconfig
from embedded.errors import EmbeddedError
from embedded.files import exclusively, tail, write
from embedded.images import build
from embedded.images.load import adopt, discard, load
from embedded.loopback import Api
from embedded.node import certificates, cgroups, containerd, obtain, programs, relays
from embedded.node.addresses import NODE
from embedded.node.namespaces import UNSHARE
from embedded.node.parts import Parts
from embedded.node.settings import Places, Settings
from embedded.toolchain.progress import Say, to_stderr

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "certificates",
    "configuration",
    "containerd",
    "etcd",
    "images",
    "kubelet",
    "loaded",
    "logs",
    "secrets",
    "tmp",
)
"""Everything of the cluster in its folder, but for a few files."""

START_TIMEOUT = 300.0
"""Seconds; a start takes about 8 on an idle machine."""

FREE_SPACE_NEEDED = 1 << 30
"""Bytes: the images take 0.3 GB, unpacked as much again."""

FREE_SPACE_AGAIN = 200 << 20
"""Bytes, once there are images: etcd reserves 128 MB for what it writes next."""

POLL = 0.05
"""Seconds."""


class RealCluster:
    """An embedded cluster whose pods run. It lives in one folder and outlives the program that started it."""

    def __init__(
        self,
        root: Path = DEFAULT_ROOT,
        *,
        parts: Parts | None = None,
        images: Path | None = None,
        say: Say = to_stderr,
    ) -> None:
        """Describe a cluster; nothing happens yet.

        Args:
            root: Folder of everything the cluster writes; created on start. Two clusters in two folders do not meet.
            parts: The programs; obtained by default when the cluster is started.
            images: Folder of the OCI image layout that pulls are answered from; the cluster keeps what it has of it.
                Made by default when the cluster is started.
            say: Receives progress, a line at a time; standard error by default.
        """
        self.root = root.resolve()
        self.kubeconfig = self.root / "kubeconfig"
        self.logs = self.root / "logs"
        self._say = say
        self._images = images
        self._process = self.root / "process"
        self._lock: int | None = None
        self._ports = self.root / "ports.json"
        self._parts = parts
        self._places = Places(root=self.root)
        self._cgroup = cgroups.name_for(self.root)

    def start(self, *, known: bool = True) -> bool:
        """Bring the cluster up, or find it up; return whether it had to be started.

        When this returns, the node is Ready, DNS answers and the namespace `default` has its ServiceAccount.

        Args:
            known: Whether its kubeconfig is written, by which others know that it is there.

        Raises:
            Unreachable: Something is not built yet and cannot be downloaded.
            EmbeddedError: A program ended again and again or the start took too long (the message quotes the log), the
                kernel refuses something, or the disk is full.
        """
        with exclusively(self.root) as self._lock:
            if self.running():
                # One that was started ahead, which nobody knows of yet, is no other than the one that is asked for.
                state = "already runs" if self.kubeconfig.exists() else "is up"
                if known:
                    self._write_kubeconfig()
                self._say(f"The embedded cluster {state}: {self.kubeconfig}")
                return False
            self._check_space()
            parts = self._parts or obtain.parts(self._say)
            images = self._images or obtain.images(parts, self._say)
            began = time.monotonic()
            self._end()
            try:
                self._launch(parts, images, known=known)
            except BaseException:
                self._end()
                raise
            self._say(f"The embedded cluster is up after {time.monotonic() - began:.1f} s: {self.kubeconfig}")
            return True

    def stop(self) -> None:
        """End everything that runs in the cluster; its data stays for the next start."""
        if not self.root.exists():
            self._end()  # somebody may have removed the folder of a running cluster
            return
        with exclusively(self.root) as self._lock:
            self._end()

    def delete(self) -> None:
        """Stop and remove everything the cluster has written, except what others put into its folder."""
        if not self.root.exists():
            self._end()
            return
        with exclusively(self.root) as self._lock:
            self._end()
            for name in FOLDERS:
                if (self.root / name).exists():
                    shutil.rmtree(self.root / name)
            for file in (self.kubeconfig, self._ports, self._places.published, self._settings_file):
                file.unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether the cluster is usable: the API server answers through the relay and the node is Ready."""
        if not process.alive(process.recorded(self._process)) or not self._status().get("ready"):
            return False
        status, node = self._api().request("GET", f"/api/v1/nodes/{NODE}")
        conditions = node["status"].get("conditions", []) if status == 200 else []
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def load(self, image: str) -> list[str]:
        """Add an image to those that pods can use; return its names.

        Args:
            image: An archive, as `docker save` writes it, or a name that the machine's Docker knows.

        Raises:
            EmbeddedError: There is no such image, or no cluster.
        """
        if not self.running():
            message = f"The embedded cluster in {self.root} does not run: start it before loading images."
            raise EmbeddedError(message)
        return self._pulled_again(load(image, self._places.loaded))

    def use(self, layout: Path) -> list[str]:
        """Add the images of an OCI image layout to those that pods can use, whether the cluster runs or not.

        Returns the names of those that are others than it had under these names; pods that run keep what they have.
        """
        return self._pulled_again(adopt(layout, self._places.loaded))

    def unload(self, names: Collection[str]) -> list[str]:
        """Remove images that `load` or `use` have added; the names of those that it had."""
        return self._pulled_again(discard(names, self._places.loaded))

    def _pulled_again(self, names: list[str]) -> list[str]:
        """Have a pod that pulls only what is missing get these, and not others of the same names."""
        starter = process.recorded(self._process)
        if starter and process.alive(starter):
            for name in names:
                containerd.remove_image(name, starter.pid, Settings.read(self._settings_file).parts.node)
        elif names and (self.root / "containerd").exists():
            shutil.rmtree(self.root / "containerd")
        return names

    def identity(self) -> str:
        """The UID of its namespace kube-system, which no other cluster has.

        Raises:
            EmbeddedError: It does not answer.
        """
        return loopback.identity(self._api() if self._ports.exists() else None, self.root)

    def publish(self, services: Iterable[tuple[str, str]]) -> None:
        """Let the host reach Services: `address` leads to the first of them that exists and answers.

        Args:
            services: Namespace and name; looked up for each connection, so they need not exist yet.
        """
        write(self._places.published, "".join(f"{name}.{namespace}\n" for namespace, name in services))

    def address(self, relay: str) -> str:
        """Where on the host a relay listens, such as 127.0.0.1:41234.

        Args:
            relay: ``api``, ``http`` (port 80 of what is published) or ``https`` (port 443).
        """
        return f"127.0.0.1:{relays.ports(self._ports)[relay]}"

    @property
    def _settings_file(self) -> Path:
        return self.root / "settings.json"

    def _launch(self, parts: Parts, images: Path, *, known: bool) -> None:
        self.root.chmod(0o700)
        for name in ("configuration", "logs", "secrets", "tmp"):
            (self.root / name).mkdir(exist_ok=True)
        if build.link(images, self._places.images) and (self.root / "containerd").exists():
            # It has images of the same names that are not the same: all are pulled again.
            shutil.rmtree(self.root / "containerd")
        certificates.ensure(self._places.certificates, parts.node / "nodekit")
        if not self._places.tokens.exists():
            write(self._places.tokens, f"{secrets.token_urlsafe(32)},embedded,embedded,system:masters\n")
        cgroups.create(self._cgroup)
        with relays.listening(programs.RELAYED, self._ports) as listeners:
            descriptors = {name: listener.fileno() for name, listener in listeners.items()}
            settings = Settings(root=self.root, parts=parts, cgroup=self._cgroup, relays=descriptors)
            settings.write(self._settings_file)
            first = [sys.executable, "-B", "-m", "embedded.node.init", str(self._settings_file)]
            process.spawn(
                [*cgroups.joining(self._cgroup), *UNSHARE, *first],
                pid_file=self._process,
                log=self.logs / "node.log",
                environment=process.environment(PYTHONPATH=str(PROJECT)),
                held=self._lock,
                descriptors=tuple(descriptors.values()),
            )
        if known:
            self._write_kubeconfig()
        self._wait()

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.root).free
        needed = FREE_SPACE_AGAIN if (self.root / "containerd").exists() else FREE_SPACE_NEEDED
        if free < needed:
            message = (
                f"The embedded cluster needs {needed >> 20} MB in {self.root}, where only {free >> 20} MB "
                "are free: make room there."
            )
            raise EmbeddedError(message)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        recorded = process.recorded(self._process)
        while True:
            # Looked at first: it says why it ends, and then ends.
            lives, status = process.alive(recorded), self._status()
            if status.get("ready"):
                return
            if failure := status.get("failed") or (None if lives else "its first process ended"):
                raise self._failed(str(failure))
            if time.monotonic() > deadline:
                raise self._failed(f"after {START_TIMEOUT:.0f} s it still waited until {status.get('step')}")
            time.sleep(POLL)

    def _failed(self, reason: str) -> EmbeddedError:
        name = reason.partition(" ")[0]
        log = self.logs / f"{name}.log"
        if not log.exists():
            log = self.logs / "node.log"
        return EmbeddedError(
            f"The embedded cluster did not come up: {reason}. {log} ends with: {tail(log, 3)}. Put that right, or "
            "remove the cluster and its data, then try again."
        )

    def _end(self) -> None:
        """End the one process that all others end with, and whatever else is in the cluster's cgroup."""
        if recorded := process.recorded(self._process):
            process.stop([recorded], 0)
        try:
            cgroups.clear(self._cgroup)
        except cgroups.CgroupError as error:
            raise EmbeddedError(str(error)) from error
        for file in (self._process, self._places.status):
            file.unlink(missing_ok=True)

    def _status(self) -> dict[str, object]:
        try:
            content = json.loads(self._places.status.read_text())
        except FileNotFoundError:
            return {}
        return dict(content)

    def _write_kubeconfig(self) -> None:
        api = self._api()
        write(self.kubeconfig, kubeconfig(api.port, api.certificate.read_bytes(), api.token))

    def _api(self) -> Api:
        token = self._places.tokens.read_text().partition(",")[0]
        certificate = self._places.certificates / f"{certificates.AUTHORITY}.crt"
        return Api(port=relays.ports(self._ports)["api"], certificate=certificate, token=token)
