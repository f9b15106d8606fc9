"""What programs in other languages are told of the components."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest

from components import Bookinfo, IstioBase, host
from components.annotations import described, summary
from components.schema import schema

SCHEMA = schema(host.components().values(), "1.2.3")
RESOURCES, TYPES = SCHEMA["resources"], SCHEMA["types"]


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything that has properties, with what it is called."""
    for name, resource in RESOURCES.items():
        yield f"{name} in", resource["inputProperties"]
        yield f"{name} out", resource["properties"]
    for name, kind in TYPES.items():
        yield name, kind["properties"]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_component_is_there() -> None:
    assert {name.rpartition(":")[2] for name in RESOURCES} == set(host.components())
    assert SCHEMA["version"] == "1.2.3"


def test_everything_is_described() -> None:
    undescribed = [
        f"{name} {key}" for name, found in objects() for key, each in found.items() if not each["description"]
    ]
    assert undescribed == []
    assert [name for name, kind in (RESOURCES | TYPES).items() if not kind["description"]] == []


def test_every_reference_leads_somewhere() -> None:
    own = {f"#/types/{name}" for name in TYPES}
    assert set(references(SCHEMA)) == own | {"pulumi.json#/Any"}


def test_what_has_a_default_need_not_be_given_and_resources_to_wait_for_are_no_arguments() -> None:
    found = RESOURCES["istio-minikube:index:Bookinfo"]
    assert found["requiredInputs"] == ["dataPlane", "namespace"]
    assert "injectors" not in found["inputProperties"]


def test_an_output_of_another_resource_is_taken_where_the_component_takes_one_and_nowhere_else() -> None:
    found = RESOURCES["istio-minikube:index:MeshCheck"]["inputProperties"]
    assert not {"plain"} & (found["namespace"].keys() | found["deployments"]["additionalProperties"].keys())
    assert found["context"]["plain"] is found["pages"]["plain"] is True


def test_a_literal_says_what_is_accepted_and_what_the_default_is() -> None:
    found = RESOURCES["istio-minikube:index:IngressGateway"]["inputProperties"]["serviceType"]
    assert found["type"] == "string"
    assert found["description"].endswith("one of LoadBalancer, NodePort, ClusterIP; LoadBalancer by default.")


def test_one_of_several_sources_is_given_by_its_name() -> None:
    assert TYPES["istio-minikube:index:CertificateSource"]["properties"].keys() == {
        "selfSigned",
        "existingSecret",
        "certManager",
    }
    assert TYPES["istio-minikube:index:SecurityConfig"]["properties"]["tls"]["$ref"].endswith(":CertificateSource")


def test_outputs_are_what_a_component_shows_but_its_resources() -> None:
    assert RESOURCES["istio-minikube:index:IstioBase"]["properties"].keys() == {"version", "namespace"}
    assert RESOURCES["istio-minikube:index:Bookinfo"]["properties"].keys() == {"generations"}


def test_a_description_is_a_docstrings_words_in_one_line() -> None:
    assert summary(IstioBase) == ("Istio's CRDs and a ready istiod in istio-system, or several of different revisions.")
    assert described(Bookinfo)["deployments"] == "the Deployments by name."


def taking(annotation: Any, name: str = "Taking") -> type[pulumi.ComponentResource]:
    """A component with one argument of a type."""
    args: Any = dataclass(type(f"{name}Args", (), {"__annotations__": {"it": annotation}}))

    class Taking(pulumi.ComponentResource):
        def __init__(self, name: str, args: Any, opts: pulumi.ResourceOptions | None = None) -> None:
            raise NotImplementedError

    Taking.__init__.__annotations__["args"] = args
    Taking.__name__ = name
    return Taking


@pytest.mark.parametrize("annotation", [Callable[[], int], pulumi.Resource, Sequence[pulumi.CustomResource], str | int])
def test_what_no_other_language_can_give_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"TakingArgs\.it is .*, which no other language can give"):
        schema([taking(annotation)], "1.0.0")


def test_two_types_of_one_name_are_refused() -> None:
    kinds: list[Any] = [
        dataclass(type("Same", (), {"__annotations__": {"it": each}, "__doc__": each.__name__})) for each in (str, int)
    ]
    with pytest.raises(TypeError, match="are both called Same"):
        schema([taking(kind, f"Taking{number}") for number, kind in enumerate(kinds)], "1.0.0")
