import re
from pathlib import Path

import pytest

from components.versions import (
    ISTIO_LINES,
    Version,
    canary_problems,
    gateway_api_problems,
    incompatibilities,
    uncertainties,
    upgrade_problems,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1.23.0", (1, 23, 0)),
        ("v1.30.4", (1, 30, 4)),
        ("v1.36.3+k3s1", (1, 36, 3)),
        ("1.24.0-rc.1", (1, 24, 0)),
    ],
)
def test_a_version_is_read_with_or_without_v_and_without_its_suffix(text: str, parts: tuple[int, int, int]) -> None:
    version = Version.parse(text)
    assert (version.major, version.minor, version.patch) == parts


@pytest.mark.parametrize("text", ["", "1.23", "v1", "1.23.0.1", "latest", "1.23.x", " 1.23.0"])
def test_anything_else_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(repr(text))} is no version like 1.23.0 or v1.30.0$"):
        Version.parse(text)


def test_versions_compare_by_number_and_not_by_letter() -> None:
    assert Version.parse("1.9.0") < Version.parse("1.10.0") < Version.parse("1.10.1") < Version.parse("2.0.0")


def test_a_version_is_written_without_v_and_knows_its_line() -> None:
    version = Version.parse("v1.23.6")
    assert (str(version), version.line) == ("1.23.6", "1.23")


def test_the_table_is_the_one_that_the_documentation_has_with_its_sources() -> None:
    text = (Path(__file__).parents[2] / "docs" / "supply.md").read_text()
    pattern = r"^\| (1\.\d+)[^|]* \| 1\.(\d+) to 1\.(\d+) \| ([\d.]+) \| ([\d.]+) \|([^|]*)\|$"
    told = {line: found for line, *found in re.findall(pattern, text, re.MULTILINE)}
    assert list(told) == list(reversed(ISTIO_LINES))
    for line, row in ISTIO_LINES.items():
        *versions, ends = told[line]
        assert versions == [*map(str, row.kubernetes), str(row.gateway_api), row.kiali]
        assert row.line == line
        assert row.end_of_life in ends


def test_the_tables_lines_are_in_their_order_without_a_gap() -> None:
    minors = [row.minor for row in ISTIO_LINES.values()]
    assert minors == list(range(minors[0], minors[-1] + 1))


@pytest.mark.parametrize(
    ("istio", "kubernetes", "gateway_api"),
    [
        ("1.23.0", "v1.30.0", "v1.1.0"),  # the tutorial's
        ("1.23.6", "v1.27.0", "v1.4.1"),
        ("1.30.0", "v1.32.0", "v1.5.1"),
        ("1.30.5", "v1.36.3", "v1.5.1"),
        ("1.31.0", "v1.32.0", "v1.6.0"),
        ("1.31.1", "v1.36.3", "v1.6.1"),
        # Newer than the table: by the newest line's rules, and with a warning.
        ("1.32.0", "v1.32.0", "v1.6.0"),
        ("1.31.1", "v1.37.0", "v1.6.1"),
        ("1.33.2", "v1.38.0", "v1.7.0"),
        ("2.0.0", "v1.36.0", "v1.6.0"),
    ],
)
def test_versions_that_go_together_find_nothing(istio: str, kubernetes: str, gateway_api: str) -> None:
    versions = map(Version.parse, (istio, kubernetes, gateway_api))
    assert incompatibilities(**dict(zip(("istio", "kubernetes", "gateway_api"), versions, strict=True))) == []


@pytest.mark.parametrize(
    ("istio", "kubernetes", "gateway_api", "found"),
    [
        (
            "1.23.0",
            "v1.31.0",
            "v1.1.0",
            "Istio 1.23.0 supports Kubernetes 1.27 to 1.30, not 1.31.0: use such a cluster (kubernetesVersion, where "
            "minikube starts it), or set istioVersion to one of 1.24, 1.25, 1.26, 1.27, 1.28, 1.29",
        ),
        (
            "1.23.0",
            "v1.26.9",
            "v1.1.0",
            "Istio 1.23.0 supports Kubernetes 1.27 to 1.30, not 1.26.9: use such a cluster (kubernetesVersion, where "
            "minikube starts it)",
        ),
        (
            "1.24.0",
            "v1.30.0",
            "v1.1.0",
            "Istio 1.24.0 is built with Gateway API v1.2.0, which v1.1.0 is older than: set gatewayApiVersion to "
            "v1.2.0 or newer",
        ),
        (
            "1.28.0",
            "v1.30.0",
            "v1.5.0",
            "Gateway API v1.5.0 needs Kubernetes 1.31 or newer, not 1.30.0: set gatewayApiVersion to one before v1.5.0",
        ),
        (
            "1.22.0",
            "v1.30.0",
            "v1.1.0",
            "istioVersion 1.22.0 is of no release line in versions.py: choose one of 1.23, 1.24, 1.25, 1.26, 1.27, "
            "1.28, 1.29, 1.30, 1.31, or a newer one",
        ),
        (
            "1.31.0",
            "v1.36.0",
            "v1.5.1",
            "Istio 1.31.0 is built with Gateway API v1.6.0, which v1.5.1 is older than: set gatewayApiVersion to "
            "v1.6.0 or newer",
        ),
        (
            "1.29.0",
            "v1.31.0",
            "v1.6.1",
            "Gateway API v1.6.1 needs Kubernetes 1.32 or newer, not 1.31.0: set gatewayApiVersion to one before v1.6.0",
        ),
        (
            "1.29.0",
            "v1.37.0",
            "v1.6.1",
            "Istio 1.29.0 supports Kubernetes 1.31 to 1.35, not 1.37.0: use such a cluster (kubernetesVersion, where "
            "minikube starts it)",
        ),
    ],
)
def test_versions_that_do_not_go_together_are_named_with_what_to_change(
    istio: str, kubernetes: str, gateway_api: str, found: str
) -> None:
    assert incompatibilities(
        istio=Version.parse(istio), kubernetes=Version.parse(kubernetes), gateway_api=Version.parse(gateway_api)
    ) == [found]


