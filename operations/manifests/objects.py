"""Objects of a cluster by their manifests, and what a Command prints, for whoever compares, repairs or renders."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.commands import UserError
from components.kube import APPLY, Kube, api_path

FIELD_MANAGER = "istio-minikube"
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 300
# A CRD that was just established takes the API server a moment to serve.
DISCOVERY_SECONDS = 10


class Api:
    """A cluster's API by manifest: server-side apply and get of any object."""

    def __init__(self, kubeconfig: Path, context: str) -> None:
        self.kube = Kube(kubeconfig, context)
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply; fields that others own are taken over.

        Raises:
            RefusedError: the API server refuses it; its own words.
        """
        path = f"{self._path(manifest)}?fieldManager={FIELD_MANAGER}&force=true"
        return self.kube.request("PATCH", path, manifest, content_type=APPLY)

    def dry_run(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """What the live object would be after a server-side apply by a manager of no fields yet; nothing is changed.

        Raises:
            RefusedError: the API server would refuse it; its own words.
        """
        path = f"{self._path(manifest)}?fieldManager={FIELD_MANAGER}-drift&force=true&dryRun=All"
        return self.kube.request("PATCH", path, manifest, content_type=APPLY)

    def get(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        """The live object, or None."""
        return self.kube.find(self._path(manifest))

    def find(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        """The live object, or None; a kind that is not served has none, and is not waited for."""
        return self.get(manifest) if self._serves(*_root_and_kind(manifest)) else None

    def _path(self, manifest: Mapping[str, Any]) -> str:
        root, kind = _root_and_kind(manifest)
        if not self._serves(root, kind):
            group = root.split("/", 2)[2]
            served = f"the API server to serve {kind} of {group}"
            wait_until(served, lambda: self._serves(root, kind), DISCOVERY_SECONDS)
        plural, namespaced = self._plurals[root, kind]
        metadata = manifest["metadata"]
        place = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root}{place}/{plural}/{metadata['name']}"

    def _serves(self, root: str, kind: str) -> bool:
        """Whether the API server knows the kind; what it knows is remembered."""
        if (root, kind) not in self._plurals:
            for resource in (self.kube.find(root) or {}).get("resources", []):
                if "/" not in resource["name"]:
                    self._plurals[root, resource["kind"]] = resource["name"], resource["namespaced"]
        return (root, kind) in self._plurals


def _root_and_kind(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """The API path of a manifest's group and version, and its kind."""
    return api_path(manifest["apiVersion"]), manifest["kind"]


def described(manifest: Mapping[str, Any]) -> str:
    """``Kind namespace/name`` for messages."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def wait_until(what: str, done: Callable[[], bool], timeout: float = TIMEOUT_SECONDS) -> None:
    """Poll until ``done``.

    Raises:
        UserError: ``timeout`` seconds have passed; names what was waited for.
    """
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise UserError(f"waited {timeout:.0f} s for {what}")
        time.sleep(POLL_SECONDS)


def run_command(command: str, inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Run a local Command's shell command as pulumi-command does.

    Raises:
        UserError: it exits non-zero; with what it wrote to standard error.
    """
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, **(inputs.get("environment") or {})},
        input=inputs.get("stdin") or "",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"`{command}` exits with {done.returncode}:\n{done.stderr.strip()}")
    return {**inputs, "stdout": done.stdout.strip(), "stderr": done.stderr.strip()}
