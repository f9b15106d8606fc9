"""Another's mesh, or what is left of one, where this stack's is to be."""

import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.commands.adopt import RBAC, VALIDATOR, WEBHOOKS
from components.versions import Version
from program.lookup import Cluster
from program.preflight import plan
from program.traces import Traces
from tests.unit.conftest import Run
from tests.unit.test_preflight import SETTINGS

ROLE = f"{RBAC}/clusterroles/istiod-clusterrole-istio-system"
INJECTOR = f"{WEBHOOKS}/mutatingwebhookconfigurations/istio-sidecar-injector"
HELMS = Cluster(
    kubernetes=Version(1, 29),
    namespaces={"istio-system": False},
    istio_crds={"a.istio.io": False},
    istiods={"istio-system/istiod": Version(1, 23)},
    traces=Traces(
        releases=frozenset({"istio-base", "istiod", "istio-ingressgateway", "other"}),
        strays={ROLE: "istio-system/istiod", VALIDATOR: "istio-system/istio-base"},
    ),
)
ADOPTING = replace(SETTINGS, adopt=True)


def refused(cluster: Cluster, told: str, adopt: bool = False) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(told)):
        plan(replace(SETTINGS, adopt=adopt), cluster)


def test_a_mesh_of_the_helm_cli_is_refused_with_the_way_to_adopt_it() -> None:
    refused(
        HELMS,
        "Helm releases istio-base, istio-ingressgateway, istiod in istio-system are not this stack's: `helm install` "
        "makes them so, and Helm gives no second release their names. To take them over, with istiod left running, set "
        "adopt to true and istioVersion to 1.23.0 (another one restarts istiod), and run `make up`; destroy will then "
        "remove it. Else remove them with `helm uninstall --namespace istio-system istio-base istio-ingressgateway "
        "istiod`, or use another cluster",
    )


def test_adopted_its_releases_are_forgotten_by_helm_before_the_stacks_are_made(run: Run) -> None:
    assert plan(ADOPTING, HELMS).adopted_releases == ("istio-base", "istio-ingressgateway", "istiod")
    mesh = run(cluster=HELMS, clusterMode="existing", context="c", adopt="true")
    adoption = mesh.named("istio-adoption")
    assert adoption.inputs["create"].endswith(" --forget=istio-base,istio-ingressgateway,istiod")
    assert list(mesh.options("istio-adoption").ignoreChanges) == ["create"]
    assert "istio-adoption" in mesh.behind("istio-base")


@pytest.mark.parametrize(
    "ours",
    [{"namespaces": {"istio-system": True}}, {"istio_crds": {"a.istio.io": True}}, {"own_istiods": frozenset({"a/b"})}],
)
def test_the_stacks_own_releases_are_no_strangers(ours: dict[str, Any]) -> None:
    planned = plan(ADOPTING, replace(HELMS, **ours))
    assert planned.adopted_releases == ()
    plan(SETTINGS, replace(HELMS, **ours))


@pytest.mark.parametrize("adopt", [True, False])
def test_a_mesh_of_the_sail_operators_is_refused_in_any_case(adopt: bool) -> None:
    sail = replace(HELMS, traces=Traces(sail={"istio-system/istiod": "IstioRevision default"}))
    refused(sail, "is kept by the Sail operator for IstioRevision default", adopt)
    plan(SETTINGS, replace(sail, traces=Traces(sail={"other/istiod": "IstioRevision default"})))


LEFT = Cluster(traces=Traces(strays={ROLE: "", INJECTOR: "istio-system/my-istiod", f"{ROLE}-2": ""}))


def test_what_is_left_of_a_deleted_mesh_is_refused_by_its_names_or_adopted() -> None:
    names = "clusterroles/istiod-clusterrole-istio-system, mutatingwebhookconfigurations/istio-sidecar-injector"
    refused(LEFT, f"{names} belong to istio-system/my-istiod, no Helm release and are left of an Istio that is gone")
    refused(LEFT, f"remove them with `kubectl delete {names.replace(',', '')}`, or set adopt to true to take them over")
    plan(ADOPTING, LEFT)


def test_what_carries_the_marks_of_the_stacks_releases_helm_takes_over_by_itself() -> None:
    plan(SETTINGS, Cluster(traces=Traces(strays={ROLE: "istio-system/istiod", VALIDATOR: "istio-system/istio-base"})))


def test_of_another_revision_only_its_own_names_count() -> None:
    plan(replace(SETTINGS, revision="1-23-0"), LEFT)


@pytest.mark.parametrize("adopt", [True, False])
def test_a_mesh_elsewhere_keeps_its_validator(adopt: bool) -> None:
    elsewhere = Cluster(
        kubernetes=Version(1, 29),
        istiods={"mesh/istiod": Version(1, 23)},
        traces=Traces(strays={VALIDATOR: "mesh/istio-base"}),
    )
    refused(elsewhere, "and istiod runs as mesh/istiod: a cluster has one such validator", adopt)


def test_an_istiod_of_a_release_of_another_name_is_refused_by_that() -> None:
    owned = Cluster(kubernetes=Version(1, 29), traces=Traces(owners={"istio-system/istiod": "istio-system/mesh"}))
    refused(owned, "Helm releases mesh in istio-system are not this stack's")
    assert plan(ADOPTING, owned).adopted_releases == ()  # the command finds it by its marks
    plan(SETTINGS, replace(owned, traces=Traces(owners={"istio-system/istiod": "istio-system/istiod"})))
    plan(SETTINGS, replace(owned, traces=Traces(owners={"mesh/istiod": "mesh/mesh"})))
