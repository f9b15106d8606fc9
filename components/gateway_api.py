"""The objects of a Gateway API release, from the official release or from a file or folder."""

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi
import yaml

GROUP = "gateway.networking.k8s.io"
BUNDLE_VERSION = f"{GROUP}/bundle-version"
CHANNEL = f"{GROUP}/channel"
# The experimental channel has kinds of both (XMesh, from v1.4 on).
GROUPS = (GROUP, "gateway.networking.x-k8s.io")
CRD = "CustomResourceDefinition"
# The policy of releases from v1.5 on, and its binding of the same name, that guard a cluster from older ones.
POLICY = f"safe-upgrades.{GROUP}"
RELEASE = "https://github.com/kubernetes-sigs/gateway-api/releases/download/{version}/{channel}-install.yaml"
FETCH_TIMEOUT_SECONDS = 60
# libyaml reads the 700 kB in a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
UNREADABLE = (yaml.YAMLError, KeyError, TypeError, ValueError)


def cache_folder() -> Path:
    """Where fetched files are kept for the next run: istio-minikube under the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "istio-minikube"


def load_manifest(source: str, version: str, channel: str, cache: Path) -> list[dict[str, Any]]:
    """Every object of the Gateway API release ``version`` in ``channel``.

    Args:
        source: a YAML file, or a folder of them; empty takes the official release, which is fetched once.
        version: vMAJOR.MINOR.PATCH.
        channel: standard or experimental.
        cache: the folder that keeps what was fetched.

    Raises:
        pulumi.RunError: the file or folder is missing or is of another version or channel, or nothing can be fetched.
    """
    files = release_files(source, version, channel, cache)
    documents = [document for file in files for document in _documents(file, cache)]
    # Only the CRDs: v1.5.1's own ValidatingAdmissionPolicy says v1.5.0-dev.
    for document in (found for found in documents if found["kind"] == CRD):
        annotations = document["metadata"].get("annotations") or {}
        found = (annotations.get(BUNDLE_VERSION), annotations.get(CHANNEL))
        if found != (version, channel):
            raise pulumi.RunError(
                f"gatewayApiManifest {source or files[0]} holds {document['metadata']['name']} of version {found[0]} "
                f"and channel {found[1]}; accepted: gatewayApiVersion {version} and gatewayApiChannel {channel}"
            )
    return documents


def labelled(metadata: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """An object's metadata as the release has it, with ``labels`` added."""
    kept = {key: value for key, value in metadata.items() if key != "creationTimestamp"}
    return {**kept, "labels": {**kept.get("labels", {}), **labels}}


def digest(documents: Sequence[Mapping[str, Any]]) -> str:
    """What tells these objects from any others: ``sha256:`` and the digest of their content."""
    return f"sha256:{hashlib.sha256(json.dumps(documents, sort_keys=True, default=str).encode()).hexdigest()}"


def release_files(source: str, version: str, channel: str, cache: Path) -> list[Path]:
    """The files that hold a release; see load_manifest."""
    return _files(Path(source).expanduser()) if source else [_fetched(version, channel, cache)]


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        files = sorted(file for file in source.glob("*.yaml") if file.name != "kustomization.yaml")
    else:
        files = [source] if source.is_file() else []
    if not files:
        raise pulumi.RunError(
            f"gatewayApiManifest {source} is no file and no folder with .yaml files; accepted: a path of Gateway API "
            "CRDs, or nothing to take the official release"
        )
    return files


def _documents(file: Path, cache: Path) -> list[dict[str, Any]]:
    """A file's objects. Kept as JSON by what the file holds: to parse the YAML anew is a tenth of a preview's time."""
    try:
        content = file.read_bytes()
        kept = cache / "parsed" / f"{hashlib.sha256(content).hexdigest()}.json"
        if kept.is_file():
            return list(json.loads(kept.read_bytes()))
        documents = _parsed(content)
        text = json.dumps(documents)
    except (OSError, *UNREADABLE) as error:
        reason = " ".join(str(error).split())
        raise pulumi.RunError(f"gatewayApiManifest {file} is not YAML of Kubernetes objects: {reason}") from error
    with suppress(OSError):  # where nothing can be kept, the next run only takes longer
        _keep(kept, text.encode())
    return documents


def _parsed(content: bytes) -> list[dict[str, Any]]:
    """The objects in a file's content, or one of the errors in ``UNREADABLE``."""
    # A safe loader, just the compiled one.
    documents = [document for document in yaml.load_all(content, Loader=LOADER) if document]
    for document in documents:
        document["kind"], document["metadata"]["name"], document["spec"]
    if not documents:
        raise ValueError("it holds no object")
    return documents


def reason(error: Exception) -> object:
    """Why a fetch failed: an address that does not answer has it inside of ``<urlopen error ...>``."""
    return error.reason if type(error) is urllib.error.URLError else error


def _fetched(version: str, channel: str, cache: Path) -> Path:
    """The release's file in the cache, fetched if it is not there; a broken download leaves nothing behind."""
    kept = cache / "gateway-api" / f"{version}-{channel}.yaml"
    if kept.is_file():
        return kept
    address = RELEASE.format(version=version, channel=channel)
    pulumi.info(f"Fetching {address}")
    try:
        with urllib.request.urlopen(address, timeout=FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310 a literal https address
            content = answer.read()
        _parsed(content)  # a proxy's page of excuses must not be kept
        _keep(kept, content)
    except (urllib.error.URLError, http.client.HTTPException, OSError, *UNREADABLE) as error:
        raise pulumi.RunError(
            f"the Gateway API's CRDs cannot be fetched from {address}: {reason(error)}. Check gatewayApiVersion "
            f"({version}) and the network, or set gatewayApiManifest to a file or folder that holds them"
        ) from error
    return kept


def _keep(file: Path, content: bytes) -> None:
    """Write a file of the cache; whoever reads it finds all of it or nothing."""
    partial = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
