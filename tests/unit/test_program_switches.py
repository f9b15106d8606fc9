"""The whole program with each switch on and off, and in front of clusters that hold something already."""

import json
from pathlib import Path

import pulumi
import pytest

from components.versions import Version
from program.lookup import Cluster, Crd
from tests.unit.conftest import Run
from tests.unit.recording import Mesh

NAMESPACE, PATCH = "kubernetes:core/v1:Namespace", "kubernetes:core/v1:NamespacePatch"
CRDS = ["gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"]
OURS = Crd(bundle_version="v1.1.0", channel="standard", ours=True)


@pytest.fixture(scope="module")
def other(run: Run) -> Mesh:
    """Everything that is not the default, on a cluster with what an earlier run of the stack left there."""
    cluster = Cluster(
        kubernetes=Version(1, 30),
        namespaces={"default": False, "istio-system": True, "shop": True},
        gateway_api=dict.fromkeys(CRDS, OURS),
    )
    return run(
        cluster=cluster,
        bookinfo="true",
        meshCheckHttp="false",
        revision="1-23-0",
        ingressServiceType="NodePort",
        istioValues='{"pilot": {"replicaCount": 2}}',
        namespace="shop",
        minikubeDriver="kvm2",
    )


@pytest.fixture(scope="module")
def bare(run: Run) -> Mesh:
    return run(bookinfo="false")


def test_an_existing_cluster_is_left_alone(existing: Mesh) -> None:
    assert {"minikube", "minikube-start"} & existing.names == set()


def test_nothing_is_made_before_the_existing_cluster_is_known_to_be_the_one(existing: Mesh) -> None:
    assert existing.named("cluster").dependencies == {"arrival-command"}
    assert existing.inputs("arrival-command")["environment"] == {
        "CLUSTER": "1a2b",
        "CONTEXT": "work",
    }


def test_nothing_is_deleted_before_the_existing_cluster_is_known_to_be_the_one(existing: Mesh) -> None:
    made = {entry.name for entry in existing.registrations if entry.custom}
    departure = existing.named("departure-command")
    assert made - departure.dependencies == {"arrival-command", "departure-command", "cluster"}
    assert departure.inputs == existing.inputs("arrival-command")


OWN = {"minikube": {}, "embedded": {"kubeconfig": ".embedded/kubeconfig", "context": "embedded"}}
"""Where each mode has its cluster."""


@pytest.mark.parametrize("mode", OWN)
def test_a_cluster_of_ones_own_is_guarded_as_well(run: Run, mode: str) -> None:
    start = f"{mode}-start"
    mesh = run(clusterMode=mode, cluster=Cluster(identity="1a2b"), **OWN[mode])
    assert mesh.inputs("arrival-command")["environment"] == {"CLUSTER": "1a2b", "CONTEXT": mode}
    assert mesh.named("arrival-command").dependencies == {start}
    assert mesh.named("cluster").dependencies == {"arrival-command"}
    assert {start, "istio-istiod"} <= mesh.named("departure-command").dependencies


@pytest.mark.parametrize("mode", OWN)
def test_where_there_is_no_cluster_the_one_that_is_started_is_recorded_and_its_start_is_an_update(
    run: Run, mode: str
) -> None:
    mesh = run(clusterMode=mode, cluster=Cluster(missing="now"), **OWN[mode])
    assert mesh.inputs(f"{mode}-start")["environment"] == {"MISSING": "now"}
    assert mesh.options("arrival-command").propertyDependencies["environment"].urns


def test_the_configured_kubeconfig_and_context_are_used_everywhere(existing: Mesh) -> None:
    provider = existing.inputs("cluster")
    assert (provider["kubeconfig"], provider["context"], provider["clusterIdentifier"]) == ("k", "work", "work")
    checked = json.loads(existing.inputs("mesh-check-command")["stdin"])
    assert (checked["kubeconfig"], checked["context"]) == ("k", "work")
    assert " --kubeconfig=k --context=work --stack=dev " in existing.inputs("istio-crds")["create"]
    assert {line.split(" --namespace")[0] for line in existing.outputs["commands"].values()} == {
        "kubectl --kubeconfig k --context work"
    }


def test_a_namespace_that_is_there_is_patched_and_given_back(existing: Mesh) -> None:
    assert existing.kind("namespace-namespace") == PATCH
    assert existing.of_token(NAMESPACE) == {}
    assert existing.inputs("bookinfo-details-v1")["metadata"]["namespace"] == "shop"


def test_crds_of_somebody_else_are_not_declared(existing: Mesh) -> None:
    assert [name for name in existing.names if name.startswith("gateway-api-")] == []


