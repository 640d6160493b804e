"""The limiter: a true-peak ceiling that holds between the samples too."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import as_float, as_int, fma, load, load_part, select, splat, store, store_part, vmax, vmin
from flowaudio.core.simdmath import exp2_bounded, log2_normal
from flowaudio.core.units import db_to_gain, ms_to_frames, smoothing
from flowaudio.nodes import _truepeak
from flowaudio.nodes._truepeak import CHUNK, DELAY, advance, oversample, peak, shift, take, uncertainty

__all__ = ["Limiter"]

DB = 20 * math.log10(2)
HOLD = 8                                # frames on each side of a peak where the gain is down in full already
SHORTEST = 32                           # frames of lookahead at least: a quicker gain would make peaks of its own
ROOM = 16                               # floats behind a buffer for whole vectors
ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LOWEST = np.float32(-126.0)
_DB = np.float32(DB)
UNIT = float(2 ** 24)                   # an attenuation of a factor of two, as a whole number


class Params(NamedTuple):
    """Attenuations are powers of two; `first` and `second` are the lengths of the boxes that smooth."""

    ceiling: float
    inverse: float                      # 1 / ceiling
    keep: Any                           # float64 [3]: what release and slow average keep a frame; 1 / (boxes UNIT)
    window: int                         # frames over which the greatest need counts
    first: int
    second: int
    taps: Any                           # float32, of the interpolators


class State(NamedTuple):
    """Each buffer holds its past first, then the frames in work; moved down after every chunk."""

    streams: Any                        # float32 [channel, …], see _truepeak
    line: Any                           # float32 [channel, latency + CHUNK + ROOM], the input on its way
    need: Any                           # float32 [window - 1 + CHUNK], attenuation that each frame asks for
    most: Any                           # float32, as `need`: the greatest need of a window
    held: Any                           # int64 [first + CHUNK], after the release, in UNITs
    ramp: Any                           # int64 [second + CHUNK], sums of `first` of them
    sums: Any                           # int64 [2], the running sums
    release: Any                        # float64 [2], the release and the slow average
    gain: Any                           # float32 [CHUNK]
    gain_reduction_db: Any              # float32 [1], at the last frame, positive


@node(in_place=True, measures=("gain_reduction_db",))
class Limiter:
    """Keeps the true peak under a ceiling, looking ahead; one gain for all channels::

        in ─┬─► 8 × oversampled peak ─► dB over the ceiling ─► greatest in the lookahead ─► release ─► two boxes ─┐
            └─► delay ──────────────────────────────────────────────────────────── × ◄── exp2 ◄──────────────────┘

    The attenuation (in dB) rises as an S-shaped curve over the lookahead, complete 8 frames before the peak, and falls
    towards a slow average of what was asked for, with the time constant `release_ms`: a single peak is forgotten soon,
    a loud passage is left gently (the average's time constant is 8 times the release's, 1 s at most, or the release's).
    The sums of the boxes are whole numbers and never drift. Then no sample is above the ceiling; a last clamp catches
    what rounding leaves (less than 1e-6).

    Sound above 0.42 of the rate is read the higher the more interpolators may differ about it, see
    :mod:`flowaudio.nodes._truepeak`. What stays below the ceiling passes unchanged, bit for bit.

    Latency: the lookahead and 36 frames. The lookahead is 32 frames at least. True peak at 8 times oversampling: at
    most 0.06 dB over the ceiling, the worst of 2000 random square waves, noises, clicks, bursts and tones up to +20 dB,
    8 to 192 kHz, on interpolators of 20 to 128 taps. ITU-R BS.1770-5, annex 2.
    """

    ceiling_dbtp: float = param(-30.0, 0.0, "true peak that the output stays under", default=-1.0)
    release_ms: float = param(1.0, 2000.0, "time constant of the way back", default=60.0)
    lookahead_ms: float = param(0.5, 20.0, "time in which the gain goes down before a peak", default=5.0,
                                interpolated=False)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Lengths in frames; buffers."""
        ahead = self._ahead(format)
        span = ahead - HOLD + 1                             # of both boxes together
        first = span // 2 + 1
        second = span + 1 - first
        window = ahead + HOLD + 2
        ceiling = _below(db_to_gain(self.ceiling_dbtp))
        slow_ms = max(self.release_ms, min(8 * self.release_ms, 1000.0))
        keep = [smoothing(ms, format.rate) for ms in (self.release_ms, slow_ms)]
        params = Params(ceiling, 1 / ceiling, np.array([*keep, 1 / (first * second * UNIT)]), window, first, second,
                        _truepeak.coefficients())
        needs = window - 1 + CHUNK + ROOM
        state = State(_truepeak.streams(format.channels),
                      np.zeros((format.channels, self.latency(format) + CHUNK + ROOM), np.float32),
                      np.zeros(needs, np.float32), np.zeros(needs, np.float32), np.zeros(first + CHUNK, np.int64),
                      np.zeros(second + CHUNK, np.int64), np.zeros(2, np.int64), np.zeros(2),
                      np.zeros(CHUNK + ROOM, np.float32), np.zeros(1, np.float32))
        return params, state

    def _ahead(self, format: Format) -> int:
        return max(SHORTEST, ms_to_frames(self.lookahead_ms, format.rate))

    def latency(self, format: Format) -> int:
        """The lookahead and what the interpolators need."""
        return self._ahead(format) + DELAY

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for start in range(0, x.shape[1], CHUNK):
            count = min(CHUNK, x.shape[1] - start)
            for n in range(0, count, 8):
                store(s.gain, n, splat(ZERO))
            for c in range(x.shape[0]):
                highest(x[c], start, count, s.streams[c], p.taps, s.gain)
            needed(count, p, s)
            greatest(count, p.window, s)
            smooth(count, p, s)
            for c in range(x.shape[0]):
                delayed(x[c], y[c], start, count, p.ceiling, s.line[c], s.gain)


def _below(value: float) -> float:
    """The float32 at or under `value`."""
    made = np.float32(value)
    return float(made if made <= value else np.nextafter(made, np.float32(0)))


@kernel
def highest(row: Any, start: int, count: int, z: Any, taps: Any, top: Any) -> None:
    """True peak of one channel, frame by frame; the greatest of the channels is kept in `top`."""
    oversample(row, start, count, taps, z)
    for n in range(0, count, 8):
        # Of numbers that are not negative the larger has the larger bits. A floating-point maximum stored over one of
        # its operands becomes a masked store, which is slow on some processors.
        height = vmax(as_int(peak(n, taps, z) + uncertainty(n, z)), as_int(load(top, n)))
        store(top, n, as_float(height))
    advance(count, z)


@kernel
def needed(count: int, p: Any, s: Any) -> None:
    """What the peaks ask for, in powers of two: 0 up to the ceiling."""
    one = splat(ONE)
    for n in range(0, count, 8):
        over = load(s.gain, n) * p.inverse
        store(s.need, p.window - 1 + n, select(over > one, log2_normal(vmax(over, one)), splat(ZERO)))


@kernel
def greatest(count: int, window: int, s: Any) -> None:
    """Greatest need of the last `window` frames, for each: of 4, 16, 64 … neighbours, then of four such groups."""
    total = window - 1 + count
    four(s.need, s.most, total - 3, 1, 2, 3)
    span = 4
    while 4 * span <= window:
        four(s.most, s.most, total - 4 * span + 1, span, 2 * span, 3 * span)
        span *= 4
    last = window - span
    four(s.most, s.most, count, min(span, last), min(2 * span, last), last)
    shift(s.need, 0, count, window - 1)


@kernel
def four(source: Any, to: Any, end: int, a: int, b: int, c: int) -> None:
    """Greatest of four numbers at given distances; both arrays may be the same, for it goes upwards."""
    for n in range(0, end, 8):
        store(to, n, vmax(vmax(load(source, n), load(source, n + a)), vmax(load(source, n + b), load(source, n + c))))


@kernel
def smooth(count: int, p: Any, s: Any) -> None:
    """Release and boxes: from needs to gains. Whole numbers, so that the sums stay exact for ever."""
    keep, slow_keep, scale = p.keep[0], p.keep[1], p.keep[2]
    now, slow = s.release[0], s.release[1]
    ramp, total = s.sums[0], s.sums[1]
    # Views that begin at 0: an index that LLVM knows to be positive costs no check for negative ones.
    new_held, new_ramp = s.held[p.first:], s.ramp[p.second:]
    for n in range(count):
        need = np.float64(s.most[n])
        slow = fma(slow_keep, slow, (1.0 - slow_keep) * need)
        now = fma(keep, now, (1.0 - keep) * slow)
        now = need if need > now else now
        held = np.int64(now * UNIT + 0.5)
        new_held[n] = held
        ramp += held - s.held[n]
        new_ramp[n] = ramp
        total += ramp - s.ramp[n]
        s.gain[n] = np.float32(total * scale)
    s.release[0], s.release[1] = now, slow
    s.sums[0], s.sums[1] = ramp, total
    s.gain_reduction_db[0] = s.gain[count - 1] * _DB
    new_held, new_ramp = s.held[count:], s.ramp[count:]
    for n in range(p.first):
        s.held[n] = new_held[n]
    for n in range(p.second):
        s.ramp[n] = new_ramp[n]
    for n in range(0, count, 8):
        store(s.gain, n, exp2_bounded(vmax(-load(s.gain, n), splat(LOWEST))))


@kernel
def delayed(row: Any, out: Any, start: int, count: int, ceiling: float, line: Any, gain: Any) -> None:
    """The input as late as the gain, times the gain."""
    late = line.size - CHUNK - ROOM
    take(row, start, count, line, late)
    top, whole, rest = splat(ceiling), count - count % 8, count % 8
    for n in range(0, whole, 8):
        # In this order NaN comes through, for the walk to see.
        store(out, start + n, vmax(-top, vmin(top, load(line, n) * load(gain, n))))
    if rest:
        value = load_part(line, whole, rest) * load(gain, whole)
        store_part(out, start + whole, rest, vmax(-top, vmin(top, value)))
    shift(line, 0, count, late)
