"""Istio's CNI plugin for sidecars: installed, upgraded, handed over to ambient mode and back, and removed."""

from operations.state.recover import Release
from tests.embedded import releases
from tests.embedded.stack import Stack, as_config, objects, pods

ORDERS = {"name": "orders", "image": "shop.example/orders:1", "port": 8080}
CNI = Release(namespace="istio-system", name="istio-cni")
PLUGIN = {"bookinfo": "false", "cni": "true", "istioVersion": "1.24.6", "services": as_config([ORDERS])}
AMBIENT = PLUGIN | {"cni": "false", "dataPlane": "ambient"}


def image(stack: Stack) -> str:
    path = "/apis/apps/v1/namespaces/istio-system/daemonsets/istio-cni-node"
    daemon_set = stack.kube.get(path)
    return str(daemon_set["spec"]["template"]["spec"]["containers"][0]["image"])


def prepared(stack: Stack) -> str:
    """What the pod's annotation says of how it is in the mesh."""
    (pod,) = pods(stack.kube, "/api/v1/namespaces/default/pods?labelSelector=app%3Dorders")
    return str(pod["metadata"]["annotations"]["istio-minikube/data-plane"])


def test_the_plugin_goes_up_with_istio_and_over_to_ambient_mode_and_back_as_one_release(stack: Stack) -> None:
    before = {name for name in objects(stack.kube) if not name.startswith("pods ")}
    stack.up(**PLUGIN)
    assert (image(stack), prepared(stack)) == ("docker.io/istio/install-cni:1.24.6", "1.24.6+cni")
    stack.up(**PLUGIN | {"istioVersion": "1.25.5"})
    assert (image(stack), prepared(stack)) == ("docker.io/istio/install-cni:1.25.5", "1.25.5+cni")
    stack.up(**AMBIENT | {"istioVersion": "1.25.5"})
    assert prepared(stack) == "ambient"
    stack.up(**PLUGIN | {"istioVersion": "1.25.5"})
    assert prepared(stack) == "1.25.5+cni"
    history = releases.of(stack.kube, CNI)
    assert [status for _, status in history] == [*["superseded"] * (len(history) - 1), "deployed"]
    assert len(history) == 4
    stack.up(**PLUGIN | {"istioVersion": "1.25.5", "cni": "false"})
    assert (prepared(stack), releases.of(stack.kube, CNI)) == ("1.25.5", [])
    stack.down()
    assert {name for name in objects(stack.kube) if not name.startswith("pods ")} == before
