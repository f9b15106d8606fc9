import json
from typing import Any

import pulumi
import pytest

from program.control_planes import ControlPlanes
from tests.unit.loading import loaded, refusal

OLD, NEW = {"name": "1-23-0", "version": "1.23.0"}, {"name": "1-24-6", "version": "1.24.6"}
UNNAMED = {"name": "default", "version": "1.23.0"}
SHOP = {"name": "orders", "namespace": "shop", "image": "shop.example/orders:1", "port": 80}


def planes(**config: Any) -> ControlPlanes:
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return loaded(**written).control_planes


@pytest.mark.parametrize("revision", ["", "1-23-0"])
def test_without_revisions_there_is_one_istiod_for_every_namespace(revision: str) -> None:
    alone = planes(revision=revision)
    assert (alone.istiods, alone.base, alone.side_by_side) == ({revision: "1.23.0"}, "1.23.0", False)
    assert (alone.label("default"), alone.istiod("default")) == (revision, revision)


def test_a_namespace_has_the_version_of_its_revision_or_of_its_tags() -> None:
    some = planes(
        revisions=[OLD, NEW],
        tags={"default": "1-23-0", "next": "1-24-6"},
        services=[SHOP],
        namespaceRevisions={"shop": "next"},
    )
    assert some.istiods == {"1-23-0": "1.23.0", "1-24-6": "1.24.6"}
    assert [(some.label(place), some.istiod(place)) for place in ("default", "shop")] == [
        ("", "1-23-0"),
        ("next", "1-24-6"),
    ]
    assert some.default == "1-23-0"


def test_the_istiod_without_a_name_can_be_one_of_several() -> None:
    some = planes(revisions=[UNNAMED, NEW], namespaceRevisions={"istio-system": "1-24-6"})
    assert some.istiods == {"": "1.23.0", "1-24-6": "1.24.6"}
    assert (some.istiod("default"), some.istiod("istio-system"), some.default) == ("", "1-24-6", "default")


def test_without_a_tag_or_an_istiod_for_it_there_is_no_default_revision() -> None:
    assert planes(revisions=[OLD, NEW], revision="1-24-6").default == ""


@pytest.mark.parametrize(("version", "shared"), [("1.23.0", True), ("1.24.6", False)])
def test_revisions_of_one_version_are_not_told_apart_by_it(version: str, shared: bool) -> None:
    assert planes(revisions=[UNNAMED, {"name": "canary", "version": version}]).share_versions is shared


@pytest.mark.parametrize(("istio_version", "base"), [("1.23.0", "1.24.6"), ("1.25.5", "1.25.5")])
def test_what_they_share_is_of_the_newest_version_or_of_istio_version(istio_version: str, base: str) -> None:
    assert planes(istioVersion=istio_version, revisions=[NEW], revision="1-24-6").base == base


@pytest.mark.parametrize(
    ("path", "config", "accepted"),
    [
        (
            "revisions[0].name",
            {"revisions": [{**OLD, "name": "1.23.0"}]},
            "a DNS-1123 label of up to 46 characters such as 1-24-6, or default for the istiod without a name",
        ),
        ("revisions[0].version", {"revisions": [{"name": "a"}]}, "MAJOR.MINOR.PATCH, such as 1.24.6"),
        ("revisions[1].name", {"revisions": [OLD, {**NEW, "name": "1-23-0"}]}, "a name that no other revision has"),
        (
            "revision",
            {"revisions": [OLD], "revision": ""},
            "one of revisions and tags: 1-23-0 (empty stands for default)",
        ),
        (
            "revision",
            {"revisions": [OLD], "revision": "1-24-6"},
            "one of revisions and tags: 1-23-0 (empty stands for default)",
        ),
        ("tags.default", {"tags": {"default": "1-23-0"}}, "no tag, as revisions lists nothing that it could stand for"),
        ("tags.default", {"revisions": [OLD], "tags": {"default": "1-24-6"}}, "1-23-0"),
        ("tags.a_b", {"revisions": [OLD, NEW], "tags": {"a_b": "1-24-6"}}, "a DNS-1123 label such as reviews"),
        (
            "tags.default",
            {"revisions": [UNNAMED, NEW], "tags": {"default": "1-24-6"}},
            "another tag than default, as a revision has that name and injects for it",
        ),
        (
            "namespaceRevisions.shop",
            {"revisions": [UNNAMED], "namespaceRevisions": {"shop": "default"}},
            "one of this stack's namespaces: default, istio-system",
        ),
        ("namespaceRevisions.default", {"revisions": [UNNAMED], "namespaceRevisions": {"default": "b"}}, "default"),
        (
            "namespaceRevisions.default",
            {"namespaceRevisions": {"default": "b"}},
            "no entry, as revisions lists nothing to choose from",
        ),
        ("dataPlane", {"dataPlane": "none"}, "sidecar or ambient"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(path: str, config: dict[str, Any], accepted: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"{refusal('', path, config, accepted)}$"):
        planes(**config)
