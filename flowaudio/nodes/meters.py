"""Meters: they let a signal through as it is and say what it was."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hmax, hsum, load, splat, store, vabs, vmax

__all__ = ["LevelMeter"]

FLOOR_DBFS = -160.0
"""What a meter reads for silence."""

CELL = 32
"""Frames over which a level is taken before it enters the ballistics: 0.7 ms at 48 kHz."""

ZERO = np.float32(0.0)
FULL_SCALE = np.float32(1.0)
LOWEST_POWER = 1e-16


class Params(NamedTuple):
    """How a level follows."""

    keep: Any                           # float64 [1], part of the mean square that a cell leaves
    fall: Any                           # float64 [1], factor on the peak power in a cell's time


class State(NamedTuple):
    """Cells begin at multiples of CELL frames, counted from the start, wherever a block begins: so no result depends on
    how the signal was cut. What is not full waits in `cell_power` and `cell_peak`, frame by frame in its lane."""

    at: Any                             # int64 [1], frames so far
    cell_power: Any                     # float32 [channel, 8]
    cell_peak: Any                      # float32 [channel, 8]
    mean: Any                           # float64 [channel], the mean square in its window
    falling: Any                        # float64 [channel], square of the falling peak
    total: Any                          # float64 [channel], sum of squares of all full cells
    highest: Any                        # float64 [channel], square of the highest peak in all full cells
    peak_dbfs: Any                      # float32 [channel]
    rms_dbfs: Any
    max_peak_dbfs: Any
    mean_rms_dbfs: Any
    clipped: Any                        # int64 [channel], samples at or above full scale


@kernel
def dbfs(power: float) -> Any:
    """Of a squared level, in float32."""
    return np.float32(10.0 * math.log10(max(power, LOWEST_POWER)))


@kernel
def count_clipped(row: Any, first: int, count: int) -> int:
    """Samples that stand at or above full scale."""
    found = 0
    for n in range(first, first + count):
        if abs(row[n]) >= FULL_SCALE:
            found += 1
    return found


@kernel
def close(c: int, power: float, peak: Any, p: Any, s: Any) -> None:
    """A cell is full: it enters the ballistics and the totals."""
    square = np.float64(peak) * np.float64(peak)
    s.mean[c] = fma(p.keep[0], s.mean[c] - power / CELL, power / CELL)
    s.falling[c] = max(square, s.falling[c] * p.fall[0])
    s.total[c] += power
    s.highest[c] = max(s.highest[c], square)


@kernel
def some(row: Any, first: int, count: int, c: int, p: Any, s: Any) -> None:
    """Frames that do not make a whole cell, one by one, in the lanes in which a whole cell has them."""
    power, peak = s.cell_power[c], s.cell_peak[c]
    for n in range(first, first + count):
        k = (s.at[0] + n) % 8
        power[k] = fma(row[n], row[n], power[k])
        peak[k] = max(peak[k], abs(row[n]))
    s.clipped[c] += count_clipped(row, first, count)
    if (s.at[0] + first + count) % CELL == 0:
        close(c, np.float64(hsum(load(power, 0))), hmax(load(peak, 0)), p, s)
        store(power, 0, splat(ZERO))
        store(peak, 0, splat(ZERO))


@kernel
def cell(row: Any, n: int, c: int, p: Any, s: Any) -> None:
    """A whole cell from registers."""
    v0, v1, v2, v3 = load(row, n), load(row, n + 8), load(row, n + 16), load(row, n + 24)
    power = fma(v3, v3, fma(v2, v2, fma(v1, v1, v0 * v0)))
    peak = hmax(vmax(vmax(vabs(v0), vabs(v1)), vmax(vabs(v2), vabs(v3))))
    if peak >= FULL_SCALE:
        s.clipped[c] += count_clipped(row, n, CELL)
    close(c, np.float64(hsum(power)), peak, p, s)


@kernel
def show(c: int, frames: int, s: Any) -> None:
    """Levels in dB, of everything up to this frame."""
    peak = np.float64(hmax(load(s.cell_peak[c], 0)))
    rest = np.float64(hsum(load(s.cell_power[c], 0)))
    s.peak_dbfs[c] = dbfs(max(s.falling[c], peak * peak))
    s.rms_dbfs[c] = dbfs(s.mean[c])
    s.max_peak_dbfs[c] = dbfs(max(s.highest[c], peak * peak))
    s.mean_rms_dbfs[c] = dbfs((s.total[c] + rest) / frames)


@node(in_place=True, measures=("peak_dbfs", "rms_dbfs", "max_peak_dbfs", "mean_rms_dbfs", "clipped"))
class LevelMeter:
    """Measures peak and RMS of each channel; the signal passes unchanged.

    ``plan.read(name)`` gives arrays ``[channel]``. Silence reads -160 dBFS; 0 dBFS is an amplitude, or an RMS, of 1.0.

    - ``peak_dbfs``: sample peak. It rises at once and falls by `fall_db_per_s`.
    - ``rms_dbfs``: RMS in an exponential window with a time constant of `integration_ms`. Reaches back from the last
      multiple of 32 frames.
    - ``max_peak_dbfs``, ``mean_rms_dbfs``: of everything since the start or the last reset.
    - ``clipped``: samples at or above full scale since then.

    Peaks are those of samples; what a converter makes between them may be higher. Latency: none. Error against float64:
    2e-6 dB in a total RMS. The windows move in steps of 32 frames: by as much as changes in 0.7 ms they are behind.
    """

    integration_ms: float = param(1.0, 10_000.0, "time constant of the RMS window", default=300.0)
    fall_db_per_s: float = param(0.0, 1000.0, "how fast the peak falls", default=20.0, unit="dB/s")

    def prepare(self, format: Format) -> tuple[Params, State]:
        seconds = CELL / format.rate
        keep = math.exp(-1000.0 * seconds / self.integration_ms)
        fall = 10.0 ** (-self.fall_db_per_s * seconds / 10.0)
        channels = format.channels
        power, peak = np.zeros((2, channels, 8), np.float32)
        mean, falling, total, highest = np.zeros((4, channels))
        levels = np.full((4, channels), FLOOR_DBFS, np.float32)
        return (Params(np.array([keep]), np.array([fall])),
                State(np.zeros(1, np.int64), power, peak, mean, falling, total, highest,
                      levels[0], levels[1], levels[2], levels[3], np.zeros(channels, np.int64)))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        head = min((CELL - s.at[0] % CELL) % CELL, frames)
        for c in range(x.shape[0]):
            source, target = x[c], y[c]
            if head:
                some(source, 0, head, c, p, s)
            n = head
            while n + CELL <= frames:
                cell(source, n, c, p, s)
                n += CELL
            if n < frames:
                some(source, n, frames - n, c, p, s)
            for n in range(frames):
                target[n] = source[n]
            show(c, s.at[0] + frames, s)
        s.at[0] += frames
