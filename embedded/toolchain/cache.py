"""The folder that all clones of one user share, and the lock on it."""

import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.toolchain.progress import Say, telling

PLATFORM = f"{platform.system()}-{platform.machine()}".lower()


def cache_folder() -> Path:
    """$XDG_CACHE_HOME (default ~/.cache)/istio-minikube."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "istio-minikube"


def filled(folder: Path, fill: Callable[[Path], None], say: Say) -> Path:
    """Return a folder of the cache, after filling it where it is missing; it is there as a whole or not at all.

    Args:
        folder: The folder; its parent is this process's to create.
        fill: Given an empty folder beside it, which then takes its name.
        say: Told when another process is filling it.

    Raises:
        OSError: It cannot be written.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with only_one(folder.parent / f".{folder.name}.lock", folder.name, say):
        if not folder.exists():
            with workshop(folder) as draft:
                fill(draft)
                draft.rename(folder)
    return folder


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, which it may be renamed to; what is left of it at the end is removed.

    Only for the holder of the folder's lock: what a killed predecessor left is removed first.
    """
    pattern = f".{folder.name}.draft-"
    for abandoned in folder.parent.glob(f"{pattern}*"):
        shutil.rmtree(abandoned)
    draft = Path(tempfile.mkdtemp(prefix=pattern, dir=folder.parent))
    draft.chmod(0o755)
    try:
        yield draft
    finally:
        if draft.exists():
            shutil.rmtree(draft)


@contextmanager
def only_one(lock: Path, what: str, say: Say) -> Iterator[None]:
    """Hold a file's lock; the kernel releases it when its holder dies, however that happens."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process is building {what}: waiting for it")
            with telling(say, lambda seconds: f"  waiting, {seconds:.0f} s"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
