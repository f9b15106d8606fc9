"""``make recover``, with a CLI and an API server that only write down what they are asked."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from operations.engine import Engine
from operations.pulumi_cli import Cli
from operations.state import recover
from operations.state.recover import Release, Revision, State, is_cli, is_plugin, running, stale
from tests.unit.fake_api import FakeApi
from tests.unit.fake_tools import Tool

HERE = "11111111-aaaa-4aaa-8aaa-111111111111"
THERE = "22222222-bbbb-4bbb-8bbb-222222222222"
URN = "urn:pulumi:dev::istio-minikube::"
BASE = Release(namespace="istio-system", name="istio-base")
ISTIOD = Release(namespace="istio-system", name="istiod")
KIALI = Release(namespace="addons", name="kiali")
THEIRS = Release(namespace="istio-system", name="theirs")


def release(of: Release) -> dict[str, Any]:
    inputs = {"namespace": of.namespace, "name": of.name}
    return {"urn": f"{URN}{recover.RELEASE}::{of.name}", "type": recover.RELEASE, "inputs": inputs}


def guard(name: str, cluster: str) -> dict[str, Any]:
    kind = "istio-minikube:components:ClusterGuard$command:local:Command"
    return {"urn": f"{URN}{kind}::{name}", "type": "command:local:Command", "outputs": {"stdout": cluster}}


def export(*resources: dict[str, Any], pending: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    operations = [{"resource": each, "type": "creating"} for each in pending]
    return {"version": 3, "deployment": {"resources": list(resources), "pending_operations": operations}}


def test_a_state_tells_the_cluster_and_which_releases_are_recorded_and_which_only_begun() -> None:
    state = State.of(
        export(
            guard("arrival-command", HERE), release(BASE), guard("departure-command", THERE), pending=(release(ISTIOD),)
        )
    )
    assert state == State(cluster=HERE, recorded=frozenset({BASE}), begun=frozenset({ISTIOD}), uses_cluster=True)


def test_a_release_that_is_recorded_is_not_only_begun_though_it_is_being_updated() -> None:
    assert State.of(export(release(BASE), pending=(release(BASE),))).begun == frozenset()


@pytest.mark.parametrize("deployment", [{}, {"resources": None, "pending_operations": None}])
def test_a_state_with_nothing_in_it_needs_no_cluster(deployment: dict[str, None]) -> None:
    state = State.of({"deployment": deployment})
    assert state == State(cluster="", recorded=frozenset(), begun=frozenset(), uses_cluster=False)


def test_a_provider_and_commands_alone_need_no_cluster() -> None:
    provider = {"urn": f"{URN}pulumi:providers:kubernetes::cluster", "type": "pulumi:providers:kubernetes"}
    begun = {"urn": f"{URN}command:local:Command::minikube-command", "type": "command:local:Command"}
    assert not State.of(export(provider, begun)).uses_cluster


def test_what_was_only_begun_may_be_in_the_cluster() -> None:
    assert State.of(export(pending=(release(BASE),))).uses_cluster


def test_a_guard_that_was_begun_and_not_recorded_tells_no_cluster() -> None:
    unfinished = {key: value for key, value in guard("arrival-command", HERE).items() if key != "outputs"}
    assert State.of(export(unfinished)).cluster == ""


def revision(of: Release, number: int, status: str) -> Revision:
    return Revision(release=of, number=number, status=status)


@pytest.mark.parametrize(
    ("kept", "begun", "forgotten"),
    [
        ([(1, "deployed")], False, []),
        ([(1, "superseded"), (2, "failed")], False, []),
        ([(1, "pending-install")], False, [1]),
        ([(1, "deployed"), (2, "pending-upgrade")], False, [2]),
        ([(1, "deployed"), (2, "failed"), (3, "pending-rollback")], False, [3]),
        ([(1, "uninstalling")], False, []),
        ([(1, "deployed")], True, [1]),
        ([(1, "failed"), (2, "pending-upgrade")], True, [1, 2]),
    ],
)
def test_helm_forgets_what_was_not_finished_and_all_of_what_was_not_recorded(
    kept: list[tuple[int, str]], begun: bool, forgotten: list[int]
) -> None:
    found = [revision(ISTIOD, *each) for each in kept]
    assert [each.number for each in stale(found, {ISTIOD} if begun else {})] == forgotten


LISTING = """
    1 /sbin/init
   12 /opt/pulumi up --yes PWD=/a b X=/state/dev HOME=/root
  123 /opt/pulumi-resource-kubernetes 127.0.0.1:1 X=/state/dev
  124 pulumi-language-python --root=. 127.0.0.1:1 X=/state/dev HOME=/root
  125 /opt/pulumi-resource-command 127.0.0.1:1 X=/state/dev-too HOME=/root
  126 /opt/pulumi-resource-command 127.0.0.1:1 HOME=/root
 1270 python -m components.commands.mesh_check pulumi-resource-x X=/state/dev HOME=/root
  128 [pulumi-resource] <defunct>
