"""Services as people have them, by what they answer: their settings, and one that somebody else deploys."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.workloads.bookinfo import IMAGES
from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh

PATIENCE = 180
HERE = f"--namespace={NAMESPACE}"
IMAGE = {image.partition("bookinfo-")[2].partition(":")[0]: image for image in IMAGES}
OPINIONS = {
    "name": "opinions",
    "image": IMAGE["reviews-v1"],
    "args": ["9090"],
    "ports": [
        {"name": "web", "port": 80, "targetPort": 9090, "appProtocol": "http"},
        {"name": "tcp-events", "port": 9999},
    ],
    "env": [
        {"name": "STAR_COLOR", "valueFrom": {"secretKeyRef": {"name": "opinions", "key": "color"}}},
        {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['shop.example/desk']"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "opinions"}}],
    "readinessProbe": {"httpGet": {"path": "/health", "port": "web"}, "periodSeconds": 1},
    "livenessProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 5},
    "volumes": [{"name": "settings", "configMap": {"name": "opinions"}}, {"name": "scratch", "emptyDir": {}}],
    "volumeMounts": [
        {"name": "settings", "mountPath": "/etc/opinions", "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 the container's own
    ],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "pool", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}],
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"shop.example/desk": "7"},
    "serviceAccount": {"annotations": {"cloud.example/role": "reader"}},
    "imagePullSecrets": [{"name": "registry"}],
    "resources": {"requests": {"cpu": "1m"}},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 3},
    "podDisruptionBudget": {"minAvailable": 1},
}
ADDRESS = f"http://opinions.{NAMESPACE}/reviews/0"

LEGACY: dict[str, Any] = {
    "name": "legacy",
    "kind": "existing",
    "port": 8000,
    "allowFrom": ["default"],
    "traffic": {"fault": {"abort": 503, "headers": {"x-fail": "1"}}},
}
LABELS = {"component": "legacy"}
ARCHIVE: dict[str, Any] = {
    "name": "archive",
    "kind": "existing",
    "port": 8000,
    "versions": ["v1", "v2"],
    "selector": {"component": "archive"},
    "traffic": {"routes": [{"subset": "v1"}, {"subset": "v2", "headers": {"x-desk": "2"}}]},
    "expose": [{"gateway": {"name": "bookinfo-gateway"}, "hosts": ["archive.example"]}],
}
CLOSED = {"service": "archive", "action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/details/9"]}}]}]}


def deployment(name: str, image: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": IMAGE[image]}]},
            },
        },
    }


def service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"component": name}, "ports": [{"name": "http", "port": 8000, "targetPort": 9080}]},
    }


OTHERS: list[dict[str, Any]] = [
    deployment("legacy", "details-v1", LABELS),
    deployment("archive-first", "details-v1", {**ARCHIVE["selector"], "version": "v1"}),
    deployment("archive-second", "ratings-v1", {**ARCHIVE["selector"], "version": "v2"}),
    service("legacy"),
    service("archive"),
]
LEGACY_ADDRESS = f"http://legacy.{NAMESPACE}:8000/details/0"


@pytest.fixture(scope="module", autouse=True)
def deployed(mesh: Mesh) -> Iterator[None]:
    """Both services, beside what others keep for them."""
    if mesh.kubectl.tried("get", "namespace", NAMESPACE).returncode:
        mesh.up()
    settings = ["--from-literal=ENABLE_RATINGS=true", "--from-literal=RATINGS_SERVICE_PORT=9080"]
    mesh.kubectl("create", "configmap", "opinions", HERE, *settings)
    mesh.kubectl("create", "secret", "generic", "opinions", HERE, "--from-literal=color=green")
    mesh.kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": OTHERS}))
    deployments = [f"deployment/{each['metadata']['name']}" for each in OTHERS if each["kind"] == "Deployment"]
    for each in deployments:
        mesh.kubectl("rollout", "status", each, HERE, f"--timeout={PATIENCE}s")
    policies = {"policies": {"closed": CLOSED}}
    mesh.up(services=json.dumps([OPINIONS, LEGACY, ARCHIVE]), security=json.dumps(policies))
    yield
    mesh.kubectl("delete", HERE, *deployments, "service/legacy", "service/archive")
    mesh.kubectl("delete", HERE, "secret/opinions", "configmap/opinions")


def test_a_service_has_its_variables_from_secret_configmap_and_pod(mesh: Mesh) -> None:
    expected = "7", [{"stars": 5, "color": "green"}, {"stars": 4, "color": "green"}]
    last: dict[str, Any] = {}

    def told() -> bool:
        last.clear()
        last.update(mesh.get(ADDRESS))
        content = json.loads(last["body"]) if last["status"] == 200 else {"reviews": []}
        return (content.get("podname"), [each.get("rating") for each in content["reviews"]]) == expected

    try:
        eventually(told, PATIENCE)
    except AssertionError as late:
        raise AssertionError(f"{last} has not {expected}") from late


def test_a_services_pods_are_where_and_what_they_are_to_be(mesh: Mesh) -> None:
    def pods() -> list[Any]:
        found: list[Any] = mesh.kubectl.json("get", "pods", HERE, "--selector=app=opinions")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    eventually(lambda: len(pods()) == 2, PATIENCE)
    for pod in pods():
        spec = pod["spec"]
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert spec["priorityClassName"] == "system-cluster-critical"
        assert {"key": "pool", "operator": "Equal", "value": "shop", "effect": "NoSchedule"} in spec["tolerations"]
        # Istio's own have been added by istiod.
        assert {"name": "registry"} in spec["imagePullSecrets"]
        (container,) = spec["containers"]
        assert {"/etc/opinions", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108
    account = mesh.kubectl.json("get", "serviceaccount", "opinions", HERE)
    assert account["metadata"]["annotations"]["cloud.example/role"] == "reader"


def test_a_disruption_budget_counts_the_pods_that_the_autoscaler_keeps(mesh: Mesh) -> None:
    def allowed() -> Any:
        return mesh.kubectl.json("get", "poddisruptionbudget", "opinions", HERE)["status"].get("disruptionsAllowed")

    def scaled() -> tuple[Any, Any]:
        scaler = mesh.kubectl.json("get", "horizontalpodautoscaler", "opinions-v1", HERE)
        return scaler["spec"]["minReplicas"], scaler["status"].get("desiredReplicas")

    eventually(lambda: allowed() == 1, PATIENCE)
    eventually(lambda: scaled() == (2, 2), PATIENCE)


def test_somebody_elses_service_has_this_stacks_policies_and_traffic(mesh: Mesh) -> None:
    eventually(lambda: mesh.get(LEGACY_ADDRESS)["status"] == 200, PATIENCE)
    eventually(lambda: mesh.get(LEGACY_ADDRESS, "-H=x-fail=1")["status"] == 503, PATIENCE)
    eventually(lambda: mesh.get(LEGACY_ADDRESS, inside=False)["status"] == 403, PATIENCE)


def test_somebody_elses_service_is_shown_to_the_outside_version_by_version_and_guarded(mesh: Mesh) -> None:
    def asked(path: str, **headers: str) -> tuple[int, str]:
        answer = mesh.request(path, host="archive.example", headers=headers)
        return answer.status, answer.body

    for headers, expected in (({}, "Details is healthy"), ({"x-desk": "2"}, "Ratings is healthy")):
        eventually(lambda headers=headers, expected=expected: expected in asked("/health", **headers)[1], PATIENCE)  # type: ignore[misc]
    eventually(lambda: asked("/details/9")[0] == 403, PATIENCE)
    eventually(lambda: asked("/details/0")[0] == 200, PATIENCE)


def test_somebody_elses_service_stays_as_it_was_when_it_is_no_longer_configured(mesh: Mesh) -> None:
    before = mesh.kubectl.json("get", "deployment", "legacy", HERE)["metadata"]
    mesh.up(services=json.dumps([OPINIONS]))
    eventually(lambda: mesh.get(LEGACY_ADDRESS, inside=False)["status"] == 200, PATIENCE)
    after = mesh.kubectl.json("get", "deployment", "legacy", HERE)["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
