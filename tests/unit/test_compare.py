import subprocess
from pathlib import Path

import pytest

from components.commands import UserError
from embedded.record import RECORD, Kind, recorded
from operations.manifests import compare
from operations.manifests.compare import MARKER, checkout, comment, difference


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, whose work tree has moved on."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setattr(compare, "PROJECT", project)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(project))
    (project / "file").write_text("before")
    for words in (("init", "--quiet"), ("add", "file"), ("commit", "--quiet", "--message", "first")):
        subprocess.run([*git, *words], check=True)
    (project / "file").write_text("after")
    return project


def test_a_checkout_has_what_the_commit_has_and_is_gone_afterwards(project: Path) -> None:
    with checkout("HEAD") as tree:
        assert (tree / "file").read_text() == "before"
        assert (tree / ".venv").readlink() == project / ".venv"
    assert not tree.exists()
    listed = subprocess.run(["git", "-C", str(project), "worktree", "list"], check=True, capture_output=True, text=True)
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.usefixtures("project")
def test_a_commit_that_git_does_not_know_is_an_error_that_names_it() -> None:
    with pytest.raises(UserError, match=r"--base nonesuch: git says .*invalid reference"), checkout("nonesuch"):
        pass


@pytest.mark.usefixtures("project")
def test_a_stack_that_the_base_does_not_have_had_no_manifests(tmp_path: Path) -> None:
    compare.render_at("HEAD", "new", tmp_path / "out", [])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", [*Kind, None])
def test_the_base_is_rendered_with_the_charts_that_this_trees_embedded_cluster_has(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind | None
) -> None:
    monkeypatch.setattr(compare, "DEFAULT_ROOT", project / ".embedded")
    if kind:
        (project / ".embedded").mkdir()
        (project / ".embedded" / RECORD).write_text(f"{kind}\n")
    seen: list[Kind | None] = []
    monkeypatch.setattr(compare, "run_in", lambda tree, *_: seen.append(recorded(tree / ".embedded")))
    (project / "Pulumi.two.yaml").touch()
    subprocess.run(["git", "-C", str(project), "add", "Pulumi.two.yaml"], check=True)
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(project), *author, "commit", "--quiet", "--message", "second"], check=True)
    compare.render_at("HEAD", "two", tmp_path / "out", [])
    assert seen == [kind]


def test_the_difference_of_two_renderings_names_the_manifest(tmp_path: Path) -> None:
    for name, replicas in (("base", 1), ("head", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(f"replicas: {replicas}\n")
    shown = difference(tmp_path / "base", tmp_path / "head")
    assert shown.startswith("diff --git base/a.yaml head/a.yaml\n")
    assert shown.endswith("-replicas: 1\n+replicas: 2\n")


def test_renderings_that_are_the_same_have_no_difference(tmp_path: Path) -> None:
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").touch()
    assert difference(tmp_path / "base", tmp_path / "head") == ""


def test_a_comment_begins_with_the_marker_by_which_it_is_found_again() -> None:
    assert comment({}).splitlines()[0] == MARKER


def test_a_section_without_a_difference_says_so() -> None:
    assert "**Manifests of dev**: no difference" in comment({"Manifests of dev": "\n"})


def test_a_section_is_folded_and_fenced() -> None:
    assert "<summary><b>dev</b></summary>\n\n~~~diff\n+a\n~~~\n</details>" in comment({"dev": "+a\n"})


def test_a_fence_in_what_is_shown_does_not_end_the_section() -> None:
    assert comment({"dev": "+a\n~~~\n+b"}).count("~~~") == 2


def test_a_long_section_is_cut_at_the_end_of_a_line_and_leaves_room_for_the_others() -> None:
    made = comment({"dev": "+0123456789\n" * 100, "prod": "+kept"}, limit=100)
    assert made.count("+0123456789\n") == 4
    assert "cut here" in made
    assert "+kept" in made


def test_a_comment_is_shorter_than_github_accepts() -> None:
    assert len(comment(dict.fromkeys(("a", "b", "c"), "+0123456789\n" * 10_000))) < 65_536
