"""The whole life of stack ci on a real minikube. It takes minutes and a Docker daemon: only `make e2e` asks for it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.commands import UserError
from operations import engine
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


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    assert shutil.which("minikube"), "minikube is not on PATH"
    assert PROFILE not in profiles(), f"a minikube profile {PROFILE} is there already, and these tests would delete it"
    cli = Cli(engine=engine.find(), stack=STACK, state=tmp_path_factory.mktemp("state"))
    cli.up(dict(pair.split("=", 1) for pair in os.environ.get("E2E", "").split()))
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


def test_destroy_leaves_no_profile_and_no_resource(cli: Cli) -> None:
    cli.destroy()
    assert PROFILE not in profiles()
    exported = json.loads(cli.run("stack", "export", quiet=True))
    assert not exported["deployment"].get("resources")
    assert PROFILE not in Path("~/.kube/config").expanduser().read_text()
