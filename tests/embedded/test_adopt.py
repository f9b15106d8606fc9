"""A mesh of istioctl's becomes the stack's."""

import re
from collections.abc import Iterator

import pytest

from embedded.cluster import Cluster
from operations.manifests.objects import wait_until
from tests.embedded import istioctl
from tests.embedded.stack import Stack, objects, settings_for, versions


@pytest.fixture
def stack(cluster: Cluster) -> Iterator[Stack]:
    stack = Stack(cluster=cluster)
    settings_for(cluster)
    istioctl.install(cluster.kubeconfig, stack.helm, cluster.root / "charts")
    yield stack
    stack.down()
    istioctl.uninstall(stack.kube)


def test_istioctls_mesh_is_refused_then_adopted_with_istiod_left_running_and_removed_whole(stack: Stack) -> None:
    before = versions(stack.kube)
    assert re.search(
        r"Deployment istio-system/istiod, Istio 1\.23\.0, is no Helm release's", stack.refused(bookinfo="false")
    )
    assert versions(stack.kube) == before

    istiod, service = stack.kube.get(istioctl.ISTIOD), "services istio-system/istio-ingressgateway"
    uids = {name: metadata["uid"] for name, metadata in objects(stack.kube).items()}
    stack.up(adopt="true", bookinfo="false")
    adopted = stack.kube.get(istioctl.ISTIOD)
    assert adopted["metadata"]["uid"] == istiod["metadata"]["uid"]
    assert adopted["spec"]["template"] == istiod["spec"]["template"]
    assert adopted["metadata"]["annotations"]["meta.helm.sh/release-name"] == "istiod"
    assert "operator.istio.io/managed" not in adopted["metadata"]["labels"]
    now = {name: metadata["uid"] for name, metadata in objects(stack.kube).items()}
    stays = {name for name in uids if name.startswith(("pods istio-system/istiod-", "customresourcedefinitions "))}
    assert {name: now.get(name) for name in {*stays, service}} == {name: uids[name] for name in {*stays, service}}
    assert stack.kube.find(istioctl.TAG) is None
    (container,) = stack.kube.get(istioctl.GATEWAY)["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container.get("args")) == ("auto", None)

    # From here on it is a stack like any other.
    stack.up(bookinfo="false")
    stack.cli.run("preview", "--expect-no-changes", quiet=True)
    stack.down()
    wait_until("pods to be gone", lambda: not stack.kube.objects("/api/v1/namespaces/istio-system/pods"))
    left = {name for name in objects(stack.kube) if "istio" in name}
    assert left == {
        "configmaps istio-system/kube-root-ca.crt",
        "namespaces /istio-system",
        "serviceaccounts istio-system/default",
    }
