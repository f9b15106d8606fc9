from typing import Any

import pytest

from components import ClusterGuard, ClusterGuardArgs
from components.python import program
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

ARRIVE = f"{program('cluster')} arrive"
LEAVE = f"{program('cluster')} leave"


def args(**changes: Any) -> ClusterGuardArgs:
    whole: dict[str, Any] = {"identity": "1a2b", "kubeconfig": "k", "context": "work"}
    return ClusterGuardArgs(**{**whole, **changes})


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    answers = {"guard-command": {"stdout": "1a2b"}}
    return compose(lambda: ClusterGuard("guard", args(after=[something("mesh")])), answers)


def test_the_cluster_is_recorded_on_create_and_compared_on_update_and_delete(mesh: Mesh) -> None:
    assert (mesh.kind("guard-command"), mesh.named("guard-command").parent) == ("command:local:Command", "guard")
    assert mesh.inputs("guard-command") == {
        "create": ARRIVE,
        "update": ARRIVE,
        "delete": f"{LEAVE} --kubeconfig=k --context=work",
        "environment": {"CLUSTER": "1a2b", "CONTEXT": "work"},
        "logging": "stderr",
    }


def test_what_it_guards_is_deleted_after_it(mesh: Mesh) -> None:
    assert mesh.named("guard-command").dependencies == {"mesh"}


def test_its_output_is_the_recorded_cluster(mesh: Mesh) -> None:
    assert mesh.registered["guard"] == {"identity": "1a2b"}


def test_a_path_with_a_space_stays_one_word(compose: Compose) -> None:
    mesh = compose(lambda: ClusterGuard("guard", args(kubeconfig="my config")))
    assert mesh.inputs("guard-command")["delete"] == f"{LEAVE} '--kubeconfig=my config' --context=work"
