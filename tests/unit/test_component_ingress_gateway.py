"""The facts are those of Istio 1.23.0's chart manifests/charts/gateways/istio-ingress with the template ``gateway``."""

from typing import Any

import pulumi
import pytest

from components import GatewayPort, GatewayService, IngressGateway, IngressGatewayArgs
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

NAME = "istio-ingressgateway"
LABELS = {"app": NAME, "istio": "ingressgateway"}
TOKENS = {
    "ingress-service-account": "kubernetes:core/v1:ServiceAccount",
    "ingress-role": "kubernetes:rbac.authorization.k8s.io/v1:Role",
    "ingress-role-binding": "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
    "ingress-deployment": "kubernetes:apps/v1:Deployment",
    "ingress-autoscaler": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    "ingress-service": "kubernetes:core/v1:Service",
}


def declared(**args: Any) -> None:
    namespace = something("namespace").id.apply(lambda _: "istio-system")
    required: dict[str, Any] = {"namespace": namespace, "injectors": [something("istiod")], "istio_version": "1.23.0"}
    IngressGateway("ingress", IngressGatewayArgs(**required, **args))


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    return compose(declared)


def test_it_is_these_objects_and_no_others(mesh: Mesh) -> None:
    children = {name: mesh.kind(name) for name in mesh.names if mesh.named(name).parent == "ingress"}
    assert children == TOKENS


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("ingress-service-account", "istio-ingressgateway-service-account"),
        ("ingress-role", "istio-ingressgateway-sds"),
        ("ingress-role-binding", "istio-ingressgateway-sds"),
        ("ingress-autoscaler", NAME),
    ],
)
def test_every_object_has_upstreams_name_and_labels_in_the_namespace(mesh: Mesh, resource: str, name: str) -> None:
    assert mesh.inputs(resource)["metadata"] == {"name": name, "namespace": "istio-system", "labels": LABELS}


def test_the_deployment_is_deleted_without_a_wait_for_pods_and_older_stacks_keep_theirs(mesh: Mesh) -> None:
    assert mesh.inputs("ingress-deployment")["metadata"] == {
        "name": NAME,
        "namespace": "istio-system",
        "labels": LABELS,
        "annotations": {"pulumi.com/deletionPropagationPolicy": "background"},
    }
    assert list(mesh.options("ingress-deployment").ignoreChanges) == ["metadata.annotations"]


def test_the_service_has_istios_three_ports_and_is_not_waited_for(mesh: Mesh) -> None:
    service = mesh.inputs("ingress-service")
    assert service["metadata"] == {
        "name": NAME,
        "namespace": "istio-system",
        "labels": LABELS,
        "annotations": {"pulumi.com/skipAwait": "true"},
    }
    assert service["spec"] == {
        "type": "LoadBalancer",
        "selector": LABELS,
        "ports": [
            {"name": "status-port", "port": 15021, "targetPort": 15021, "protocol": "TCP"},
            {"name": "http2", "port": 80, "targetPort": 8080, "protocol": "TCP"},
            {"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP"},
        ],
    }


@pytest.mark.parametrize("service_type", ["NodePort", "ClusterIP"])
def test_the_services_type_is_the_one_asked_for(compose: Compose, service_type: str) -> None:
    mesh = compose(lambda: declared(service_type=service_type))
    assert mesh.inputs("ingress-service")["spec"]["type"] == service_type


def test_the_deployment_leaves_its_replicas_to_the_autoscaler_and_rolls_like_upstreams(mesh: Mesh) -> None:
    spec = mesh.inputs("ingress-deployment")["spec"]
    assert {key: value for key, value in spec.items() if key != "template"} == {
        "selector": {"matchLabels": LABELS},
        "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
    }


