"""Images pinned to what is in them."""

from collections.abc import Mapping
from typing import Any

# Istio's images by name, and where its istiod chart takes each from; a name with a slash is taken as it stands.
# Source: templates/deployment.yaml and files/*.yaml of the chart, 1.23 to 1.30.
ISTIO_IMAGES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "pilot": (("pilot", "image"),),
    "proxyv2": (("global", "proxy", "image"), ("global", "proxy_init", "image")),
}


def pinned(image: str, digests: Mapping[str, str]) -> str:
    """``image`` with its digest, if it has one; the tag stays for people to read, and decides nothing any more."""
    return f"{image}@{digests[image]}" if image in digests else image


def istiod_image_values(digests: Mapping[str, str]) -> dict[str, Any]:
    """What the istiod chart must be told so that istiod, sidecars and gateways are the pinned ones."""
    values: dict[str, Any] = {}
    for image in digests:
        name = image.rpartition("/")[2].partition(":")[0]
        for path in ISTIO_IMAGES.get(name, ()):
            node = values
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = pinned(image, digests)
    return values
