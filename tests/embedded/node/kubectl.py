import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedded.images.contents import CLIENT
from tests.embedded.kube import eventually

PATIENCE = "180s"


class Kubectl:
    """The kubectl of the same version as the cluster, on the cluster."""

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.command = [str(binary), f"--kubeconfig={kubeconfig}"]

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """What the command prints; an AssertionError with its words where it fails."""
        done = self.tried(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def tried(self, *words: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self.command, *words], input=stdin, capture_output=True, text=True, check=False)

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--output=json"))

    def apply(self, manifest: str) -> None:
        self("apply", "--filename=-", stdin=manifest)

    @contextmanager
    def forwarded(self, *words: str) -> Iterator[int]:
        """A port of the host's loopback that leads to a pod's, through API server, kubelet and containerd."""
        *target, port = words
        command = [*self.command, "port-forward", *target, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            try:
                assert running.stdout
                line = running.stdout.readline()
                found = re.search(r"127\.0\.0\.1:(\d+)", line)
                assert found, line
                yield int(found[1])
            finally:
                running.kill()

    def run_client(self, name: str, namespace: str = "default") -> None:
        """Run a pod that sends requests, and wait until it can."""
        where = f"--namespace={namespace}"
        self("run", name, where, f"--image={CLIENT}", "--image-pull-policy=IfNotPresent", "--grace-period=1")
        self("wait", where, "--for=condition=Ready", f"pod/{name}", f"--timeout={PATIENCE}")

    def get(self, client: str, *words: str, namespace: str = "default") -> dict[str, Any]:
        """The outcome of one request from inside the cluster, by the client's options and URL."""
        (line,) = self("exec", client, f"--namespace={namespace}", "--", "bookinfo", "get", *words).splitlines()
        outcome: dict[str, Any] = json.loads(line)
        return outcome


def load_balancer(kubectl: Kubectl, name: str, namespace: str = "default") -> str:
    """The address of a Service of type LoadBalancer, which it is given a moment after it is created."""

    def given() -> list[dict[str, str]]:
        status = kubectl.json("get", "service", name, f"--namespace={namespace}")["status"]
        return list(status["loadBalancer"].get("ingress", []))

    eventually(given, 60)
    (ingress,) = given()
    return ingress["ip"]
