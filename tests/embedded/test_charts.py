import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import artifacts
from embedded.cluster import Cluster
from tests.embedded.kube import Kube, eventually

PROXY = "docker.io/istio/proxyv2:1.23.0"


class Helm:
    def __init__(self, binary: Path, cluster: Cluster, charts: Path) -> None:
        self._command = [str(binary), f"--kubeconfig={cluster.kubeconfig}", "--namespace=istio-system"]
        self._charts = charts

    def run(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, release: str, chart: str, version: str, *, wait: bool = True, **values: str) -> None:
        archive = self._charts / f"{chart}-{version}.tgz"
        if not archive.exists():
            archive.write_bytes(artifacts.pack(artifacts.CHARTS / chart, version))
        settings = [f"--set={name.replace('__', '.')}={value}" for name, value in values.items()]
        waiting = ["--wait", "--timeout=60s"] if wait else []
        self.run("install", release, str(archive), "--create-namespace", *waiting, *settings)


@pytest.fixture(scope="module")
def helm(cluster: Cluster, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    root = tmp_path_factory.mktemp("artifacts")
    artifacts.prepare(root, "1.23.0")
    return Helm(tools / "helm", cluster, root / "charts")


@pytest.fixture(scope="module")
def istio(helm: Helm, kube: Kube) -> Iterator[None]:
    """The releases istio-base and istiod, as the program installs them, and nothing of them afterwards."""
    helm.install("istio-base", "base", "1.23.0")
    helm.install("istiod", "istiod", "1.23.0", pilot__unknown="1", unheard__of="x")
    yield
    helm.run("uninstall", "istiod", "istio-base", "--wait")
    kube.delete_crds(*istio_crds(kube))
    kube.core.delete_namespace("istio-system")
    eventually(lambda: "istio-system" not in kube.names(kube.core.list_namespace()))


def istio_crds(kube: Kube) -> list[str]:
    names = kube.names(kube.extensions.list_custom_resource_definition())
    return [name for name in names if name.endswith(".istio.io")]


@pytest.fixture
def namespace(kube: Kube, labels: dict[str, str]) -> Iterator[str]:
    """A namespace with the labels that the test is parametrised with."""
    name = f"meshed-{secrets.token_hex(4)}"
    kube.core.create_namespace({"metadata": {"name": name, "labels": labels}})
    eventually(lambda: kube.names(kube.core.list_namespaced_service_account(name)) == ["default"])
    yield name
    # Not waited for: it takes Kubernetes five seconds, and no other test uses the name.
    kube.core.delete_namespace(name)


def admitted(
    kube: Kube,
    namespace: str,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Any:
    """A pod as it comes out of admission; none is made."""
    pod = {
        "metadata": {"name": "p", "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "app", "image": "example/app:1"}], **spec},
    }
    return kube.core.create_namespaced_pod(namespace, pod, dry_run="All")


def proxies(pod: Any) -> list[str]:
    everything = [*pod.spec.containers, *(pod.spec.init_containers or [])]
    return [container.image for container in everything if container.name == "istio-proxy"]


ENABLED = {"istio-injection": "enabled"}
DISABLED = {"istio-injection": "disabled"}
INJECT = {"sidecar.istio.io/inject": "true"}
DO_NOT = {"sidecar.istio.io/inject": "false"}


@pytest.mark.usefixtures("istio")
def test_base_brings_istios_real_crds(kube: Kube) -> None:
    names = istio_crds(kube)
    assert len(names) == 14
    assert {"virtualservices.networking.istio.io", "authorizationpolicies.security.istio.io"} <= set(names)


@pytest.mark.usefixtures("istio")
def test_istiod_is_what_istios_default_profile_makes(kube: Kube) -> None:
    deployment = kube.apps.read_namespaced_deployment("istiod", "istio-system")
    (container,) = deployment.spec.template.spec.containers
    assert (container.name, container.image) == ("discovery", "docker.io/istio/pilot:1.23.0")
    assert container.resources.requests == {"cpu": "500m", "memory": "2Gi"}
    labels = deployment.spec.template.metadata.labels
    assert (labels["app"], labels["istio"], labels["istio.io/rev"]) == ("istiod", "pilot", "default")
    assert deployment.status.ready_replicas == 1

    service = kube.core.read_namespaced_service("istiod", "istio-system")
    assert [(port.name, port.port, port.target_port) for port in service.spec.ports] == [
        ("grpc-xds", 15010, 15010),
        ("https-dns", 15012, 15012),
        ("https-webhook", 443, 15017),
        ("http-monitoring", 15014, 15014),
    ]
    scaler = kube.autoscaling.read_namespaced_horizontal_pod_autoscaler("istiod", "istio-system").spec
    (metric,) = scaler.metrics
    assert (scaler.min_replicas, scaler.max_replicas) == (1, 5)
    assert (metric.resource.name, metric.resource.target.average_utilization) == ("cpu", 80)
    budget = kube.policy.read_namespaced_pod_disruption_budget("istiod", "istio-system")
    assert budget.spec.min_available == 1
    assert kube.core.read_namespaced_service_account("istiod", "istio-system")


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize(
    ("labels", "pod_labels", "injected"),
    [
        pytest.param(ENABLED, {}, True, id="enabled"),
        pytest.param(ENABLED, DO_NOT, False, id="enabled, the pod declines"),
        pytest.param({}, {}, False, id="unlabelled"),
        pytest.param({}, INJECT, True, id="unlabelled, the pod asks"),
        pytest.param(DISABLED, INJECT, False, id="disabled, the pod asks"),
        pytest.param({"istio.io/rev": "default"}, {}, True, id="revision default"),
        pytest.param({"istio.io/rev": "canary"}, {}, False, id="another revision"),
        pytest.param({"istio.io/rev": "canary"}, INJECT, False, id="another revision, the pod asks"),
        pytest.param({**ENABLED, "istio.io/rev": "canary"}, {}, True, id="istio-injection wins over istio.io/rev"),
        pytest.param({**DISABLED, "istio.io/rev": "default"}, {}, False, id="disabled wins over istio.io/rev"),
    ],
)
def test_injection_follows_the_labels_of_namespace_and_pod(
    kube: Kube, namespace: str, pod_labels: dict[str, str], injected: bool
) -> None:
    pod = admitted(kube, namespace, labels=pod_labels)
    assert proxies(pod) == ([PROXY] if injected else [])
    assert ("sidecar.istio.io/status" in (pod.metadata.annotations or {})) is injected


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [ENABLED])
def test_a_deployments_pods_have_a_ready_proxy_beside_the_app(kube: Kube, namespace: str) -> None:
    deployment = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: app}
    spec:
      selector: {matchLabels: {app: app}}
      template:
        metadata: {labels: {app: app}}
        spec: {containers: [{name: app, image: example/app:1}]}
    """
    kube.create(deployment, namespace)
    eventually(lambda: kube.apps.read_namespaced_deployment_status("app", namespace).status.ready_replicas == 1)
    (pod,) = kube.core.list_namespaced_pod(namespace).items
    assert {(each.name, each.ready) for each in pod.status.container_statuses} == {("app", True), ("istio-proxy", True)}
    (proxy,) = [each for each in pod.spec.containers if each.name == "istio-proxy"]
    assert proxy.resources.requests == {"cpu": "100m", "memory": "128Mi"}
    assert proxy.args == ["proxy", "sidecar"]


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [{}, ENABLED])
def test_a_gateway_pod_gets_the_proxys_image_for_auto_and_no_second_container(kube: Kube, namespace: str) -> None:
    pod = admitted(
        kube,
        namespace,
        labels=INJECT,
        annotations={"inject.istio.io/templates": "gateway"},
        containers=[{"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8080}]}],
    )
    (container,) = pod.spec.containers
    assert container.image == PROXY
    assert [port.container_port for port in container.ports] == [8080]
    assert "sidecar.istio.io/status" in pod.metadata.annotations


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [ENABLED])
def test_annotations_choose_image_and_requests(kube: Kube, namespace: str) -> None:
    annotations = {
        "sidecar.istio.io/proxyImage": "example/proxy:2",
        "sidecar.istio.io/proxyCPU": "10m",
        "sidecar.istio.io/proxyMemory": "64Mi",
    }
    pod = admitted(kube, namespace, annotations=annotations)
    assert proxies(pod) == ["example/proxy:2"]
    assert pod.spec.containers[1].resources.requests == {"cpu": "10m", "memory": "64Mi"}


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [ENABLED])
def test_a_proxy_that_the_pod_brings_along_stays_as_it_is(kube: Kube, namespace: str) -> None:
    pod = admitted(kube, namespace, containers=[{"name": "istio-proxy", "image": "example/mine:1"}])
    assert proxies(pod) == ["example/mine:1"]


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [ENABLED])
def test_a_pod_on_the_hosts_network_is_left_alone(kube: Kube, namespace: str) -> None:
    assert proxies(admitted(kube, namespace, hostNetwork=True)) == []


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [{"istio.io/rev": "canary"}])
def test_a_revision_injects_its_own_namespaces_at_the_moment_it_is_ready(
    helm: Helm, kube: Kube, namespace: str
) -> None:
    assert proxies(admitted(kube, namespace)) == []
    # Waited for here and not by helm, which looks only every other second.
    values = {"revision": "canary", "global__hub": "example/hub", "global__tag": "9"}
    helm.install("istiod-canary", "istiod", "1.23.0", wait=False, **values)
    eventually(
        lambda: kube.apps.read_namespaced_deployment_status("istiod-canary", "istio-system").status.ready_replicas == 1
    )
    pod = admitted(kube, namespace)
    helm.run("uninstall", "istiod-canary", "--wait")
    assert proxies(pod) == ["example/hub/proxyv2:9"]


@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("labels", [{"istio.io/rev": "native"}])
def test_from_1_27_on_the_sidecar_is_an_init_container_that_keeps_running(
    helm: Helm, kube: Kube, namespace: str
) -> None:
    helm.install("istiod-native", "istiod", "1.27.0", revision="native")
    pods = [
        admitted(kube, namespace, initContainers=[{"name": "first", "image": "example/init:1"}]),
        admitted(kube, namespace),
    ]
    helm.run("uninstall", "istiod-native", "--wait")
    assert [[(each.name, each.restart_policy) for each in pod.spec.init_containers] for pod in pods] == [
        [("istio-proxy", "Always"), ("first", None)],
        [("istio-proxy", "Always")],
    ]
    assert [[each.name for each in pod.spec.containers] for pod in pods] == [["app"]] * 2


@pytest.mark.parametrize("path", ["pilot.", ""])
def test_values_of_istiod_are_taken_from_under_pilot_and_from_the_top(helm: Helm, path: str, tmp_path: Path) -> None:
    archive = tmp_path / "istiod.tgz"
    archive.write_bytes(artifacts.pack(artifacts.CHARTS / "istiod", "1.23.0"))
    rendered = yaml.safe_load_all(
        helm.run("template", "x", str(archive), f"--set={path}autoscaleEnabled=false,{path}replicaCount=3")
    )
    by_kind = {document["kind"]: document for document in rendered}
    assert by_kind["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in by_kind
