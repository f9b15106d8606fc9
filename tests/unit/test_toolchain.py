import fcntl
import json
import re
import shutil
import threading
import time
from pathlib import Path

import pytest

from embedded import istio, toolchain
from embedded.errors import EmbeddedError, Unreachable
from embedded.node import obtain
from embedded.toolchain import build, cache, compiler, go, groups, layout, progress
from embedded.toolchain.groups import Group, Step
from embedded.toolchain.progress import Progress
from operations.manifests.declared import settings_of

PROGRAMS = ("apiserver", "server")
BUILD_ALL = 'for program in $programs; do echo "$program" >"$out$program"; done'


class FakeGo:
    """A Go whose commands are lines of shell; `$out` is the folder that it is to build `$programs` into."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "go"
        self._calls = folder / "calls"
        folder.mkdir()
        self.does()

    def does(
        self, *, build: str = BUILD_ALL, listing: str = ":", download: str = "exit 1", version: str = "go1.99.0"
    ) -> None:
        self.path.write_text(
            "#!/bin/sh\n"
            f'case "$1" in\nenv) echo {version};;\n'
            f"list) {listing};;\n"
            f"mod) {download};;\n"
            f'build) while [ "$1" != -o ]; do shift; done; out="$2"; shift 2; programs="$*"\n'
            f'echo "$programs" >>{self._calls}; {build};;\nesac\n'
        )
        self.path.chmod(0o755)

    @property
    def built(self) -> list[str]:
        """What was to be built, by call."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache; not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "istio-minikube"


