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
from operations.manifests import inside
from operations.manifests.effects import effect
from operations.manifests.evaluate import COMMAND, Registration
from operations.manifests.inside import HEAD, NOTHING, Preview, listed, recorded, stored
from operations.manifests.objects import Api
from operations.recover import Release
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
        state={},
        declared=[],
        helm=Path("helm"),
        flags=["--is-upgrade"],
        kubernetes="v1.30.0",
        stack="dev",
    )


def shown(preview: Preview) -> list[str]:
    return [str(each) for each in preview.effects()]


def key(each: Registration) -> tuple[str, str]:
    return each.token, each.name


CHANGED = {**RELEASE.inputs, "version": "1.22.0"}


def test_helms_own_record_is_read_and_the_last_deployed_revision_counts(api: FakeApi) -> None:
    old, new = deployment(image="pilot:1"), deployment(image="pilot:2")
    helm_has(api, (9, "superseded", [old]), (10, "deployed", [without_namespace(new)]), (11, "failed", [old]))
    assert stored(Kube(api.kubeconfig, "there"), ISTIOD) == [new]
    helm_has(api, (1, "pending-install", [old]))
    assert stored(Kube(api.kubeconfig, "there"), ISTIOD) is None


def test_a_release_that_changes_is_told_object_by_object(api: FakeApi, preview: Preview, charts: Any) -> None:
    helm_has(api, (1, "deployed", [deployment(), an_object(namespace="istio-system")]))
    charts["istiod"] = [deployment(image="pilot:2"), an_object(namespace="istio-system")]
    changing = replace(preview, declared=[RELEASE], state={key(RELEASE): CHANGED})
    assert shown(changing) == [
        "! Deployment istio-system/istiod (Helm release istiod) changes: restarts its pods\n"
        "      spec.template.spec.containers[discovery].image: 'pilot:1' -> 'pilot:2'"
    ]
    assert {"flag": "--include-crds=false"} in charts["flags"]


def test_values_of_a_release_with_a_secret_are_masked(api: FakeApi, preview: Preview, charts: Any) -> None:
    helm_has(api, (1, "deployed", [deployment()]))
    charts["istiod"] = [deployment(image="pilot:2")]
    secret = replace(RELEASE, secrets=frozenset({"values"}))
    (line,) = shown(replace(preview, declared=[secret], state={key(RELEASE): CHANGED}))
    assert line.endswith(".image: (masked)")


def test_a_release_that_pulumi_leaves_alone_is_not_looked_at(preview: Preview) -> None:
    assert shown(replace(preview, declared=[RELEASE], state={key(RELEASE): {**RELEASE.inputs, "compat": "true"}})) == []


def test_a_new_release_is_told_in_one_line(preview: Preview, charts: Any) -> None:
    charts["istiod"] = [deployment(), crd()]
    assert shown(replace(preview, declared=[RELEASE])) == ["~ Helm release istio-system/istiod is installed: 2 objects"]
    assert {"flag": "--include-crds=false"} not in charts["flags"]


