import re
from collections.abc import Iterator
from typing import Any

import pytest

from components.commands.ambient import condition
from components.kube import APPLY
from operations.manifests.objects import wait_until
from tests.embedded.stack import Stack, objects, version

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GATEWAYS = "gateways.gateway.networking.k8s.io"


def foreign_crd(name: str, version: str) -> dict[str, Any]:
    """A Gateway API CRD as somebody else would have installed it."""
    plural, group = name.split(".", 1)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": name,
            "annotations": {
                "gateway.networking.k8s.io/bundle-version": version,
                "gateway.networking.k8s.io/channel": "standard",
                "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2997",
            },
        },
        "spec": {
            "group": group,
            "names": {"plural": plural, "singular": plural[:-1], "kind": "Gateway", "listKind": "GatewayList"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


@pytest.fixture
def foreign_bundle(stack: Stack, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A Gateway API CRD of version ``request.param`` that was in the cluster before the stack."""
    crd = foreign_crd(GATEWAYS, request.param)
    stack.kube.request("PATCH", f"{CRDS}/{GATEWAYS}?fieldManager=somebody", crd, content_type=APPLY)
    wait_until("the CRD", lambda: condition(stack.kube.get(f"{CRDS}/{GATEWAYS}"), "Established"))
    yield stack.kube.get(f"{CRDS}/{GATEWAYS}")
    stack.kube.delete(f"{CRDS}/{GATEWAYS}")
    wait_until("the CRD to be gone", lambda: stack.kube.find(f"{CRDS}/{GATEWAYS}") is None)


def test_a_namespace_made_by_up_stays_the_stacks_own_and_goes_with_down(stack: Stack) -> None:
    stack.up(namespace="shop", bookinfo="false")
    stack.up(namespace="shop", bookinfo="false")
    stack.down()
    assert stack.kube.find("/api/v1/namespaces/shop") is None


def test_a_crd_that_somebody_uses_survives_down_and_is_no_longer_the_stacks(stack: Stack) -> None:
    stack.up(bookinfo="false")
    path = "/apis/networking.istio.io/v1/namespaces/default/sidecars"
    theirs = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "theirs"}, "spec": {}}
    stack.kube.request("PATCH", f"{path}/theirs?fieldManager=somebody", theirs, content_type=APPLY)
    stack.down()
    crd = stack.kube.get(f"{CRDS}/sidecars.networking.istio.io")
    assert "istio-minikube/stack" not in crd["metadata"].get("labels", {})
    assert stack.kube.find(f"{path}/theirs") is not None
    stack.kube.delete(f"{CRDS}/sidecars.networking.istio.io")
    wait_until("the CRD to be gone", lambda: stack.kube.find(path) is None)


@pytest.mark.parametrize("foreign_bundle", ["v1.1.0"], indirect=True)
def test_foreign_crds_survive_up_and_down_untouched(stack: Stack, foreign_bundle: dict[str, Any]) -> None:
    before = foreign_bundle
    stack.up(bookinfo="false")
    stack.down()
    after = stack.kube.get(f"{CRDS}/{GATEWAYS}")
    assert version(after["metadata"]) == version(before["metadata"])
    assert after["spec"] == before["spec"]


@pytest.mark.parametrize("foreign_bundle", ["v1.0.0"], indirect=True)
def test_an_old_foreign_bundle_is_refused_before_anything_is_touched(
    stack: Stack, foreign_bundle: dict[str, Any]
) -> None:
    before = set(objects(stack.kube))
    assert re.search(r"gateways v1\.0\.0 \(standard\) are older than the wanted v1\.1\.0 \(standard\)", stack.refused())
    assert set(objects(stack.kube)) == before
    assert foreign_bundle["metadata"]["name"] == GATEWAYS
