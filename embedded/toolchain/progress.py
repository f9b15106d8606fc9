"""What is told while a build is under way: how far it is, for how long, and how long still."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

REPORT_EVERY = 3.0 if sys.stderr.isatty() else 15.0
"""Seconds between lines of progress: few where every line ends up in a log."""

ESTIMATE_FROM = 0.05
"""The share of the work after which an estimate of the remaining time is worth telling."""

Say = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Print a line to standard error at once."""
    print(line, file=sys.stderr, flush=True)


@dataclass(kw_only=True)
class Progress:
    """A build's, in units of work: bytes of source that are to be compiled, and what linking comes to.

    Attributes:
        total: Units in all; what Go's cache has already is not among them.
        done: Units so far, except programs of the step under way.
        linked: Units of those.
        what: What is being built now.
        began: When, by the monotonic clock.
    """

    total: int
    done: int = 0
    linked: Callable[[], int] = lambda: 0
    what: str = ""
    began: float = field(default_factory=time.monotonic)

    def line(self, seconds: float) -> str:
        """One line after so many seconds; never 100 %, as the end is told by the end."""
        share = min((self.done + self.linked()) / self.total, 0.99) if self.total else 0.99
        left = f", about {duration(seconds / share - seconds)} still" if share >= ESTIMATE_FROM else ""
        return f"  {self.what}: {share:.0%}, {duration(seconds)} so far{left}"


def duration(seconds: float) -> str:
    """Such as 40 s or 3 min."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@contextmanager
def telling(say: Say, line: Callable[[float], str]) -> Iterator[None]:
    """Say every REPORT_EVERY seconds how far it is; ``line`` is given the seconds since it began."""
    began, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(REPORT_EVERY):
            say(line(time.monotonic() - began))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
