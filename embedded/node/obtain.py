"""Gets the programs and images of a real node, from the caches or by building them."""

import shutil
from pathlib import Path

from embedded import istio, toolchain
from embedded.images import build, contents
from embedded.node.parts import Parts, machines_nft
from embedded.toolchain import cache
from embedded.toolchain.progress import Say

GROUPS = ("cluster", "node", "istio")
"""Of the toolchain's."""


def parts(say: Say) -> Parts:
    """The programs of a real node, built first where they are missing.

    Raises:
        Unreachable: A registry cannot be reached.
        EmbeddedError: A build failed, or nft is neither here nor among the distribution's packages.
    """
    folders = toolchain.ensure(*GROUPS, say=say)
    nft, libraries = find_nft(say)
    return Parts(control_plane=folders.cluster, node=folders.node, istio=folders.istio, nft=nft, libraries=libraries)


def find_nft(say: Say) -> tuple[Path, str]:
    """The machine's nft, or that of its distribution's packages, unpacked; with the LD_LIBRARY_PATH it needs.

    Raises:
        Unreachable: The distribution's packages cannot be reached.
        EmbeddedError: The machine has neither nft nor such packages.
    """
    if own := machines_nft():
        return own, ""
    packages = toolchain.node_packages(say)
    return packages / "usr" / "sbin" / "nft", toolchain.library_path(packages)


def has_packages() -> bool:
    """Whether this system has packages of which `find_nft` can unpack nft."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def images(parts: Parts, say: Say) -> Path:
    """The folder of an OCI image layout with the images that a cluster begins with, in the user's cache.

    Raises:
        Unreachable: Istio's module cannot be downloaded.
        EmbeddedError: The images cannot be built.
    """
    source = toolchain.module_dir(istio.MODULE, say=say)
    sources = contents.Sources(parts=parts, bootstrap=source / istio.BOOTSTRAP, istio_version=istio.version(source))
    place = cache.cache_folder()
    place.mkdir(parents=True, exist_ok=True)
    with cache.only_one(place / "images.lock", "the same images", say):
        return build.ensure(place / "images", contents.images(sources))
