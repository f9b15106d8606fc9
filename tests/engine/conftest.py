"""The embedded cluster's fixtures serve the engine tests too."""

from tests.rehearsal.conftest import cluster, own_cluster, tools

__all__ = ["cluster", "own_cluster", "tools"]
