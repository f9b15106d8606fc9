import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.versions import Version
from program.lookup import Cluster, Crd
from program.preflight import plan
from program.rules.gateway_api import NEEDED as NEEDED_GATEWAY_API
from tests.unit.loading import loaded

GATEWAYS, ROUTES = "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"
NEWEST = "httproutes.policy.example"
OURS = Crd(bundle_version="v1.1.0", channel="standard", ours=True)
FOREIGN = replace(OURS, ours=False)
END_OF_LIFE = "Istio 1.23 has been out of support since April 2025"
ADVICE = (
    "This stack did not install them and leaves them alone: have their owner upgrade them, or set gatewayApiVersion "
    "and gatewayApiChannel to theirs"
)
RELEASE = [{"kind": "CustomResourceDefinition", "metadata": {"name": name}} for name in (GATEWAYS, ROUTES, NEWEST)]
SETTINGS = loaded(istioChartRepository="https://charts.example")
MISMATCH = (
    "Istio 1.23.0 supports Kubernetes 1.27 to 1.30, not 1.36.3: use such a cluster (kubernetesVersion, where minikube "
    "starts it), or set istioVersion to one of 1.30, 1.31"
)


def exactly(message: str) -> str:
    return f"^{re.escape(message)}$"


def requests(**quantities: Any) -> Mapping[str, Any]:
    return {"pilot": {"resources": {"requests": quantities}}}


def names(documents: list[Mapping[str, Any]]) -> list[str]:
    return [document["metadata"]["name"] for document in documents]


@pytest.fixture
def never() -> Callable[[], list[Any]]:
    def load() -> list[Any]:
        raise AssertionError("the release was loaded")

    return load


def test_where_there_is_no_cluster_the_stack_brings_everything_but_the_namespace_default() -> None:
    planned = plan(SETTINGS, Cluster())
    assert (planned.namespace_exists, planned.istio_namespace_exists) == (True, False)
    assert names(planned.gateway_api_share(lambda: RELEASE)) == [GATEWAYS, ROUTES, NEWEST]


@pytest.mark.parametrize(
    ("namespaces", "namespace_exists", "istio_namespace_exists"),
    [
        ({}, False, False),
        ({"shop": True, "istio-system": True}, False, False),
        ({"shop": False, "istio-system": True}, True, False),
        ({"shop": True, "istio-system": False}, False, True),
    ],
)
def test_a_namespace_is_somebody_elses_if_it_is_there_and_not_ours(
    namespaces: dict[str, bool], namespace_exists: bool, istio_namespace_exists: bool
) -> None:
    planned = plan(replace(SETTINGS, namespace="shop"), Cluster(namespaces=namespaces))
    assert planned.namespace_exists is namespace_exists
    assert planned.istio_namespace_exists is istio_namespace_exists


def test_crds_that_this_stack_brought_stay_declared_with_all_of_their_release() -> None:
    planned = plan(SETTINGS, Cluster(gateway_api={GATEWAYS: OURS, ROUTES: OURS}))
    assert names(planned.gateway_api_share(lambda: RELEASE)) == [GATEWAYS, ROUTES, NEWEST]


def test_crds_of_somebody_else_leave_nothing_to_bring_and_nothing_to_load(never: Callable[[], list[Any]]) -> None:
    found = dict.fromkeys(NEEDED_GATEWAY_API, FOREIGN)
    assert plan(SETTINGS, Cluster(gateway_api=found)).gateway_api_share(never) == []


def test_beside_crds_of_somebody_else_our_own_stay_declared_and_what_is_missing_is_brought() -> None:
    planned = plan(SETTINGS, Cluster(gateway_api={GATEWAYS: FOREIGN, ROUTES: OURS}))
    assert names(planned.gateway_api_share(lambda: RELEASE)) == [ROUTES, NEWEST]


