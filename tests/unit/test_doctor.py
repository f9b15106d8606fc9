import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import kinds
from embedded.node.probe import Finding
from operations import doctor
from operations.doctor import Tool, cluster_of, obstacles, version_of

MINIKUBE = {"clusterMode": "minikube", "minikubeProfile": "demo", "context": "demo", "kubeconfig": "~/.kube/config"}
EMBEDDED = {"clusterMode": "embedded", "context": "embedded", "kubeconfig": ".embedded/kubeconfig"}
FOUND, MISSING = {"minikube": "v1.36.0"}, {"minikube": ""}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def existing(kubeconfig: Path, *contexts: str) -> dict[str, str]:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://prod.example"}}],
        "contexts": [{"name": name, "context": {"cluster": "c"}} for name in contexts],
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    return {"clusterMode": "existing", "context": "prod", "kubeconfig": str(kubeconfig)}


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo v1.36.0", "v1.36.0"),
        ("echo go1.26.8", "1.26.8"),
        ('echo \'{"gitVersion": "v1.32.4-x"}\'', "v1.32.4-x"),
        ("echo no daemon >&2; exit 1", "does not answer (no daemon)"),
        ("true", "does not answer (no version)"),
    ],
)
def test_a_tool_says_its_version_or_why_it_does_not(path: Path, script: str, version: str) -> None:
    (path / "tool").write_text(f"#!/bin/sh\n{script}\n")
    (path / "tool").chmod(0o755)
    assert version_of(Tool(name="tool", ask=("version",), note="")) == version


@pytest.mark.usefixtures("path")
def test_a_tool_that_is_not_there_has_no_version() -> None:
    assert version_of(Tool(name="no-such-tool", ask=(), note="")) == ""


def test_the_cluster_of_a_minikube_stack_is_its_profile() -> None:
    assert cluster_of(MINIKUBE).startswith("minikube profile demo (context demo of ~/.kube/config)")


def test_the_cluster_of_an_embedded_stack_is_its_own() -> None:
    assert cluster_of(EMBEDDED).startswith("the embedded cluster (context embedded of .embedded/kubeconfig)")


def test_the_cluster_of_another_stack_is_its_context_and_server(tmp_path: Path) -> None:
    settings = existing(tmp_path / "config", "prod")
    where = f"the API server https://prod.example of context prod in {tmp_path / 'config'}"
    assert cluster_of(settings) == where


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"python": (3, 10)}, r"Python 3\.10 is older"),
        ({"settings": EMBEDDED, "can_build": lambda: False}, "the embedded cluster cannot be built"),
        ({"found": MISSING}, "the stack starts minikube, which is not on PATH"),
        ({"no_driver": lambda: "Docker sleeps"}, "minikube would not start profile demo: Docker sleeps"),
    ],
)
def test_what_makes_an_up_impossible_is_an_obstacle(change: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {"found": FOUND, "settings": MINIKUBE, "can_build": lambda: True, "no_driver": str}
    (obstacle,) = obstacles(**{**whole, "python": (3, 11), **change})
    assert re.search(message, obstacle)


def test_a_stack_without_its_context_cannot_come_up(tmp_path: Path) -> None:
    settings = existing(tmp_path / "config", "other")
    missing = f"context 'prod' is not in kubeconfig {tmp_path / 'config'}; accepted: other"
    assert obstacles(settings, FOUND, python=(3, 13), can_build=lambda: True, no_driver=str) == [missing]
    assert cluster_of(settings) == f"none: {missing}"


def test_a_kubeconfig_that_cannot_be_read_is_an_obstacle(tmp_path: Path) -> None:
    settings = existing(tmp_path / "config", "prod")
    (tmp_path / "config").write_text("contexts: [")
    (obstacle,) = obstacles(settings, FOUND, python=(3, 13), can_build=lambda: True, no_driver=str)
    assert "config cannot be used" in obstacle


def test_without_minikube_the_embedded_cluster_will_do() -> None:
    assert obstacles(EMBEDDED, MISSING, python=(3, 13), can_build=lambda: True, no_driver=str) == []


def test_for_a_minikube_stack_building_is_not_asked_about() -> None:
    def refuse() -> bool:
        raise AssertionError("asked")

    assert obstacles(MINIKUBE, FOUND, python=(3, 13), can_build=refuse, no_driver=str) == []


def test_a_missing_tool_alone_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "version_of", lambda _: "")
    monkeypatch.setattr(doctor, "can_build", lambda: True)
    assert doctor.report("embedded") == 0
    assert "minikube  not on PATH  (stack dev needs it; stack embedded does not)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], "Its pods are real: nothing stands in the way"),
        (
            [Finding(what="mounts need root", remedy="run it as root")],
            "Its pods are simulated: mounts need root (run it as root)",
        ),
    ],
)
def test_it_is_said_whether_pods_of_the_embedded_cluster_are_real(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: list[Finding], told: str
) -> None:
    monkeypatch.setattr(doctor, "version_of", lambda _: "1.0")
    monkeypatch.setattr(doctor, "can_build", lambda: True)
    monkeypatch.setattr(kinds, "findings", lambda _, download: found if not download else None)
    assert doctor.report("embedded") == 0
    assert told in capsys.readouterr().out
    assert doctor.report("embedded", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] == [str(each) for each in found]
