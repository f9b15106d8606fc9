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
    listed = " ".join(names)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        message = (
            f"The embedded cluster's node needs {listed} (Debian's names), and this system has no apt-get to get them "
            "with: install what your distribution calls them."
        )
        raise EmbeddedError(message)
    folder = cache.cache_folder() / "debian" / f"{'_'.join(sorted(names))}-{_release()}-{cache.PLATFORM}"

    def fill(draft: Path) -> None:
        say(f"Unpacking Debian's {listed} into {folder}, once; nothing is installed")
        _unpack(names, draft)

    with disk_full_explained(folder.parent):
        return cache.filled(folder, fill, say)


def library_path(folder: Path) -> str:
    """LD_LIBRARY_PATH for programs of an unpacked folder: wherever it has shared libraries."""
    return ":".join(sorted({str(library.parent) for library in folder.rglob("*.so*")}))


def _release() -> str:
    described = platform.freedesktop_os_release()
    return f"{described['ID']}{described.get('VERSION_ID', '')}"


def _unpack(names: Sequence[str], folder: Path) -> None:
    with cache.workshop(folder.with_name(f"{folder.name}.apt")) as scratch:
        # Lists and archives of our own: no root needed, and the system's stay as they are. The sandbox's user could
        # not write here.
        (scratch / "lists" / "partial").mkdir(parents=True)
        (scratch / "archives" / "partial").mkdir(parents=True)
        own = [
            *("-o", f"Dir::State::Lists={scratch / 'lists'}", "-o", f"Dir::Cache={scratch}"),
            *("-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=true", "--quiet=2"),
        ]
        _run(["apt-get", *own, "update"], scratch)
        simulated = _run(["apt-get", *own, "install", "--simulate", "--no-install-recommends", *names], scratch)
        missing = [line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")]
        if missing:
            _run(["apt-get", *own, "download", *missing], scratch)
        for archive in sorted(scratch.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(archive), str(folder)], scratch)


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    # apt-get update exits with 0 where it reached nothing, and says so in a warning only.
    failed = done.returncode != 0 or (command[-1] == "update" and is_network_failure(done.stderr))
    if failed:
        reason = " / ".join(done.stderr.strip().splitlines()[-2:]) or done.stdout.strip()[-200:]
        message = f"`{command[0]} {command[-1]}` fails, which the embedded cluster's node needs: {reason}."
        if is_network_failure(done.stderr):
            raise Unreachable(f"{message} Make the packages of the distribution reachable, then try again.")
        raise EmbeddedError(message)
    return done.stdout
