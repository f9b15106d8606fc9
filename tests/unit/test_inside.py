"""What `make preview` tells of objects: from the state, Helm's own record and the cluster, against the program."""

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from components.kube import Kube
from components.objects import SHOWS_OBJECTS
from operations.manifests import drift, inside
from operations.manifests.effects import effect
from operations.manifests.evaluate import COMMAND, Registration
from operations.manifests.inside import HEAD, NOTHING, Preview, listed, stored
from operations.manifests.objects import Api
from operations.manifests.steps import CREATE, DELETE, REPLACE, SAME, UNKNOWN, UPDATE, Step, Steps, read
from operations.state.recover import Release
from tests.unit.fake_api import FakeApi
from tests.unit.test_effects import crd, deployment
from tests.unit.test_render import RELEASE, an_object

ISTIOD = Release(namespace="istio-system", name="istiod")
SECRETS = "/api/v1/namespaces/istio-system/secrets"
OWNED = f"{inside.CRDS}?labelSelector=istio-minikube%2Fstack%3Ddev"
BROUGHT = "gateways.gateway.networking.k8s.io"


def helm_has(api: FakeApi, *revisions: tuple[int, str, list[dict[str, Any]]]) -> None:
    """Helm's Secrets of release istiod: number, status and objects of each revision."""
    items = []
    for number, status, objects in revisions:
        metadata = {"labels": {"name": "istiod", "version": str(number), "status": status}}
        items.append({"metadata": metadata})
        content = json.dumps({"manifest": "\n---\n".join(map(yaml.safe_dump, objects))}).encode()
        data = base64.b64encode(base64.b64encode(gzip.compress(content))).decode()
        api.answer(f"{SECRETS}/sh.helm.release.v1.istiod.v{number}", {"data": {"release": data}})
    api.answer(f"{SECRETS}?labelSelector=owner%3Dhelm", {"items": items})


def without_namespace(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {"name": manifest["metadata"]["name"]}}


@pytest.fixture
def charts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """By release, what its chart renders to now; and the flags that helm was given."""
    made: dict[str, list[dict[str, Any]]] = {}

    def chart_objects(each: Registration, _helm: Path, _version: str, flags: list[str]) -> list[dict[str, Any]]:
        made["flags"] = [{"flag": flag} for flag in flags]
        return made[each.inputs["name"]]

    monkeypatch.setattr(inside, "chart_objects", chart_objects)
    monkeypatch.setattr(inside, "command_objects", lambda each: made[each.name])
    return made


@pytest.fixture
def preview(api: FakeApi) -> Preview:
    """Of stack dev, with nothing in state, cluster and program."""
    api.answer(OWNED, {"items": []})
    helm_has(api)
    return Preview(
        api=Api(api.kubeconfig, "there"),
        steps={},
        declared=[],
        helm=Path("helm"),
        flags=["--is-upgrade"],
        kubernetes="v1.30.0",
        stack="dev",
    )


def shown(preview: Preview) -> list[str]:
    return [str(each) for each in preview.effects()]


def steps_of(*steps: tuple[Registration, str]) -> Steps:
    """What Pulumi would do to resources."""
    return {
        (each.token, each.name): Step(token=each.token, name=each.name, verb=verb, before=each.inputs)
        for each, verb in steps
    }


def test_helms_own_record_is_read_and_the_last_deployed_revision_counts(api: FakeApi) -> None:
    old, new = deployment(image="pilot:1"), deployment(image="pilot:2")
    helm_has(api, (9, "superseded", [old]), (10, "deployed", [without_namespace(new)]), (11, "failed", [old]))
    assert stored(Kube(api.kubeconfig, "there"), ISTIOD) == [new]
    helm_has(api, (1, "pending-install", [old]))
    assert stored(Kube(api.kubeconfig, "there"), ISTIOD) is None


def test_a_release_that_changes_is_told_object_by_object(api: FakeApi, preview: Preview, charts: Any) -> None:
    helm_has(api, (1, "deployed", [deployment(), an_object(namespace="istio-system")]))
    charts["istiod"] = [deployment(image="pilot:2"), an_object(namespace="istio-system")]
    changing = replace(preview, declared=[RELEASE], steps=steps_of((RELEASE, UPDATE)))
    assert shown(changing) == [
        "! Deployment istio-system/istiod (Helm release istiod) changes: restarts its pods\n"
        "      spec.template.spec.containers[discovery].image: 'pilot:1' -> 'pilot:2'"
    ]
    assert {"flag": "--include-crds=false"} in charts["flags"]


def test_what_istiod_fills_into_its_webhooks_is_no_change(api: FakeApi, preview: Preview, charts: Any) -> None:
    before, after = (
        {**an_object("ValidatingWebhookConfiguration"), "webhooks": [{"name": "w", "failurePolicy": policy}]}
        for policy in ("Ignore", "Fail")
    )
    helm_has(api, (1, "deployed", [before]))
    charts["istiod"] = [after]
    assert shown(replace(preview, declared=[RELEASE], steps=steps_of((RELEASE, UPDATE)))) == []


