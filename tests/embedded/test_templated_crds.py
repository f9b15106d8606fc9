"""CRDs that a chart has in its templates, as Istio's base has from 1.24 on, when the stack goes that brought them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.commands.crds import CRDS, await_removed, main
from components.kube import MERGE
from embedded import artifacts, toolchain
from embedded.cluster import Cluster
from operations.manifests.objects import Api, wait_until
from tests.embedded.objects import delete
from tests.embedded.stack import CONTEXT

WORKLOAD_GROUPS = "workloadgroups.networking.istio.io"
HELM_KEEPS = "helm.sh/resource-policy"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}
THEIRS = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "WorkloadGroup",
    "metadata": {"name": "theirs", "namespace": "default"},
    "spec": {"template": {"serviceAccount": "theirs"}},
}


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    """The cluster with a namespace istio-system, which goes with everything in it."""
    api = Api(cluster.kubeconfig, CONTEXT)
    api.apply(NAMESPACE)
    yield api
    delete(api, NAMESPACE)


@pytest.fixture
def crds(artefacts: Path) -> list[dict[str, Any]]:  # noqa: ARG001 skips without Go modules
    """Istio's CRDs of 1.24, labelled as its chart does."""
    source = toolchain.module_dir(*artifacts.ISTIO_API) / artifacts.ISTIO_CRDS
    found = [each for each in yaml.safe_load_all(source.read_text()) if each]
    for each in found:
        each["metadata"]["labels"] = {"helm.sh/chart": "base-1.24.6"}
    return found


@pytest.fixture
def helm(
    api: Api, cluster: Cluster, tools: Path, tmp_path: Path, crds: list[dict[str, Any]]
) -> Iterator[Callable[..., None]]:
    """helm, after it has installed them from templates and the stack has made them its own; none is left in the end."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: base\nversion: 1.24.6\n")
    (tmp_path / "templates/crds.yaml").write_text(yaml.safe_dump_all(crds))

    def run(*words: str) -> None:
        place = [f"--kubeconfig={cluster.kubeconfig}", "--namespace=istio-system"]
        done = subprocess.run([tools / "helm", *place, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    run("install", "istio-base", str(tmp_path))
    assert command(cluster, "own", "--release=istio-system/istio-base") == 0
    yield run
    run("uninstall", "istio-base", "--ignore-not-found")
    delete(api, *crds)


def command(cluster: Cluster, verb: str, *words: str) -> int:
    place = [f"--kubeconfig={cluster.kubeconfig}", f"--context={CONTEXT}"]
    return main([verb, *place, "--stack=leaving", "--group=istio.io", *words])


def test_a_crd_that_helm_would_take_from_under_somebodys_custom_resource_stops_the_removal(
    helm: Callable[..., None],
    api: Api,
    cluster: Cluster,
    crds: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (unkept,) = [each for each in crds if HELM_KEEPS not in each["metadata"].get("annotations", {})]
    assert unkept["metadata"]["name"] == WORKLOAD_GROUPS
    api.apply(THEIRS)
    assert command(cluster, "remove") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"CRD {WORKLOAD_GROUPS} has WorkloadGroup default/theirs, which is not this stack's, and")
    assert all(api.find(each) for each in [THEIRS, *crds])

    # Why: Helm leaves what its chart says is to be kept, and does not look at the object itself.
    kept = {"metadata": {"annotations": {HELM_KEEPS: "keep"}}}
    api.kube.request("PATCH", f"{CRDS}/{WORKLOAD_GROUPS}", kept, content_type=MERGE)
    helm("uninstall", "istio-base")
    wait_until("the CRD to be gone", lambda: api.find(unkept) is None)
    assert [each for each in crds if not api.find(each)] == [unkept]


@pytest.mark.usefixtures("helm")
def test_the_same_crd_goes_where_nobody_uses_it(api: Api, cluster: Cluster, crds: list[dict[str, Any]]) -> None:
    assert command(cluster, "remove") == 0
    await_removed(api.kube)
    assert [each for each in crds if api.find(each)] == []
