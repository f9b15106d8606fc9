"""Programs that pulumi-command runs during an update: `python -m commands.NAME`, from the project folder.

Standard output carries the result alone (it becomes the Command's `stdout`); progress and errors go to stderr.
"""

import sys
from collections.abc import Callable

__all__ = ["UserError", "run", "say", "table"]


class UserError(Exception):
    """Something the user can resolve: told in one paragraph, without a traceback. code: the exit code, 1 to 255."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(line: str) -> None:
    """Print one line of progress to stderr at once (pulumi-command shows it as it comes)."""
    print(line, file=sys.stderr, flush=True)


def table(*rows: tuple[str, ...]) -> str:
    """Lay rows out in columns; the first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def run(work: Callable[[], None]) -> int:
    """Do `work` and return the exit code: 0, a UserError's own, or 130 for Ctrl-C (as a shell reports SIGINT)."""
    try:
        work()
    except UserError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    return 0
