"""The images of the embedded cluster; what the program thinks of images is in test_images.py."""

import errno
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from components.workloads import bookinfo
from embedded.errors import EmbeddedError
from embedded.images import build, contents, libraries
from embedded.images.oci import NAME, Folder, Image, Layer, Layout, Link
from embedded.node.parts import Parts

PROGRAM_FILES = (
    "pause",
    "coredns",
    "bookinfo",
    "pilot-discovery",
    "pilot-agent",
    "install-cni",
    "istio-cni",
    "envoy",
    "nft",
)


def read(layout: Path) -> dict[str, dict[str, Any]]:
    """Manifests by name of image, every digest on the way checked."""
    index = json.loads((layout / "index.json").read_text())
    return {each["annotations"][NAME]: json.loads(blob(layout, each)) for each in index["manifests"]}


def blob(layout: Path, described: dict[str, Any]) -> bytes:
    content: bytes = (layout / "blobs" / described["digest"].replace(":", "/")).read_bytes()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == described["digest"]
    assert len(content) == described["size"]
    return content


def files(layout: Path, described: dict[str, Any]) -> dict[str, tuple[int, bytes | None]]:
    """What a layer holds: mode and content by path."""
    path = layout / "blobs" / described["digest"].replace(":", "/")
    with tarfile.open(path) as tar:
        return {each.name: (each.mode, file.read() if (file := tar.extractfile(each)) else None) for each in tar}


def write(folder: Path, *images: Image) -> Path:
    layout = Layout(folder, "x86_64")
    for image in images:
        layout.add(image)
    layout.finish()
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program"
    file.write_bytes(b"\x7fELF")
    return file


def test_an_image_holds_what_it_is_given(tmp_path: Path, program: Path) -> None:
    layer: Layer = {"/bin/program": program, "/etc/passwd": b"root:x:0:0", "/tmp": Folder(mode=0o1777)}  # noqa: S108
    image = Image(names=["docker.io/a/b:1"], layers=[layer], config={"Entrypoint": ["/bin/program"]})
    layout = write(tmp_path / "layout", image)
    manifest = read(layout)["docker.io/a/b:1"]
    assert files(layout, manifest["layers"][0]) == {
        "bin/program": (0o755, b"\x7fELF"),
        "etc/passwd": (0o644, b"root:x:0:0"),
        "tmp": (0o1777, None),
    }
    config = json.loads(blob(layout, manifest["config"]))
    assert config["config"] == {"Entrypoint": ["/bin/program"]}
    assert config["architecture"] == "amd64"
    # Uncompressed, so a layer's digest is that of its content.
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]


def test_a_link_in_an_image_leads_where_it_is_told(tmp_path: Path) -> None:
    layer: Layer = {"/usr/bin/ruby": Link(target="ruby3.1")}
    layout = write(tmp_path / "layout", Image(names=["a:1"], layers=[layer], config={}))
    (described,) = read(layout)["a:1"]["layers"]
    with tarfile.open(layout / "blobs" / described["digest"].replace(":", "/")) as tar:
        assert [(each.name, each.issym(), each.linkname) for each in tar] == [("usr/bin/ruby", True, "ruby3.1")]


def test_the_same_files_make_the_same_bytes_whenever(tmp_path: Path, program: Path) -> None:
    image = Image(names=["a:1"], layers=[{"/z": program, "/a": b"1"}], config={"User": "1", "Env": []})
    other = Image(names=["a:1"], layers=[{"/a": b"1", "/z": program}], config={"Env": [], "User": "1"})
    first = write(tmp_path / "first", image)
    program.touch()
    second = write(tmp_path / "second", other)
    assert (first / "index.json").read_bytes() == (second / "index.json").read_bytes()


