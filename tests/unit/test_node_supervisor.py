import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.node import supervisor
from embedded.node.supervisor import Program, Supervisor, pause


def program(*command: str) -> Program:
    return Program(name="sample", command=command, environment={"PATH": os.defpath})


def eventually(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_is_killed_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Supervisor(logs=tmp_path, say=said.append)
    keeper.start(program("/bin/sleep", "600"))
    first = keeper.pid("sample")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: keeper.pid("sample") != first)
    os.kill(keeper.pid("sample"), 0)
    assert said[0].startswith("sample ended with status -9")
    keeper.stop()


def test_a_program_that_ends_again_and_again_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.01)
    keeper = Supervisor(logs=tmp_path, say=lambda _: None)
    keeper.start(program("/bin/sh", "-c", "echo broken; exit 1"))
    eventually(lambda: keeper.failure is not None)
    assert keeper.failure == f"sample ended {supervisor.FATAL_ENDS} times in a row"
    keeper.stop()
    assert (tmp_path / "sample.log").read_text().splitlines()[0] == "broken"


def test_a_program_that_cannot_be_started_for_a_while_is_started_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.01)
    logs, said = tmp_path / "logs", list[str]()
    logs.mkdir()
    keeper = Supervisor(logs=logs, say=said.append)
    keeper.start(program("/bin/sleep", "600"))
    first = keeper.pid("sample")
    (logs / "sample.log").unlink()
    logs.rmdir()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: any("cannot be started again" in line for line in said))
    logs.mkdir()
    eventually(lambda: keeper.pid("sample") != first)
    keeper.stop()


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / "sample.log").write_text("the run before")
    keeper = Supervisor(logs=tmp_path, say=lambda _: None)
    keeper.start(program("/bin/sleep", "600"))
    assert (tmp_path / "sample.previous").read_text() == "the run before"
    keeper.stop()


def test_pauses_grow_up_to_a_limit() -> None:
    assert [pause(ends) for ends in (1, 2, 3)] == [0.1, 0.2, 0.4]
    assert pause(50) == supervisor.LONGEST_PAUSE
