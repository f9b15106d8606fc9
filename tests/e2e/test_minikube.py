"""The whole life of stack ci on a real minikube. It takes minutes and a Docker daemon: only `make e2e` asks for it."""

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.commands import UserError
from components.versions import Version
from operations import deploy, engine, pulumi_cli
from operations.manifests.declared import settings_of
from operations.pulumi_cli import Cli

STACK = "ci"
PROFILE = "minikube"

pytestmark = pytest.mark.skipif(
    not os.environ.get("REQUIRE_E2E"), reason="starts a real minikube; `make e2e` (REQUIRE_E2E=1) asks for it"
)


def profiles() -> list[str]:
    listed = subprocess.run(["minikube", "profile", "list", "--light", "--output=json"], capture_output=True, text=True)
    return [profile["Name"] for profile in json.loads(listed.stdout).get("valid") or ()]


def kubectl(*words: str) -> str:
    command = ["kubectl", "--context", PROFILE, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def minikube(*words: str) -> None:
    subprocess.run(["minikube", *words, f"--profile={PROFILE}"], check=True)


def overrides() -> dict[str, str]:
    """Configuration keys over the stack's file, from E2E="key=value ..."."""
    return dict(pair.split("=", 1) for pair in os.environ.get("E2E", "").split())


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    assert shutil.which("minikube"), "minikube is not on PATH"
    assert PROFILE not in profiles(), f"a minikube profile {PROFILE} is there already, and these tests would delete it"
    cli = Cli(engine=engine.find(), stack=STACK, state=tmp_path_factory.mktemp("state"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi_cli, "STATE", cli.state)
        deploy.up(STACK, overrides())
        yield cli
        if PROFILE in profiles():
            cli.destroy()


def unchanged(cli: Cli) -> bool:
    """Whether neither the program nor the cluster asks for a change."""
    try:
        cli.run("preview", "--refresh", "--expect-no-changes", "--diff")
    except UserError:
        return False
    return True


def unchanged_with(cli: Cli, keys: dict[str, str]) -> bool:
    """The same, with configuration keys over the stack's file."""
    cli.select(keys)
    return unchanged(cli)


def test_up_ends_in_pods_with_sidecars_and_a_page_that_the_check_has_seen(cli: Cli) -> None:
    pods = json.loads(cli.run("stack", "output", "pods", "--json", quiet=True))
    assert len(pods) == 6


def test_a_preview_after_up_changes_nothing(cli: Cli) -> None:
    assert unchanged(cli)


def test_a_deployment_deleted_by_hand_is_drift_that_up_repairs(cli: Cli) -> None:
    kubectl("delete", "deployment", "ratings-v1")
    assert not unchanged(cli)
    cli.run("up", "--refresh", "--yes", "--skip-preview")
    assert "ratings-v1" in kubectl("get", "deployments", "--output=name")
    assert unchanged(cli)


def test_a_stopped_minikube_is_started_by_up_and_refused_by_preview(
    cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    minikube("stop")
    with pytest.raises(UserError):
        cli.run("preview")
    assert f"minikube start --profile={PROFILE}" in "".join(capfd.readouterr())
    deploy.up(STACK, overrides())
    assert unchanged(cli)


def test_the_next_patch_of_kubernetes_is_an_upgrade_in_place_that_keeps_what_runs(cli: Cli) -> None:
    running = Version.parse(settings_of(STACK, overrides())["kubernetesVersion"])
    newer = f"v{replace(running, patch=running.patch + 1)}"
    before = kubectl("get", "namespace", "kube-system", "default", "--output=jsonpath={.items[*].metadata.uid}")
    deployments = kubectl("get", "deployments", "--output=jsonpath={.items[*].metadata.uid}")
    deploy.up(STACK, {**overrides(), "kubernetesVersion": newer})
    assert json.loads(kubectl("version", "--output=json"))["serverVersion"]["gitVersion"] == newer
    assert kubectl("get", "namespace", "kube-system", "default", "--output=jsonpath={.items[*].metadata.uid}") == before
    assert kubectl("get", "deployments", "--output=jsonpath={.items[*].metadata.uid}") == deployments
    with pytest.raises(UserError):  # and not back
        deploy.up(STACK, overrides())
    assert unchanged_with(cli, {**overrides(), "kubernetesVersion": newer})


def test_home_and_not_the_password_database_says_where_the_kubeconfig_is(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.setenv("PULUMI_HOME", os.environ.get("PULUMI_HOME", str(real / ".pulumi")))
    monkeypatch.setenv("MINIKUBE_HOME", os.environ.get("MINIKUBE_HOME", str(real / ".minikube")))
    (tmp_path / ".kube").mkdir()
    (real / ".kube/config").rename(tmp_path / ".kube/config")
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        cli.run("preview", "--refresh")
    finally:
        (tmp_path / ".kube/config").rename(real / ".kube/config")


def test_a_deleted_minikube_is_told_and_one_command_brings_the_mesh_back(cli: Cli) -> None:
    minikube("delete")
    with pytest.raises(UserError, match="`make recover` forgets them"):
        deploy.up(STACK, overrides())
    assert PROFILE not in profiles()
    deploy.recover_stack(STACK, overrides())
    deploy.up(STACK, overrides())
    assert len(json.loads(cli.run("stack", "output", "pods", "--json", quiet=True))) == 6
    assert unchanged(cli)


def test_destroy_leaves_no_profile_and_no_resource(cli: Cli) -> None:
    cli.destroy()
    assert PROFILE not in profiles()
    exported = json.loads(cli.run("stack", "export", quiet=True))
    assert not exported["deployment"].get("resources")
    assert PROFILE not in Path("~/.kube/config").expanduser().read_text()
