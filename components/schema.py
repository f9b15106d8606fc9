"""The components' schema, from which Pulumi writes SDKs for other languages.

Source: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
"""

from collections.abc import Collection
from dataclasses import Field, is_dataclass
from typing import Any, get_args

import pulumi

from .annotations import (
    args_of,
    arguments,
    camel_case,
    choices,
    described,
    is_input,
    is_list,
    is_map,
    is_one_of,
    is_output,
    is_required,
    member_name,
    name_of_union,
    outputs_of,
    plain,
    summary,
)

NAME = "istio-minikube"
LANGUAGES = ("csharp", "go", "java", "nodejs", "python")
PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean"}
ANY = {"$ref": "pulumi.json#/Any"}


def schema(components: Collection[type[pulumi.ComponentResource]], version: str) -> dict[str, Any]:
    """The schema of a package with these components.

    Raises:
        TypeError: an annotation cannot be said to other languages; names the class and the attribute.
    """
    written = _Types()
    resources = {
        f"{NAME}:index:{component.__name__}": {
            "isComponent": True,
            "description": summary(component),
            **_object("inputProperties", "requiredInputs", written.inputs(args_of(component))),
            **_object("properties", "required", written.outputs(component)),
        }
        for component in components
    }
    return {
        "name": NAME,
        "displayName": "Istio on minikube, and on any Kubernetes",
        "version": version,
        "description": "An Istio mesh as typed components: control plane, injection, gateways, traffic, security.",
        "resources": resources,
        "types": written.types,
        "language": {language: {"respectSchemaVersion": True} for language in LANGUAGES},
    }


Properties = dict[str, tuple[dict[str, Any], bool]]


def _object(properties: str, required: str, found: Properties) -> dict[str, Any]:
    names = sorted(name for name, (_, needed) in found.items() if needed)
    return {properties: {name: value for name, (value, _) in found.items()}, required: names}


class _Types:
    """Writes annotations, and keeps the dataclasses that they name."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}
        self._kinds: dict[str, Any] = {}

    def inputs(self, kind: Any) -> Properties:
        """The fields of a dataclass."""
        texts = described(kind)
        return {
            camel_case(field.name): (
                {**self._written(field.type, kind, field.name), "description": _about(field, texts)},
                is_required(field),
            )
            for field in arguments(kind)
        }

    def outputs(self, component: type[pulumi.ComponentResource]) -> Properties:
        """What a component shows of itself."""
        texts = described(component)
        return {
            camel_case(name): (
                {**self._written(annotation, component, name, shown=True), "description": texts.get(name, "")},
                True,
            )
            for name, annotation in outputs_of(component).items()
        }

    def _written(self, annotation: Any, owner: Any, name: str, *, shown: bool = False) -> dict[str, Any]:
        kinds = plain(annotation)
        known = {} if shown or is_input(annotation) or is_output(annotation) else {"plain": True}
        if choices(annotation):
            return {"type": PRIMITIVES[type(choices(annotation)[0])], **known}
        if is_one_of(kinds):
            members = {
                member_name(each): ({**self._named(each), "plain": True, "description": summary(each)}, False)
                for each in kinds
            }
            return {
                "$ref": self._kept(name_of_union(kinds, owner.__module__), kinds, "One of these.", members),
                **known,
            }
        kind = kinds[0] if len(kinds) == 1 else None
        if kind in PRIMITIVES:
            return {"type": PRIMITIVES[kind], **known}
        if kind is Any:
            return {**ANY, **known}
        if is_list(kind):
            items = self._written(get_args(kind)[0], owner, name, shown=shown)
            return {"type": "array", "items": items, **known}
        if is_map(kind):
            values = self._written(get_args(kind)[1], owner, name, shown=shown)
            return {"type": "object", "additionalProperties": values, **known}
        if is_dataclass(kind):
            return {**self._named(kind), **known}
        raise TypeError(f"{owner.__name__}.{name} is {annotation}, which no other language can give")

    def _named(self, kind: Any) -> dict[str, Any]:
        if self._kinds.get(kind.__name__) != kind:
            return {"$ref": self._kept(kind.__name__, kind, summary(kind), None)}
        return {"$ref": f"#/types/{NAME}:index:{kind.__name__}"}

    def _kept(self, name: str, kind: Any, about: str, properties: Properties | None) -> str:
        if self._kinds.setdefault(name, kind) != kind:
            raise TypeError(f"{kind} and {self._kinds[name]} are both called {name}")
        found = self.inputs(kind) if properties is None else properties
        self.types[f"{NAME}:index:{name}"] = {
            "type": "object",
            "description": about,
            **_object("properties", "required", found),
        }
        return f"#/types/{NAME}:index:{name}"


def _about(field: Field[Any], texts: dict[str, str]) -> str:
    """What is said of an argument, with what is accepted and what is taken where it is not given."""
    words = [texts.get(field.name, "").rstrip(".")]
    if accepted := [str(each) for each in choices(field.type) if each != ""]:
        words.append(f"one of {', '.join(accepted)}")
    default = field.default
    if not is_required(field) and default not in ("", None, (), False) and isinstance(default, str | int | float):
        words.append(f"{str(default).lower() if isinstance(default, bool) else default} by default")
    return "; ".join(filter(None, words)) + "." if words[0] else ""
