import re
from typing import Any

import pulumi
import pytest

from components import InjectedNamespace, InjectedNamespaceArgs
from tests.unit.conftest import Compose

OWN = {"istio-minikube/stack": "dev"}


@pytest.mark.parametrize(
    ("args", "token", "labels"),
    [
        ({"exists": True}, "NamespacePatch", {"istio-injection": "enabled"}),
        ({"exists": True, "revision": "1-23-0"}, "NamespacePatch", {"istio.io/rev": "1-23-0"}),
        (
            {"exists": True, "waypoint": "waypoint"},
            "NamespacePatch",
            {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "waypoint"},
        ),
        ({"exists": False}, "Namespace", {**OWN, "istio-injection": "enabled"}),
        ({"exists": False, "revision": "1-23-0"}, "Namespace", {**OWN, "istio.io/rev": "1-23-0"}),
    ],
)
def test_somebody_elses_namespace_gets_the_meshs_labels_and_a_new_one_is_owned(
    compose: Compose, args: dict[str, Any], token: str, labels: dict[str, str]
) -> None:
    mesh = compose(lambda: InjectedNamespace("namespace", InjectedNamespaceArgs(namespace="shop", labels=OWN, **args)))
    assert mesh.kind("namespace-namespace") == f"kubernetes:core/v1:{token}"
    assert mesh.named("namespace-namespace").parent == "namespace"
    assert mesh.inputs("namespace-namespace") == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": labels},
    }
    assert mesh.registered["namespace"] == {"namespace": "shop"}


def test_whoever_uses_its_namespace_waits_for_the_label(compose: Compose) -> None:
    def declare() -> None:
        made = InjectedNamespace("namespace", InjectedNamespaceArgs(namespace="shop", exists=True))
        pulumi.ComponentResource("test:index:User", "user", {"namespace": made.namespace})

    request = compose(declare).options("user")
    assert [urn.split("::")[-1] for urn in request.dependencies] == ["namespace-namespace"]


@pytest.mark.parametrize("namespace", ["istio-system", "kube-system", "kube-public", "kube-node-lease"])
def test_namespaces_that_must_not_have_sidecars_are_refused(namespace: str) -> None:
    message = (
        f"namespace is {namespace!r}; accepted: any namespace but istio-system and kube-*, "
        "as a sidecar there would cut off the control plane it depends on"
    )
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        InjectedNamespaceArgs(namespace=namespace, exists=True)


@pytest.mark.parametrize("namespace", ["default", "kubernetes", "istio-system-2"])
def test_names_that_only_look_alike_are_accepted(namespace: str) -> None:
    assert InjectedNamespaceArgs(namespace=namespace, exists=True).namespace == namespace
