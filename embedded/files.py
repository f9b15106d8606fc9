"""Files that are whole or not there, in a cluster's folder of the user's eyes only, and one writer at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import EmbeddedError


def write(path: Path, content: str) -> None:
    """Write a file of the user's eyes only, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file for whoever may read its folder, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def tail(log: Path, lines: int) -> str:
    """The last lines of a log in one line; "(empty)" where there is none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return " / ".join(text.strip().splitlines()[-lines:]) or "(empty)"


@contextmanager
def exclusively(root: Path) -> Iterator[int]:
    """One start, stop or delete at a time; the kernel gives the lock back when its holder dies.

    Yields the lock's descriptor: a child that keeps it open keeps the lock.

    Raises:
        EmbeddedError: The folder cannot be used.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle.fileno()
    except OSError as error:
        message = f"The embedded cluster cannot use {root}: {error}. Make it writable, with room, and try again."
        raise EmbeddedError(message) from error
