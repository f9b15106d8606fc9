"""Writes OCI image layouts, the same bytes whenever they are made of the same files.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from embedded.files import write_bytes

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEX = "application/vnd.oci.image.index.v1+json"
NAME = "io.containerd.image.name"
"""The annotation by which containerd, and nodekit's registry, know an image."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
COPY_SIZE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Folder:
    """An empty folder in an image."""

    mode: int = 0o755


@dataclass(frozen=True, kw_only=True)
class Link:
    """A symbolic link in an image, to a path there, relative or not."""

    target: str


Content = bytes | Path | Folder | Link
"""What is in an image at some path: bytes, a copy of a file of this machine's (executable), an empty folder, a link."""

Layer = Mapping[str, Content]
"""Content by absolute path in the image."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image.

    Attributes:
        names: with registry and tag, such as docker.io/istio/pilot:1.31.0.
        layers: from the lowest up.
        config: as in the image specification: Entrypoint, Env, User, WorkingDir.
    """

    names: Sequence[str]
    layers: Sequence[Layer]
    config: Mapping[str, Any]


class Layout:
    """An OCI image layout that is being written into a folder."""

    def __init__(self, folder: Path, machine: str = platform.machine()) -> None:
        """Begin a layout.

        Args:
            folder: Made where it is missing; blobs that are there are kept and used.
            machine: The processor that the images are for, as the kernel names it.
        """
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self._architecture = ARCHITECTURES[machine]
        self._layers: dict[int, dict[str, Any]] = {}
        self._manifests: list[dict[str, Any]] = []

    def add(self, image: Image) -> None:
        """Write an image; a layer that images share, being the same object, is written once."""
        layers = [self._layer(layer) for layer in image.layers]
        body = {
            "architecture": self._architecture,
            "os": "linux",
            "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._json(CONFIG, body),
            "layers": layers,
        }
        described = self._json(MANIFEST, manifest)
        self._manifests += [{**described, "annotations": {NAME: name}} for name in image.names]

    def finish(self) -> None:
        """Make the images that were added the layout's only ones."""
        write_bytes(self.folder / "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._manifests}
        write_bytes(self.folder / "index.json", json.dumps(index, indent=1).encode())

    def _layer(self, layer: Layer) -> dict[str, Any]:
        if id(layer) not in self._layers:
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as draft:
                digest = _pack(layer, draft.file)
            path = Path(draft.name)
            size = path.stat().st_size
            path.chmod(0o644)
            path.replace(self.blobs / digest)
            self._layers[id(layer)] = {"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size}
        return self._layers[id(layer)]

    def _json(self, media_type: str, content: object) -> dict[str, Any]:
        data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        write_bytes(self.blobs / digest, data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


class _Hashing(io.RawIOBase):
    """Passes on what is written to it, and knows its digest."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink, self.digest = sink, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self.sink.write(data)


def _pack(layer: Layer, sink: IO[bytes]) -> str:
    """Write a layer as a tar archive without times, owners or an order of chance; its digest."""
    hashing = _Hashing(sink)
    with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT, bufsize=COPY_SIZE) as tar:
        for name, content in sorted(layer.items()):
            entry = tarfile.TarInfo(name.lstrip("/"))
            if isinstance(content, Folder):
                entry.type, entry.mode = tarfile.DIRTYPE, content.mode
                tar.addfile(entry)
            elif isinstance(content, Link):
                entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, content.target
                tar.addfile(entry)
            elif isinstance(content, bytes):
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
            else:
                entry.size, entry.mode = content.stat().st_size, 0o755
                with content.open("rb") as source:
                    tar.addfile(entry, source)
    return hashing.digest.hexdigest()
