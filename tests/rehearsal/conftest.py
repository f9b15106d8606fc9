import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import toolchain
from rehearsal.cluster import Cluster
from rehearsal.errors import Unreachable
from tests.rehearsal.kube import Kube


@pytest.fixture(scope="session")
def tools() -> Path:
    """The embedded cluster's binaries; skips where they cannot be downloaded, unless REQUIRE_REHEARSAL=1."""
    try:
        return toolchain.ensure()
    except Unreachable as reason:
        if os.environ.get("REQUIRE_REHEARSAL") == "1":
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


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> Kube:
    return Kube(cluster.kubeconfig)
