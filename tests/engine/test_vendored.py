"""Vendored charts, on the embedded cluster."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.commands import UserError
from components.kube import Kube
from embedded.cluster import Cluster
from operations import pulumi_cli
from program.supply import LOCK, digest
from tests.embedded.stack import CONTEXT, objects, settings_for

SMALL = {"bookinfo": "false"}
NOT_THE_PROJECT = (".*", "__pycache__", "tests", "vendor")


def kube(cluster: Cluster) -> Kube:
    return Kube(cluster.kubeconfig, CONTEXT)


@pytest.fixture
def project(tmp_path: Path, cluster: Cluster) -> Path:
    """A copy of this project, whose embedded cluster is the tests' own."""
    copy = tmp_path / "project"
    shutil.copytree(pulumi_cli.PROJECT, copy, ignore=shutil.ignore_patterns(*NOT_THE_PROJECT))
    (copy / ".venv").symlink_to(pulumi_cli.PROJECT / ".venv")
    (copy / ".embedded").symlink_to(cluster.root)
    config = settings_for(cluster) | {"context": CONTEXT}
    # Those that are no text have their own type in a file.
    read = config | {"istioValues": yaml.safe_load(config["istioValues"])}
    content = {"config": {f"istio-minikube:{key}": value for key, value in read.items()}}
    (copy / "Pulumi.embedded.yaml").write_text(yaml.safe_dump(content))
    return copy


def test_a_locked_stack_is_installed_from_its_vendored_files_and_another_file_is_refused(
    project: Path, cli: pulumi_cli.Cli, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    subprocess.run([sys.executable, "-m", "operations", "vendor", "--stack", "embedded"], cwd=project, check=True)
    assert (project / LOCK).is_file()
    cli = replace(cli, project=project)
    # Nothing answers there, and nobody asks.
    nowhere = {"istioChartRepository": "https://127.0.0.1:1/charts", "gatewayApiManifest": "/nowhere"}
    cli.up(SMALL | nowhere)
    cli.run("preview", "--expect-no-changes", quiet=True)

    chart = project / "vendor/embedded/istiod-1.23.0.tgz"
    locked = chart.read_bytes()
    chart.write_bytes(locked + b"\0")
    before = set(objects(kube(cluster)))
    with pytest.raises(UserError):
        cli.up(SMALL | nowhere)
    said = "".join(capfd.readouterr())
    assert (
        f"has sha256 {digest(locked + bytes(1))}, and {LOCK} says {digest(locked)}: nothing of it is installed" in said
    )
    assert set(objects(kube(cluster))) == before
    chart.write_bytes(locked)
    # Where its kubeconfig is.
    cli.run("destroy", "--yes", "--skip-preview", quiet=True)
