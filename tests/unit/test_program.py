"""The whole program as stack dev, before there is any cluster."""

import gc
import runpy
from pathlib import Path

import pytest

from operations.manifests.evaluate import PROJECT, Recorder, evaluate, stack_config
from program.lookup import Cluster
from tests.unit.recording import Mesh

PROVIDER = "pulumi:providers:kubernetes"
COMMAND = "command:local:Command"
DEPLOYMENTS = ["details-v1", "productpage-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3"]
# What runs on this machine, beside the components that hold it.
LOCAL = {
    *("minikube-start", "arrival-command", "departure-command", "gateway-api-crds", "mesh-check-command"),
    "injection-check-command",
    *("istio-crds-before", "istio-crds", "istio-crds-removal"),
}


def test_the_stack_is_composed_of_these_components(dev: Mesh) -> None:
    top = {registration.name for registration in dev.registrations if not registration.parent}
    assert top == {
        "minikube",
        "arrival",
        "departure",
        "cluster",
        "istio",
        "ingress",
        "gateway-api",
        "namespace",
        "bookinfo",
        "exposure",
        "mesh-check",
        "injection-check",
    }


def test_every_kubernetes_resource_carries_the_provider_cluster(dev: Mesh) -> None:
    providers = {entry.name: entry.provider for entry in dev.registrations if entry.token.startswith("kubernetes:")}
    assert set(providers.values()) == {"cluster"}


def test_only_commands_and_their_components_use_another_provider(dev: Mesh) -> None:
    others = {registration.name for registration in dev.registrations if registration.provider != "cluster"}
    assert others == LOCAL | {"cluster", "minikube", "arrival", "departure", "mesh-check", "injection-check"}
    assert set(dev.of_token(COMMAND)) == LOCAL


def test_the_provider_is_literal_and_waits_for_minikube_and_its_guard(dev: Mesh) -> None:
    (provider,) = dev.of_token(PROVIDER).values()
    assert provider.dependencies == {"arrival-command"}
    assert "minikube-start" in dev.named("arrival-command").dependencies
    assert provider.inputs == {
        "kubeconfig": "~/.kube/config",
        "context": "minikube",
        "clusterIdentifier": "minikube",
        "enablePatchForce": "true",
    }


# The others: one makes the cluster, one guards it, one repeats what was found in it.
@pytest.mark.parametrize("name", sorted(LOCAL - {"minikube-start", "arrival-command", "istio-crds-before"}))
def test_a_command_on_the_cluster_waits_for_it_so_that_destroy_undoes_it_before_minikube_goes(
    dev: Mesh, name: str
) -> None:
    assert {"cluster", "minikube-start"} <= dev.behind(name)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_bookinfo_deployment_waits_for_istiod_and_for_the_namespaces_label(dev: Mesh, name: str) -> None:
    assert {"istio-istiod", "namespace-namespace"} <= dev.named(f"bookinfo-{name}").dependencies
    assert dev.kind("istio-istiod") == "kubernetes:helm.sh/v3:Release"


@pytest.mark.parametrize(
    ("name", "dependencies"),
    [
        ("ingress-deployment", {"istio-istiod"}),
        ("exposure-gateway", {"istio-istiod", "gateway-api-crds"}),
        ("exposure-route", {"istio-istiod", "gateway-api-crds"}),
        ("istio-crds-removal", {"gateway-api-crds"}),
        ("gateway-api-crds", {"cluster"}),
        ("mesh-check-command", {"istio-istiod", *(f"bookinfo-{name}" for name in DEPLOYMENTS)}),
    ],
)
def test_a_resource_waits_for_what_it_would_fail_without(dev: Mesh, name: str, dependencies: set[str]) -> None:
    assert dependencies <= dev.named(name).dependencies


def test_minikube_has_the_tutorials_figures(dev: Mesh) -> None:
    create = dev.inputs("minikube-start")["create"]
    assert create.endswith(
        " --profile=minikube --memory=5500 --cpus=4 --kubernetes-version=v1.30.0 '--kubeconfig=~/.kube/config'"
    )


@pytest.mark.parametrize("release", ["istio-base", "istio-istiod"])
def test_istio_is_the_tutorials(dev: Mesh, release: str) -> None:
    assert dev.inputs(release)["version"] == "1.23.0"
    assert dev.inputs(release)["repositoryOpts"] == {"repo": "https://blob.istio.io/istio-release/charts"}


def test_the_routes_are_those_of_the_bookinfo_sample(dev: Mesh) -> None:
    (rule,) = dev.inputs("exposure-route")["spec"]["rules"]
    assert [(match["path"]["type"], match["path"]["value"]) for match in rule["matches"]] == [
        ("Exact", "/productpage"),
        ("PathPrefix", "/static"),
        ("Exact", "/login"),
        ("Exact", "/logout"),
        ("PathPrefix", "/api/v1/products"),
    ]
    assert rule["backendRefs"] == [{"name": "productpage", "port": 9080}]
    assert dev.inputs("exposure-gateway")["metadata"]["name"] == "bookinfo-gateway"
    assert dev.inputs("exposure-route")["metadata"]["name"] == "bookinfo"


def test_the_outputs_are_the_version_the_namespaces_the_pods_and_how_to_get_there(dev: Mesh) -> None:
    assert dev.outputs == {
        "istioVersion": "1.23.0",
        "namespaces": {"istio": "istio-system", "injected": "default"},
        "pods": [],
        "productPage": "http://localhost:8080/productpage",
        "commands": {
            "portForward": "kubectl --context minikube --namespace default port-forward "
            "service/bookinfo-gateway-istio 8080:80",
            "pods": "kubectl --context minikube --namespace default get pods",
            "gateway": "kubectl --context minikube --namespace default get gateway bookinfo-gateway",
        },
    }


def test_the_program_composes_what_its_functions_compose_and_looks_for_no_garbage(
    dev: Mesh, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("program.lookup.look_up", lambda *_: Cluster())
    recorder = Recorder()
    config = stack_config("dev", {"gatewayApiManifest": str(manifest)})
    try:
        evaluate(recorder, "dev", config, lambda: runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__"))
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
    assert {each.name for each in recorder.registrations} == dev.names
