"""Dynamics with an envelope: the compressor."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, Port, node
from flowaudio.core.params import choice, flag, param
from flowaudio.core.simd import as_float, as_int, fma, load, load_part, splat, store, store_part, vabs, vmax, vmin
from flowaudio.core.simdmath import exp2_bounded, log2_normal
from flowaudio.core.units import smoothing

__all__ = ["Compressor"]

DB = 20 * math.log10(2)                 # decibels in a factor of two; inside, levels are logarithms to base 2
CHUNK = 256                             # frames worked on at a time: the scratch stays in the nearest cache
HARD_KNEE_DB = 1e-6                     # a softer knee would have a curve that no float32 holds
ZERO = np.float32(0.0)
LOWEST = np.float32(-126.0)
FLOOR = np.float32(1e-20)               # -200 dB as a power, and less than any level that matters
_DB = np.float32(DB)


class Params(NamedTuple):
    """What the kernel takes; levels in powers of two."""

    threshold: float
    slope: float                        # 1 - 1 / ratio
    half_knee: float
    curve: float                        # 1 / (2 knee), 0 for a hard knee
    makeup: float
    scale: float                        # from the detector's log2 to that of an amplitude: 1 for peak, 1/2 for power
    keep: Any                           # float64 [3], what attack, release and mean square keep from sample to sample
    linked: int
    rms: int


class State(NamedTuple):
    """What lasts from block to block."""

    reduction: Any                      # float64 [gain], powers of two
    power: Any                          # float64 [sidechain channel], mean square
    scratch: Any                        # float32 [CHUNK], level, then reduction, of the frames in work
    gain_reduction_db: Any              # float32 [gain], at the last frame, positive


@node(inputs=("in", Port("sidechain", default="in", any_channels=True)), in_place=True, measures=("gain_reduction_db",))
class Compressor:
    """Reduces what is louder than a threshold. Feed-forward, in the logarithmic domain::

        sidechain ─► |x| or mean square ─► log2 ─► gain computer ─► attack, release ─┐
        in ───────────────────────────────────────────────────── × ◄── exp2 ◄─ makeup ◄─┘

    Gain computer, for a level of ``o`` dB over the threshold and a knee of ``W`` dB: the reduction is 0 below ``-W/2``,
    ``(1 - 1/ratio) (o + W/2)² / 2W`` in the knee, ``(1 - 1/ratio) o`` above it. The reduction ``g`` is smoothed by
    ``r[n] = a r[n-1] + (1 - a) g[n]``, with the attack's ``a = exp(-1 / (time rate))`` where g is above r and the
    release's where it is below ("smooth, branching"): both times are time constants, to 63 % of a step in dB.

    Linked, the loudest channel rules the gain of all; a sidechain with another number of channels than the input is
    always linked. Where nothing is connected to `sidechain`, the input is its own. Measures `gain_reduction_db`, at
    the last frame, one for each gain.

    Latency: none. Error against float64: below 1e-6 of the output. What lies below the knee passes unchanged, bit for
    bit, when there is no makeup gain. D. Giannoulis, M. Massberg, J. D. Reiss, "Digital Dynamic Range Compressor
    Design", JAES 60 (6), 2012, equations 4, 17 and section 2.3.
    """

    threshold_db: float = param(-80.0, 0.0, "level above which it works", default=-20.0)
    ratio: float = param(1.0, 100.0, "decibels over the threshold that come out as one", default=4.0, unit=":1")
    attack_ms: float = param(0.0, 500.0, "time constant while the reduction grows", default=5.0)
    release_ms: float = param(1.0, 5000.0, "time constant while it falls", default=100.0)
    knee_db: float = param(0.0, 40.0, "width of the soft transition at the threshold; 0 is a hard knee", default=6.0)
    makeup_db: float = param(-40.0, 40.0, "gain behind the compressor", default=0.0)
    linked: bool = flag("one gain for all channels, so that the stereo image stands still", default=True)
    detector: str = choice(("peak", "rms"), "what is taken as the level", default="peak")
    rms_ms: float = param(1.0, 1000.0, "time constant of the mean square, for the rms detector", default=10.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Coefficients; one gain, or one a channel."""
        sidechain = format.inputs[1] if len(format.inputs) > 1 else format.channels
        linked = self.linked or sidechain != format.channels
        rms = self.detector == "rms"
        keep = np.array([smoothing(ms, format.rate) for ms in (self.attack_ms, self.release_ms, self.rms_ms)])
        knee = self.knee_db / DB if self.knee_db >= HARD_KNEE_DB else 0.0
        gains = 1 if linked else format.channels
        params = Params(self.threshold_db / DB, 1 - 1 / self.ratio, knee / 2, 0.5 / knee if knee else 0.0,
                        self.makeup_db / DB, 0.5 if rms else 1.0, keep, int(linked), int(rms))
        return params, State(np.zeros(gains), np.zeros(sidechain), np.zeros(CHUNK, np.float32),
                             np.zeros(gains, np.float32))

    @kernel
    def process(x: Any, side: Any, y: Any, p: Any, s: Any) -> None:
        channels = x.shape[0]
        for start in range(0, x.shape[1], CHUNK):
            count = min(CHUNK, x.shape[1] - start)
            if p.linked:
                detect(side, 0, side.shape[0], start, count, p, s)
                reduce(0, count, p, s)
                for c in range(channels):
                    apply(x[c], y[c], start, count, p.makeup, s.scratch)
            else:
                for c in range(channels):
                    detect(side, c, c + 1, start, count, p, s)
                    reduce(c, count, p, s)
                    apply(x[c], y[c], start, count, p.makeup, s.scratch)


