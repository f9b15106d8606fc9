"""Programs that are to run for as long as the node does: one that ends is started again."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
STEADY = 10.0
"""Seconds after which a program counts as having come up: its next end is a first one again."""

FATAL_ENDS = 5
"""Ends in a row, none after a steady run, by which a start has failed."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program of the node.

    Attributes:
        name: of its log.
        command: its path and arguments.
        environment: the whole of it.
        descriptors: open files that it inherits.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()


@dataclass(kw_only=True)
class Supervisor:
    """Keeps programs running.

    Attributes:
        logs: folder of NAME.log; each is emptied when the supervisor first starts the program.
        say: receives a line whenever a program has ended.
        failure: what has gone wrong for good while the node was starting.
    """

    logs: Path
    say: Callable[[str], None]
    failure: str | None = None
    _children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _stopped: bool = False

    def start(self, program: Program) -> None:
        """Start a program and keep it running.

        Raises:
            OSError: It cannot be started at all.
        """
        log = self.logs / f"{program.name}.log"
        if log.exists():
            log.replace(log.with_suffix(".previous"))
        child = self._launch(program)
        threading.Thread(target=self._keep, args=(program, child), name=program.name, daemon=True).start()

    def pid(self, name: str) -> int:
        """The process that runs a program now."""
        return self._children[name].pid

    def stop(self) -> None:
        """End all programs for good."""
        self._stopped = True
        for child in self._children.values():
            child.kill()

    def _launch(self, program: Program) -> "subprocess.Popen[bytes]":
        with (self.logs / f"{program.name}.log").open("ab") as output:
            child = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(program.environment),
                pass_fds=program.descriptors,
            )
        self._children[program.name] = child
        return child

    def _keep(self, program: Program, child: "subprocess.Popen[bytes]") -> None:
        ends = 0
        while True:
            began = time.monotonic()
            status = child.wait()
            if self._stopped:
                return
            lasted = time.monotonic() - began
            ends = 1 if lasted > STEADY else ends + 1
            self.say(f"{program.name} ended with status {status} after {lasted:.1f} s")
            if ends == FATAL_ENDS and self.failure is None:
                self.failure = f"{program.name} ended {ends} times in a row"
            time.sleep(pause(ends))
            child = self._launched_again(program)

    def _launched_again(self, program: Program) -> "subprocess.Popen[bytes]":
        while True:
            try:
                return self._launch(program)
            except OSError as error:  # such as a folder of logs that somebody has removed, or a full table of processes
                self.say(f"{program.name} cannot be started again: {error}")
                time.sleep(LONGEST_PAUSE)


def pause(ends: int) -> float:
    """Seconds to wait after a program's so-manieth end in a row."""
    return float(min(FIRST_PAUSE * 2 ** (ends - 1), LONGEST_PAUSE))
