"""Executables on PATH that write down how they are called."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

# In shell, which starts in a hundredth of Python's time. `command -p`: the tests' PATH holds nothing else.
SCRIPT = """#!/bin/sh
{ echo "$*"; pwd; } >> "$0.calls"
command -p env > "$0.environment"
[ -e "$0.answers" ] && . "$0.answers"
exit 0
"""


@dataclass(frozen=True)
class Tool:
    """An executable."""

    binary: Path

    @classmethod
    def install(cls, folder: Path, name: str) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        tool = cls(folder / name)
        tool.binary.write_text(SCRIPT)
        tool.binary.chmod(0o755)
        return tool

    def answer(self, word: str, printed: str, code: int = 0) -> None:
        """From now on print this and exit so when called with a first word."""
        answers = self.binary.with_name(f"{self.binary.name}.answers")
        earlier = answers.read_text() if answers.exists() else ""
        answers.write_text(f"[ \"$1\" = {word} ] && {{ echo '{printed}'; exit {code}; }}\n{earlier}")

    @property
    def _calls(self) -> list[str]:
        file = self.binary.with_name(f"{self.binary.name}.calls")
        return file.read_text().splitlines() if file.exists() else []

    @property
    def words(self) -> list[str]:
        """The arguments of each call."""
        return self._calls[::2]

    @property
    def folders(self) -> list[str]:
        """Where each call was made."""
        return self._calls[1::2]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the last call."""
        lines = self.binary.with_name(f"{self.binary.name}.environment").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)
