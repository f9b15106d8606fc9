import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
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
        documents = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
        for document in documents:
            self.extensions.create_custom_resource_definition(document)
        # Established is not enough: what serves them, and what lists their kinds, hear of it on their own.
        eventually(lambda: all(self._served(each["spec"]) for each in documents))
        return [each["metadata"]["name"] for each in documents]

    def delete_crds(self, *names: str) -> None:
        for name in names:
            self.extensions.delete_custom_resource_definition(name)
        # The API server first deletes what there is of them; where it waits in vain, it tries again minutes later.
        eventually(lambda: not set(names) & set(self.names(self.extensions.list_custom_resource_definition())), 900)

    def names(self, listed: Any) -> list[str]:
        return [each.metadata.name for each in listed.items]

    def _served(self, spec: Mapping[str, Any]) -> bool:
        custom, names = client.CustomObjectsApi(self.api), spec["names"]
        versions = [each["name"] for each in spec["versions"] if each["served"]]
        try:
            for version in versions:
                custom.list_cluster_custom_object(spec["group"], version, names["plural"])
            listed = [custom.get_api_resources(spec["group"], version).resources for version in versions]
        except client.ApiException as refusal:
            if refusal.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):
                raise
            return False
        return all(names["plural"] in [each.name for each in resources] for resources in listed)


def eventually(done: Callable[[], object], seconds: float = 300) -> None:
    """Wait until something holds; an AssertionError where it does not in time, which is long on any machine."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"did not hold within {seconds} s"
        time.sleep(0.05)