@pytest.mark.parametrize(
    ("crds", "wanted", "refusal"),
    [
        (
            [replace(FOREIGN, bundle_version="v1.0.0")],
            {},
            "the cluster's Gateway API CRDs gateways v1.0.0 (standard) are older than the wanted v1.1.0 (standard). ",
        ),
        (
            [replace(FOREIGN, bundle_version="", channel="")],
            {},
            "the cluster's Gateway API CRDs gateways of no version (no channel) are older than the wanted v1.1.0 "
            "(standard). ",
        ),
        (
            [FOREIGN],
            {"gateway_api_channel": "experimental"},
            "the cluster's Gateway API CRDs gateways v1.1.0 (standard) are without the kinds of the wanted v1.1.0 "
            "(experimental). ",
        ),
        (
            [FOREIGN, replace(FOREIGN, bundle_version="v1.0.0")],
            {},
            "the cluster's Gateway API CRDs httproutes v1.0.0 (standard) are older than the wanted v1.1.0 (standard). ",
        ),
    ],
    ids=["too old", "unmarked", "standard for experimental", "mixed"],
)
def test_crds_of_somebody_else_that_do_not_fit_are_refused(
    crds: list[Crd], wanted: dict[str, Any], refusal: str
) -> None:
    cluster = Cluster(gateway_api=dict(zip((GATEWAYS, ROUTES), crds, strict=False)))
    with pytest.raises(pulumi.RunError, match=exactly(refusal + ADVICE)):
        plan(replace(SETTINGS, **wanted), cluster)


@pytest.mark.parametrize(
    ("crd", "wanted"),
    [
        (FOREIGN, "standard"),
        (replace(FOREIGN, bundle_version="v1.2.1"), "standard"),
        (replace(FOREIGN, channel="experimental"), "standard"),
        (replace(FOREIGN, channel="experimental"), "experimental"),
    ],
)
def test_crds_of_somebody_else_that_are_as_wanted_or_newer_or_richer_will_do(crd: Crd, wanted: str) -> None:
    settings = replace(SETTINGS, gateway_api_channel=wanted)  # type: ignore[arg-type] # one of two words
    assert plan(settings, Cluster(gateway_api={GATEWAYS: crd})).own_gateway_api == frozenset()


def test_our_own_crds_of_another_version_are_there_to_be_upgraded() -> None:
    older = replace(OURS, bundle_version="v1.0.0")
    assert plan(SETTINGS, Cluster(gateway_api={GATEWAYS: older})).foreign_gateway_api == frozenset()


def test_versions_that_do_not_go_together_are_refused() -> None:
    message = f"these versions do not go together: {MISMATCH}. (compatibility: warn goes on all the same)"
    with pytest.raises(pulumi.RunError, match=exactly(message)):
        plan(replace(SETTINGS, cluster_mode="existing"), Cluster(kubernetes=Version(1, 36, 3)))


def test_with_compatibility_warn_they_are_a_warning() -> None:
    warn = replace(SETTINGS, compatibility="warn", cluster_mode="existing")
    planned = plan(warn, Cluster(kubernetes=Version(1, 36, 3)))
    assert planned.warnings == (MISMATCH, END_OF_LIFE)


def test_with_compatibility_warn_an_unknown_release_line_is_a_warning() -> None:
    (warning,) = plan(replace(SETTINGS, compatibility="warn", istio_version="1.22.0"), Cluster()).warnings
    assert warning.startswith("istioVersion 1.22.0 is of no release line in versions.py: ")


def test_a_release_newer_than_the_table_is_a_warning_and_no_refusal() -> None:
    newer = replace(SETTINGS, istio_version="1.32.0", kubernetes_version="v1.36.0", gateway_api_version="v1.6.1")
    (warning,) = plan(newer, Cluster()).warnings
    assert warning.startswith("Istio 1.32.0 is newer than this program's table")
    with pytest.raises(pulumi.RunError, match=r"Istio 1\.32\.0 is built with Gateway API v1\.6\.0"):
        plan(replace(newer, gateway_api_version="v1.5.1"), Cluster())


def test_the_stacks_own_gateway_api_crds_do_not_go_back_where_their_policy_refuses_it() -> None:
    crds = {name: Crd(bundle_version="v1.6.1", channel="standard", ours=True) for name in NEEDED_GATEWAY_API}
    back = replace(SETTINGS, gateway_api_version="v1.5.1", kubernetes_version="v1.36.0", istio_version="1.30.5")
    with pytest.raises(pulumi.RunError, match=r"Gateway API v1\.6\.1 is there, and its policy safe-upgrades"):
        plan(back, Cluster(gateway_api=crds))
    assert plan(replace(back, gateway_api_version="v1.6.1"), Cluster(gateway_api=crds)).warnings == ()


