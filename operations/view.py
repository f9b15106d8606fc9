"""Shows the tree of components and resources as it grows: live on a terminal, a line a resource elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from operations.evaluate import Registration


class View:
    """One run's tree. ``begins``, ``done`` and ``failed`` may be called from any thread."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._tree = Tree(title)
        self._branches: dict[str, Tree] = {}
        self._labels: dict[str, Text] = {}
        self._started: dict[str, float] = {}
        self._live = Live(self._tree, console=console, refresh_per_second=5, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def begins(self, registration: Registration) -> None:
        """A resource is being made or taken away."""
        self._started[registration.name] = time.monotonic()
        label = Text(f"· {_described(registration)}", style="dim")
        self._labels[registration.name] = label
        self._branch(registration.parent).add(label)

    def done(self, registration: Registration) -> None:
        """It is there, or gone."""
        self._finish(registration, "✓", "green")

    def failed(self, registration: Registration) -> None:
        """It could not be made."""
        self._finish(registration, "✗", "red")

    def _finish(self, registration: Registration, mark: str, style: str) -> None:
        seconds = time.monotonic() - self._started[registration.name]
        line = f"{mark} {_described(registration)} ({seconds:.1f} s)"
        label = self._labels[registration.name]
        label.plain = line
        label.stylize(style)
        if not self._console.is_terminal:
            self._console.print(f"  {line}", soft_wrap=True, highlight=False)

    def _branch(self, component: str) -> Tree:
        if component not in self._branches:
            self._branches[component] = self._tree.add(component or "stack")
        return self._branches[component]


def _described(registration: Registration) -> str:
    return f"{registration.name} {registration.token.rsplit(':', 1)[1]}"
