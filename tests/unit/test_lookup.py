import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.ownership import UPSERTS, Owner
from components.versions import Version
from program.lookup import Cluster, Crd, look_up
from program.rules.foreign import Object
from program.settings import Settings
from program.traces import LISTS, Traces
from tests.unit.fake_api import FakeApi
from tests.unit.fake_minikube import FakeMinikube, profile
from tests.unit.test_preflight import SETTINGS

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OWNER = Owner(stack="dev", kubeconfig="k", context="c")
NAMESPACES = "/api/v1/namespaces"
ISTIODS = "/apis/apps/v1/deployments?labelSelector=app%3Distiod"
PODS = "/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"
RELEASES = "/api/v1/namespaces/istio-system/secrets?labelSelector=owner%3Dhelm"
SYSTEM = {"kube-system": {"uid": "1a2b"}}
MARKS = {"gateway.networking.k8s.io/bundle-version": "v1.1.0", "gateway.networking.k8s.io/channel": "standard"}


def items(objects: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": name, **metadata}} for name, metadata in objects.items()]}


def istiod(namespace: str, image: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "discovery", "image": image}]}
    return {"metadata": {"name": "istiod", "namespace": namespace}, "spec": {"template": {"spec": pod}}}


@pytest.fixture
def server(api: FakeApi) -> FakeApi:
    """A cluster with nothing in it."""
    api.answer("/version", {"gitVersion": "v1.30.4"})
    api.answer(CRDS, items({}))
    api.answer(NAMESPACES, items({**SYSTEM, "default": {}}))
    api.answer(ISTIODS, items({}))
    api.answer(PODS, items({}))
    for path in (RELEASES, *LISTS):
        api.answer(path, items({}))
    return api


@pytest.fixture
def kubeconfig(server: FakeApi) -> Path:
    return server.kubeconfig


@pytest.fixture
def existing(kubeconfig: Path) -> Settings:
    return replace(SETTINGS, cluster_mode="existing", kubeconfig=str(kubeconfig), context="there")


@pytest.fixture
def minikube(existing: Settings) -> Settings:
    return replace(existing, cluster_mode="minikube", context="gone", minikube_profile="gone")


def refused(settings: Settings) -> str:
    with pytest.raises(pulumi.RunError) as refusal:
        look_up(settings, OWNER)
    return str(refusal.value)


def unusable(message: str, kubeconfig: Path) -> re.Match[str] | None:
    way_out = "check kubeconfig and the credentials of context there"
    return re.fullmatch(rf"kubeconfig {kubeconfig} cannot be used: .+; {way_out}", message, re.DOTALL)


def test_the_cluster_is_read_whole(server: FakeApi, existing: Settings) -> None:
    ours, others = {"labels": OWNER.labels}, {"labels": replace(OWNER, stack="prod").labels}
    istio = {"istio-system": {"labels": {**OWNER.labels, "more": "x"}}}
    server.answer(NAMESPACES, items({**SYSTEM, **istio, "default": {}, "shop": others}))
    crds = {
        "gateways.gateway.networking.k8s.io": {"annotations": MARKS},
        "httproutes.gateway.networking.k8s.io": {"annotations": MARKS, **ours},
        "grpcroutes.gateway.networking.k8s.io": {},
        "gateways.networking.istio.io": {"annotations": {}},
        "telemetries.telemetry.istio.io": ours,
        "certificates.cert-manager.io": ours,
    }
    server.answer(CRDS, items(crds))
    server.answer(ISTIODS, {"items": [istiod("istio-system", "docker.io/istio/pilot:1.23.0-distroless")]})
    assert look_up(existing, OWNER) == Cluster(
        identity="1a2b",
        kubernetes=Version(1, 30, 4),
        namespaces={"kube-system": False, "default": False, "istio-system": True, "shop": False},
        gateway_api={
            "gateways.gateway.networking.k8s.io": Crd(bundle_version="v1.1.0", channel="standard", ours=False),
            "httproutes.gateway.networking.k8s.io": Crd(bundle_version="v1.1.0", channel="standard", ours=True),
            "grpcroutes.gateway.networking.k8s.io": Crd(bundle_version="", channel="", ours=False),
        },
        istio_crds={"gateways.networking.istio.io": False, "telemetries.telemetry.istio.io": True},
        istiods={"istio-system/istiod": Version(1, 23)},
        unreleased=frozenset({"istio-system/istiod"}),
        cert_manager=True,
        foreign_labels={
            "kube-system": {},
            "default": {},
            "istio-system": {**OWNER.labels, "more": "x"},
            "shop": others["labels"],
        },
    )


