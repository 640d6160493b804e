"""Gates and percentiles of loudness over a histogram: memory stays the same however long a stream is.

A row of counts holds one bin for each 0.01 LU from the absolute gate up, and behind them one for each whole LU, by
which a percentile is found without a walk through all. A tally is int64 [3]: how many were counted, how many of them
over the relative gate, and the bin where that stands. The mean square of what lies above the absolute gate is a sum of
its own and exact; where the sums of the bins are kept too, so is that of what lies above the relative one.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.nodes._kweighting import loudness_of

__all__ = ["BINS", "GATE_LUFS", "count", "counts", "move_gate", "percentile_lufs"]

GATE_LUFS = -70.0
BINS = 10_000                           # up to +30 LUFS; what is louder counts as that
PER_BIN = 100                           # bins in a LU, and places of a group of bins
GROUPS = BINS // PER_BIN


def counts() -> Any:
    """int64 [bins and groups], empty."""
    return np.zeros(BINS + GROUPS, np.int64)


@kernel
def count(power: float, bins: Any, tally: Any) -> int:
    """Count a mean square above the absolute gate; its bin."""
    place = min(BINS - 1, max(0, int((loudness_of(power) - GATE_LUFS) * PER_BIN)))
    bins[place] += 1
    bins[BINS + place // PER_BIN] += 1
    tally[0] += 1
    if place >= tally[2]:
        tally[1] += 1
    return place


@kernel
def move_gate(mean: float, relative_lu: float, bins: Any, sums: Any, tally: Any, above: Any) -> None:
    """Put the relative gate `relative_lu` from the mean square of all, rounded to a whole bin.

    `sums` are those of the bins, `above[0]` the sum of what lies over the gate; both may be of one place, unused.
    """
    wanted = max(0, int((loudness_of(mean) + relative_lu - GATE_LUFS) * PER_BIN + 0.5))
    summed = sums.size > 1
    while tally[2] < wanted:
        tally[1] -= bins[tally[2]]
        if summed:
            above[0] -= sums[tally[2]]
        tally[2] += 1
    while tally[2] > wanted:
        tally[2] -= 1
        tally[1] += bins[tally[2]]
        if summed:
            above[0] += sums[tally[2]]


@kernel
def percentile_lufs(part: float, bins: Any, tally: Any) -> float:
    """Loudness, in the middle of its bin, of the one that has `part` of all above the relative gate under it."""
    wanted = int((tally[1] - 1) * part + 0.5) + tally[0] - tally[1]     # of all, from 0 on
    place = BINS
    while wanted >= bins[place]:
        wanted -= bins[place]
        place += 1
    place = (place - BINS) * PER_BIN
    while wanted >= bins[place]:
        wanted -= bins[place]
        place += 1
    return GATE_LUFS + (place + 0.5) / PER_BIN