def test_with_crds_of_somebody_else_the_gateway_still_waits_for_istiod(existing: Mesh) -> None:
    assert existing.named("exposure-gateway").dependencies == {"istio-istiod", "namespace-namespace"}


def test_what_this_stack_brought_stays_declared_run_after_run(other: Mesh) -> None:
    assert f" --names={','.join(CRDS)} " in other.inputs("gateway-api-crds")["create"]
    assert set(other.of_token(NAMESPACE)) == {"istio-namespace", "namespace-namespace"}
    for name in ("istio-namespace", "namespace-namespace"):
        assert other.inputs(name)["metadata"]["labels"]["istio-minikube/stack"] == "dev"


def test_a_revision_reaches_istiod_both_gateways_and_the_namespace(other: Mesh) -> None:
    assert other.inputs("istio-istiod")["name"] == "istiod-1-23-0"
    assert other.inputs("namespace-namespace")["metadata"]["labels"]["istio.io/rev"] == "1-23-0"
    template = other.inputs("ingress-deployment")["spec"]["template"]
    assert template["metadata"]["labels"]["istio.io/rev"] == "1-23-0"
    assert other.inputs("exposure-gateway")["metadata"]["labels"] == {"istio.io/rev": "1-23-0"}


def test_without_a_revision_the_namespace_asks_for_the_default_injection(dev: Mesh) -> None:
    assert dev.inputs("namespace-namespace")["metadata"] == {
        "name": "default",
        "labels": {"istio-injection": "enabled"},
    }
    assert "labels" not in dev.inputs("exposure-gateway")["metadata"]


def test_the_service_type_reaches_both_gateways(other: Mesh) -> None:
    assert other.inputs("ingress-service")["spec"]["type"] == "NodePort"
    annotations = other.inputs("exposure-gateway")["metadata"]["annotations"]
    assert annotations["networking.istio.io/service-type"] == "NodePort"


def test_istio_values_reach_istiod(other: Mesh) -> None:
    assert other.inputs("istio-istiod")["values"]["pilot"] == {"replicaCount": 2}


def test_the_driver_reaches_minikube(other: Mesh) -> None:
    assert other.inputs("minikube-start")["create"].endswith(" --driver=kvm2")


def test_the_page_is_asked_for_only_where_pods_are_real(dev: Mesh, other: Mesh) -> None:
    assert json.loads(other.inputs("mesh-check-command")["stdin"])["pages"] == []
    assert json.loads(dev.inputs("mesh-check-command")["stdin"])["pages"] == [
        {
            "service": "productpage",
            "namespace": "default",
            "port": 9080,
            "path": "/productpage",
            "title": "Simple Bookstore App",
        }
    ]


def test_without_bookinfo_there_is_the_mesh_and_nothing_to_reach_or_check(bare: Mesh) -> None:
    assert {"bookinfo", "exposure", "mesh-check"} & bare.names == set()
    assert {"istio", "ingress", "gateway-api", "namespace", "minikube"} <= bare.names
    assert bare.outputs == {"istioVersion": "1.23.0", "namespaces": {"istio": "istio-system", "injected": "default"}}


def test_the_official_release_comes_from_the_users_cache(
    run: Run, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "istio-minikube" / "gateway-api" / "v1.1.0-standard.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_bytes((manifest / "gateways.yaml").read_bytes())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mesh = run(gatewayApiManifest="", bookinfo="false")
    assert mesh.registered["gateway-api"] == {"names": ["gateways.gateway.networking.k8s.io"]}


def test_warnings_are_shown(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run(bookinfo="false", minikubeMemory="1800")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "out of support since April 2025" in caplog.messages[0]
    assert "pods may stay Pending" in caplog.messages[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"istioVersion": "1.22.0"}, "^these versions do not go together: istioVersion 1.22.0 is of no release line"),
        ({"namespace": "kube-system"}, "^config key istio-minikube:namespace is 'kube-system'; accepted: "),
        ({"istioChartRepository": "nowhere"}, "^istioChartRepository is 'nowhere', where base-1.23.0.tgz is missing"),
        ({"gatewayApiManifest": "nowhere"}, "^gatewayApiManifest nowhere is no file and no folder"),
        ({"gatewayApiVersion": "v1.2.0"}, "of version v1.1.0 and channel standard; accepted: gatewayApiVersion v1.2.0"),
    ],
)
def test_what_is_refused_is_refused_by_the_whole_program(run: Run, config: dict[str, str], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=message):
        run(**config)
