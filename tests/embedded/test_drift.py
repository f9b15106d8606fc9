"""What `make drift` finds in a cluster that people have worked on by hand."""

from collections.abc import Iterator

import pytest

from components.kube import MERGE
from embedded.cluster import Cluster
from operations.manifests import drift
from tests.embedded.stack import Stack, settings_for

DETAILS = "/api/v1/namespaces/default/services/details"
REVIEWS = "/apis/apps/v1/namespaces/default/deployments/reviews-v1"
RATINGS = "/apis/apps/v1/namespaces/default/deployments/ratings-v1"
GATEWAY = "/apis/apps/v1/namespaces/istio-system/deployments/istio-ingressgateway"
BUDGET = "/apis/policy/v1/namespaces/istio-system/poddisruptionbudgets/istiod"
ISTIOD = "/api/v1/namespaces/istio-system/services/istiod"


@pytest.fixture(scope="module")
def stack(cluster: Cluster) -> Iterator[Stack]:
    stack = Stack(cluster=cluster)
    stack.up()
    yield stack
    stack.down()


def found(stack: Stack) -> list[str]:
    return [str(each) for each in drift.find("embedded", settings_for(stack.cluster), stack.helm)[2]]


def test_drift_is_found_in_typed_objects_and_in_helm_releases_and_only_there(stack: Stack) -> None:
    assert found(stack) == []

    # An autoscaler's doing, and a label of somebody's own: none of the program's business.
    stack.kube.request("PATCH", GATEWAY, {"spec": {"replicas": 2}}, content_type=MERGE)
    stack.kube.request("PATCH", DETAILS, {"metadata": {"labels": {"team": "shop"}}}, content_type=MERGE)
    assert found(stack) == []

    stack.kube.request("PATCH", DETAILS, {"spec": {"ports": [{"name": "http", "port": 9081}]}}, content_type=MERGE)
    stack.kube.request("PATCH", RATINGS, {"spec": {"replicas": 2}}, content_type=MERGE)
    stack.kube.delete(REVIEWS)
    stack.kube.request("PATCH", BUDGET, {"spec": {"minAvailable": 0}}, content_type=MERGE)
    stack.kube.delete(ISTIOD)
    before = stack.kube.get(RATINGS)["metadata"]["generation"]
    details, *others = sorted(found(stack), key=lambda line: "details" not in line)
    assert (
        "Service default/details (bookinfo-details): differs\n    spec.ports[http].port: 9081, should be 9080"
        in details
    )
    assert sorted(others) == [
        "Deployment default/ratings-v1 (bookinfo-ratings-v1): differs\n    spec.replicas: 2, should be 1",
        "Deployment default/reviews-v1 (bookinfo-reviews-v1): missing",
        "PodDisruptionBudget istio-system/istiod (Helm release istiod, istio-istiod): differs\n"
        "    spec.minAvailable: 0, should be 1",
        "Service istio-system/istiod (Helm release istiod, istio-istiod): missing",
    ]
    assert stack.kube.get(RATINGS)["metadata"]["generation"] == before

    # `up` puts typed objects right that a refresh has found, and --repair what Helm hides. A Service's renamed port has
    # to be deleted first.
    api, _, differences = drift.find("embedded", settings_for(stack.cluster), stack.helm)
    assert len(drift.repair(api, differences)) == 2
    stack.kube.delete(DETAILS)
    stack.cli.run("refresh", "--yes", "--skip-preview", quiet=True)
    stack.up()
    assert found(stack) == []
    # What `make drift` has put right is Helm's all the same.
    stack.cli.run("preview", "--expect-no-changes", quiet=True)
