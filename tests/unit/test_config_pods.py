"""What can be said of a service's pods, in Kubernetes' own spelling, and what is refused by its key path."""

from typing import Any

import pulumi
import pytest

from components.workloads.service_port import ServicePort, container_ports
from program.config.kubernetes.pods import KEYS, pod_fields
from program.config.services import Service, read_all
from program.config.values import Value
from tests.unit.loading import refusal

ORDERS: dict[str, Any] = {"name": "orders", "image": "shop.example/orders:1.4", "port": 8080}
PORTS = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "grpc-api", "port": 9090}]
NAMED: dict[str, Any] = {**ORDERS, "port": None, "ports": PORTS}
PROBE = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 5}
# One value of each key, as Kubernetes itself takes it.
SAID: dict[str, Any] = {
    "command": ["orders"],
    "args": ["--verbose", "--port=8080"],
    "workingDir": "/srv",
    "env": [
        {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "orders", "key": "password", "optional": True}}},
        {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "orders", "key": "region"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ],
    "envFrom": [{"prefix": "SHOP_", "configMapRef": {"name": "shop"}}, {"secretRef": {"name": "shop"}}],
    "livenessProbe": {"exec": {"command": ["alive"]}, "failureThreshold": 5},
    "readinessProbe": PROBE,
    "startupProbe": {"grpc": {"port": 9090, "service": "orders"}, "initialDelaySeconds": 0},
    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
    "volumeMounts": [{"name": "settings", "mountPath": "/etc/orders", "readOnly": True, "subPath": "a"}],
    "volumes": [
        {"name": "settings", "configMap": {"name": "orders", "items": [{"key": "a", "path": "a"}]}},
        {"name": "keys", "secret": {"secretName": "orders", "defaultMode": 256}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "orders"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ],
    "nodeSelector": {"pool": "shop"},
    "tolerations": [{"key": "pool", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "high",
    "terminationGracePeriodSeconds": 60,
    "automountServiceAccountToken": False,
    "podSecurityContext": {"fsGroup": 1000},
    "podAnnotations": {"sidecar.istio.io/proxyCPU": "50m"},
    "podLabels": {"team": "shop"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/orders"}},
    "autoscaling": {
        "minReplicas": 2,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
    },
    "podDisruptionBudget": {"maxUnavailable": "25%", "unhealthyPodEvictionPolicy": "AlwaysAllow"},
}


def read(service: Any) -> Service:
    (found,) = read_all(Value("istio-minikube:services", [service]), "default")
    return found


def test_every_key_is_tried() -> None:
    assert SAID.keys() == KEYS.keys()


@pytest.mark.parametrize("key", SAID)
def test_each_key_is_taken_as_kubernetes_has_it(key: str) -> None:
    beside = {"volumes": SAID["volumes"]} if key == "volumeMounts" else {}
    assert read({**NAMED, **beside, key: SAID[key]}).kubernetes == {**beside, key: SAID[key]}


def test_all_keys_go_together() -> None:
    service = read({**NAMED, **SAID})
    assert service.kubernetes == SAID
    assert service.replicas == 2
    assert pod_fields(service.kubernetes)["securityContext"] == {"fsGroup": 1000}
    assert pod_fields(service.kubernetes).keys() == {
        "volumes",
        "nodeSelector",
        "tolerations",
        "affinity",
        "topologySpreadConstraints",
        "priorityClassName",
        "terminationGracePeriodSeconds",
        "automountServiceAccountToken",
        "securityContext",
    }


def test_pull_secrets_are_named_as_a_pod_names_them_or_by_their_names_alone() -> None:
    assert read({**ORDERS, "imagePullSecrets": [{"name": "a"}, "b"]}).pull_secrets == ("a", "b")


def test_ports_have_names_and_protocols() -> None:
    ports = [*PORTS, {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "db", "port": 1, "appProtocol": "mysql"}]
    service = read({**ORDERS, "port": None, "ports": ports})
    assert service.ports == (
        ServicePort(name="http", port=80, target_port=8080),
        ServicePort(name="grpc-api", port=9090),
        ServicePort(name="dns", port=53, protocol="UDP"),
        ServicePort(name="db", port=1, app_protocol="mysql"),
    )
    assert (service.port, service.address) == (80, "http://orders.default:80")
    assert (service.workload.ports, service.workload.http_ports) == ((8080, 9090, 1), (8080, 9090))
    assert (service.traffic.port, service.traffic.target_port, service.traffic.port_name) == (80, "8080", "http")


@pytest.mark.parametrize(
    ("name", "app_protocol", "application", "is_http"),
    [
        ("http", "", "http", True),
        ("grpc-web-ui", "", "grpc-web", True),
        ("grpc-webui", "", "grpc", True),
        ("httpd", "", "", True),
        ("tcp-events", "", "tcp", False),
        ("web", "https", "https", False),
        ("tcp", "grpc", "grpc", True),
    ],
)
def test_a_ports_protocol_is_what_istio_takes_it_for(
    name: str, app_protocol: str, application: str, is_http: bool
) -> None:
    port = ServicePort(name=name, port=1, app_protocol=app_protocol)
    assert (port.application, port.is_http) == (application, is_http)


@pytest.mark.parametrize(
    ("port", "address"),
    [
        ({"name": "web", "port": 443, "appProtocol": "https"}, "https://orders.default:443"),
        ({"name": "tcp", "port": 9999}, "orders.default:9999"),
        ({"name": "grpc", "port": 9090}, "http://orders.default:9090"),
    ],
)
def test_an_address_has_the_scheme_of_its_port(port: dict[str, Any], address: str) -> None:
    assert read({**ORDERS, "port": None, "ports": [port]}).address == address


REFERENCE = "one of secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef, and not two of them"
SOURCES = "one of configMap, secret, emptyDir, persistentVolumeClaim"
CONTAINER_METRIC = {"type": "ContainerResource"}
UTILIZATION = "a share of what the container requests together with resources.requests."


@pytest.mark.parametrize(
    ("path", "change", "accepted"),
    [
        ("port", {"port": 80}, "a port, or ports with a name each; not both"),
        ("ports", {"ports": []}, "one port or more"),
        ("ports[0].name", {"ports": [{"port": 1}]}, "a name of up to 15 characters"),
        ("ports[0].name", {"ports": [{"name": "a" * 16, "port": 1}]}, "a name of up to 15 characters"),
        ("ports[0].name", {"ports": [{"name": "a--b", "port": 1}]}, "a name of up to 15 characters"),
        ("ports[0].port", {"ports": [{"name": "http"}]}, "a port's number"),
        ("ports[0].targetPort", {"ports": [{**PORTS[0], "targetPort": "web"}]}, "a port's number"),
        ("ports[0].appProtocol", {"ports": [{**PORTS[0], "appProtocol": "smtp"}]}, "http or https or http2"),
        ("ports[0].protocol", {"ports": [{**PORTS[0], "protocol": "UDP"}]}, "TCP for the first port"),
        ("ports[0].nodePort", {"ports": [{**PORTS[0], "nodePort": 30000}]}, "one of these keys: name, port"),
        ("ports[1].name", {"ports": [PORTS[0], {"name": "http", "port": 1}]}, "a name that no other port has"),
        ("ports[1].port", {"ports": [PORTS[0], {"name": "b", "port": 80}]}, "a port that no other port has"),
        ("kind", {"kind": "statefulset"}, "deployment or existing"),
        ("selector", {"selector": {"app": "a"}}, "one of these keys: name, namespace, image"),
        ("command", {"command": "orders"}, "a list of words"),
        ("command[0]", {"command": [1]}, "text; a number, true or false in quotes"),
        ("workingDir", {"workingDir": "srv"}, "an absolute path"),
        ("env[0].name", {"env": [{"value": "a"}]}, "the name of an environment variable"),
        ("env[0].name", {"env": [{"name": "\u00c4", "value": "a"}]}, "the name of an environment variable"),
        (
            "env[1].name",
            {"env": [{"name": "A", "value": "a"}, {"name": "A", "value": "b"}]},
            "a name that no other entry has",
        ),
        ("env[0].value", {"env": [{"name": "A", "value": 5}]}, "text; a number, true or false in quotes"),
        ("env[0].valueFrom", {"env": [{"name": "A", "valueFrom": {}}]}, REFERENCE),
        (
            "env[0].valueFrom.secretKeyRef.key",
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]},
            "a key of it",
        ),
        (
            "env[0].valueFrom.secret",
            {"env": [{"name": "A", "valueFrom": {"secret": "a"}}]},
            "one of these keys: secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef",
        ),
        (
            "env[0]",
            {"env": [{"name": "A", "value": "a", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
            "value or valueFrom, not both",
        ),
        ("envFrom[0]", {"envFrom": [{"prefix": "A_"}]}, "one of configMapRef, secretRef"),
        ("envFrom[0].secretRef.name", {"envFrom": [{"secretRef": {"name": "A"}}]}, "the name of an object"),
        ("livenessProbe", {"livenessProbe": {}}, "one of httpGet, tcpSocket, grpc, exec, and not two of them"),
        ("livenessProbe.httpGet.port", {"livenessProbe": {"httpGet": {"path": "/"}}}, "a port's number"),
        (
            "readinessProbe.httpGet.port",
            {"readinessProbe": {"httpGet": {"port": "admin"}}},
            "a port's number, or the name of one of the service's ports: http, grpc-api",
        ),
        (
            "readinessProbe.httpGet.scheme",
            {"readinessProbe": {"httpGet": {"port": 80, "scheme": "https"}}},
            "HTTP or HTTPS",
        ),
        (
            "livenessProbe.successThreshold",
            {"livenessProbe": {**PROBE, "successThreshold": 2}},
            "a number of times, 1 to 1",
        ),
        (
            "readinessProbe.terminationGracePeriodSeconds",
            {"readinessProbe": {**PROBE, "terminationGracePeriodSeconds": 5}},
            "one of these keys: httpGet, tcpSocket, grpc, exec",
        ),
        (
            "resources.requests.cpu",
            {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "500m"}}},
            "no more than limits.cpu, 500m",
        ),
        (
            "startupProbe.periodSeconds",
            {"startupProbe": {**PROBE, "periodSeconds": 0}},
            "a whole number of seconds, 1 or more",
        ),
        (
            "startupProbe.period",
            {"startupProbe": {**PROBE, "period": 1}},
            "one of these keys: httpGet, tcpSocket, grpc, exec",
        ),
        ("startupProbe.exec.command", {"startupProbe": {"exec": {}}}, "a list of one word or more"),
        (
            "livenessProbe.httpGet.httpHeaders[0].name",
            {"livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": "c"}]}}},
            "the name of a header",
        ),
        ("volumes[0]", {"volumes": [{"name": "a"}]}, SOURCES),
        (
            "volumes[0].emptyDir.sizeLimit",
            {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1 GB"}}]},
            "a Kubernetes quantity above zero",
        ),
        *(
            (
                "volumes[0].configMap.items[0].path",
                {"volumes": [{"name": "a", "configMap": {"name": "b", "items": [{"key": "c", "path": path}]}}]},
                "a path inside the volume, without ..",
            )
            for path in ("", "/etc", "a/../b")
        ),
        (
            "volumes[0].secret.name",
            {"volumes": [{"name": "a", "secret": {"name": "b"}}]},
            "one of these keys: secretName",
        ),
        ("volumes[0].name", {"volumes": [{"name": "A", "emptyDir": {}}]}, "a DNS-1123 label"),
        (
            "volumeMounts[0].name",
            {"volumeMounts": [{"name": "settings", "mountPath": "/a"}]},
            "the name of one of the service's volumes: it has none",
        ),
        ("volumeMounts[0].mountPath", {"volumeMounts": [{"name": "a"}]}, "an absolute path"),
        (
            "volumeMounts[1].mountPath",
            {"volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a"}]},
            "a mountPath that no other entry has",
        ),
        (
            "volumes[1].name",
            {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]},
            "a name that no other entry has",
        ),
        ("nodeSelector.a b", {"nodeSelector": {"a b": "c"}}, "a label's name"),
        ("nodeSelector.a", {"nodeSelector": {"a": True}}, "a label's value"),
        ("tolerations[0].effect", {"tolerations": [{"effect": "No"}]}, "NoSchedule or PreferNoSchedule"),
        ("topologySpreadConstraints[0].topologyKey", {"topologySpreadConstraints": [{}]}, "the name of a label of"),
        (
            "topologySpreadConstraints[0].maxSkew",
            {"topologySpreadConstraints": [{**SAID["topologySpreadConstraints"][0], "maxSkew": 0}]},
            "a whole number of pods, 1 or more",
        ),
        ("tolerations[0]", {"tolerations": [{}]}, "a key, or operator Exists, which alone tolerates any taint"),
        (
            "tolerations[0].value",
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            "nothing with operator Exists",
        ),
        (
            "tolerations[0].tolerationSeconds",
            {"tolerations": [{**SAID["tolerations"][0], "tolerationSeconds": 5}]},
            "nothing but with effect NoExecute",
        ),
        ("priorityClassName", {"priorityClassName": "High"}, "the name of an object"),
        ("podAnnotations.a", {"podAnnotations": {"a": 1}}, "text; a number, true or false in quotes"),
        ("podLabels.app", {"podLabels": {"app": "x"}}, "labels other than app and version"),
        ("serviceAccount.name", {"serviceAccount": {"name": "a"}}, "one of these keys: annotations"),
        ("imagePullSecrets", {"imagePullSecrets": "a"}, "a list of Secrets"),
        ("imagePullSecrets[0].name", {"imagePullSecrets": [{"name": 1}]}, "the name of an object"),
        ("autoscaling.maxReplicas", {"autoscaling": {}}, "a whole number of pods, 1 or more"),
        (
            "autoscaling.minReplicas",
            {"autoscaling": {**SAID["autoscaling"], "minReplicas": 6}},
            "maxReplicas, 5, or fewer",
        ),
        ("autoscaling", {"autoscaling": {"maxReplicas": 2}}, f"{UTILIZATION}cpu, or another metric"),
        ("replicas", {"autoscaling": SAID["autoscaling"], "replicas": 2}, "replicas or autoscaling, not both"),
        ("autoscaling", {"autoscaling": {"maxReplicas": 2, "metrics": []}}, f"{UTILIZATION}cpu, or another metric"),
        (
            "autoscaling.metrics[0].resource",
            {"autoscaling": {"maxReplicas": 2, "metrics": [{"type": "Resource"}]}},
            "an object with a target",
        ),
        (
            "autoscaling.metrics[0].containerResource",
            {
                "autoscaling": {
                    "maxReplicas": 2,
                    "metrics": [{**CONTAINER_METRIC, "containerResource": {"target": "80%"}}],
                }
            },
            "an object with a target",
        ),
        (
            "autoscaling.metrics[0].resource.target.type",
            {"autoscaling": {"maxReplicas": 2, "metrics": [{"type": "Resource", "resource": {"target": {}}}]}},
            "Utilization or AverageValue or Value",
        ),
        ("podDisruptionBudget", {"podDisruptionBudget": {}}, "one of minAvailable, maxUnavailable"),
        (
            "podDisruptionBudget.minAvailable",
            {"podDisruptionBudget": {"minAvailable": "most"}},
            "a whole number of pods, or a percentage such as 50%",
        ),
    ],
)
def test_what_kubernetes_would_not_take_is_refused_with_its_key_path(path: str, change: Any, accepted: str) -> None:
    service = {**NAMED, **change}
    with pytest.raises(pulumi.RunError, match=refusal("services", f"[0].{path}", [service], accepted)):
        read(service)


