"""Traffic to services of somebody else's, as they are in the cluster."""

import json
from typing import Any

import pulumi
import pytest

from program.lookup import Cluster, look_up
from program.preflight import plan
from tests.unit.conftest import Run
from tests.unit.fake_api import FakeApi
from tests.unit.loading import loaded
from tests.unit.test_lookup import OWNER, existing, kubeconfig, server  # noqa: F401 fixtures

CANARY = {"canary": {"from": "v1", "to": "v2", "percent": 10}}
ORDERS = {"port": 80, "subsets": ["v1", "v2"], **CANARY}
LIVE = {
    "ports": [{"port": 80, "targetPort": 8080, "name": "grpc-web", "appProtocol": "grpc"}, {"port": 90}],
    "selector": {"team": "shop", "component": "orders"},
}


def configured(**more: Any) -> str:
    return json.dumps({"orders": {**ORDERS, **more}})


def subset(run: Run, cluster: Cluster, **more: Any) -> Any:
    return run(cluster=cluster, traffic=configured(**more)).inputs("traffic-orders-v2")["spec"]


def test_the_services_of_subsets_lead_where_the_service_leads(run: Run) -> None:
    assert subset(run, Cluster(services={"orders": LIVE})) == {
        "ports": [{"port": 80, "targetPort": 8080, "name": "grpc-web", "appProtocol": "grpc"}],
        "selector": {"team": "shop", "component": "orders", "version": "v2"},
    }


def test_where_it_is_not_there_yet_the_configuration_tells(run: Run) -> None:
    assert subset(run, Cluster()) == {
        "ports": [{"port": 80, "name": "http"}],
        "selector": {"app": "orders", "version": "v2"},
    }
    assert subset(run, Cluster(), targetPort="web")["ports"] == [{"port": 80, "name": "http", "targetPort": "web"}]
    assert subset(run, Cluster(services={"orders": LIVE}), targetPort=9)["ports"][0]["targetPort"] == 9


@pytest.mark.parametrize("target", [0, 70000, "no name", "a" * 16, "8080x!"])
def test_a_target_port_is_a_number_or_a_containers_name_for_it(target: Any) -> None:
    with pytest.raises(pulumi.RunError, match=r"traffic.orders.targetPort is "):
        loaded(traffic=configured(targetPort=target))


def test_a_port_that_the_service_does_not_have_is_refused() -> None:
    settings = loaded(
        traffic=json.dumps({"orders": {"port": 81, "timeout": "1s"}}), istioChartRepository="https://c.example"
    )
    with pytest.raises(
        pulumi.RunError, match=r"^traffic.orders.port is 81, and the Service orders has 80, 90; accepted"
    ):
        plan(settings, Cluster(services={"orders": LIVE}))


def test_only_services_that_the_stack_does_not_deploy_are_read(server: FakeApi) -> None:  # noqa: F811
    server.answer("/api/v1/namespaces/default/services/orders", {"spec": LIVE})
    traffic = json.dumps({"orders": ORDERS, "gone": {"port": 80, "timeout": "1s"}, "reviews": {"timeout": "1s"}})
    settings = loaded(clusterMode="existing", kubeconfig=str(server.kubeconfig), context="there", traffic=traffic)
    assert look_up(settings, OWNER).services == {"orders": LIVE}
    assert not [request.path for request in server.requests if request.path.endswith("services/reviews")]
