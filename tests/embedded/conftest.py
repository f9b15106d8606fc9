import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import artifacts, toolchain
from embedded.cluster import Cluster
from embedded.errors import Unreachable
from tests.embedded.engine import for_tests
from tests.embedded.kube import Kube
from tests.embedded.project import copy_to
from tests.embedded.stack import Stack


@pytest.fixture(scope="session")
def tools() -> Path:
    """The embedded cluster's binaries; skips where they cannot be downloaded, unless REQUIRE_EMBEDDED=1."""
    try:
        return toolchain.ensure("cluster").cluster
    except Unreachable as reason:
        if os.environ.get("REQUIRE_EMBEDDED") == "1":
            raise
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def cluster(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster of the tests' own, shared by all of them: whoever makes something removes it."""
    shared = Cluster(tmp_path_factory.mktemp("cluster"), tools=tools)
    shared.start()
    yield shared
    shared.stop()


@pytest.fixture
def own_cluster(tools: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of one test's own, not started yet."""
    own = Cluster(tmp_path / "root", tools=tools)
    yield own
    own.stop()


@pytest.fixture
def copy(tools: Path, tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001 the binaries must be there
    """A copy of the project; its embedded cluster is gone in the end."""
    for_tests()
    copy_to(tmp_path)
    yield tmp_path
    subprocess.run([sys.executable, "-m", "embedded", "delete"], cwd=tmp_path, check=True)


@pytest.fixture
def stack(cluster: Cluster) -> Iterator[Stack]:
    """The stack on the shared cluster; whatever a test brings up is taken away after it."""
    stack = Stack(cluster=cluster)
    yield stack
    stack.down()


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> Kube:
    return Kube(cluster.kubeconfig)


@pytest.fixture(scope="session")
def artefacts(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 skips without Go modules
    """The stand-in charts and CRDs, in a folder of the tests' own."""
    root = tmp_path_factory.mktemp("artefacts")
    artifacts.prepare(root, "1.23.0")
    return root


@pytest.fixture(scope="module")
def crds(artefacts: Path, kube: Kube) -> Iterator[None]:
    """The real CRDs of Istio and of the Gateway API, until the module's tests are through."""
    gateway_api = (artefacts / "gateway-api/v1.1.0/standard").glob("*.yaml")
    istio = toolchain.module_dir(*artifacts.ISTIO_API) / artifacts.ISTIO_CRDS
    names = kube.apply_crds(istio, *gateway_api)
    yield
    kube.delete_crds(*names)
