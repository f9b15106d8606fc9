"""Istio's CNI plugin on a real node: pods in the mesh without any privilege, and the node as before once it goes."""

import json
from collections.abc import Iterator

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE
from tests.embedded.node.mesh import NAMESPACE, TITLE, Mesh

RESTRICTED = "restricted"
IMAGE = "docker.io/istio/examples-bookinfo-details-v1:1.20.1"
SERVER = f"""
apiVersion: v1
kind: Namespace
metadata:
  name: {RESTRICTED}
  labels: {{istio-injection: enabled, pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Service
metadata: {{name: details, namespace: {RESTRICTED}}}
spec: {{selector: {{app: details}}, ports: [{{name: http, port: 9080}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: details, namespace: {RESTRICTED}}}
spec:
  selector: {{matchLabels: {{app: details}}}}
  template:
    metadata: {{labels: {{app: details}}}}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: details
          image: {IMAGE}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh) -> Iterator[None]:
    strict = {"mtls": {"mode": "STRICT"}, "podSecurity": {"enforce": "baseline"}}
    mesh.up(cni="true", security=json.dumps(strict))
    yield
    mesh.kubectl("delete", "namespace", RESTRICTED, "--ignore-not-found")


def first_containers(mesh: Mesh, namespace: str) -> set[str]:
    """The init containers of the namespace's pods that are not ending, but for proxies."""
    found = mesh.kubectl.json("get", "pods", f"--namespace={namespace}", "--selector=app")["items"]
    pods = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
    assert pods
    return {each["name"] for pod in pods for each in pod["spec"]["initContainers"]} - {"istio-proxy"}


def plugins(mesh: Mesh) -> list[str]:
    """The CNI plugins of the node."""
    (file,) = (mesh.node.root / "configuration/cni/net.d").glob("*.conflist")
    return [plugin["type"] for plugin in json.loads(file.read_text())["plugins"]]


def test_pods_need_no_privilege_and_their_requests_go_through_their_proxies(mesh: Mesh) -> None:
    assert plugins(mesh) == ["ptp", "istio-cni"]
    eventually(lambda: first_containers(mesh, NAMESPACE) == {"istio-validation"}, 120)
    eventually(lambda: TITLE in mesh.request().body, 120)
    # What is not redirected to a proxy could not be refused by it.
    eventually(lambda: mesh.get("http://details.bookinfo:9080/details/0", inside=False)["status"] == 0, 120)


def test_restricted_pods_are_in_the_mesh(mesh: Mesh) -> None:
    mesh.kubectl.apply(SERVER)
    mesh.kubectl("rollout", "status", "deployment/details", f"--namespace={RESTRICTED}", f"--timeout={PATIENCE}")
    assert first_containers(mesh, RESTRICTED) == {"istio-validation"}
    eventually(lambda: mesh.get(f"http://details.{RESTRICTED}:9080/details/0")["status"] == 200, 120)
    eventually(lambda: mesh.get(f"http://details.{RESTRICTED}:9080/details/0", inside=False)["status"] == 0, 120)


def test_without_the_plugin_the_node_is_as_before_and_pods_prepare_their_network_again(mesh: Mesh) -> None:
    mesh.up()
    eventually(lambda: plugins(mesh) == ["ptp"], 60)
    assert mesh.kubectl.tried("get", "daemonset/istio-cni-node", "--namespace=istio-system").returncode != 0
    eventually(lambda: first_containers(mesh, NAMESPACE) == {"istio-init"}, 120)
    eventually(lambda: TITLE in mesh.request().body, 120)
