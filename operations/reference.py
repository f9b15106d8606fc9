"""docs/components.md: every component with its arguments, outputs and examples, from the docstrings."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import yaml

from components import catalogue, host, schema
from components.annotations import (
    arguments,
    camel_case,
    is_awaited,
    is_one_of,
    is_required,
    member_name,
    plain,
)
from operations.manifests.evaluate import PROJECT
from operations.manifests.readme import inserted

FILE = PROJECT / "docs" / "components.md"
PART = "components"
# What the examples take for granted, as docs/components.md says above them.
OWNER = catalogue.Owner(stack="dev", context="kind-dev")
AROUND = ("gateway_api", "istio", "shop", "bookinfo", "certificate")


class Reference(str):
    """Another resource of a program, or one of its outputs, as YAML names it."""

    def __getattr__(self, output: str) -> "Reference":
        if output.startswith("_"):
            raise AttributeError(output)
        return Reference(f"{self[:-1]}.{camel_case(output)}}}")


def example(component: Any) -> str:
    """The example in a component's docstring: how a program in Python creates it."""
    section = inspect.cleandoc(component.__doc__).partition("\nExample:\n")[2]
    return textwrap.dedent(section.partition("\n\n")[0]).strip()


def example_args(component: Any) -> tuple[str, Any]:
    """The name and the arguments that the example gives."""
    around: dict[str, Any] = {name: Reference(f"${{{camel_case(name)}}}") for name in AROUND}
    names = {name: getattr(catalogue, name) for name in catalogue.__all__}

    def kept(name: str, args: Any, _: Any = None) -> tuple[str, Any]:
        return name, args

    scope = {**names, **around, "owner": OWNER, "in_cluster": None, component.__name__: kept}
    name, args = eval(example(component), scope)  # noqa: S307 it is our own
    return str(name), args


def in_yaml(value: Any, annotation: Any = Any) -> Any:
    """A value as a program in YAML gives it."""
    if isinstance(value, str):
        return str(value)
    if is_dataclass(value):
        given = properties(value)
        return {member_name(type(value)): given} if is_one_of(plain(annotation)) else given
    if isinstance(value, dict):
        return {str(key): in_yaml(each) for key, each in value.items()}
    return [in_yaml(each) for each in value] if isinstance(value, list | tuple) else value


def properties(args: Any) -> dict[str, Any]:
    """What a dataclass has been given, by the names of other languages."""
    given = {field: getattr(args, field.name) for field in arguments(type(args))}
    return {
        camel_case(field.name): in_yaml(value, field.type)
        for field, value in given.items()
        if is_required(field)
        or value != (field.default if field.default_factory is MISSING else field.default_factory())
    }


def resource(component: Any) -> dict[str, Any]:
    """The example as a program in YAML has it."""
    name, args = example_args(component)
    waits = [str(each) for field in fields(args) if is_awaited(field.type) for each in getattr(args, field.name)]
    options = {"options": {"dependsOn": waits}} if waits else {}
    return {name: {"type": f"{schema.NAME}:{component.__name__}", "properties": properties(args), **options}}


def cell(text: str) -> str:
    """Text in a table."""
    return re.sub(r"``", "`", text.replace("|", "\\|"))


def type_name(found: dict[str, Any]) -> str:
    """The type of a property as a reader knows it."""
    if reference := found.get("$ref", ""):
        name = reference.rpartition(":")[2]
        return "any" if reference.endswith("#/Any") else f"[{name}](#{name.lower()})"
    if found["type"] == "array":
        return f"list of {type_name(found['items'])}"
    if found["type"] == "object":
        return f"map of {type_name(found['additionalProperties'])}"
    return str(found["type"])


def table(found: dict[str, Any], required: list[str], heading: str) -> Iterator[str]:
    """A table of properties."""
    if found:
        yield f"| {heading} | type | what it is |"
        yield "|---|---|---|"
    for name, each in found.items():
        mark = " (required)" if name in required else ""
        yield f"| `{name}`{mark} | {type_name(each)} | {cell(each['description'])} |"


def chapter(component: Any, described: dict[str, Any]) -> Iterator[str]:
    """What there is to say of one component."""
    yield from (f"## {component.__name__}", "", described["description"].replace("``", "`"), "")
    yield from (*table(described["inputProperties"], described["requiredInputs"], "argument"), "")
    if described["properties"]:
        yield from (*table(described["properties"], [], "output"), "")
    yield from ("```python", example(component), "```", "")
    written = yaml.safe_dump(resource(component), sort_keys=False, width=100)
    yield from ("```yaml", written.rstrip(), "```", "")


def chapters() -> str:
    """Every component, then every type that their arguments are made of."""
    components = host.components()
    told = schema.schema(components.values(), "")
    lines = [
        line
        for name, component in components.items()
        for line in chapter(component, told["resources"][f"{schema.NAME}:index:{name}"])
    ]
    lines += ["# Types", ""]
    for token, kind in sorted(told["types"].items()):
        lines += [f"## {token.rpartition(':')[2]}", "", kind["description"].replace("``", "`"), ""]
        lines += [*table(kind["properties"], kind["required"], "property"), ""]
    return "\n".join(lines).rstrip()


def write() -> None:
    """Bring docs/components.md up to date."""
    FILE.write_text(inserted(FILE.read_text(), PART, chapters()))
