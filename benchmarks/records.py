"""What was measured, kept: benchmarks/results.json, and the table in docs/performance.md that is written from it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operations.manifests.evaluate import PROJECT
from operations.manifests.readme import inserted

RESULTS = Path(__file__).with_name("results.json")
DOCUMENT = PROJECT / "docs" / "performance.md"
PART = "results"
COLUMNS = ("comparison", "unit", "ours", "reference", "ratio", "target", "runs", "load")
Entry = Mapping[str, Any]


def keep(found: Sequence[Entry], file: Path = RESULTS, document: Path = DOCUMENT) -> None:
    """Write entries into a file, in the place of those of the same names; of the project's own also the document.

    Raises:
        UserError: the document has no place for the table.
    """
    before = json.loads(file.read_text()) if file.exists() else []
    entries = merged(before, found)
    file.write_text(json.dumps(entries, indent=2) + "\n")
    if file == RESULTS:
        document.write_text(inserted(document.read_text(), PART, table(entries)))


def merged(before: Sequence[Entry], found: Sequence[Entry]) -> list[Entry]:
    """The entries of before with the new ones in the place of those of the same names, or at the end."""
    new = {entry["name"]: entry for entry in found}
    return [new.pop(entry["name"], entry) for entry in before] + list(new.values())


def table(entries: Sequence[Entry]) -> str:
    """A Markdown table, a row an entry; no target is told as a hyphen."""
    rows = [[entry["name"], *(entry[column] for column in COLUMNS[1:])] for entry in entries]
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (COLUMNS, ["---"] * len(COLUMNS), *cells))
