import re

import pytest

from components.versions import ISTIO_LINES, Version, canary_problems, incompatibilities, upgrade_problems


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


@pytest.mark.parametrize(
    ("line", "kubernetes", "gateway_api", "end_of_life"),
    [
        ("1.23", (27, 30), "1.1.0", "April 2025"),
        ("1.24", (28, 31), "1.2.0", "June 2025"),
        ("1.25", (29, 32), "1.2.1", "September 2025"),
        ("1.26", (29, 33), "1.3.0", "December 2025"),
        ("1.27", (29, 33), "1.3.0", "April 2026"),
        ("1.28", (30, 34), "1.4.0", "July 2026"),
        ("1.29", (31, 35), "1.4.0", ""),
        ("1.30", (32, 36), "1.5.1", ""),
    ],
)
def test_the_table_says_what_istios_says(
    line: str, kubernetes: tuple[int, int], gateway_api: str, end_of_life: str
) -> None:
    row = ISTIO_LINES[line]
    assert (row.line, row.kubernetes, str(row.gateway_api), row.end_of_life) == (
        line,
        kubernetes,
        gateway_api,
        end_of_life,
    )


@pytest.mark.parametrize(
    ("istio", "kubernetes", "gateway_api"),
    [
        ("1.23.0", "v1.30.0", "v1.1.0"),  # the tutorial's
        ("1.23.6", "v1.27.0", "v1.4.1"),
        ("1.30.0", "v1.32.0", "v1.5.1"),
        ("1.30.3", "v1.36.3", "v1.5.1"),
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
            "1.28, 1.29, 1.30",
        ),
    ],
)
def test_versions_that_do_not_go_together_are_named_with_what_to_change(
    istio: str, kubernetes: str, gateway_api: str, found: str
) -> None:
    assert incompatibilities(
        istio=Version.parse(istio), kubernetes=Version.parse(kubernetes), gateway_api=Version.parse(gateway_api)
    ) == [found]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    found = incompatibilities(istio=Version(1, 30), kubernetes=Version(1, 29), gateway_api=Version(1, 5))
    assert [sentence.split(" ", 2)[1] for sentence in found] == ["1.30.0", "1.30.0", "API"]


def test_the_next_major_kubernetes_fits_no_line() -> None:
    found = incompatibilities(istio=Version(1, 23), kubernetes=Version(2, 30), gateway_api=Version(1, 1))
    assert found[0].startswith("Istio 1.23.0 supports Kubernetes 1.27 to 1.30, not 2.30.0")


@pytest.mark.parametrize("wanted", ["1.23.0", "1.23.6", "1.24.6"])
def test_the_same_line_or_the_next_is_an_upgrade_in_place(wanted: str) -> None:
    assert upgrade_problems(running=Version(1, 23), wanted=Version.parse(wanted)) == []


@pytest.mark.parametrize(("running", "wanted"), [("1.22.8", "1.23.0"), ("1.22.8", "1.99.0"), ("1.30.0", "1.99.0")])
def test_nothing_is_said_of_lines_that_the_table_does_not_know(running: str, wanted: str) -> None:
    assert upgrade_problems(running=Version.parse(running), wanted=Version.parse(wanted)) == []


def test_a_jump_is_told_the_lines_on_the_way() -> None:
    assert upgrade_problems(running=Version(1, 23), wanted=Version(1, 26, 8)) == [
        "Istio 1.23.0 runs, and an in-place upgrade goes one minor release at a time: run `up` with istioVersion of "
        "1.24, then 1.25, then 1.26"
    ]


@pytest.mark.parametrize("newest", ["1.23.6", "1.24.6", "1.25.5", "1.99.0"])
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
