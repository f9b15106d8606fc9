import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchmarks import __main__ as benchmarks
from benchmarks import idle, records
from benchmarks.child import evaluated
from benchmarks.measure import Result, alternate
from benchmarks.setting import PROGRAMS, child
from operations.manifests.evaluate import PROJECT, Recorder
from operations.manifests.readme import inserted

# Kinds of resources that are slow to import, by API group: only those that every stack has are there from the start.
GROUPS = {"helm"}


def result(ours: float, target: float = 0.8, name: str = "up") -> Result:
    return Result(name=name, ours=[ours] * 3, reference=[10.0] * 3, target=target)


def test_the_ratio_is_the_median_of_pairs_that_ran_after_each_other() -> None:
    # The second pair met a slow machine: its ratio is as good as any.
    assert Result(name="up", ours=[1, 20, 3], reference=[2, 50, 3], target=1).ratio == 0.5


@pytest.mark.parametrize(("ours", "met"), [(8.0, True), (8.1, False)])
def test_a_target_is_met_by_what_does_not_pass_it(ours: float, met: bool) -> None:
    assert result(ours).met is met


def test_a_ratio_without_a_target_is_only_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = Result(name="latency", ours=[9.0], reference=[1.0], unit="ms")
    assert (told.met, told.entry()["target"]) == (True, None)
    Console(width=benchmarks.WIDTH).print(benchmarks.table([told]))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "latency" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("latency", "ms", "9.0 (9.0 to 9.0)", "1.0 (1.0 to 1.0)", "9.00", "none", "1", ""),
    ]


def test_an_entry_holds_medians_and_the_number_of_runs() -> None:
    measured = Result(name="up", ours=[1, 2.00049, 9], reference=[4, 4, 5], target=0.8, unit="MiB")
    assert measured.entry() == {
        "name": "up",
        "unit": "MiB",
        "ours": 2.0,
        "reference": 4,
        "ratio": 0.5,
        "target": 0.8,
        "runs": 3,
    }


