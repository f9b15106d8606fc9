"""Reads the config key ``imageDigests``: which images are pinned to a digest."""

from collections.abc import Collection, Sequence

from components.images import ISTIO_IMAGES, name_and_version
from components.workloads.bookinfo import IMAGES
from program.config.services import Service
from program.config.values import Value

DIGEST = r"sha256:[0-9a-f]{64}"


def read(
    value: Value, *, istio_versions: Collection[str], ambient: bool, bookinfo: bool, services: Sequence[Service]
) -> dict[str, str]:
    """By image, as the program or Istio's charts name it, its digest.

    Args:
        value: the object ``imageDigests``.
        istio_versions: the version of each istiod.
        ambient: whether there are Istio's node agents.
        bookinfo: whether there is Bookinfo.
        services: the user's own services.

    Raises:
        pulumi.RunError: a digest is none, or the stack uses no such image: a mistyped name must not pass for a pin.
    """
    used = set(IMAGES) if bookinfo else set()
    used |= {image for service in services for image in service.images.values()}
    charts = ISTIO_IMAGES if ambient else ("istiod",)
    istios = [(name, version) for version in istio_versions for chart in charts for name in ISTIO_IMAGES[chart]]
    digests = {}
    for image, entry in value.entries("an object of images and digests, such as {IMAGE:TAG: sha256:...}").items():
        digests[image] = entry.text(DIGEST, "sha256: and 64 hexadecimal digits")
        if image not in used and name_and_version(image) not in istios:
            istio = " and ".join(f"REGISTRY/{name}:{version}" for name, version in istios)
            shown = ", ".join(["", *sorted(used)])
            raise value.error(f"images that the stack uses, with their tags: {istio}{shown}; it has no {image}")
    return digests
