import functools
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from components.commands import UserError
from components.gateway_api import load_manifest
from components.versions import Chart
from embedded import toolchain
from operations import __main__ as command
from operations import vendor
from operations.vendor import chart_archive
from program.supply import as_locked, digest
from tests.unit.loading import loaded

FILES = {f"{name}-1.23.0.tgz": f"{name} as released".encode() for name in ("base", "istiod")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a Helm repository serves: archives below charts/, and an index."""
    served = tmp_path / "served"
    (served / "charts").mkdir(parents=True)
    for file, content in FILES.items():
        (served / "charts" / file).write_bytes(content)
    write_index(served)
    return served


def write_index(served: Path, **changes: Any) -> None:
    entries = {
        name: [
            {"version": "1.22.0", "urls": ["charts/none.tgz"]},
            {
                "version": "1.23.0",
                "urls": [f"charts/{name}-1.23.0.tgz"],
                "digest": digest(FILES[f"{name}-1.23.0.tgz"]),
                **changes,
            },
        ]
        for name in ("base", "istiod")
    }
    (served / "index.yaml").write_text(yaml.safe_dump({"entries": entries}))


@pytest.fixture
def repository(folder: Path) -> Iterator[str]:
    """That repository's address on 127.0.0.1."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def chart(repository: str, version: str = "1.23.0") -> Chart:
    return Chart(name="base", version=version, repository=repository)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def test_a_chart_comes_from_a_repository_by_its_index(repository: str) -> None:
    address = f"{repository}/charts/base-1.23.0.tgz"
    assert chart_archive(chart(repository)) == (FILES["base-1.23.0.tgz"], address)


def test_a_repository_may_be_a_file_address(folder: Path) -> None:
    assert chart_archive(chart(folder.as_uri()))[0] == FILES["base-1.23.0.tgz"]


def test_a_chart_comes_from_a_folder_by_its_name(folder: Path) -> None:
    assert chart_archive(chart(str(folder / "charts"))) == (FILES["base-1.23.0.tgz"], str(folder / "charts"))


def test_a_chart_that_is_not_what_the_index_says_is_refused(repository: str, folder: Path) -> None:
    write_index(folder, digest=f"sha256:{'0' * 64}")
    with pytest.raises(UserError, match=rf"has sha256 [0-9a-f]{{64}}, and the repository's own index says {'0' * 64}"):
        chart_archive(chart(repository))


@pytest.mark.parametrize("index", ["{}", "entries: {base: []}", "<html>", "{{"])
def test_a_version_that_the_index_does_not_have_is_refused(repository: str, folder: Path, index: str) -> None:
    (folder / "index.yaml").write_text(index)
    with pytest.raises(UserError, match=rf"^the index of {repository} has no base 1\.23\.0; check the version"):
        chart_archive(chart(repository))


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "http://127.0.0.1:1",
            r"^http://127\.0\.0\.1:1/index\.yaml cannot be fetched: \[Errno \d+\] Connection ref",
        ),
        ("ftp://charts.example", r"^ftp://.* cannot be fetched from here; put the chart's archive into a folder"),
        ("/nowhere", r"^/nowhere/base-1\.23\.0\.tgz does not exist; accepted: a folder that holds base-1\.23\.0\.tgz"),
    ],
)
def test_a_repository_that_does_not_answer_is_told(place: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        chart_archive(chart(place))


# Answers `helm pull ADDRESS --version V --destination FOLDER`.
HELM = """#!/bin/sh
case $2 in
oci://registry.example/charts/base) echo "$@" > "${0%/*}/called"; printf pulled > "$6/base-$4.tgz" ;;
*) echo "Error: failed to authorize:
401 Unauthorized" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "helm").write_text(HELM)
    (tmp_path / "helm").chmod(0o755)
    monkeypatch.setattr(toolchain, "ensure", lambda _: SimpleNamespace(cluster=tmp_path))
    return tmp_path


@pytest.mark.parametrize("repository", ["oci://registry.example/charts", "oci://registry.example/charts/"])
def test_a_chart_in_an_oci_registry_is_pulled_by_its_own_address(helm: Path, repository: str) -> None:
    assert chart_archive(chart(repository)) == (b"pulled", "oci://registry.example/charts/base:1.23.0")
    called = (helm / "called").read_text()
    assert called.startswith("pull oci://registry.example/charts/base --version 1.23.0 --destination ")


@pytest.mark.usefixtures("helm")
def test_what_an_oci_registry_refuses_is_told_in_one_line_with_what_to_do() -> None:
    with pytest.raises(UserError) as refused:
        chart_archive(chart("oci://closed.example/charts"))
    assert str(refused.value) == (
        "oci://closed.example/charts/base:1.23.0 cannot be pulled: Error: failed to authorize: 401 Unauthorized. Check "
        "the version, the network and the login (`docker login` or `helm registry login`), or name a local folder"
    )


def test_what_is_vendored_is_locked_and_then_needs_no_network(
    repository: str, project: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(loaded(), istio_chart_repository=repository, gateway_api_manifest=str(manifest))
    lines = vendor.vendor("dev", settings, update=False, project=project)
    assert [line.split()[0] for line in lines] == [
        f"vendor/dev/{file}" for file in (*FILES, "gateway-api-v1.1.0-standard.yaml")
    ]
    locked = json.loads((project / "vendor.lock.json").read_text())["dev"]
    assert locked["istiod-1.23.0.tgz"] == {
        "sha256": digest(FILES["istiod-1.23.0.tgz"]),
        "source": f"{repository}/charts/istiod-1.23.0.tgz",
    }
    monkeypatch.setattr("urllib.request.urlopen", None)
    assert as_locked(settings, "dev", project).istio_chart_repository == "vendor/dev"

    vendored = project / "vendor/dev/gateway-api-v1.1.0-standard.yaml"
    assert len(load_manifest(str(vendored), "v1.1.0", "standard", project)) == 2


def test_a_file_that_has_changed_where_it_comes_from_is_refused_and_nothing_written(
    folder: Path, project: Path, manifest: Path
) -> None:
    settings = replace(loaded(), istio_chart_repository=str(folder / "charts"), gateway_api_manifest=str(manifest))
    vendor.vendor("dev", settings, update=False, project=project)
    before = (project / "vendor.lock.json").read_text()
    (folder / "charts" / "istiod-1.23.0.tgz").write_bytes(b"another")
    with pytest.raises(UserError) as refused:
        vendor.vendor("dev", settings, update=False, project=project)
    assert str(refused.value) == (
        f"istiod-1.23.0.tgz from {folder}/charts has sha256 {digest(b'another')}, and vendor.lock.json says "
        f"{digest(FILES['istiod-1.23.0.tgz'])} for stack dev: a release's file should never change. Find out why; "
        "`make vendor STACK=dev UPDATE=1` takes it all the same"
    )
    assert (project / "vendor.lock.json").read_text() == before
    vendor.vendor("dev", settings, update=True, project=project)
    assert digest(b"another") in (project / "vendor.lock.json").read_text()


def test_files_of_another_version_go_and_other_stacks_stay(folder: Path, project: Path, manifest: Path) -> None:
    settings = replace(loaded(), istio_chart_repository=str(folder / "charts"), gateway_api_manifest=str(manifest))
    for name in ("base", "istiod"):
        (folder / "charts" / f"{name}-1.23.6.tgz").write_bytes(b"newer")
    for stack, version in (("prod", "1.23.0"), ("dev", "1.23.0"), ("dev", "1.23.6")):
        vendor.vendor(stack, replace(settings, istio_version=version), update=False, project=project)
    lock = json.loads((project / "vendor.lock.json").read_text())
    assert set(lock["prod"]) == {*FILES, "gateway-api-v1.1.0-standard.yaml"}
    assert {path.name for path in (project / "vendor/dev").iterdir()} == set(lock["dev"])
    assert "istiod-1.23.6.tgz" in lock["dev"]
    assert "istiod-1.23.0.tgz" not in lock["dev"]


def test_the_command_reads_the_stacks_own_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = {}

    def fake(stack: str, settings: Any, *, update: bool) -> list[str]:
        seen[stack] = (settings.istio_version, update)
        return ["a line"]

    monkeypatch.setattr(vendor, "vendor", fake)
    assert command.main(["vendor", "--stack", "prod", "--update"]) == 0
    assert seen == {"prod": ("1.31.1", True)}
    assert capsys.readouterr().out.startswith("a line\nCommit vendor.lock.json")
    assert command.main(["vendor", "--stack", "none"]) == 1
    assert "there is no stack 'none' here" in capsys.readouterr().err
