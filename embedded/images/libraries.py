"""Which shared libraries a program needs."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from embedded.errors import EmbeddedError


def needed(binaries: Iterable[Path], library_path: str = "") -> dict[str, Path]:
    """What the dynamic linker loads for programs, by the path under which they find it in an image.

    Args:
        binaries: Dynamically linked ones; a static one needs nothing.
        library_path: Folders of further libraries, before the machine's own, separated by colons.

    Raises:
        EmbeddedError: A library cannot be found, or the machine has no ldd.
    """
    found: dict[str, Path] = {}
    for binary in binaries:
        found |= _of(binary, library_path)
    return found


def _of(binary: Path, library_path: str) -> dict[str, Path]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    if library_path:
        environment["LD_LIBRARY_PATH"] = library_path
    try:
        answer = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError as error:
        message = f"ldd, which tells the libraries of {binary}, is not on PATH: the images need a Linux with glibc."
        raise EmbeddedError(message) from error
    if answer.returncode != 0 and "not a dynamic executable" in answer.stderr + answer.stdout:
        return {}
    libraries, missing = parse(answer.stdout)
    if answer.returncode != 0 or missing:
        reason = f"not found: {', '.join(missing)}" if missing else answer.stderr.strip()
        message = f"The libraries of {binary} cannot be told: {reason}."
        raise EmbeddedError(message)
    return {path: source.resolve() for path, source in libraries.items()}


def parse(output: str) -> tuple[dict[str, Path], list[str]]:
    """What ldd prints: files by the path at which an image has them, and the names of those that are missing.

    The loader itself is at the path that is compiled into programs, everything else where the loader looks first.
    """
    libraries, missing = {}, []
    for line in output.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and rest.startswith("not found"):
            missing.append(name)
        elif arrow and rest.startswith("/"):
            libraries[f"/lib/{Path(name).name}"] = Path(rest.split()[0])
        elif name.startswith("/"):
            loader = name.split()[0]
            libraries[loader] = Path(loader)
    return libraries, missing
