"""`make tour`, `make open` and `make preview` on a mesh that answers."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.kube import Kube
from embedded import toolchain
from operations.access import page, shell
from operations.access.browser import reached
from operations.manifests import inside, steps
from operations.manifests.declared import settings_of
from operations.tour.steps import STEPS
from operations.tour.texts import Texts
from operations.tour.walk import walk
from operations.tour.world import World
from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.stack import objects

GATEWAY_PODS = (
    "pods",
    f"--namespace={NAMESPACE}",
    "--selector=gateway.networking.k8s.io/gateway-name=bookinfo-gateway",
)


@pytest.fixture(scope="module")
def outputs(mesh: Mesh) -> dict[str, Any]:
    return mesh.up()


@pytest.fixture
def settings(mesh: Mesh, outputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Those of the mesh, in the place of a stack of a person's."""
    assert outputs["productPage"]
    monkeypatch.setattr(shell, "STATE", tmp_path)
    return settings_of("embedded", mesh._config({}))


@pytest.fixture
def address(settings: dict[str, str], outputs: dict[str, Any], said: list[str]) -> Iterator[str]:
    """The page's, by a port-forward as on somebody's cluster."""
    with reached("embedded", settings, outputs, said.append) as found:
        eventually(lambda: page.asked(found).status == 200, 120)
        yield found


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def say(said: list[str]) -> Callable[[str], None]:
    """Keeps each line, and prints it, for whoever reads why a test failed."""

    def say(line: str) -> None:
        said.append(line)
        print(line, flush=True)

    return say


def test_an_open_page_answers_again_after_its_pod_is_gone_and_one_line_says_so(
    mesh: Mesh, address: str, said: list[str]
) -> None:
    before, *_ = mesh.kubectl.json("get", *GATEWAY_PODS)["items"]
    mesh.kubectl("delete", f"pod/{before['metadata']['name']}", f"--namespace={NAMESPACE}", "--wait=false")
    eventually(
        lambda: any(line.startswith(f"Pod {before['metadata']['name']} is gone or not ready") for line in said), 180
    )
    eventually(lambda: page.asked(address).status == 200, 120)
    assert len([line for line in said if line.startswith("Pod ")]) == 1


def test_a_preview_tells_of_nothing_where_nothing_changes_and_of_pods_inside_releases(
    mesh: Mesh, settings: dict[str, str], tmp_path: Path
) -> None:
    helm = toolchain.ensure("cluster").cluster / "helm"

    def told(**config: str) -> list[str]:
        overrides = mesh._config(config)
        mesh.cli.preview(overrides, quiet=True, events=tmp_path / "events")
        return inside.tell("embedded", overrides, steps.read(tmp_path / "events"), helm).splitlines()

    assert told() == [inside.NOTHING]
    values = json.loads(settings["istioValues"])
    annotated = json.dumps({**values, "pilot": {"podAnnotations": {"asked.by": "a test"}}})
    lines = told(istioValues=annotated)
    assert lines[:3] == [
        inside.HEAD,
        "! Deployment istio-system/istiod (Helm release istiod) changes: restarts its pods",
        "      spec.template.metadata.annotations[asked.by]: 'a test' is added",
    ]
    # Istio's chart also keeps its values in a ConfigMap, which restarts nothing.
    changing = [line for line in lines[1:] if not line.startswith(" ")]
    assert changing == [lines[1], "~ ConfigMap istio-system/values (Helm release istiod) changes"]


def at_rest(found: dict[str, dict[str, Any]]) -> bool:
    """Whether none of these objects is about to go, as pods are that nothing keeps any more."""
    kept = {each["uid"] for each in found.values()}
    owners = [owner for each in found.values() for owner in each.get("ownerReferences", ())]
    # Nodes are none of these objects.
    orphaned = [owner for owner in owners if owner["kind"] != "Node" and owner["uid"] not in kept]
    return not orphaned and not any("deletionTimestamp" in each for each in found.values())


def test_the_tour_shows_everything_that_it_says_and_leaves_the_stack_as_it_was(
    mesh: Mesh, settings: dict[str, str], said: list[str], say: Callable[[str], None]
) -> None:
    kube = Kube(mesh.node.kubeconfig, settings["context"])
    eventually(lambda: at_rest(objects(kube)), 180)
    before = set(objects(kube))
    tools = toolchain.ensure("cluster").cluster
    world = World(
        stack="embedded",
        settings=settings,
        kube=kube,
        environment={
            **os.environ,
            "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
            "KUBECONFIG": str(mesh.node.kubeconfig),
        },
        page=f"http://{mesh.node.address('http')}/productpage",
        up=lambda keys: mesh.up(**keys),
        texts=Texts("en"),
        say=say,
    )
    walk(world, lambda _: True)
    shown = "\n".join(said)
    assert [line for line in said if line.startswith("This step is skipped")] == []
    for title in (world.texts.steps[name]["title"] for name in STEPS):
        assert f"] {title}\n" in shown
    assert "istio-proxy:\n    Image:" in shown
    assert "    istio-minikube:scenario: reviews-90-10\n" in shown
    assert "    istio-minikube:security: {mtls: {mode: STRICT}}\n" in shown
    assert "HTTP 200: Simple Bookstore App" in shown
    assert "    istio-minikube:observability: {accessLogs: true}\n" in shown
    eventually(lambda: set(objects(kube)) == before, 60)