def test_a_layer_that_images_share_is_there_once_and_no_draft_is_left(tmp_path: Path) -> None:
    base: Layer = {"/etc/passwd": b"root"}
    images = [Image(names=[name], layers=[base], config={"Cmd": [name]}) for name in ("a:1", "b:1")]
    layout = write(tmp_path / "layout", *images)
    blobs = list((layout / "blobs/sha256").iterdir())
    assert len(blobs) == 1 + 2 + 2  # the layer; configurations; manifests
    assert sorted(path.name for path in layout.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_images_are_made_once_and_again_when_a_file_changes(tmp_path: Path, program: Path) -> None:
    image = Image(names=["a:1"], layers=[{"/p": program}], config={})
    folder = build.ensure(tmp_path / "images", [image])
    written = (folder / "index.json").stat().st_mtime_ns
    assert build.ensure(folder, [image]) == folder
    assert (folder / "index.json").stat().st_mtime_ns == written
    program.write_bytes(b"\x7fELF, a newer one")
    build.ensure(folder, [image])
    (layer,) = read(folder)["a:1"]["layers"]
    assert files(folder, layer)["p"][1] == b"\x7fELF, a newer one"
    assert len(list((folder / "blobs/sha256").iterdir())) == 3  # of the older image nothing


def test_an_interrupted_making_is_begun_anew(tmp_path: Path, program: Path) -> None:
    (tmp_path / "images.new/blobs/sha256").mkdir(parents=True)
    (tmp_path / "images.new/blobs/sha256/half").write_bytes(b"half a layer")
    folder = build.ensure(tmp_path / "images", [Image(names=["a:1"], layers=[{"/p": program}], config={})])
    assert not list(folder.rglob("half"))
    assert not (tmp_path / "images.new").exists()


def test_a_cluster_keeps_the_images_that_it_began_with(tmp_path: Path, program: Path) -> None:
    image = Image(names=["a:1"], layers=[{"/p": program}], config={})
    made, kept = build.ensure(tmp_path / "images", [image]), tmp_path / "cluster/images"
    assert build.link(made, kept) is True
    assert build.link(made, kept) is False
    before = (kept / "index.json").read_bytes()
    program.write_bytes(b"\x7fELF, a newer one")
    build.ensure(made, [image])
    assert (kept / "index.json").read_bytes() == before
    assert all(blob(kept, layer) for layer in read(kept)["a:1"]["layers"])
    assert build.link(made, kept) is True
    assert (kept / "index.json").read_bytes() != before


def test_images_on_another_disk_are_copied_and_a_full_disk_leaves_nothing(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    made = build.ensure(tmp_path / "images", [Image(names=["a:1"], layers=[{"/p": program}], config={})])
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    build.link(made, tmp_path / "copied")
    assert read(tmp_path / "copied").keys() == {"a:1"}
    monkeypatch.setattr("shutil.copy2", refuse)
    with pytest.raises(OSError, match="Invalid"):
        build.link(made, tmp_path / "full")
    assert not list(tmp_path.glob("full*"))


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    image = Image(names=["a:1"], layers=[{"/p": tmp_path / "nowhere"}], config={})
    with pytest.raises(EmbeddedError, match="nowhere"):
        build.ensure(tmp_path / "images", [image])


def test_ldd_tells_the_libraries_and_the_loader() -> None:
    printed = (
        "\tlinux-vdso.so.1 (0x00007ffc)\n"
        "\tlibnftables.so.1 => /deb/lib/libnftables.so.1 (0x00007f1)\n"
        "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)\n"
        "\tlibgone.so.3 => not found\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n"
    )
    assert libraries.parse(printed) == (
        {
            "/lib/libnftables.so.1": Path("/deb/lib/libnftables.so.1"),
            "/lib/libc.so.6": Path("/lib/x86_64-linux-gnu/libc.so.6"),
            "/lib64/ld-linux-x86-64.so.2": Path("/lib64/ld-linux-x86-64.so.2"),
        },
        ["libgone.so.3"],
    )


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> contents.Sources:
    for name in PROGRAM_FILES:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "bootstrap.json").write_text("{}")
    monkeypatch.setattr(contents, "needed", lambda binaries, _: {f"/lib/of-{each.name}": each for each in binaries})
    return contents.Sources(
        parts=Parts(control_plane=tmp_path, node=tmp_path, istio=tmp_path, nft=tmp_path / "nft"),
        bootstrap=tmp_path / "bootstrap.json",
        istio_version="1.31.0",
    )


def test_every_image_that_the_program_asks_for_is_made(sources: contents.Sources) -> None:
    names = {name for image in contents.images(sources) for name in image.names}
    assert set(bookinfo.IMAGES) <= names
    assert {"docker.io/istio/pilot:1.31.0", "docker.io/istio/proxyv2:1.31.0"} <= names


def test_the_proxy_has_the_libraries_of_nft_and_envoy(sources: contents.Sources, tmp_path: Path) -> None:
    layout = build.ensure(tmp_path / "images", contents.images(sources))
    manifest = read(layout)["docker.io/istio/proxyv2:1.31.0"]
    held = {path for layer in manifest["layers"] for path in files(layout, layer)}
    assert {"usr/sbin/nft", "usr/local/bin/envoy", "lib/of-nft", "lib/of-envoy"} <= held
    assert "var/lib/istio/envoy/envoy_bootstrap_tmpl.json" in held
    assert json.loads(blob(layout, manifest["config"]))["config"]["User"] == "1337:1337"


def test_versions_of_reviews_differ_in_their_stars(sources: contents.Sources) -> None:
    environments = {
        image.names[0].partition("examples-bookinfo-")[2].partition(":")[0]: image.config["Env"]
        for image in contents.images(sources)
        if "bookinfo-" in image.names[0]
    }
    assert "STAR_COLOR=red" in environments["reviews-v3"]
    assert "STAR_COLOR=black" in environments["reviews-v2"]
    assert not [each for each in environments["reviews-v1"] if "RATINGS" in each]
