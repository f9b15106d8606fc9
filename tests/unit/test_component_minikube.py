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


def test_its_output_is_the_profile(mesh: Mesh) -> None:
    assert mesh.registered["minikube"] == {"profile": "minikube"}
