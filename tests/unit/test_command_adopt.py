from typing import Any

import pytest

from components.commands.adopt import DEFAULT_INJECTOR, INJECTOR, LISTS, MANAGED, main
from tests.unit.fake_api import FakeApi

SELECTOR = "?labelSelector=operator.istio.io%2Fmanaged"
ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
GATEWAY = "/apis/apps/v1/namespaces/istio-system/deployments/istio-ingressgateway"
VALIDATOR = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/istiod-default-validator"
RELEASES = ["--base=istio-system/istio-base", "--istiod=istio-system/istiod"]


def made(name: str, component: str, namespace: str = "", revision: str = "default") -> dict[str, Any]:
    labels = {"operator.istio.io/component": component, MANAGED: "Reconcile", "istio.io/rev": revision}
    return {"metadata": {"name": name, "labels": labels, **({"namespace": namespace} if namespace else {})}}


@pytest.fixture
def mesh(api: FakeApi) -> FakeApi:
    """What istioctl makes, as far as it goes here; the API server answers every change."""
    found = {
        "deployments": [
            made("istiod", "Pilot", "istio-system"),
            made("istiod-canary", "Pilot", "istio-system", "canary"),
            made("istio-ingressgateway", "IngressGateways", "istio-system"),
        ],
        "services": [made("istio-ingressgateway", "IngressGateways", "istio-system")],
        "validatingwebhookconfigurations": [made("istiod-default-validator", "Pilot")],
        "mutatingwebhookconfigurations": [made("istio-revision-tag-default", "Pilot")],
        "customresourcedefinitions": [made("gateways.networking.istio.io", "Base")],
    }
    for listed in LISTS:
        if "polic" not in listed or "poddisruption" in listed:  # kinds that this Kubernetes lacks
            api.answer(f"{listed}{SELECTOR}", {"items": found.get(listed.rpartition("/")[2], [])})
    for path in (ISTIOD, VALIDATOR, "/api/v1/namespaces/istio-system/services/istio-ingressgateway"):
        api.answer(path, {"kind": "any"}, method="PATCH")
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    api.answer(f"{crds}/gateways.networking.istio.io", {"kind": "any"}, method="PATCH")
    api.answer(f"{GATEWAY}?propagationPolicy=Orphan", {"kind": "any"}, method="DELETE")
    return api


def ran(api: FakeApi, *words: str) -> int:
    return main([words[0], f"--kubeconfig={api.kubeconfig}", "--context=there", *words[1:]])


def changed(api: FakeApi) -> dict[str, Any]:
    return {f"{each.method} {each.path}": each.body for each in api.requests if each.method != "GET"}


def test_each_object_gets_the_marks_of_the_release_that_has_it_and_loses_istioctls(mesh: FakeApi) -> None:
    assert ran(mesh, "begin", *RELEASES) == 0
    metadata = changed(mesh)[f"PATCH {ISTIOD}"]["metadata"]
    assert metadata["annotations"] == {
        "meta.helm.sh/release-name": "istiod",
        "meta.helm.sh/release-namespace": "istio-system",
    }
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert metadata["labels"][MANAGED] is None
    assert metadata["managedFields"] == [{}]


def test_the_default_tags_validator_and_the_crds_are_the_base_charts(mesh: FakeApi) -> None:
    ran(mesh, "begin", *RELEASES)
    names = {path: body["metadata"].get("annotations", {}) for path, body in changed(mesh).items() if body}
    assert {path.rpartition("/")[2]: each.get("meta.helm.sh/release-name") for path, each in names.items()} == {
        "istiod": "istiod",
        "istiod-default-validator": "istio-base",
        "gateways.networking.istio.io": "istio-base",
        "istio-ingressgateway": None,
    }


def test_the_gateways_deployment_makes_way_and_its_pods_stay(mesh: FakeApi) -> None:
    ran(mesh, "begin", *RELEASES)
    assert [path for path in changed(mesh) if path.startswith("DELETE")] == [
        f"DELETE {GATEWAY}?propagationPolicy=Orphan"
    ]


def test_only_the_revision_that_is_asked_for_is_handed_over(mesh: FakeApi) -> None:
    mesh.answer(f"{ISTIOD}-canary", {"kind": "any"}, method="PATCH")
    ran(mesh, "begin", "--base=istio-system/istio-base", "--istiod=istio-system/istiod-canary")
    handed = {path for path in changed(mesh) if path.startswith("PATCH")}
    assert f"PATCH {ISTIOD}-canary" in handed
    assert f"PATCH {ISTIOD}" not in handed


def test_the_default_tags_injector_is_removed_in_the_end_if_it_is_istioctls(mesh: FakeApi) -> None:
    mesh.answer(DEFAULT_INJECTOR, made("istio-revision-tag-default", "Pilot"))
    mesh.answer(DEFAULT_INJECTOR, {"kind": "any"}, method="DELETE")
    assert ran(mesh, "finish") == 0
    assert list(changed(mesh)) == [f"DELETE {DEFAULT_INJECTOR}"]


