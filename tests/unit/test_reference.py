from collections.abc import Mapping
from typing import Any

import pytest

from components import host
from components.annotations import args_of
from components.host import made
from operations import reference
from operations.manifests.readme import inserted
from operations.reference import example, example_args, properties, resource

COMPONENTS = host.components()
OUTPUTS = {"${bookinfo.generations}": {"details-v1": "1a2b/1"}}


def test_the_reference_is_what_the_docstrings_say() -> None:
    written = reference.FILE.read_text()
    assert written == inserted(written, reference.PART, reference.chapters()), "run `make reference`"


def known(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: OUTPUTS.get(value, value) if isinstance(value, str) else value for key, value in given.items()}


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_components_example_is_its_own_and_both_languages_say_the_same(name: str) -> None:
    component: Any = COMPONENTS[name]
    assert example(component).startswith(f"{name}(")
    (written,) = resource(component).values()
    assert written["type"] == f"istio-minikube:{name}"
    # As the engine hands it over, which knows the outputs.
    given, expected = known(written["properties"]), known(properties(example_args(component)[1]))
    assert properties(made(args_of(component), given)) == expected


def test_what_is_waited_for_is_an_option_and_what_has_its_default_is_left_out() -> None:
    assert resource(COMPONENTS["IngressGateway"]) == {
        "ingress": {
            "type": "istio-minikube:IngressGateway",
            "properties": {"istioVersion": "${istio.version}", "serviceType": "NodePort"},
            "options": {"dependsOn": ["${istio}"]},
        }
    }


def test_one_of_several_is_given_by_its_name() -> None:
    (written,) = resource(COMPONENTS["GatewayCertificate"]).values()
    assert written["properties"]["source"] == {"selfSigned": {"host": "shop.example"}}
