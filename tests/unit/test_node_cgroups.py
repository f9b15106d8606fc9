import os
import shutil
import subprocess
from pathlib import Path

import pytest

from embedded.node import cgroups


def version_2(root: Path, enabled: str = "") -> Path:
    root.mkdir(exist_ok=True)
    (root / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    for folder in (root, root / "mine"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.subtree_control").write_text(enabled)
    return root


def version_1(root: Path) -> Path:
    for name in ("cpu,cpuacct", "cpuset", "memory", "pids"):
        (root / name / "mine").mkdir(parents=True)
        (root / name / "cgroup.procs").touch()
    (root / "cpu").symlink_to("cpu,cpuacct")
    (root / "cpuset/cpuset.cpus").write_text("0-1")
    (root / "cpuset/cpuset.mems").write_text("0")
    (root / "cpuset/mine/cpuset.cpus").touch()
    (root / "cpuset/mine/cpuset.mems").touch()
    (root / "cpu,cpuacct/mine/cpu.shares").write_text("1024")
    (root / "not-a-hierarchy").mkdir()
    return root


def test_two_clusters_have_two_cgroups_and_one_always_the_same() -> None:
    assert cgroups.name_for(Path("/a/.embedded")) != cgroups.name_for(Path("/b/.embedded"))
    assert cgroups.name_for(Path("/a/.embedded")) == cgroups.name_for(Path("/a/.embedded"))


def test_the_version_is_told_by_the_files(tmp_path: Path) -> None:
    assert cgroups.version(version_2(tmp_path)) == 2
    assert cgroups.version(version_1(tmp_path / "1")) == 1


def test_version_1_names_each_hierarchy_once_and_all_its_controllers(tmp_path: Path) -> None:
    root = version_1(tmp_path)
    assert [each.name for each in cgroups.hierarchies(root)] == ["cpu,cpuacct", "cpuset", "memory", "pids"]
    assert cgroups.controllers(root) == {"cpu", "cpuacct", "cpuset", "memory", "pids"}


def test_a_cgroup_of_version_1_may_use_what_the_machine_may_and_its_pods_get_their_share(tmp_path: Path) -> None:
    root = version_1(tmp_path)
    cgroups.create("mine", root)
    assert (root / "cpuset/mine/cpuset.cpus").read_text() == "0-1"
    assert (root / "cpuset/mine/cpuset.mems").read_text() == "0"
    assert (root / "cpu,cpuacct/mine/cpu.shares").read_text() == str(cgroups.V1_CPU_SHARES)
    assert (root / "pids/mine/system").is_dir()


def test_in_version_2_missing_controllers_are_enabled_down_to_the_cluster(tmp_path: Path) -> None:
    root = version_2(tmp_path, "cpu memory")
    cgroups.create("mine", root)
    assert (root / "cgroup.subtree_control").read_text() == "+cpuset +pids"
    assert (root / "mine/cgroup.subtree_control").read_text() == "+cpuset +pids"
    assert (root / "mine/system").is_dir()


def test_in_version_2_nothing_is_written_where_all_controllers_are_enabled(tmp_path: Path) -> None:
    root = version_2(tmp_path, "cpuset cpu memory pids")
    cgroups.create("mine", root)
    assert (root / "cgroup.subtree_control").read_text() == "cpuset cpu memory pids"


def test_a_command_is_in_the_cgroup_before_it_does_anything(tmp_path: Path) -> None:
    root = version_1(tmp_path)
    cgroups.create("mine", root)
    procs = root / "pids/mine" / cgroups.SYSTEM / "cgroup.procs"
    command = [*cgroups.joining("mine", root), "sh", "-c", f'cat {procs}; echo "$@"', "sh", "two words"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "0\ntwo words\n"
    shutil.rmtree(procs.parent)
    assert subprocess.run(command, check=False, capture_output=True, text=True).stdout == ""


def test_whoever_is_in_the_cgroup_is_a_member(tmp_path: Path) -> None:
    root = version_1(tmp_path)
    (root / "pids/mine/cgroup.procs").write_text("12\n13\n")
    (root / "memory/mine/pod").mkdir()
    (root / "memory/mine/pod/cgroup.procs").write_text("14\n0\n")
    assert cgroups.members("mine", root) == {12, 13, 14}


def test_clearing_kills_who_is_left_and_removes_from_the_bottom_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = version_1(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as orphan:
        leftover = root / "memory/mine/pod"
        leftover.mkdir()
        procs = leftover / "cgroup.procs"
        procs.write_text(str(orphan.pid))
        removed: list[str] = []

        def rmdir(folder: Path) -> None:
            # As the kernel: a cgroup goes with its files, once nobody is in it.
            if folder == leftover:
                assert orphan.wait(60) == -9
            for file in folder.iterdir():
                file.unlink()
            removed.append(str(folder.relative_to(root)))
            os.rmdir(folder)  # noqa: PTH106 the method itself is replaced

        monkeypatch.setattr(Path, "rmdir", rmdir)
        cgroups.clear("mine", root)
    assert removed.index("memory/mine/pod") < removed.index("memory/mine")
    assert not list(root.glob("*/mine"))


def test_a_cgroup_that_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = version_1(tmp_path)
    (root / "memory/mine/cgroup.procs").touch()
    monkeypatch.setattr(cgroups, "PATIENCE", 0.1)
    with pytest.raises(cgroups.CgroupError, match=r"cannot be removed.*mine"):
        cgroups.clear("mine", root)


def test_a_cgroup_is_there_from_when_it_is_made(tmp_path: Path) -> None:
    root = version_2(tmp_path)
    assert not cgroups.exists("other", root)
    cgroups.create("mine", root)
    assert cgroups.exists("mine", root)
    assert not cgroups.exists("mine", tmp_path / "no cgroups here")


def test_clearing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    cgroups.clear("never", version_1(tmp_path))
