"""Requests per second and latency between two pods: each with its sidecar, against neither with one."""

import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, alternate
from benchmarks.setting import kubectl, mesh, quietly
from components.workloads.bookinfo import WORKLOADS
from embedded import toolchain
from embedded.images.oci import Image, Layout
from embedded.node.cluster import RealCluster

GENERATOR = Path(__file__).with_name("load_generator") / "main.go"
IMAGE = "docker.io/embedded/load:latest"
WITH, WITHOUT = "with-sidecars", "without-sidecars"
"""Namespaces."""

SECONDS = 10
WARM_UP_SECONDS = 3
MANY = 16
ADDRESS = "http://server:9080/details/0"
READY_SECONDS = 120


def results(runs: int) -> Iterator[Result]:
    """With many connections, requests per second and latency; with one connection, latency."""
    with mesh() as (cluster, _):
        pods = Pods(cluster)
        pods.create()
        for connections in (MANY, 1):
            ours, reference = alternate(
                lambda: pods.load(WITH, connections),  # noqa: B023 called before the loop goes on
                lambda: pods.load(WITHOUT, connections),  # noqa: B023
                runs,
            )
            for measured, key, unit in (
                ("requests per second", "perSecond", "1/s"),
                ("median latency", "median", "ms"),
                ("99 % of latencies", "p99", "ms"),
            ):
                yield Result(
                    name=f"{measured} with {connections} connections, sidecars against none",
                    ours=[each[key] for each in ours],
                    reference=[each[key] for each in reference],
                    unit=unit,
                )


class Pods:
    """In each of two namespaces a server, which is Bookinfo's details, and a client."""

    def __init__(self, cluster: RealCluster) -> None:
        self.cluster = cluster

    def create(self) -> None:
        """Create both namespaces and wait until their pods are ready."""
        self._load_image()
        (details,) = (each for each in WORKLOADS if each.service == "details")
        for namespace, injected in ((WITH, "enabled"), (WITHOUT, "disabled")):
            self._run("create", "namespace", namespace)
            self._run("label", "namespace", namespace, f"istio-injection={injected}")
            where = f"--namespace={namespace}"
            self._run("run", "server", where, f"--image={details.image}", "--port=9080", "--expose")
            self._run("run", "client", where, f"--image={IMAGE}", "--image-pull-policy=IfNotPresent")
            self._run("wait", where, "--for=condition=Ready", "pod", "--all", f"--timeout={READY_SECONDS}s")
            self._wait_for_answer(namespace)

    def load(self, namespace: str, connections: int, seconds: int = SECONDS) -> dict[str, Any]:
        """What the generator says of so many seconds, every request of which was answered.

        Raises:
            RuntimeError: a request failed.
        """
        outcome = self._load(namespace, connections, seconds)
        if outcome["failed"]:
            message = f"{outcome['failed']} requests failed in namespace {namespace}, which answered before"
            raise RuntimeError(message)
        return outcome

    def _wait_for_answer(self, namespace: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self._load(namespace, MANY, WARM_UP_SECONDS)["failed"]:
            if time.monotonic() > deadline:
                message = f"requests in namespace {namespace} still fail after {READY_SECONDS} s"
                raise TimeoutError(message)

    def _load(self, namespace: str, connections: int, seconds: int) -> dict[str, Any]:
        words = ("load", f"-connections={connections}", f"-for={seconds}s", ADDRESS)
        where = (f"--namespace={namespace}", "client", "--container=client")
        outcome: dict[str, Any] = json.loads(self._run("exec", *where, "--", *words))
        return outcome

    def _load_image(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            program, layout, archive = (Path(folder) / name for name in ("load", "layout", "load.tar"))
            quietly(
                str(toolchain.find_go()),
                *("build", "-trimpath", "-o", str(program), str(GENERATOR)),
                environment=toolchain.go_environment(),
            )
            image = Layout(layout)
            config = {"Entrypoint": ["load"], "Env": ["PATH=/usr/local/bin"]}
            image.add(Image(names=[IMAGE], layers=[{"/usr/local/bin/load": program}], config=config))
            image.finish()
            with tarfile.open(archive, "w") as tar:
                tar.add(layout, arcname=".")
            self.cluster.load(str(archive))

    def _run(self, *words: str) -> str:
        return kubectl(self.cluster, *words)
