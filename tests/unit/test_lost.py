import json
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.kube import KUBE_SYSTEM, KubeError
from operations.engine import Engine
from operations.pulumi_cli import Cli
from operations.state import lost
from operations.state.lost import Stack
from tests.unit.fake_api import FakeApi
from tests.unit.fake_tools import Tool

HERE, THERE, THIRD = (f"{digit * 8}-aaaa-4aaa-8aaa-{digit * 12}" for digit in "123")
URN = "urn:pulumi:dev::istio-minikube::"
ROOT = {"urn": f"{URN}pulumi:pulumi:Stack::istio-minikube-dev", "type": "pulumi:pulumi:Stack"}
START = {"urn": f"{URN}command:local:Command::minikube-start", "type": "command:local:Command"}
NAMESPACE = {"urn": f"{URN}kubernetes:core/v1:Namespace::n", "type": "kubernetes:core/v1:Namespace"}


def guard(cluster: str) -> dict[str, Any]:
    kind = "istio-minikube:components:ClusterGuard$command:local:Command"
    urn = f"{URN}{kind}::arrival-command"
    return {"urn": urn, "type": "command:local:Command", "outputs": {"stdout": cluster}}


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """A CLI that keeps what it is given to import."""
    tool = Tool.install(tmp_path / "bin", "pulumi")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    script = tool.binary.read_text()
    keep = '[ "$2" = import ] && cat "$4" > "$0.imported"\n'
    tool.binary.write_text(script.replace("exit 0\n", f"{keep}exit 0\n").replace('[ -e "$0.ans', f'{keep}[ -e "$0.ans'))
    return tool


@pytest.fixture
def cli(pulumi: Tool, tmp_path: Path) -> Cli:
    """The CLI on a stack that was brought up before."""
    made = Cli(engine=Engine(binary=pulumi.binary), stack="dev", state=tmp_path / "state")
    made.select()
    return made


@pytest.fixture
def settings(api: FakeApi) -> dict[str, str]:
    api.answer(KUBE_SYSTEM, {"metadata": {"uid": HERE}})
    return {
        "clusterMode": "minikube",
        "minikubeProfile": "minikube",
        "acceptCluster": "",
        "kubeconfig": str(api.kubeconfig),
        "context": "there",
    }


def of(cli: Cli, settings: dict[str, str], *, there: bool = True) -> Stack:
    return Stack(cli=cli, settings=settings, overrides={}, there=there)


def holds(pulumi: Tool, *resources: dict[str, Any], pending: tuple[dict[str, Any], ...] = ()) -> None:
    begun = [{"type": "creating", "resource": each} for each in pending]
    state = {"version": 3, "deployment": {"manifest": {}, "resources": list(resources), "pending_operations": begun}}
    pulumi.answer("stack", json.dumps(state))


def imported(pulumi: Tool) -> Any:
    file = pulumi.binary.with_name("pulumi.imported")
    return json.loads(file.read_text()) if file.exists() else None


def test_a_cluster_that_is_gone_is_told_with_the_one_command_that_helps(
    cli: Cli, pulumi: Tool, settings: dict[str, str]
) -> None:
    holds(pulumi, ROOT, START, guard(THERE), NAMESPACE)
    with pytest.raises(UserError) as refused:
        lost.refuse(of(cli, settings, there=False))
    assert str(refused.value) == (
        "the cluster of stack dev is gone (there is no minikube profile minikube), and with it its 3 resources: "
        "nothing was touched. `make recover` forgets them, and `make up` then creates the whole mesh again; `make "
        "destroy` forgets them, too"
    )
    assert imported(pulumi) is None


@pytest.mark.parametrize("resources", [(), (ROOT,)])
def test_before_the_first_up_no_cluster_is_missed(
    cli: Cli, pulumi: Tool, settings: dict[str, str], resources: tuple[dict[str, Any], ...]
) -> None:
    holds(pulumi, *resources)
    lost.refuse(of(cli, settings, there=False))
    assert lost.forget(of(cli, settings, there=False)) is False
    assert imported(pulumi) is None


def test_on_a_machine_that_never_brought_the_stack_up_the_cli_is_not_asked(
    pulumi: Tool, tmp_path: Path, settings: dict[str, str]
) -> None:
    fresh = Cli(engine=Engine(binary=pulumi.binary), stack="dev", state=tmp_path / "other")
    lost.refuse(of(fresh, settings, there=False))
    assert pulumi.words == []


def test_while_the_cluster_is_there_the_cli_is_not_asked(cli: Cli, pulumi: Tool, settings: dict[str, str]) -> None:
    before = len(pulumi.words)
    lost.refuse(of(cli, settings))
    assert lost.forget(of(cli, settings)) is False
    assert len(pulumi.words) == before


@pytest.mark.parametrize("pending", [(), (NAMESPACE,)])
def test_what_is_gone_is_forgotten_and_nothing_else_of_the_state(
    cli: Cli, pulumi: Tool, settings: dict[str, str], pending: tuple[dict[str, Any], ...]
) -> None:
    holds(pulumi, ROOT, START, pending=pending)
    assert lost.forget(of(cli, settings, there=False)) is True
    assert imported(pulumi) == {
        "version": 3,
        "deployment": {"manifest": {}, "resources": [], "pending_operations": []},
    }
    assert not any(cli.state.glob("*.import.json"))


def test_recovering_unlocks_the_stack_before_it_forgets(cli: Cli, pulumi: Tool, settings: dict[str, str]) -> None:
    holds(pulumi, ROOT, START)
    assert lost.forget(of(cli, settings, there=False), unlock=True) is True
    words = [words.split(" --")[0] for words in pulumi.words]
    assert words[-2:] == ["cancel", "stack import"]


def test_a_cluster_that_is_accepted_in_the_place_of_the_recorded_one_gets_everything_anew(
    cli: Cli, pulumi: Tool, settings: dict[str, str]
) -> None:
    holds(pulumi, ROOT, guard(THERE), NAMESPACE)
    accepting = {**settings, "acceptCluster": HERE}
    with pytest.raises(UserError, match="the 2 resources of stack dev are in another one: `make up` forgets them"):
        lost.refuse(of(cli, accepting))
    assert lost.forget(of(cli, accepting)) is True
    assert imported(pulumi)["deployment"]["resources"] == []


def test_once_it_is_recorded_an_accepted_cluster_is_no_reason_to_forget(
    cli: Cli, pulumi: Tool, settings: dict[str, str]
) -> None:
    holds(pulumi, ROOT, guard(HERE), NAMESPACE)
    assert lost.forget(of(cli, {**settings, "acceptCluster": HERE})) is False
    assert imported(pulumi) is None


def test_accepting_a_third_cluster_does_not_open_this_one(cli: Cli, pulumi: Tool, settings: dict[str, str]) -> None:
    holds(pulumi, ROOT, guard(THERE), NAMESPACE)
    with pytest.raises(UserError, match=f"leads to cluster {HERE}, but this stack was brought up on cluster {THERE}"):
        lost.forget(of(cli, {**settings, "acceptCluster": THIRD}))
    assert imported(pulumi) is None


def test_a_cluster_that_does_not_answer_is_not_taken_for_another(
    cli: Cli, pulumi: Tool, settings: dict[str, str]
) -> None:
    holds(pulumi, ROOT, guard(THERE), NAMESPACE)
    with pytest.raises(KubeError, match="does not answer"):
        lost.forget(of(cli, {**settings, "acceptCluster": HERE, "context": "gone"}))
    assert imported(pulumi) is None
