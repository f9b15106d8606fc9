from typing import Any

import pytest

from components import RevisionTag, RevisionTagArgs
from components.mesh.revision_tag import webhooks
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

ACCEPTS = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}
ASKS = {"key": "sidecar.istio.io/inject", "operator": "In", "values": ["true"]}
NO_REVISION = {"key": "istio.io/rev", "operator": "DoesNotExist"}
NO_INJECTION = {"key": "istio-injection", "operator": "DoesNotExist"}


def names(tag: str) -> dict[str, str]:
    return {"key": "istio.io/rev", "operator": "In", "values": [tag]}  # type: ignore[dict-item] # as YAML has it


def webhook(prefix: str, namespace: list[Any], pod: list[Any], service: str = "istiod-1-23-0") -> dict[str, Any]:
    """As istioctl 1.23.0 and Istio's chart write it; istiod adds the caBundle."""
    return {
        "name": f"{prefix}sidecar-injector.istio.io",
        "clientConfig": {"service": {"name": service, "namespace": "istio-system", "path": "/inject", "port": 443}},
        "sideEffects": "None",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchExpressions": namespace},
        "objectSelector": {"matchExpressions": pod},
    }


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    args = {"tag": "prod", "revision": "1-23-0"}
    return compose(lambda: RevisionTag("tag-prod", RevisionTagArgs(**args, istiods=[something("istiod")])))


def test_a_tag_is_a_webhook_configuration_that_istiod_knows_by_its_labels(mesh: Mesh) -> None:
    made = mesh.named("tag-prod-webhook")
    assert made.token == "kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration"  # noqa: S105 a type
    assert (made.parent, set(made.dependencies)) == ("tag-prod", {"istiod"})
    assert made.inputs["metadata"] == {
        "name": "istio-revision-tag-prod",
        "labels": {"app": "sidecar-injector", "istio.io/tag": "prod", "istio.io/rev": "1-23-0"},
    }
    assert made.inputs["webhooks"] == [
        webhook("rev.namespace.", [names("prod"), NO_INJECTION], [ACCEPTS]),
        webhook("rev.object.", [NO_REVISION, NO_INJECTION], [ACCEPTS, names("prod")]),
    ]
    assert mesh.registered["tag-prod"] == {"tag": "prod"}


def test_the_default_tag_is_also_for_whoever_names_no_revision() -> None:
    enabled = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
    assert webhooks("default", "1-23-0")[2:] == [
        webhook("namespace.", [enabled], [ACCEPTS]),
        webhook("object.", [NO_INJECTION, NO_REVISION], [ASKS, NO_REVISION]),
    ]


def test_a_tag_of_the_istiod_without_a_name_leads_there() -> None:
    assert {hook["clientConfig"]["service"]["name"] for hook in webhooks("prod", "")} == {"istiod"}
