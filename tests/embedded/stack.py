"""The whole program on a test's cluster."""

import json
import subprocess
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
    """Every object in the cluster that is not restless, by path."""
    found = {}
    groups = [g["preferredVersion"]["groupVersion"] for g in kube.get("/apis")["groups"]]
    for root in ["/api/v1", *(f"/apis/{group}" for group in groups)]:
        # A group whose CRDs have just gone may still be listed.
        for resource in (kube.find(root) or {"resources": []})["resources"]:
            if "/" not in resource["name"] and "list" in resource["verbs"] and resource["name"] not in RESTLESS:
                for metadata in kube.metadata(f"{root}/{resource['name']}"):
                    if resource["name"] == "leases" and metadata["namespace"] in CLUSTERS_OWN:
                        continue
                    found[f"{resource['name']} {metadata.get('namespace', '')}/{metadata['name']}"] = metadata
    return found


def versions(kube: Kube) -> dict[str, str]:
    """The resourceVersion of every object: it moves when anything about the object changes.

    Autoscalers are left out: their status tells every 15 s again that there are no metrics.
    """
    return {
        path: metadata["resourceVersion"]
        for path, metadata in objects(kube).items()
        if not path.startswith("horizontalpodautoscalers ")
    }


def as_config(value: object) -> str:
    """A configuration value as the CLI hands it to the program."""
    return json.dumps(value)