def test_two_ports_lead_to_one_of_the_containers_under_the_name_of_the_first() -> None:
    both = {**ORDERS, "port": None, "ports": [*PORTS, {"name": "metrics", "port": 8080}]}
    service = read({**both, "readinessProbe": PROBE})
    assert [port.name for port in container_ports(service.ports)] == ["http", "grpc-api"]
    assert service.workload.ports == (8080, 9090)
    with pytest.raises(pulumi.RunError, match=r"is 'metrics'; accepted: .*: http, grpc-api$"):
        read({**both, "readinessProbe": {"httpGet": {"port": "metrics"}}})


def test_a_probe_of_a_port_without_a_name_is_told_so() -> None:
    with pytest.raises(pulumi.RunError, match=r"one of the service's ports: it has one without a name$"):
        read({**ORDERS, "readinessProbe": PROBE})


def test_requests_on_a_port_that_has_none_to_the_mesh_cannot_be_steered() -> None:
    message = r"traffic.timeout is '2s'; accepted: nothing while port tcp of orders comes first and does not speak HTTP"
    with pytest.raises(pulumi.RunError, match=message):
        read({**ORDERS, "port": None, "ports": [{"name": "tcp", "port": 1}], "traffic": {"timeout": "2s"}})
    pool = {"connectionPool": {"maxConnections": 1}}
    assert read({**ORDERS, "port": None, "ports": [{"name": "tcp", "port": 1}], "traffic": pool})
