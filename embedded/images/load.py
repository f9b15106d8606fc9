"""Adds images of the user's own to a cluster's: from an archive, or from the machine's Docker."""

import hashlib
import json
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

from embedded.errors import EmbeddedError
from embedded.files import write
from embedded.images.build import link_or_copy
from embedded.images.oci import ARCHITECTURES, CONFIG, COPY_SIZE, INDEX, LAYER, MANIFEST, NAME

REFERENCE = "org.opencontainers.image.ref.name"
DESCRIPTOR = ("mediaType", "digest", "size")
_INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")


def load(image: str, layout: Path) -> list[str]:
    """Add images to a layout, in the place of those of the same names; return the names.

    Args:
        image: The path of an archive, as `docker save` or `ctr images export` write it, or a name that Docker knows.
        layout: The folder of the layout; created where it is missing.

    Raises:
        EmbeddedError: There is no such image, or it is not for this machine's processor.
    """
    if Path(image).is_file():
        return load_archive(Path(image), layout)
    if shutil.which("docker") is None:
        message = f"{image} is no file, and docker, which might have an image of that name, is not on PATH."
        raise EmbeddedError(message)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        saved = subprocess.run(
            ["docker", "save", "--output", archive, image], capture_output=True, text=True, check=False
        )
        if saved.returncode != 0:
            message = f"{image} is no file, and Docker does not have it: {saved.stderr.strip()}"
            raise EmbeddedError(message)
        return load_archive(archive, layout)


def load_archive(archive: Path, layout: Path) -> list[str]:
    """Add the images of an archive to a layout; see `load`."""
    try:
        with tarfile.open(archive) as tar:
            return _Loading(archive, tar, layout).run()
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        message = f"{archive} is not an archive of images, as docker save writes it: {error}."
        raise EmbeddedError(message) from error


def adopt(source: Path, layout: Path) -> list[str]:
    """Add every image of a layout to another one, as further names of the same files.

    Returns the names of images that are others than it had.

    Args:
        source: The folder of the one.
        layout: The folder of the other; created where it is missing.
    """
    before = _images(layout)
    changed = {name: described for name, described in _images(source).items() if before.get(name) != described}
    if not changed:
        return []
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for blob in (source / "blobs" / "sha256").iterdir():
        if not (blobs / blob.name).exists():
            link_or_copy(blob, blobs / blob.name)
    _write_index(layout, {**before, **changed})
    return sorted(changed)


def discard(names: Collection[str], layout: Path) -> list[str]:
    """Remove images from a layout by their names; the names of those that it had. Files stay: others may need them."""
    before = _images(layout)
    kept = {name: described for name, described in before.items() if name not in names}
    if len(kept) == len(before):
        return []
    _write_index(layout, kept)
    return sorted(set(before) - set(kept))


def _images(layout: Path) -> dict[str, dict[str, Any]]:
    """By name, the manifests of a layout's images."""
    index = layout / "index.json"
    entries = json.loads(index.read_text())["manifests"] if index.exists() else []
    return {each["annotations"][NAME]: {key: each[key] for key in DESCRIPTOR} for each in entries}


def _write_index(layout: Path, images: Mapping[str, Mapping[str, Any]]) -> None:
    entries = [{**described, "annotations": {NAME: name}} for name, described in images.items()]
    write(layout / "index.json", json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, indent=1))
    write(layout / "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}))


class _Loading:
    def __init__(self, archive: Path, tar: tarfile.TarFile, layout: Path) -> None:
        self.archive, self.tar, self.layout = archive, tar, layout
        self.members = {each.name.removeprefix("./"): each for each in tar if each.isfile()}
        self.blobs = layout / "blobs" / "sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)

    def run(self) -> list[str]:
        found = self._of_layout() if "index.json" in self.members else {}
        found = found or self._of_docker()
        if not found:
            message = f"{self.archive} holds no image with a name: save it by its name, not by its id."
            raise EmbeddedError(message)
        _write_index(self.layout, {**_images(self.layout), **found})
        return sorted(found)

    def _of_layout(self) -> dict[str, dict[str, Any]]:
        """By name, the manifests of an archive that is an OCI image layout."""
        found = {}
        for described in self._json("index.json")["manifests"]:
            annotations = described.get("annotations", {})
            name = annotations.get(NAME) or annotations.get(REFERENCE, "")
            if name and not name.isalnum():
                found[full_name(name)] = self._copied(self._for_this_machine(described, name))
        return found

    def _of_docker(self) -> dict[str, dict[str, Any]]:
        """By name, manifests of an archive as Docker wrote it before version 25."""
        found: dict[str, dict[str, Any]] = {}
        for image in self._json("manifest.json"):
            layers = [{"mediaType": LAYER, **self._copy(path)} for path in image["Layers"]]
            config = {"mediaType": CONFIG, **self._copy(image["Config"])}
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
            data = json.dumps(manifest, sort_keys=True).encode()
            digest = hashlib.sha256(data).hexdigest()
            (self.blobs / digest).write_bytes(data)
            described = {"mediaType": MANIFEST, "digest": f"sha256:{digest}", "size": len(data)}
            found |= {full_name(name): described for name in image["RepoTags"] or []}
        return found

    def _for_this_machine(self, described: dict[str, Any], name: str) -> dict[str, Any]:
        if described["mediaType"] not in _INDEXES:
            return described
        architecture = ARCHITECTURES[platform.machine()]
        for each in self._json(_path(described))["manifests"]:
            where = each.get("platform", {})
            if (where.get("os"), where.get("architecture")) == ("linux", architecture):
                return self._for_this_machine(each, name)
        message = f"{name} of {self.archive} is not for linux/{architecture}."
        raise EmbeddedError(message)

    def _copied(self, described: dict[str, Any]) -> dict[str, Any]:
        """Copy a manifest and what it is made of; the manifest's descriptor."""
        manifest = self._json(_path(described))
        for part in (manifest["config"], *manifest["layers"], described):
            copied = self._copy(_path(part))
            if copied["digest"] != part["digest"]:
                message = f"{self.archive} is damaged: {part['digest']} is {copied['digest']}."
                raise EmbeddedError(message)
        return {key: described[key] for key in DESCRIPTOR}

    def _copy(self, path: str) -> dict[str, Any]:
        digest = hashlib.sha256()
        with self._open(path) as source, tempfile.NamedTemporaryFile(dir=self.layout, delete=False) as draft:
            while data := source.read(COPY_SIZE):
                digest.update(data)
                draft.write(data)
        Path(draft.name).replace(self.blobs / digest.hexdigest())
        return {"digest": f"sha256:{digest.hexdigest()}", "size": self.members[path].size}

    def _json(self, path: str) -> Any:
        with self._open(path) as source:
            return json.load(source)

    def _open(self, path: str) -> IO[bytes]:
        source = self.tar.extractfile(self.members[path])
        if source is None:  # only files are members
            raise KeyError(path)
        return source


def _path(described: dict[str, Any]) -> str:
    return f"blobs/{described['digest'].replace(':', '/')}"


def full_name(name: str) -> str:
    """A name with registry and tag, as the node asks for it: nginx is docker.io/library/nginx:latest."""
    host, slash, rest = name.partition("/")
    if not slash:
        host, rest = "docker.io", f"library/{name}"
    elif not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", name
    last = rest.rpartition("/")[2]
    return f"{host}/{rest}" if ":" in last else f"{host}/{rest}:latest"
