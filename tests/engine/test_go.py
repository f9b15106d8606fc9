"""The tests of the programs in embedded/go, by Go itself."""

import re
import subprocess
from pathlib import Path

import pytest

from embedded import toolchain
from embedded.toolchain.go import MODULE

TESTED = sorted({file.parent for file in MODULE.rglob("*_test.go")})


def is_module(folder: Path) -> bool:
    return (folder / "go.mod").exists()


@pytest.mark.parametrize("folder", TESTED, ids=lambda folder: str(folder.relative_to(MODULE)))
def test_a_package_passes_its_own_tests(folder: Path) -> None:
    # A module that stands in for another has no go.sum: it is tested as a part of the module above, which uses it.
    module = next(filter(is_module, folder.parents))
    named = re.search(r"^module (\S+)", (folder / "go.mod").read_text(), re.MULTILINE) if is_module(folder) else None
    name = named[1] if named else f"./{folder.relative_to(module)}"
    done = subprocess.run(
        # As the programs are built: what both need is compiled once.
        [toolchain.find_go(), "test", "-trimpath", "-count=1", name],
        cwd=module,
        env=toolchain.go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
