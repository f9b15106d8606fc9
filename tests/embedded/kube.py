import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config, dynamic, utils

from embedded.access import CONTEXT


class Kube:
    """A few verbs on one cluster, by the official client."""

    def __init__(self, kubeconfig: Path) -> None:
        self.api = config.new_client_from_config(str(kubeconfig), context=CONTEXT)
        # Any: the client's types call every field optional.
        self.core: Any = client.CoreV1Api(self.api)
        self.apps: Any = client.AppsV1Api(self.api)
        self.policy: Any = client.PolicyV1Api(self.api)
        self.autoscaling: Any = client.AutoscalingV2Api(self.api)
        self.version: Any = client.VersionApi(self.api)
        self.extensions: Any = client.ApiextensionsV1Api(self.api)

    def resource(self, api_version: str, kind: str) -> Any:
        """A handle for any kind, those defined a moment ago included."""
        return dynamic.DynamicClient(self.api).resources.get(api_version=api_version, kind=kind)

    def create(self, text: str, namespace: str = "default") -> None:
        for document in yaml.safe_load_all(text):
            utils.create_from_dict(self.api, document, namespace=namespace)

    def apply_crds(self, *files: Path) -> list[str]:
        """Create CRDs and wait until they can be used; return their names."""
        names = []
        for document in (each for file in files for each in yaml.safe_load_all(file.read_text()) if each):
            self.extensions.create_custom_resource_definition(document)
            names.append(document["metadata"]["name"])
        eventually(lambda: all(self._established(name) for name in names))
        return names

    def delete_crds(self, *names: str) -> None:
        for name in names:
            self.extensions.delete_custom_resource_definition(name)
        # The API server first deletes what there is of them; where it waits in vain, it tries again minutes later.
        eventually(lambda: not set(names) & set(self.names(self.extensions.list_custom_resource_definition())), 900)

    def names(self, listed: Any) -> list[str]:
        return [each.metadata.name for each in listed.items]

    def _established(self, name: str) -> bool:
        conditions = self.extensions.read_custom_resource_definition(name).status.conditions or []
        return any(each.type == "Established" and each.status == "True" for each in conditions)


def eventually(done: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds; an AssertionError where it does not in time."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"did not hold within {seconds} s"
        time.sleep(0.05)
