"""``python -m operations`` as a person runs it, in a copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from operations.manifests.evaluate import PROJECT

PARTS = ("*.py", "Pulumi*.yaml", "components", "program", "operations", "policy", "embedded")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__")
TIMEOUT_SECONDS = 900


def copy_to(folder: Path) -> None:
    """Copy the project without its tests; its virtual environment is the one that runs the tests."""
    for part in PARTS:
        for path in PROJECT.glob(part):
            if path.is_dir():
                shutil.copytree(path, folder / path.name, ignore=LEFT_OUT)
            else:
                shutil.copyfile(path, folder / path.name)
    (folder / ".venv").symlink_to(Path(sys.prefix))


def without(*tools: str) -> str:
    """PATH without the folders that hold any of these programs."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in folders if not any((Path(each) / tool).exists() for tool in tools))


def operate(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a copy of the project, on a machine without minikube."""
    return subprocess.run(
        [sys.executable, "-m", "operations", *words],
        cwd=project,
        env={**os.environ, "PATH": without("minikube")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
