"""Meters: they let a signal through as it is and say what it was."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import as_float, fma, hmax, hsum, lane, lanes, load, select, splat, store
from flowaudio.core.simdmath import log2_normal
from flowaudio.nodes._cells import CELL, FULL_BITS, LIMIT_BITS, clean, tops, wait

__all__ = ["LevelMeter"]

FLOOR_DBFS = -160.0
"""What a meter reads for silence."""

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LOWEST_POWER = np.float32(1e-16)
DB = np.float32(3.010299956639812)      # decibels in a factor of two of a power


class Params(NamedTuple):
    """How a level follows."""

    keep: Any                           # float64 [1], part of the mean square that a cell leaves
    fall: Any                           # float64 [1], factor on the peak power in a cell's time


class State(NamedTuple):
    """Cells of 32 frames are counted from the start, wherever a block begins: so no result depends on how the signal
    was cut. The frames of one that is not full wait in `held`, with zeros behind them."""

    at: Any                             # int64 [1], frames so far
    held: Any                           # float32 [channel, CELL]
    mean: Any                           # float64 [channel], the mean square in its window
    offset: Any                         # float64 [channel], the mean in that window
    falling: Any                        # float64 [channel], square of the falling peak
    total: Any                          # float64 [channel], sum of squares of all full cells
    added: Any                          # float64 [channel], sum of all full cells
    highest: Any                        # float64 [channel], square of the highest peak in all full cells
    clips: Any                          # int64 [channel], samples at or above full scale in all full cells
    peak_dbfs: Any                      # float32 [channel]
    rms_dbfs: Any
    max_peak_dbfs: Any
    mean_rms_dbfs: Any
    crest_db: Any
    dc: Any                             # float64 [channel]
    mean_dc: Any
    clipped: Any                        # int64 [channel], samples at or above full scale


@kernel
def dbfs(falling: float, mean: float, highest: float, all_mean: float) -> Any:
    """Four squared levels in dB, in lanes: a logarithm for each would be most of the work in short blocks."""
    power = lanes(np.float32(falling), np.float32(mean), np.float32(highest), np.float32(all_mean), ONE, ONE, ONE, ONE)
    return select(power > LOWEST_POWER, log2_normal(power) * DB, splat(np.float32(FLOOR_DBFS)))


@kernel
def count_clipped(row: Any, first: int, count: int) -> int:
    """Samples that stand at or above full scale."""
    found = 0
    for n in range(first, first + count):
        if abs(row[n]) >= ONE:
            found += 1
    return found


@kernel
def cell(row: Any, n: int) -> Any:
    """Of 32 frames: sum of squares, sum, and the greatest magnitude as bits before and as a number after cleaning."""
    v0, v1, v2, v3 = load(row, n), load(row, n + 8), load(row, n + 16), load(row, n + 24)
    top = tops(v0, v1, v2, v3)
    bits = hmax(top)
    if bits > LIMIT_BITS:
        v0, v1, v2, v3 = clean(v0), clean(v1), clean(v2), clean(v3)
        top = tops(v0, v1, v2, v3)
    power, level = fma(v3, v3, fma(v2, v2, fma(v1, v1, v0 * v0))), (v0 + v1) + (v2 + v3)
    return np.float64(hsum(power)), np.float64(hsum(level)), bits, np.float64(hmax(as_float(top)))


@kernel
def cells(row: Any, first: int, count: int, c: int, p: Any, s: Any) -> None:
    """Full cells enter the ballistics and the totals."""
    keep, fall = p.keep[0], p.fall[0]
    mean, offset, falling = s.mean[c], s.offset[c], s.falling[c]
    total, added, highest = s.total[c], s.added[c], s.highest[c]
    for n in range(first, first + count * CELL, CELL):
        power, level, bits, peak = cell(row, n)
        mean = fma(keep, mean - power / CELL, power / CELL)
        offset = fma(keep, offset - level / CELL, level / CELL)
        falling = max(peak * peak, falling * fall)
        highest = max(highest, peak * peak)
        total += power
        added += level
        if bits >= FULL_BITS:
            s.clips[c] += count_clipped(row, n, CELL)
    s.mean[c], s.offset[c], s.falling[c] = mean, offset, falling
    s.total[c], s.added[c], s.highest[c] = total, added, highest


@kernel
def some(row: Any, first: int, count: int, c: int, p: Any, s: Any) -> None:
    """Frames that do not make a full cell wait for the others."""
    held, at = s.held[c], (s.at[0] + first) % CELL
    wait(row, first, count, at, held)
    if at + count == CELL:
        cells(held, 0, 1, c, p, s)
        for k in range(0, CELL, 8):
            store(held, k, splat(ZERO))


@kernel
def show(c: int, frames: int, s: Any) -> None:
    """Levels of everything up to this frame."""
    power, level, _, peak = cell(s.held[c], 0)
    mean = (s.total[c] + power) / frames
    levels = dbfs(max(s.falling[c], peak * peak), s.mean[c], max(s.highest[c], peak * peak), mean)
    s.peak_dbfs[c], s.rms_dbfs[c] = lane(levels, 0), lane(levels, 1)
    s.max_peak_dbfs[c], s.mean_rms_dbfs[c] = lane(levels, 2), lane(levels, 3)
    s.crest_db[c] = lane(levels, 2) - lane(levels, 3) if mean > LOWEST_POWER else np.float32(math.nan)
    s.clipped[c] = s.clips[c] + count_clipped(s.held[c], 0, CELL)
    s.dc[c] = s.offset[c]
    s.mean_dc[c] = (s.added[c] + level) / frames


@node(in_place=True, measures=("peak_dbfs", "rms_dbfs", "max_peak_dbfs", "mean_rms_dbfs", "crest_db", "dc", "mean_dc",
                               "clipped"))
class LevelMeter:
    """Measures peak, RMS, crest factor and offset of each channel; the signal passes unchanged.

    ``plan.read(name)`` gives arrays ``[channel]``. Silence reads -160 dBFS; 0 dBFS is an amplitude, or an RMS, of 1.0.

    - ``peak_dbfs``: sample peak. It rises at once and falls by `fall_db_per_s`.
    - ``rms_dbfs``: RMS in an exponential window with a time constant of `integration_ms`. Reaches back from the last
      multiple of 32 frames.
    - ``dc``: mean of the samples in the same window; 1.0 is full scale.
    - ``max_peak_dbfs``, ``mean_rms_dbfs``, ``mean_dc``: of everything since the start or the last reset.
    - ``crest_db``: the first of these less the second: 3.01 for a sine, NaN for silence.
    - ``clipped``: samples at or above full scale since then.

    Peaks are those of samples; what a converter makes between them may be higher. Latency: none. Error against float64:
    2e-6 dB in a total RMS, 1e-7 of the RMS in a mean. The windows move in steps of 32 frames: by as much as changes in
    0.7 ms they are behind. Samples that are not finite, or beyond ±10,000, count as 0 (and, NaN excepted, as clipped).
    """

    integration_ms: float = param(1.0, 10_000.0, "time constant of the windows", default=300.0)
    fall_db_per_s: float = param(0.0, 1000.0, "how fast the peak falls", default=20.0, unit="dB/s")

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Silence."""
        seconds = CELL / format.rate
        keep = math.exp(-1000.0 * seconds / self.integration_ms)
        fall = 10.0 ** (-self.fall_db_per_s * seconds / 10.0)
        n = format.channels
        levels = np.full((4, n), FLOOR_DBFS, np.float32)
        mean, offset, falling, total, added, highest, dc, mean_dc = np.zeros((8, n))
        clips, clipped = np.zeros((2, n), np.int64)
        return (Params(np.array([keep]), np.array([fall])),
                State(np.zeros(1, np.int64), np.zeros((n, CELL), np.float32), mean, offset, falling, total, added,
                      highest, clips, levels[0], levels[1], levels[2], levels[3],
                      np.full(n, math.nan, np.float32), dc, mean_dc, clipped))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        head = min((CELL - s.at[0] % CELL) % CELL, frames)
        for c in range(x.shape[0]):
            source, target = x[c], y[c]
            if head:
                some(source, 0, head, c, p, s)
            whole = (frames - head) // CELL
            cells(source, head, whole, c, p, s)
            n = head + whole * CELL
            if n < frames:
                some(source, n, frames - n, c, p, s)
            for n in range(frames):
                target[n] = source[n]
            show(c, s.at[0] + frames, s)
        s.at[0] += frames
