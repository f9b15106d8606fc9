"""The Istio of the embedded cluster: what is served of it as a Go module, packaged as its releases are."""

from pathlib import Path

from embedded.artifacts import pack
from embedded.errors import EmbeddedError
from embedded.files import write_bytes

MODULE = "istio.io/istio"
HUB = "docker.io/istio"
"""Where releases' charts look for images."""

CHARTS = {
    "base": "base",
    "cni": "istio-cni",
    "gateway": "gateway",
    "istiod": "istio-control/istio-discovery",
    "ztunnel": "ztunnel",
}
"""By name of a chart, its folder below manifests/charts."""

BOOTSTRAP = "tools/packaging/common/envoy_bootstrap.json"
"""The template of the configuration that Envoy is started with."""

_DEVELOPMENT_HUB = "registry.istio.io/testing"
_DEVELOPMENT_TAG = "tag: latest"

VALUES = {
    "telemetry": {"enabled": False},
    "env": {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"},
    "pilot": {"resources": {"requests": {"cpu": "10m", "memory": "100Mi"}}},
    "global": {
        "nativeNftables": True,
        "proxy": {"resources": {"requests": {"cpu": "10m", "memory": "40Mi"}}},
    },
}
"""Values of the istiod chart for an Envoy without Istio's own filters, pods redirected by nftables, and small requests.

Without its filters istio.stats, istio.alpn and the exchange of metadata, Envoy refuses a configuration that names them.
The requests are those of Istio's profile `demo`: two cores then have room for services beside Bookinfo.
"""


def version(source: Path) -> str:
    """The version that the charts and images carry, such as 1.31.0.

    Args:
        source: The folder of the module.
    """
    return f"{(source / 'VERSION').read_text().strip()}.0"


def package(source: Path, folder: Path) -> None:
    """Write NAME-VERSION.tgz of each chart, stamped with version, hub and tag as Istio's release builder stamps them.

    Args:
        source: The folder of the module.
        folder: Usable as istioChartRepository then; created where it is missing.

    Raises:
        EmbeddedError: A chart lacks what is to be stamped, or the folder cannot be written.
    """
    number = version(source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, place in CHARTS.items():
            chart = source / "manifests" / "charts" / place
            archive = pack(chart, number, [("values.yaml", stamped(chart / "values.yaml", number).encode())])
            write_bytes(folder / f"{name}-{number}.tgz", archive)
    except OSError as error:
        message = f"Istio's charts cannot be written to {folder}: {error}. Make room there, then try again."
        raise EmbeddedError(message) from error


def stamped(values: Path, number: str) -> str:
    """A chart's values with a release's hub and tag in the place of the development's.

    Raises:
        EmbeddedError: They name one without the other.
    """
    text = values.read_text()
    if (_DEVELOPMENT_HUB in text) != (_DEVELOPMENT_TAG in text):
        message = f"{values} has only one of {_DEVELOPMENT_HUB!r} and {_DEVELOPMENT_TAG!r}: what is to be stamped?"
        raise EmbeddedError(message)
    return text.replace(_DEVELOPMENT_HUB, HUB).replace(_DEVELOPMENT_TAG, f"tag: {number}")
