import pytest

from components.kubernetes_upgrades import outgrown, problems
from components.versions import Version


def version(text: str) -> Version:
    return Version.parse(text)


@pytest.mark.parametrize("wanted", ["1.30.0", "1.30.9", "1.31.0", "1.31.5"])
def test_a_patch_or_the_next_minor_release_is_an_upgrade(wanted: str) -> None:
    assert problems(running=version("1.30.0"), wanted=version(wanted)) == []


def test_an_older_one_is_refused() -> None:
    assert problems(running=version("1.30.2"), wanted=version("1.30.1")) == [
        "Kubernetes 1.30.2 runs, and cannot become an older one in place: set kubernetesVersion to v1.30.2 or newer, "
        "or have the cluster created again"
    ]


def test_more_than_one_minor_release_is_refused_with_the_path() -> None:
    assert problems(running=version("1.30.2"), wanted=version("1.33.0")) == [
        "Kubernetes 1.30.2 runs, and is upgraded one minor release at a time: run `up` with kubernetesVersion of 1.31, "
        "then 1.32, then 1.33"
    ]


def test_an_istiod_that_does_not_support_the_new_kubernetes_is_upgraded_first() -> None:
    assert outgrown(istio=version("1.23.6"), running=version("1.30.0"), wanted=version("1.31.0")) == [
        "Istio 1.23.6 runs, which supports Kubernetes up to 1.30: upgrade Istio first, and set kubernetesVersion to "
        "v1.31.0 after that"
    ]


@pytest.mark.parametrize(
    ("istio", "running", "wanted"),
    [
        ("1.24.0", "1.30.0", "1.31.0"),
        ("1.23.0", "1.31.0", "1.31.0"),
        ("1.23.0", None, "1.31.0"),
        ("1.99.0", "1.30.0", "1.31.0"),
    ],
    ids=["supports it", "no upgrade", "no cluster", "unknown line"],
)
def test_any_other_istiod_is_no_obstacle(istio: str, running: str | None, wanted: str) -> None:
    there = version(running) if running else None
    assert outgrown(istio=version(istio), running=there, wanted=version(wanted)) == []
