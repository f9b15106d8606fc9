"""What runs on a real node."""

import http.client
import json
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.workloads.bookinfo import WORKLOADS
from embedded.images.oci import Image, Layout
from embedded.node.addresses import LOAD_BALANCER_RANGE, NODE_ADDRESS
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE, Kubectl, load_balancer

(DETAILS_IMAGE,) = (workload.image for workload in WORKLOADS if workload.service == "details")
SERVICE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: app, image: "IMAGE", readinessProbe: {httpGet: {path: /health, port: 9080}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec:
  type: LoadBalancer
  selector: {app: NAME}
  ports: [{port: 80, targetPort: 9080}]
"""


@pytest.fixture(scope="module")
def details(kubectl: Kubectl, client: str) -> Iterator[str]:
    """The name of a Service that answers."""
    kubectl.apply(SERVICE.replace("NAME", "details").replace("IMAGE", DETAILS_IMAGE))
    kubectl("rollout", "status", "deployment/details", f"--timeout={PATIENCE}")
    eventually(lambda: kubectl.get(client, "http://details/health")["status"] == 200, 60)
    yield "details"
    kubectl("delete", "deployment/details", "service/details")


def test_the_node_is_a_real_one(kubectl: Kubectl) -> None:
    (node,) = kubectl.json("get", "nodes")["items"]
    assert node["metadata"]["name"] == "embedded"
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    assert not node["spec"].get("taints")


def test_a_container_runs_commands_and_its_output_is_kept(kubectl: Kubectl, client: str, details: str) -> None:
    assert kubectl.get(client, f"http://{details}/details/0")["status"] == 200
    # What a container says is kept a moment after it is said.
    eventually(lambda: "/details/0" in kubectl("logs", f"deployment/{details}"), 60)


def test_names_of_services_resolve_and_there_are_no_others(kubectl: Kubectl, client: str, details: str) -> None:
    resolved = kubectl("exec", client, "--", "bookinfo", "resolve", details, "kubernetes.default.svc.cluster.local")
    assert len(resolved.splitlines()) == 2
    outside = ("exec", client, "--", "bookinfo", "resolve", "www.example.com")
    eventually(lambda: "no such host" in kubectl.tried(*outside).stderr, 60)


def test_a_service_answers_at_its_name_and_at_the_load_balancers_address(
    kubectl: Kubectl, client: str, details: str
) -> None:
    address = load_balancer(kubectl, details)
    assert address.startswith(LOAD_BALANCER_RANGE.rpartition(".")[0])
    for host in (details, address):
        eventually(lambda host=host: kubectl.get(client, f"http://{host}/details/7")["status"] == 200, 60)  # type: ignore[misc]


def test_a_service_that_is_no_load_balancer_any_more_loses_its_address(kubectl: Kubectl) -> None:
    kubectl("create", "service", "loadbalancer", "once", "--tcp=80")
    eventually(lambda: kubectl.json("get", "service", "once")["status"]["loadBalancer"], 60)
    kubectl("patch", "service", "once", '--patch={"spec": {"type": "ClusterIP"}}')
    eventually(lambda: not kubectl.json("get", "service", "once")["status"]["loadBalancer"], 60)
    kubectl("delete", "service", "once")


def test_an_image_is_pulled_whenever_a_pod_says_so_and_none_comes_from_elsewhere(kubectl: Kubectl) -> None:
    kubectl("run", "always", f"--image={DETAILS_IMAGE}", "--image-pull-policy=Always")
    kubectl("wait", "--for=condition=Ready", "pod/always", f"--timeout={PATIENCE}")
    kubectl("run", "unknown", "--image=docker.io/library/nginx:1")

    def refused() -> bool:
        statuses = kubectl.json("get", "pod", "unknown")["status"].get("containerStatuses", [])
        return any("ErrImagePull" in json.dumps(each) or "ImagePullBackOff" in json.dumps(each) for each in statuses)

    eventually(refused, 120)
    kubectl("delete", "pod/always", "pod/unknown", "--grace-period=1")


def test_an_image_that_is_loaded_takes_the_place_of_the_one_of_its_name(
    kubectl: Kubectl, node: RealCluster, parts: Parts, tmp_path: Path
) -> None:
    for says in ("first", "second"):
        source = Layout(tmp_path / says)
        program = {"/bookinfo": parts.node / "bookinfo"}
        config = {"Entrypoint": ["/bookinfo", "wait"], "Labels": {"says": says}}
        source.add(Image(names=["docker.io/me/own:1"], layers=[program], config=config))
        source.finish()
        archive = tmp_path / f"{says}.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(source.folder, arcname=".")
        assert node.load(str(archive)) == ["docker.io/me/own:1"]
        kubectl("run", says, "--image=me/own:1", "--image-pull-policy=IfNotPresent")
        kubectl("wait", "--for=condition=Ready", f"pod/{says}", f"--timeout={PATIENCE}")
    first, second = (
        kubectl.json("get", "pod", says)["status"]["containerStatuses"][0]["imageID"] for says in ("first", "second")
    )
    assert first != second
    kubectl("delete", "pod/first", "pod/second", "--grace-period=1")


def test_no_packet_leaves_the_cluster(kubectl: Kubectl, client: str, node: RealCluster) -> None:
    outcome = kubectl.get(client, "-timeout=1s", "http://192.0.2.1/")
    assert outcome["status"] == 0
    interfaces = [line.partition(":")[0].strip() for line in network_file(node, "dev").splitlines()[2:]]
    # Pairs of which both ends are in the cluster.
    assert {"lo", "node0", "nowhere"} <= set(interfaces)
    assert not [each for each in interfaces if each not in {"lo", "node0", "nowhere"} and not each.startswith("veth")]


def network_file(node: RealCluster, name: str) -> str:
    """A file of /proc/net as the node's first process has it."""
    starter = (node.root / "process").read_text().split("\n")[0]
    (first,) = Path(f"/proc/{starter}/task/{starter}/children").read_text().split()
    return Path(f"/proc/{first}/net/{name}").read_text()


def test_who_does_not_say_who_they_are_gets_nothing_of_kubelet_or_api_server(kubectl: Kubectl, client: str) -> None:
    for url in (f"https://{NODE_ADDRESS}:10250/pods", "https://kubernetes.default/api", "https://kubernetes.default/"):
        assert kubectl.get(client, url)["status"] == 401


def test_a_pods_own_token_is_known_and_may_not_use_kubelet(kubectl: Kubectl, client: str) -> None:
    token = kubectl("create", "token", "default").strip()
    header = f"-H=Authorization=Bearer {token}"
    assert kubectl.get(client, header, f"https://{NODE_ADDRESS}:10250/pods")["status"] == 403
    assert kubectl.get(client, header, "https://kubernetes.default/version")["status"] == 200
    assert kubectl.get(client, header, "https://kubernetes.default/api/v1/nodes")["status"] == 403


def test_kubelet_may_see_only_what_its_pods_use(kubectl: Kubectl, node: RealCluster) -> None:
    kubectl("create", "secret", "generic", "nobodys", "--from-literal=a=b")
    certificates = node.root / "certificates"
    as_kubelet = [
        "--user=",
        f"--client-certificate={certificates / 'kubelet.crt'}",
        f"--client-key={certificates / 'kubelet.key'}",
    ]
    assert "Forbidden" in kubectl.tried(*as_kubelet, "get", "secret", "nobodys").stderr
    assert "Forbidden" in kubectl.tried(*as_kubelet, "label", "pod", "client", "a=b").stderr
    assert kubectl(*as_kubelet, "get", "node", "embedded", "--output=name").strip() == "node/embedded"
    kubectl("delete", "secret", "nobodys")


def test_the_host_reaches_what_is_published_and_follows_when_that_changes(
    node: RealCluster, kubectl: Kubectl, details: str
) -> None:
    kubectl.apply(SERVICE.replace("NAME", "other").replace("IMAGE", DETAILS_IMAGE))
    kubectl("rollout", "status", "deployment/other", f"--timeout={PATIENCE}")

    def page() -> dict[str, object]:
        with urllib.request.urlopen(f"http://{node.address('http')}/details/3", timeout=10) as answer:
            content: dict[str, object] = json.load(answer)
        return content

    def answered() -> bool:
        try:
            return page()["id"] == 3
        except (OSError, http.client.HTTPException):
            return False

    node.publish([("default", "nowhere"), ("default", details)])
    eventually(answered, 60)
    node.publish([("default", "other")])
    eventually(answered, 60)
    eventually(lambda: "/details/3" in kubectl("logs", "deployment/other"), 60)
    kubectl("delete", "deployment/other", "service/other")
    eventually(lambda: not answered(), 60)


def test_the_host_forwards_a_port_of_a_pod(kubectl: Kubectl, node: RealCluster, details: str) -> None:
    """Forwarding goes through API server and kubelet, which know each other by certificate."""
    pod = kubectl.json("get", "pods", "--selector=app=details")["items"][0]["metadata"]["name"]
    path = f"/api/v1/namespaces/default/pods/{pod}:9080/proxy/details/5"
    assert json.loads(kubectl("get", "--raw", path))["id"] == 5
    assert node.running()
    assert details


def test_starting_a_running_cluster_is_quick_and_changes_nothing(node: RealCluster) -> None:
    before, kubeconfig = (node.root / "process").read_text(), node.kubeconfig.read_text()
    assert node.start() is False
    assert (node.root / "process").read_text() == before
    assert node.kubeconfig.read_text() == kubeconfig
