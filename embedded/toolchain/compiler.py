"""Runs `go build`, and knows beforehand what it will have to compile."""

import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from embedded.errors import EmbeddedError
from embedded.toolchain import go
from embedded.toolchain.failures import unreachable_or_failed
from embedded.toolchain.groups import Step
from embedded.toolchain.progress import Progress, Say, telling

PACKAGE_WORK = 12_000
"""What compiling a package costs beside its source, in bytes of source that would take as long."""

LINK_WORK = 1_500_000
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
        log: The file that everything that Go prints is added to.
        say: Receives progress.
        remaining: Units of work by package that is to be compiled.
    """

    go: Path
    log: Path
    say: Say
    remaining: dict[str, int] = field(default_factory=dict)

    def plan(self, steps: Iterable[Step]) -> Progress:
        """Download the modules of all steps, and find out what they will have to compile.

        Raises:
            Unreachable: The modules cannot be downloaded.
            EmbeddedError: Go fails.
        """
        self.log.write_text("")
        modules = programs = 0

        def count(line: str) -> None:
            nonlocal modules
            modules += line.startswith("go: downloading")

        with telling(self.say, lambda seconds: f"  {modules} Go modules downloaded, {seconds:.0f} s"):
            for step in steps:
                with tempfile.TemporaryFile("w+") as listed:
                    self._run(["list", "-deps", "-f", _STALE], step, count, listed)
                    listed.seek(0)
                    self.remaining.update(_work(line) for line in listed if line.strip())
                programs += len(step.packages)
        return Progress(total=sum(self.remaining.values()) + programs * LINK_WORK)

    def build(self, step: Step, folder: Path, progress: Progress) -> None:
        """Build a step's programs into a folder.

        Raises:
            Unreachable: The modules cannot be downloaded.
            EmbeddedError: Go fails; its last words are quoted.
        """
        folder.mkdir(parents=True, exist_ok=True)

        def count(line: str) -> None:
            progress.done += self.remaining.pop(line.strip(), 0)

        def linked() -> int:
            return LINK_WORK * sum((folder / Path(program).name).exists() for program in step.programs)

        progress.linked = linked
        self._run(["build", "-v", "-ldflags", step.linker_flags(), "-o", f"{folder}/"], step, count)
        progress.done, progress.linked = progress.done + linked(), lambda: 0

    def _run(
        self, words: list[str], step: Step, line: Callable[[str], None], output: IO[str] | int = subprocess.DEVNULL
    ) -> None:
        """Run a Go command on a step's packages; `line` gets each line of its standard error."""
        # -mod=readonly is the default: go.mod is never edited here.
        with (
            self.log.open("a", buffering=1) as log,
            subprocess.Popen(
                [str(self.go), words[0], "-trimpath", "-tags", ",".join(step.tags), *words[1:], *step.packages],
                cwd=go.MODULE / step.module,
                env=go.go_environment(step.environment(self.say)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
            ) as command,
        ):
            try:
                for printed in command.stderr or ():
                    log.write(printed)
                    line(printed)
            except BaseException:
                command.terminate()
                raise
        if command.returncode != 0:
            raise self._failure()

    def _failure(self) -> EmbeddedError:
        output = self.log.read_text(errors="replace")
        last_words = " / ".join(line.strip() for line in output.strip().splitlines()[-2:])
        message = (
            f"Building the embedded cluster's tools failed: {last_words.rstrip('.')}. The whole log is in {self.log}."
        )
        if "no space left on device" in output:
            return EmbeddedError(
                f"{message} Make room on the disk (Go's caches: `go env GOCACHE GOMODCACHE`), then try again."
            )
        return unreachable_or_failed(message, output)


def _work(line: str) -> tuple[str, int]:
    package, folder, files = line.rstrip("\n").split("\t")
    return package, PACKAGE_WORK + sum((Path(folder) / name).stat().st_size for name in files.split())
