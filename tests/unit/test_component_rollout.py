"""What is restarted of others, what waits for it, and how two revisions of one version are told apart."""

import json
from typing import Any

import pulumi
import pytest

from components import Rollout, RolloutArgs
from components.python import program
from program.lookup import Cluster
from program.preflight import plan
from tests.unit.conftest import Compose, Run
from tests.unit.loading import loaded
from tests.unit.recording import Mesh, something

ARGS: dict[str, Any] = {"context": "c", "kubeconfig": "k", "namespaces": ["orders", "web"]}
BOTH = [{"name": "default", "version": "1.23.0"}, {"name": "canary", "version": "1.23.0"}]
SHOP = [{"name": "orders", "namespace": "shop", "image": "shop.example/orders:1", "port": 80}]


def rolled(compose: Compose, stdout: str = "") -> Mesh:
    def declare() -> None:
        args = RolloutArgs(**ARGS, proxies={"b": "1.24.6", "a": "1.23.0"}, requires=[something("check")], timeout=60)
        component = Rollout("rollout", args)
        outputs = {"restarted": component.restarted, "old": component.old}
        pulumi.ComponentResource("test:index:User", "user", outputs)

    return compose(declare, {"rollout-command": {"stdout": stdout}})


def test_a_command_restarts_and_runs_again_when_what_new_pods_get_changes(compose: Compose) -> None:
    mesh = rolled(compose)
    command = mesh.named("rollout-command")
    asked = {"kubeconfig": "k", "context": "c", "namespaces": ["orders", "web"], "timeoutSeconds": 60}
    assert {**command.inputs, "stdin": json.loads(command.inputs["stdin"])} == {
        "create": program("rollout"),
        "update": program("rollout"),
        "stdin": asked,
        "triggers": ["a=1.23.0", "b=1.24.6"],
        "logging": "stderr",
    }
    assert "check" in command.dependencies


@pytest.mark.parametrize(
    ("stdout", "outputs"),
    [
        ("", {"restarted": [], "old": []}),
        (
            '{"restarted": ["orders/web"], "old": [{"name": "db-0"}]}',
            {"restarted": ["orders/web"], "old": [{"name": "db-0"}]},
        ),
    ],
)
def test_what_was_done_is_an_output(compose: Compose, stdout: str, outputs: dict[str, Any]) -> None:
    assert rolled(compose, stdout).registered["rollout"] == outputs


def test_others_are_restarted_once_the_stacks_own_pods_are_right(run: Run) -> None:
    mesh = run(rollout='["orders"]')
    assert {"mesh-check-command", "istio-istiod"} <= mesh.behind("rollout-command")
    assert mesh.inputs("rollout-command")["triggers"] == ["default=1.23.0"]
    assert mesh.outputs["rollout"] == {"restarted": [], "old": []}
    assert "rollout-command" in mesh.behind("departure-command")


def test_nobody_is_restarted_unasked(dev: Mesh) -> None:
    assert "rollout" not in dev.names | set(dev.outputs)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"rollout": '["kube-system"]'}, r"rollout\[0\] is 'kube-system'; accepted: a DNS-1123 label such as default"),
        ({"rollout": "orders"}, r"rollout is 'orders'; accepted: a list of namespaces, such as \[orders\]"),
        (
            {"rollout": '["a"]', "dataPlane": "ambient", "istioVersion": "1.24.6"},
            r"rollout is '\[\"a\"\]'; accepted: an empty list with dataPlane ambient, whose pods have no proxy",
        ),
    ],
)
def test_what_cannot_be_is_refused(config: dict[str, str], told: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^config key istio-minikube:{told}"):
        loaded(**config)


def test_a_namespace_that_is_not_there_is_refused_once_there_is_a_cluster() -> None:
    settings = loaded(rollout='["orders", "shop"]', istioChartRepository="https://charts.example")
    plan(settings, Cluster())
    plan(settings, Cluster(namespaces={"orders": False, "shop": False}))
    with pytest.raises(pulumi.RunError, match=r"^rollout names 'shop', and the cluster has no such namespace"):
        plan(settings, Cluster(namespaces={"orders": False}))


# Two revisions of one version


@pytest.fixture(scope="module")
def both(run: Run) -> Mesh:
    return run(
        revisions=json.dumps(BOTH),
        services=json.dumps(SHOP),
        tags='{"stable": "canary"}',
        namespaceRevisions='{"shop": "stable"}',
        rollout='["elsewhere"]',
    )


def data_plane(mesh: Mesh, name: str) -> str:
    annotations = mesh.inputs(name)["spec"]["template"]["metadata"]["annotations"]
    return str(annotations["istio-minikube/data-plane"])


def test_pods_roll_with_their_revision_where_its_version_does_not_tell_it(both: Mesh, run: Run) -> None:
    deployments = ("bookinfo-details-v1", "service-orders-v1", "ingress-deployment")
    assert [data_plane(both, name) for name in deployments] == ["1.23.0/default", "1.23.0/canary", "1.23.0/default"]
    triggers = ["canary=1.23.0/canary", "default=1.23.0/default", "stable=canary"]
    assert both.inputs("rollout-command")["triggers"] == triggers
    apart = [BOTH[0], {"name": "canary", "version": "1.24.6"}]
    alone = run(revisions=json.dumps(apart), compatibility="warn")
    assert data_plane(alone, "bookinfo-details-v1") == "1.23.0"


def test_pods_are_checked_for_their_revision_where_its_version_does_not_tell_it(both: Mesh, dev: Mesh) -> None:
    asked = {name: json.loads(both.inputs(f"mesh-check{name}-command")["stdin"]) for name in ("", "-shop")}
    assert {name: (each["istioVersion"], each["revision"]) for name, each in asked.items()} == {
        "": ("1.23.0", "default"),
        "-shop": ("1.23.0", "canary"),
    }
    assert "revision" not in json.loads(dev.inputs("mesh-check-command")["stdin"])
