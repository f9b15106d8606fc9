from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from components.versions import Version
from program.lookup import Cluster, Crd
from tests.unit.fake_api import FakeApi, serving
from tests.unit.recording import Mesh, composed, evaluated

GATEWAY_API = ["gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"]

Run = Callable[..., Mesh]
Compose = Callable[..., Mesh]


@pytest.fixture(scope="session")
def compose() -> Compose:
    """Evaluates components alone: ``compose(a function that makes them, answers of providers by resource)``."""
    return composed


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


@pytest.fixture(scope="session")
def existing(run: Run) -> Mesh:
    """Somebody else's cluster, where the namespaces, Istio's CRDs and the Gateway API are there before the stack."""
    crd = Crd(bundle_version="v1.1.0", channel="standard", ours=False)
    cluster = Cluster(
        identity="1a2b",
        kubernetes=Version(1, 29),
        namespaces={"default": False, "istio-system": False, "shop": False},
        gateway_api=dict.fromkeys(GATEWAY_API, crd),
        istio_crds={"gateways.networking.istio.io": False, "telemetries.telemetry.istio.io": True},
    )
    return run(
        cluster=cluster,
        clusterMode="existing",
        context="work",
        kubeconfig="k",
        namespace="shop",
        acceptCluster="3c4d0000-0000-0000-0000-000000000000",
    )


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    """A fake API server; see its class."""
    with serving(tmp_path) as served:
        yield served
