"""What a change does to a stack: its manifests before and after, and a preview against the state that came before."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.commands import UserError
from embedded import kinds
from embedded.access import DEFAULT_ROOT
from embedded.record import recorded
from operations.manifests import render
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import STATE
from operations.stacks import EMBEDDED

# GitHub refuses comments of more than 65,536 characters.
COMMENT_LIMIT = 60_000
MARKER = "<!-- istio-minikube: preview -->"
FENCE = "~~~"


@contextmanager
def checkout(ref: str) -> Iterator[Path]:
    """A work tree of the commit ``ref``, gone afterwards. It shares this one's virtual environment.

    Raises:
        UserError: git knows no such commit.
    """
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        done = _git("worktree", "add", "--quiet", "--detach", str(tree), ref)
        if done.returncode:
            raise UserError(f"--base {ref}: git says {done.stderr.strip()}; name a commit, such as origin/main")
        (tree / ".venv").symlink_to(PROJECT / ".venv")
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def run_in(tree: Path, *words: str) -> None:
    """``python -m operations`` as the work tree ``tree`` has it.

    Raises:
        UserError: it failed, and has said why.
    """
    done = subprocess.run([sys.executable, "-m", "operations", *words], cwd=tree, check=False)
    if done.returncode:
        raise UserError(f"`python -m operations {words[0]}` of the base fails; what it says above tells why")


def up_at(ref: str) -> None:
    """Bring stack embedded up as it is at ``ref``, with cluster and state in this tree.

    Raises:
        UserError: it failed, or the commit is from before there was such a stack.
    """
    with checkout(ref) as tree:
        if not (tree / f"Pulumi.{EMBEDDED}.yaml").is_file():
            raise UserError(f"--base {ref} has no stack {EMBEDDED}; name a later commit, or use `make render-diff`")
        for folder in (DEFAULT_ROOT, STATE):
            folder.mkdir(exist_ok=True)
            (tree / folder.name).symlink_to(folder)
        run_in(tree, "up", "--stack", EMBEDDED)


def render_at(ref: str, stack: str, out: Path, options: Sequence[str]) -> None:
    """Render the stack as it is at ``ref``; a stack that is not there yet has no manifests."""
    with checkout(ref) as tree:
        if (tree / f"Pulumi.{stack}.yaml").is_file():
            # An embedded cluster's charts are those of its node: without it, all that the node changes would differ.
            if kind := recorded(DEFAULT_ROOT):
                kinds.record(tree / DEFAULT_ROOT.name, kind)
            run_in(tree, "render", "--stack", stack, "--out", str(out), *options)
        else:
            render.write((), out)


def difference(base: Path, head: Path) -> str:
    """The unified diff of two renderings, in folders beside each other; empty where they are the same."""
    words = ("diff", "--no-index", "--no-color", "--no-ext-diff", "--no-prefix", base.name, head.name)
    return subprocess.run(["git", *words], cwd=base.parent, capture_output=True, text=True, check=False).stdout


def comment(sections: Mapping[str, str], limit: int = COMMENT_LIMIT) -> str:
    """A pull request's comment: a foldable part for each section, long ones cut to their share of ``limit``.

    Args:
        sections: title -> what the command printed; empty for no difference.
        limit: characters in all.
    """
    share = limit // max(1, len(sections))
    parts = [MARKER, "### What this changes"]
    for title, text in sections.items():
        if not text.strip():
            parts.append(f"**{title}**: no difference")
            continue
        shown = text.rstrip()
        if len(shown) > share:
            shown = _cut(shown, share)
        fenced = f"{FENCE}diff\n{shown.replace(FENCE, '~ ~ ~')}\n{FENCE}"
        parts.append(f"<details><summary><b>{title}</b></summary>\n\n{fenced}\n</details>")
    return "\n\n".join(parts) + "\n"


def _cut(text: str, length: int) -> str:
    """The first lines and the last ones, at which a preview tells what has to be thought about."""
    first, last = text[: length // 2].rpartition("\n")[0], text[-(length // 2) :].partition("\n")[2]
    return f"{first}\n... cut here; the job's artifact has it whole\n{last}"


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
