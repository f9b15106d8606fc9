"""Runs the benchmarks, prints a table, keeps what was measured, and fails where a ratio misses its target."""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import evaluation, idle, life, load, preview, scale
from benchmarks.measure import Result
from benchmarks.records import RESULTS, keep

BENCHMARKS = {
    "life": life,
    "preview": preview,
    "idle": idle,
    "load": load,
    "evaluation": evaluation,
    "scale": scale,
}
WIDTH = 150


def main() -> int:
    """Run what the command line names; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--runs", type=int, default=3, help="runs of each comparison (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE", help="where to keep the results as JSON")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"{', '.join(sorted(unknown))} is no benchmark; accepted: {', '.join(BENCHMARKS)}")
    if options.runs < 1:
        parser.error(f"--runs is {options.runs}; accepted: 1 or more")
    found: list[Result] = []
    began, before = time.monotonic(), os.getloadavg()
    for name in options.names or BENCHMARKS:
        busy = round(os.getloadavg()[0], 1)
        for result in BENCHMARKS[name].results(options.runs):
            found.append(result)
            # At once, as what comes later may take an hour, or fail.
            keep([{**result.entry(), "load": busy}], options.out)
            print(f"{time.monotonic() - began:4.0f} s  {result.name}: {result.ratio:.2f}x", flush=True)
    # Where it goes to a file, no column is broken.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table(found))
    print(f"Load of the machine, 1, 5 and 15 minutes: before {_load(before)}; at the end {_load(os.getloadavg())}")
    missed = [result.name for result in found if not result.met]
    if missed:
        print(f"error: {len(missed)} of {len(found)} targets missed: {'; '.join(missed)}", file=sys.stderr)
    return bool(missed)


def table(found: list[Result]) -> Table:
    """A row a comparison: medians, the spread between the fastest and the slowest run, ratio and target."""
    shown = Table("comparison", "unit", "ours", "reference", "ratio", "target", "runs", "")
    for result in found:
        columns = (result.unit, _spread(result.ours), _spread(result.reference), f"{result.ratio:.2f}")
        verdict = ("none", "") if result.target is None else (f"{result.target}", "met" if result.met else "MISSED")
        shown.add_row(result.name, *columns, verdict[0], str(len(result.ours)), verdict[1])
    return shown


def _load(averages: Sequence[float]) -> str:
    return " ".join(f"{each:.1f}" for each in averages)


def _spread(values: Sequence[float]) -> str:
    digits = 3 if max(values) < 1 else 1
    middle, low, high = (round(f(values), digits) for f in (statistics.median, min, max))
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main())
