"""Every row of the documents' tables of what is seen has a test that sends its requests."""

import importlib
from pathlib import Path

import pytest

from tests.embedded.node.rows import HELD

PROJECT = Path(__file__).parents[2]
TABLES = {"traffic": "what you see on `/productpage`", "security": "who calls"}
"""By document, a cell of the table's header."""


def rows(document: str) -> list[str]:
    """The first cells of a document's table."""
    lines = (PROJECT / "docs" / f"{document}.md").read_text().splitlines()
    tables = [line.strip("|").split(" | ") if line.startswith("|") else [] for line in lines]
    cells = [[cell.strip() for cell in line] for line in tables]
    (header,) = (number for number, line in enumerate(cells) if TABLES[document] in line)
    found = []
    for line in cells[header + 2 :]:
        if not line:
            break
        found.append(line[0])
    return found


@pytest.mark.parametrize("document", TABLES)
def test_each_row_is_held_by_a_test_and_each_test_by_a_row(document: str) -> None:
    module = importlib.import_module(f"tests.embedded.node.test_{document}_rows")
    assert sorted(HELD[document]) == sorted(rows(document))
    assert all(hasattr(module, test) and test.startswith("test_") for test in HELD[document].values())
