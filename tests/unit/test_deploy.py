import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from components.commands import UserError
from embedded import kinds
from embedded.cluster import Cluster
from embedded.node.cluster import RealCluster
from embedded.record import Kind
from operations import deploy, engine, pulumi_cli, stacks
from operations.manifests.evaluate import PROJECT, stack_config
from tests.unit.fake_minikube import FakeMinikube, profile
from tests.unit.fake_tools import Tool


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty; state and cache are elsewhere, empty too."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pulumi_cli, "STATE", tmp_path / "state")
    monkeypatch.setattr("operations.status.show", Mock())
    return folder


@pytest.fixture
def minikube(path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMinikube:
    """A machine with minikube, where nobody has started one yet."""
    monkeypatch.setenv("HOME", str(path))
    return FakeMinikube.install(path)


@pytest.fixture
def pulumi(path: Path) -> Tool:
    tool = Tool.install(path, "pulumi")
    tool.answer("stack", '{"deployment": {}}')
    return tool


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (deploy.up, "up --yes --skip-preview --suppress-progress --suppress-outputs"),
        (deploy.preview, "preview --diff"),
        (deploy.destroy, "destroy --yes --skip-preview --suppress-progress"),
    ],
)
@pytest.mark.usefixtures("minikube")
def test_a_command_is_the_clis_on_the_stack(pulumi: Tool, command: Mock, words: str) -> None:
    command("dev", {})
    assert pulumi.words[1].startswith(f"{words} --config-file {pulumi_cli.STATE}/Pulumi.dev.yaml --stack dev ")


@pytest.fixture
def gone(minikube: FakeMinikube, pulumi: Tool) -> FakeMinikube:
    """A machine where stack dev was brought up and its profile was deleted by hand."""
    deploy.up("dev", {})
    resource = {"type": "command:local:Command", "urn": "urn:pulumi:dev::p::command:local:Command::minikube-start"}
    pulumi.answer("stack", json.dumps({"version": 3, "deployment": {"resources": [resource]}}))
    return minikube


def verbs(pulumi: Tool) -> list[str]:
    """What the CLI was last told, once the stack was selected."""
    return [words.split(" --")[0] for words in pulumi.words[3:]]


@pytest.mark.parametrize("command", [deploy.up, deploy.preview])
@pytest.mark.usefixtures("gone")
def test_a_profile_that_is_gone_is_told_before_anything_is_touched(pulumi: Tool, command: Mock) -> None:
    with pytest.raises(UserError, match=r"the cluster of stack dev is gone .* `make recover` forgets them"):
        command("dev", {})
    assert verbs(pulumi) == ["stack select", "stack export"]


