"""Webhooks as a cloud keeps them are no drift; as a person has changed them they are."""

from typing import Any

import pytest

from operations.manifests.clouds import with_exclusions
from operations.manifests.drift import difference
from tests.unit.test_drift import typed

OURS = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
AKS = [
    {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
    {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
    {"key": "control-plane", "operator": "DoesNotExist"},
]
GKE = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "gke-managed-system"]}
SOMEBODY = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}


def configuration(*expressions: dict[str, Any]) -> dict[str, Any]:
    webhook = {"name": "sidecar-injector.istio.io", "namespaceSelector": {"matchExpressions": list(expressions)}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector"},
        "webhooks": [webhook],
    }


class Api:
    """A cluster with one object, which answers a dry run with what is applied."""

    def __init__(self, live: dict[str, Any]) -> None:
        self.live = live

    def find(self, _: Any) -> dict[str, Any]:
        return self.live

    def dry_run(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return wanted


@pytest.mark.parametrize("added", [[each] for each in (*AKS, GKE)] + [AKS])
@pytest.mark.parametrize("first", [True, False])
def test_what_a_cloud_excludes_is_no_drift(added: list[dict[str, Any]], first: bool) -> None:
    live = configuration(*added, OURS) if first else configuration(OURS, *added)
    assert difference(Api(live), typed(configuration(OURS)), "dev", ()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("live", [[SOMEBODY, OURS], [], [{**OURS, "operator": "NotIn"}, *AKS]])
def test_what_a_person_has_changed_is_drift(live: list[dict[str, Any]]) -> None:
    found = difference(Api(configuration(*live)), typed(configuration(OURS)), "dev", ())  # type: ignore[arg-type]
    assert found is not None
    assert found.lines


def test_without_a_selector_there_is_nothing_to_add() -> None:
    bare = {**configuration(), "webhooks": [{"name": "sidecar-injector.istio.io"}]}
    assert with_exclusions(bare, bare) == bare
    assert with_exclusions(bare, {}) == bare
