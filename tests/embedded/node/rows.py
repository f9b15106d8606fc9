"""Which test holds which row of the documents' tables of what is seen."""

from collections.abc import Callable
from typing import Any

HELD: dict[str, dict[str, str]] = {"traffic": {}, "security": {}}
"""By document, the test of each row that has one; a row is called by its first cell, and the second where it must."""


def row(document: str, *cells: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say that a test sends the requests of a row, or of several.

    Args:
        document: the name of the file in docs/, without its ending.
        cells: the first cell of each row, as it stands there.
    """

    def holds(test: Callable[..., Any]) -> Callable[..., Any]:
        for cell in cells:
            assert cell not in HELD[document], f"{cell} has two tests"
            HELD[document][cell] = test.__name__
        return test

    return holds
