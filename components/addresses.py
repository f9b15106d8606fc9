"""Where Istio publishes, and where it does so no longer: pure data and rules.

Source: https://istio.io/latest/blog/2026/retirement-of-gcp/ and istio/istio#61467: everything hosted on Google's cloud
is removed in December 2026, and Istio 1.31 was never published there.
"""

import re
from collections.abc import Mapping

# Istio's images and, as examples-bookinfo-*, those of its sample.
ISTIO_IMAGES = "docker.io/istio"
# What ends, and what has the same: charts before images, as their addresses begin alike.
RETIRED: Mapping[str, str] = {
    "istio-release.storage.googleapis.com/charts": "blob.istio.io/istio-release/charts",
    "gcr.io/istio-release/charts": "ghcr.io/istio/release/charts",
    "registry.istio.io/release/charts": "ghcr.io/istio/release/charts",
    "gcr.io/istio-release": ISTIO_IMAGES,
    "registry.istio.io/release": ISTIO_IMAGES,
}
RETIREMENT = "December 2026"


def retired_in(text: str) -> dict[str, str]:
    """The retired addresses that a text names, each with what to write in its place.

    A mirror's path may hold one (``mirror.example/gcr.io/istio-release``), which goes on working.
    """
    found = {}
    for old, new in RETIRED.items():
        named = re.compile(rf"((?<=://)|(?<![\w./:-])){re.escape(old)}(?![\w-])")
        if named.search(text):
            found[old], text = new, named.sub("", text)
    return found
