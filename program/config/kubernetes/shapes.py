"""Objects in Kubernetes' and Istio's own spelling, as tables of their fields: what a value must look like."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from program.config.values import LABEL_KEY, LABEL_VALUE, Value

Shape = Callable[[Value], Any]
"""Reads a value that is set, or refuses it by its key path."""
TEXT = "text; a number, true or false in quotes"
PORT_NAME = r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?"
DNS_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
QUANTITY = r"(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,3})?(m|[kMGT]|[KMGT]i)?"


@dataclass(frozen=True, kw_only=True)
class Fields:
    """An object with known fields.

    Attributes:
        fields: each field's shape.
        needs: those that must be there.
        one_of: those of which there is exactly one.
    """

    fields: Mapping[str, Shape]
    needs: Sequence[str] = ()
    one_of: Sequence[str] = ()

    def __call__(self, value: Value) -> dict[str, Any]:
        """The object, with the fields that are set, in the table's order."""
        keys = value.keys(*self.fields)
        if self.one_of and sum(keys[name].is_set for name in self.one_of) != 1:
            raise value.error(f"one of {', '.join(self.one_of)}, and not two of them")
        return {
            name: shape(keys[name]) for name, shape in self.fields.items() if keys[name].is_set or name in self.needs
        }


def text(accepted: str = TEXT, pattern: str = r"(?s).*") -> Shape:
    """Text that matches ``pattern`` as a whole."""
    return lambda value: value.text(pattern, accepted)


def whole(what: str, least: int = 0) -> Shape:
    """A whole number from ``least`` on; ``what`` says of what."""
    return lambda value: value.integer(what, least=least)


def choice(*choices: str) -> Shape:
    """One of ``choices``."""
    return lambda value: value.choice(*choices)


def network(accepted: str, pattern: str = r"\S+", parse: Callable[[str], object] = ip_network) -> Shape:
    """A CIDR or an IP address, as it is written; ``parse`` raises a ValueError for what is none."""

    def read(value: Value) -> str:
        written = value.text(pattern, accepted)
        try:
            parse(written)
        except ValueError as error:
            raise value.error(f"{accepted} ({error})") from error
        return written

    return read


def flag(value: Value) -> bool:
    """True or false."""
    return value.boolean()


def as_it_stands(value: Value) -> dict[str, Any]:
    """An object whose fields the API server alone judges."""
    return value.mapping()


def listed(shape: Shape, accepted: str, least: int = 0) -> Shape:
    """A list of ``least`` entries or more."""

    def read(value: Value) -> list[Any]:
        found = [shape(item) for item in value.items(accepted)]
        if len(found) < least:
            raise value.error(accepted)
        return found

    return read


def named(shape: Shape, accepted: str, key: str = "name") -> Shape:
    """A list whose entries have a ``key`` of which no two have the same, as the API server takes it."""

    def read(value: Value) -> list[Any]:
        found: list[Any] = listed(shape, accepted)(value)
        for index, entry in enumerate(found):
            if entry[key] in [other[key] for other in found[:index]]:
                raise value.below(f"[{index}].{key}", entry[key]).error(f"a {key} that no other entry has")
        return found

    return read


def objects(**fields: Shape) -> Shape:
    """A list of objects as they stand but for these fields, which every one of them has."""

    def read(value: Value) -> list[Any]:
        entries = [(item.mapping(), item) for item in value.items("a list of objects")]
        return [
            {**entry, **{name: shape(item.below(f".{name}", entry.get(name))) for name, shape in fields.items()}}
            for entry, item in entries
        ]

    return read


def labels(value: Value) -> dict[str, str]:
    """Labels, or what selects them."""
    return {
        Value(entry.path, name).text(LABEL_KEY, "a label's name"): entry.text(LABEL_VALUE, "a label's value")
        for name, entry in value.entries("an object of labels and their values").items()
    }


def annotations(value: Value) -> dict[str, str]:
    """Annotations: names as labels have them, and any text."""
    return {
        Value(entry.path, name).text(LABEL_KEY, "an annotation's name"): entry.text(r"(?s).*", TEXT)
        for name, entry in value.entries("an object of annotations and their values").items()
    }


def port_or_name(value: Value) -> int | str:
    """A port's number or its name."""
    if isinstance(value.seen, str) and not value.seen.isdecimal():
        return value.text(PORT_NAME, "a port's number, or the name of one of the service's ports")
    return value.port()


def number_or_percentage(value: Value) -> int | str:
    """A whole number, or a percentage."""
    if isinstance(value.seen, str) and not value.seen.isdecimal():
        return value.text(r"(100|[1-9]?[0-9])%", "a whole number of pods, or a percentage such as 50%")
    return value.integer("a whole number of pods, or a percentage such as 50%", least=0)


def quantity(value: Value) -> str:
    """A quantity, which may be written as a number: one processor."""
    shown = str(value.seen) if type(value.seen) in (int, float) else value.seen
    return value.below("", shown).text(QUANTITY, "a Kubernetes quantity above zero, such as 100m or 128Mi")


NAME = text("the name of an object, such as orders-settings", DNS_NAME)
