"""Which registry images are pulled from, with which Secrets, and pinned to which content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .addresses import ISTIO_IMAGES

# The public registries that this program's own images are in: those that a mirror of everything stands for.
PUBLIC = ("docker.io", "quay.io")
# Istio's images by the chart that runs them, and where the chart takes each from; a name with a slash is taken as it
# stands. Source: templates and files/*.yaml of the charts, 1.23 to 1.31.
ISTIO_CHART_IMAGES: Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "istiod": {
        "pilot": (("pilot", "image"),),
        "proxyv2": (("global", "proxy", "image"), ("global", "proxy_init", "image")),
    },
    "cni": {"install-cni": (("image",),)},
    "ztunnel": {"ztunnel": (("image",),)},
}


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where images come from.

    Attributes:
        mirror: HOST[:PORT][/PATH] that has everything of docker.io and quay.io, under the same paths; empty for none.
        mirrors: the same for single registries, or parts of them, such as ``docker.io/istio``; over ``mirror``.
        digests: ``sha256:...`` by image, as the image is named without a mirror or with it.
        pull_secrets: names of Secrets of type kubernetes.io/dockerconfigjson, in each namespace that pulls.
    """

    mirror: str = ""
    mirrors: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: Sequence[str] = ()

    def moved(self, image: str) -> str:
        """``image``, or a repository without a tag, where its mirror has it; as it is where there is none."""
        full = full_name(image)
        for source in sorted(self.mirrors, key=len, reverse=True):
            if f"{full}/".startswith(f"{source}/"):
                return f"{self.mirrors[source]}{full.removeprefix(source)}"
        registry, _, path = full.partition("/")
        return f"{self.mirror}/{path}" if self.mirror and registry in PUBLIC else image

    def pinned(self, image: str) -> str:
        """``image`` where it is pulled from, with its digest if it has one; the tag then only tells people."""
        moved = self.moved(image)
        digest = self.digests.get(image) or self.digests.get(moved)
        return f"{moved}@{digest}" if digest else moved

    @property
    def pull_secret_refs(self) -> list[dict[str, str]]:
        """The pull secrets as a ServiceAccount or a pod names them."""
        return [{"name": name} for name in self.pull_secrets]

    @property
    def of_account(self) -> dict[str, Any]:
        """What a ServiceAccount has beside its metadata so that its pods may pull."""
        return {"imagePullSecrets": self.pull_secret_refs} if self.pull_secrets else {}


def full_name(image: str) -> str:
    """An image with its registry said: Docker's, where it names none.

    Source: https://github.com/distribution/reference/blob/main/normalize.go
    """
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def repository(image: str) -> str:
    """An image's full name without tag and digest."""
    host, _, path = full_name(image).partition("@")[0].partition("/")
    return f"{host}/{path.partition(':')[0]}"


def name_and_version(image: str) -> tuple[str, str]:
    """An image's last name and its tag's version: ``pilot``, ``1.23.0`` of r.example/pilot:1.23.0-distroless."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    return name, tag.partition("-")[0]


def chart_image_values(chart: str, version: str, source: ImageSource) -> dict[str, Any]:
    """What one of Istio's charts of a version must be told so that what it runs, and injects, comes from ``source``.

    The registry is always said: the charts of 1.30 name one that ends in December 2026.
    """
    shared: dict[str, Any] = {"hub": source.moved(ISTIO_IMAGES)}
    if source.pull_secrets:
        # The charts put them on their ServiceAccounts, and istiod into every pod that it injects or makes.
        shared["imagePullSecrets"] = list(source.pull_secrets)
    values: dict[str, Any] = {"global": shared}
    for image in source.digests:
        name, its_version = name_and_version(image)
        for path in ISTIO_CHART_IMAGES[chart].get(name, ()) if its_version == version else ():
            node = values
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = source.pinned(image)
    return values
