"""The tests of the programs in embedded/go, by Go itself."""

import re
import subprocess
from pathlib import Path

import pytest

from embedded import toolchain
from embedded.toolchain.go import MODULE


def package(folder: Path) -> str:
    """What Go calls the package in a folder, which may be a module that go.mod puts in another's place."""
    own = folder / "go.mod"
    named = re.search(r"^module (\S+)", own.read_text(), re.MULTILINE) if own.exists() else None
    return named[1] if named else f"./{folder.relative_to(MODULE)}"


TESTED = sorted({package(file.parent) for file in MODULE.rglob("*_test.go")})


@pytest.mark.parametrize("name", TESTED)
def test_a_package_passes_its_own_tests(name: str) -> None:
    done = subprocess.run(
        # As the programs are built: what both need is compiled once.
        [toolchain.find_go(), "test", "-trimpath", "-count=1", name],
        cwd=MODULE,
        env=toolchain.go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
