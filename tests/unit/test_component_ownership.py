import shlex

import pytest

from components import ownership
from components.commands import crds
from components.ownership import Owner
from components.python import program

OWNER = Owner(stack="dev", kubeconfig="my config", context="kind test")
TARGET = ["--kubeconfig=my config", "--context=kind test", "--stack=dev", "--group=istio.io"]
MODULE = shlex.split(program("crds"))


def test_the_label_names_the_stack() -> None:
    assert OWNER.labels == {"istio-minikube/stack": "dev"}


def test_the_command_writes_the_label_that_the_program_looks_for() -> None:
    assert crds.OWNER == ownership.LABEL


def test_the_own_command_is_one_word_an_argument() -> None:
    command = OWNER.own_command("istio.io", keep={"b c", "a"}, release="istio-system/istio-base")
    assert shlex.split(command) == [*MODULE, "own", *TARGET, "--keep=a,b c", "--release=istio-system/istio-base"]


def test_the_commands_of_a_bundle_are_one_word_an_argument() -> None:
    bundle = {"version": "v1.1.0", "source": "a folder"}
    words = ["--stack=dev", "--version=v1.1.0", "--source=a folder"]
    module = shlex.split(program("bundle"))
    assert shlex.split(OWNER.bundle_command(**bundle)) == [*module, "apply", *TARGET[:2], *words]
    assert shlex.split(OWNER.show_command(**bundle)) == [*module, "show", *words]


def test_the_commands_of_an_adoption_are_one_word_an_argument() -> None:
    adopt = shlex.split(program("adopt"))
    begin = OWNER.adopt_command(base="istio-system/istio-base", istiod="istio-system/istiod")
    releases = ["--base=istio-system/istio-base", "--istiod=istio-system/istiod"]
    assert shlex.split(begin) == [*adopt, "begin", *TARGET[:2], *releases]
    assert shlex.split(OWNER.adopted_command) == [*adopt, "finish", *TARGET[:2]]


@pytest.mark.parametrize(("istiod", "words"), [("", []), ("istio-system", ["--istiod=istio-system"])])
def test_the_remove_command_takes_istiods_leftovers_along_where_asked_to(istiod: str, words: list[str]) -> None:
    assert shlex.split(OWNER.remove_command("istio.io", istiod=istiod)) == [*MODULE, "remove", *TARGET, *words]
