"""A mesh of the Helm CLI's becomes the stack's, and what is left of a deleted one."""

import subprocess
from collections.abc import Iterator

import pytest

from components.commands.adopt import RBAC
from embedded.cluster import Cluster
from operations.manifests.objects import wait_until
from tests.embedded.stack import CONTEXT, Stack, objects, settings_for

ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
NAMESPACE = "/api/v1/namespaces/istio-system"
# Istio's own default, which the stand-in's pod template knows only where it is said.
SAME = ("--set", "global.istioNamespace=istio-system")
ROLE = f"{RBAC}/clusterroles/istiod-clusterrole-istio-system"


@pytest.fixture
def stack(cluster: Cluster) -> Stack:
    settings_for(cluster)
    return Stack(cluster=cluster)


def helm(stack: Stack, *words: str) -> None:
    place = ["--kubeconfig", str(stack.cluster.kubeconfig), "--kube-context", CONTEXT, "--namespace", "istio-system"]
    subprocess.run([str(stack.helm), *words, *place], check=True, capture_output=True, text=True)


@pytest.fixture(params=[("istio-base", "istiod"), ("base", "mesh")])
def mesh(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """What a person has installed with helm, by the names of Istio's own instructions and by others."""
    charts = stack.cluster.root / "charts"
    for release, chart in zip(request.param, ("base", "istiod"), strict=True):
        helm(stack, "install", release, str(charts / f"{chart}-1.23.0.tgz"), "--create-namespace", "--wait", *SAME)
    yield stack
    stack.down()
    stack.kube.delete(NAMESPACE)
    wait_until("istio-system to be gone", lambda: stack.kube.find(NAMESPACE) is None)


def test_helms_mesh_is_refused_then_adopted_with_istiod_left_running(mesh: Stack) -> None:
    istiod = mesh.kube.get(ISTIOD)
    assert "in istio-system are not this stack's: `helm install` makes them so" in mesh.refused(bookinfo="false")
    before = {name: each["uid"] for name, each in objects(mesh.kube).items() if name.startswith("pods istio-system/")}
    mesh.up(adopt="true", bookinfo="false")
    adopted = mesh.kube.get(ISTIOD)
    assert adopted["metadata"]["uid"] == istiod["metadata"]["uid"]
    assert adopted["spec"]["template"] == istiod["spec"]["template"]
    assert adopted["metadata"]["annotations"]["meta.helm.sh/release-name"] == "istiod"
    now = {name: each["uid"] for name, each in objects(mesh.kube).items()}
    assert before.items() <= now.items()
    releases = {name for name in now if name.startswith("secrets istio-system/sh.helm.release")}
    assert {name.split(".")[-2] for name in releases} == {"istio-base", "istiod"}
    # From here on it is a stack like any other.
    mesh.up(bookinfo="false")


def test_what_a_deleted_namespace_has_left_is_refused_by_name_then_taken_over(stack: Stack) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": []}
    name = "istiod-clusterrole-istio-system"
    stack.kube.request(
        "POST", f"{RBAC}/clusterroles", {**role, "metadata": {"name": name}}, content_type="application/json"
    )
    try:
        assert f"remove them with `kubectl delete clusterroles/{name}`" in stack.refused(bookinfo="false")
        stack.up(adopt="true", bookinfo="false")
        stack.down()
    finally:
        stack.kube.delete(ROLE)
