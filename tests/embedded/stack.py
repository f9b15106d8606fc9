"""The whole program on a test's cluster, by the offline engine."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from components.kube import Kube
from embedded import artifacts
from embedded.cluster import Cluster
from operations import engine
from operations.view import View

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


def settings_for(cluster: Cluster, istio_version: str = "1.23.0") -> dict[str, str]:
    """Configuration keys that point the stack ``rehearsal`` at a test's cluster."""
    artifacts.prepare(cluster.root, istio_version)
    return {
        "kubeconfig": str(cluster.kubeconfig),
        "istioChartRepository": str(cluster.root / "charts"),
        "gatewayApiManifest": str(cluster.root / "gateway-api" / "v1.1.0" / "standard"),
        "istioVersion": istio_version,
    }


@dataclass(frozen=True, kw_only=True)
class Stack:
    cluster: Cluster
    helm: Path

    @property
    def kube(self) -> Kube:
        return Kube(self.cluster.kubeconfig, CONTEXT)

    def up(self, **overrides: str) -> dict[str, Any]:
        return engine.deploy(self._applier(), "embedded", self._settings(overrides))

    def down(self, **overrides: str) -> None:
        engine.destroy(self._applier(), "embedded", self._settings(overrides))

    def _settings(self, overrides: dict[str, str]) -> dict[str, str]:
        settings = settings_for(self.cluster) | overrides
        for version in artifacts.istio_versions({"revisions": "[]", **settings}):
            artifacts.prepare(self.cluster.root, version)
        return settings

    def _applier(self) -> engine.Applier:
        view = View(Console(file=io.StringIO()), "test")
        return engine.applier(self.cluster.kubeconfig, CONTEXT, self.helm, view)


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
