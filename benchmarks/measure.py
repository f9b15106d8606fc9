"""Measures two ways of doing the same in turn, and says how the one compares with the other."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One comparison.

    Attributes:
        name: what was compared with what.
        ours: what each run of ours measured.
        reference: the same of what it is compared with, run by run.
        target: the ratio of ours to the reference that must not be exceeded; None where the ratio is only told.
        unit: of what was measured.
    """

    name: str
    ours: Sequence[float]
    reference: Sequence[float]
    target: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: both of a pair ran right after each other, whatever the machine did."""
        return statistics.median(our / their for our, their in zip(self.ours, self.reference, strict=True))

    @property
    def met(self) -> bool:
        """Whether the ratio is within the target; always where there is none."""
        return self.target is None or self.ratio <= self.target

    def entry(self) -> dict[str, object]:
        """The result as benchmarks/results.json has it; values are medians."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": round(statistics.median(self.ours), 3),
            "reference": round(statistics.median(self.reference), 3),
            "ratio": round(self.ratio, 3),
            "target": self.target,
            "runs": len(self.ours),
        }


def timed(work: Callable[[], object]) -> float:
    """How long ``work`` takes, in seconds by the wall clock."""
    gc.collect()
    began = time.monotonic()
    work()
    return time.monotonic() - began


def alternate(ours: Callable[[], T], reference: Callable[[], T], runs: int) -> tuple[list[T], list[T]]:
    """What each of ``runs`` runs measures, ours and the reference in turn; which goes first changes from run to run."""
    pair: tuple[list[T], list[T]] = ([], [])
    for run in range(runs):
        order = [(ours, pair[0]), (reference, pair[1])]
        for measured, kept in order if run % 2 == 0 else reversed(order):
            kept.append(measured())
    return pair
