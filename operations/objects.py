"""Applies one resource to the embedded cluster, waits for it, takes it away: the Kubernetes API, helm and commands."""

import json
import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.commands import UserError
from components.kube import APPLY, Kube
from operations.recover import running

FIELD_MANAGER = "istio-minikube"
POLL_SECONDS = 0.1
WORDS = 1000
TIMEOUT_SECONDS = 300
# A CRD that was just established takes the API server a moment to serve.
DISCOVERY_SECONDS = 10
ANNOTATION = "pulumi.com/"
# The counts of pods that a workload's status has, by kind; all are the wanted number once the workload is ready.
WORKLOADS = {
    "DaemonSet": ("updatedNumberScheduled", "numberAvailable"),
    "Deployment": ("replicas", "updatedReplicas", "availableReplicas"),
    "StatefulSet": ("updatedReplicas", "availableReplicas"),
}


class Api:
    """The embedded cluster's API by manifest: server-side apply, get and delete of any object."""

    def __init__(self, kubeconfig: Path, context: str) -> None:
        self.kube = Kube(kubeconfig, context)
        self.stopped: Callable[[], bool] = never  # whether waiting is to end, whatever it is for
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

    def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete the object, and in the background all that it owns; wait until it is gone.

        A kind that is not served has no objects: its CRD went before them.
        """
        if not self._serves(*_root_and_kind(manifest)):
            return
        # Not in the foreground: the garbage collector looks for new kinds of objects twice a minute only.
        if self.kube.delete(f"{self._path(manifest)}?propagationPolicy=Background"):
            gone = f"{described(manifest)} to be gone"
            wait_until(gone, lambda: self.get(manifest) is None, stopped=self.stopped)

    def _path(self, manifest: Mapping[str, Any]) -> str:
        root, kind = _root_and_kind(manifest)
        if not self._serves(root, kind):
            group = root.split("/", 2)[2]
            served = f"the API server to serve {kind} of {group}"
            wait_until(served, lambda: self._serves(root, kind), DISCOVERY_SECONDS, stopped=self.stopped)
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
    api_version = manifest["apiVersion"]
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}", manifest["kind"]


def described(manifest: Mapping[str, Any]) -> str:
    """``Kind namespace/name`` for messages."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def never() -> bool:
    """Nothing stops a wait."""
    return False


def wait_until(
    what: str, done: Callable[[], bool], timeout: float = TIMEOUT_SECONDS, *, stopped: Callable[[], bool] = never
) -> None:
    """Poll until ``done``.

    Raises:
        UserError: ``timeout`` seconds have passed, or it is ``stopped`` before; names what was waited for.
    """
    deadline = time.monotonic() + timeout
    while not done():
        if stopped():
            raise UserError(f"no longer waited for {what}")
        if time.monotonic() > deadline:
            raise UserError(f"waited {timeout:.0f} s for {what}")
        time.sleep(POLL_SECONDS)


def is_ready(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether a live object is what the provider waits for, by its kind and its pulumi.com annotations."""
    if not live:
        return False  # somebody deleted it meanwhile
    annotations = manifest["metadata"].get("annotations", {})
    status = live.get("status", {})
    if annotations.get(f"{ANNOTATION}skipAwait") == "true":
        return True
    if wanted := annotations.get(f"{ANNOTATION}waitFor", ""):
        return _condition(status, wanted.removeprefix("condition="))
    if manifest["kind"] == "CustomResourceDefinition":
        return _condition(status, "Established")
    if counts := WORKLOADS.get(manifest["kind"]):
        wanted_pods = status.get("desiredNumberScheduled", live["spec"].get("replicas", 1))
        seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
        return seen and all(status.get(count, 0) == wanted_pods for count in counts)
    return True


def _condition(status: Mapping[str, Any], wanted: str) -> bool:
    return any(c["type"] == wanted and c["status"] == "True" for c in status.get("conditions") or [])


def complaints(live: Mapping[str, Any]) -> str:
    """What an object's own conditions say is wrong."""
    conditions = live.get("status", {}).get("conditions") or []
    said = [c.get("message", c["type"]) for c in conditions if c["status"] != "True" or c["type"] == "ReplicaFailure"]
    return "; ".join(said) or "its conditions say nothing"


class Helm:
    """The helm command on the embedded cluster."""

    def __init__(self, binary: Path, kubeconfig: Path, context: str) -> None:
        self._program = binary.name
        self._command = [str(binary), "--kubeconfig", str(kubeconfig), "--kube-context", context]

    def install(self, release: Mapping[str, Any], *, deployed: bool) -> str:
        """Install or upgrade a release; one that is ``deployed`` and would come out the same is left alone.

        Its manifest; it is for the caller to wait for what is in there: helm's own --wait looks every two seconds only.
        """
        place = [release["name"], "--namespace", release["namespace"]]
        values = json.dumps(release.get("values") or {})
        upgrade = ["upgrade", "--install", *place, *_chart(release), "--values", "-", "--output", "json"]
        if deployed:
            planned = json.loads(self._run(*upgrade, "--dry-run=server", stdin=values))
            manifest = self._run("get", "manifest", *place)
            if planned["manifest"].strip() == manifest.strip():
                return manifest
        timeout = f"{release.get('timeout') or TIMEOUT_SECONDS}s"
        return str(json.loads(self._run(*upgrade, "--timeout", timeout, stdin=values))["manifest"])

    def is_at_work(self, release: Mapping[str, Any]) -> bool:
        """Whether a helm, of anybody's, is installing or upgrading the release on this cluster."""
        words = " ".join([*self._command[1:], "upgrade", "--install", release["name"]])
        return bool(running(words, lambda program: program == self._program))

    def uninstall(self, release: Mapping[str, Any]) -> None:
        """Take a release away, if it is there, and wait until its objects are gone."""
        self._run("uninstall", release["name"], "--namespace", release["namespace"], "--wait", "--ignore-not-found")

    def _run(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run([*self._command, *arguments], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            # Helm's words are several lines, and kilobytes where they hold an object.
            words = textwrap.shorten(done.stderr, WORDS, placeholder=" ...")
            raise UserError(f"helm {arguments[0]} says: {words}")
        return done.stdout


def _chart(release: Mapping[str, Any]) -> list[str]:
    repository = (release.get("repositoryOpts") or {}).get("repo")
    return [release["chart"], "--version", release["version"], *(["--repo", repository] if repository else [])]


def run_command(command: str, inputs: Mapping[str, Any], folder: Path, previous: str = "") -> dict[str, Any]:
    """Run a local Command's shell command as pulumi-command does.

    Raises:
        UserError: it exits non-zero; with what it wrote to standard error.
    """
    environment = {**os.environ, **(inputs.get("environment") or {}), "PULUMI_COMMAND_STDOUT": previous}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        input=inputs.get("stdin") or "",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"`{command}` exits with {done.returncode}:\n{done.stderr.strip()}")
    return {**inputs, "stdout": done.stdout.strip(), "stderr": done.stderr.strip()}
