"""The program by the real Pulumi engine, on the embedded cluster."""

import json
from pathlib import Path

import pytest

from components.commands import UserError
from components.kube import KUBE_SYSTEM, Kube
from embedded import artifacts
from embedded.cluster import Cluster
from operations import pulumi_cli
from operations.manifests.objects import wait_until
from tests.embedded.engine import for_tests
from tests.embedded.stack import CONTEXT, objects, settings_for


def listing(cluster: Cluster) -> set[str]:
    return set(objects(Kube(cluster.kubeconfig, CONTEXT)))


def test_up_then_nothing_to_do_then_destroy_leaves_only_what_was_there_before(
    cli: pulumi_cli.Cli, cluster: Cluster
) -> None:
    def is_labelled() -> bool:
        namespace = Kube(cluster.kubeconfig, CONTEXT).get("/api/v1/namespaces/default")
        return "istio-injection" in namespace["metadata"]["labels"]

    before = listing(cluster)
    cli.up(settings_for(cluster))
    assert is_labelled()
    cli.run("preview", "--expect-no-changes", quiet=True)
    cli.run("refresh", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
    cli.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)

    cli.run("destroy", "--yes", "--skip-preview", quiet=True)
    assert not is_labelled()
    wait_until("pods to be gone", lambda: not any(name.startswith("pods default/") for name in listing(cluster)))
    assert listing(cluster) == before


@pytest.mark.skipif(
    not (pulumi_cli.PROJECT / "policy" / ".venv" / ".ready").exists(), reason="`make policy-pack` has not been run"
)
def test_the_policy_pack_lets_prod_through_and_stops_it_without_what_the_policies_ask_for(
    tmp_path: Path, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    prod = pulumi_cli.Cli(engine=for_tests(), stack="prod", state=tmp_path / "state", policies=True)
    artifacts.prepare(cluster.root, "1.31.1", "v1.6.1")
    here = settings_for(cluster, "1.31.1") | {
        "context": CONTEXT,
        "gatewayApiVersion": "v1.6.1",
        "gatewayApiManifest": str(cluster.root / "gateway-api" / "v1.6.1" / "standard"),
        "compatibility": "warn",
    }
    prod.preview(here)
    with pytest.raises(UserError):
        prod.preview(here | {"security": "{}", "protect": "false"})
    said = capfd.readouterr().out
    for policy in ("protected", "strict-mtls", "default-deny"):
        assert f"[mandatory]  {policy}  " in said
    # A service's registry is allowed as the configuration names it, until the configuration allows others alone.
    requests = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    web = [{"name": "web", "image": "registry.example/web:1.4", "port": 80, "resources": requests}]
    prod.preview(here | {"services": json.dumps(web)})
    with pytest.raises(UserError):
        prod.preview(here | {"services": json.dumps(web), "allowedRegistries": '["only.example"]'})
    assert "[mandatory]  images-from-allowed-registries  " in capfd.readouterr().out


def test_another_cluster_behind_the_same_context_is_neither_updated_nor_destroyed(
    cli: pulumi_cli.Cli, cluster: Cluster, own_cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    small = {"bookinfo": "false"}
    cli.up(settings_for(cluster) | small)
    own_cluster.start()
    elsewhere = settings_for(cluster) | small | {"kubeconfig": str(own_cluster.kubeconfig)}
    before = listing(own_cluster)
    with pytest.raises(UserError):
        cli.up(elsewhere)
    said = capfd.readouterr().out
    for each in (cluster, own_cluster):
        assert Kube(each.kubeconfig, CONTEXT).get(KUBE_SYSTEM)["metadata"]["uid"] in said
    assert "nothing was touched" in said
    assert listing(own_cluster) == before
