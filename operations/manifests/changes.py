"""Where two objects differ, field by field, as a person reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from operations.manifests.stack_secrets import without

SHOWN = 100
ABSENT = "(absent)"
# What every write changes, a dry run's too.
BOOKKEEPING = frozenset({"managedFields", "resourceVersion", "generation"})


def changes(live: Any, wanted: Any, path: str = "", *, partly: bool = False) -> Iterator[tuple[str, Any, Any]]:
    """Where two objects differ: path, the live value, the wanted one.

    Args:
        live: the live object.
        wanted: what it should be.
        path: where both stand.
        partly: ``wanted`` says only some fields; the others are right as they are.
    """
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        for key in wanted if partly else {**live, **wanted}:
            if key not in BOOKKEEPING and not (path == "" and key == "status"):
                yield from changes(live.get(key, ABSENT), wanted.get(key, ABSENT), _joined(path, key), partly=partly)
    elif _are_named(live) and _are_named(wanted):
        here, there = ({entry["name"]: entry for entry in entries} for entries in (live, wanted))
        for name in there if partly else {**here, **there}:
            yield from changes(here.get(name, ABSENT), there.get(name, ABSENT), f"{path}[{name}]", partly=partly)
    elif isinstance(live, list) and isinstance(wanted, list):
        for index in range(max(len(live), len(wanted))):
            seen, said = (each[index] if index < len(each) else ABSENT for each in (live, wanted))
            yield from changes(seen, said, f"{path}[{index}]", partly=partly)
    elif live != wanted:
        yield path, live, wanted


def said(value: Any, secrets: Sequence[str] = ()) -> str:
    """A value in short, with ``secrets`` masked."""
    text = value if value == ABSENT else without(repr(value), secrets)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _are_named(entries: Any) -> bool:
    """Whether these are ports, containers, webhooks or the like, which are told apart by their names."""
    return isinstance(entries, list) and all(isinstance(entry, Mapping) and "name" in entry for entry in entries)


def _joined(path: str, key: str) -> str:
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
