"""Services that somebody else deploys: only policies, traffic and routes are the stack's."""

import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.workloads.service_port import ServicePort
from policy.registries import allowed
from program.config.services import Service
from program.lookup import Cluster
from program.rules.existing import completed, warnings
from program.surroundings import services as read_services
from program.workloads import places, workloads
from tests.unit.conftest import Run
from tests.unit.loading import loaded
from tests.unit.test_config_pods import read

LEGACY: dict[str, Any] = {
    "name": "legacy",
    "kind": "existing",
    "namespace": "old",
    "port": 80,
    "versions": ["v1", "v2"],
    "allowFrom": ["web"],
    "traffic": {"canary": {"from": "v1", "to": "v2", "percent": 10}, "timeout": "2s"},
}
SPEC = {
    "selector": {"component": "legacy"},
    "ports": [
        {"name": "http-main", "port": 80, "targetPort": 8080},
        {"name": "grpc", "port": 90, "targetPort": "grpc"},
    ],
}
FOUND = Cluster(identity="1a2b", namespaces={"old": False}, services={"legacy": SPEC})


def of(cluster: Cluster, **changes: Any) -> Service:
    settings = loaded(services=json.dumps([{**LEGACY, **changes}]))
    return completed(settings, cluster)[0]


def test_its_versions_are_labels_of_somebody_elses_pods() -> None:
    service = read({**LEGACY, "versions": ["v1", "v2", "v1"]})
    assert (service.existing, service.images, service.pod_count) == (True, {}, 0)
    assert service.traffic.subsets == ("v1", "v2")


@pytest.mark.parametrize(
    ("change", "path", "accepted"),
    [
        ({"image": "a:1"}, "image", "one of these keys: name, namespace, kind, versions, port, ports, selector"),
        ({"replicas": 2}, "replicas", "one of these keys: name, namespace, kind"),
        ({"env": []}, "env", "one of these keys: name, namespace, kind"),
        ({"versions": {"v1": "a:1"}}, "versions", "a list of values of the label version"),
        ({"selector": {"a b": "c"}}, "selector.a b", "a label's name"),
        ({"traffic": {"mirror": {"subset": "v3"}}}, "traffic.mirror.subset", "a subset of legacy: v1 or v2"),
    ],
)
def test_what_is_somebody_elses_to_say_is_refused(change: Any, path: str, accepted: str) -> None:
    message = rf"^config key istio-minikube:services\[0\]\.{re.escape(path)} is .*; accepted: {re.escape(accepted)}"
    with pytest.raises(pulumi.RunError, match=message):
        read({**LEGACY, **change})


def test_only_its_policies_and_its_traffic_are_declared(run: Run) -> None:
    mesh = run(services=json.dumps([LEGACY]), bookinfo="false", cluster=FOUND)
    theirs = [each.inputs for each in mesh.registrations if each.inputs.get("metadata", {}).get("namespace") == "old"]
    assert sorted((each["kind"], each["metadata"]["name"]) for each in theirs) == [
        ("AuthorizationPolicy", "allow-legacy"),
        ("DestinationRule", "legacy"),
        ("VirtualService", "legacy"),
    ]
    assert not [name for name in mesh.names if "old" in name]
    assert mesh.outputs["services"] == {"legacy": "http://legacy.old:80"}


def test_its_policy_is_for_the_pods_and_the_port_behind_its_service(run: Run) -> None:
    mesh = run(services=json.dumps([LEGACY]), cluster=FOUND)
    assert mesh.inputs("security-authorization-allow-legacy")["spec"] == {
        "selector": {"matchLabels": {"component": "legacy"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/old/sa/web"]}}],
                "to": [{"operation": {"ports": ["8080"]}}],
            }
        ],
    }


def test_a_port_by_name_is_each_pods_own_so_that_the_policy_is_for_all(run: Run) -> None:
    mesh = run(services=json.dumps([{**LEGACY, "port": 90}]), cluster=FOUND)
    (rule,) = mesh.inputs("security-authorization-allow-legacy")["spec"]["rules"]
    assert rule.keys() == {"from"}


