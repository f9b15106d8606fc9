"""Reads the config key ``imageDigests``: which images are pinned to a digest."""

from collections.abc import Sequence

from components.bookinfo import IMAGES
from components.images import ISTIO_IMAGES
from config_values import Value
from services_config import Service

DIGEST = r"sha256:[0-9a-f]{64}"


def read(value: Value, *, istio_version: str, bookinfo: bool, services: Sequence[Service]) -> dict[str, str]:
    """By image, as the program or Istio's chart names it, its digest.

    Raises:
        pulumi.RunError: a digest is none, or the stack uses no such image: a mistyped name must not pass for a pin.
    """
    used = set(IMAGES) if bookinfo else set()
    used |= {image for service in services for image in service.images.values()}
    digests = {}
    for image, entry in value.entries("an object of images and digests, such as {IMAGE:TAG: sha256:...}").items():
        digests[image] = entry.text(DIGEST, "sha256: and 64 hexadecimal digits")
        name, _, tag = image.rpartition("/")[2].partition(":")
        if image not in used and not (name in ISTIO_IMAGES and tag.partition("-")[0] == istio_version):
            istio = " and ".join(f"REGISTRY/{name}:{istio_version}" for name in ISTIO_IMAGES)
            shown = ", ".join(["", *sorted(used)])
            raise value.error(f"images that the stack uses, with their tags: {istio}{shown}; it has no {image}")
    return digests
