"""Errors of the embedded cluster that the person who runs it can resolve."""


class EmbeddedError(Exception):
    """One paragraph for the person at the terminal: what happened and what to do about it."""


class Unreachable(EmbeddedError):  # noqa: N818 - says what is the matter, and tests skip on it
    """The Go modules or PyPI cannot be reached: nothing is broken here, so tests skip on exactly this error."""
