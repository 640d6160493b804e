"""Two things timed against each other: by turns in one process, so that a noisy machine is noisy for both."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Ratio", "milliseconds", "ratio"]


class Ratio(NamedTuple):
    """Medians, and the median of how many times as long each run of `b` took as the run of `a` before it."""

    median_a_ms: float
    median_b_ms: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.median_a_ms:8.2f} ms against {self.median_b_ms:8.2f} ms: {self.ratio:5.2f} times"


def milliseconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - start) * 1e-6


def ratio(a: Callable[[], object], b: Callable[[], object], repeats: int = 15) -> Ratio:
    """Run `a` and `b` by turns; above 1 means that `a` is the faster one. Each runs once before, untimed."""
    a()
    b()
    pairs = [(milliseconds(a), milliseconds(b)) for _ in range(repeats)]
    return Ratio(statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs),
                 statistics.median(p[1] / p[0] for p in pairs))
