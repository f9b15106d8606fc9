import os
import platform
import shutil
import sys
from pathlib import Path

import pytest

from embedded.node import cgroups, probe


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything, so that one test can take one thing away."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(probe, "_memory", list)
    monkeypatch.setattr(probe, "_cgroups", list)


def texts() -> list[str]:
    return [str(each) for each in probe.machine()]


@pytest.mark.usefixtures("able")
def test_a_machine_that_has_everything_has_no_findings() -> None:
    assert texts() == []


@pytest.mark.usefixtures("able")
def test_without_root_it_is_said_how_to_get_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert texts() == [
        "mounts, network interfaces and cgroups need root (run it as root on the machine itself, or in a container "
        "with --privileged)"
    ]


@pytest.mark.usefixtures("able")
def test_another_system_is_told_what_real_pods_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert texts() == ["there are no real pods on Darwin on x86_64 (they need Linux on x86_64 or aarch64)"]


@pytest.mark.usefixtures("able")
def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "ip" else f"/usr/bin/{name}")
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.28")
    assert texts() == [
        "ip is not on PATH (install the package iproute2)",
        "Envoy needs glibc 2.31, here is glibc 2.28 (use a newer distribution)",
    ]


@pytest.mark.usefixtures("able")
def test_a_system_without_glibc_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: None)
    assert texts() == ["Envoy needs glibc 2.31, here is another C library (use a newer distribution)"]


def test_little_memory_is_told_in_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: "MemTotal: 9 kB\nMemAvailable:  1024000 kB\n")
    (finding,) = probe._memory()
    assert str(finding) == "1000 MB of memory are available, 2000 are needed (close something large)"


def test_missing_controllers_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [tmp_path])
    monkeypatch.setattr(cgroups, "version", lambda: 2)
    monkeypatch.setattr(cgroups, "controllers", lambda: {"cpu", "memory"})
    (finding,) = probe._cgroups()
    assert finding.what == "cgroup version 2 is without the controllers cpuset, pids"


def test_what_the_kernel_refuses_is_told_with_its_reason() -> None:
    number = next(i for i, (name, _, _) in enumerate(probe._TRIALS) if "overlay" in name)
    finding = probe._refused(f"{number} mount: /x: permission denied.", Path("/clone/.embedded"))
    assert finding.what == (
        "the kernel refuses an overlay file system in /clone/.embedded: mount: /x: permission denied."
    )
    assert "overlay" in finding.remedy
