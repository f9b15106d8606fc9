from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from operations.manifests.changes import ABSENT, changes
from operations.manifests.drift import Difference, hidden, ours
from operations.manifests.render import Rendered
from tests.unit.test_render import RELEASE, an_object, rendered

TYPED = replace(RELEASE, token="kubernetes:core/v1:Service", name="web-service", inputs={})  # noqa: S106 a type


def typed(manifest: Mapping[str, Any], *secrets: str) -> Rendered:
    return Rendered(resource=replace(TYPED, secrets=frozenset(secrets)), manifest=manifest)


@pytest.mark.parametrize(
    ("live", "wanted", "found"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1}}, []),
        ({"spec": {"a": 1}}, {"spec": {"a": 2}}, [("spec.a", 1, 2)]),
        ({"spec": {}}, {"spec": {"a": 2}}, [("spec.a", ABSENT, 2)]),
        ({"spec": {"a": 1}}, {"spec": {}}, [("spec.a", 1, ABSENT)]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("a[1]", 2, 3), ("a[2]", ABSENT, 4)]),
        ({"metadata": {"labels": {"a.b/c": "x"}}}, {"metadata": {}}, [("metadata.labels", {"a.b/c": "x"}, ABSENT)]),
        ({"labels": {"a.b/c": "x"}}, {"labels": {"a.b/c": "y"}}, [("labels[a.b/c]", "x", "y")]),
    ],
)
def test_a_change_is_told_by_its_path_and_both_values(live: Any, wanted: Any, found: list[Any]) -> None:
    assert list(changes(live, wanted)) == found


def test_ports_and_containers_are_told_apart_by_their_names() -> None:
    live = {"ports": [{"name": "b", "port": 2}, {"name": "a", "port": 1}]}
    wanted = {"ports": [{"name": "a", "port": 3}, {"name": "b", "port": 2}]}
    assert list(changes(live, wanted)) == [("ports[a].port", 1, 3)]


def test_what_every_write_changes_and_the_status_are_no_changes() -> None:
    live = {"metadata": {"resourceVersion": "1", "generation": 1, "managedFields": [1]}, "status": {"a": 1}}
    assert list(changes(live, {"metadata": {"resourceVersion": "2", "generation": 2, "managedFields": []}})) == []


def test_a_status_further_down_is_a_field_like_any_other() -> None:
    assert list(changes({"spec": {"status": 1}}, {"spec": {"status": 2}})) == [("spec.status", 1, 2)]


def test_where_only_some_fields_are_said_the_others_are_right() -> None:
    live = {"a": 1, "ports": [{"name": "a", "port": 1}, {"name": "b"}], "c": {"d": 1, "e": 2}}
    wanted = {"ports": [{"name": "a", "port": 2}], "c": {"d": 1}}
    assert list(changes(live, wanted, partly=True)) == [("ports[a].port", 1, 2)]


def test_replicas_of_what_is_autoscaled_are_the_autoscalers() -> None:
    item = typed({**an_object("Deployment", namespace="shop"), "spec": {"replicas": 2, "paused": False}})
    assert ours(item, {("Deployment", "shop", "web")})["spec"] == {"paused": False}
    assert ours(item, {("Deployment", "other", "web")})["spec"] == {"replicas": 2, "paused": False}


def test_what_istiod_fills_into_its_webhooks_is_istiods() -> None:
    webhook = {"name": "w", "failurePolicy": "Ignore", "clientConfig": {"caBundle": "", "service": {"name": "istiod"}}}
    item = rendered({**an_object("ValidatingWebhookConfiguration"), "webhooks": [webhook]})
    assert ours(item, ())["webhooks"] == [{"name": "w", "clientConfig": {"service": {"name": "istiod"}}}]


def test_secrets_are_neither_compared_nor_shown() -> None:
    secret = {**an_object("Secret"), "type": "Opaque", "data": {"a": "eA=="}, "stringData": {"b": "y"}}
    assert set(ours(rendered(secret), ())) == {"apiVersion", "kind", "metadata", "type"}
    assert set(ours(typed({**an_object(), "spec": {"token": "t"}}, "spec"), ())) == {"apiVersion", "kind", "metadata"}


def test_what_only_the_provider_reads_is_not_compared() -> None:
    annotations = {"pulumi.com/deletionPropagationPolicy": "background", "prometheus.io/scrape": "true"}
    manifest = {"kind": "Deployment", "metadata": {"name": "page", "annotations": annotations}}
    assert ours(rendered(manifest), ())["metadata"] == {
        "name": "page",
        "annotations": {"prometheus.io/scrape": "true"},
    }


def test_a_status_and_a_time_of_creation_are_nobodys_wish() -> None:
    manifest = {**an_object(creationTimestamp="null"), "status": {}}
    assert ours(rendered(manifest), ()) == an_object()


def test_a_difference_says_which_resource_brings_the_object_and_what_helm_hides() -> None:
    manifest = an_object(namespace="shop")
    assert str(Difference(item=typed(manifest), lines=())) == "Service shop/web (web-service): missing"
    assert str(Difference(item=rendered(manifest), lines=("a: 1, should be 2",))) == (
        "Service shop/web (Helm release istiod, istio-istiod): differs\n    a: 1, should be 2"
    )


def test_only_what_pulumi_itself_looks_at_is_not_hidden() -> None:
    command = Rendered(resource=replace(RELEASE, token="command:local:Command"), manifest=an_object())  # noqa: S106 a type
    assert [hidden(item) for item in (typed(an_object()), rendered(an_object()), command)] == [False, True, True]
    assert str(Difference(item=command, lines=())) == "Service web (istio-istiod): missing"
