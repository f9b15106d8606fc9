"""Two control planes side by side, and namespaces that move from one to the other."""

import re
from typing import Any

import pytest

from tests.embedded.stack import Stack, as_config, pods, versions

REVISIONS = [{"name": "default", "version": "1.23.0"}, {"name": "1-24-6", "version": "1.24.6"}]
SERVICES = [
    {"name": name, "namespace": namespace, "image": f"shop.example/{name}:1", "port": 8080}
    for name, namespace in (("web", "default"), ("orders", "shop"))
]
ALONE = {"bookinfo": "false", "services": as_config(SERVICES)}
BOTH = {**ALONE, "revisions": as_config(REVISIONS), "tags": as_config({"stable": "default"})}
BY_TAG = {**BOTH, "namespaceRevisions": as_config({"shop": "stable"})}


@pytest.fixture
def stack(stack: Stack) -> Stack:
    """The stack with one istiod."""
    stack.up(**ALONE)
    return stack


def by_namespace(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for pod in pods(stack.kube, "/api/v1/pods"):
        found.setdefault(pod["metadata"]["namespace"], []).append(pod)
    return found


def sidecars(stack: Stack) -> dict[str, set[str]]:
    """The versions of the proxies by namespace."""
    return {
        namespace: {
            container["image"].rpartition(":")[2]
            for pod in found
            for container in pod["spec"]["containers"]
            if container["name"] == "istio-proxy"
        }
        for namespace, found in by_namespace(stack).items()
    }


def test_a_second_control_plane_comes_beside_the_first_and_no_pod_rolls(stack: Stack) -> None:
    before = {pod["metadata"]["uid"] for found in by_namespace(stack).values() for pod in found}
    stack.up(**BOTH)
    after = {pod["metadata"]["uid"]: pod for found in by_namespace(stack).values() for pod in found}
    assert before < set(after)
    (new,) = set(after) - before
    assert after[new]["spec"]["containers"][0]["image"] == "docker.io/istio/pilot:1.24.6"


def test_namespaces_move_one_at_a_time_by_revision_and_by_tag(stack: Stack) -> None:
    stack.up(**BY_TAG)
    assert sidecars(stack) == {"default": {"1.23.0"}, "shop": {"1.23.0"}, "istio-system": {"1.23.0"}}
    stack.up(**{**BY_TAG, "tags": as_config({"stable": "1-24-6"})})
    assert sidecars(stack) == {"default": {"1.23.0"}, "shop": {"1.24.6"}, "istio-system": {"1.23.0"}}
    stack.up(**{**BOTH, "namespaceRevisions": as_config({"default": "1-24-6", "istio-system": "1-24-6"})})
    assert sidecars(stack) == {"default": {"1.24.6"}, "shop": {"1.23.0"}, "istio-system": {"1.24.6"}}


def test_a_revision_in_use_is_not_removed_and_nothing_is_touched(stack: Stack) -> None:
    stack.up(**BOTH, namespaceRevisions=as_config({"default": "1-24-6", "istio-system": "1-24-6"}))
    before = versions(stack.kube)
    (orders,) = (pod["metadata"]["name"] for pod in by_namespace(stack)["shop"])
    refusal = re.escape(f"revision default is no longer configured, and 1 pods still use it: shop/{orders}. ")
    assert re.search(refusal, stack.refused(**ALONE, revisions=as_config(REVISIONS[1:]), revision="1-24-6"))
    assert versions(stack.kube) == before
