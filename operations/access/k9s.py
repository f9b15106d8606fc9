"""``make k9s``: k9s on the stack's cluster; from PATH, else built once from its Go module."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.commands import UserError
from embedded import toolchain
from embedded.errors import EmbeddedError
from operations.access import shell

INSTALLATION = "https://k9scli.io/topics/install"


def run(stack: str, settings: Mapping[str, str], words: Sequence[str] = ()) -> int:
    """Run k9s, with further ``words`` for it, until the person leaves it; its exit code.

    Raises:
        UserError: there is none and none can be built.
    """
    program = find()
    return subprocess.run([program, *words], env=shell.cluster_variables(stack, settings), check=False).returncode


def find() -> Path:
    """The program: the one on PATH, else the one that the toolchain builds.

    Raises:
        UserError: there is none on PATH, and it cannot be built; says why.
    """
    if on_path := shutil.which("k9s", path=os.environ.get("PATH", os.defpath)):
        return Path(on_path)
    try:
        return toolchain.ensure("k9s").k9s / "k9s"
    except EmbeddedError as error:
        raise UserError(
            f"k9s is not on PATH, and cannot be built from its Go module: {error} Or install k9s, see {INSTALLATION}"
        ) from error