def test_the_pod_is_one_for_istiods_gateway_template(mesh: Mesh) -> None:
    template = mesh.inputs("ingress-deployment")["spec"]["template"]
    assert template["metadata"] == {
        "labels": {**LABELS, "sidecar.istio.io/inject": "true"},
        "annotations": {
            "inject.istio.io/templates": "gateway",
            "prometheus.io/path": "/stats/prometheus",
            "prometheus.io/port": "15020",
            "prometheus.io/scrape": "true",
            "istio-minikube/data-plane": "1.23.0",
        },
    }
    assert template["spec"] == {
        "serviceAccountName": "istio-ingressgateway-service-account",
        "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": True},
        "containers": [
            {
                "name": "istio-proxy",
                "image": "auto",
                "ports": [
                    {"containerPort": 15021, "protocol": "TCP"},
                    {"containerPort": 8080, "protocol": "TCP"},
                    {"containerPort": 8443, "protocol": "TCP"},
                    {"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"},
                ],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "2000m", "memory": "1024Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "privileged": False,
                    "readOnlyRootFilesystem": True,
                },
                "env": [{"name": "ISTIO_META_UNPRIVILEGED_POD", "value": "true"}],
            }
        ],
    }


def test_a_revision_is_asked_for_by_the_pod_but_not_by_the_selector(compose: Compose) -> None:
    spec = compose(lambda: declared(revision="1-23-0")).inputs("ingress-deployment")["spec"]
    assert spec["template"]["metadata"]["labels"] == {
        **LABELS,
        "sidecar.istio.io/inject": "true",
        "istio.io/rev": "1-23-0",
    }
    assert spec["selector"] == {"matchLabels": LABELS}


def test_the_autoscaler_keeps_one_to_five_replicas_at_eighty_percent(mesh: Mesh) -> None:
    assert mesh.inputs("ingress-autoscaler")["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": 1,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    }


def test_the_budget_of_one_pod_would_block_drains_and_there_is_none(compose: Compose) -> None:
    assert "ingress-disruption-budget" not in compose(declared).names


def test_the_disruption_budget_keeps_one_of_several_pods(compose: Compose) -> None:
    budget = compose(lambda: declared(replicas=2)).inputs("ingress-disruption-budget")
    assert budget["metadata"] == {"name": NAME, "namespace": "istio-system", "labels": LABELS}
    assert budget["spec"] == {"minAvailable": 1, "selector": {"matchLabels": LABELS}}


def test_the_gateways_account_may_read_secrets_of_its_namespace(mesh: Mesh) -> None:
    assert mesh.inputs("ingress-role")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}
    ]
    binding = mesh.inputs("ingress-role-binding")
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "istio-ingressgateway-sds",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "istio-ingressgateway-service-account", "namespace": "istio-system"}
    ]


@pytest.mark.parametrize(
    ("resource", "dependencies"),
    [
        ("ingress-deployment", {"istiod", "namespace", "ingress-service-account", "ingress-role-binding"}),
        ("ingress-role-binding", {"namespace", "ingress-role", "ingress-service-account"}),
        ("ingress-autoscaler", {"namespace", "ingress-deployment"}),
        ("ingress-service", {"namespace"}),
    ],
)
def test_an_object_waits_for_what_it_needs(mesh: Mesh, resource: str, dependencies: set[str]) -> None:
    assert mesh.named(resource).dependencies == dependencies


def test_its_output_is_the_services_name(mesh: Mesh) -> None:
    assert mesh.registered["ingress"] == {"service": NAME}


@pytest.fixture(scope="module")
def internal(compose: Compose) -> Mesh:
    service = GatewayService(
        annotations={"example.com/scheme": "internal"},
        external_traffic_policy="Local",
        load_balancer_class="example.com/nlb",
        load_balancer_ip="10.0.0.5",
        load_balancer_source_ranges=["10.0.0.0/8"],
        cluster_ip="10.96.0.7",
        node_ports={"https": 30443, "tcp-low": 30022},
        health_check_node_port=30100,
        ip_family_policy="PreferDualStack",
        ip_families=["IPv6", "IPv4"],
        ports=[
            GatewayPort(name="tcp-low", port=22),
            GatewayPort(name="tcp-high", port=5432),
            GatewayPort(name="http-alt", port=8080),
            GatewayPort(name="tcp-own", port=9999, target_port=2000),
        ],
    )
    return compose(lambda: declared(gateway="istio-internal", service=service, replicas=2))


