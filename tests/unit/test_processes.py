"""Background processes that end before whoever has started them looks at them."""

import json
import os
from pathlib import Path

import pytest

from embedded import process
from embedded.errors import EmbeddedError
from embedded.node.cluster import RealCluster
from embedded.process import Process
from tests.embedded.kube import eventually


def test_a_program_that_ends_as_soon_as_it_has_recorded_itself_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, file = process.recorded, tmp_path / "pid"
    looks: list[Process | None] = []

    def late(pid_file: Path) -> Process | None:
        looks.append(None if not looks else look(pid_file))
        eventually(lambda: (found := look(pid_file)) and not process.alive(found))
        return looks[-1]

    monkeypatch.setattr(process, "recorded", late)
    process.spawn(["/bin/sh", "-c", "exit 3"], pid_file=file, log=tmp_path / "log", environment=process.environment())
    assert looks[0] is None
    assert not process.alive(look(file))


def test_a_node_that_says_why_it_ends_has_said_so_however_late_one_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = RealCluster(tmp_path)
    (tmp_path / "process").write_text(f"{os.getpid()}\n{Path('/proc/self/stat').read_text()}")

    def ends(recorded: Process | None) -> bool:
        assert recorded
        (tmp_path / "status.json").write_text(json.dumps({"failed": "etcd ended 5 times in a row"}))
        return False

    monkeypatch.setattr(process, "alive", ends)
    with pytest.raises(EmbeddedError, match=r"did not come up: etcd ended 5 times in a row\. .*node\.log"):
        ending._wait()
