import re
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from program.config.values import Value

PATH = "istio-minikube:traffic.reviews.timeout"
READERS: dict[str, Callable[..., object]] = {
    "text": lambda value, **default: value.text(r"[a-z]+", "small letters", **default),
    "choice": lambda value, **default: value.choice("red", "green", **default),
    "dns_label": Value.dns_label,
    "duration": Value.duration,
    "port": Value.port,
    "integer": lambda value, **default: value.integer("a whole number of pods", least=1, **default),
    "bounded": lambda value, **default: value.integer("a whole percentage", least=0, most=100, **default),
    "number": lambda value, **default: value.number("a percentage", least=0, most=100, **default),
    "boolean": Value.boolean,
}
LETTERS = "small letters"
COLOURS = "red or green"
LABEL = "a DNS-1123 label such as reviews"
DURATION = "a duration above zero such as 500ms, 2s or 1m30s"


def refusal(path: str, seen: str, accepted: str) -> str:
    return f"^{re.escape(f'config key {path} {seen}; accepted: {accepted}')}$"


@pytest.mark.parametrize(
    ("reader", "seen", "read"),
    [
        ("text", "abc", "abc"),
        ("choice", "green", "green"),
        ("dns_label", "reviews-v2", "reviews-v2"),
        ("duration", "500ms", "500ms"),
        ("duration", "1h2m3s4ms", "1h2m3s4ms"),
        ("port", 1, 1),
        ("port", 65535, 65535),
        ("integer", 3, 3),
        ("integer", "3", 3),
        ("bounded", 0, 0),
        ("bounded", 100, 100),
        ("number", 0.5, 0.5),
        ("number", 50, 50.0),
        ("number", "12.5", 12.5),
        ("boolean", True, True),
        ("boolean", "true", True),
        ("boolean", "false", False),
    ],
)
def test_a_value_is_read_as_its_type(reader: str, seen: Any, read: object) -> None:
    found = READERS[reader](Value(PATH, seen))
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("reader", "seen", "accepted"),
    [
        ("text", "Abc", LETTERS),
        ("text", 5, LETTERS),
        ("choice", "blue", COLOURS),
        ("choice", "", COLOURS),
        ("dns_label", "-a", LABEL),
        ("dns_label", "a" * 64, LABEL),
        ("duration", "abc", DURATION),
        ("duration", "0s", DURATION),
        ("duration", "0.5s", DURATION),
        ("duration", "5", DURATION),
        ("duration", 5, DURATION),
        ("port", 0, "a port's number, 1 to 65535"),
        ("port", 65536, "a port's number, 1 to 65535"),
        ("integer", 0, "a whole number of pods, 1 or more"),
        ("integer", 1.0, "a whole number of pods, 1 or more"),
        ("integer", True, "a whole number of pods, 1 or more"),
        ("integer", "1_000", "a whole number of pods, 1 or more"),
        ("bounded", 101, "a whole percentage, 0 to 100"),
        ("number", 100.5, "a percentage, 0 to 100"),
        ("number", -1, "a percentage, 0 to 100"),
        ("number", float("nan"), "a percentage, 0 to 100"),
        ("number", True, "a percentage, 0 to 100"),
        ("boolean", "yes", "true or false"),
        ("boolean", 1, "true or false"),
    ],
)
def test_another_value_is_refused_with_its_path_the_value_and_what_is_accepted(
    reader: str, seen: Any, accepted: str
) -> None:
    with pytest.raises(pulumi.RunError, match=refusal(PATH, f"is {seen!r}", accepted)):
        READERS[reader](Value(PATH, seen))


@pytest.mark.parametrize(
    ("reader", "default"),
    [
        ("text", ""),
        ("choice", ""),
        ("duration", ""),
        ("port", 0),
        ("integer", 0),
        ("bounded", 7),
        ("number", 100.0),
        ("boolean", True),
        ("boolean", False),
    ],
)
def test_a_value_that_is_not_set_is_its_default_or_else_refused(reader: str, default: object) -> None:
    assert READERS[reader](Value(PATH, None), default=default) == default
    with pytest.raises(pulumi.RunError, match=rf"^config key {PATH} is not set; accepted: "):
        READERS[reader](Value(PATH, None))


@pytest.mark.parametrize("seen", [{"a": 1}, '{"a": 1}'])
def test_an_object_is_taken_as_such_and_as_json(seen: Any) -> None:
    value = Value("p:traffic", seen)
    assert value.mapping() == {"a": 1}
    assert value.entries() == {"a": Value("p:traffic.a", 1)}


@pytest.mark.parametrize("seen", [["x", {"y": 2}], '["x", {"y": 2}]'])
def test_a_list_is_taken_as_such_and_as_json_and_its_items_know_their_place(seen: Any) -> None:
    assert Value("p:services", seen).items() == [Value("p:services[0]", "x"), Value("p:services[1]", {"y": 2})]


def test_an_entry_of_a_list_that_says_nothing_is_refused() -> None:
    accepted = "a value, or {} for an object without a key: an empty entry of a list is none"
    with pytest.raises(pulumi.RunError, match=refusal("p:a[1]", "is not set", accepted)):
        Value("p:a", [{}, None]).items()


def test_an_object_or_a_list_that_is_not_set_is_empty() -> None:
    unset = Value("p:traffic", None)
    assert (unset.mapping(), unset.entries(), unset.items()) == ({}, {}, [])


def test_known_keys_are_all_there_set_or_not_and_know_their_place() -> None:
    assert Value("p:a[1]", {"x": 1}).keys("x", "y") == {"x": Value("p:a[1].x", 1), "y": Value("p:a[1].y", None)}


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(pulumi.RunError, match=refusal("p:a.z", "is 3", "one of these keys: x, y")):
        Value("p:a", {"x": 1, "z": 3}).keys("x", "y")


@pytest.mark.parametrize("seen", [[], "[]", "{", "text", 5, {1: "a number as a key"}])
def test_what_is_no_object_is_refused(seen: Any) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("p:a", f"is {seen!r}", "an object with keys of x, y")):
        Value("p:a", seen).keys("x", "y")


@pytest.mark.parametrize("seen", [{}, "{}", "[", "text", 5])
def test_what_is_no_list_is_refused(seen: Any) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("p:a", f"is {seen!r}", "a list of routes")):
        Value("p:a", seen).items("a list of routes")
