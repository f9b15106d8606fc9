"""The embedded cluster's fixtures serve the engine tests too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations import pulumi_cli
from tests.embedded.conftest import cluster, own_cluster, tools
from tests.embedded.engine import for_tests

__all__ = ["cluster", "own_cluster", "tools"]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[pulumi_cli.Cli]:
    """The CLI with a state of the test's own; what it brought up is destroyed."""
    cli = pulumi_cli.Cli(engine=for_tests(), stack="embedded", state=tmp_path / "state")
    yield cli
    # By the configuration of the test's last run.
    cli.run("destroy", "--yes", "--skip-preview")
