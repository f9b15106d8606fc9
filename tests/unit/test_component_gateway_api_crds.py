from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components import GatewayApiCrds, GatewayApiCrdsArgs
from components.gateway_api import GROUP, digest
from components.ownership import Owner
from components.python import program
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

OWNER = Owner(stack="dev", kubeconfig="k", context="c")
SPECS: dict[str, dict[str, Any]] = {
    "CustomResourceDefinition": {"group": "g", "scope": "Namespaced"},
    "ValidatingAdmissionPolicy": {"failurePolicy": "Fail"},
    "ValidatingAdmissionPolicyBinding": {"policyName": "p"},
}
NAMES = {kind: f"{kind.lower()}.example" for kind in SPECS}
POLICIES = [kind for kind in SPECS if kind != "CustomResourceDefinition"]
WORDS = "--stack=dev --version=v1.1.0 --channel=standard --names=customresourcedefinition.example"
BUNDLE = program("bundle")


def document(kind: str, **metadata: Any) -> Mapping[str, Any]:
    return {"kind": kind, "metadata": {"name": NAMES[kind], **metadata}, "spec": SPECS[kind]}


def args(manifest: Sequence[Mapping[str, Any]], **more: Any) -> GatewayApiCrdsArgs:
    return GatewayApiCrdsArgs(manifest=manifest, owner=OWNER, version="v1.1.0", channel="standard", **more)


MANIFEST = [
    document(kind, annotations={"bundle": "v1.1.0"}, labels={"own": "label"}, creationTimestamp=None) for kind in SPECS
]


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    return compose(lambda: GatewayApiCrds("gateway-api", args(MANIFEST, requires=[something("cluster")])))


def test_the_crds_are_brought_and_taken_away_by_one_command(mesh: Mesh) -> None:
    command = mesh.named("gateway-api-crds")
    bring = f"{BUNDLE} apply --kubeconfig=k --context=c {WORDS}"
    assert (command.token, command.parent) == ("command:local:Command", "gateway-api")
    assert command.dependencies == {"cluster"}
    assert command.inputs == {
        "create": bring,
        "update": bring,
        "delete": f"{program('crds')} remove --kubeconfig=k --context=c --stack=dev "
        "--group=gateway.networking.k8s.io,gateway.networking.x-k8s.io",
        "environment": {
            "BUNDLE": f"v1.1.0 standard {digest(MANIFEST[:1])}",
            "SHOWS_OBJECTS": f"{BUNDLE} show {WORDS}",
        },
    }


def test_crds_of_a_file_or_folder_are_brought_from_there(compose: Compose) -> None:
    inputs = compose(lambda: GatewayApiCrds("api", args(MANIFEST, source="a folder"))).inputs("api-crds")
    assert inputs["create"].endswith(f"{WORDS} '--source=a folder'")
    assert inputs["environment"]["SHOWS_OBJECTS"].endswith(f"{WORDS} '--source=a folder'")


@pytest.mark.parametrize("kind", POLICIES)
def test_the_policy_that_guards_them_comes_after_them_as_the_release_has_it_and_labelled(mesh: Mesh, kind: str) -> None:
    name = f"gateway-api-{NAMES[kind]}"
    policy = mesh.named(name)
    assert (policy.token, policy.parent) == (f"kubernetes:admissionregistration.k8s.io/v1:{kind}", "gateway-api")
    assert policy.dependencies == {"gateway-api-crds"}
    assert mesh.inputs(name)["metadata"] == {
        "name": NAMES[kind],
        "annotations": {"bundle": "v1.1.0"},
        "labels": {"own": "label", "istio-minikube/stack": "dev"},
    }
    assert mesh.inputs(name)["spec"] == SPECS[kind]


def test_a_release_of_policies_alone_brings_no_crds(compose: Compose) -> None:
    mesh = compose(lambda: GatewayApiCrds("api", args([document(kind) for kind in POLICIES])))
    assert "api-crds" not in mesh.names
    assert {f"api-{NAMES[kind]}" for kind in POLICIES} <= mesh.names


def test_its_output_is_the_names_of_its_objects(mesh: Mesh) -> None:
    assert mesh.registered["gateway-api"] == {"names": list(NAMES.values())}


def test_it_owns_nothing_where_the_crds_are_somebody_elses(compose: Compose) -> None:
    mesh = compose(lambda: GatewayApiCrds("gateway-api", args([])))
    assert mesh.names == {"gateway-api"}
    assert mesh.registered["gateway-api"] == {"names": []}


def test_objects_that_are_no_part_of_a_release_are_refused() -> None:
    stranger = {"kind": "Namespace", "metadata": {"name": "gateway-system"}, "spec": {}}
    with pytest.raises(pulumi.RunError) as refused:
        args([document("CustomResourceDefinition"), stranger])
    assert str(refused.value) == (
        "the Gateway API manifest holds a Namespace named gateway-system; accepted: CustomResourceDefinition, "
        "ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding"
    )


def test_without_a_manifest_the_whole_release_is_brought(compose: Compose, tmp_path: Path) -> None:
    crd = document(
        "CustomResourceDefinition",
        annotations={f"{GROUP}/bundle-version": "v1.1.0", f"{GROUP}/channel": "standard"},
    )
    (tmp_path / "crds.yaml").write_text(yaml.safe_dump(dict(crd)))
    release = GatewayApiCrdsArgs(owner=OWNER, version="v1.1.0", source=str(tmp_path))
    mesh = compose(lambda: GatewayApiCrds("gateway-api", release))
    assert mesh.registered["gateway-api"] == {"names": [NAMES["CustomResourceDefinition"]]}
    assert digest([crd]) in mesh.inputs("gateway-api-crds")["environment"]["BUNDLE"]


def test_a_release_with_other_kinds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "crds.yaml").write_text("{kind: Secret, metadata: {name: it}, spec: {}}")
    release = GatewayApiCrdsArgs(owner=OWNER, version="v1.1.0", source=str(tmp_path))
    with pytest.raises(pulumi.RunError, match="the Gateway API manifest holds a Secret named it"):
        release.objects()
