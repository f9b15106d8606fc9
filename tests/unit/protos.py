"""Reads the messages of .proto files as the tables of program/istio_types.py have them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
TOKEN = re.compile(r'"[^"]*"|[\w.]+|[{}<>=;,\[\]()]')
WELL_KNOWN = {
    "string": "text",
    "bytes": "text",
    "bool": "bool",
    **dict.fromkeys(("int32", "int64", "uint32", "uint64"), "int"),
    **dict.fromkeys(("float", "double"), "number"),
    "google.protobuf.Duration": "duration",
    "google.protobuf.BoolValue": "bool",
    "google.protobuf.StringValue": "text",
    **{f"google.protobuf.{kind}Value": "int" for kind in ("Int32", "Int64", "UInt32", "UInt64")},
    **{f"google.protobuf.{kind}Value": "number" for kind in ("Float", "Double")},
}
FIELD = re.compile(r"(?:(repeated|optional) )?(map < \w+ , [\w.]+ >|[\w.]+) (\w+) = \d+( \[ .* \])?")


def camel(name: str) -> str:
    """A field's name in JSON."""
    return re.sub(r"_+([a-zA-Z0-9])", lambda match: match[1].upper(), name)


class Protos:
    """What some files define; names are without their packages."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._fields: dict[str, list[tuple[str, str, str]]] = {}
        self._enums: dict[str, list[str]] = {}
        for file in files:
            self._read(iter(TOKEN.findall(COMMENT.sub("", file.read_text()))), "")

    def _read(self, tokens: Iterator[str], scope: str) -> None:
        statement: list[str] = []
        for word in tokens:
            match statement, word:
                case ["message", name], "{":
                    self._fields[f"{scope}{name}"] = []
                    self._read(tokens, f"{scope}{name}.")
                case ["enum", name], "{":
                    self._enums[f"{scope}{name}"] = []
                    self._values(tokens, f"{scope}{name}")
                case ["oneof", _], "{":
                    self._read(tokens, scope)
                case _, "}":
                    return
                case _, ";":
                    self._field(" ".join(statement), scope)
                case _:
                    statement.append(word)
                    continue
            statement = []

    def _values(self, tokens: Iterator[str], enum: str) -> None:
        statement: list[str] = []
        for word in tokens:
            if word == "}":
                return
            statement.append(word)
            if word == ";":
                if statement[0] not in ("reserved", "option"):
                    self._enums[enum].append(statement[0])
                statement = []

    def _field(self, statement: str, scope: str) -> None:
        match = FIELD.fullmatch(statement)
        if scope and match and match[2] != "reserved":
            self._fields[scope[:-1]].append((match[3], match[1] or "", match[2]))

    def table(self, root: str) -> Mapping[str, dict[str, str]]:
        """The types of the fields of a message, and of every message that it leads to, by name."""
        found: dict[str, dict[str, str]] = {}
        ahead = [root]
        while ahead:
            message = ahead.pop(0)
            if message in found:
                continue
            found[message] = {camel(name): self._kind(message, *kind) for name, *kind in self._fields[message]}
            ahead += [kind.lstrip("[]{}") for kind in found[message].values() if kind.lstrip("[]{}") in self._fields]
        return dict(sorted(found.items()))

    def _kind(self, message: str, repeated: str, kind: str) -> str:
        if kind.startswith("map"):
            return "{}" + self._known(message, kind.split()[4])
        return ("[]" if repeated == "repeated" else "") + self._known(message, kind)

    def _known(self, message: str, kind: str) -> str:
        if kind in WELL_KNOWN:
            return WELL_KNOWN[kind]
        scopes = message.split(".")
        name = kind.removeprefix("istio.mesh.v1alpha1.")
        for depth in range(len(scopes), -1, -1):
            full = ".".join([*scopes[:depth], name])
            if full in self._fields:
                return full
            if full in self._enums:
                return "|".join(self._enums[full])
        return "any"