def test_both_are_measured_in_turn_and_each_goes_first_now_and_then() -> None:
    order: list[str] = []

    def measured(name: str) -> str:
        order.append(name)
        return name

    assert alternate(lambda: measured("ours"), lambda: measured("theirs"), 3) == (["ours"] * 3, ["theirs"] * 3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Benchmarks that measure nothing: one meets its target, one does not. How many runs were asked for."""
    asked: list[int] = []

    def having(ours: float) -> SimpleNamespace:
        def results(runs: int) -> Iterator[Result]:
            asked.append(runs)
            yield result(ours, name="up" if ours > 8 else "down")

        return SimpleNamespace(results=results)

    monkeypatch.setattr(benchmarks, "BENCHMARKS", {"fast": having(2.0), "slow": having(9.0)})
    return asked


def ran(monkeypatch: pytest.MonkeyPatch, out: Path, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--out", str(out), *words])
    return benchmarks.main()


def test_a_missed_target_is_shown_written_and_an_error(
    measures: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, tmp_path / "out.json") == 1
    written = json.loads((tmp_path / "out.json").read_text())
    assert [entry["ratio"] for entry in written] == [0.2, 0.9]
    assert all(isinstance(entry["load"], float) for entry in written)
    shown, complaint = capsys.readouterr()
    assert ("met" in shown, "MISSED" in shown) == (True, True)
    assert re.search(
        r"Load of the machine, 1, 5 and 15 minutes: before [\d.]+ [\d.]+ [\d.]+; at the end [\d.]+ ", shown
    )
    assert complaint == "error: 1 of 2 targets missed: up\n"
    assert measures == [3, 3]


ENTRY = {"name": "up", "unit": "s", "ours": 2.0, "reference": 4.0, "ratio": 0.5, "target": 1.0, "runs": 3, "load": 0.1}


def test_what_is_measured_again_takes_its_own_place_and_the_rest_stays(tmp_path: Path) -> None:
    file, document = tmp_path / "results.json", tmp_path / "performance.md"
    down = {**ENTRY, "name": "down", "target": None}
    records.keep([ENTRY, down], file, document)
    records.keep([{**ENTRY, "ratio": 0.7}, {**ENTRY, "name": "idle"}], file, document)
    assert json.loads(file.read_text()) == [{**ENTRY, "ratio": 0.7}, down, {**ENTRY, "name": "idle"}]
    assert not document.exists()  # others' results are no matter of the project's document


def test_the_document_has_what_the_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, document = tmp_path / "results.json", tmp_path / "performance.md"
    document.write_text("Before\n<!-- results:start -->\nold\n<!-- results:end -->\nAfter\n")
    monkeypatch.setattr(records, "RESULTS", file)
    records.keep([ENTRY, {**ENTRY, "name": "idle", "target": None}], file, document)
    assert document.read_text() == (
        "Before\n<!-- results:start -->\n"
        "| comparison | unit | ours | reference | ratio | target | runs | load |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| up | s | 2.0 | 4.0 | 0.5 | 1.0 | 3 | 0.1 |\n"
        "| idle | s | 2.0 | 4.0 | 0.5 | - | 3 | 0.1 |\n"
        "<!-- results:end -->\nAfter\n"
    )


def test_the_projects_own_document_has_what_its_file_has() -> None:
    entries = json.loads(records.RESULTS.read_text())
    assert inserted(records.DOCUMENT.read_text(), records.PART, records.table(entries)) == records.DOCUMENT.read_text()


def test_some_can_be_measured_as_often_as_is_asked_for(
    measures: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ran(monkeypatch, tmp_path / "out.json", "fast", "--runs", "2") == 0
    assert measures == [2]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["fsat"], "fsat is no benchmark; accepted: fast, slow"),
        (["--runs", "0"], "--runs is 0; accepted: 1 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    measures: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    complaint: str,
) -> None:
    with pytest.raises(SystemExit):
        ran(monkeypatch, tmp_path / "out.json", *words)
    assert complaint in capsys.readouterr().err
    assert measures == []


def test_the_bare_loop_registers_what_the_components_do_and_waits_for_the_same() -> None:
    def registered(bare: str) -> dict[str, object]:
        recorder = Recorder()
        project = PROGRAMS / "many"
        evaluated(recorder, project, "bench", {"copies": "2", "bare": bare})
        return {
            each.name: (each.token, each.inputs, each.dependencies)
            for each in recorder.registrations
            if each.parent or each.custom
        }

    components, bare = registered("false"), registered("true")
    assert len(bare) == 2 * (1 + 4 + 4 + 6) + 1
    assert {name: components[name] for name in bare} == bare


@pytest.mark.parametrize(
    ("cgroup", "counted"),
    [("0::/embedded-ab/system\n", True), ("3:pids:/embedded-ab/kubepods/pod1\n0::/\n", True), ("0::/user\n", False)],
)
def test_a_process_is_the_clusters_by_its_cgroup(tmp_path: Path, cgroup: str, counted: bool) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    (tmp_path / "stat").write_text(f"7 (a (b) c) S {' '.join(map(str, range(4, 20)))}")
    found = idle.stat(tmp_path, "embedded-ab")
    assert (found is not None) is counted
    if found:
        name, fields = found
        assert name == "a (b) c"
        # utime, stime, cutime and cstime are fields 14 to 17 of /proc/PID/stat.
        assert fields[11:15] == ["14", "15", "16", "17"]


def test_a_process_that_has_ended_is_not_counted(tmp_path: Path) -> None:
    assert idle.stat(tmp_path, "embedded-ab") is None


def test_a_child_tells_what_a_program_took() -> None:
    cost = child(PROGRAMS / "many", "bench", "copies=1")
    assert cost.cpu > 0
    assert 20 < cost.mib < 2000


def test_the_program_imports_no_kinds_of_resources_but_those_that_every_stack_has() -> None:
    listing = "import sys; from program import compose, lookup, preflight, settings, supply; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", listing], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = [name.split(".") for name in modules.stdout.split()]
    assert {name[1] for name in loaded if name[0] == "pulumi_kubernetes" and len(name) == 4} == GROUPS
    assert [name for name in loaded if name[:3] == ["kubernetes", "client", "models"] and len(name) > 3] == []