@pytest.fixture
def fake_go(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A Go on PATH, and groups whose packages are named as their programs."""
    assert not shared.exists()
    monkeypatch.setattr(groups, "program_name", lambda package: package)
    small = {name: Group(what=name, steps=(Step(packages=(name,)),)) for name in groups.groups()}
    small["cluster"] = Group(what="the control plane", steps=(Step(packages=PROGRAMS),))
    monkeypatch.setattr(build, "groups", lambda: small)
    fake = FakeGo(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{fake.path.parent}:/usr/bin:/bin")
    return fake


def silent(_: str) -> None:
    pass


def ensure(*names: str) -> Path:
    return toolchain.ensure(*(names or ("cluster",)), say=silent).cluster


def test_a_group_is_built_once_and_found_again(fake_go: FakeGo, shared: Path) -> None:
    folder = ensure()
    assert ensure() == folder
    assert folder.parent == shared / "tools"
    assert sorted(path.name for path in folder.iterdir()) == sorted(PROGRAMS)
    assert fake_go.built == ["apiserver server"]


def test_only_the_groups_that_are_asked_for_are_built(fake_go: FakeGo) -> None:
    ensure("istio")
    assert not toolchain.built("istio", "cluster")
    ensure("cluster", "istio")
    assert toolchain.built("istio", "cluster")
    assert fake_go.built == ["istio", "apiserver server"]


def test_a_group_that_is_built_stays_when_the_next_one_fails(fake_go: FakeGo) -> None:
    fake_go.does(build=f'[ "$programs" != istio ] && {BUILD_ALL}')
    with pytest.raises(EmbeddedError):
        ensure("cluster", "istio")
    assert toolchain.built("cluster")
    assert not toolchain.built("istio")


def test_two_builds_at_once_are_one_build(fake_go: FakeGo) -> None:
    fake_go.does(build=f"sleep 0.3; {BUILD_ALL}")
    threads = [threading.Thread(target=ensure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fake_go.built) == 1


def test_who_waits_for_another_processs_build_is_told_how_long(
    fake_go: FakeGo, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY", 0.05)
    waits = "Another process is building the control plane: waiting for it"
    said: list[str] = []
    (shared / "tools").mkdir(parents=True)
    with toolchain.folders().cluster.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: toolchain.ensure("cluster", say=said.append))
        waiting.start()
        while waits not in said or not re.fullmatch(r"  waiting, \d+ s", said[-1]):
            time.sleep(0.01)
        assert fake_go.built == []
    waiting.join()
    assert len(fake_go.built) == 1


@pytest.mark.usefixtures("fake_go")
def test_a_group_that_is_there_is_found_whoever_holds_its_lock() -> None:
    folder = ensure()
    with folder.with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert toolchain.ensure("cluster", say=pytest.fail).cluster == folder


@pytest.mark.parametrize("part", ["go.mod", "go.sum"])
def test_changed_pins_are_built_into_a_folder_of_their_own(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    before = ensure()
    (tmp_path / "embedded").mkdir()
    shutil.copy(go.MODULE.parent / "requirements.txt", tmp_path / "embedded")
    copy = shutil.copytree(go.MODULE, tmp_path / "embedded" / "go")
    monkeypatch.setattr(go, "MODULE", copy)
    assert ensure() == before
    with (copy / part).open("a") as pins:
        pins.write("// changed\n")
    assert ensure() != before
    assert len(fake_go.built) == 2


def test_sources_of_a_group_change_its_folder_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "embedded").mkdir()
    shutil.copy(go.MODULE.parent / "requirements.txt", tmp_path / "embedded")
    copy = shutil.copytree(go.MODULE, tmp_path / "embedded" / "go")
    monkeypatch.setattr(go, "MODULE", copy)
    before = toolchain.folders()
    (copy / "coredns" / "main.go").write_text("package main\n")
    after = toolchain.folders()
    assert before.node != after.node
    assert (before.cluster, before.engine, before.istio) == (after.cluster, after.engine, after.istio)


def test_what_a_killed_build_left_behind_is_removed_by_the_next(fake_go: FakeGo, shared: Path) -> None:
    whole = ensure()
    (whole.parent / f".{whole.name}.draft-killed").mkdir()
    (whole / "server").unlink()
    assert (ensure() / "server").exists()
    assert [path for path in (shared / "tools").iterdir() if path.is_dir()] == [whole]
    assert len(fake_go.built) == 2


def test_a_failed_build_quotes_its_last_words_names_its_log_and_leaves_no_programs(
    fake_go: FakeGo, shared: Path
) -> None:
    fake_go.does(build="echo first >&2; echo 'main.go:1: syntax error' >&2; exit 1")
    with pytest.raises(EmbeddedError, match=r"main\.go:1: syntax error.*cluster-\w+\.log") as failure:
        ensure()
    assert not isinstance(failure.value, Unreachable)
    assert [path for path in (shared / "tools").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("command", ["listing", "build"])
def test_a_build_without_the_modules_is_unreachable(fake_go: FakeGo, command: str) -> None:
    refused = "echo 'k8s.io/kubernetes@v1: Get x: dial tcp 127.0.0.1:9: connection refused' >&2; exit 1"
    fake_go.does(**{command: refused})
    with pytest.raises(Unreachable, match="GOPROXY"):
        ensure()


def test_a_build_on_a_full_disk_says_to_make_room(fake_go: FakeGo) -> None:
    fake_go.does(build="echo 'write /tmp/x: no space left on device' >&2; exit 1")
    with pytest.raises(EmbeddedError, match="Make room on the disk"):
        ensure()


def test_a_build_is_not_begun_on_a_nearly_full_disk(fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FREE_SPACE_NEEDED", 1 << 62)
    with pytest.raises(EmbeddedError, match="MB are free"):
        ensure()
    assert fake_go.built == []


def test_a_cache_that_cannot_be_written_is_explained(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EmbeddedError, match="XDG_CACHE_HOME"):
        ensure()
    assert fake_go.built == []


def test_an_interrupted_build_ends_the_compiler(fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go.does(build=f"echo $$ >{tmp_path}/pid; echo a/package >&2; exec sleep 600")

    class Interrupted(Progress):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "done" and value:
                raise KeyboardInterrupt
            super().__setattr__(name, value)

    running = compiler.Compiler(go=fake_go.path, log=tmp_path / "log", say=silent, remaining={"a/package": 1})
    with pytest.raises(KeyboardInterrupt):
        running.build(Step(packages=("server",)), tmp_path / "out", Interrupted(total=1))
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_progress_tells_what_how_far_for_how_long_and_how_long_still(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY", 0.05)
    monkeypatch.setattr(compiler, "LINK_WORK", 5 * compiler.PACKAGE_WORK // 2)
    (tmp_path / "big.go").write_bytes(b"x" * (3 * compiler.PACKAGE_WORK))
    (tmp_path / "small.go").write_bytes(b"")
    fake_go.does(
        listing=rf"printf 'a/big\t{tmp_path}\tbig.go \nb/small\t{tmp_path}\tsmall.go \n'",
        # Goes on when what was said shows that it has been noticed.
        build=f'wait() {{ while [ ! -e "$1" ]; do sleep 0.02; done; }}; echo a/big >&2; wait {tmp_path}/compiled; '
        f"touch $out/server; wait {tmp_path}/linked; {BUILD_ALL}",
    )
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        # Of ten units of work, compiling the big package is four and linking a program two and a half.
        if line.startswith("  the control plane: 40%, "):
            (tmp_path / "compiled").touch()
        if line.startswith("  the control plane: 65%, "):
            (tmp_path / "linked").touch()

    toolchain.ensure("cluster", say=say)
    assert lines[0].startswith("Building from Go modules: the control plane. ")
    assert {"compiled", "linked"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (1, "  istiod: 1%, 40 s so far"),
        (50, "  istiod: 50%, 40 s so far, about 40 s still"),
        (10, "  istiod: 10%, 40 s so far, about 6 min still"),
        (100, "  istiod: 99%, 40 s so far, about 0 s still"),
    ],
)
def test_an_estimate_comes_once_there_is_something_to_go_by_and_the_end_is_never_foretold(done: int, line: str) -> None:
    assert Progress(total=100, done=done, what="istiod").line(40) == line


def test_linker_flags_give_the_programs_versions_that_clients_can_parse() -> None:
    flags = groups.linker_flags()
    version = toolchain.kubernetes_version()
    assert flags.startswith(f"-s -w -X k8s.io/component-base/version.gitVersion={version} ")
    assert f"-X istio.io/istio/pkg/version.buildVersion={toolchain.ISTIO_VERSION} " in flags
    assert "/pkg/version.Version=4." in flags
    assert "+of.4.25.0" in flags


def test_plugins_are_laid_out_as_the_engine_looks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "installed_version", {"pulumi-kubernetes": "4.34.2", "pulumi-command": "1.2.1"}.get)
    assert groups.groups()["engine"].files == (
        "bin/pulumi",
        "bin/pulumi-language-python",
        "home/plugins/resource-kubernetes-v4.34.2/pulumi-resource-kubernetes",
        "home/plugins/resource-command-v1.2.1/pulumi-resource-command",
        "bin/pulumi-language-python-exec",
    )


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("go.etcd.io/etcd/server/v3", "server"),
        ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "pulumi"),
        ("istio-minikube/embedded/go/pause", "pause"),
    ],
)
def test_a_program_is_called_as_go_calls_it(package: str, name: str) -> None:
    assert groups.program_name(package) == name


def test_everything_that_is_built_is_pinned_by_a_tool_line_or_a_source_of_our_own() -> None:
    pinned = set(re.findall(r"^\t(\S+)$", (go.MODULE / "go.mod").read_text(), re.MULTILINE))
    alone = set(re.findall(r"^tool (\S+)$", (go.MODULE / "k9s" / "go.mod").read_text(), re.MULTILINE))
    own = {f"{groups.OWN}/{main.parent.name}" for main in go.MODULE.glob("*/main.go")}
    built = {package for group in groups.groups().values() for step in group.steps for package in step.packages}
    # Programs of a module that others pin: a further tool line would rename the folder of every group.
    siblings = {f"{groups.ISTIO}/cni/cmd/{name}" for name in ("install-cni", "istio-cni")}
    assert built == pinned | alone | own | siblings


@pytest.mark.parametrize(
    ("module", "apart"),
    [
        (
            "pulumi-resource-kubernetes",
            {"github.com/pgavlin/fx/v2", "github.com/pulumi/pulumi/pkg/v3", "github.com/pulumi/pulumi/sdk/v3"},
        ),
        (
            "k9s",
            {
                "github.com/Microsoft/hcsshim",
                "github.com/containerd/cgroups/v3",
                "github.com/mgutz/ansi",
                "github.com/olekukonko/tablewriter",
                "github.com/opencontainers/runtime-spec",
            },
        ),
    ],
)
def test_what_a_go_module_shares_with_ours_is_at_the_same_versions_and_compiled_once(
    module: str, apart: set[str]
) -> None:
    ours, its = (
        dict(re.findall(r"^\t?(?:require )?(\S+) (v\S+)", (go.MODULE / name).read_text(), re.MULTILINE))
        for name in ("go.mod", f"{module}/go.mod")
    )
    assert {each for each in ours.keys() & its.keys() if ours[each] != its[each]} == apart


def test_k9s_is_built_for_its_own_command_alone_and_says_its_version() -> None:
    (step,) = groups.groups()["k9s"].steps
    pinned = go.module_version(groups.K9S, go.MODULE / "k9s" / "go.mod")
    assert step.module == "k9s"
    assert f"-X github.com/derailed/k9s/cmd.version={pinned}" in step.linker_flags()
    assert "k9s" not in obtain.GROUPS


def test_without_a_c_compiler_the_error_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match="apt-get install gcc libc6-dev"):
        layout.runc_environment(silent)


def test_runc_is_compiled_against_the_unpacked_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usr/lib/x").mkdir(parents=True)
    (tmp_path / "usr/lib/x/libseccomp.a").touch()
    monkeypatch.setattr(layout, "node_packages", lambda _: tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/gcc")
    assert layout.runc_environment(silent) == {
        "CGO_ENABLED": "1",
        "PKG_CONFIG": "true",
        "CGO_CFLAGS": f"-O2 -g -I{tmp_path}/usr/include",
        "CGO_LDFLAGS": f"-L{tmp_path}/usr/lib/x -lseccomp",
    }


def test_a_folder_of_the_cache_is_whole_or_not_there(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        (draft / "half").touch()
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        cache.filled(tmp_path / "folder", fail, silent)
    assert [path.name for path in tmp_path.iterdir()] == [".folder.lock"]


def test_the_minimum_go_is_the_one_in_go_mod() -> None:
    assert f"go {go.minimum_version()}\n" in (go.MODULE / "go.mod").read_text()


def test_stack_embedded_names_the_kubernetes_and_the_istio_that_are_built() -> None:
    settings = settings_of("embedded")
    assert settings["kubernetesVersion"] == toolchain.kubernetes_version()
    assert settings["istioVersion"] == toolchain.ISTIO_VERSION


def test_stack_embedded_has_the_values_that_its_envoy_needs() -> None:
    assert json.loads(settings_of("embedded")["istioValues"]) == istio.VALUES
