"""Packages of Debian and Ubuntu, unpacked into the cache: nothing is installed, nothing of the system is changed."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain import cache
from embedded.toolchain.failures import disk_full_explained, is_network_failure
from embedded.toolchain.progress import Say, to_stderr

NODE = "the embedded cluster's node"
MERGED = ("bin", "lib", "lib64", "sbin")
"""Folders that are links into `usr` where a distribution has merged them; a package of its own brings the links."""


def unpacked(*names: str, say: Say = to_stderr) -> Path:
    """Return a folder with the files of packages, and of whatever they depend on that this system lacks.

    Below it are usr/sbin, usr/lib and so on. A package that is installed already is not unpacked: look for its files in
    the system after this folder, and give programs in it `library_path` as LD_LIBRARY_PATH.

    Args:
        names: Names of packages, such as nftables.
        say: Receives progress.

    Raises:
        Unreachable: The packages cannot be downloaded.
        EmbeddedError: This system has no apt-get, there is no such package, or the cache cannot be written.
    """
    return _filled("_".join(sorted(names)), names, purpose=NODE, whole=False, say=say)


def complete(*names: str, purpose: str, say: Say = to_stderr) -> Path:
    """Return a folder with the files of packages and of everything that they depend on: what a container runs on.

    Programs find everything below it as below `/`: links lead within it, and `lib` is there also where a distribution
    keeps it in `usr`.

    Args:
        names: Names of packages, such as ruby.
        purpose: What needs them, in errors.
        say: Receives progress.

    Raises:
        Unreachable: The packages cannot be downloaded.
        EmbeddedError: This system has no apt-get, there is no such package, or the cache cannot be written.
    """
    return _filled(f"complete-{'_'.join(sorted(names))}", names, purpose=purpose, whole=True, say=say)


def library_path(folder: Path) -> str:
    """LD_LIBRARY_PATH for programs of an unpacked folder: wherever it has shared libraries."""
    return ":".join(sorted({str(library.parent) for library in folder.rglob("*.so*")}))


def _filled(title: str, names: Sequence[str], *, purpose: str, whole: bool, say: Say) -> Path:
    listed = " ".join(names)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        message = (
            f"{purpose[0].upper()}{purpose[1:]} needs {listed} (Debian's names), and this system has no apt-get to get "
            "them with: install what your distribution calls them."
        )
        raise EmbeddedError(message)
    folder = cache.cache_folder() / "debian" / f"{title}-{_release()}-{cache.PLATFORM}"

    def fill(draft: Path) -> None:
        say(f"Unpacking Debian's {listed} into {folder}, once; nothing is installed")
        _unpack(names, draft, purpose, whole=whole)
        if whole:
            _lead_within(draft)

    with disk_full_explained(folder.parent):
        return cache.filled(folder, fill, say)


def _release() -> str:
    described = platform.freedesktop_os_release()
    return f"{described['ID']}{described.get('VERSION_ID', '')}"


def _lead_within(root: Path) -> None:
    """Make links from the top relative, and the folders that are links into `usr` on a whole system."""
    for path in list(root.rglob("*")):
        if path.is_symlink() and path.readlink().is_absolute():
            target = os.path.relpath(f"{root}{path.readlink()}", path.parent)
            path.unlink()
            path.symlink_to(target)
    for name in MERGED:
        if (root / "usr" / name).is_dir() and not (root / name).exists():
            (root / name).symlink_to(Path("usr", name))


def _unpack(names: Sequence[str], folder: Path, purpose: str, *, whole: bool) -> None:
    with cache.workshop(folder.with_name(f"{folder.name}.apt")) as scratch:
        # Lists and archives of our own: no root needed, and the system's stay as they are. The sandbox's user could
        # not write here.
        (scratch / "lists" / "partial").mkdir(parents=True)
        (scratch / "archives" / "partial").mkdir(parents=True)
        own = [
            *("-o", f"Dir::State::Lists={scratch / 'lists'}", "-o", f"Dir::Cache={scratch}"),
            *("-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=true", "--quiet=2"),
        ]
        # As if nothing were installed.
        nothing = ["-o", "Dir::State::status=/dev/null"] if whole else []
        install = ["install", "--simulate", "--no-install-recommends", *names]
        _run(["apt-get", *own, "update"], scratch, purpose)
        simulated = _run(["apt-get", *own, *nothing, *install], scratch, purpose)
        missing = [line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")]
        if missing:
            _run(["apt-get", *own, "download", *missing], scratch, purpose)
        for archive in sorted(scratch.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(archive), str(folder)], scratch, purpose)


def _run(command: Sequence[str], folder: Path, purpose: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    # apt-get update exits with 0 where it reached nothing, and says so in a warning only.
    failed = done.returncode != 0 or (command[-1] == "update" and is_network_failure(done.stderr))
    if failed:
        reason = " / ".join(done.stderr.strip().splitlines()[-2:]) or done.stdout.strip()[-200:]
        message = f"`{command[0]} {command[-1]}` fails, which {purpose} needs: {reason}."
        if is_network_failure(done.stderr):
            raise Unreachable(f"{message} Make the packages of the distribution reachable, then try again.")
        raise EmbeddedError(message)
    return done.stdout
