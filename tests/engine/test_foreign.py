"""Objects of somebody else's, by the real engine: refused before anything is touched, taken over only when asked."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from components.commands import UserError
from components.gateway_api import POLICY
from components.kube import APPLY, MERGE, Kube
from components.mesh.gateway_api_crds import POLICIES
from components.ownership import LABEL
from embedded import artifacts
from embedded.cluster import Cluster
from operations.manifests.declared import declared, releases_of, settings_of
from operations.manifests.evaluate import stack_config
from operations.manifests.objects import wait_until
from operations.pulumi_cli import Cli
from operations.state import recover
from program.rules import foreign
from tests.embedded.engine import for_tests
from tests.embedded.stack import CONTEXT, as_config, settings_for, versions
from tests.unit.loading import load

DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/details-v1"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/bookinfo-details"
MANAGER = "somebody"
LABELS = {"app": "details", "version": "v1"}
# Whatever the program can declare on this cluster, but for what needs another Kubernetes.
EVERYTHING: dict[str, Any] = {
    "security": {
        "mtls": {"exceptions": {"plain": {"selector": {"app": "ratings"}, "ports": {"9080": "DISABLE"}}}},
        "authorization": True,
        "jwt": {"issuer": "https://issuer.example", "jwks": {"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB"}]}},
        "tls": {"selfSigned": True},
        "networkPolicies": {},
    },
    "observability": {"accessLogs": True},
    "traffic": {"ratings": {"routes": [{"subset": "v1"}], "timeout": "7s"}},
    "services": [
        {
            "name": "orders",
            "namespace": "shop",
            "versions": {"v1": "shop.example/orders:1", "v2": "shop.example/orders:2"},
            "port": 80,
            "allowFrom": ["default/bookinfo-productpage"],
            "traffic": {"canary": {"from": "v1", "to": "v2", "percent": 10}},
        }
    ],
    "revisions": [{"name": "default", "version": "1.23.0"}],
    "tags": {"next": "default"},
}
MANIFESTS = {
    DEPLOYMENT: {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "details-v1"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "details", "image": "shop.example/details:1"}]},
            },
        },
    },
    ACCOUNT: {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "bookinfo-details", "labels": {"account": "details"}},
    },
}


def create(kube: Kube, path: str) -> None:
    kube.request("PATCH", f"{path}?fieldManager={MANAGER}", MANIFESTS[path], content_type=APPLY)


@pytest.fixture
def theirs(cluster: Cluster) -> Iterator[Kube]:
    """The cluster with a Deployment and a ServiceAccount of somebody else's, which have names of Bookinfo's."""
    settings_for(cluster)
    kube = Kube(cluster.kubeconfig, CONTEXT)
    for path in MANIFESTS:
        create(kube, path)
    # Its controller has made its ReplicaSet, and marked it with a revision.
    wait_until("the Deployment to be seen to", lambda: "observedGeneration" in kube.get(DEPLOYMENT)["status"])
    yield kube
    for path in MANIFESTS:
        kube.delete(path)


def refusal(cli: Cli, config: Mapping[str, str], capfd: pytest.CaptureFixture[str]) -> str:
    """What an ``up`` says that must fail."""
    with pytest.raises(UserError):
        cli.up(config)
    return " ".join("".join(capfd.readouterr()).split())


def take_over(cli: Cli, cluster: Cluster) -> None:
    """``make recover``, then ``make up``."""
    config = settings_for(cluster)
    recover.recover(cli, settings_of(cli.stack, config), config, releases_of(cli.stack, config))
    cli.up(config)


def managers(kube: Kube, path: str) -> set[str]:
    return {
        entry["manager"].rpartition("-")[0] or entry["manager"] for entry in kube.get(path)["metadata"]["managedFields"]
    }


def test_somebody_elses_objects_are_refused_untouched_until_they_have_gone(
    theirs: Kube, cli: Cli, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    before = versions(theirs)
    assert (
        "objects that this stack would create exist already and are not its own: Deployment default/details-v1 "
        f"(of {MANAGER}), ServiceAccount default/bookinfo-details (of {MANAGER}). Nothing was touched."
    ) in refusal(cli, settings_for(cluster), capfd)
    assert versions(theirs) == before

    theirs.delete(DEPLOYMENT)
    said = refusal(cli, settings_for(cluster), capfd)
    assert "ServiceAccount default/bookinfo-details" in said
    assert "Deployment default/details-v1" not in said

    theirs.delete(ACCOUNT)
    assert len(cli.up(settings_for(cluster))["pods"]) == 6
    cli.run("preview", "--expect-no-changes", quiet=True)


def test_after_recovering_they_are_taken_over_and_removed_with_the_stack(
    theirs: Kube, cli: Cli, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal(cli, settings_for(cluster), capfd)
    take_over(cli, cluster)
    assert "pulumi-kubernetes" in managers(theirs, DEPLOYMENT)
    assert "pulumi-kubernetes" in managers(theirs, ACCOUNT)
    assert theirs.get(DEPLOYMENT)["spec"]["replicas"] == 1
    # From here on they are the stack's, like any other.
    cli.up(settings_for(cluster))
    cli.run("preview", "--expect-no-changes", quiet=True)
    cli.run("destroy", "--yes", "--skip-preview", quiet=True)
    assert theirs.find(ACCOUNT) is None


@pytest.fixture(scope="module")
def everything(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, dict[str, str]]]:
    """A stack that has whatever it can ask for, and its configuration."""
    cli = Cli(engine=for_tests(), stack="embedded", state=tmp_path_factory.mktemp("state"))
    config = settings_for(cluster) | {key: as_config(value) for key, value in EVERYTHING.items()}
    cli.up(config)
    yield cli, config
    cli.destroy()


def test_nothing_that_the_stack_has_created_is_taken_for_somebody_elses(
    everything: tuple[Cli, dict[str, str]], cluster: Cluster
) -> None:
    cli, config = everything
    # Each object that the rules know is there: none passes for the stack's own because it was not found.
    kube = Kube(cluster.kubeconfig, CONTEXT)
    names = foreign.declared(load(stack_config(cli.stack, config)))
    assert {each for each in names if kube.find(f"{each.listing}/{each.name}") is None} == set()
    cli.run("preview", "--expect-no-changes", quiet=True)


def test_what_somebody_has_created_again_is_theirs_until_it_is_marked_as_the_stacks(
    everything: tuple[Cli, dict[str, str]], cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    cli, config = everything
    kube = Kube(cluster.kubeconfig, CONTEXT)
    kube.delete(ACCOUNT)
    create(kube, ACCOUNT)
    assert f"ServiceAccount default/bookinfo-details (of {MANAGER})" in refusal(cli, config, capfd)
    kube.request("PATCH", ACCOUNT, {"metadata": {"labels": {LABEL: cli.stack}}}, content_type=MERGE)
    cli.up(config)
    cli.run("preview", "--expect-no-changes", quiet=True)


def test_a_release_of_the_gateway_api_names_its_policies_as_the_rules_expect(cluster: Cluster) -> None:
    artifacts.prepare(cluster.root, "1.30.3", "v1.5.1")
    folder = cluster.root / "gateway-api" / "v1.5.1" / "standard"
    config = {
        "gatewayApiManifest": str(folder),
        "istioVersion": "1.30.3",
        "gatewayApiVersion": "v1.5.1",
        "istioChartRepository": str(cluster.root / "charts"),
    }
    inputs = [each.inputs for each in declared("embedded", config).registrations if each.inputs.get("kind") in POLICIES]
    assert {(each["kind"], each["metadata"]["name"]) for each in inputs} == {(kind, POLICY) for kind in POLICIES}