def test_recover_forgets_what_was_in_it(gone: FakeMinikube, pulumi: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.state.recover.running", lambda *_: {})
    deploy.recover_stack("dev", {})
    assert verbs(pulumi) == ["stack select", "stack export", "cancel", "stack import"]
    assert {words.split()[0] for words in gone.words} == {"profile"}


@pytest.mark.usefixtures("gone")
def test_destroy_forgets_it_as_well_and_has_nothing_left_to_delete(pulumi: Tool) -> None:
    deploy.destroy("dev", {})
    assert verbs(pulumi) == ["stack select", "stack export", "stack import", "stack select", "destroy"]


@pytest.mark.parametrize(("command", "starts"), [(deploy.up, True), (deploy.destroy, True), (deploy.preview, False)])
@pytest.mark.usefixtures("pulumi")
def test_a_profile_that_was_stopped_is_started_first_but_not_for_a_preview(
    minikube: FakeMinikube, command: Mock, starts: bool
) -> None:
    minikube.set(profiles={"minikube": profile(status="Stopped")})
    command("dev", {})
    assert ("start --profile=minikube" in minikube.words) is starts


@pytest.mark.usefixtures("minikube", "pulumi")
def test_after_up_a_loadbalancers_tunnel_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    deploy.up("dev", {})
    assert "`make tunnel` gives the LoadBalancers an address" in capsys.readouterr().out
    deploy.up("dev", {"ingressServiceType": "NodePort"})
    assert "make tunnel" not in capsys.readouterr().out


def test_recover_is_given_the_stacks_configuration(pulumi: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.state.recover.recover", recovered := Mock())
    monkeypatch.setattr("operations.deploy.releases_of", lambda stack, _: {stack})
    deploy.recover_stack("prod", {})
    (cli, settings, overrides, declared), _ = recovered.call_args
    assert (cli.engine.binary, cli.stack, cli.state) == (pulumi.binary, "prod", pulumi_cli.STATE)
    assert settings["context"] == stack_config("prod")["istio-minikube:context"]
    assert (overrides, declared) == ({}, {"prod"})


def test_a_failing_cli_is_told_and_is_a_failure(pulumi: Tool) -> None:
    pulumi.answer("up", "", 255)
    with pytest.raises(UserError, match=r"^`pulumi up` exits with 255; what it says above tells why$"):
        deploy.up("prod", {})


@pytest.mark.parametrize("command", [deploy.up, deploy.preview])
def test_the_policy_pack_is_enforced_where_asked_for(pulumi: Tool, command: Mock) -> None:
    command("prod", {}, policies=True)
    assert f" --policy-pack {PROJECT}/policy " in pulumi.words[1]


@pytest.mark.usefixtures("minikube")
def test_with_minikube_the_stack_is_dev_and_one_line_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert stacks.chosen("") == "dev"
    assert capsys.readouterr().out == "Stack dev: minikube is on PATH\n"


@pytest.mark.usefixtures("path")
def test_without_minikube_the_stack_is_embedded_and_one_line_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert stacks.chosen("") == "embedded"
    assert capsys.readouterr().out == "Stack embedded: minikube is not on PATH\n"


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("stack", ["prod", "embedded"])
def test_a_stack_that_is_named_is_taken_without_a_word(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert stacks.chosen(stack) == stack
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ("rehearsal", "stack rehearsal is called embedded now, its folder .rehearsal is .embedded, and "),
        ("moon", "there is no stack 'moon' here, as there is no file Pulumi.moon.yaml; accepted: "),
    ],
)
def test_a_stack_that_is_none_of_these_is_refused(stack: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        stacks.prepare(stacks.chosen(stack))
    assert str(refused.value).startswith(message)


@pytest.mark.usefixtures("path")
def test_a_stack_that_starts_minikube_is_refused_without_it() -> None:
    with pytest.raises(UserError) as refused:
        stacks.prepare("dev")
    assert str(refused.value) == ("stack dev starts minikube, which is not on PATH; install it, or use STACK=embedded")


def test_a_stack_on_another_cluster_needs_no_preparation(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.toolchain.ensure", ensured := Mock())
    assert stacks.prepare("prod") is True
    assert not ensured.called
    assert list(path.iterdir()) == []


@pytest.mark.parametrize(("exists", "runs", "starts"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_an_embedded_cluster_that_was_stopped_is_started_and_none_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool, runs: bool, starts: int
) -> None:
    if exists:
        (tmp_path / "kubeconfig").touch()
    monkeypatch.setattr("embedded.toolchain.ensure", Mock())
    monkeypatch.setattr("embedded.kinds.choose", lambda _: Kind.SIMULATED)
    monkeypatch.setattr(Cluster, "running", lambda _: runs)
    monkeypatch.setattr(Cluster, "start", start := Mock())
    assert stacks.prepare("embedded", {"kubeconfig": str(tmp_path / "kubeconfig")}) is exists
    assert start.call_count == starts


def test_the_cli_on_path_is_taken(pulumi: Tool) -> None:
    found = engine.find()
    assert (found.binary, found.variables) == (pulumi.binary, {})


@pytest.mark.usefixtures("path")
def test_a_cli_that_was_fetched_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_fetch", Mock(side_effect=AssertionError("fetched")))
    fetched = Tool.install(tmp_path / "cache" / "istio-minikube" / "pulumi" / "bin", "pulumi")
    assert engine.find().binary == fetched.binary


@pytest.mark.usefixtures("path")
def test_without_a_cli_the_vendors_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.toolchain.built", lambda _: False)
    monkeypatch.setattr(engine, "_fetch", lambda folder: folder / "bin" / "pulumi")
    lines: list[str] = []
    folder = tmp_path / "cache" / "istio-minikube" / "pulumi"
    assert engine.find(lines.append).binary == folder / "bin" / "pulumi"
    assert lines == [f"The Pulumi CLI is not on PATH: fetching it into {folder}, once"]


@pytest.mark.usefixtures("path")
def test_where_the_vendor_cannot_be_reached_the_engine_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.toolchain.built", lambda _: False)
    monkeypatch.setattr(engine, "_fetch", Mock(side_effect=UserError("no route")))
    monkeypatch.setattr("embedded.toolchain.ensure", lambda *_, **__: Mock(engine=tmp_path))
    lines: list[str] = []
    found = engine.find(lines.append)
    assert found.binary == tmp_path / "bin" / "pulumi"
    assert found.variables["PULUMI_HOME"] == str(tmp_path / "home")
    assert lines[-1] == "no route; building it from Go modules instead"


@pytest.mark.usefixtures("minikube")
def test_what_needs_a_cluster_is_refused_without_one() -> None:
    with pytest.raises(UserError, match="stack dev has no cluster: `make up` creates it, after `make recover`"):
        stacks.prepare_existing("dev")
    stacks.prepare_existing("prod")


@pytest.mark.parametrize(
    ("configured", "place"),
    [
        ("{}", "istio-system"),
        ('{"istio-ingressgateway": {"namespace": "edge"}, "internal": {"namespace": "inside"}}', "edge"),
        ('{"istio-ingressgateway": {"replicas": 2}}', "istio-system"),
        ("{x", "istio-system"),
        ('{"istio-ingressgateway": "edge"}', "istio-system"),
        ("5", "istio-system"),
    ],
)
def test_the_host_reaches_the_gateway_of_the_stacks_namespace_then_istios_own(
    monkeypatch: pytest.MonkeyPatch, configured: str, place: str
) -> None:
    cluster = Mock(spec=RealCluster, kubeconfig=Mock())
    monkeypatch.setattr(kinds, "choose", lambda _: Kind.REAL)
    monkeypatch.setattr(kinds, "cluster", lambda *_: cluster)
    monkeypatch.setattr("embedded.toolchain.ensure", Mock())
    monkeypatch.setattr(stacks, "write_artifacts", Mock())
    assert stacks.prepare("embedded", {"namespace": "shop", "gateways": configured})
    gateways = [("shop", "bookinfo-gateway-istio"), (place, "istio-ingressgateway")]
    cluster.publish.assert_called_once_with(gateways)
