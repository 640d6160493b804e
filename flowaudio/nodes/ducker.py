"""Ducking: one signal steps back while another one speaks."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, Port, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hmax, lanes, load, load_part, splat, store, store_part, vabs, vmax
from flowaudio.core.simdmath import exp2_scalar
from flowaudio.core.units import db_to_gain

__all__ = ["Ducker"]

DB = 6.020599913279624                  # decibels in a factor of two; inside, the depth is a logarithm to base 2
CELL = 32                               # frames between two decisions: 0.7 ms at 48 kHz
HYSTERESIS_DB = 3.0                     # a key that has opened it may fall so far below the threshold
LONG_AGO = 1 << 40
ZERO = np.float32(0.0)
ONE = np.float32(1.0)
PER_CELL = np.float32(1.0 / CELL)
_DB = np.float32(DB)


class Params(NamedTuple):
    """What the kernel takes."""

    threshold: float                    # peak of the key, linear
    lower: float                        # where it is taken as gone
    depth: float                        # powers of two
    attack: Any                         # float64 [1], part of the way that is gone in a cell
    release: Any                        # float64 [1]
    hold: float                         # cells, a whole number; a float, so that another one changes no state


class State(NamedTuple):
    """Cells begin at multiples of CELL frames, counted from the start, wherever a block begins."""

    at: Any                             # int64 [1], frames in this cell
    peak: Any                           # float32 [1], of the key in this cell
    gone: Any                           # int64 [1], cells since the key was there
    way: Any                            # float64 [1], 0 is up, 1 is down
    gain: Any                           # float32 [2], at the beginning and at the end of this cell
    gain_reduction_db: Any              # float32 [1], positive


@kernel
def listen(key: Any, first: int, count: int, s: Any) -> None:
    """The highest peak of the cell so far. What is no number counts for nothing."""
    whole = count - count % 8
    peak = splat(s.peak[0])
    for c in range(key.shape[0]):
        row = key[c]
        for n in range(0, whole, 8):
            peak = vmax(vabs(load(row, first + n)), peak)
        if count > whole:
            peak = vmax(vabs(load_part(row, first + whole, count - whole)), peak)
    s.peak[0] = hmax(peak)


@kernel
def follow(x: Any, y: Any, first: int, count: int, s: Any) -> None:
    """The signal by the gain, which goes in a straight line through the cell."""
    whole = count - count % 8
    start = s.gain[0]
    slope = (s.gain[1] - start) * PER_CELL
    step = lanes(ZERO, ONE, ONE + ONE, np.float32(3.0), np.float32(4.0), np.float32(5.0), np.float32(6.0),
                 np.float32(7.0))
    for c in range(x.shape[0]):
        source, target = x[c], y[c]
        for n in range(0, whole, 8):
            gain = fma(step + np.float32(s.at[0] + n), slope, splat(start))
            store(target, first + n, gain * load(source, first + n))
        if count > whole:
            gain = fma(step + np.float32(s.at[0] + whole), slope, splat(start))
            store_part(target, first + whole, count - whole, gain * load_part(source, first + whole, count - whole))


@kernel
def decide(p: Any, s: Any) -> None:
    """A cell is full: whether the key is there, and where the gain goes in the next one."""
    if s.peak[0] >= p.threshold or (s.gone[0] <= p.hold and s.peak[0] >= p.lower):
        s.gone[0] = 0
    else:
        s.gone[0] = min(s.gone[0] + 1, LONG_AGO)
    if s.gone[0] <= p.hold:
        s.way[0] = min(s.way[0] + p.attack[0], 1.0)
    else:
        s.way[0] = max(s.way[0] - p.release[0], 0.0)
    down = p.depth * np.float32(s.way[0])
    s.gain[0] = s.gain[1]
    s.gain[1] = exp2_scalar(-down)
    s.gain_reduction_db[0] = down * _DB
    s.peak[0] = ZERO


@node(inputs=("in", Port("key", any_channels=True)), in_place=True, measures=("gain_reduction_db",))
class Ducker:
    """Turns a signal down by a fixed amount while another one is there: music under a voice::

        key ─► peak in 32 frames ─► over the threshold? ─► hold ─► straight lines in dB ─┐
        in ───────────────────────────────────────────────────────────────────────────── × ─►

    The key is there while the loudest of its channels peaks at or above `threshold_db`, and until all stay 3 dB below
    it for `hold_ms`. Then and back the gain goes in straight lines in decibels: `attack_ms` and `release_ms` are the
    times for the whole of `amount_db`. The key decides alone and is not heard: connect it to a :class:`Mix` as well. It
    may have any number of channels. For a depth that follows how loud the key is, use the sidechain of a
    :class:`Compressor`.

    Measures `gain_reduction_db`, at the end of the last full 32 frames, positive.

    Latency: none; it answers at the next multiple of 32 frames. Error against float64: below 3e-7 of the output. With
    the key away for long enough the signal passes unchanged, bit for bit.
    """

    amount_db: float = param(0.0, 80.0, "how far the signal is turned down", default=12.0)
    threshold_db: float = param(-80.0, 0.0, "peak of the key at which it is there", default=-40.0)
    attack_ms: float = param(0.0, 5000.0, "time to go down", default=50.0)
    hold_ms: float = param(0.0, 10_000.0, "how long it stays down when the key is gone", default=500.0)
    release_ms: float = param(0.0, 10_000.0, "time to come back", default=600.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        cells = format.rate / (1000.0 * CELL)           # a millisecond
        attack, release = (1.0 / max(ms * cells, 1.0) for ms in (self.attack_ms, self.release_ms))
        params = Params(db_to_gain(self.threshold_db), db_to_gain(self.threshold_db - HYSTERESIS_DB),
                        self.amount_db / DB, np.array([attack]), np.array([release]),
                        float(round(self.hold_ms * cells)))
        return params, State(np.zeros(1, np.int64), np.zeros(1, np.float32), np.full(1, LONG_AGO), np.zeros(1),
                             np.ones(2, np.float32), np.zeros(1, np.float32))

    @kernel
    def process(x: Any, key: Any, y: Any, p: Any, s: Any) -> None:
        n = 0
        while n < x.shape[1]:
            count = min(CELL - s.at[0], x.shape[1] - n)
            listen(key, n, count, s)    # before anything is written: the key may be the signal itself
            follow(x, y, n, count, s)
            s.at[0] += count
            n += count
            if s.at[0] == CELL:
                decide(p, s)
                s.at[0] = 0
