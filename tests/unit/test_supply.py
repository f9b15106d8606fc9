import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.observability.observability import ObservabilityConfig
from operations.manifests.declared import declared
from program.supply import as_locked, digest, files
from tests.unit.loading import loaded

SETTINGS = loaded()
BASE, ISTIOD, MANIFEST = "base-1.23.0.tgz", "istiod-1.23.0.tgz", "gateway-api-v1.1.0-standard.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stack dev is locked and vendored; each file holds its name."""
    folder = tmp_path / "vendor" / "dev"
    folder.mkdir(parents=True)
    for file in files(SETTINGS):
        (folder / file).write_text(file)
    write_lock(tmp_path, {file: digest(file.encode()) for file in files(SETTINGS)})
    return tmp_path


def write_lock(project: Path, digests: dict[str, str]) -> None:
    entries = {file: {"sha256": found, "source": "https://charts.example"} for file, found in digests.items()}
    (project / "vendor.lock.json").write_text(json.dumps({"dev": entries}))


def refused(project: Path, **changes: Any) -> str:
    with pytest.raises(pulumi.RunError) as refusal:
        as_locked(replace(SETTINGS, **changes), "dev", project)
    return str(refusal.value)


def test_a_stack_that_is_locked_is_installed_from_its_vendored_files(project: Path) -> None:
    locked = as_locked(SETTINGS, "dev", project)
    assert locked == replace(
        SETTINGS,
        istio_chart_repository="vendor/dev",
        gateway_api_manifest=f"vendor/dev/{MANIFEST}",
        observability=replace(SETTINGS.observability, chart_repository="vendor/dev"),
    )


def test_a_stack_that_is_not_locked_is_left_as_it_is(project: Path, tmp_path: Path) -> None:
    assert as_locked(SETTINGS, "prod", project) is SETTINGS
    assert as_locked(SETTINGS, "dev", tmp_path / "elsewhere") is SETTINGS


def test_the_files_of_a_stack_are_its_charts_and_its_gateway_api() -> None:
    addons = ObservabilityConfig(addons=("kiali",))
    assert files(replace(SETTINGS, observability=addons)) == [BASE, ISTIOD, "kiali-server-1.87.0.tgz", MANIFEST]


@pytest.mark.parametrize("file", [BASE, ISTIOD, MANIFEST])
def test_a_file_that_is_not_what_the_lock_says_is_refused_with_both_digests(project: Path, file: str) -> None:
    (project / "vendor" / "dev" / file).write_text("something else")
    assert refused(project) == (
        f"vendor/dev/{file} has sha256 {digest(b'something else')}, and vendor.lock.json says {digest(file.encode())}: "
        "nothing of it is installed. `make vendor STACK=dev` fetches it again, if https://charts.example still has "
        "what the lock says"
    )


def test_a_file_that_is_missing_is_refused(project: Path) -> None:
    (project / "vendor" / "dev" / ISTIOD).unlink()
    assert refused(project) == (
        f"vendor/dev/{ISTIOD} is missing, which vendor.lock.json has: `make vendor STACK=dev` fetches it"
    )


def test_a_version_that_is_not_locked_is_refused(project: Path) -> None:
    assert refused(project, istio_version="1.24.6") == (
        "vendor.lock.json has no base-1.24.6.tgz for stack dev: `make vendor STACK=dev` fetches it and writes it down; "
        "commit the file then"
    )


def test_a_garbled_lock_is_refused(project: Path) -> None:
    (project / "vendor.lock.json").write_text("<<<<<<<")
    assert re.fullmatch(r".*vendor\.lock\.json cannot be read: .*; restore it from version control", refused(project))


def test_the_program_heeds_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("program.supply.read_lock", lambda *_: {"dev": {}})
    with pytest.raises(pulumi.RunError, match=r"^vendor\.lock\.json has no base-1\.23\.0\.tgz for stack dev"):
        declared("dev")


def test_a_rendering_with_other_charts_on_purpose_is_not_held_to_the_lock(
    monkeypatch: pytest.MonkeyPatch, manifest: Path
) -> None:
    monkeypatch.setattr("program.supply.read_lock", lambda *_: {"dev": {}})
    other = {"istioChartRepository": "https://charts.example", "gatewayApiManifest": str(manifest)}
    assert declared("dev", other).named("istio-base").inputs["repositoryOpts"] == {"repo": "https://charts.example"}
