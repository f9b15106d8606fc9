from typing import Any

import pytest

from components import Minikube, MinikubeArgs
from components.python import program
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh

START = (
    f"{program('minikube')} start --profile=minikube --memory=5500 --cpus=4 "
    "--kubernetes-version=v1.30.0 '--kubeconfig=~/.kube/config'"
)


def declared(**changes: Any) -> Minikube:
    whole: dict[str, Any] = {
        "profile": "minikube",
        "memory": 5500,
        "cpus": 4,
        "kubernetes_version": "v1.30.0",
        "kubeconfig": "~/.kube/config",
    }
    return Minikube("minikube", MinikubeArgs(**{**whole, **changes}))


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    return compose(declared)


def test_the_profile_is_started_on_create_and_looked_at_again_on_update(mesh: Mesh) -> None:
    command = mesh.named("minikube-start")
    assert (command.token, command.parent) == ("command:local:Command", "minikube")
    assert (command.inputs["create"], command.inputs["update"]) == (START, START)


def test_the_profile_is_deleted_with_the_stack(mesh: Mesh) -> None:
    assert mesh.inputs("minikube-start")["delete"] == (
        f"{program('minikube')} delete --profile=minikube '--kubeconfig=~/.kube/config'"
    )


def test_another_profile_is_another_cluster(mesh: Mesh) -> None:
    assert mesh.inputs("minikube-start")["triggers"] == ["minikube"]


def test_the_start_may_take_half_an_hour(mesh: Mesh) -> None:
    timeouts = mesh.options("minikube-start").customTimeouts
    assert (timeouts.create, timeouts.update) == ("30m", "30m")


def test_a_driver_is_named_only_if_one_is_chosen(compose: Compose) -> None:
    mesh = compose(lambda: declared(driver="kvm2"))
    assert mesh.inputs("minikube-start")["create"] == f"{START} --driver=kvm2"


def test_a_path_with_a_space_and_a_quote_stays_one_word(compose: Compose) -> None:
    create = compose(lambda: declared(kubeconfig="/home/o'neill/my config")).inputs("minikube-start")["create"]
    assert create.endswith(""" '--kubeconfig=/home/o'"'"'neill/my config'""")


def test_its_outputs_are_the_profile_and_the_clusters_identity(compose: Compose) -> None:
    answers = {"minikube-start": {"stdout": '{"profile": "minikube", "created": true, "cluster": "1a2b"}'}}
    assert compose(declared, answers).registered["minikube"] == {"profile": "minikube", "cluster": "1a2b"}


@pytest.mark.parametrize("stdout", ["", '{"profile": "minikube", "created": true}'], ids=["not run", "older version"])
def test_where_the_command_did_not_tell_the_identity_is_empty(compose: Compose, stdout: str) -> None:
    assert compose(declared, {"minikube-start": {"stdout": stdout}}).registered["minikube"]["cluster"] == ""


def test_while_the_cluster_is_there_no_run_differs_from_another(mesh: Mesh) -> None:
    assert mesh.options("minikube-start").ignoreChanges == ["environment"]


def test_a_run_that_found_no_cluster_is_an_update_whatever_the_state_says(compose: Compose) -> None:
    mesh = compose(lambda: declared(missing="2026-11-26T06:30:00Z"))
    assert mesh.inputs("minikube-start")["environment"] == {"MISSING": "2026-11-26T06:30:00Z"}
    assert mesh.options("minikube-start").ignoreChanges == []