def test_values_of_a_release_with_a_secret_are_masked(api: FakeApi, preview: Preview, charts: Any) -> None:
    helm_has(api, (1, "deployed", [deployment()]))
    charts["istiod"] = [deployment(image="pilot:2")]
    secret = replace(RELEASE, secrets=frozenset({"values"}))
    (line,) = shown(replace(preview, declared=[secret], steps=steps_of((RELEASE, UPDATE))))
    assert line.endswith(".image: (masked)")


def test_a_release_that_pulumi_leaves_alone_is_not_looked_at(preview: Preview) -> None:
    assert shown(replace(preview, declared=[RELEASE], steps=steps_of((RELEASE, SAME)))) == []
    assert shown(replace(preview, declared=[RELEASE])) == []


def test_a_new_release_is_told_in_one_line(preview: Preview, charts: Any) -> None:
    charts["istiod"] = [deployment(), crd()]
    changing = replace(preview, declared=[RELEASE], steps=steps_of((RELEASE, CREATE)))
    assert shown(changing) == ["+ Helm release istio-system/istiod is installed: 2 objects"]
    assert {"flag": "--include-crds=false"} not in charts["flags"]


def test_a_release_that_goes_is_told_with_the_crds_that_go_with_it(api: FakeApi, preview: Preview) -> None:
    kept = crd("kept.example.org")
    kept["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    helm_has(api, (1, "deployed", [deployment(), crd(), kept]))
    assert shown(replace(preview, steps=steps_of((RELEASE, DELETE)))) == [
        "- Helm release istio-system/istiod is uninstalled: 2 objects",
        "! CustomResourceDefinition gateways.example.org (Helm release istiod) is deleted: "
        "deletes every Gateway in the cluster",
    ]


BRINGS = Registration(
    token=COMMAND,
    name="gateway-api-crds",
    parent="gateway-api",
    custom=True,
    inputs={"create": "bring v1.5", "environment": {SHOWS_OBJECTS: "show"}},
    provider="",
    dependencies=frozenset(),
)


def brought(name: str = BROUGHT, owner: str = "dev", scope: str = "Namespaced") -> dict[str, Any]:
    manifest = crd(name)
    spec = {**manifest["spec"], "scope": scope}
    metadata = {"name": name, "labels": {"istio-minikube/stack": owner}}
    return {**manifest, "apiVersion": "apiextensions.k8s.io/v1", "metadata": metadata, "spec": spec}


def cluster_has(api: FakeApi, *crds: dict[str, Any]) -> None:
    served = {"name": "customresourcedefinitions", "kind": "CustomResourceDefinition", "namespaced": False}
    api.answer("/apis/apiextensions.k8s.io/v1", {"resources": [served]})
    for each in crds:
        api.answer(f"{inside.CRDS}/{each['metadata']['name']}", each)


def test_a_commands_objects_are_compared_with_what_the_api_server_would_make_of_them(
    api: FakeApi, preview: Preview, charts: Any
) -> None:
    cluster_has(api, brought())
    charts["gateway-api-crds"] = [brought(scope="Cluster")]
    dry_run = f"{inside.CRDS}/{BROUGHT}?fieldManager=istio-minikube-drift&force=true&dryRun=All"
    api.answer(dry_run, brought(scope="Cluster"), method="PATCH")
    changing = replace(preview, declared=[BRINGS], steps=steps_of((BRINGS, UPDATE)))
    assert shown(changing) == [
        f"! CustomResourceDefinition {BROUGHT} (Command gateway-api-crds) changes: spec.scope cannot be changed in "
        "place: Pulumi replaces it, Helm and kubectl are refused\n      spec.scope: 'Namespaced' -> 'Cluster'"
    ]


def test_somebody_elses_crd_stays_as_it_is(api: FakeApi, preview: Preview, charts: Any) -> None:
    cluster_has(api, brought(owner="other"))
    charts["gateway-api-crds"] = [brought(scope="Cluster"), brought("httproutes.gateway.networking.k8s.io")]
    changing = replace(preview, declared=[BRINGS], steps=steps_of((BRINGS, UPDATE)))
    assert shown(changing) == [
        "+ CustomResourceDefinition httproutes.gateway.networking.k8s.io (Command gateway-api-crds) is created"
    ]


def test_a_command_that_brings_everything_anew_is_one_line(api: FakeApi, preview: Preview, charts: Any) -> None:
    cluster_has(api)
    charts["gateway-api-crds"] = [brought(), brought("httproutes.gateway.networking.k8s.io")]
    assert shown(replace(preview, declared=[BRINGS], steps=steps_of((BRINGS, CREATE)))) == [
        "+ Command gateway-api-crds applies 2 objects, all of them new"
    ]


@pytest.mark.parametrize(
    ("declared", "verb"),
    [([], DELETE), ([BRINGS], UPDATE)],
    ids=["the Command goes", "the Command brings others"],
)
def test_a_crd_that_no_command_applies_any_more_is_told(
    api: FakeApi, preview: Preview, charts: Any, declared: list[Registration], verb: str
) -> None:
    other = brought("backends.gateway.networking.k8s.io")
    cluster_has(api, other, brought())
    charts["gateway-api-crds"] = [brought()]
    istios = {"name": "gateways.networking.istio.io"}
    owned = [other["metadata"], istios, *([brought()["metadata"]] if declared else [])]
    api.answer(OWNED, {"items": [{"metadata": each} for each in owned]})
    dry_run = f"{inside.CRDS}/{BROUGHT}?fieldManager=istio-minikube-drift&force=true&dryRun=All"
    api.answer(dry_run, brought(), method="PATCH")
    assert shown(replace(preview, declared=declared, steps=steps_of((BRINGS, verb)))) == [
        "! CustomResourceDefinition backends.gateway.networking.k8s.io (unless custom resources of others need it) is "
        "deleted: deletes every Gateway in the cluster"
    ]


def test_a_command_that_stays_is_not_looked_at(preview: Preview, api: FakeApi) -> None:
    assert shown(replace(preview, declared=[BRINGS], steps=steps_of((BRINGS, SAME)))) == []
    assert api.requests == []


DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def typed(verb: str, after: dict[str, Any], before: dict[str, Any] | None = None) -> Steps:
    step = Step(token=DEPLOYMENT, name="web", verb=verb, before=before or deployment(), after=after)
    return {(DEPLOYMENT, "web"): step}


@pytest.mark.parametrize(
    ("verb", "after", "marks"),
    [
        (UPDATE, deployment(image="pilot:2"), ["restarts its pods"]),
        (UPDATE, {**deployment(replicas=2), "__inputs": 1}, None),
        (REPLACE, deployment(replicas=2), ["Pulumi deletes it and creates it anew"]),
        (DELETE, {}, None),
        (CREATE, deployment(), None),
    ],
)
def test_of_typed_resources_only_what_is_marked_is_told(
    preview: Preview, verb: str, after: dict[str, Any], marks: list[str] | None
) -> None:
    told = [line.splitlines()[0] for line in shown(replace(preview, steps=typed(verb, after)))]
    assert told == [f"! Deployment istio-system/istiod (web) changes: {'; '.join(marks)}"] if marks else told == []


A, B = {"inputs": {"a": 1}}, {"inputs": {"a": 2}}
EVENTS: tuple[tuple[str, str, Any, Any], ...] = (
    ("same", "a$t::one", A, A),
    ("create-replacement", "t::two", A, B),
    ("delete-replaced", "t::two", A, None),
    ("delete", "t::three", A, A),
    ("create", "t::four", None, {}),
)


def test_what_the_engine_would_do_is_read_from_its_events(tmp_path: Path) -> None:
    events = tmp_path / "events"
    assert read(events) is None
    told = [
        {
            "resourcePreEvent": {
                "metadata": {"op": op, "urn": f"urn:pulumi:dev::p::{end}", "type": "t", "old": old, "new": new}
            }
        }
        for op, end, old, new in EVENTS
    ]
    events.write_text("".join(f"{json.dumps(each)}\n" for each in [{"preludeEvent": {}}, *told]))
    found = read(events)
    assert found is not None
    assert {name: (step.verb, step.before, step.after) for (_, name), step in found.items()} == {
        "one": (SAME, {"a": 1}, {"a": 1}),
        "two": (REPLACE, {"a": 1}, {"a": 2}),
        "three": (DELETE, {"a": 1}, {}),
        "four": (CREATE, {}, {}),
    }


def test_what_is_marked_comes_first_and_nothing_is_said_to_be_nothing() -> None:
    assert listed([]) == f"{NOTHING}\n"
    effects = [each for each in (effect(None, an_object()), effect(crd(), None)) if each]
    assert [line[0] for line in listed(effects).splitlines()] == [HEAD[0], "!", "+"]


@pytest.fixture
def quiet_stack(api: FakeApi, preview: Preview, monkeypatch: pytest.MonkeyPatch) -> Preview:
    """A stack whose configuration and cluster are those of ``preview``."""
    settings = {"kubeconfig": str(api.kubeconfig), "context": "there"}
    monkeypatch.setattr(inside, "settings_of", lambda *_: settings)
    monkeypatch.setattr(inside, "declared", lambda *_, **__: Mock(registrations=[]))
    monkeypatch.setattr(drift, "cluster_flags", lambda *_: ("v1.30.0", ()))
    return preview


@pytest.mark.usefixtures("quiet_stack")
def test_what_the_update_alone_will_tell_is_said_so() -> None:
    told = inside.tell("dev", {}, typed(UPDATE, deployment(image=UNKNOWN)), Path("helm"))
    assert told.splitlines()[-1].endswith("'pilot:1' -> '(known after the update)'")


@pytest.mark.parametrize(
    ("steps", "helm", "told"),
    [({}, None, "helm is neither built yet nor on PATH"), (None, Path("helm"), "this Pulumi CLI tells no events")],
)
def test_what_cannot_be_shown_is_said(steps: Steps | None, helm: Path | None, told: str) -> None:
    assert inside.tell("dev", {}, steps, helm) == (f"Objects inside Helm releases and Commands are not shown: {told}\n")
