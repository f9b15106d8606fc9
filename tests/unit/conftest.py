from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from lookup import Cluster
from tests.unit.recording import Mesh, evaluated

Run = Callable[..., Mesh]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Gateway API release of two CRDs."""
    folder = tmp_path_factory.mktemp("gateway-api")
    for plural in ("gateways", "httproutes"):
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": f"{plural}.gateway.networking.k8s.io",
                "annotations": {
                    "gateway.networking.k8s.io/bundle-version": "v1.1.0",
                    "gateway.networking.k8s.io/channel": "standard",
                },
            },
            "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced"},
        }
        (folder / f"{plural}.yaml").write_text(yaml.safe_dump(crd))
    return folder


@pytest.fixture(scope="session")
def run(manifest: Path) -> Run:
    """Evaluates the program: ``run(stack="dev", cluster=Cluster(), someKey="its value")``."""

    def evaluate(stack: str = "dev", cluster: Cluster | None = None, **config: str) -> Mesh:
        overrides: Mapping[str, str] = {"gatewayApiManifest": str(manifest), **config}
        return evaluated(stack, overrides, cluster or Cluster())

    return evaluate


@pytest.fixture(scope="session")
def dev(run: Run) -> Mesh:
    """The tutorial's stack before there is any cluster."""
    return run()
