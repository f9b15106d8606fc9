import re
from collections.abc import Sequence
from typing import Any

import pulumi
import pytest

from components.versions import Version
from program.control_planes import ControlPlanes
from program.lookup import Cluster
from program.rules.revisions import refuse_new_first, refuse_removal_in_use, version_problems

UNNAMED, OLD, NEW = "istio-system/istiod", "istio-system/istiod-1-23-0", "istio-system/istiod-1-24-6"
BOTH = {"1-23-0": "1.23.0", "1-24-6": "1.24.6"}
ALONE = ControlPlanes(versions={"default": "1.23.0"}, base="1.23.0")


def listed(versions: dict[str, str], base: str = "") -> ControlPlanes:
    return ControlPlanes(versions=versions, base=base or max(versions.values()), side_by_side=True)


def cluster(istiods: Sequence[str] = (OLD, NEW), **changes: Any) -> Cluster:
    running = {name: Version(1, 24, 6) if name == NEW else Version(1, 23) for name in istiods}
    return Cluster(**{"istiods": running, "own_istiods": frozenset(istiods), **changes})


def test_a_revision_that_pods_use_is_not_removed_and_every_pod_is_named() -> None:
    users = {"1-23-0": ["shop/orders", "default/details"], "1-24-6": ["shop/other"]}
    message = (
        "revision 1-23-0 is no longer configured, and 2 pods still use it: default/details, shop/orders. List it in "
        "revisions, move its namespaces to another (revision, namespaceRevisions, tags), restart pods that are not "
        "this stack's, run `up`, and remove it then"
    )
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        refuse_removal_in_use(listed({"1-24-6": "1.24.6"}), cluster(revision_users=users))


@pytest.mark.parametrize(
    "found",
    [
        cluster(revision_users={"1-24-6": ["shop/orders"]}),
        cluster(own_istiods=frozenset({NEW}), revision_users={"1-23-0": ["theirs/orders"]}),
        cluster([NEW], revision_users={"1-23-0": ["shop/orders"]}),
        cluster(["other/istiod-1-23-0", NEW], revision_users={"1-23-0": ["shop/orders"]}),
    ],
    ids=["nobody uses it", "it is not this stack's", "it does not run", "it is elsewhere"],
)
def test_any_other_revision_goes(found: Cluster) -> None:
    refuse_removal_in_use(listed({"1-24-6": "1.24.6"}), found)


@pytest.mark.parametrize(("own_namespace", "refused"), [(True, True), (False, False)])
def test_an_istiod_by_itself_is_this_stacks_where_its_namespace_is(own_namespace: bool, refused: bool) -> None:
    found = cluster(
        [UNNAMED],
        own_istiods=frozenset(),
        namespaces={"istio-system": own_namespace},
        revision_users={"default": ["a/b"]},
    )
    if refused:
        with pytest.raises(pulumi.RunError, match=r"^revision default is no longer configured, and 1 pods"):
            refuse_removal_in_use(listed({"1-24-6": "1.24.6"}), found)
    else:
        refuse_removal_in_use(listed({"1-24-6": "1.24.6"}), found)


def test_beside_the_istiod_of_this_stack_others_are_somebody_elses() -> None:
    users = {"1-24-6": ["theirs/orders"]}
    found = cluster([UNNAMED, NEW], own_istiods=frozenset(), namespaces={"istio-system": True}, revision_users=users)
    refuse_removal_in_use(ALONE, found)


@pytest.mark.parametrize("versions", [BOTH, {"1-23-0": "1.23.0", "new": "1.25.5"}])
def test_what_runs_comes_first(versions: dict[str, str]) -> None:
    refuse_new_first(listed(versions), cluster([OLD]))
    refuse_new_first(listed(versions), cluster([]))


def test_a_new_revision_does_not_come_first() -> None:
    message = (
        "revisions begins with 1-24-6, which is new, while 1-23-0 runs: list what runs first, as the first takes over"
    )
    with pytest.raises(pulumi.RunError, match=f"^{message}"):
        refuse_new_first(listed(dict(reversed(BOTH.items()))), cluster([OLD]))


def test_a_new_revision_beside_one_that_runs_is_no_upgrade_of_that() -> None:
    assert version_problems(listed({"1-23-0": "1.23.0", "1-25-5": "1.25.5"}), cluster([OLD])) == []


def test_a_revision_of_the_same_name_is_upgraded_in_place() -> None:
    (problem,) = version_problems(listed({"1-23-0": "1.25.5"}), cluster([OLD]))
    assert "an in-place upgrade goes one minor release at a time" in problem


def test_crds_do_not_go_back_with_a_revision_that_is_given_up() -> None:
    told = (
        "Istio 1.24.6 runs and has brought its CRDs, which never go back: set istioVersion to 1.24.6, also where "
        "revisions lists only older ones"
    )
    assert version_problems(listed({"1-23-0": "1.23.0"}), cluster()) == [told]
    assert version_problems(listed({"1-23-0": "1.23.0"}, base="1.24.6"), cluster()) == []
