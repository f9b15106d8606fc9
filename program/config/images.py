"""Reads where images come from: the config keys imageRegistry, imageRegistries, imagePullSecrets, imageDigests."""

from collections.abc import Collection, Sequence

from components.images import ISTIO_CHART_IMAGES, ImageSource, name_and_version
from components.workloads.bookinfo import IMAGES
from program.config.services import PATH, Service
from program.config.values import DNS_NAME, Value

DIGEST = r"sha256:[0-9a-f]{64}"
# A first part without a dot or a port would be a folder of Docker's registry.
HOST = r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+|localhost)"
REGISTRY = rf"{HOST}(/{PATH})?"


def read_source(mirror: Value, mirrors: Value, pull_secrets: Value) -> ImageSource:
    """Where images come from, digests apart.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    by_registry = mirrors.entries("an object of registries and their mirrors, such as {docker.io: mirror.example/hub}")
    return ImageSource(
        mirror=registry(mirror) if mirror.seen else "",
        mirrors={registry(Value(entry.path, name)): registry(entry) for name, entry in by_registry.items()},
        pull_secrets=[
            secret.text(DNS_NAME, "the name of a Secret, such as registry-credentials")
            for secret in pull_secrets.items("a list of Secrets' names")
        ],
    )


def registry(value: Value) -> str:
    """A registry's host, or a folder in it, without a scheme."""
    return value.text(
        REGISTRY, "HOST[:PORT][/PATH], such as mirror.example or mirror.example:5000/hub, without https://"
    )


def read_digests(
    value: Value,
    *,
    source: ImageSource,
    istio_versions: Collection[str],
    charts: Collection[str],
    bookinfo: bool,
    services: Sequence[Service],
) -> dict[str, str]:
    """By image, as the program or Istio's charts name it or as its mirror does, its digest.

    Args:
        value: the object ``imageDigests``.
        source: where images come from.
        istio_versions: the version of each istiod.
        charts: those of Istio's charts that run something: istiod, cni, ztunnel.
        bookinfo: whether there is Bookinfo.
        services: the user's own services.

    Raises:
        pulumi.RunError: a digest is none, or the stack uses no such image: a mistyped name must not pass for a pin.
    """
    used = set(IMAGES) if bookinfo else set()
    used |= {image for service in services for image in service.images.values()}
    istios = [(name, version) for version in istio_versions for chart in charts for name in ISTIO_CHART_IMAGES[chart]]
    digests = {}
    for image, entry in value.entries("an object of images and digests, such as {IMAGE:TAG: sha256:...}").items():
        digests[image] = entry.text(DIGEST, "sha256: and 64 hexadecimal digits")
        if "@" in image:
            raise Value(entry.path, image).error("an image by its tag: this one has a digest already")
        if image not in used | set(map(source.moved, used)) and name_and_version(image) not in istios:
            istio = " and ".join(f"REGISTRY/{name}:{version}" for name, version in istios)
            shown = ", ".join(["", *sorted(used)])
            raise value.error(f"images that the stack uses, with their tags: {istio}{shown}; it has no {image}")
    return digests
