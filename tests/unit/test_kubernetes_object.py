"""A Kubernetes object is registered as pulumi_kubernetes' own class of its kind would register it."""

import re
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.objects import KubernetesObject, generations_of, name_of
from tests.unit.recording import composed, something

METADATA = {"name": "it", "namespace": "shop", "labels": {"app": "it"}}
SELECTED = {"matchLabels": {"app": "it"}}


@pytest.mark.parametrize(
    ("kind", "own", "manifest"),
    [
        ("core/v1:Service", k8s.core.v1.Service, {"spec": {"selector": {"app": "it"}, "clusterIP": "None"}}),
        ("core/v1:Namespace", k8s.core.v1.Namespace, {}),
        ("core/v1:NamespacePatch", k8s.core.v1.NamespacePatch, {}),
        ("core/v1:Secret", k8s.core.v1.Secret, {"type": "kubernetes.io/tls", "stringData": {"tls.key": "k"}}),
        ("core/v1:ServiceAccount", k8s.core.v1.ServiceAccount, {"imagePullSecrets": [{"name": "registry"}]}),
        ("apps/v1:Deployment", k8s.apps.v1.Deployment, {"spec": {"selector": SELECTED, "minReadySeconds": 5}}),
        (
            "autoscaling/v2:HorizontalPodAutoscaler",
            k8s.autoscaling.v2.HorizontalPodAutoscaler,
            {"spec": {"minReplicas": 1, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment"}}},
        ),
        ("policy/v1:PodDisruptionBudget", k8s.policy.v1.PodDisruptionBudget, {"spec": {"selector": SELECTED}}),
        ("networking.k8s.io/v1:NetworkPolicy", k8s.networking.v1.NetworkPolicy, {"spec": {"podSelector": SELECTED}}),
        ("rbac.authorization.k8s.io/v1:Role", k8s.rbac.v1.Role, {"rules": [{"apiGroups": [""], "verbs": ["get"]}]}),
        ("rbac.authorization.k8s.io/v1:RoleBinding", k8s.rbac.v1.RoleBinding, {"roleRef": {"kind": "Role"}}),
        (
            "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
            k8s.admissionregistration.v1.ValidatingAdmissionPolicy,
            {"spec": {"failurePolicy": "Fail"}},
        ),
    ],
)
def test_it_is_registered_as_the_class_of_its_kind_registers_it(
    kind: str, own: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    spelt = {key: re.sub("([A-Z])", r"_\1", key).lower() for key in manifest}
    arguments = {spelt[key]: value for key, value in manifest.items()}

    def registered(declare: Callable[[pulumi.Resource], object]) -> Any:
        request = composed(lambda: declare(something("parent"))).options("it")
        for field in ("aliases", "sourcePosition", "stackTrace"):
            request.ClearField(field)
        return request

    assert registered(
        lambda parent: KubernetesObject(kind, "it", parent=parent, metadata=METADATA, **manifest)
    ) == registered(
        lambda parent: own("it", opts=pulumi.ResourceOptions(parent=parent), metadata=METADATA, **arguments)
    )


def test_its_name_and_generation_are_those_that_the_cluster_gave_it() -> None:
    answers: dict[str, dict[str, Any]] = {
        "it": {"metadata": {"name": "given", "uid": "1a2b", "generation": 7}},
        "new": {"metadata": {}},
    }

    def declare() -> None:
        it, new = (
            KubernetesObject("apps/v1:Deployment", name, parent=something("parent"), metadata={"name": "asked"})
            for name in ("it", "new")
        )
        pulumi.export("name", name_of(it))
        pulumi.export("generations", generations_of({"it": it, "new": new}))

    outputs = composed(declare, answers).outputs
    assert outputs == {"name": "given", "generations": {"it": "1a2b/7", "new": "None/None"}}
