"""A stack that the last version brought up goes on with this one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.kube import Kube
from embedded.cluster import Cluster
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import Cli
from operations.state import former
from tests.embedded.engine import for_tests
from tests.embedded.stack import CONTEXT, as_config, pods, settings_for

FORMER = "3b98da6"
"""The last commit before the house was re-arranged and the Commands' text changed."""

CERTIFICATE = "/api/v1/namespaces/default/secrets/bookinfo-gateway-tls"
# The checks and the redirect that the last version had not, and the budget of one replica, which blocked drains. The
# mesh's check, which changes nothing, is run anew.
NEW = {
    "create injection-check",
    "create injection-check-command",
    "create exposure-redirect",
    "replace mesh-check-command",
    "delete ingress-disruption-budget",
}
# Also what must not run again: a self-signed certificate.
SECURITY = as_config({"mtls": {}, "tls": {"selfSigned": True, "host": "bookinfo.example"}})


@pytest.fixture
def former_tree(tmp_path: Path) -> Iterator[Path]:
    """A work tree of the last version, with this one's virtual environment."""
    tree = tmp_path / "former"
    git = ("git", "-C", str(PROJECT), "worktree")
    subprocess.run([*git, "add", "--quiet", "--detach", str(tree), FORMER], check=True)
    (tree / ".venv").symlink_to(Path(sys.prefix))
    yield tree
    subprocess.run([*git, "remove", "--force", str(tree)], check=True)


@pytest.fixture
def settings(cluster: Cluster) -> dict[str, str]:
    """Stack dev on the tests' cluster."""
    return settings_for(cluster) | {
        "context": CONTEXT,
        "compatibility": "warn",
        "meshCheckHttp": "false",
        "security": SECURITY,
    }


@pytest.fixture
def last(former_tree: Path, settings: dict[str, str], tmp_path: Path) -> Cli:
    """The CLI on the last version's program, its stack up."""
    cli = Cli(engine=for_tests(), stack="dev", state=tmp_path / "state", project=former_tree)
    cli.up(settings)
    return cli


@pytest.fixture
def this(last: Cli) -> Iterator[Cli]:
    """The CLI on this version's program and the same stack."""
    cli = Cli(engine=last.engine, stack=last.stack, state=last.state)
    yield cli
    cli.run("destroy", "--yes", "--skip-preview")


def uids(kube: Kube) -> set[str]:
    """Those of Istio's pods."""
    return {pod["metadata"]["uid"] for pod in pods(kube, "/api/v1/namespaces/istio-system/pods")}


def test_a_stack_of_the_last_version_is_updated_in_place_and_nothing_runs_again_that_must_not(
    this: Cli, settings: dict[str, str], cluster: Cluster
) -> None:
    kube = Kube(cluster.kubeconfig, CONTEXT)
    certificate, running = kube.get(CERTIFICATE)["data"], uids(kube)
    this.select(settings)
    steps = json.loads(this.run("preview", "--json", quiet=True))["steps"]
    changed = {
        f"{step['op']} {step['urn'].rpartition('::')[2]}" for step in steps if step["op"] not in ("same", "update")
    }
    assert changed == NEW
    # How it is deleted is for stacks that have yet to create it.
    assert "ingress-deployment" not in {step["urn"].rpartition("::")[2] for step in steps if step["op"] == "update"}

    this.up(settings)
    this.run("preview", "--expect-no-changes", quiet=True)
    assert kube.get(CERTIFICATE)["data"] == certificate
    assert uids(kube) == running


def test_a_stack_of_the_last_version_is_destroyed_by_this_one_without_an_up_before(last: Cli, cluster: Cluster) -> None:
    this = Cli(engine=last.engine, stack=last.stack, state=last.state)
    assert former.rename_commands(this)
    assert not former.rename_commands(this)
    this.destroy()
    assert this.export()["deployment"].get("resources", []) == []
    assert Kube(cluster.kubeconfig, CONTEXT).find("/api/v1/namespaces/istio-system") is None
