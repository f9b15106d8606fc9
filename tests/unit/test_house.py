"""Which room of the house may know which: imports lead down, and the root has one Python file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# Each floor may import what is below it; what shares a floor are strangers to each other.
FLOORS = [{"components", "embedded"}, {"program", "policy"}, {"operations"}, {"benchmarks", "__main__", "tests"}]
ROOMS = {room for floor in FLOORS for room in floor}
BELOW = {
    room: {room, *(each for lower in FLOORS[:height] for each in lower)}
    for height, floor in enumerate(FLOORS)
    for room in floor
}
BELOW["__main__"] = {"components", "program"}
BELOW["tests"] = ROOMS
MAXIMUM_LINES = 300
MAXIMUM_MODULES = 20


def sources() -> Iterator[Path]:
    """Every Python file of the project's own, relative to its root."""
    for room in ROOMS - {"__main__"}:
        yield from (path.relative_to(PROJECT) for path in (PROJECT / room).rglob("*.py") if ".venv" not in path.parts)
    yield from (path.relative_to(PROJECT) for path in PROJECT.glob("*.py"))


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from; a relative import stays in its own."""
    tree = ast.parse((PROJECT / path).read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} & ROOMS


def test_the_only_module_at_the_root_is_the_program() -> None:
    assert [path.name for path in PROJECT.glob("*.py")] == ["__main__.py"]


def test_no_import_leads_up_or_to_a_stranger() -> None:
    up = {
        f"{path} imports {room}"
        for path in sources()
        for room in imported(path) - BELOW[path.parts[0].removesuffix(".py")]
    }
    assert up == set()


def test_components_import_each_other_relatively_so_that_they_are_a_package_under_any_name() -> None:
    absolute = [str(path) for path in sources() if path.parts[0] == "components" and "components" in imported(path)]
    assert absolute == []


def test_no_folder_has_twenty_modules_side_by_side() -> None:
    folders = {path.parent for path in sources() if path.parts[0] != "tests"}
    crowded = {str(each) for each in folders if len(list((PROJECT / each).glob("*.py"))) > MAXIMUM_MODULES}
    assert crowded == set()


@pytest.mark.parametrize("room", sorted(ROOMS - {"tests", "__main__"}))
def test_no_module_is_longer_than_a_reader_can_hold(room: str) -> None:
    long = {
        f"{path}: {lines}"
        for path in sources()
        if path.parts[0] == room and (lines := len((PROJECT / path).read_text().splitlines())) > MAXIMUM_LINES
    }
    assert long == set()
