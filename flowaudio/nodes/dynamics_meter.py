"""The dynamics meter: how far the peaks of a programme stand above its loud parts."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.nodes._cells import CELL, PEAK, SLICES_PER_SECOND, add, finish, peak, power, slice_end

__all__ = ["DynamicsMeter"]

BLOCK = 3 * SLICES_PER_SECOND           # slices in a block
PART = SLICES_PER_SECOND // 2           # slices that a last block must have to count
FEWEST = 3                              # blocks
SHARE = 5                               # one block in five is loud
BINS = 12_000                           # of the histogram: 0.01 dB each, from LOWEST_DB up
PER_DB = 100.0
LOWEST_DB = -100.0
SILENT = 1e-10                          # mean square of the loud blocks under which there is no result


class Params(NamedTuple):
    """Fixed for a rate."""

    rate: int


class State(NamedTuple):
    """The slice and the block in work, what is known of the blocks before, and the results."""

    clock: Any                          # int64 [4]: frames; whole slices; whole blocks; frame at which the block began
    held: Any                           # float32 [channel, CELL], see _cells
    sums: Any                           # float32 [channel, 2 * 8]
    block: Any                          # float64 [2, channel]: sum of squares and peak of the block in work
    counts: Any                         # int64 [channel, BINS], blocks by their mean square
    squares: Any                        # float64 [channel, BINS], their mean squares added up
    highest: Any                        # float64 [2, channel], the two highest peaks of a block
    loud: Any                           # float64 [3, channel], see `weigh`
    dr_db: Any                          # float64 [channel]
    dynamic_range_db: Any               # float64 [1]
    loud_rms_dbfs: Any                  # float64 [channel]
    second_peak_dbfs: Any               # float64 [channel]


@node(in_place=True, measures=("dr_db", "dynamic_range_db", "loud_rms_dbfs", "second_peak_dbfs"))
class DynamicsMeter:
    """Measures dynamic range (DR) as the TT DR meter does; the signal passes unchanged.

    The programme is cut into blocks of 3 s from its first frame on. A block has a peak and an
    ``rms = sqrt(2 · mean square)``, so that a sine's is its peak::

        dr = 20 log10(second highest peak of a block / root mean square of the rms of the loudest 20 % of blocks)

    After the description by the Pleasurize Music Foundation, "DR Dynamic Range Meter" (2009). A fifth of the blocks is
    rounded down, and is one at least. A last block that is not whole counts with the length it has, from half a second
    on. Fewer than three blocks, or loud ones below -100 dBFS, give no value: NaN. Official figures are rounded to whole
    decibels; that is left to who shows them. Blocks are 3 s at every rate, where some meters have 3.004 s at 44.1 kHz.

    - ``dr_db`` [channel]; ``dynamic_range_db`` [1]: mean of the channels that have a value.
    - ``loud_rms_dbfs``, ``second_peak_dbfs`` [channel]: the two levels that it is made of.

    Blocks are kept in a histogram of 0.01 dB with exact sums: error below 0.01 dB, and memory that does not grow.
    Values change at the end of each 20 ms; what has not filled them does not count. Peaks are those of samples. It says
    nothing of loudness range, which the loudness meter has, and a limiter or a vinyl's crackle changes it for no merit
    of the music's. Latency: none. Samples that are not finite, or beyond ±10,000, count as 0.
    """

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Silence."""
        n = format.channels
        return Params(format.rate), State(
            np.zeros(4, np.int64), np.zeros((n, CELL), np.float32), np.zeros((n, 2 * PEAK), np.float32),
            np.zeros((2, n)), np.zeros((n, BINS), np.int64), np.zeros((n, BINS)), np.zeros((2, n)), np.zeros((3, n)),
            np.full(n, math.nan), np.full(1, math.nan), np.full(n, math.nan), np.full(n, math.nan))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        done = 0
        while done < frames:
            end = slice_end(s.clock[1], p.rate)
            begun = slice_end(s.clock[1] - 1, p.rate)
            count = min(frames - done, end - s.clock[0])
            for c in range(x.shape[0]):
                add(x[c], done, count, s.clock[0] - begun, s.held[c], s.sums[c])
            done += count
            s.clock[0] += count
            if s.clock[0] == end:
                close_slice(end - begun, s)
        for c in range(x.shape[0]):
            for n in range(frames):
                y[c, n] = x[c, n]


