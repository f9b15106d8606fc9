"""The components as a Pulumi package, for programs in any language: `pulumi package add`."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from typing import Any, get_args

import pulumi
from pulumi.output import Unknown, contains_unknowns
from pulumi.provider import ConstructResult, Provider, main

from . import catalogue
from .annotations import (
    args_of,
    arguments,
    camel_case,
    choices,
    is_awaited,
    is_input,
    is_list,
    is_map,
    is_one_of,
    is_required,
    member_name,
    outputs_of,
    plain,
)
from .schema import schema

DISTRIBUTION = "istio-minikube"


def components() -> dict[str, type[pulumi.ComponentResource]]:
    """Every component by name."""
    found = {name: getattr(catalogue, name) for name in catalogue.__all__}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, pulumi.ComponentResource)
    }


def made(kind: Any, values: Mapping[str, Any], awaited: Sequence[pulumi.Resource] = ()) -> Any:
    """A dataclass from values by the names that other languages have for its fields.

    Args:
        kind: the dataclass.
        values: as the engine hands them over.
        awaited: what the fields get that are resources to wait for.

    Raises:
        pulumi.RunError: a value is missing, unknown or not accepted; names the field.
    """
    known = {camel_case(field.name): field for field in arguments(kind)}
    given = {name: value for name, value in values.items() if value is not None and not name.startswith("__")}
    if strangers := sorted(given.keys() - known):
        raise pulumi.RunError(
            f"{kind.__name__}.{strangers[0]} is {given[strangers[0]]!r}; accepted: one of {', '.join(known)}"
        )
    found: dict[str, Any] = {field.name: tuple(awaited) for field in fields(kind) if is_awaited(field.type)}
    for name, field in known.items():
        if name in given:
            found[field.name] = meant(field.type, given[name], f"{kind.__name__}.{name}")
        elif is_required(field):
            raise pulumi.RunError(f"{kind.__name__}.{name} is not given, and there is no default")
    return kind(**found)


def meant(annotation: Any, value: Any, name: str) -> Any:
    """A value as an annotation has it; ``name`` is what an error calls it."""
    if is_input(annotation) and (isinstance(value, pulumi.Output) or contains_unknowns(value)):
        return pulumi.Output.from_input(value)
    if isinstance(value, pulumi.Output | Unknown):
        raise pulumi.RunError(
            f"{name} must be known before anything is created: give the value itself, not another resource's output"
        )
    kinds = plain(annotation)
    if accepted := choices(annotation):
        return _one_of(value, accepted, name)
    if is_one_of(kinds):
        members = {member_name(each): each for each in kinds}
        _of_type(value, dict, "an object", name)
        chosen = [key for key, each in value.items() if each is not None]
        if len(chosen) != 1 or chosen[0] not in members:
            raise pulumi.RunError(f"{name} has {', '.join(chosen) or 'nothing'}; accepted: one of {', '.join(members)}")
        return made(members[chosen[0]], value[chosen[0]])
    (kind,) = kinds
    if kind is Any:
        return _with_integers(value)
    if is_list(kind):
        _of_type(value, list, "a list", name)
        return tuple(meant(get_args(kind)[0], each, f"{name}[{index}]") for index, each in enumerate(value))
    if is_map(kind):
        _of_type(value, dict, "an object", name)
        key_kind, value_kind = get_args(kind)
        return {key_kind(key): meant(value_kind, each, f"{name}.{key}") for key, each in value.items()}
    if kind is float or kind is int:
        _of_type(value, (int, float), "a number", name)
        if int(value) != value and kind is int:
            raise pulumi.RunError(f"{name} is {value!r}; accepted: a whole number")
        return kind(value)
    if kind in (str, bool):
        _of_type(value, kind, "text" if kind is str else "true or false", name)
        return value
    _of_type(value, dict, "an object", name)
    return made(kind, value)


def _of_type(value: Any, kind: Any, accepted: str, name: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise pulumi.RunError(f"{name} is {value!r}; accepted: {accepted}")


def _one_of(value: Any, accepted: Sequence[Any], name: str) -> Any:
    if value not in accepted:
        raise pulumi.RunError(f"{name} is {value!r}; accepted: {', '.join(map(repr, accepted))}")
    return value


def _with_integers(value: Any) -> Any:
    """A value of any type with its integers as such: the engine hands numbers over as floats.

    https://github.com/pulumi/pulumi/issues/18526
    """
    if isinstance(value, list):
        return [_with_integers(each) for each in value]
    if isinstance(value, dict):
        return {key: _with_integers(each) for key, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Host(Provider):
    """Creates components for programs in other languages, which see the outputs of each."""

    def __init__(self, version: str) -> None:
        self._components = components()
        super().__init__(version, json.dumps(schema(self._components.values(), version)))

    def construct(
        self, name: str, resource_type: str, inputs: Mapping[str, Any], options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Create a component.

        Raises:
            pulumi.InputPropertiesError: a value is not accepted. With a message and no list: of any other error the
                engine shows a traceback, and where it is given the property it may panic (3.274.1).
        """
        component: Any = self._components[resource_type.rpartition(":")[2]]
        awaited = options.depends_on if options and isinstance(options.depends_on, list) else []
        try:
            instance = component(name, made(args_of(component), inputs, awaited), options)
        except pulumi.RunError as error:
            raise pulumi.InputPropertiesError(f"{name}: {error}", []) from error
        return ConstructResult(
            instance.urn, {camel_case(each): getattr(instance, each) for each in outputs_of(component)}
        )


def serve() -> None:
    """Be the plugin, for as long as the engine wants it."""
    main(Host(version(DISTRIBUTION)), sys.argv[1:])
