"""Runs `go build`, and knows beforehand what it will have to compile."""

import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from embedded.errors import EmbeddedError
from embedded.toolchain import go
from embedded.toolchain.failures import unreachable_or_failed
from embedded.toolchain.groups import Step
from embedded.toolchain.progress import Progress, Say, telling

PACKAGE_WORK = 12_000
"""What compiling a package costs beside its source, in bytes of source that would take as long."""

LINK_WORK = 2_500_000
"""What linking a program costs, likewise."""

_STALE = (
    "{{if .Stale}}{{.ImportPath}}\t{{.Dir}}\t{{range .GoFiles}}{{.}} {{end}}{{range .CgoFiles}}{{.}} {{end}}{{end}}"
)
"""A line of `go list` for each package that is not in Go's cache: its path, its folder, its files."""


@dataclass(kw_only=True)
class Compiler:
    """Go's compiler on the project's Go module.

    Attributes:
        go: The go command.
        log: Receives everything that Go prints.
        say: Receives progress.
        remaining: Units of work by package that is to be compiled.
    """

    go: Path
    log: TextIO
    say: Say
    remaining: dict[str, int] = field(default_factory=dict)

    def plan(self, steps: Iterable[Step]) -> Progress:
        """Download the modules of all steps, and find out what they will have to compile.

        Raises:
            Unreachable: The modules cannot be downloaded.
            EmbeddedError: Go fails.
        """
        modules = 0

        def count(line: str) -> None:
            nonlocal modules
            modules += line.startswith("go: downloading")

        with telling(self.say, lambda seconds: f"  downloading Go modules: {modules} so far, {seconds:.0f} s"):
            for step in steps:
                with tempfile.TemporaryFile("w+") as listed:
                    self._run(["list", "-deps", "-f", _STALE], step, count, listed)
                    listed.seek(0)
                    self.remaining.update(_work(line) for line in listed if line.strip())
                self.remaining.update(dict.fromkeys(step.packages, LINK_WORK))
        return Progress(total=sum(self.remaining.values()))

    def build(self, step: Step, folder: Path, progress: Progress) -> None:
        """Build a step's programs into a folder.

        Raises:
            Unreachable: The modules cannot be downloaded.
            EmbeddedError: Go fails; its last words are quoted.
        """
        folder.mkdir(parents=True, exist_ok=True)

        def count(line: str) -> None:
            progress.done += self.remaining.pop(line.strip(), 0)

        words = ["build", "-v", "-ldflags", step.linker_flags(), "-o", f"{folder}/"]
        self._run(words, step, count, self.log)

    def _run(self, words: list[str], step: Step, line: Callable[[str], None], output: IO[str]) -> None:
        """Run a Go command on a step's packages; `line` gets each line of its standard error."""
        # -mod=readonly is the default: go.mod is never edited here.
        with subprocess.Popen(
            [str(self.go), words[0], "-trimpath", "-tags", ",".join(step.tags), *words[1:], *step.packages],
            cwd=go.MODULE,
            env=go.go_environment(step.environment(self.say)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            try:
                last_words: list[str] = []
                for printed in command.stderr or ():
                    self.log.write(printed)
                    last_words = [*last_words[-1:], printed.strip()]
                    line(printed)
            except BaseException:
                command.terminate()
                raise
        if command.returncode != 0:
            raise self._failure(last_words)

    def _failure(self, last_words: list[str]) -> EmbeddedError:
        self.log.flush()
        log = Path(self.log.name)
        output = log.read_text(errors="replace")
        message = (
            f"Building the embedded cluster's tools failed: {' / '.join(last_words).rstrip('.')}. "
            f"The whole log is in {log}."
        )
        if "no space left on device" in output:
            return EmbeddedError(
                f"{message} Make room on the disk (Go's caches: `go env GOCACHE GOMODCACHE`), then try again."
            )
        return unreachable_or_failed(message, output)


def _work(line: str) -> tuple[str, int]:
    package, folder, files = line.rstrip("\n").split("\t")
    return package, PACKAGE_WORK + sum((Path(folder) / name).stat().st_size for name in files.split())