def test_a_release_that_goes_is_told_with_the_crds_that_go_with_it(api: FakeApi, preview: Preview) -> None:
    kept = crd("kept.example.org")
    kept["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    helm_has(api, (1, "deployed", [deployment(), crd(), kept]))
    assert shown(replace(preview, state={key(RELEASE): RELEASE.inputs})) == [
        "~ Helm release istio-system/istiod is uninstalled: 2 objects",
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
BEFORE = {**BRINGS.inputs, "create": "bring v1.1"}


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
    changing = replace(preview, declared=[BRINGS], state={key(BRINGS): BEFORE})
    assert shown(changing) == [
        f"! CustomResourceDefinition {BROUGHT} (Command gateway-api-crds) changes: spec.scope cannot be changed in "
        "place: Pulumi replaces it, Helm and kubectl are refused\n      spec.scope: 'Namespaced' -> 'Cluster'"
    ]


def test_somebody_elses_crd_stays_as_it_is(api: FakeApi, preview: Preview, charts: Any) -> None:
    cluster_has(api, brought(owner="other"))
    charts["gateway-api-crds"] = [brought(scope="Cluster"), brought("httproutes.gateway.networking.k8s.io")]
    changing = replace(preview, declared=[BRINGS], state={key(BRINGS): BEFORE})
    assert shown(changing) == [
        "+ CustomResourceDefinition httproutes.gateway.networking.k8s.io (Command gateway-api-crds) is created"
    ]


def test_a_command_that_brings_everything_anew_is_one_line(api: FakeApi, preview: Preview, charts: Any) -> None:
    cluster_has(api)
    charts["gateway-api-crds"] = [brought(), brought("httproutes.gateway.networking.k8s.io")]
    assert shown(replace(preview, declared=[BRINGS])) == [
        "~ Command gateway-api-crds applies 2 objects, all of them new"
    ]


@pytest.mark.parametrize("declared", [[], [BRINGS]], ids=["the Command goes", "the Command brings others"])
def test_a_crd_that_no_command_applies_any_more_is_told(
    api: FakeApi, preview: Preview, charts: Any, declared: list[Registration]
) -> None:
    other = brought("backends.gateway.networking.k8s.io")
    cluster_has(api, other, brought())
    charts["gateway-api-crds"] = [brought()]
    istios = {"name": "gateways.networking.istio.io"}
    owned = [other["metadata"], istios, *([brought()["metadata"]] if declared else [])]
    api.answer(OWNED, {"items": [{"metadata": each} for each in owned]})
    dry_run = f"{inside.CRDS}/{BROUGHT}?fieldManager=istio-minikube-drift&force=true&dryRun=All"
    api.answer(dry_run, brought(), method="PATCH")
    assert shown(replace(preview, declared=declared, state={key(BRINGS): BEFORE})) == [
        "! CustomResourceDefinition backends.gateway.networking.k8s.io (unless somebody else's objects need it) is "
        "deleted: deletes every Gateway in the cluster"
    ]


def test_a_command_that_stays_is_not_looked_at(preview: Preview, api: FakeApi) -> None:
    assert shown(replace(preview, declared=[BRINGS], state={key(BRINGS): BRINGS.inputs})) == []
    assert api.requests == []


def test_of_typed_resources_only_what_is_marked_is_told(preview: Preview) -> None:
    typed = [
        replace(RELEASE, token="kubernetes:apps/v1:Deployment", name=name, inputs=deployment(**after))  # noqa: S106
        for name, after in (("scaled", {"replicas": 2}), ("rolled", {"image": "pilot:2"}))
    ]
    state = {key(each): {**deployment(), "__inputs": 1} for each in typed}
    (line,) = shown(replace(preview, declared=typed, state=state))
    assert line.startswith("! Deployment istio-system/istiod (rolled) changes: restarts its pods\n")


def test_secret_inputs_are_no_changes(preview: Preview) -> None:
    before, after = ({**an_object("Secret"), "type": "Opaque", "data": data} for data in ({"4dabf": "x"}, {"a": "b"}))
    secret = replace(RELEASE, token="kubernetes:core/v1:Secret", inputs=after, secrets=frozenset({"data"}))  # noqa: S106
    assert shown(replace(preview, declared=[secret], state={key(secret): before})) == []


def test_what_is_marked_comes_first_and_nothing_is_said_to_be_nothing() -> None:
    assert listed([]) == f"{NOTHING}\n"
    effects = [each for each in (effect(None, an_object()), effect(crd(), None)) if each]
    assert [line[0] for line in listed(effects).splitlines()] == [HEAD[0], "!", "+"]


def test_a_state_is_read_by_type_and_logical_name() -> None:
    urn = "urn:pulumi:dev::istio-minikube::a$kubernetes:helm.sh/v3:Release::istio-istiod"
    resources = [
        {"type": RELEASE.token, "urn": urn, "inputs": {"name": "istiod"}},
        {"type": "t", "urn": "urn:a::b::c::d"},
    ]
    assert recorded({"deployment": {"resources": resources}}) == {
        key(RELEASE): {"name": "istiod"},
        ("t", "d"): {},
    }
    assert recorded({"deployment": {}}) == {}


def test_without_helm_what_is_not_shown_is_said() -> None:
    assert "helm is not on PATH" in inside.tell("dev", {}, Mock(), None)