def test_the_pods_of_a_revision_are_told_by_what_injection_wrote_on_them(server: FakeApi, existing: Settings) -> None:
    server.answer(ISTIODS, {"items": [istiod("istio-system", "pilot:1.23.0")]})
    pods = {
        "injected": {"annotations": {"sidecar.istio.io/status": '{"revision": "1-23-0"}', "istio.io/rev": "other"}},
        "gateways": {"annotations": {"istio.io/rev": "1-24-6"}},
        "old": {"annotations": {"sidecar.istio.io/status": "no JSON"}},
        "istiod": {"labels": {"istio.io/rev": "1-23-0"}},
        "more": {"annotations": {"istio.io/rev": "1-24-6"}},
    }
    server.answer(PODS, items({name: {"namespace": "shop", **pod} for name, pod in pods.items()}))
    assert look_up(existing, OWNER).revision_users == {
        "1-23-0": ["shop/injected"],
        "1-24-6": ["shop/gateways", "shop/more"],
    }


def test_without_an_istiod_no_pod_is_asked_for(server: FakeApi, existing: Settings) -> None:
    look_up(existing, OWNER)
    assert PODS not in {request.path for request in server.requests}


def test_a_marked_istiod_is_this_stacks(server: FakeApi, existing: Settings) -> None:
    ours, others = istiod("ours", "pilot:1.23.0"), istiod("theirs", "pilot:1.23.0")
    ours["metadata"]["labels"] = OWNER.labels
    server.answer(ISTIODS, {"items": [ours, others]})
    assert look_up(existing, OWNER).own_istiods == {"ours/istiod"}


@pytest.mark.parametrize("image", ["registry.example:5000/pilot@sha256:00", "pilot:latest", "pilot"])
def test_an_istiod_whose_image_does_not_tell_is_of_no_known_version(
    server: FakeApi, existing: Settings, image: str
) -> None:
    server.answer(ISTIODS, {"items": [istiod("mesh", image)]})
    assert look_up(existing, OWNER).istiods == {"mesh/istiod": None}


def test_only_the_metadata_of_objects_is_asked_for(server: FakeApi, existing: Settings) -> None:
    look_up(existing, OWNER)
    assert "as=PartialObjectMetadataList" in server.accepted(CRDS)
    assert "as=PartialObjectMetadataList" in server.accepted(NAMESPACES)


def test_a_missing_kubeconfig_is_refused(existing: Settings, tmp_path: Path) -> None:
    assert refused(replace(existing, kubeconfig=str(tmp_path / "none"))) == (
        f"kubeconfig {tmp_path / 'none'} does not exist; accepted: the path of a kubeconfig file. "
        "Set kubeconfig and context, or clusterMode to minikube"
    )


def test_a_missing_context_is_refused_with_those_there_are(existing: Settings) -> None:
    assert refused(replace(existing, context="prod")) == (
        f"context 'prod' is not in kubeconfig {existing.kubeconfig}; accepted: gone, there. "
        "Set kubeconfig and context, or clusterMode to minikube"
    )


@pytest.mark.parametrize("mode", ["existing", "minikube"])
def test_a_garbled_kubeconfig_is_refused(existing: Settings, kubeconfig: Path, mode: Any) -> None:
    kubeconfig.write_text("{{")
    assert unusable(refused(replace(existing, cluster_mode=mode)), kubeconfig)


