import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components import MeshCheck, MeshCheckArgs, Page
from components.objects import KubernetesObject, generations_of
from components.python import program
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

PAGE = Page(service="productpage", namespace="shop", port=9080, path="/productpage", title="Simple Bookstore App")
PODS = [{"name": "details-v1-a", "containers": ["details", "istio-proxy"]}]


def deployment(name: str) -> KubernetesObject:
    return KubernetesObject("apps/v1:Deployment", name, parent=something("namespace"), metadata={}, spec={})


def answer(generation: int) -> dict[str, Any]:
    return {"metadata": {"name": "it", "uid": "1a2b", "generation": generation}}


ANSWERS = {
    "details": answer(1),
    "ratings": answer(7),
    "mesh-check-command": {"stdout": json.dumps({"pods": PODS, "pages": []})},
}


@pytest.fixture(scope="module")
def declare() -> Callable[..., None]:
    def declare(**args: Any) -> None:
        check = MeshCheck(
            "mesh-check",
            MeshCheckArgs(
                kubeconfig="~/.kube/config",
                context="kind-test",
                namespace=something("namespace").id.apply(lambda _: "shop"),
                istio_version=something("istiod").id.apply(lambda _: "1.23.0"),
                deployments=generations_of({f"{name}-v1": deployment(name) for name in ("ratings", "details")}),
                **args,
            ),
        )
        pulumi.export("pods", check.pods)

    return declare


@pytest.fixture(scope="module")
def mesh(compose: Compose, declare: Callable[..., None]) -> Mesh:
    return compose(lambda: declare(pages=[PAGE]), ANSWERS)


def test_the_command_is_run_on_create_and_on_update_and_never_on_delete(mesh: Mesh) -> None:
    command = mesh.named("mesh-check-command")
    assert (command.token, command.parent) == ("command:local:Command", "mesh-check")
    assert command.inputs["create"] == command.inputs["update"] == program("mesh_check")
    assert "delete" not in command.inputs


def test_the_command_is_told_on_its_standard_input_what_must_be_so(mesh: Mesh) -> None:
    assert json.loads(mesh.inputs("mesh-check-command")["stdin"]) == {
        "kubeconfig": "~/.kube/config",
        "context": "kind-test",
        "namespace": "shop",
        "istioVersion": "1.23.0",
        "deployments": ["details-v1", "ratings-v1"],
        "pages": [
            {
                "service": "productpage",
                "namespace": "shop",
                "port": 9080,
                "path": "/productpage",
                "title": "Simple Bookstore App",
            }
        ],
        "timeoutSeconds": 120,
    }


def test_pages_are_asked_for_only_where_there_are_any(compose: Compose, declare: Callable[..., None]) -> None:
    mesh = compose(lambda: declare(timeout=5), ANSWERS)
    document = json.loads(mesh.inputs("mesh-check-command")["stdin"])
    assert (document["pages"], document["timeoutSeconds"]) == ([], 5)


def test_in_ambient_mode_it_is_told_the_waypoint(compose: Compose, declare: Callable[..., None]) -> None:
    mesh = compose(lambda: declare(waypoint="waypoint"), ANSWERS)
    assert json.loads(mesh.inputs("mesh-check-command")["stdin"])["waypoint"] == "waypoint"


def test_it_runs_again_when_a_deployment_is_made_anew_or_specified_otherwise(mesh: Mesh) -> None:
    assert mesh.inputs("mesh-check-command")["triggers"] == ["1a2b/1", "1a2b/7"]


def test_it_waits_for_everything_that_it_checks(mesh: Mesh) -> None:
    assert mesh.named("mesh-check-command").dependencies == {"namespace", "istiod", "details", "ratings"}


def test_it_waits_for_what_may_keep_a_page_from_answering(compose: Compose, declare: Callable[..., None]) -> None:
    mesh = compose(lambda: declare(requires=[something("policy")]), ANSWERS)
    assert "policy" in mesh.named("mesh-check-command").dependencies


def test_its_output_is_the_pods_that_it_saw(mesh: Mesh) -> None:
    assert mesh.registered["mesh-check"] == {"pods": PODS}
    assert mesh.outputs == {"pods": PODS}


def test_a_check_that_did_not_run_saw_none(compose: Compose, declare: Callable[..., None]) -> None:
    assert compose(declare).outputs == {"pods": []}
