"""Images pinned to what is in them."""

from collections.abc import Mapping
from typing import Any

# Istio's images by the chart that runs them, and where the chart takes each from; a name with a slash is taken as it
# stands. Source: templates and files/*.yaml of the charts, 1.23 to 1.30.
ISTIO_IMAGES: Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "istiod": {
        "pilot": (("pilot", "image"),),
        "proxyv2": (("global", "proxy", "image"), ("global", "proxy_init", "image")),
    },
    "cni": {"install-cni": (("image",),)},
    "ztunnel": {"ztunnel": (("image",),)},
}


def pinned(image: str, digests: Mapping[str, str]) -> str:
    """``image`` with its digest, if it has one; the tag stays for people to read, and decides nothing any more."""
    return f"{image}@{digests[image]}" if image in digests else image


def name_and_version(image: str) -> tuple[str, str]:
    """An image's last name and its tag's version: ``pilot``, ``1.23.0`` of r.example/pilot:1.23.0-distroless."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    return name, tag.partition("-")[0]


def chart_image_values(chart: str, version: str, digests: Mapping[str, str]) -> dict[str, Any]:
    """What one of Istio's charts of a version must be told so that what it runs, and injects, are the pinned images."""
    values: dict[str, Any] = {}
    for image in digests:
        name, its_version = name_and_version(image)
        for path in ISTIO_IMAGES[chart].get(name, ()) if its_version == version else ():
            node = values
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = pinned(image, digests)
    return values
