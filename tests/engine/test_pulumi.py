"""The program by the real Pulumi engine, on the embedded cluster."""

import pytest

import pulumi_cli
from kube import KUBE_SYSTEM, Kube
from rehearsal.apply import wait_until
from rehearsal.cluster import Cluster
from tests.rehearsal.stack import CONTEXT, objects, settings_for

pytestmark = pytest.mark.skipif(pulumi_cli.found() is None, reason="the Pulumi CLI is not on PATH")


def listing(cluster: Cluster) -> set[str]:
    return set(objects(Kube(cluster.kubeconfig, CONTEXT)))


def test_up_then_nothing_to_do_then_destroy_leaves_only_what_was_there_before(
    cli: pulumi_cli.Cli, cluster: Cluster
) -> None:
    before = listing(cluster)
    outputs = cli.up(settings_for(cluster))
    assert len(outputs["pods"]) == 6
    assert all([c["name"] for c in pod["containers"]][1] == "istio-proxy" for pod in outputs["pods"])

    cli.run("preview", "--expect-no-changes", quiet=True)
    cli.run("refresh", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
    cli.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)

    cli.run("destroy", "--yes", "--skip-preview", quiet=True)
    wait_until("pods to be gone", lambda: not any(name.startswith("pods default/") for name in listing(cluster)), 60)
    assert listing(cluster) == before


def test_a_refused_configuration_changes_nothing(cli: pulumi_cli.Cli, cluster: Cluster) -> None:
    before = listing(cluster)
    with pytest.raises(pulumi_cli.CliError):
        cli.up({**settings_for(cluster), "compatibility": "enforce"})
    assert listing(cluster) == before


def test_a_key_that_nothing_reads_is_refused(
    cli: pulumi_cli.Cli, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(pulumi_cli.CliError):
        cli.up({**settings_for(cluster), "istioVersoin": "1.23.0"})
    assert "config key istio-minikube:istioVersoin is '1.23.0'; accepted: one of these keys: " in "".join(
        capfd.readouterr()
    )


def test_another_cluster_behind_the_same_context_is_neither_updated_nor_destroyed(
    cli: pulumi_cli.Cli, cluster: Cluster, own_cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    small = {"bookinfo": "false"}
    cli.up(settings_for(cluster) | small)
    own_cluster.start()
    elsewhere = settings_for(cluster) | small | {"kubeconfig": str(own_cluster.kubeconfig)}
    before = listing(own_cluster)
    with pytest.raises(pulumi_cli.CliError):
        cli.up(elsewhere)
    said = capfd.readouterr().out
    for each in (cluster, own_cluster):
        assert Kube(each.kubeconfig, CONTEXT).get(KUBE_SYSTEM)["metadata"]["uid"] in said
    assert "nothing was touched" in said
    assert listing(own_cluster) == before
