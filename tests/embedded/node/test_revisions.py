"""Two istiods of one version on a real node: what uses a tag moves from one to the other, and no request is lost."""

import json
from collections.abc import Iterator

import pytest

from components.commands.mesh_pods import revision_of
from operations.manifests.declared import settings_of
from program.control_planes import DEFAULT
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.node.visits import load, settle

OTHERS, CANARY, TAG = "others", "canary", "stable"
STARS = ("none", "black", "red")
IMAGE = "docker.io/istio/examples-bookinfo-details-v1:1.20.1"
# Two of somebody else's Deployments, whose namespace names the tag.
DEPLOYMENTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {OTHERS}, labels: {{istio.io/rev: {TAG}}}}}
""" + "".join(
    f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {OTHERS}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 9080}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {OTHERS}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: details, image: "{IMAGE}"}}]}}
"""
    for name in ("first", "second")
)


def both(**more: object) -> dict[str, str]:
    """The configuration with two revisions of the one version."""
    settings = settings_of("embedded")
    revisions = [{"name": name, "version": settings["istioVersion"]} for name in (DEFAULT, CANARY)]
    config = {"revisions": revisions, **more}
    return {key: json.dumps(value) for key, value in config.items()}


def tagged(revision: str, **more: object) -> dict[str, str]:
    """Bookinfo's namespace uses the tag, which stands for a revision."""
    return both(tags={TAG: revision}, namespaceRevisions={NAMESPACE: TAG}, **more)


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh) -> Iterator[None]:
    mesh.up(**tagged(DEFAULT))
    mesh.kubectl.apply(DEPLOYMENTS)
    for name in ("first", "second"):
        mesh.kubectl("rollout", "status", f"deployment/{name}", f"--namespace={OTHERS}", f"--timeout={PATIENCE}")
    yield
    mesh.kubectl("delete", "namespace", OTHERS)
    # A revision goes when nothing uses it.
    mesh.up(**both())


def revisions(mesh: Mesh, namespace: str) -> set[str]:
    """Those of the namespace's pods that are not ending, but for the tests' client."""
    pods = mesh.kubectl.json("get", "pods", f"--namespace={namespace}", "--selector=app")["items"]
    return {revision_of(pod["metadata"]["annotations"]) for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def test_what_uses_a_tag_moves_with_it_and_no_request_is_lost(mesh: Mesh) -> None:
    eventually(lambda: (revisions(mesh, NAMESPACE), revisions(mesh, OTHERS)) == ({DEFAULT}, {DEFAULT}), 120)
    settle(mesh, *STARS)
    with load(mesh, *STARS) as visitors:
        outputs = mesh.up(**tagged(CANARY, rollout=[OTHERS]))
        visitors.quiet()
    assert visitors.failed == []
    # The pods of before are told to end once the new ones are ready, which is all that an up waits for.
    eventually(lambda: revisions(mesh, NAMESPACE) == {CANARY}, 120)
    # Somebody else's Deployments, restarted one after the other.
    assert revisions(mesh, OTHERS) == {CANARY}
    assert outputs["rollout"]["restarted"] == [f"{OTHERS}/first", f"{OTHERS}/second"]
    # Nothing keeps the tests' client, so that it is told of and left alone.
    assert [(each["namespace"], each["name"]) for each in outputs["rollout"]["old"]] == [(NAMESPACE, "mesh-client")]
