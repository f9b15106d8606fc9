import json
import re
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.images import ImageSource
from components.workloads.service_port import ServicePort
from components.workloads.user_service import UserService, UserServiceArgs
from program.config.services import Service, read_all
from program.config.values import INJECTABLE, Value
from program.lookup import Cluster
from tests.unit.conftest import Run
from tests.unit.loading import refusal
from tests.unit.recording import Mesh, composed
from tests.unit.test_config_pods import PORTS, SAID

ORDERS = {"name": "orders", "image": "shop.example/orders:1.4", "port": 8080}
TWO = {"name": "orders", "versions": {"v1": "shop.example/orders:1", "v2": "shop.example/orders:2"}, "port": 8080}
DIGEST = f"sha256:{'0a' * 32}"
IMAGE = "an image with a tag or a digest, such as "


def read(*services: Any) -> list[Service]:
    return list(read_all(Value("istio-minikube:services", list(services)), "default"))


def declared(**more: Any) -> None:
    """A service in two versions, and what else is said of it."""
    images = {"v1": "shop.example/orders:1", "v2": "shop.example/orders:2"}
    given = UserServiceArgs(data_plane="1.23.0", service="orders", namespace="shop", images=images, **more)
    UserService("orders", given)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    """The service, beside what stands for istiod."""
    resources = {"requests": {"cpu": "100m"}}
    return composed(
        lambda: declared(injectors=[k8s.core.v1.ConfigMap("istiod")], port=8080, replicas=2, resources=resources)
    )


def test_a_service_needs_no_more_than_a_name_an_image_and_a_port() -> None:
    (service,) = read(ORDERS)
    assert (service.name, service.namespace, service.port, service.replicas) == ("orders", "default", 8080, 1)
    assert service.images == {"v1": "shop.example/orders:1.4"}
    assert (service.resources, service.allow_from) == ({}, ())


def test_a_service_has_versions_which_its_traffic_may_name() -> None:
    traffic = {"canary": {"from": "v1", "to": "v2", "percent": 10}}
    (service,) = read({**TWO, "namespace": "shop", "traffic": traffic})
    assert (service.namespace, service.traffic.subsets) == ("shop", ("v1", "v2"))
    assert [(route.subset, route.weight) for route in service.traffic.routes] == [("v1", 90), ("v2", 10)]


