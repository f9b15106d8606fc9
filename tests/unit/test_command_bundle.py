from pathlib import Path
from typing import Any

import pytest
import yaml

from components.commands import bundle
from components.commands.bundle import main
from components.gateway_api import digest
from tests.unit.fake_api import FakeApi

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GATEWAYS, ROUTES = "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"
SERVED = {"conditions": [{"type": "Established", "status": "True"}]}


def crd(name: str, version: str = "v1.1.0") -> dict[str, Any]:
    annotations = {
        "gateway.networking.k8s.io/bundle-version": version,
        "gateway.networking.k8s.io/channel": "standard",
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": annotations, "creationTimestamp": None},
        "spec": {"group": "gateway.networking.k8s.io"},
    }


def labelled(name: str) -> dict[str, Any]:
    """What is applied of a CRD."""
    wanted = crd(name)
    annotations = wanted["metadata"]["annotations"]
    metadata = {"name": name, "annotations": annotations, "labels": {"istio-minikube/stack": "dev"}}
    return {**wanted, "metadata": metadata}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of two CRDs and a policy, previewed as it is."""
    file = tmp_path / "release.yaml"
    policy = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "safe"}, "spec": {}}
    file.write_text(yaml.safe_dump_all([crd(GATEWAYS), crd(ROUTES), policy]))
    monkeypatch.setenv("BUNDLE", f"v1.1.0 standard {digest([crd(GATEWAYS), crd(ROUTES)])}")
    return file


def words(release: Path, *names: str) -> list[str]:
    return [
        "--stack=dev",
        "--version=v1.1.0",
        "--channel=standard",
        f"--names={','.join(names)}",
        f"--source={release}",
    ]


def applied(api: FakeApi, release: Path, *names: str) -> int:
    return main(
        ["apply", f"--kubeconfig={api.kubeconfig}", "--context=there", *words(release, *(names or (GATEWAYS, ROUTES)))]
    )


def there(api: FakeApi, **labels: dict[str, str]) -> None:
    """What CRDs the cluster has, and that it takes any."""
    api.answer(CRDS, {"items": [{"metadata": {"name": name, "labels": each}} for name, each in labels.items()]})
    for name in (GATEWAYS, ROUTES):
        path = f"{CRDS}/{name}?fieldManager=istio-minikube&force=true"
        api.answer(path, {"kind": "any", "status": {}}, method="PATCH")
        api.answer(f"{CRDS}/{name}", {"kind": "any", "status": SERVED})


def changes(api: FakeApi) -> list[Any]:
    return sorted(
        (each.body for each in api.requests if each.method != "GET"), key=lambda body: body["metadata"]["name"]
    )


def test_each_crd_is_applied_as_the_stacks_and_told_once_it_is_served(
    api: FakeApi, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there(api, **{GATEWAYS: {"istio-minikube/stack": "dev"}, "others.example.org": {}})
    assert applied(api, release) == 0
    assert changes(api) == [labelled(GATEWAYS), labelled(ROUTES)]
    assert {each.headers["Content-Type"] for each in api.requests if each.body} == {"application/apply-patch+yaml"}
    assert capsys.readouterr().out.splitlines() == [GATEWAYS, ROUTES]


def test_a_crd_that_is_never_served_is_named(
    api: FakeApi, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "ESTABLISHED_SECONDS", 0.3)
    there(api)
    api.answer(
        f"{CRDS}/{ROUTES}", {"kind": "any", "status": {"conditions": [{"type": "Established", "status": "False"}]}}
    )
    assert applied(api, release) == 1
    assert f"CRD {ROUTES} is not served 0.3 s after it was applied: " in capsys.readouterr().err


@pytest.mark.parametrize("labels", [{}, {"istio-minikube/stack": "prod"}])
def test_a_crd_that_has_become_somebody_elses_stops_everything(
    api: FakeApi, release: Path, capsys: pytest.CaptureFixture[str], labels: dict[str, str]
) -> None:
    there(api, **{ROUTES: labels})
    assert applied(api, release) == 1
    assert f"CRD {ROUTES} is there and not this stack's: nothing was applied" in capsys.readouterr().err
    assert changes(api) == []


def test_only_what_was_previewed_is_applied(api: FakeApi, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there(api)
    assert applied(api, release, GATEWAYS) == 1
    said = capsys.readouterr().err
    assert (
        f"have changed since they were previewed: they are {digest([crd(GATEWAYS)])}, and v1.1.0 standard sha" in said
    )
    assert changes(api) == []


def test_a_release_that_cannot_be_had_is_told_in_its_own_words(
    api: FakeApi, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.unlink()
    assert applied(api, release) == 1
    assert f"gatewayApiManifest {release} is no file and no folder" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_told(
    release: Path, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", f"--kubeconfig={api.kubeconfig}", "--context=gone", *words(release, GATEWAYS, ROUTES)]) == 1
    assert "of context gone in " in capsys.readouterr().err


def test_what_would_be_applied_can_be_printed_without_a_cluster(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *words(release, GATEWAYS, ROUTES)]) == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == [labelled(GATEWAYS), labelled(ROUTES)]


BINDING = bundle.BINDING


def guarded(api: FakeApi, stack: str, live: str = "v1.0.0") -> None:
    """CRDs of the stack's with a policy that is ``stack``'s."""
    there = [crd(name, live)["metadata"] | {"labels": {"istio-minikube/stack": "dev"}} for name in (GATEWAYS, ROUTES)]
    api.answer(CRDS, {"items": [{"metadata": metadata} for metadata in there]})
    labels = {"istio-minikube/stack": stack}
    api.answer(BINDING, {"metadata": {"labels": labels}, "spec": {"validationActions": ["Deny"]}})
    api.answer(BINDING, {"kind": "any"}, method="PATCH")
    for name in (GATEWAYS, ROUTES):
        path = f"{CRDS}/{name}?fieldManager=istio-minikube&force=true"
        api.answer(path, {"metadata": {"name": name}, "status": SERVED}, method="PATCH")


def actions(api: FakeApi) -> list[Any]:
    """What the policy was told, and where between CRDs were applied."""
    changes = [each for each in api.requests if each.method == "PATCH"]
    return [each.body["spec"]["validationActions"] if each.path == BINDING else "CRD" for each in changes]


def test_the_stacks_own_policy_only_warns_while_its_crds_change(api: FakeApi, release: Path) -> None:
    guarded(api, "dev")
    assert applied(api, release) == 0
    assert actions(api) == [["Warn"], "CRD", "CRD", ["Deny"]]


def test_it_is_put_back_also_where_a_crd_is_refused(api: FakeApi, release: Path) -> None:
    guarded(api, "dev")
    api.answer(f"{CRDS}/{ROUTES}?fieldManager=istio-minikube&force=true", {"message": "no"}, 403, "PATCH")
    assert applied(api, release) == 1
    assert actions(api)[-1] == ["Deny"]


@pytest.mark.parametrize(("stack", "live"), [("other", "v1.0.0"), ("dev", "v1.1.0")])
def test_a_policy_of_somebody_elses_and_one_that_is_not_in_the_way_are_left(
    api: FakeApi, release: Path, stack: str, live: str
) -> None:
    guarded(api, stack, live)
    assert applied(api, release) == 0
    assert actions(api) == ["CRD", "CRD"]


def test_the_api_server_may_take_a_moment_to_see_it(
    api: FakeApi, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded(api, "dev")
    path = f"{CRDS}/{ROUTES}?fieldManager=istio-minikube&force=true"
    accepted = api.answers["PATCH", path]
    api.answer(
        path, {"message": "ValidatingAdmissionPolicy 'safe-upgrades.gateway.networking.k8s.io' denied"}, 422, "PATCH"
    )

    def after(_: float) -> None:
        api.answers["PATCH", path] = accepted

    monkeypatch.setattr("time.sleep", after)
    assert applied(api, release) == 0


def test_a_policy_that_a_killed_change_has_left_warning_refuses_again(api: FakeApi, release: Path) -> None:
    guarded(api, "dev", "v1.1.0")
    labels = {"istio-minikube/stack": "dev"}
    api.answer(BINDING, {"metadata": {"labels": labels}, "spec": {"validationActions": ["Warn"]}})
    assert applied(api, release) == 0
    assert actions(api)[-1] == ["Deny"]
