"""Builds the images of all four programs, or says of each that cannot be had why."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from embedded import istio, toolchain
from embedded.errors import EmbeddedError
from embedded.images import build
from embedded.images.oci import Image
from embedded.images.upstream import details, productpage, ratings, reviews
from embedded.toolchain import cache
from embedded.toolchain.failures import disk_full_explained
from embedded.toolchain.progress import Say, to_stderr

SOURCES = Path("samples", "bookinfo", "src")
"""In Istio's module."""

NAME = "bookinfo-upstream"

Program = Callable[[Path, Say], Iterable[Image]]
PROGRAMS: Mapping[str, Program] = {
    "productpage": productpage.images,
    "details": details.images,
    "ratings": ratings.images,
    "reviews": reviews.images,
}
"""By the folder of its sources, what builds a program's images."""


def ensure(say: Say = to_stderr) -> Path:
    """Return the folder of an OCI image layout with Bookinfo's images, in the user's cache; built where it is missing.

    Args:
        say: Receives progress, a line at a time; standard error by default.

    Raises:
        EmbeddedError: Programs cannot be built; one message names each with its reason.
    """
    sources = toolchain.module_dir(istio.MODULE, say=say) / SOURCES
    images: list[Image] = []
    failed = []
    for name, program in PROGRAMS.items():
        try:
            with disk_full_explained(cache.cache_folder()):
                images += program(sources / name, say)
        except EmbeddedError as error:
            failed.append(f"{name}: {error}")
    if failed:
        count = f"{len(failed)} of Bookinfo's {len(PROGRAMS)} programs"
        message = f"{count} cannot be built from upstream's sources. {' '.join(failed)} Without BOOKINFO=upstream "
        raise EmbeddedError(f"{message}the cluster has stand-ins, which answer the same.")
    place = cache.cache_folder()
    place.mkdir(parents=True, exist_ok=True)
    with cache.only_one(place / f"{NAME}.lock", "the same images", say):
        return build.ensure(place / NAME, images)
