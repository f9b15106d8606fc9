"""A real node that begins to start while Pulumi's engine does, which needs it a few seconds later."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from embedded import kinds
from embedded.files import write
from embedded.kinds import AHEAD
from embedded.record import Kind, recorded
from operations.manifests.evaluate import PROJECT


def folder(settings: Mapping[str, str]) -> Path | None:
    """The folder of a stack's own real node; None where it has none."""
    root = (PROJECT / settings["kubeconfig"]).parent
    own = settings["clusterMode"] == "embedded" and recorded(root) is Kind.REAL
    return root if own else None


@contextmanager
def starting(root: Path | None) -> Iterator[None]:
    """Have the node start while the block runs, for the stack's own Command, which then waits for less.

    Nobody sees it before that Command has taken it. If the block fails before that, it is deleted.

    Args:
        root: the cluster's folder, in which none runs; None starts nothing.
    """
    if root is None:
        yield
        return
    write(root / AHEAD, "")
    # What goes wrong here goes wrong in the Command, too, which says it.
    command = [sys.executable, "-m", "embedded", "start", f"--root={root}", "--ahead"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=PROJECT, stdin=quiet, stdout=quiet, stderr=quiet) as early:
        try:
            yield
        except BaseException:
            early.send_signal(signal.SIGINT)
            early.wait()
            abandon(root)
            raise


def abandon(root: Path | None) -> None:
    """Delete a cluster that was started ahead, and that no stack has taken."""
    if root and (root / AHEAD).exists():
        kinds.delete(root)