@kernel
def close_slice(length: int, s: Any) -> None:
    """A slice is whole: it enters the block, and the results are renewed."""
    s.clock[1] += 1
    slices = s.clock[1] - BLOCK * s.clock[2]
    frames = s.clock[0] - s.clock[3]
    whole = slices == BLOCK
    for c in range(s.dr_db.size):
        finish(length, s.held[c], s.sums[c])
        s.block[0, c] += power(s.sums[c])
        s.block[1, c] = max(s.block[1, c], peak(s.sums[c]))
        if whole:
            keep(c, 2.0 * s.block[0, c] / frames, s.block[1, c], s)
            weigh(c, s.clock[2] + 1, s)
    if whole:
        s.clock[2] += 1
        s.clock[3] = s.clock[0]
    show(0 if whole or slices < PART else frames, s)


@kernel
def keep(c: int, square: float, top: float, s: Any) -> None:
    """Count a block; the next one begins."""
    level = 10.0 * math.log10(square) if square > 0.0 else LOWEST_DB
    place = max(0, min(BINS - 1, int((level - LOWEST_DB) * PER_DB)))
    s.counts[c, place] += 1
    s.squares[c, place] += square
    s.highest[1, c] = max(s.highest[1, c], min(s.highest[0, c], top))
    s.highest[0, c] = max(s.highest[0, c], top)
    s.block[0, c] = s.block[1, c] = 0.0


@kernel
def weigh(c: int, blocks: int, s: Any) -> None:
    """What the loudest of `blocks` blocks add up to. A block more may come that is not whole, and then one in five of
    blocks + 1 is loud: `loud` keeps the mean of a fifth now, and for then the sum of all but the last of the loud and
    that last one, so that `show` need not look for them again."""
    now, then = max(1, blocks // SHARE), max(1, (blocks + 1) // SHARE)
    s.loud[0, c] = loudest(s.counts[c], s.squares[c], now) / now
    s.loud[1, c] = loudest(s.counts[c], s.squares[c], then - 1)
    s.loud[2, c] = loudest(s.counts[c], s.squares[c], then) - s.loud[1, c]


@kernel
def loudest(counts: Any, squares: Any, wanted: int) -> float:
    """Sum of the mean squares of so many of the loudest blocks."""
    total = 0.0
    missing, n = wanted, counts.size - 1
    while missing > 0 and n >= 0:
        if counts[n] > 0:
            taken = min(missing, counts[n])
            total += squares[n] * taken / counts[n]
            missing -= taken
        n -= 1
    return total


@kernel
def show(part: int, s: Any) -> None:
    """Renew the results; `part` is how many frames a last block has that counts though it is not whole."""
    blocks = s.clock[2] + (1 if part > 0 else 0)
    total, found = 0.0, 0
    for c in range(s.dr_db.size):
        square, second = s.loud[0, c], s.highest[1, c]
        if part > 0:
            square = (s.loud[1, c] + max(s.loud[2, c], 2.0 * s.block[0, c] / part)) / max(1, blocks // SHARE)
            second = max(second, min(s.highest[0, c], s.block[1, c]))
        s.dr_db[c] = s.loud_rms_dbfs[c] = s.second_peak_dbfs[c] = math.nan
        if blocks >= FEWEST and square > SILENT and second > 0.0:
            s.loud_rms_dbfs[c] = 10.0 * math.log10(square)
            s.second_peak_dbfs[c] = 20.0 * math.log10(second)
            s.dr_db[c] = s.second_peak_dbfs[c] - s.loud_rms_dbfs[c]
            total += s.dr_db[c]
            found += 1
    s.dynamic_range_db[0] = total / found if found > 0 else math.nan
