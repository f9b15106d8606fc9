import subprocess
import tomllib
from pathlib import Path

import pytest

from components.commands import UserError
from components.host import DISTRIBUTION
from operations import distribution
from operations.distribution import notes, refuse_released, version
from operations.manifests.evaluate import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
CHANGELOG = """# Changelog

## 1.10.0

The newest.

## 1.1.0

## 1.0.0

The first.
"""


def test_the_version_in_pyproject_has_its_place_in_the_changelog() -> None:
    assert notes((PROJECT / "CHANGELOG.md").read_text(), version())


@pytest.mark.parametrize(("number", "said"), [("1.10.0", "The newest."), ("1.0.0", "The first.")])
def test_the_notes_of_a_release_are_what_the_changelog_says_of_it(number: str, said: str) -> None:
    assert notes(CHANGELOG, number) == said


@pytest.mark.parametrize("number", ["1.1.0", "1.0", "2.0.0"])
def test_a_version_of_which_the_changelog_says_nothing_is_refused(number: str) -> None:
    with pytest.raises(UserError, match=f"no section ## {number}, the version in pyproject"):
        notes(CHANGELOG, number)


def test_every_folder_of_the_components_is_in_the_package() -> None:
    folders = {file.parent for file in (PROJECT / "components").rglob("__init__.py") if ".venv" not in file.parts}
    names = {".".join(["istio_minikube", *each.relative_to(PROJECT / "components").parts]) for each in folders}
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == names
    assert PYPROJECT["project"]["name"] == DISTRIBUTION


def test_a_version_that_is_tagged_on_another_commit_is_not_built_again(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "--message=first")
    refuse_released("1.0.0", tmp_path)
    git("tag", "v1.0.0")
    refuse_released("1.0.0", tmp_path)
    git("commit", "--allow-empty", "--message=second")
    with pytest.raises(UserError, match=r"version 1\.0\.0 is released: raise it in pyproject\.toml"):
        refuse_released("1.0.0", tmp_path)


def test_what_cannot_be_built_is_told_in_the_builders_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1.0.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    monkeypatch.setattr(distribution, "refuse_released", lambda *_: None)
    with pytest.raises(UserError, match=r"git -C .* failed: fatal: not a git repository"):
        distribution.build(tmp_path, tmp_path / "dist")