def test_before_there_is_a_cluster_the_wanted_kubernetes_counts() -> None:
    with pytest.raises(pulumi.RunError, match=r"^these versions do not go together: Istio 1\.23\.0 .* not 1\.36\.3"):
        plan(replace(SETTINGS, kubernetes_version="v1.36.3"), Cluster())


UPGRADED = replace(SETTINGS, istio_version="1.24.0", kubernetes_version="v1.31.0", gateway_api_version="v1.2.0")


def test_a_minikube_whose_kubernetes_is_to_be_upgraded_is_judged_by_the_new_one() -> None:
    assert plan(UPGRADED, Cluster(kubernetes=Version(1, 30))).warnings[0].startswith("Istio 1.24 has been out of")
    with pytest.raises(pulumi.RunError, match=r"Istio 1\.23\.0 supports Kubernetes 1\.27 to 1\.30, not 1\.31\.0"):
        plan(replace(SETTINGS, kubernetes_version="v1.31.0"), Cluster(kubernetes=Version(1, 30)))


def test_kubernetes_is_not_upgraded_under_an_istiod_that_does_not_support_the_new_one() -> None:
    cluster = Cluster(kubernetes=Version(1, 30), istiods={"istio-system/istiod": Version(1, 23, 6)})
    message = (
        "these versions do not go together: Istio 1.23.6 runs, which supports Kubernetes up to 1.30: upgrade Istio "
        "first, and set kubernetesVersion to v1.31.0 after that. (compatibility: warn goes on all the same)"
    )
    with pytest.raises(pulumi.RunError, match=exactly(message)):
        plan(UPGRADED, cluster)


@pytest.mark.parametrize(
    ("running", "words"),
    [
        (Version(1, 31, 1), "set kubernetesVersion to v1.31.1 or newer"),
        (Version(1, 28, 4), "run `up` with kubernetesVersion of 1.29, then 1.30, then 1.31"),
    ],
)
def test_a_kubernetes_that_minikube_cannot_make_of_the_one_that_runs_is_refused_whatever_compatibility_says(
    running: Version, words: str
) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(words)):
        plan(replace(UPGRADED, compatibility="warn"), Cluster(kubernetes=running))


def test_the_kubernetes_of_somebody_elses_cluster_is_no_upgrade() -> None:
    settings = replace(UPGRADED, cluster_mode="existing")
    assert plan(settings, Cluster(kubernetes=Version(1, 29))).warnings[0].startswith("Istio 1.24 has been out of")


def test_a_release_line_after_its_end_of_life_is_a_warning() -> None:
    assert plan(SETTINGS, Cluster()).warnings == (END_OF_LIFE,)


def test_a_supported_release_line_is_none() -> None:
    current = replace(SETTINGS, istio_version="1.30.0", kubernetes_version="v1.36.0", gateway_api_version="v1.5.1")
    assert plan(current, Cluster()).warnings == ()


@pytest.mark.parametrize("present", [[], ["base"], ["istiod"]])
def test_a_folder_without_both_charts_is_refused(tmp_path: Path, present: list[str]) -> None:
    for chart in present:
        (tmp_path / f"{chart}-1.23.0.tgz").touch()
    missing = "istiod" if present == ["base"] else "base"
    message = (
        f"istioChartRepository is {str(tmp_path)!r}, where {missing}-1.23.0.tgz is missing; accepted: a folder that "
        "holds base-1.23.0.tgz and istiod-1.23.0.tgz, or an address"
    )
    with pytest.raises(pulumi.RunError, match=exactly(message)):
        plan(replace(SETTINGS, istio_chart_repository=str(tmp_path)), Cluster())


def test_a_folder_with_both_charts_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for chart in ("base", "istiod"):
        (tmp_path / f"{chart}-1.23.0.tgz").touch()
    assert plan(replace(SETTINGS, istio_chart_repository="~"), Cluster()).warnings == (END_OF_LIFE,)


def test_a_jump_over_a_release_line_is_refused_and_goes_on_with_a_warning() -> None:
    running = Cluster(kubernetes=Version(1, 29), istiods={"istio-system/istiod": Version(1, 23), "other/istiod": None})
    wanted = replace(SETTINGS, istio_version="1.25.5", gateway_api_version="v1.2.1")
    with pytest.raises(
        pulumi.RunError, match=r"do not go together: Istio 1\.23\.0 runs, and an in-place upgrade goes one"
    ):
        plan(wanted, running)
    assert any(
        "one minor release at a time" in warning
        for warning in plan(replace(wanted, compatibility="warn"), running).warnings
    )