@kernel
def detect(side: Any, first: int, end: int, start: int, count: int, p: Any, s: Any) -> None:
    """Level of the loudest of some channels, frame by frame, into the scratch: magnitude or power."""
    whole, rest = count - count % 8, count % 8
    for n in range(0, count, 8):
        store(s.scratch, n, splat(ZERO))
    for c in range(first, end):
        row = side[c]
        if p.rms:
            mean_square(row, start, count, p.keep[2], c, s)
        else:
            for n in range(0, whole, 8):
                store(s.scratch, n, larger(load(s.scratch, n), vabs(load(row, start + n))))
            if rest:
                last = vabs(load_part(row, start + whole, rest))
                store(s.scratch, whole, larger(load(s.scratch, whole), last))


@kernel
def larger(a: Any, b: Any) -> Any:
    """The larger of two magnitudes, by their bits: NaN is the largest.

    A floating-point maximum stored over one of its operands becomes a masked store, which is slow on some processors.
    """
    return as_float(vmax(as_int(a), as_int(b)))


@kernel
def mean_square(row: Any, start: int, count: int, keep: float, c: int, s: Any) -> None:
    """One-pole of the squares; the scratch keeps the larger of it and what is there."""
    power = s.power[c]
    new = row[start:]                   # a view: its index is known to be positive, and needs no check
    for n in range(count):
        sample = np.float64(new[n])
        power = fma(keep, power, (1.0 - keep) * (sample * sample))
        level = np.float32(power)
        s.scratch[n] = level if level > s.scratch[n] else s.scratch[n]
    s.power[c] = power


@kernel
def reduce(c: int, count: int, p: Any, s: Any) -> None:
    """From levels to smoothed reductions in the scratch."""
    for n in range(0, count, 8):
        over = fma(log2_normal(vmax(load(s.scratch, n), splat(FLOOR))), p.scale, splat(-p.threshold))
        knee = vmin(vmax(over + p.half_knee, splat(ZERO)), splat(p.half_knee + p.half_knee))
        above = vmax(over - p.half_knee, splat(ZERO))
        store(s.scratch, n, fma(knee * knee, p.curve, above) * p.slope)
    # In float64: a release of 5 s at 192 kHz moves by a millionth of the distance, less than a float32 can tell.
    attack, release = p.keep[0], p.keep[1]
    now = s.reduction[c]
    if attack > release:                # the attack is the slower one
        for n in range(count):
            goal = np.float64(s.scratch[n])
            up, down = fma(attack, now, (1.0 - attack) * goal), fma(release, now, (1.0 - release) * goal)
            now = up if up < down else down
            s.scratch[n] = np.float32(now)
    else:
        # The faster of two one-poles gives the larger value both on the way up, where it is the attack's, and on the
        # way down, where it is the other: no branch, and two operations from sample to sample.
        for n in range(count):
            goal = np.float64(s.scratch[n])
            up, down = fma(attack, now, (1.0 - attack) * goal), fma(release, now, (1.0 - release) * goal)
            now = up if up > down else down
            s.scratch[n] = np.float32(now)
    s.reduction[c] = now
    s.gain_reduction_db[c] = np.float32(now) * _DB


@kernel
def apply(row: Any, out: Any, start: int, count: int, makeup: float, reduction: Any) -> None:
    """``out = row 2^(makeup - reduction)``."""
    whole, rest = count - count % 8, count % 8
    for n in range(0, whole, 8):
        gain = exp2_bounded(vmax(makeup - load(reduction, n), splat(LOWEST)))
        store(out, start + n, load(row, start + n) * gain)
    if rest:
        gain = exp2_bounded(vmax(makeup - load(reduction, whole), splat(LOWEST)))
        store_part(out, start + whole, rest, load_part(row, start + whole, rest) * gain)