@pytest.mark.parametrize(("section", "value"), [("clusters", []), ("certificate", "/none")])
def test_a_context_that_leads_nowhere_is_refused(
    existing: Settings, kubeconfig: Path, section: str, value: Any
) -> None:
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"] |= {"server": "https://127.0.0.1:1", "certificate-authority": value}
    document |= {section: value}
    kubeconfig.write_text(yaml.safe_dump(document))
    assert unusable(refused(existing), kubeconfig)


def test_a_server_that_does_not_answer_is_refused(existing: Settings) -> None:
    assert re.fullmatch(
        rf"the API server http://127\.0\.0\.1:1 of context gone in {existing.kubeconfig} does not answer: "
        r".*Connection refused.*\. Start the cluster, or set kubeconfig and context to another",
        refused(replace(existing, context="gone")),
    )


def test_a_server_that_refuses_is_quoted(server: FakeApi, existing: Settings) -> None:
    server.answer(CRDS, {"message": "no, you"}, status=403)
    assert refused(existing) == (
        f"the API server http://127.0.0.1:{server.port} of context there in {existing.kubeconfig} answers "
        f"403 to GET {CRDS}: no, you; check kubeconfig and the credentials of context there"
    )


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMinikube:
    """A minikube without any profile."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return FakeMinikube.install(tmp_path / "bin")


def missing(settings: Settings) -> bool:
    """Whether the lookup finds that there is no cluster, and when it was."""
    first, second = look_up(settings, OWNER), look_up(settings, OWNER)
    assert replace(first, missing="") == Cluster()
    return first.missing != second.missing


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize("change", [{"kubeconfig": "/nowhere/kubeconfig"}, {"context": "minikube"}])
def test_minikube_need_not_be_in_the_kubeconfig_yet(minikube: Settings, change: dict[str, str]) -> None:
    assert missing(replace(minikube, **change))  # type: ignore[arg-type] # texts all


@pytest.mark.usefixtures("profiles")
def test_minikube_need_not_be_in_a_kubeconfig_that_minikube_delete_has_emptied(
    minikube: Settings, kubeconfig: Path
) -> None:
    kubeconfig.write_text("apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: ''\nkind: Config\n")
    assert missing(minikube)


def test_a_running_minikube_is_read_and_not_asked_for(minikube: Settings, profiles: FakeMinikube) -> None:
    assert look_up(replace(minikube, context="there"), OWNER).kubernetes == Version(1, 30, 4)
    assert profiles.calls == []


def test_a_context_left_over_from_a_deleted_profile_is_no_cluster(minikube: Settings, profiles: FakeMinikube) -> None:
    profiles.set(profiles={"gone-too": profile(), "other": profile(nodes=["", "m02"])}, refused=["gone"])
    assert missing(minikube)


def test_without_minikube_on_path_a_left_over_context_is_no_cluster(
    minikube: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing(minikube)


# Real `minikube stop` takes the context away; a machine that was switched off keeps it.
@pytest.mark.parametrize("context", ["stopped", "gone"], ids=["no context", "an old context"])
def test_a_profile_that_is_stopped_is_no_empty_cluster(
    minikube: Settings, profiles: FakeMinikube, kubeconfig: Path, context: str
) -> None:
    profiles.set(profiles={context: profile(status="Stopped")})
    told = refused(replace(minikube, context=context, minikube_profile=context))
    assert told.startswith(f"minikube profile '{context}' exists and is stopped, but ")
    assert told.endswith(
        f"Nothing was touched: run `KUBECONFIG={kubeconfig} minikube start --profile={context}` (`make up` does that "
        "by itself), or set minikubeProfile and context to another"
    )


def test_a_profile_that_runs_and_is_not_in_the_kubeconfig_is_no_empty_cluster(
    minikube: Settings, profiles: FakeMinikube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    profiles.set(profiles={"gone": profile()})
    told = refused(replace(minikube, kubeconfig="~/.kube/config"))
    assert "run `minikube update-context --profile=gone` (" in told


def test_what_minikube_cannot_tell_is_a_refusal(minikube: Settings, profiles: FakeMinikube) -> None:
    profiles.set(broken=["gone"])
    assert "minikube profile 'gone' exists but is broken" in refused(replace(minikube, kubeconfig="/nowhere/k"))


def test_an_embedded_cluster_need_not_be_there_yet_and_a_stopped_one_is_refused(existing: Settings) -> None:
    embedded = replace(existing, cluster_mode="embedded")
    assert missing(replace(embedded, kubeconfig="/nowhere/kubeconfig"))
    assert refused(replace(embedded, context="gone")).endswith(
        ". The embedded cluster was stopped: `make up` starts it"
    )


def test_an_istiod_that_helm_did_not_make_is_told_apart(server: FakeApi, existing: Settings) -> None:
    helms = istiod("mesh", "pilot:1.23.0")
    helms["metadata"]["annotations"] = {"meta.helm.sh/release-name": "istiod"}
    server.answer(ISTIODS, {"items": [istiod("istio-system", "pilot:1.23.0"), helms]})
    assert look_up(existing, OWNER).unreleased == {"istio-system/istiod"}


def marks(release: str, namespace: str) -> dict[str, Any]:
    return {"annotations": {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}}


def test_what_else_there_is_of_istio_is_read(server: FakeApi, existing: Settings) -> None:
    sail = istiod("istio-system", "pilot:1.24.0")
    sail["metadata"]["annotations"] = marks("mesh", "istio-system")["annotations"]
    sail["metadata"]["ownerReferences"] = [{"kind": "IstioRevision", "name": "default"}]
    server.answer(ISTIODS, {"items": [sail]})
    server.answer(NAMESPACES, items({**SYSTEM, "istio-system": {}}))
    server.answer(RELEASES, items({"sh.helm.release.v1.istiod.v1": {"labels": {"name": "istiod"}}}))
    server.answer(LISTS[0], items({"istiod-clusterrole-istio-system": marks("mesh", "istio"), "admin": {}}))
    server.answer(LISTS[2], items({"istio-sidecar-injector": {}}))
    assert look_up(existing, OWNER).traces == Traces(
        releases=frozenset({"istiod"}),
        sail={"istio-system/istiod": "IstioRevision default"},
        owners={"istio-system/istiod": "istio-system/mesh"},
        strays={
            f"{LISTS[0]}/istiod-clusterrole-istio-system": "istio/mesh",
            f"{LISTS[2]}/istio-sidecar-injector": "",
        },
    )


def managed(manager: str, *labels: str) -> dict[str, Any]:
    return {"manager": manager, "fieldsV1": {"f:metadata": {"f:labels": {f"f:{label}": {} for label in labels}}}}


def test_a_label_that_pulumi_or_a_command_of_ours_has_set_is_not_somebody_elses(
    server: FakeApi, existing: Settings
) -> None:
    labels = {"istio-injection": "enabled", "a": "1", "b": "2", "c": "3"}
    fields = [
        managed("pulumi-kubernetes-1a2b", "istio-injection"),
        managed("istio-minikube", "a"),
        managed("kubectl-label", "b"),
        {"manager": "pulumi-kubernetes-3c4d"},
    ]
    server.answer(NAMESPACES, items({**SYSTEM, "shop": {"labels": labels, "managedFields": fields}}))
    assert look_up(existing, OWNER).foreign_labels["shop"] == {"b": "2", "c": "3"}


def test_what_is_being_deleted_is_told(server: FakeApi, existing: Settings) -> None:
    going = {"deletionTimestamp": "2026-11-26T06:00:00Z"}
    server.answer(NAMESPACES, items({**SYSTEM, "shop": going}))
    server.answer(CRDS, items({"a.istio.io": going, "b.istio.io": {}, "c.example": going}))
    assert look_up(existing, OWNER).terminating == {"namespace/shop", "customresourcedefinition/a.istio.io"}


DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways"
DETAILS = Object(api_version="apps/v1", kind="Deployment", namespace="default", name="details-v1")


def by(manager: str) -> dict[str, Any]:
    return {"managedFields": [{"manager": manager}]}


def test_somebody_elses_objects_of_this_stacks_names_are_found(server: FakeApi, existing: Settings) -> None:
    found = {"details-v1": by("kubectl"), "ratings-v1": by("pulumi-kubernetes-1a2b3c4d"), "theirs": by("helm")}
    server.answer(DEPLOYMENTS, items(found))
    assert look_up(existing, OWNER).foreign == {DETAILS: "of kubectl"}
    assert "as=PartialObjectMetadataList" in server.accepted(DEPLOYMENTS)


def test_each_kind_is_listed_once_in_each_namespace_that_is_there(server: FakeApi, existing: Settings) -> None:
    look_up(existing, OWNER)
    alone = len(server.requests)
    asked = [request.path for request in server.requests]
    assert sorted(asked) == sorted(set(asked))
    assert {DEPLOYMENTS, GATEWAYS} <= set(asked)
    assert not [path for path in asked if "/namespaces/istio-system/" in path]
    server.answer(NAMESPACES, items({**SYSTEM, "default": {}, "istio-system": {}}))
    look_up(existing, OWNER)
    # Service, ServiceAccount, Deployment, Gateway, HTTPRoute, beside what every stack asks for; in the other namespace
    # the ingress gateway's, and Helm's releases.
    every = 4 + len(LISTS) + 4  # and the DNS, a policy, jobs and cron jobs
    # And what may refuse the page.
    assert (alone, len(server.requests) - 2 * alone) == (every + 5 + 1, 6 + 1)


def test_an_object_in_another_stacks_namespace_is_that_stacks(server: FakeApi, existing: Settings) -> None:
    others = {"labels": replace(OWNER, stack="prod").labels}
    server.answer(NAMESPACES, items({**SYSTEM, "default": {}, "istio-system": others}))
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/istio-system/roles"
    server.answer(roles, items({"istio-ingressgateway-sds": by("pulumi-kubernetes-1a2b3c4d")}))
    assert set(look_up(existing, OWNER).foreign.values()) == {"of stack prod"}


def test_what_guards_the_gateway_api_counts_only_where_this_stack_brings_it(
    server: FakeApi, existing: Settings
) -> None:
    newer = replace(existing, gateway_api_version="v1.5.1")
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    server.answer(policies, items({"safe-upgrades.gateway.networking.k8s.io": by("kubectl")}))
    (policy,) = look_up(newer, OWNER).foreign
    assert str(policy) == "ValidatingAdmissionPolicy safe-upgrades.gateway.networking.k8s.io"
    server.answer(CRDS, items({"gateways.gateway.networking.k8s.io": {"annotations": MARKS}}))
    assert look_up(newer, OWNER).foreign == {}


@pytest.mark.parametrize(
    ("adopt", "variable", "takes_over"),
    [(True, "", True), (False, "true", True), (False, "1", True), (False, "false", False), (False, "", False)],
)
def test_a_stack_that_is_to_take_objects_over_does_not_ask_whose_they_are(
    server: FakeApi, existing: Settings, monkeypatch: pytest.MonkeyPatch, adopt: bool, variable: str, takes_over: bool
) -> None:
    monkeypatch.setenv(UPSERTS, variable)
    server.answer(DEPLOYMENTS, items({"details-v1": by("kubectl")}))
    assert look_up(replace(existing, adopt=adopt), OWNER).foreign == ({} if takes_over else {DETAILS: "of kubectl"})


def test_a_kind_that_may_not_be_listed_is_refused_in_the_api_servers_words(server: FakeApi, existing: Settings) -> None:
    server.answer(DEPLOYMENTS, {"message": "deployments is forbidden"}, status=403)
    assert f"answers 403 to GET {DEPLOYMENTS}: deployments is forbidden" in refused(existing)
