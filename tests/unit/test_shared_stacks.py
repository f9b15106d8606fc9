import json
from typing import Any

import pulumi
import pytest

from components.mesh.ingress_gateway import IngressGatewayArgs, autoscaler_spec
from components.mesh.istio_base import istiod_values
from operations.manifests.declared import settings_of
from operations.manifests.policies import resources, verdict
from operations.manifests.render import Rendered
from program.lookup import Cluster
from tests.unit.conftest import Run
from tests.unit.recording import Mesh

GUARDED = ("istio", "ingress", "gateway-api", "namespace")


@pytest.fixture(scope="module")
def shared(run: Run) -> Mesh:
    """The tutorial's stack on a cluster that is shared."""
    return run(replicas="3", protect="true")


def kept_apart_from(affinity: Any) -> Any:
    (preferred,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    return preferred["podAffinityTerm"]["labelSelector"]["matchLabels"]


def test_istiods_keep_off_each_others_nodes(shared: Mesh) -> None:
    pilot = shared.inputs("istio-istiod")["values"]["pilot"]
    assert pilot["autoscaleMin"] == 3
    assert kept_apart_from(pilot["affinity"]) == {"app": "istiod", "istio.io/rev": "default"}


def test_istio_values_win_over_the_number_of_replicas() -> None:
    assert istiod_values("", {"pilot": {"autoscaleMin": 4}}, 2)["pilot"]["autoscaleMin"] == 4


def test_gateways_keep_off_each_others_nodes(shared: Mesh) -> None:
    pod = shared.inputs("ingress-deployment")["spec"]["template"]["spec"]
    assert kept_apart_from(pod["affinity"]) == {"app": "istio-ingressgateway", "istio": "ingressgateway"}
    assert shared.inputs("ingress-autoscaler")["spec"]["minReplicas"] == 3


@pytest.mark.parametrize(("replicas", "most"), [(1, 5), (2, 5), (7, 7)])
def test_the_autoscaler_never_has_less_room_than_replicas(replicas: int, most: int) -> None:
    spec = autoscaler_spec(replicas)
    assert (spec["minReplicas"], spec["maxReplicas"]) == (replicas, most)
    assert istiod_values("", {}, 7)["pilot"]["autoscaleMax"] == 7


def test_a_number_of_replicas_below_one_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match="replicas is 0; accepted: 1 or more pods"):
        IngressGatewayArgs(namespace="istio-system", injectors=[], istio_version="1", replicas=0)


def test_what_others_build_on_is_protected_and_the_sample_is_not(shared: Mesh) -> None:
    protected = {registration.parent for registration in shared.registrations if registration.protect} - {""}
    assert protected == set(GUARDED)


def test_a_stack_of_ones_own_is_not_protected(dev: Mesh) -> None:
    assert not [registration.name for registration in dev.registrations if registration.protect]


def test_prods_mandatory_denial_is_met_by_services_in_other_namespaces_too(run: Run) -> None:
    orders = {"name": "orders", "namespace": "shop", "image": "docker.io/istio/web:1.0", "port": 80}
    mesh = run("prod", gatewayApiVersion="v1.1.0", compatibility="warn", services=json.dumps([orders]))
    objects = [Rendered(resource=each, manifest=each.inputs) for each in mesh.registrations if "kind" in each.inputs]
    faults = [
        fault
        for policy, _, found in verdict("prod", settings_of("prod"), resources(mesh.registrations, objects))
        for fault in found
        if policy.name == "default-deny"
    ]
    assert faults == []


def test_the_addresses_of_a_cluster_that_is_there_are_let_through(run: Run) -> None:
    isolated = {"context": "c", "security": '{"networkPolicies": {}}'}
    found = Cluster(dns=("10.96.0.10",))
    name = "security-network-mesh-isolation"
    assert "10.96.0.10/32" in str(run(cluster=found, clusterMode="existing", **isolated).inputs(name))
    here = {**isolated, "context": "minikube"}
    assert "10.96.0.10/32" not in str(run(cluster=found, **here).inputs(name))