def test_another_gateway_has_names_and_labels_of_its_own(internal: Mesh) -> None:
    labels = {"app": "istio-internal", "istio": "internal"}
    names = {"istio-internal", "istio-internal-sds", "istio-internal-service-account"}
    objects = [each for each in internal.registrations if each.parent == "ingress"]
    assert {each.inputs["metadata"]["name"] for each in objects} == names
    assert all(each.inputs["metadata"]["labels"] == labels for each in objects)
    spec = internal.inputs("ingress-deployment")["spec"]
    assert spec["selector"] == {"matchLabels": labels}
    assert spec["template"]["spec"]["serviceAccountName"] == "istio-internal-service-account"
    assert internal.inputs("ingress-autoscaler")["spec"]["scaleTargetRef"]["name"] == "istio-internal"
    assert internal.inputs("ingress-disruption-budget")["spec"]["selector"] == {"matchLabels": labels}
    assert internal.inputs("ingress-role-binding")["roleRef"]["name"] == "istio-internal-sds"


def test_the_service_is_as_it_was_described(internal: Mesh) -> None:
    service = internal.inputs("ingress-service")
    annotations = {"example.com/scheme": "internal", "pulumi.com/skipAwait": "true"}
    assert service["metadata"]["annotations"] == annotations
    assert service["spec"] == {
        "type": "LoadBalancer",
        "selector": {"app": "istio-internal", "istio": "internal"},
        "externalTrafficPolicy": "Local",
        "loadBalancerClass": "example.com/nlb",
        "loadBalancerIP": "10.0.0.5",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
        "clusterIP": "10.96.0.7",
        "healthCheckNodePort": 30100,
        "ipFamilyPolicy": "PreferDualStack",
        "ipFamilies": ["IPv6", "IPv4"],
        "ports": [
            {"name": "status-port", "port": 15021, "targetPort": 15021, "protocol": "TCP"},
            {"name": "http2", "port": 80, "targetPort": 8080, "protocol": "TCP"},
            {"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP", "nodePort": 30443},
            {"name": "tcp-low", "port": 22, "targetPort": 8022, "protocol": "TCP", "nodePort": 30022},
            {"name": "tcp-high", "port": 5432, "targetPort": 5432, "protocol": "TCP"},
            {"name": "http-alt", "port": 8080, "targetPort": 18080, "protocol": "TCP"},
            {"name": "tcp-own", "port": 9999, "targetPort": 2000, "protocol": "TCP"},
        ],
    }


def test_a_service_with_an_address_that_only_one_can_have_is_deleted_before_another_takes_its_place(
    internal: Mesh, mesh: Mesh
) -> None:
    assert internal.options("ingress-service").deleteBeforeReplace
    assert not mesh.options("ingress-service").deleteBeforeReplace


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (GatewayService(cluster_ip="10.96.0.7"), True),
        (GatewayService(load_balancer_ip="10.0.0.5"), True),
        (GatewayService(node_ports={"https": 30443}), True),
        (GatewayService(health_check_node_port=30100), True),
        (GatewayService(load_balancer_class="example.com/nlb", ports=[GatewayPort(name="tcp", port=22)]), False),
    ],
)
def test_addresses_and_ports_of_nodes_are_one_services_alone(service: GatewayService, *, expected: bool) -> None:
    assert service.is_exclusive is expected


def test_the_pods_listen_for_every_port_of_the_service(internal: Mesh) -> None:
    (container,) = internal.inputs("ingress-deployment")["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [15021, 8080, 8443, 8022, 5432, 18080, 2000, 15090]


def test_what_kubernetes_would_ignore_is_refused_by_its_field() -> None:
    with pytest.raises(pulumi.RunError, match=r"^service\.load_balancer_ip is '10\.0\.0\.5'; accepted: nothing while"):
        IngressGatewayArgs(
            istio_version="1.23.0", service_type="NodePort", service=GatewayService(load_balancer_ip="10.0.0.5")
        )
