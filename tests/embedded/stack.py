"""The whole program on a test's cluster."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.kube import Kube
from embedded import artifacts, toolchain
from embedded.cluster import Cluster
from operations.pulumi_cli import Cli
from tests.embedded.engine import for_tests

# What the cluster itself changes all the time, or keeps for a while after what it is about has gone.
RESTLESS = {
    "stages",
    "events",
    "endpoints",
    "endpointslices",
    "nodes",
    "componentstatuses",
    "ipaddresses",
    "apiservices",
}
# Whose leases are renewed all the time: the cluster's own.
CLUSTERS_OWN = {"kube-system", "kube-node-lease"}
CONTEXT = "embedded"


def stand_ins(root: Path, istio_version: str = "1.23.0") -> dict[str, str]:
    """Configuration keys by which stack ``embedded`` installs the stand-ins that are prepared in ``root``."""
    return {
        "compatibility": "warn",
        "istioValues": "{}",
        "istioVersion": istio_version,
        "istioChartRepository": str(root / "charts"),
        "gatewayApiVersion": "v1.1.0",
        "gatewayApiManifest": str(root / "gateway-api" / "v1.1.0" / "standard"),
    }


def settings_for(cluster: Cluster, istio_version: str = "1.23.0") -> dict[str, str]:
    """Configuration keys that point stack ``embedded`` at a test's cluster."""
    artifacts.prepare(cluster.root, istio_version)
    place = {"clusterMode": "existing", "kubeconfig": str(cluster.kubeconfig)}
    return {**place, **stand_ins(cluster.root, istio_version)}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Stack embedded on a test's cluster, by the real engine."""

    cluster: Cluster

    @property
    def kube(self) -> Kube:
        return Kube(self.cluster.kubeconfig, CONTEXT)

    @property
    def helm(self) -> Path:
        return toolchain.ensure("cluster").cluster / "helm"

    @property
    def cli(self) -> Cli:
        return Cli(engine=for_tests(), stack="embedded", state=self.cluster.root / "state")

    def up(self, **overrides: str) -> dict[str, Any]:
        return self.cli.up(self._settings(overrides))

    def refused(self, **overrides: str) -> str:
        """An ``up`` that must fail; what the CLI printed, in one line."""
        return refused(self.cli, self._settings(overrides))

    def down(self) -> None:
        """Destroy by the configuration of the last ``up``."""
        self.cli.run("destroy", "--yes", "--skip-preview")

    def _settings(self, overrides: dict[str, str]) -> dict[str, str]:
        settings = settings_for(self.cluster) | overrides
        for version in artifacts.istio_versions({"revisions": "[]", **settings}):
            artifacts.prepare(self.cluster.root, version)
        return settings


def refused(cli: Cli, settings: dict[str, str]) -> str:
    """What the CLI prints, in one line, of an ``up`` that must fail."""
    cli.select(settings)
    words = ["up", "--yes", "--skip-preview", "--stack", cli.stack, "--non-interactive", "--config-file"]
    done = subprocess.run(
        [str(cli.engine.binary), *words, str(cli.state / f"Pulumi.{cli.stack}.yaml")],
        cwd=cli.project,
        env=cli.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    return " ".join((done.stdout + done.stderr).split())


def objects(kube: Kube) -> dict[str, dict[str, Any]]:
    """The metadata of every object in the cluster that is not restless, by path. A pod that is ending is gone."""
    return {path: metadata for path, metadata, _ in _listed(kube)}


def versions(kube: Kube) -> dict[str, dict[str, Any]]:
    """Of every such object what changes when it is changed; see ``version``."""
    return {path: version(metadata, has_status=has_status) for path, metadata, has_status in _listed(kube)}


def version(metadata: Mapping[str, Any], *, has_status: bool = True) -> dict[str, Any]:
    """What changes when an object is changed, but for its status, which the cluster's controllers write when they like.

    That is its resourceVersion; where it has a status, which moves that too, who wrote what when and its generation.
    """
    managers = metadata.get("managedFields", [])
    written = [each for each in managers if each.get("subresource") != "status"]
    return {**metadata, "managedFields": written, "resourceVersion": "" if has_status else metadata["resourceVersion"]}


def _listed(kube: Kube) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Path and metadata of each object, and whether it has a status of its own to be written."""
    groups = [g["preferredVersion"]["groupVersion"] for g in kube.get("/apis")["groups"]]
    for root in ["/api/v1", *(f"/apis/{group}" for group in groups)]:
        # A group whose CRDs have just gone may still be listed, and so may its kinds.
        served = (kube.find(root) or {"resources": []})["resources"]
        names = {resource["name"] for resource in served}
        for name in [each["name"] for each in served if "list" in each["verbs"] and each["name"] not in RESTLESS]:
            for metadata in kube.served_metadata(f"{root}/{name}"):
                is_clusters = name == "leases" and metadata["namespace"] in CLUSTERS_OWN
                is_ending = name == "pods" and "deletionTimestamp" in metadata
                if not is_clusters and not is_ending:
                    path = f"{name} {metadata.get('namespace', '')}/{metadata['name']}"
                    yield path, metadata, f"{name}/status" in names


def pods(kube: Kube, path: str) -> list[dict[str, Any]]:
    """The pods under a path, but for those that are ending: such as the ones before a roll-out."""
    return [pod for pod in kube.objects(path) if "deletionTimestamp" not in pod["metadata"]]


def as_config(value: object) -> str:
    """A configuration value as the CLI hands it to the program."""
    return json.dumps(value)
