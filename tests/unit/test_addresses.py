"""Every address that the project names, and none that ends."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.addresses import RETIRED, retired_in
from components.gateway_api import RELEASE
from components.versions import ADDON_CHARTS
from tests.unit.loading import loaded

PROJECT = Path(__file__).parents[2]
# Where retired addresses are told from others, and tested to be.
TELL_OF_THEM = {"components/addresses.py", "tests/unit/test_addresses.py", "docs/supply.md"}
NOT_OURS = {"vendor", "__pycache__"}
OURS_THOUGH_HIDDEN = {".ci", ".github"}
ADDRESS = re.compile(
    r"(?:https?|oci)://[\w.-]+(?::\d+)?(?:/[\w./-]*)?|\b(?:docker|gcr|ghcr|quay|registry)\.[\w.]+/[\w./-]+"
)
OLD_CHARTS, OLD_IMAGES = "https://istio-release.storage.googleapis.com/charts", "registry.istio.io/release"


def texts() -> Iterator[tuple[str, str]]:
    """Path and content of each file of the project's own that is text."""
    for path in sorted(PROJECT.rglob("*")):
        shown = path.relative_to(PROJECT)
        hidden = {part for part in shown.parts if part.startswith(".")} - OURS_THOUGH_HIDDEN
        if path.is_file() and not hidden and not NOT_OURS & set(shown.parts):
            yield str(shown), path.read_text(errors="ignore")


def test_no_file_names_an_address_that_ends() -> None:
    named = {(file, address) for file, text in texts() for address in ADDRESS.findall(text)}
    # Were nothing found, nothing would be judged.
    assert {"README.md", "Pulumi.yaml", "renovate.json", "components/versions.py"} <= {file for file, _ in named}
    assert {(file, address) for file, address in named if retired_in(address) and file not in TELL_OF_THEM} == set()


def test_what_stacks_are_installed_from_is_this_and_nothing_else() -> None:
    keys = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    renovate = json.loads((PROJECT / "renovate.json").read_text())["customManagers"][0]
    assert {keys["istioChartRepository"]["default"], renovate["registryUrlTemplate"]} == {
        "https://blob.istio.io/istio-release/charts"
    }
    assert {chart.repository for chart in ADDON_CHARTS.values()} == {
        "https://prometheus-community.github.io/helm-charts",
        "https://grafana-community.github.io/helm-charts",
        "https://jaegertracing.github.io/helm-charts",
        "https://kiali.org/helm-charts",
    }
    assert RELEASE.startswith("https://github.com/kubernetes-sigs/gateway-api/releases/")


@pytest.mark.parametrize("old", RETIRED)
def test_what_takes_the_place_of_a_retired_address_stays(old: str) -> None:
    assert retired_in(RETIRED[old]) == {}
    assert retired_in(f"https://{old}/base-1.30.0.tgz") == {old: RETIRED[old]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("oci://gcr.io/istio-release/charts", {"gcr.io/istio-release/charts": "ghcr.io/istio/release/charts"}),
        ('{"hub": "gcr.io/istio-release"}', {"gcr.io/istio-release": "docker.io/istio"}),
        ("registry.istio.io/release/pilot:1.30.3", {"registry.istio.io/release": "docker.io/istio"}),
        ("mirror.example/gcr.io/istio-release/pilot:1.30.3", {}),
        ("oci://mirror.example/registry.istio.io/release", {}),
        ("gcr.io/istio-release-of-ours/pilot", {}),
        ("eu.gcr.io/istio-release", {}),
        ("docker.io/istio", {}),
    ],
)
def test_a_retired_address_is_told_from_a_mirror_of_it(text: str, found: dict[str, str]) -> None:
    assert retired_in(text) == found


def test_each_key_with_a_retired_address_is_warned_of_with_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.warn", said.append)
    loaded(istioChartRepository=OLD_CHARTS, istioValues=f'{{"global": {{"hub": "{OLD_IMAGES}"}}}}')
    assert said == [
        "config key istioChartRepository names istio-release.storage.googleapis.com/charts, which Istio removes in "
        "December 2026: write blob.istio.io/istio-release/charts in its place",
        "config key istioValues names registry.istio.io/release, which Istio removes in December 2026: write "
        "docker.io/istio in its place",
    ]
    loaded()
    assert len(said) == 2
