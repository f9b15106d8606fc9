"""Helm's releases as their Secrets have them."""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.kube import MERGE, Kube
from operations.state.recover import Release, Revision, revisions, secrets

JSON = "application/json"
ISTIOD = Release(namespace="istio-system", name="istiod")


def set_status(kube: Kube, revision: Revision, status: str) -> None:
    """Make Helm believe that the revision got this far, as if whatever was at it had been killed."""
    content = _content(kube, revision)
    content["info"]["status"] = status
    kube.request("PATCH", revision.secret, _data(content, {}), content_type=MERGE)


def begin_upgrade(kube: Kube, revision: Revision) -> None:
    """Make Helm believe that it is upgrading the release, by a further revision like this one."""
    content = _content(kube, revision)
    content["version"] = revision.number + 1
    content["info"]["status"] = "pending-upgrade"
    begun = replace(revision, number=content["version"])
    labels = kube.get(revision.secret)["metadata"]["labels"] | {"version": str(begun.number)}
    metadata = {"name": begun.secret.rsplit("/", 1)[1], "labels": labels}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "metadata": metadata}
    kube.request("POST", secrets(revision.release.namespace), secret | _data(content, metadata), content_type=JSON)


def _content(kube: Kube, revision: Revision) -> dict[str, Any]:
    kept = kube.get(revision.secret)["data"]["release"]
    content: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(kept))))
    return content


def _data(content: dict[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(content).encode()))).decode()
    labels = {**metadata.get("labels", {}), "status": content["info"]["status"]}
    return {"metadata": {**metadata, "labels": labels}, "data": {"release": packed}}


def of(kube: Kube, release: Release) -> list[tuple[int, str]]:
    """Number and status of each revision, the first first."""
    return sorted((each.number, each.status) for each in revisions(kube, [release]))