def test_the_cluster_completes_what_the_configuration_leaves_open() -> None:
    service = of(FOUND)
    assert (service.selector, service.ports_known) == ({"component": "legacy"}, True)
    assert service.ports == (ServicePort(name="http-main", port=80, target_port=8080),)
    assert of(FOUND, port=90).workload.ports == ()
    said = of(FOUND, port=None, ports=[{"name": "grpc", "port": 90, "targetPort": 9090}], selector={"app": "mine"})
    assert (said.selector, said.workload.ports) == ({"app": "mine"}, (9090,))


def test_the_services_of_its_versions_lead_where_its_service_leads(run: Run) -> None:
    canary = {key: value for key, value in LEGACY["traffic"].items() if key == "canary"}
    mesh = run(services=json.dumps([{**LEGACY, "traffic": canary}]), cluster=FOUND)
    assert mesh.inputs("traffic-legacy-v2")["spec"] == {
        "ports": [{"port": 80, "name": "http-main", "targetPort": 8080}],
        "selector": {"component": "legacy", "version": "v2"},
    }
    assert mesh.inputs("traffic-legacy-v2")["metadata"]["namespace"] == "old"


EXPOSED = {**LEGACY, "allowFrom": [], "traffic": {}, "expose": [{"hosts": ["legacy.example"]}]}


def test_its_routes_are_the_stacks(run: Run) -> None:
    mesh = run(services=json.dumps([EXPOSED]), cluster=FOUND)
    route = mesh.inputs("legacy-exposed-route")
    assert (route["metadata"]["namespace"], route["spec"]["hostnames"]) == ("old", ["legacy.example"])


@pytest.mark.parametrize("authorization", [True, "dry-run"])
def test_showing_it_to_the_outside_denies_nothing_to_its_other_callers(run: Run, authorization: Any) -> None:
    security = json.dumps({"authorization": authorization})
    elsewhere = run(services=json.dumps([EXPOSED]), cluster=FOUND, security=security)
    assert not [name for name in elsewhere.names if "allow-legacy" in name]
    here = run(services=json.dumps([{**EXPOSED, "namespace": "default"}]), cluster=FOUND, security=security)
    assert [name for name in here.names if "allow-legacy" in name]


def test_a_port_that_its_service_has_not_is_refused() -> None:
    message = "service legacy of kind existing has port 81, and the Service has 80, 90; accepted: ports that it has"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        of(FOUND, port=81)


def test_one_that_is_not_there_is_told_where_there_is_a_cluster() -> None:
    settings = loaded(services=json.dumps([LEGACY]))
    (warning,) = warnings(settings, replace(FOUND, services={}))
    assert warning.startswith("services of kind existing are not in the cluster: old/legacy. Until they are")
    assert warnings(settings, FOUND) == warnings(settings, Cluster()) == []


def test_it_is_taken_by_its_name_where_nothing_is_known() -> None:
    service = of(Cluster())
    assert (service.workload.selector, service.workload.ports) == ({"app": "legacy"}, (80,))


def test_its_namespace_is_none_of_the_stacks() -> None:
    orders = {"name": "orders", "namespace": "shop", "image": "o:1", "port": 80}
    settings = loaded(services=json.dumps([LEGACY, orders]))
    assert places(settings) == ["default", "shop"]
    assert workloads(settings)["legacy"].namespace == "old"


def test_its_service_is_read_where_it_is() -> None:
    class Kube:
        def find(self, path: str) -> Any:
            return {"spec": {"path": path}}

    settings = loaded(services=json.dumps([LEGACY]))
    found: Any = read_services(Kube(), settings)  # type: ignore[arg-type] # as much of it as is used
    assert found == {"legacy": {"path": "/api/v1/namespaces/old/services/legacy"}}


def test_its_images_are_not_this_stacks_to_allow() -> None:
    assert allowed({"services": json.dumps([LEGACY])}) == allowed({})
