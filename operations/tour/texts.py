"""What the tour says, from one file for each language."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
DEFAULT = "en"
LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Variables that say a person's language; the first that is set counts, as everywhere on Unix."""


def languages() -> list[str]:
    """Those that there is a file for, such as en."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def default_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language of the person's locale, such as ja of ja_JP.UTF-8; English where the tour does not speak it."""
    locale = next((environment[name] for name in LOCALES if environment.get(name)), "")
    spoken = locale.partition(".")[0].partition("_")[0].lower()
    return spoken if spoken in languages() else DEFAULT


class Texts:
    """What the tour says in one language."""

    def __init__(self, language: str) -> None:
        """Read the language's file; ``language`` is one of ``languages``."""
        read: dict[str, Any] = yaml.safe_load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
        self.steps: dict[str, dict[str, str]] = read["steps"]
        self._phrases: dict[str, str] = read["phrases"]

    def phrase(self, name: str, **values: object) -> str:
        """A phrase with ``values`` in its places."""
        return self._phrases[name].format(**values)
