"""What is in each image of the embedded cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from embedded.images.libraries import needed
from embedded.images.oci import Folder, Image, Layer
from embedded.istio import HUB
from embedded.node.addresses import PAUSE
from embedded.node.parts import Parts

COREDNS = "docker.io/coredns/coredns:embedded"
CLIENT = "docker.io/embedded/client:latest"
"""Sends requests; for checks and tests: ``bookinfo get``."""

BOOKINFO = ("details-v1", "productpage-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3")
BOOKINFO_TAGS = ("1.20.1", "1.20.3")
"""Under which releases of Istio ask for its sample's images."""

BOOKINFO_ENVIRONMENT = {
    "reviews-v2": {"ENABLE_RATINGS": "true", "STAR_COLOR": "black"},
    "reviews-v3": {"ENABLE_RATINGS": "true", "STAR_COLOR": "red"},
}
"""What the versions of one program differ in, as in upstream's images."""

PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROXY_USER = 1337

BASE: Layer = {
    "/etc/passwd": f"root:x:0:0::/:/\nistio-proxy:x:{PROXY_USER}:{PROXY_USER}::/:/\n".encode(),
    "/etc/group": f"root:x:0:\nistio-proxy:x:{PROXY_USER}:\n".encode(),
    "/etc/nsswitch.conf": b"hosts: files dns\n",
    "/tmp": Folder(mode=0o1777),  # noqa: S108 the image's own
}


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the images are made of.

    Attributes:
        parts: the programs.
        bootstrap: the template of Envoy's first configuration that belongs to the Istio.
        istio_version: the tag of Istio's images.
    """

    parts: Parts
    bootstrap: Path
    istio_version: str


def images(sources: Sources) -> list[Image]:
    """All images of the cluster."""
    return [*_cluster(sources.parts.node), *_istio(sources), *_bookinfo(sources.parts.node)]


def workload_names(workload: str) -> list[str]:
    """The names of the image of one of Bookinfo's workloads, such as reviews-v1."""
    return [f"{HUB}/examples-bookinfo-{workload}:{tag}" for tag in BOOKINFO_TAGS]


def _cluster(node: Path) -> Iterable[Image]:
    yield Image(
        names=[PAUSE], layers=[{"/pause": node / "pause"}], config={"Entrypoint": ["/pause"], "User": "65535:65535"}
    )
    yield Image(names=[COREDNS], layers=[BASE, {"/coredns": node / "coredns"}], config={"Entrypoint": ["/coredns"]})


def _istio(sources: Sources) -> Iterable[Image]:
    version, parts = sources.istio_version, sources.parts
    config = {"User": f"{PROXY_USER}:{PROXY_USER}", "Env": [PATH], "WorkingDir": "/"}
    yield Image(
        names=[f"{HUB}/pilot:{version}"],
        layers=[BASE, {"/usr/local/bin/pilot-discovery": parts.istio / "pilot-discovery"}],
        config={**config, "Entrypoint": ["/usr/local/bin/pilot-discovery"]},
    )
    # As upstream's, whose plugin is copied from there to the node; the node's own nft runs in no container.
    yield Image(
        names=[f"{HUB}/install-cni:{version}"],
        layers=[
            BASE,
            {"/usr/sbin/nft": parts.nft, **needed([parts.nft], parts.libraries)},
            {
                "/opt/cni/bin/istio-cni": parts.istio / "istio-cni",
                "/usr/local/bin/install-cni": parts.istio / "install-cni",
            },
        ],
        config={"Env": [PATH], "WorkingDir": "/opt/cni/bin", "Cmd": ["/usr/local/bin/install-cni"]},
    )
    # What changes least is lowest.
    yield Image(
        names=[f"{HUB}/proxyv2:{version}"],
        layers=[
            BASE,
            {"/usr/sbin/nft": parts.nft, **needed([parts.nft, parts.istio / "envoy"], parts.libraries)},
            {"/usr/local/bin/envoy": parts.istio / "envoy"},
            {
                "/usr/local/bin/pilot-agent": parts.istio / "pilot-agent",
                "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": sources.bootstrap.read_bytes(),
            },
        ],
        config={**config, "Entrypoint": ["/usr/local/bin/pilot-agent"]},
    )


def _bookinfo(node: Path) -> Iterable[Image]:
    program: Layer = {"/usr/local/bin/bookinfo": node / "bookinfo"}
    for workload in BOOKINFO:
        service, _, version = workload.partition("-")
        variables = {"SERVICE_VERSION": version, **BOOKINFO_ENVIRONMENT.get(workload, {})}
        yield Image(
            names=workload_names(workload),
            layers=[BASE, program],
            config={
                "Entrypoint": ["bookinfo", service],
                "Cmd": ["9080"],
                "Env": [PATH, *(f"{name}={value}" for name, value in variables.items())],
                "User": "1000:1000",
            },
        )
    yield Image(names=[CLIENT], layers=[BASE, program], config={"Entrypoint": ["bookinfo", "wait"], "Env": [PATH]})
