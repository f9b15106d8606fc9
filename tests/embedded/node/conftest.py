import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import artifacts, istio, kinds, toolchain
from embedded.errors import Unreachable
from embedded.node import obtain
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
from operations.manifests.declared import settings_of
from tests.embedded.node.kubectl import Kubectl
from tests.embedded.node.mesh import Mesh


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """What a real node is made of; skips where this machine cannot run one, unless REQUIRE_REAL_NODE=1."""
    required = os.environ.get("REQUIRE_REAL_NODE") == "1"
    if found := kinds.findings(tmp_path_factory.getbasetemp()):
        told = "; ".join(map(str, found))
        assert not required, told
        pytest.skip(f"no real node here: {told}")
    try:
        return obtain.parts(print)
    except Unreachable as reason:
        if required:
            raise
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def images(parts: Parts) -> Path:
    return obtain.images(parts, print)


@pytest.fixture(scope="session")
def node(parts: Parts, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A running cluster of the tests' own, shared by all of them: whoever makes something removes it."""
    shared = RealCluster(tmp_path_factory.mktemp("node"), parts=parts, images=images)
    shared.start()
    yield shared
    shared.delete()


@pytest.fixture
def own_node(parts: Parts, images: Path, tmp_path: Path) -> Iterator[RealCluster]:
    """A cluster of one test's own, not started yet."""
    own = RealCluster(tmp_path / "root", parts=parts, images=images)
    yield own
    own.delete()


@pytest.fixture(scope="session")
def kubectl(node: RealCluster, parts: Parts) -> Kubectl:
    return Kubectl(parts.control_plane / "kubectl", node.kubeconfig)


@pytest.fixture(scope="session")
def client(kubectl: Kubectl) -> str:
    """The name of a pod that sends requests: ``kubectl.get(client, URL)``."""
    kubectl.run_client("client")
    return "client"


@pytest.fixture(scope="session")
def mesh(node: RealCluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Mesh:
    """Stack embedded on the shared node, not brought up yet: each module says by ``mesh.up`` which one it wants."""
    istio.package(toolchain.module_dir(istio.MODULE), node.root / "charts")
    artifacts.copy_gateway_api(node.root, settings_of("embedded")["gatewayApiVersion"])
    return Mesh(node=node, kubectl=kubectl, state=tmp_path_factory.mktemp("state"))