def test_a_service_says_who_may_call_it_and_what_it_needs() -> None:
    resources = {"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    (service,) = read({**ORDERS, "allowFrom": ["bookinfo-productpage", "web/cart"], "resources": resources})
    assert service.allow_from == ("bookinfo-productpage", "web/cart")
    assert service.resources == {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}


@pytest.mark.parametrize(
    "image",
    ["nginx:1.27", "docker.io/library/nginx:1.27", "localhost:5000/a/b_c:x", f"nginx@{DIGEST}", f"nginx:1@{DIGEST}"],
)
def test_an_image_with_a_tag_or_a_digest_will_do(image: str) -> None:
    (service,) = read({**ORDERS, "image": image})
    assert service.images["v1"] == image


@pytest.mark.parametrize(
    ("path", "change", "accepted"),
    [
        ("name", {"name": None}, "a DNS-1035 label"),
        ("name", {"name": "Orders"}, "a DNS-1035 label"),
        ("name", {"name": "reviews"}, "a name other than Bookinfo's: details, ratings, reviews, productpage"),
        ("name", {"name": "reviews-v1"}, "a name other than Bookinfo's"),
        ("name", {"name": "bookinfo"}, "a name other than Bookinfo's"),
        ("name", {"name": "bookinfo-reviews"}, "a name other than Bookinfo's"),
        ("name", {"name": "default"}, "a name other than kubernetes, default, waypoint"),
        ("namespace", {"namespace": "istio-system"}, INJECTABLE[1]),
        ("namespace", {"namespace": "kube-x"}, INJECTABLE[1]),
        ("image", {"image": "nginx"}, f"{IMAGE}nginx:1.0; without one, it is another any day"),
        ("image", {"image": "localhost:5000/nginx"}, f"{IMAGE}localhost:5000/nginx:1.0"),
        ("image", {"image": "NGINX:1"}, f"{IMAGE}docker.io/library/nginx:1.27"),
        ("image", {"image": None}, "an image, or versions with an image each"),
        ("image", {"versions": {"v2": "a:1"}}, "an image, or versions with an image each"),
        ("versions", {"image": None, "versions": {}}, "one version or more"),
        ("versions.v1", {"image": None, "versions": {"v1": "nginx"}}, f"{IMAGE}nginx:1.0"),
        ("versions.V1", {"image": None, "versions": {"V1": "nginx:1"}}, "a DNS-1123 label"),
        ("port", {"port": None}, "a port's number, 1 to 65535"),
        ("port", {"port": 0}, "a port's number, 1 to 65535"),
        ("port", {"port": 65536}, "a port's number, 1 to 65535"),
        ("replicas", {"replicas": 0}, "a whole number of pods, 1 to 1000"),
        ("resources.limit", {"resources": {"limit": {}}}, "one of these keys: requests, limits"),
        ("resources.limits.gpu", {"resources": {"limits": {"gpu": 1}}}, "one of these keys: cpu, memory"),
        ("resources.limits.cpu", {"resources": {"limits": {"cpu": "lots"}}}, "a Kubernetes quantity above zero"),
        ("resources.limits.cpu", {"resources": {"limits": {"cpu": "0m"}}}, "a Kubernetes quantity above zero"),
        ("allowFrom", {"allowFrom": "cart"}, "a list of service accounts"),
        ("allowFrom[1]", {"allowFrom": ["a", "b/c/d"]}, "a service account, as NAME or NAMESPACE/NAME"),
        ("traffic.timeout", {"traffic": {"timeout": "2"}}, "a duration above zero"),
        ("traffic.mirror.subset", {"traffic": {"mirror": {"subset": "v2"}}}, "a subset of orders: v1"),
        ("traffic.port", {"traffic": {"port": 80}}, "one of these keys: routes, canary"),
        ("colour", {"colour": "red"}, "one of these keys: name, namespace, image, versions, port"),
    ],
)
def test_what_cannot_run_is_refused_with_its_key_path(path: str, change: Any, accepted: str) -> None:
    service = {**ORDERS, **change}
    with pytest.raises(pulumi.RunError, match=refusal("services", f"[0].{path}", [service], accepted)):
        read(service)


def test_a_name_is_given_once_whatever_the_namespace() -> None:
    message = "config key istio-minikube:services[1].name is 'orders'; accepted: a name that no other service has"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        read(ORDERS, {**ORDERS, "namespace": "shop"})


def test_the_service_is_in_front_of_every_version(mesh: Mesh) -> None:
    assert mesh.inputs("orders-service")["metadata"] == {
        "name": "orders",
        "namespace": "shop",
        "labels": {"app": "orders"},
        "annotations": {"pulumi.com/skipAwait": "true"},
    }
    assert mesh.inputs("orders-service")["spec"] == {
        "ports": [{"port": 8080, "name": "http"}],
        "selector": {"app": "orders"},
    }


def test_each_version_is_a_deployment_under_the_services_own_account(mesh: Mesh) -> None:
    labels = {"app": "orders", "version": "v2"}
    deployment = mesh.inputs("orders-v2")
    assert deployment["metadata"] == {"name": "orders-v2", "namespace": "shop", "labels": labels}
    assert deployment["spec"] == {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"istio-minikube/data-plane": "1.23.0"}},
            "spec": {
                "serviceAccountName": "orders",
                "containers": [
                    {
                        "name": "orders",
                        "image": "shop.example/orders:2",
                        "ports": [{"containerPort": 8080}],
                        "resources": {"requests": {"cpu": "100m"}},
                    }
                ],
            },
        },
    }
    assert mesh.inputs("orders-v1")["spec"]["template"]["spec"]["containers"][0]["image"] == "shop.example/orders:1"