"""


def test_the_plugins_of_one_stack_are_told_by_their_environment() -> None:
    found = running("X=/state/dev", is_plugin, LISTING)
    assert found == {123: "pulumi-resource-kubernetes", 124: "pulumi-language-python"}


def test_the_cli_is_no_plugin() -> None:
    assert running("X=/state/dev", is_cli, LISTING) == {12: "pulumi"}


@pytest.fixture
def pulumi(tmp_path: Path) -> Tool:
    return Tool.install(tmp_path / "bin", "pulumi")


@pytest.fixture
def cli(pulumi: Tool, tmp_path: Path) -> Cli:
    return Cli(engine=Engine(binary=pulumi.binary), stack="dev", state=tmp_path / "state")


@pytest.fixture
def program(tmp_path: Path, cli: Cli) -> Iterator[Any]:
    """Starts a Python program under another name, with the mark of the stack; it says when it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, text: str = "") -> "subprocess.Popen[str]":
        (tmp_path / name).symlink_to(sys.executable)
        script = f"import time, signal\n{text}\nprint('ready', flush=True)\ntime.sleep(60)"
        key, _, value = cli.mark.partition("=")
        child = subprocess.Popen(
            [str(tmp_path / name), "-c", script], env={key: value}, stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def test_plugins_that_live_on_are_ended_and_it_is_said(
    cli: Cli, program: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = program("pulumi-resource-kubernetes")
    recover.end_plugins(cli.mark)
    assert plugin.wait(5) == -15
    assert capsys.readouterr().out == (
        f"Ending pulumi-resource-kubernetes (process {plugin.pid}), which the killed update left running\n"
    )


def test_a_plugin_that_does_not_listen_is_killed(cli: Cli, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recover, "PATIENCE_SECONDS", 0.1)
    plugin = program("pulumi-language-python", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    recover.end_plugins(cli.mark)
    assert plugin.wait(5) == -9


def test_nothing_is_put_right_under_an_update_that_runs(cli: Cli, pulumi: Tool, program: Any) -> None:
    pulumi.binary.rename(pulumi.binary.with_name("pulumi-of-the-test"))
    running = program("pulumi")
    message = rf"^an update of stack dev is under way \(process {running.pid}\): wait for it, or interrupt it$"
    with pytest.raises(UserError, match=message):
        recover.recover(cli, {}, {}, ())
    assert running.poll() is None
    assert pulumi.words == []


SECRETS = "/api/v1/namespaces/{}/secrets?labelSelector=owner%3Dhelm"


def secret(of: Revision) -> dict[str, Any]:
    labels = {"owner": "helm", "name": of.release.name, "version": str(of.number), "status": of.status}
    return {"metadata": {"name": of.secret.rsplit("/", 1)[1], "labels": labels}}


@pytest.fixture
def cluster(api: FakeApi) -> FakeApi:
    """A cluster where two releases of the stack and one of somebody else's are left pending."""
    api.answer("/api/v1/namespaces/kube-system", {"metadata": {"uid": HERE}})
    istio = [
        revision(BASE, 1, "deployed"),
        revision(BASE, 2, "pending-upgrade"),
        revision(ISTIOD, 1, "deployed"),
        revision(THEIRS, 1, "pending-install"),
    ]
    same_name_elsewhere = Release(namespace="addons", name="istiod")
    addons = [revision(KIALI, 1, "deployed"), revision(same_name_elsewhere, 1, "pending-install")]
    api.answer(SECRETS.format("istio-system"), {"items": list(map(secret, istio))})
    api.answer(SECRETS.format("addons"), {"items": list(map(secret, addons))})
    for each in (*istio, *addons):
        api.answer(each.secret, {"kind": "Status"}, method="DELETE")
    return api


@pytest.fixture
def settings(api: FakeApi) -> dict[str, str]:
    return {"kubeconfig": str(api.kubeconfig), "context": "there", "acceptCluster": ""}


def holds(pulumi: Tool, cluster: str = HERE) -> None:
    """Have the stack's state hold two releases, and a third that was begun."""
    exported = export(guard("arrival-command", cluster), release(BASE), release(KIALI), pending=(release(ISTIOD),))
    pulumi.answer("stack", json.dumps(exported))


def deleted(api: FakeApi) -> list[str]:
    return [request.path.rsplit("/", 1)[1] for request in api.requests if request.method == "DELETE"]


def test_helm_forgets_only_releases_of_the_stack_then_the_state_is_refreshed(
    cli: Cli, pulumi: Tool, cluster: FakeApi, settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    holds(pulumi)
    recover.recover(cli, settings, {"namespace": "shop"}, ())
    assert deleted(cluster) == ["sh.helm.release.v1.istio-base.v2", "sh.helm.release.v1.istiod.v1"]
    assert [words.split(" --")[0] for words in pulumi.words] == ["stack select", "stack export", "cancel", "refresh"]
    assert "namespace: shop" in (cli.state / "Pulumi.dev.yaml").read_text()
    assert capsys.readouterr().out.splitlines() == [
        "Helm release istio-system/istio-base: revision 2, pending-upgrade, is forgotten; its objects stay",
        "Helm release istio-system/istiod: revision 1, deployed, is forgotten; its objects stay",
        "The state is again what the cluster holds. Now run `up`, which takes over objects that it does not record",
    ]


def test_a_release_whose_creation_failed_is_the_stacks_in_a_namespace_that_the_stack_made(
    cli: Cli, pulumi: Tool, cluster: FakeApi, settings: dict[str, str]
) -> None:
    pulumi.answer("stack", json.dumps(export(guard("arrival-command", HERE), release(BASE))))
    labels = {"istio-minikube/stack": "dev"}
    cluster.answer("/api/v1/namespaces/istio-system", {"metadata": {"labels": labels}})
    recover.recover(cli, settings, {}, {BASE, ISTIOD})
    assert deleted(cluster) == ["sh.helm.release.v1.istio-base.v2", "sh.helm.release.v1.istiod.v1"]


@pytest.mark.parametrize("space", [{}, {"labels": {"istio-minikube/stack": "prod"}}, None])
def test_a_declared_release_in_a_namespace_of_somebody_elses_is_left_alone_and_named(
    cli: Cli,
    pulumi: Tool,
    cluster: FakeApi,
    settings: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    space: dict[str, Any] | None,
) -> None:
    pulumi.answer("stack", json.dumps(export(guard("arrival-command", HERE), release(BASE))))
    if space is not None:
        cluster.answer("/api/v1/namespaces/istio-system", {"metadata": space})
    recover.recover(cli, settings, {}, {BASE, ISTIOD})
    assert deleted(cluster) == ["sh.helm.release.v1.istio-base.v2"]
    assert capsys.readouterr().out.splitlines()[1] == (
        "Helm release istio-system/istiod is there, and nothing tells that it is this stack's: it is left alone. If it "
        "is, `kubectl --namespace istio-system delete secret --selector owner=helm,name=istiod`"
    )


def test_another_cluster_than_the_recorded_one_is_left_alone(
    cli: Cli, pulumi: Tool, cluster: FakeApi, settings: dict[str, str]
) -> None:
    holds(pulumi, THERE)
    with pytest.raises(UserError, match=f"now leads to cluster {HERE}, but .* brought up on cluster {THERE}"):
        recover.recover(cli, settings, {}, ())
    assert deleted(cluster) == []
    assert [words.split(" --")[0] for words in pulumi.words] == ["stack select", "stack export"]


def test_a_cluster_that_does_not_run_must_be_started_first(
    cli: Cli, pulumi: Tool, api: FakeApi, settings: dict[str, str]
) -> None:
    holds(pulumi)
    with pytest.raises(UserError, match=r"does not answer: .*; start the cluster, then recover again$"):
        recover.recover(cli, {**settings, "context": "gone"}, {}, ())
    assert api.requests == []
    assert len(pulumi.words) == 2


def test_an_update_that_was_killed_before_there_was_a_cluster_is_recovered_without_one(
    cli: Cli, pulumi: Tool, program: Any
) -> None:
    plugin = program("pulumi-resource-command")
    pulumi.answer("stack", '{"deployment": {}}')
    recover.recover(cli, {}, {}, ())
    assert plugin.wait(5) == -15
    assert [words.split(" --")[0] for words in pulumi.words[2:]] == ["cancel", "refresh"]
