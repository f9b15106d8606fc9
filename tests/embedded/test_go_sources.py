"""The Go programs of the project's own: as Go's own tools judge them, and by their own tests."""

import subprocess
from pathlib import Path

import pytest

from embedded import toolchain
from embedded.toolchain.go import MODULE
from embedded.toolchain.groups import TAGS

PLUGIN = MODULE / "pulumi-resource-kubernetes"
STAND_INS = ("github.com/fluxcd/pkg/ssa", "github.com/pulumi/pulumi-kubernetes/sdk/v4/...")
FLAGS = ("-trimpath", "-tags", ",".join(TAGS))  # the toolchain's, so that what it has compiled serves here


@pytest.fixture(autouse=True)
def built(tools: Path) -> None:  # noqa: ARG001 skips without Go modules
    """What the programs import has been compiled, with progress."""
    toolchain.ensure("engine", "node")


def go(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [toolchain.find_go(), *words],
        cwd=folder,
        env=toolchain.go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize(("folder", "packages"), [(MODULE, ("./...",)), (PLUGIN, ("./...", *STAND_INS))])
def test_go_vet_finds_nothing(folder: Path, packages: tuple[str, ...]) -> None:
    go(folder, "vet", *FLAGS, *packages)


@pytest.mark.parametrize(("folder", "packages"), [(MODULE, ("./...",)), (PLUGIN, STAND_INS)])
def test_the_go_programs_own_tests_pass(folder: Path, packages: tuple[str, ...]) -> None:
    go(folder, "test", *FLAGS, *packages)


def test_go_sources_are_formatted() -> None:
    gofmt = toolchain.find_go().resolve().parent / "gofmt"
    listed = subprocess.run([gofmt, "-l", MODULE], capture_output=True, text=True, check=True)
    assert listed.stdout == ""
