"""What the annotations of arguments and outputs say, for programs in other languages.

A component's arguments are dataclasses. Pulumi's own analyzer of them knows neither their defaults nor Literal, tuples,
unions or resources of any kind, and hands values over as it got them: integers as floats, names in camelCase.
"""

import inspect
import re
import sys
import types
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import reduce
from operator import or_
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import pulumi

LISTS = (Collection, Sequence, list, tuple)
NOTHING = type(None)
# The heading of a docstring's section, as Google's style has it.
SECTION = "Attributes:"


def camel_case(name: str) -> str:
    """A Python name as other languages have it."""
    first, *others = name.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, without None; the type itself where it is none."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return (annotation,)
    return tuple(each for each in get_args(annotation) if each is not NOTHING)


def is_input(annotation: Any) -> bool:
    """Whether another resource's output will do."""
    return any(get_origin(each) is Awaitable for each in alternatives(annotation))


def is_output(annotation: Any) -> bool:
    """Whether it is an output: known only when its resource is there."""
    return isinstance(origin := get_origin(annotation), type) and issubclass(origin, pulumi.Output)


def plain(annotation: Any) -> tuple[Any, ...]:
    """The types of which a value can be, once it is known."""
    if is_output(annotation):
        return (get_args(annotation)[0],)
    # The SDK's Input[T] is T, an Awaitable[T] or, by its name, an Output[T].
    others = (Awaitable, ForwardRef)
    return tuple(e for e in alternatives(annotation) if get_origin(e) not in others and not isinstance(e, others))


def choices(annotation: Any) -> tuple[Any, ...]:
    """The accepted values of one or several Literals; nothing where it is anything else."""
    kinds = plain(annotation)
    return tuple(v for each in kinds for v in get_args(each)) if all(get_origin(e) is Literal for e in kinds) else ()


def is_awaited(annotation: Any) -> bool:
    """Whether it is resources to wait for, which other languages give as dependsOn."""
    return bool(annotation == Sequence[pulumi.Resource])


def arguments(kind: Any) -> list[Field[Any]]:
    """The fields of a dataclass that other languages can give."""
    return [field for field in fields(kind) if not is_awaited(field.type)]


def is_required(field: Field[Any]) -> bool:
    """Whether there is no default."""
    return field.default is MISSING and field.default_factory is MISSING


def args_of(component: type[pulumi.ComponentResource]) -> Any:
    """The dataclass of a component's arguments."""
    return inspect.get_annotations(component.__init__)["args"]


def outputs_of(component: type[pulumi.ComponentResource]) -> dict[str, Any]:
    """The annotations of what other languages see of a component: all but its resources."""
    return {name: kind for name, kind in inspect.get_annotations(component).items() if not _has_resource(kind)}


def _has_resource(annotation: Any) -> bool:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return issubclass(annotation, pulumi.Resource)
    return any(_has_resource(each) for each in get_args(annotation))


def described(kind: Any) -> dict[str, str]:
    """What a class's docstring says of each of its attributes."""
    section = inspect.cleandoc(kind.__doc__ or "").partition(f"\n{SECTION}\n")[2].partition("\n\n")[0]
    entries = re.finditer(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {each[1]: " ".join(each[2].split()) for each in entries}


def summary(kind: Any) -> str:
    """What a class's docstring says before its first section."""
    return re.split(r"\n\n(?:\w+:\n|Source: )", inspect.cleandoc(kind.__doc__ or ""))[0]


def name_of_union(members: tuple[Any, ...], module: str) -> str:
    """The name that a module has for a union of dataclasses."""
    union = reduce(or_, members)
    return next(name for name, value in vars(sys.modules[module]).items() if value == union)


def is_one_of(members: tuple[Any, ...]) -> bool:
    """Whether it is one of several dataclasses, of which other languages give one by its name."""
    return len(members) > 1 and all(map(is_dataclass, members))


def member_name(kind: Any) -> str:
    """The name by which another language gives a dataclass that is one of several."""
    return str(kind.__name__[:1].lower() + kind.__name__[1:])


def is_list(annotation: Any) -> bool:
    """Whether it is a list of any kind."""
    return get_origin(annotation) in LISTS


def is_map(annotation: Any) -> bool:
    """Whether it is a mapping of any kind."""
    return get_origin(annotation) in (Mapping, dict)
