"""Istio's own control plane and agent with a vanilla Envoy, from charts packaged of its module, and Bookinfo on it."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.traffic.gateway_rules import API_VERSION, gateway_filter
from components.traffic.traffic import Fault, Retries, Traffic
from components.workloads.bookinfo import SERVICES, WORKLOADS, deployment_spec, service_spec
from embedded import istio, toolchain
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE, Kubectl

NAMESPACE = "bookinfo"
GATEWAY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: gateway}
spec:
  selector: {matchLabels: {istio: gateway}}
  template:
    metadata:
      labels: {istio: gateway, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway}
    spec: {containers: [{name: istio-proxy, image: auto}]}
---
apiVersion: v1
kind: Service
metadata: {name: gateway}
spec: {type: LoadBalancer, selector: {istio: gateway}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: page}
spec:
  selector: {istio: gateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: page}
spec:
  hosts: ["*"]
  gateways: [page]
  http: [{route: [{destination: {host: productpage, port: {number: 9080}}}]}]
"""


@pytest.fixture(scope="module")
def mesh(node: RealCluster, kubectl: Kubectl, parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Istio and Bookinfo, its page published."""
    folder = tmp_path_factory.mktemp("charts")
    source = toolchain.module_dir(istio.MODULE)
    istio.package(source, folder)
    values = folder / "values.json"
    values.write_text(json.dumps(istio.VANILLA_ENVOY))

    def helm(*words: str) -> None:
        command = [
            str(parts.control_plane / "helm"),
            f"--kubeconfig={node.kubeconfig}",
            "--namespace=istio-system",
            *words,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    number = istio.version(source)
    helm("install", "base", f"{folder}/base-{number}.tgz", "--create-namespace")
    helm("install", "istiod", f"{folder}/istiod-{number}.tgz", f"--values={values}", "--wait", f"--timeout={PATIENCE}")
    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "istio-injection=enabled")
    kubectl("apply", "--namespace", NAMESPACE, "--filename=-", stdin=f"{bookinfo()}\n---\n{GATEWAY}")
    kubectl(
        "wait", "--namespace", NAMESPACE, "--for=condition=Available", "deployment", "--all", f"--timeout={PATIENCE}"
    )
    node.publish([(NAMESPACE, "gateway")])
    yield
    kubectl("delete", "namespace", NAMESPACE, f"--timeout={PATIENCE}")
    helm("uninstall", "istiod", "--wait")
    helm("uninstall", "base", "--wait")


def bookinfo() -> str:
    objects: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service}, "spec": service_spec(service)}
        for service in SERVICES
    ]
    for workload in WORKLOADS:
        spec = deployment_spec(workload, "default", "1.31.0")
        metadata = {"name": workload.name, "labels": workload.labels}
        objects.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    return yaml.safe_dump_all(objects)


def read(url: str) -> str:
    """What answers there, or what is wrong with it."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 the host's own loopback
            text: str = answer.read().decode()
    except OSError as error:
        return str(error)
    return text


def page(node: RealCluster) -> str:
    return read(f"http://{node.address('http')}/productpage")


@pytest.mark.usefixtures("mesh")
def test_every_pod_of_bookinfo_has_its_envoy_and_is_ready(kubectl: Kubectl) -> None:
    pods = kubectl.json("get", "pods", "--namespace", NAMESPACE, "--selector=app")["items"]
    assert len(pods) == len(WORKLOADS)
    for pod in pods:
        assert "istio-proxy" in {each["name"] for each in pod["spec"]["initContainers"]}
        statuses = pod["status"]["containerStatuses"] + pod["status"]["initContainerStatuses"]
        assert {each["name"] for each in statuses if each["ready"]} >= {pod["metadata"]["labels"]["app"], "istio-proxy"}


@pytest.mark.usefixtures("mesh")
def test_the_page_answers_on_the_host_with_the_stars_of_every_version(node: RealCluster) -> None:
    eventually(lambda: "<title>Simple Bookstore App</title>" in page(node), 120)
    seen = set[str]()

    def all_versions() -> bool:
        seen.add(",".join(sorted(set(re.findall(r"text-(red|black)-500", page(node))))))
        return {"", "black", "red"} <= seen

    eventually(all_versions, 120)


def at_gateway(**rules: Any) -> str:
    """What the program says to a Gateway's Envoy, for the test's gateway."""
    spec = gateway_filter(Traffic(service="productpage", port=9080, **rules), "page")
    spec["workloadSelector"] = {"labels": {"istio": "gateway"}}
    metadata = {"name": "at-gateway", "namespace": NAMESPACE}
    return json.dumps({"apiVersion": API_VERSION, "kind": "EnvoyFilter", "metadata": metadata, "spec": spec})


@pytest.mark.usefixtures("mesh")
def test_faults_timeouts_and_retries_of_the_page_hold_for_requests_from_outside(
    node: RealCluster, kubectl: Kubectl
) -> None:
    eventually(lambda: "<title>Simple Bookstore App</title>" in page(node), 120)
    kubectl("apply", "--filename=-", stdin=at_gateway(fault=Fault(abort=503)))
    eventually(lambda: "HTTP Error 503" in page(node), 120)
    kubectl("apply", "--filename=-", stdin=at_gateway(fault=Fault(abort=503, headers={"end-user": "jason"})))
    eventually(lambda: "<title>Simple Bookstore App</title>" in page(node), 120)
    kubectl("apply", "--filename=-", stdin=at_gateway(timeout="1ms"))
    eventually(lambda: "HTTP Error 504" in page(node), 120)
    kubectl("apply", "--filename=-", stdin=at_gateway(timeout="10s", retries=Retries(attempts=3, per_try_timeout="5s")))
    eventually(lambda: "<title>Simple Bookstore App</title>" in page(node), 120)
    kubectl("delete", "envoyfilter", "at-gateway", "--namespace", NAMESPACE)


@pytest.mark.usefixtures("mesh")
def test_every_proxy_has_taken_its_configuration_and_none_has_refused_any(kubectl: Kubectl) -> None:
    with kubectl.forwarded("--namespace=istio-system", "deployment/istiod", "15014") as port:
        eventually(lambda: all_synced(json.loads(read(f"http://127.0.0.1:{port}/debug/syncz"))), 120)
        metrics = read(f"http://127.0.0.1:{port}/metrics")
    refused = [line for line in metrics.splitlines() if re.match(r"pilot_(total_xds_rejects|xds_.*_reject)", line)]
    assert refused == []


def all_synced(proxies: list[dict[str, str]]) -> bool:
    told = [
        each["cluster_sent"] == each["cluster_acked"] and each["listener_sent"] == each["listener_acked"]
        for each in proxies
    ]
    return len(told) == len(WORKLOADS) + 1 and all(told)
