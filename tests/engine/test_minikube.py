"""A stack that starts minikube, by the real engine and commands; a stand-in for minikube runs the embedded cluster.

It answers and edits the kubeconfig as minikube does, see tests/unit/fake_minikube.py.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from components.commands import UserError
from components.kube import KUBE_SYSTEM, Kube
from embedded.cluster import Cluster
from operations import deploy, engine, pulumi_cli
from operations.pulumi_cli import PROJECT, Cli
from tests.embedded.engine import for_tests
from tests.embedded.stack import settings_for
from tests.unit.fake_minikube import FakeMinikube

STACK, PROFILE = "embedded", "minikube"
ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"


@pytest.fixture(scope="module")
def minikube(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeMinikube]:
    """A machine with minikube, where nobody has started one yet."""
    folder = tmp_path_factory.mktemp("minikube")
    with pytest.MonkeyPatch.context() as patch:
        found = for_tests()
        path = f"{folder / 'bin'}{os.pathsep}{found.variables.get('PATH', os.environ['PATH'])}"
        found = replace(found, variables={**found.variables, "PATH": path})
        patch.setattr(engine, "find", lambda *_: found)
        patch.setenv("PATH", path)
        patch.setattr(pulumi_cli, "STATE", folder / "state")
        patch.setattr("operations.status.show", lambda *_: None)
        made = FakeMinikube.install(folder / "bin")
        made.set(embedded={"project": str(PROJECT), "root": str(folder / "cluster"), "tools": str(tools)})
        yield made
        Cluster(folder / "cluster", tools=tools).delete()


@pytest.fixture(scope="module")
def config(minikube: FakeMinikube, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Configuration keys of a stack that starts minikube, with the embedded cluster's charts and CRDs."""
    charts = Cluster(tmp_path_factory.mktemp("charts"))
    return {
        **settings_for(charts),
        "clusterMode": "minikube",
        "kubeconfig": str(minikube.folder.parent / "kubeconfig"),
        "context": PROFILE,
        "minikubeProfile": PROFILE,
        "kubernetesVersion": "v1.36.3",
        "bookinfo": "false",
        "compatibility": "warn",
        "gatewayApiVersion": "v1.1.0",
        "istioValues": "{}",
        "meshCheckHttp": "false",
    }


@pytest.fixture(scope="module")
def cli(minikube: FakeMinikube) -> Cli:
    return Cli(engine=engine.find(), stack=STACK, state=minikube.folder.parent / "state")


def by_hand(minikube: FakeMinikube, config: Mapping[str, str], *words: str) -> None:
    """What a person runs."""
    environment = {**os.environ, "KUBECONFIG": config["kubeconfig"]}
    subprocess.run([minikube.folder / "minikube", *words, f"--profile={PROFILE}"], env=environment, check=True)


def start_by_hand(minikube: FakeMinikube, config: Mapping[str, str]) -> None:
    by_hand(minikube, config, "start", "--memory=5500", "--cpus=4", "--kubernetes-version=v1.36.3")


def kube(config: Mapping[str, str]) -> Kube:
    return Kube(config["kubeconfig"], PROFILE)


def whole(config: Mapping[str, str]) -> bool:
    """Whether the mesh is there."""
    return kube(config).find(ISTIOD) is not None


def identity(config: Mapping[str, str]) -> str:
    return str(kube(config).get(KUBE_SYSTEM)["metadata"]["uid"])


def unchanged(cli: Cli) -> None:
    cli.run("preview", "--expect-no-changes", quiet=True)


@pytest.fixture(scope="module")
def stack(minikube: FakeMinikube, config: dict[str, str]) -> FakeMinikube:
    """The stack, brought up once."""
    deploy.up(STACK, config)
    return minikube


def test_the_second_up_changes_nothing(stack: FakeMinikube, cli: Cli, config: dict[str, str]) -> None:
    assert whole(config)
    deploy.up(STACK, config)
    unchanged(cli)
    assert [words.split()[0] for words in stack.words].count("start") == 1


