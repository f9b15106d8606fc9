from components import Waypoint, WaypointArgs
from tests.unit.conftest import Compose
from tests.unit.recording import something


def test_a_waypoint_is_the_gateway_that_istioctl_would_make_and_is_waited_for(compose: Compose) -> None:
    mesh = compose(lambda: Waypoint("waypoint", WaypointArgs(namespace="shop", requires=[something("istiod")])))
    made = mesh.named("waypoint-gateway")
    assert (made.parent, made.dependencies) == ("waypoint", frozenset({"istiod"}))
    assert made.inputs == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": "waypoint",
            "namespace": "shop",
            "labels": {"istio.io/waypoint-for": "service"},
            "annotations": {"pulumi.com/waitFor": "condition=Programmed"},
        },
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}],
        },
    }
    assert mesh.registered["waypoint"] == {"gateway": "waypoint"}