def test_an_istiod_of_somebody_else_is_no_upgrade_of_this_one() -> None:
    elsewhere = Cluster(kubernetes=Version(1, 29), istiods={"other/istiod": Version(1, 28)})
    assert "istio-system/istiod" not in elsewhere.istiods
    plan(SETTINGS, elsewhere)


ISTIOCTLS = Cluster(
    kubernetes=Version(1, 29),
    namespaces={"istio-system": False},
    istio_crds={"a.istio.io": False, "b.istio.io": False},
    istiods={"istio-system/istiod": Version(1, 23)},
    unreleased=frozenset({"istio-system/istiod"}),
)


def test_an_istiod_that_no_helm_release_made_is_refused_with_the_way_to_adopt_it() -> None:
    message = (
        "Deployment istio-system/istiod, Istio 1.23.0, is no Helm release's: `istioctl install` makes it so, and owns "
        "it with its Service, ConfigMaps, roles, webhooks, 2 CRDs and ingress gateway. To take all of that over, with "
        "istiod left running, set adopt to true and istioVersion to 1.23.0 (another one restarts istiod), and run "
        "`make up`; destroy will then remove it. Else remove it with `istioctl uninstall --purge`, or use another "
        "cluster"
    )
    with pytest.raises(pulumi.RunError, match=exactly(message)):
        plan(SETTINGS, ISTIOCTLS)


def test_an_adopted_meshs_crds_are_the_stacks_and_its_namespace_is_not() -> None:
    planned = plan(replace(SETTINGS, adopt=True), ISTIOCTLS)
    assert planned.foreign_istio_crds == frozenset()
    assert planned.istio_namespace_exists


def test_an_istiod_of_another_revision_is_left_to_istioctl() -> None:
    planned = plan(replace(SETTINGS, revision="1-23-0"), ISTIOCTLS)
    assert planned.foreign_istio_crds == {"a.istio.io", "b.istio.io"}


CILIUMS = dict.fromkeys(NEEDED_GATEWAY_API, replace(FOREIGN, bundle_version="v1.2.0")) | {
    "tlsroutes.gateway.networking.k8s.io": replace(FOREIGN, bundle_version="v1.2.0", channel="experimental")
}


def test_of_several_bundles_only_what_istio_needs_must_fit() -> None:
    planned = plan(SETTINGS, Cluster(gateway_api=CILIUMS))
    assert planned.warnings == (END_OF_LIFE,)
    assert planned.gateway_api_share(lambda: RELEASE) == []


def test_what_istio_does_not_need_and_is_too_old_is_a_warning() -> None:
    old = {**CILIUMS, "tlsroutes.gateway.networking.k8s.io": replace(FOREIGN, bundle_version="v1.0.0")}
    *_, warning = plan(SETTINGS, Cluster(gateway_api=old)).warnings
    assert warning == (
        "the cluster's Gateway API CRDs tlsroutes v1.0.0 (standard) are not this stack's and older than v1.1.0: Istio "
        "may leave those kinds out, and needs none of them"
    )


POLICY = Crd(bundle_version="v1.5.1", channel="standard", ours=False)


@pytest.mark.parametrize(
    ("crds", "changes"),
    [
        ({}, {}),
        ({GATEWAYS: OURS}, {"gateway_api_version": "v1.5.1", "gateway_api_channel": "experimental"}),
    ],
)
def test_a_policy_of_somebody_elses_that_would_refuse_our_crds_is_told(
    crds: dict[str, Crd], changes: dict[str, Any]
) -> None:
    cluster = Cluster(gateway_api=crds, gateway_api_policy=POLICY, kubernetes=Version(1, 31))
    settings = replace(SETTINGS, compatibility="warn", cluster_mode="existing", **changes)
    with pytest.raises(
        pulumi.RunError, match=r"^ValidatingAdmissionPolicy safe-upgrades\..* is not this stack's and would"
    ):
        plan(settings, cluster)
    plan(settings, replace(cluster, gateway_api_policy=replace(POLICY, ours=True)))
    plan(
        settings,
        replace(
            cluster,
            gateway_api=dict.fromkeys(
                NEEDED_GATEWAY_API, replace(FOREIGN, bundle_version="v1.5.1", channel="experimental")
            ),
        ),
    )