def test_its_pods_wait_for_the_injector_and_their_account(mesh: Mesh) -> None:
    assert mesh.named("orders-v1").dependencies == {"istiod", "orders-account"}
    assert mesh.registered["orders"] == {
        "service": "orders",
        "deployments": ["orders-v1", "orders-v2"],
        "generations": {"orders-v1": "None/None", "orders-v2": "None/None"},
    }
    assert {r.parent for r in mesh.registrations if r.name.startswith("orders-")} == {"orders"}


SHOP = '[{"name": "orders", "image": "a:1", "port": 80, "namespace": "shop", "traffic": {"timeout": "2s"}}]'
IN_DEFAULT = '[{"name": "orders", "image": "a:1", "port": 80, "replicas": 20}]'


def test_a_service_in_a_namespace_of_its_own_brings_the_namespace_and_a_check_of_it(run: Run) -> None:
    mesh = run(services=SHOP)
    assert mesh.inputs("namespace-shop-namespace")["metadata"]["labels"]["istio-injection"] == "enabled"
    assert mesh.named("service-orders-v1").dependencies == {
        "istio-istiod",
        "injection-check-command",
        "namespace-shop-namespace",
        "service-orders-account",
    }
    check = mesh.inputs("mesh-check-shop-command")["stdin"]
    assert '"deployments": ["orders-v1"]' in check
    assert '"namespace": "shop"' in check
    assert mesh.inputs("traffic-orders-virtualservice")["metadata"] == {"name": "orders", "namespace": "shop"}
    assert mesh.outputs["services"] == {"orders": "http://orders.shop:80"}


def test_a_namespace_of_somebody_else_is_only_labelled(run: Run) -> None:
    mesh = run(services=SHOP, cluster=Cluster(namespaces={"shop": False}))
    assert mesh.named("namespace-shop-namespace").token.endswith(":NamespacePatch")


def test_a_service_beside_bookinfo_is_checked_with_it(run: Run) -> None:
    mesh = run(services=IN_DEFAULT)
    assert '"orders-v1", "productpage-v1"' in mesh.inputs("mesh-check-command")["stdin"]
    assert "mesh-check-default-command" not in mesh.names


def test_a_service_without_bookinfo_is_checked_alone_and_without_its_page(run: Run) -> None:
    check = run(services=IN_DEFAULT, bookinfo="false").inputs("mesh-check-command")["stdin"]
    assert '"deployments": ["orders-v1"]' in check
    assert '"pages": []' in check


def test_a_scenario_reaches_the_program_and_none_leaves_traffic_alone(run: Run, dev: Mesh) -> None:
    assert "traffic-reviews-httproute" in run(scenario="jason-v2").names
    assert not [name for name in dev.names if name.startswith("traffic-")]


# With all that Kubernetes has to say of it


@pytest.fixture(scope="module")
def whole() -> Mesh:
    """A service with ports, pods and objects of its own."""
    return composed(
        lambda: declared(
            ports=[
                ServicePort(name="web", port=80, target_port=8080, app_protocol="http"),
                ServicePort(name="dns", port=53, protocol="UDP"),
                ServicePort(name="plain", port=8080),
            ],
            image_source=ImageSource(pull_secrets=["shared"]),
            container={"env": [{"name": "A", "value": "b"}], "livenessProbe": {"tcpSocket": {"port": "web"}}},
            pod={"nodeSelector": {"pool": "shop"}, "securityContext": {"fsGroup": 1}},
            pod_annotations={"a": "b"},
            pod_labels={"team": "shop"},
            account_annotations={"role": "reader"},
            pull_secrets=["own"],
            autoscaling={"minReplicas": 2, "maxReplicas": 5},
            disruption_budget={"minAvailable": 1},
        )
    )


def test_each_port_is_the_services_and_the_containers(whole: Mesh) -> None:
    assert whole.inputs("orders-service")["spec"]["ports"] == [
        {"port": 80, "name": "web", "targetPort": 8080, "appProtocol": "http"},
        {"port": 53, "name": "dns", "protocol": "UDP"},
        {"port": 8080, "name": "plain"},
    ]


