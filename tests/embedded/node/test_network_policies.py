"""NetworkPolicies hold on a real node: each case is a policy and who gets through."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.workloads.bookinfo import WORKLOADS
from embedded.node.addresses import POD_RANGE
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE, Kubectl

(DETAILS_IMAGE,) = (workload.image for workload in WORKLOADS if workload.service == "details")
NAMESPACE = "guarded"
SERVER = f"""
apiVersion: v1
kind: Pod
metadata: {{name: server, namespace: {NAMESPACE}, labels: {{app: server}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: server
      image: {DETAILS_IMAGE}
      ports: [{{name: web, containerPort: 9080}}]
      readinessProbe: {{httpGet: {{path: /health, port: 9080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: server, namespace: {NAMESPACE}}}
spec: {{selector: {{app: server}}, ports: [{{port: 9080}}]}}
"""
URL = f"http://server.{NAMESPACE}:9080/health"
FROM_NODE = f"/api/v1/namespaces/{NAMESPACE}/pods/server:9080/proxy/health"
INSIDE, OUTSIDE = f"inside.{NAMESPACE}", "client.default"


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl, client: str) -> Iterator[None]:
    """A server, a client in its namespace and one in another."""
    assert OUTSIDE.startswith(client)
    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "team=shop")
    # Before a namespace has its ServiceAccount, a pod in it is refused.
    account = ("get", "serviceaccount", "default", f"--namespace={NAMESPACE}")
    eventually(lambda: kubectl.tried(*account).returncode == 0, 60)
    kubectl.apply(SERVER)
    kubectl.run_client("inside", NAMESPACE)
    kubectl("wait", "--namespace", NAMESPACE, "--for=condition=Ready", "pod/server", f"--timeout={PATIENCE}")
    yield
    kubectl("delete", "namespace", NAMESPACE, f"--timeout={PATIENCE}")


def through(kubectl: Kubectl, who: str, url: str = URL) -> bool:
    name, namespace = who.split(".")
    return bool(kubectl.get(name, "-timeout=500ms", url, namespace=namespace)["status"] == 200)


def expect(kubectl: Kubectl, *, inside: bool, outside: bool) -> None:
    eventually(lambda: (through(kubectl, INSIDE), through(kubectl, OUTSIDE)) == (inside, outside), 60)


ANY_POD: dict[str, Any] = {"podSelector": {}}
OF_DEFAULT = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
CASES: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "nobody may call": ({"policyTypes": ["Ingress"]}, False, False),
    "the same namespace may call": ({"ingress": [{"from": [ANY_POD]}]}, True, False),
    "another namespace may call": ({"ingress": [{"from": [OF_DEFAULT]}]}, False, True),
    "certain pods of another namespace may call": (
        {"ingress": [{"from": [{**OF_DEFAULT, "podSelector": {"matchLabels": {"run": "nobody"}}}]}]},
        False,
        False,
    ),
    "anyone may call the named port": ({"ingress": [{"ports": [{"port": "web"}]}]}, True, True),
    "anyone may call another port": ({"ingress": [{"ports": [{"port": 9081}]}]}, False, False),
    "anyone may call a range of ports": ({"ingress": [{"ports": [{"port": 9000, "endPort": 9100}]}]}, True, True),
    "pods may call by address": ({"ingress": [{"from": [{"ipBlock": {"cidr": POD_RANGE}}]}]}, True, True),
    "no pods may call by address": (
        {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [POD_RANGE]}}]}]},
        False,
        False,
    ),
    "a policy of other pods changes nothing": (
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, "policyTypes": ["Ingress"]},
        True,
        True,
    ),
    "who may call nobody calls nobody": ({"policyTypes": ["Egress"]}, False, True),
    "who may call the namespace and ask for names does": (
        {"policyTypes": ["Egress"], "egress": [{"to": [ANY_POD]}, DNS]},
        True,
        True,
    ),
    "who may only ask for names does no more": ({"policyTypes": ["Egress"], "egress": [DNS]}, False, True),
}


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize("case", CASES)
def test_who_gets_through(kubectl: Kubectl, case: str) -> None:
    spec, inside, outside = CASES[case]
    expect(kubectl, inside=True, outside=True)
    metadata = {"name": "case", "namespace": NAMESPACE}
    full = {"podSelector": {}, **spec}
    kubectl.apply(
        yaml.safe_dump(
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": full}
        )
    )
    expect(kubectl, inside=inside, outside=outside)
    # What comes from the node, as kubelet's probes do, no policy keeps away.
    eventually(lambda: kubectl.tried("get", "--raw", FROM_NODE).returncode == 0, 60)
    kubectl("delete", "networkpolicy", "case", "--namespace", NAMESPACE)


@pytest.mark.usefixtures("pods")
def test_a_pod_that_may_call_nobody_does_not_reach_the_node_either(kubectl: Kubectl) -> None:
    kubectl.apply(
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: node, namespace: {NAMESPACE}}}, "
        "spec: {podSelector: {matchLabels: {run: inside}}, policyTypes: [Egress]}}"
    )
    api = "https://10.96.0.1/version"

    def status() -> int:
        outcome = kubectl.get("inside", "-timeout=500ms", api, namespace=NAMESPACE)
        return int(outcome["status"])

    eventually(lambda: status() == 0, 60)
    kubectl("delete", "networkpolicy", "node", "--namespace", NAMESPACE)
    eventually(lambda: status() == 401, 60)