def selecting(**deactivated: str) -> dict[str, Any]:
    """The chart's injector, as its webhooks select namespaces and pods."""
    label = {"matchLabels": {**deactivated, "a": "b"}}
    expressions = {"matchExpressions": [{"key": "istio-injection", "operator": "Exists"}]}
    webhooks = [{"name": name, "namespaceSelector": label, "objectSelector": expressions | label} for name in "xy"]
    return {"webhooks": webhooks}


def test_before_that_the_injector_that_istioctl_has_deactivated_works_again(mesh: FakeApi) -> None:
    mesh.answer(DEFAULT_INJECTOR, made("istio-revision-tag-default", "Pilot"))
    mesh.answer(DEFAULT_INJECTOR, {"kind": "any"}, method="DELETE")
    mesh.answer(INJECTOR, selecting(**{"istio.io/deactivated": "never-match"}))
    mesh.answer(INJECTOR, {"kind": "any"}, method="PATCH")
    assert ran(mesh, "finish") == 0
    assert list(changed(mesh).items()) == [(f"PATCH {INJECTOR}", selecting()), (f"DELETE {DEFAULT_INJECTOR}", None)]


def test_an_injector_that_works_is_left_as_it_is(mesh: FakeApi) -> None:
    mesh.answer(DEFAULT_INJECTOR, made("istio-revision-tag-default", "Pilot"))
    mesh.answer(DEFAULT_INJECTOR, {"kind": "any"}, method="DELETE")
    mesh.answer(INJECTOR, selecting())
    assert ran(mesh, "finish") == 0
    assert list(changed(mesh)) == [f"DELETE {DEFAULT_INJECTOR}"]


def test_an_injector_of_somebody_else_stays(mesh: FakeApi) -> None:
    mesh.answer(DEFAULT_INJECTOR, {"metadata": {"name": "istio-revision-tag-default", "labels": {}}})
    assert ran(mesh, "finish") == 0
    assert changed(mesh) == {}


def test_an_api_server_that_refuses_is_told(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer(f"{LISTS[0]}{SELECTOR}", {"message": "no, you"}, status=403)
    assert ran(api, "begin", *RELEASES) == 1
    assert "answers 403 to GET" in capsys.readouterr().err


ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/istiod-clusterrole-istio-system"
SECRETS = "/api/v1/namespaces/istio-system/secrets"


def of_release(name: str, release: str, namespace: str = "istio-system") -> dict[str, Any]:
    marks = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    return {"metadata": {"name": name, "namespace": namespace, "annotations": marks}}


def kept(api: FakeApi, release: str) -> str:
    """Helm has a revision of a release; its Secret's path."""
    secret = f"{SECRETS}/sh.helm.release.v1.{release}.v1"
    listed = {"items": [{"metadata": {"name": f"sh.helm.release.v1.{release}.v1"}}]}
    api.answer(f"{SECRETS}?labelSelector=owner%3Dhelm%2Cname%3D{release}", listed)
    api.answer(secret, {"kind": "any"}, method="DELETE")
    return secret


def test_a_release_of_the_same_name_is_forgotten_and_its_objects_stay_as_they_are(mesh: FakeApi) -> None:
    for listed in LISTS:
        mesh.answer(f"{listed}{SELECTOR}", {"items": []})
    mesh.answer(ISTIOD, of_release("istiod", "istiod"))
    secrets = [kept(mesh, release) for release in ("istio-base", "istiod")]
    assert ran(mesh, "begin", *RELEASES, "--forget=istio-base,istiod") == 0
    assert list(changed(mesh)) == [f"DELETE {secret}" for secret in secrets]


def test_the_objects_of_a_release_of_another_name_become_the_stacks(mesh: FakeApi) -> None:
    for listed in LISTS:
        mesh.answer(f"{listed}{SELECTOR}", {"items": []})
        mesh.answer(listed, {"items": []})
    mesh.answer(ISTIOD, of_release("istiod", "my-istiod"))
    mesh.answer("/apis/apps/v1/deployments", {"items": [of_release("istiod", "my-istiod"), of_release("web", "web")]})
    secret = kept(mesh, "my-istiod")
    assert ran(mesh, "begin", *RELEASES) == 0
    assert list(changed(mesh)) == [f"PATCH {ISTIOD}", f"DELETE {secret}"]
    marks = changed(mesh)[f"PATCH {ISTIOD}"]["metadata"]["annotations"]
    assert marks["meta.helm.sh/release-name"] == "istiod"


def test_what_nobody_has_of_a_deleted_mesh_gets_the_stacks_marks(mesh: FakeApi) -> None:
    for listed in LISTS:
        mesh.answer(f"{listed}{SELECTOR}", {"items": []})
    mesh.answer(ROLE, {"metadata": {"name": "istiod-clusterrole-istio-system"}})
    mesh.answer(ROLE, {"kind": "any"}, method="PATCH")
    assert ran(mesh, "begin", *RELEASES) == 0
    assert list(changed(mesh)) == [f"PATCH {ROLE}"]
