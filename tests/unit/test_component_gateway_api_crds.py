from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components import GatewayApiCrds, GatewayApiCrdsArgs
from components.ownership import Owner
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

OWNER = Owner(stack="dev", kubeconfig="k", context="c")
SPECS: dict[str, dict[str, Any]] = {
    "CustomResourceDefinition": {"group": "g", "scope": "Namespaced"},
    "ValidatingAdmissionPolicy": {"failurePolicy": "Fail"},
    "ValidatingAdmissionPolicyBinding": {"policyName": "p"},
}
NAMES = {kind: f"{kind.lower()}.example" for kind in SPECS}
TOKENS = {
    "CustomResourceDefinition": "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
    "ValidatingAdmissionPolicy": "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding": "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
}


def document(kind: str, **metadata: Any) -> Mapping[str, Any]:
    return {"kind": kind, "metadata": {"name": NAMES[kind], **metadata}, "spec": SPECS[kind]}


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    manifest = [
        document(kind, annotations={"bundle": "v1.1.0"}, labels={"own": "label"}, creationTimestamp=None)
        for kind in SPECS
    ]

    def declare() -> None:
        args = GatewayApiCrdsArgs(manifest=manifest, owner=OWNER, requires=[something("cluster")])
        GatewayApiCrds("gateway-api", args)

    return compose(declare)


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_each_object_of_the_release_is_as_the_release_has_it_and_labelled(mesh: Mesh, kind: str) -> None:
    name = f"gateway-api-{NAMES[kind]}"
    assert (mesh.kind(name), mesh.named(name).parent) == (TOKENS[kind], "gateway-api")
    assert mesh.inputs(name)["metadata"] == {
        "name": NAMES[kind],
        "annotations": {"bundle": "v1.1.0"},
        "labels": {"own": "label", "istio-minikube/stack": "dev"},
    }
    assert mesh.inputs(name)["spec"] == SPECS[kind]


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_crds_alone_are_never_deleted_by_leaving_the_program(mesh: Mesh, kind: str) -> None:
    assert mesh.named(f"gateway-api-{NAMES[kind]}").retain is (kind == "CustomResourceDefinition")


def test_they_are_removed_with_the_stack_by_a_command_that_spares_what_others_need(mesh: Mesh) -> None:
    removal = mesh.named("gateway-api-removal")
    assert (removal.token, removal.parent) == ("command:local:Command", "gateway-api")
    assert removal.inputs == {
        "delete": "exec .venv/bin/python -m commands.crds remove --kubeconfig=k --context=c --stack=dev "
        "--group=gateway.networking.k8s.io,gateway.networking.x-k8s.io"
    }
    assert removal.dependencies == {"cluster"}


def test_its_output_is_the_names_of_its_objects(mesh: Mesh) -> None:
    assert mesh.registered["gateway-api"] == {"names": list(NAMES.values())}


def test_it_owns_nothing_where_the_crds_are_somebody_elses(compose: Compose) -> None:
    mesh = compose(lambda: GatewayApiCrds("gateway-api", GatewayApiCrdsArgs(manifest=[], owner=OWNER)))
    assert mesh.names == {"gateway-api"}
    assert mesh.registered["gateway-api"] == {"names": []}


def test_objects_that_are_no_part_of_a_release_are_refused() -> None:
    stranger = {"kind": "Namespace", "metadata": {"name": "gateway-system"}, "spec": {}}
    with pytest.raises(pulumi.RunError) as refused:
        GatewayApiCrdsArgs(manifest=[document("CustomResourceDefinition"), stranger], owner=OWNER)
    assert str(refused.value) == (
        "the Gateway API manifest holds a Namespace named gateway-system; accepted: CustomResourceDefinition, "
        "ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding"
    )
