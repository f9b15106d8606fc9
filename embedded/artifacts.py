"""What the embedded cluster installs instead of downloading it: chart archives and the Gateway API's CRDs."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from embedded import toolchain
from embedded.errors import EmbeddedError
from embedded.files import write_bytes

CHARTS = Path(__file__).resolve().parent / "charts"
ISTIO_API = ("istio.io/api", "v1.24.2")
"""Where Istio's CRDs are taken from. 1.24 has those of 1.23 and a few fields more."""

ISTIO_CRDS = "kubernetes/customresourcedefinitions.gen.yaml"
GATEWAY_API = ("sigs.k8s.io/gateway-api", "v1.1.0")
CHANNELS = ("standard", "experimental")


def istio_versions(settings: Mapping[str, str]) -> list[str]:
    """Every version of Istio that a stack's configuration, by bare key, asks for."""
    revisions = json.loads(settings["revisions"])
    return sorted({settings["istioVersion"], *(revision["version"] for revision in revisions)})


def prepare(root: Path, istio_version: str, gateway_api: str = GATEWAY_API[1]) -> None:
    """Fill root/charts and root/gateway-api; what is there already and still right is left alone.

    Writes charts/NAME-VERSION.tgz of each chart here and gateway-api/VERSION/{standard,experimental}/*.yaml.

    Args:
        root: The cluster's folder; created where it is missing.
        istio_version: Such as 1.23.0, without a v: the charts' version and app version.
        gateway_api: The Gateway API's version, such as v1.1.0.

    Raises:
        Unreachable: A Go module that is needed cannot be downloaded.
        EmbeddedError: The folder cannot be written.
    """
    with _told(root):
        _pack_charts(root / "charts", istio_version)
    copy_gateway_api(root, gateway_api)


def copy_gateway_api(root: Path, version: str) -> None:
    """Fill root/gateway-api/VERSION/{standard,experimental} with the CRDs of a release of the Gateway API.

    Raises:
        Unreachable: Its Go module cannot be downloaded.
        EmbeddedError: There is no such version, or the folder cannot be written.
    """
    with _told(root):
        _copy_gateway_api(root / "gateway-api" / version)


@contextmanager
def _told(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"The embedded cluster's charts and CRDs cannot be written to {root}: {error}. Make room there."
        raise EmbeddedError(message) from error


def pack(chart: Path, version: str, extra: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """A chart's archive, the same bytes whenever and wherever it is made of the same files.

    Args:
        chart: The chart's folder.
        version: Becomes the chart's version and appVersion.
        extra: Further files, as path in the chart and content.
    """
    files = {str(path.relative_to(chart)): path.read_bytes() for path in chart.rglob("*") if path.is_file()}
    about = yaml.safe_load(files["Chart.yaml"])
    files["Chart.yaml"] = yaml.safe_dump({**about, "version": version, "appVersion": version}).encode()
    files.update(extra)
    archive = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", mtime=0, compresslevel=6) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{about['name']}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _pack_charts(folder: Path, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    charts = sorted(chart.parent for chart in CHARTS.glob("*/Chart.yaml"))
    archives = {chart: folder / f"{chart.name}-{version}.tgz" for chart in charts}
    made_of = folder / f".{version}.made-of"
    recipe = _recipe(version)
    if all(map(Path.exists, archives.values())) and made_of.exists() and made_of.read_text() == recipe:
        return
    crds = toolchain.module_dir(*ISTIO_API) / ISTIO_CRDS
    for chart, archive in archives.items():
        extra = [("crds/crds.yaml", crds.read_bytes())] if chart.name == "base" else []
        write_bytes(archive, pack(chart, version, extra))
    write_bytes(made_of, recipe.encode())


def _recipe(version: str) -> str:
    """A hash of everything that decides what the archives hold."""
    digest = hashlib.sha256(" ".join((version, *ISTIO_API)).encode())
    for path in sorted(CHARTS.rglob("*"), key=str):
        if path.is_file():
            digest.update(str(path.relative_to(CHARTS)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _copy_gateway_api(folder: Path) -> None:
    # Both channels come into being at once, by a rename: a folder that is there is whole.
    if folder.exists():
        return
    source = toolchain.module_dir(GATEWAY_API[0], folder.name) / "config" / "crd"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop:
        draft = Path(workshop) / folder.name
        for channel in CHANNELS:
            (draft / channel).mkdir(parents=True)
            for crd in (source / channel).glob("*.yaml"):
                if crd.name != "kustomization.yaml":
                    # Content only: Go's module cache is read-only.
                    shutil.copyfile(crd, draft / channel / crd.name)
        draft.rename(folder)