def test_a_stopped_minikube_is_started_by_up_and_its_mesh_is_the_same(
    stack: FakeMinikube, cli: Cli, config: dict[str, str]
) -> None:
    before = identity(config)
    by_hand(stack, config, "stop")
    with pytest.raises(UserError, match="`pulumi preview` exits with"):
        deploy.preview(STACK, config)
    with pytest.raises(UserError, match="`pulumi up` exits with"):
        cli.run("up", "--yes", "--skip-preview", quiet=True)
    assert stack.profiles[PROFILE]["status"] == "Stopped"

    deploy.up(STACK, config)
    assert (stack.profiles[PROFILE]["status"], identity(config), whole(config)) == ("OK", before, True)
    unchanged(cli)


def test_a_plain_preview_of_a_stopped_minikube_names_the_command(
    stack: FakeMinikube, cli: Cli, config: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    by_hand(stack, config, "stop")
    with pytest.raises(UserError):
        cli.run("preview")
    told = "".join(capfd.readouterr())
    assert f"minikube profile '{PROFILE}' exists and is stopped" in told
    assert f"minikube start --profile={PROFILE}" in told
    start_by_hand(stack, config)
    unchanged(cli)


def test_a_deleted_minikube_is_told_and_one_command_brings_the_mesh_back(
    stack: FakeMinikube, cli: Cli, config: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    before = identity(config)
    by_hand(stack, config, "delete")
    for command in (deploy.up, deploy.preview):
        with pytest.raises(UserError, match=f"there is no minikube profile {PROFILE}.* `make recover` forgets them"):
            command(STACK, config)
    with pytest.raises(UserError, match="`pulumi up` exits with"):  # a person without make
        cli.run("up", "--yes", "--skip-preview")
    assert f"minikube profile '{PROFILE}' is gone, and with it all that this stack had in it" in "".join(
        capfd.readouterr()
    )
    assert stack.profiles == {}

    deploy.recover_stack(STACK, config)
    deploy.up(STACK, config)
    assert (identity(config) != before, whole(config)) == (True, True)
    unchanged(cli)


def test_a_minikube_that_somebody_made_anew_is_refused_until_it_is_accepted_and_then_gets_the_whole_mesh(
    stack: FakeMinikube, cli: Cli, config: dict[str, str]
) -> None:
    by_hand(stack, config, "delete")
    start_by_hand(stack, config)
    with pytest.raises(UserError, match="`pulumi up` exits with"):
        deploy.up(STACK, config)
    with pytest.raises(UserError, match="`pulumi destroy` exits with"):
        deploy.destroy(STACK, config)
    assert not whole(config)

    accepting = {**config, "acceptCluster": identity(config)}
    deploy.up(STACK, accepting)
    assert whole(config)
    unchanged(cli)


def test_destroy_leaves_a_minikube_alone_that_the_stack_did_not_create(
    stack: FakeMinikube, config: dict[str, str]
) -> None:
    deploy.destroy(STACK, config)
    assert not whole(config)
    assert list(stack.profiles) == [PROFILE]


def test_destroy_after_a_minikube_was_deleted_has_nothing_left_to_delete(
    stack: FakeMinikube, cli: Cli, config: dict[str, str]
) -> None:
    by_hand(stack, config, "delete")
    deploy.up(STACK, config)
    by_hand(stack, config, "delete")
    deploy.destroy(STACK, config)
    assert not cli.export()["deployment"].get("resources")


def test_destroy_deletes_the_minikube_that_the_stack_created_though_it_was_stopped(
    stack: FakeMinikube, config: dict[str, str]
) -> None:
    deploy.up(STACK, config)
    by_hand(stack, config, "stop")
    deploy.destroy(STACK, config)
    assert stack.profiles == {}