def test_what_is_newer_than_the_table_is_held_to_the_newest_lines_rules() -> None:
    kubernetes, floor = incompatibilities(istio=Version(1, 32), kubernetes=Version(1, 31), gateway_api=Version(1, 6))
    assert kubernetes.startswith("Istio 1.32.0 supports Kubernetes 1.32 to 1.36, not 1.31.0: ")
    assert floor.startswith("Gateway API v1.6.0 needs Kubernetes 1.32 or newer, not 1.31.0: ")


def test_everything_that_is_wrong_is_named_at_once() -> None:
    found = incompatibilities(istio=Version(1, 30), kubernetes=Version(1, 29), gateway_api=Version(1, 5))
    assert [sentence.split(" ", 2)[1] for sentence in found] == ["1.30.0", "1.30.0", "API"]


def test_the_next_major_kubernetes_fits_no_line() -> None:
    found = incompatibilities(istio=Version(1, 23), kubernetes=Version(2, 30), gateway_api=Version(1, 1))
    assert found[0].startswith("Istio 1.23.0 supports Kubernetes 1.27 to 1.30, not 2.30.0")


@pytest.mark.parametrize("wanted", ["1.23.0", "1.23.6", "1.24.6"])
def test_the_same_line_or_the_next_is_an_upgrade_in_place(wanted: str) -> None:
    assert upgrade_problems(running=Version(1, 23), wanted=Version.parse(wanted)) == []


@pytest.mark.parametrize(("running", "wanted"), [("1.22.8", "1.23.0"), ("1.22.8", "1.99.0"), ("1.31.0", "2.0.0")])
def test_nothing_is_said_of_lines_that_the_table_does_not_know(running: str, wanted: str) -> None:
    assert upgrade_problems(running=Version.parse(running), wanted=Version.parse(wanted)) == []


def test_a_jump_is_told_the_lines_on_the_way() -> None:
    assert upgrade_problems(running=Version(1, 23), wanted=Version(1, 26, 8)) == [
        "Istio 1.23.0 runs, and an in-place upgrade goes one minor release at a time: run `up` with istioVersion of "
        "1.24, then 1.25, then 1.26"
    ]


def test_a_jump_beyond_the_table_is_told_the_lines_on_the_way_too() -> None:
    assert upgrade_problems(running=Version(1, 30, 5), wanted=Version(1, 33)) == [
        "Istio 1.30.5 runs, and an in-place upgrade goes one minor release at a time: run `up` with istioVersion of "
        "1.31, then 1.32, then 1.33"
    ]


@pytest.mark.parametrize("newest", ["1.23.6", "1.24.6", "1.25.5"])
def test_control_planes_side_by_side_are_two_lines_apart_at_most(newest: str) -> None:
    assert canary_problems({"old": Version(1, 23), "new": Version.parse(newest)}) == []


def test_control_planes_further_apart_are_told_the_line_between() -> None:
    assert canary_problems({"new": Version(1, 27, 1), "old": Version(1, 23), "between": Version(1, 24)}) == [
        "revisions old (1.23.0) and new (1.27.1) are 4 minor releases apart, and side by side Istio supports 2 at "
        "most: go by a revision of 1.25"
    ]


@pytest.mark.parametrize("wanted", ["1.24.5", "1.23.6"])
def test_a_downgrade_is_told_what_runs(wanted: str) -> None:
    assert upgrade_problems(running=Version(1, 24, 6), wanted=Version.parse(wanted)) == [
        "Istio 1.24.6 runs, and an older istiod does not understand what a newer one and its CRDs have stored: set "
        "istioVersion to 1.24.6 or newer, or destroy the stack first"
    ]


def test_what_is_newer_than_the_table_is_a_warning() -> None:
    istio, kubernetes = uncertainties(istio=Version(1, 32), kubernetes=Version(1, 37))
    assert istio.startswith(
        "Istio 1.32.0 is newer than this program's table, which ends with 1.31: it is taken to need"
    )
    assert kubernetes.startswith("Kubernetes 1.37.0 is newer than this program's table, which ends with 1.36: ")
    assert uncertainties(istio=Version(1, 31, 9), kubernetes=Version(1, 36, 9)) == []
    # An older line's range is known, and its end is no matter of the table's age.
    assert uncertainties(istio=Version(1, 29), kubernetes=Version(1, 37)) == []
    assert uncertainties(istio=Version(1, 22), kubernetes=Version(1, 30)) == []


@pytest.mark.parametrize(("running", "wanted"), [((1, 5, 1), (1, 4, 1)), ((1, 6, 1), (1, 5, 1))])
def test_gateway_apis_policy_refuses_an_earlier_line(running: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    (found,) = gateway_api_problems(running=Version(*running), wanted=Version(*wanted))
    assert found.startswith(f"Gateway API v{Version(*running)} is there, and its policy safe-upgrades.")


@pytest.mark.parametrize(
    ("running", "wanted"), [((1, 6, 1), (1, 6)), ((1, 5, 1), (1, 6)), ((1, 4, 1), (1, 3)), ((1, 6), (1, 6))]
)
def test_gateway_apis_policy_lets_these_pass(running: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert gateway_api_problems(running=Version(*running), wanted=Version(*wanted)) == []
