import io
import tarfile
from pathlib import Path

import pytest
import yaml

from embedded import istio
from embedded.errors import EmbeddedError

VALUES = "_internal_defaults_do_not_set:\n  global:\n    hub: registry.istio.io/testing\n    tag: latest\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The part of Istio's module that charts are packaged from."""
    (tmp_path / "VERSION").write_text("1.31\n")
    for name, place in istio.CHARTS.items():
        chart = tmp_path / "manifests/charts" / place
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(f"name: {name}\nversion: 1.0.0\nappVersion: 1.0.0\n")
        (chart / "values.yaml").write_text(VALUES if name != "base" else "revision: ''\n")
        (chart / "templates/crds.yaml").write_text("{{ .Values }}")
    return tmp_path


def packaged(archive: Path) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes()), mode="r:gz") as tar:
        return {each.name: file.read() for each in tar if (file := tar.extractfile(each))}


def test_charts_are_stamped_as_a_releases_are(source: Path, tmp_path: Path) -> None:
    istio.package(source, tmp_path / "charts")
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == [
        f"{name}-1.31.0.tgz" for name in sorted(istio.CHARTS)
    ]
    files = packaged(tmp_path / "charts/istiod-1.31.0.tgz")
    about = yaml.safe_load(files["istiod/Chart.yaml"])
    assert (about["version"], about["appVersion"]) == ("1.31.0", "1.31.0")
    defaults = yaml.safe_load(files["istiod/values.yaml"])["_internal_defaults_do_not_set"]
    assert defaults["global"] == {"hub": "docker.io/istio", "tag": "1.31.0"}
    assert files["istiod/templates/crds.yaml"] == b"{{ .Values }}"


def test_charts_without_images_are_as_they_were(source: Path, tmp_path: Path) -> None:
    istio.package(source, tmp_path / "charts")
    assert packaged(tmp_path / "charts/base-1.31.0.tgz")["base/values.yaml"] == b"revision: ''\n"


def test_a_chart_of_which_only_half_can_be_stamped_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "manifests/charts/ztunnel/values.yaml").write_text("hub: registry.istio.io/testing\ntag: newest\n")
    with pytest.raises(EmbeddedError, match=r"ztunnel/values\.yaml has only one of"):
        istio.package(source, tmp_path / "charts")
