import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from embedded.errors import EmbeddedError
from embedded.images.load import adopt, discard, full_name, load
from embedded.images.oci import INDEX, MANIFEST, NAME, Image, Layout


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def oci_archive(folder: Path, name: str, content: bytes, **changes: Any) -> Path:
    """What Docker writes since version 25, and containerd."""
    layout = Layout(folder / "source", "x86_64")
    layout.add(Image(names=[name], layers=[{"/a": content}], config={}))
    layout.finish()
    files = {
        str(path.relative_to(layout.folder)): path.read_bytes() for path in layout.folder.rglob("*") if path.is_file()
    }
    return archive(folder / "oci.tar", {**files, **changes})


def names(layout: Path) -> dict[str, str]:
    manifests = json.loads((layout / "index.json").read_text())["manifests"]
    return {each["annotations"][NAME]: each["digest"] for each in manifests}


def layer_of(layout: Path, digest: str) -> bytes:
    manifest = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
    content: bytes = (layout / "blobs" / manifest["layers"][0]["digest"].replace(":", "/")).read_bytes()
    return content


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_an_archive_of_today_is_loaded(tmp_path: Path) -> None:
    source = oci_archive(tmp_path, "docker.io/me/shop:2", b"content")
    assert load(str(source), tmp_path / "layout") == ["docker.io/me/shop:2"]
    (digest,) = names(tmp_path / "layout").values()
    assert b"content" in layer_of(tmp_path / "layout", digest)
    assert sorted(path.name for path in (tmp_path / "layout").iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_an_archive_of_an_older_docker_is_loaded(tmp_path: Path) -> None:
    described = [{"Config": "abc.json", "RepoTags": ["me/shop:2", "nginx"], "Layers": ["one/layer.tar"]}]
    files = {"abc.json": b"{}", "one/layer.tar": b"a tar", "manifest.json": json.dumps(described).encode()}
    source = archive(tmp_path / "docker.tar", files)
    assert load(str(source), tmp_path / "layout") == ["docker.io/library/nginx:latest", "docker.io/me/shop:2"]
    assert {layer_of(tmp_path / "layout", digest) for digest in names(tmp_path / "layout").values()} == {b"a tar"}


def test_an_image_takes_the_place_of_the_one_of_its_name_and_others_stay(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    for folder, name, content in (
        ("1", "docker.io/me/a:1", b"old"),
        ("2", "docker.io/me/b:1", b"b"),
        ("3", "docker.io/me/a:1", b"new"),
    ):
        (tmp_path / folder).mkdir()
        load(str(oci_archive(tmp_path / folder, name, content)), layout)
    found = names(layout)
    assert set(found) == {"docker.io/me/a:1", "docker.io/me/b:1"}
    assert b"new" in layer_of(layout, found["docker.io/me/a:1"])


@pytest.mark.parametrize(("architecture", "loaded"), [("amd64", True), ("s390x", False)])
def test_of_an_image_for_several_processors_this_machines_is_taken(
    tmp_path: Path, architecture: str, loaded: bool
) -> None:
    source = Layout(tmp_path / "source", "x86_64")
    source.add(Image(names=["docker.io/me/a:1"], layers=[{"/a": b"mine"}], config={}))
    source.finish()
    described = json.loads((source.folder / "index.json").read_text())["manifests"][0]
    mine = {**described, "platform": {"os": "linux", "architecture": architecture}}
    others = {"mediaType": MANIFEST, "digest": "sha256:" + "0" * 64, "platform": {"os": "unknown"}}
    several = json.dumps({"manifests": [others, mine]}).encode()
    digest = hashlib.sha256(several).hexdigest()
    (source.blobs / digest).write_bytes(several)
    entry = {"mediaType": INDEX, "digest": f"sha256:{digest}", "annotations": {NAME: "docker.io/me/a:1"}}
    (source.folder / "index.json").write_text(json.dumps({"manifests": [entry]}))
    files = {
        str(each.relative_to(source.folder)): each.read_bytes() for each in source.folder.rglob("*") if each.is_file()
    }
    packed = archive(tmp_path / "several.tar", files)
    if loaded:
        assert load(str(packed), tmp_path / "layout") == ["docker.io/me/a:1"]
        assert names(tmp_path / "layout")["docker.io/me/a:1"] == described["digest"]
    else:
        with pytest.raises(EmbeddedError, match=r"docker\.io/me/a:1 of .*several\.tar is not for linux/amd64"):
            load(str(packed), tmp_path / "layout")


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    whole = oci_archive(tmp_path, "docker.io/me/a:1", b"content")
    with tarfile.open(whole) as tar:
        files = {each.name: file.read() for each in tar if (file := tar.extractfile(each))}
    largest = max((name for name in files if name.startswith("blobs/")), key=lambda name: len(files[name]))
    damaged = archive(tmp_path / "damaged.tar", {**files, largest: b"x" + files[largest][1:]})
    with pytest.raises(EmbeddedError, match="is damaged"):
        load(str(damaged), tmp_path / "layout")


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(EmbeddedError, match="file is not an archive of images"):
        load(str(tmp_path / "file"), tmp_path / "layout")


def test_an_image_without_a_name_is_refused(tmp_path: Path) -> None:
    described: list[dict[str, Any]] = [{"Config": "abc.json", "RepoTags": None, "Layers": []}]
    source = archive(tmp_path / "nameless.tar", {"abc.json": b"{}", "manifest.json": json.dumps(described).encode()})
    with pytest.raises(EmbeddedError, match="save it by its name"):
        load(str(source), tmp_path / "layout")


def test_without_docker_a_name_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match="me/shop:1 is no file, and docker"):
        load("me/shop:1", tmp_path / "layout")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("me/shop:2", "docker.io/me/shop:2"),
        ("quay.io/a/b/c:1", "quay.io/a/b/c:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
    ],
)
def test_names_are_as_the_node_asks_for_them(name: str, full: str) -> None:
    assert full_name(name) == full


def layout_with(folder: Path, **images: bytes) -> Path:
    """A layout of images a/NAME:1 with this content."""
    layout = Layout(folder, "x86_64")
    for name, content in images.items():
        layout.add(Image(names=[f"a/{name}:1"], layers=[{"/content": content}], config={}))
    layout.finish()
    return folder


def test_the_images_of_a_layout_are_adopted_as_the_same_files_and_told_once(tmp_path: Path) -> None:
    source = layout_with(tmp_path / "source", page=b"real", shop=b"shop")
    target = layout_with(tmp_path / "target", page=b"stand-in", other=b"other")
    assert adopt(source, target) == ["a/page:1", "a/shop:1"]
    found = names(target)
    assert set(found) == {"a/page:1", "a/shop:1", "a/other:1"}
    assert b"real" in layer_of(target, found["a/page:1"])
    blob = Path("blobs", found["a/page:1"].replace(":", "/"))
    assert (target / blob).samefile(source / blob)
    assert adopt(source, target) == []


def test_images_are_adopted_into_a_layout_that_is_not_there_yet(tmp_path: Path) -> None:
    assert adopt(layout_with(tmp_path / "source", page=b"real"), tmp_path / "target") == ["a/page:1"]
    assert json.loads((tmp_path / "target" / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def test_discarded_images_are_no_longer_found_and_others_are(tmp_path: Path) -> None:
    layout = layout_with(tmp_path, page=b"real", other=b"other")
    assert discard(["a/page:1", "a/never:1"], layout) == ["a/page:1"]
    assert set(names(layout)) == {"a/other:1"}
    assert discard(["a/page:1"], layout) == []
    assert discard(["a/page:1"], tmp_path / "missing") == []
