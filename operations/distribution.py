"""``make distribution``: the package's wheel and source archive, and what its release says, in dist/."""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from components.commands import UserError
from operations.manifests.evaluate import PROJECT

DIST = PROJECT / "dist"
NOTES = "NOTES.md"
BUILD = "build>=1.3,<2"


def version(project: Path = PROJECT) -> str:
    """The package's version, which pyproject.toml alone has."""
    return str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"])


def notes(changelog: str, version: str) -> str:
    """What the changelog says of a version.

    Raises:
        UserError: it says nothing.
    """
    found = re.search(rf"^## {re.escape(version)}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        raise UserError(f"CHANGELOG.md has no section ## {version}, the version in pyproject.toml: write what changes")
    return found[1].strip()


def refuse_released(version: str, project: Path = PROJECT) -> None:
    """Refuse to build a version again that is tagged already, on another commit than this one.

    Raises:
        UserError: it is.
    """
    tagged = subprocess.run(
        ["git", "tag", "--list", f"v{version}", "--no-contains", "HEAD"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    if tagged.stdout.strip():
        raise UserError(
            f"version {version} is released: raise it in pyproject.toml, and say in CHANGELOG.md what changes"
        )


def build(project: Path = PROJECT, out: Path = DIST) -> list[Path]:
    """Build the wheel and the source archive from what git knows, and write the notes; the files.

    Raises:
        UserError: the version is released, is not in the changelog, or cannot be built.
    """
    number = version(project)
    refuse_released(number, project)
    text = notes((project / "CHANGELOG.md").read_text(), number)
    with tempfile.TemporaryDirectory() as folder:
        sources, environment = Path(folder, "sources"), Path(folder, "environment")
        sources.mkdir()
        archive = Path(folder, "sources.tar")
        python = environment / "bin" / "python"
        for words in (
            ["git", "-C", str(project), "archive", "--output", str(archive), "HEAD"],
            ["tar", "--extract", "--file", str(archive), "--directory", str(sources)],
            [sys.executable, "-m", "venv", str(environment)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", BUILD],
            [str(python), "-m", "build", "--outdir", str(out), str(sources)],
        ):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise UserError(f"`{' '.join(words)}` failed: {(done.stderr or done.stdout).strip()}")
    (out / NOTES).write_text(f"{text}\n")
    return sorted(out.glob(f"istio_minikube-{number}*"))
