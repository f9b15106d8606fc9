"""Helm's releases as their Secrets have them."""

import base64
import gzip
import json

from components.kube import MERGE, Kube
from operations.state.recover import Release, Revision, revisions

ISTIOD = Release(namespace="istio-system", name="istiod")


def set_status(kube: Kube, revision: Revision, status: str) -> None:
    """Make Helm believe that the revision got this far, as if whatever was at it had been killed."""
    kept = kube.get(revision.secret)["data"]["release"]
    content = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(kept))))
    content["info"]["status"] = status
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(content).encode()))).decode()
    patch = {"metadata": {"labels": {"status": status}}, "data": {"release": packed}}
    kube.request("PATCH", revision.secret, patch, content_type=MERGE)


def of(kube: Kube, release: Release) -> list[tuple[int, str]]:
    """Number and status of each revision, the first first."""
    return sorted((each.number, each.status) for each in revisions(kube, [release]))