def test_pods_have_what_was_said_of_them_and_the_autoscaler_their_number(whole: Mesh) -> None:
    labels = {"app": "orders", "version": "v1"}
    assert whole.inputs("orders-v1")["spec"] == {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {
                "labels": {"team": "shop", **labels},
                "annotations": {"a": "b", "istio-minikube/data-plane": "1.23.0"},
            },
            "spec": {
                "serviceAccountName": "orders",
                "nodeSelector": {"pool": "shop"},
                "securityContext": {"fsGroup": 1},
                "containers": [
                    {
                        "name": "orders",
                        "image": "shop.example/orders:1",
                        "ports": [
                            {"containerPort": 8080, "name": "web"},
                            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
                        ],
                        "env": [{"name": "A", "value": "b"}],
                        "livenessProbe": {"tcpSocket": {"port": "web"}},
                    }
                ],
            },
        },
    }


def test_the_account_has_its_annotations_and_all_pull_secrets(whole: Mesh) -> None:
    account = whole.inputs("orders-account")
    assert account["metadata"]["annotations"] == {"role": "reader"}
    assert account["imagePullSecrets"] == [{"name": "shared"}, {"name": "own"}]


def test_each_version_is_scaled_and_all_share_a_budget(whole: Mesh) -> None:
    metadata = {"namespace": "shop", "labels": {"app": "orders"}}
    for version in ("v1", "v2"):
        scaler = whole.inputs(f"orders-{version}-autoscaler")
        assert scaler["metadata"] == {**metadata, "name": f"orders-{version}"}
        assert scaler["spec"] == {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"orders-{version}"},
            "minReplicas": 2,
            "maxReplicas": 5,
        }
    budget = whole.inputs("orders-disruption-budget")
    assert budget["metadata"] == {**metadata, "name": "orders"}
    assert budget["spec"] == {"minAvailable": 1, "selector": {"matchLabels": {"app": "orders"}}}


@pytest.mark.parametrize("ports", [{}, {"port": 80, "ports": [ServicePort(name="http", port=80)]}])
def test_a_service_has_a_port_or_ports(ports: Any) -> None:
    with pytest.raises(pulumi.RunError, match=r"^UserServiceArgs\.port is .*; accepted: a port, 1 to 65535, or ports"):
        UserServiceArgs(service="a", namespace="b", data_plane="1.23.0", images={}, **ports)


def test_the_program_gives_a_service_all_that_its_keys_say(run: Run) -> None:
    service = {**ORDERS, **SAID, "port": None, "ports": PORTS, "imagePullSecrets": ["own"]}
    mesh = run(services=json.dumps([service]), imagePullSecrets='["shared"]')
    template = mesh.inputs("service-orders-v1")["spec"]["template"]
    assert template["metadata"]["labels"] == {"team": "shop", "app": "orders", "version": "v1"}
    assert template["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"] == "50m"
    (container,) = template["spec"]["containers"]
    of_container = (
        "command",
        "args",
        "env",
        "envFrom",
        "readinessProbe",
        "volumeMounts",
        "lifecycle",
        "securityContext",
    )
    assert {key: container[key] for key in of_container} == {key: SAID[key] for key in of_container}
    of_pod = ("volumes", "nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints")
    assert {key: template["spec"][key] for key in of_pod} == {key: SAID[key] for key in of_pod}
    assert template["spec"]["securityContext"] == SAID["podSecurityContext"]
    account = mesh.inputs("service-orders-account")
    assert account["metadata"]["annotations"] == SAID["serviceAccount"]["annotations"]
    assert account["imagePullSecrets"] == [{"name": "shared"}, {"name": "own"}]
    assert mesh.inputs("service-orders-v1-autoscaler")["spec"]["maxReplicas"] == 5
    assert mesh.inputs("service-orders-disruption-budget")["spec"]["maxUnavailable"] == "25%"
    assert mesh.outputs["services"] == {"orders": "http://orders.default:80"}


def test_the_pods_that_an_autoscaler_keeps_count_when_the_nodes_size_is_judged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    scaled = {**ORDERS, "autoscaling": {**SAID["autoscaling"], "minReplicas": 20, "maxReplicas": 30}}
    run(services=json.dumps([scaled]))
    assert any("request 4.05 processors" in message for message in caplog.messages)
