"""What becomes of objects, and what of it is marked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from operations.manifests import render
from operations.manifests.effects import LINES_SHOWN, RESTARTS, compared, effect, marked, of_folders
from tests.unit.test_render import an_object, rendered


def deployment(kind: str = "Deployment", image: str = "pilot:1", **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "discovery", "image": image}]}}
    manifest = an_object(kind, "istiod", "apps/v1", namespace="istio-system")
    return {**manifest, "spec": {"replicas": 1, "selector": {"app": "istiod"}, "template": template, **spec}}


def crd(name: str = "gateways.example.org") -> dict[str, Any]:
    return {
        **an_object("CustomResourceDefinition", name),
        "spec": {"names": {"kind": "Gateway"}, "scope": "Namespaced"},
    }


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, an_object(), "+ Service web (Helm release istiod) is created"),
        (an_object(), None, "- Service web (Helm release istiod) is deleted"),
        (
            deployment(),
            deployment(replicas=2),
            "~ Deployment istio-system/istiod (Helm release istiod) changes\n      spec.replicas: 1 -> 2",
        ),
        (
            deployment(),
            deployment(image="pilot:2"),
            "! Deployment istio-system/istiod (Helm release istiod) changes: restarts its pods\n"
            "      spec.template.spec.containers[discovery].image: 'pilot:1' -> 'pilot:2'",
        ),
        (
            crd(),
            None,
            "! CustomResourceDefinition gateways.example.org (Helm release istiod) is deleted: "
            "deletes every Gateway in the cluster",
        ),
    ],
)
def test_an_effect_is_told_in_a_line_and_what_changes_below_it(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, shown: str
) -> None:
    assert str(effect(before, after, "Helm release istiod")) == shown


def test_what_stays_as_it_is_has_no_effect() -> None:
    assert effect(deployment(), deployment()) is None
    assert effect(None, None) is None


@pytest.mark.parametrize(
    ("kind", "strategy", "restarts"),
    [
        ("Deployment", {}, True),
        ("DaemonSet", {}, True),
        ("StatefulSet", {"type": "RollingUpdate"}, True),
        ("DaemonSet", {"type": "OnDelete"}, False),
        ("PodTemplate", {}, False),
    ],
)
def test_pods_restart_where_their_template_changes_and_the_kind_rolls_them(
    kind: str, strategy: dict[str, str], restarts: bool
) -> None:
    before, after = (deployment(kind, image, updateStrategy=strategy) for image in ("pilot:1", "pilot:2"))
    found = effect(before, after)
    assert found
    assert (RESTARTS in found.marks) is restarts


@pytest.mark.parametrize(
    ("kind", "before", "after", "field"),
    [
        ("Deployment", {"spec": {"selector": {"app": "a"}}}, {"spec": {"selector": {"app": "b"}}}, "spec.selector"),
        ("Service", {"spec": {"clusterIP": "10.0.0.1"}}, {"spec": {"clusterIP": "None"}}, "spec.clusterIP"),
        ("RoleBinding", {"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}}, "roleRef"),
        ("CustomResourceDefinition", {"spec": {"scope": "Cluster"}}, {"spec": {"scope": "Namespaced"}}, "spec.scope"),
    ],
)
def test_what_cannot_be_changed_in_place_is_marked(
    kind: str, before: dict[str, Any], after: dict[str, Any], field: str
) -> None:
    found = effect({**an_object(kind), **before}, {**an_object(kind), **after})
    assert found
    assert found.marks == (f"{field} cannot be changed in place: Pulumi replaces it, Helm and kubectl are refused",)


def test_a_field_whose_name_only_begins_so_is_another() -> None:
    before, after = ({**an_object("Service"), "spec": {"clusterIPs": [ip]}} for ip in ("10.0.0.1", "10.0.0.2"))
    found = effect(before, after)
    assert found
    assert found.marks == ()


def test_a_text_of_several_lines_is_told_by_its_lines() -> None:
    before, after = ({**an_object("ConfigMap"), "data": {"mesh": f"a: 1\nb: {b}\n"}} for b in (1, 2))
    assert str(effect(before, after)) == "~ ConfigMap web changes\n      data.mesh:\n        -b: 1\n        +b: 2"


def test_a_long_change_is_cut() -> None:
    before, after = ({**an_object("ConfigMap"), "data": {f"k{n}": value for n in range(20)}} for value in "ab")
    lines = str(effect(before, after)).splitlines()
    assert len(lines) == LINES_SHOWN + 2
    assert lines[-1].strip() == f"... {20 - LINES_SHOWN} lines more"


def test_a_field_that_comes_or_goes_is_told_so() -> None:
    before, after = {**an_object(), "spec": {"a": 1}}, {**an_object(), "spec": {"b": 2}}
    found = effect(before, after)
    assert found
    assert found.lines == ("spec.a: 1 is removed", "spec.b: 2 is added")


@pytest.mark.parametrize(("kind", "secret"), [("Secret", False), ("ConfigMap", True)])
def test_a_secret_is_told_by_its_paths_alone(kind: str, secret: bool) -> None:
    before, after = ({**an_object(kind), "data": {"key": value}} for value in ("b2xk", "bmV3"))
    found = effect(before, after, secret=secret)
    assert found
    assert found.lines == ("data.key: (masked)",)


def test_objects_of_one_name_and_several_groups_are_several() -> None:
    ours, theirs = (an_object("Gateway", "web", f"{group}/v1") for group in ("a.example", "b.example"))
    assert [str(each) for each in compared([ours], [theirs])] == [
        "- Gateway web is deleted",
        "+ Gateway web is created",
    ]
    newer = {**ours, "apiVersion": "a.example/v2"}
    assert [each.lines for each in compared([ours], [newer])] == [("apiVersion: 'a.example/v1' -> 'a.example/v2'",)]


def test_the_effects_of_two_renderings_are_marked_before_their_differences(tmp_path: Path) -> None:
    for name, objects in (
        ("base", [deployment(), crd(), an_object()]),
        ("head", [deployment(image="pilot:2"), an_object()]),
    ):
        render.write(map(rendered, objects), tmp_path / name)
    assert marked(of_folders(tmp_path / "base", tmp_path / "head")) == (
        "! CustomResourceDefinition gateways.example.org is deleted: deletes every Gateway in the cluster\n"
        "! Deployment istio-system/istiod changes: restarts its pods\n"
    )
    assert marked(of_folders(tmp_path / "base", tmp_path / "base")) == ""
