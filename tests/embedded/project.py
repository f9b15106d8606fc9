"""``python -m operations`` as a person runs it, in a copy of the project."""

import shutil
import subprocess
import sys
from pathlib import Path

from operations.evaluate import PROJECT

PARTS = ("*.py", "Pulumi*.yaml", "components", "commands", "policy", "embedded", "tools")


def copy_to(folder: Path) -> None:
    """Copy the project without its tests; its virtual environment is the one that runs the tests."""
    for part in PARTS:
        for path in PROJECT.glob(part):
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            else:
                shutil.copyfile(path, folder / path.name)
    (folder / ".venv").symlink_to(Path(sys.prefix))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "embedded", *words]


def rehearse(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*words), cwd=project, capture_output=True, text=True, check=False, timeout=300)
