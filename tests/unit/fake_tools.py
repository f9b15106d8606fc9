"""Executables on PATH that write down how they are called."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = """#!{python}
import json, os, pathlib, sys
call = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(call) + "\\n")
answers = json.loads(pathlib.Path({answers!r}).read_text())
printed, code = answers.get(sys.argv[1], ["", 0])
print(printed)
sys.exit(code)
"""


@dataclass(frozen=True)
class Tool:
    """An executable; by its first word it prints and exits as it is told."""

    binary: Path

    @classmethod
    def install(cls, folder: Path, name: str) -> "Tool":
        folder.mkdir(exist_ok=True)
        tool = cls(folder / name)
        calls, answers = str(folder / f"{name}.calls"), str(folder / f"{name}.answers")
        tool.binary.write_text(SCRIPT.format(python=sys.executable, calls=calls, answers=answers))
        tool.binary.chmod(0o755)
        tool.answer({})
        return tool

    def answer(self, answers: dict[str, tuple[str, int]]) -> None:
        self.binary.with_name(f"{self.binary.name}.answers").write_text(json.dumps(answers))

    @property
    def calls(self) -> list[dict[str, Any]]:
        file = self.binary.with_name(f"{self.binary.name}.calls")
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def words(self) -> list[str]:
        return [" ".join(call["words"]) for call in self.calls]
