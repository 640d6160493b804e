"""Noise, white and pink: the same samples on every machine, in every run, in every cutting into blocks."""

import hashlib
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, integer, param
from flowaudio.core.simd import fma, lane, load, shuffle, splat, store, store_part, to_float
from flowaudio.core.units import db_to_gain

__all__ = ["Noise"]

# A parallel filter of eight real poles and a direct path. Found by a minimax fit of its gain to 1 / sqrt(f) on
# 4e-5 to 0.48 of the sampling rate; the largest deviation is 0.023 dB. Scaled to pass white noise at its power.
PINK_POLES = (0.99980928, 0.99900013, 0.99596266, 0.98400627, 0.93780524, 0.77349918, 0.33285118, -0.5)
PINK_GAINS = (0.0066465428, 0.0079784824, 0.015067464, 0.02971745, 0.058678366, 0.11410239, 0.23287948, -0.023945442)
PINK_DIRECT = 0.054173608


class Params(NamedTuple):
    """How loud, and which noise."""

    gain: float                         # from [-1, 1) uniform to the level wanted
    pink: bool
    keys: Any                           # int32 [channel, 2], what makes a channel differ from all others
    steps: Any                          # int32 [8], 0 to 7
    poles: Any                          # float32 [8]
    weights: Any                        # float32 [8]
    direct: float


class State(NamedTuple):
    """Where the noise is."""

    at: Any                             # int64 [1], frames so far
    poles: Any                          # float32 [channel, pole]


@kernel
def uniform(counter: Any, first: Any, second: Any) -> Any:
    """Eight numbers in [-1, 1), a function of eight counters and two keys alone.

    Two rounds of multiply and xor-shift: the integer hash "lowbias32" (C. Wellons, 2018, public domain) with a second
    key between its rounds.
    """
    v = counter ^ splat(first)
    v = (v ^ ((v >> 16) & 0xFFFF)) * 0x7FEB352D
    v = (v ^ ((v >> 15) & 0x1FFFF)) * 0x846CA68B
    v = v + splat(second)
    v = (v ^ ((v >> 16) & 0xFFFF)) * 0x7FEB352D
    v = v ^ ((v >> 15) & 0x1FFFF)
    return to_float(v) * UNIT


@kernel
def sums(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any, t6: Any, t7: Any) -> Any:
    """Lane k is the sum of the lanes of tk, each added up in the same order."""
    a = shuffle(t0, t1, "082a4c6e") + shuffle(t0, t1, "193b5d7f")
    b = shuffle(t2, t3, "082a4c6e") + shuffle(t2, t3, "193b5d7f")
    c = shuffle(t4, t5, "082a4c6e") + shuffle(t4, t5, "193b5d7f")
    d = shuffle(t6, t7, "082a4c6e") + shuffle(t6, t7, "193b5d7f")
    e = shuffle(a, b, "018945cd") + shuffle(a, b, "23ab67ef")
    f = shuffle(c, d, "018945cd") + shuffle(c, d, "23ab67ef")
    return shuffle(e, f, "012389ab") + shuffle(e, f, "4567cdef")


@kernel
def pink(v: Any, white: Any, poles: Any, weights: Any) -> Any:
    """Eight frames through the filter: poles in lanes, then summed into time in lanes. Gives (output, poles' state)."""
    v0 = fma(poles, v, splat(lane(white, 0)))
    v1 = fma(poles, v0, splat(lane(white, 1)))
    v2 = fma(poles, v1, splat(lane(white, 2)))
    v3 = fma(poles, v2, splat(lane(white, 3)))
    v4 = fma(poles, v3, splat(lane(white, 4)))
    v5 = fma(poles, v4, splat(lane(white, 5)))
    v6 = fma(poles, v5, splat(lane(white, 6)))
    v7 = fma(poles, v6, splat(lane(white, 7)))
    return sums(weights * v0, weights * v1, weights * v2, weights * v3, weights * v4, weights * v5, weights * v6,
                weights * v7), v7


UNIT = np.float32(2.0**-31)


@node(inputs=(), silent=False)
class Noise:
    """White or pink noise; every channel is independent of the others.

    White noise is uniformly distributed: its peaks are at most 4.77 dB above `level_dbfs`. Each sample is a hash of
    seed, channel and frame number: it does not depend on the block size. It repeats after 2^32 frames, a day at 48 kHz.

    Pink noise is white noise through a filter of eight real poles. It falls by 3.01 dB an octave within 0.023 dB from
    0.00004 to 0.48 of the sampling rate (1.9 Hz to 23 kHz at 48 kHz, 7.7 Hz to 92 kHz at 192 kHz); nearly Gaussian.

    `level_dbfs` is the RMS over all frequencies, 0 dB being an RMS of 1.0 (a full-scale square). Latency: none.
    """

    color: str = choice(("white", "pink"), "spectrum: flat, or falling by 3 dB an octave", default="white")
    level_dbfs: float = param(-120.0, 0.0, "RMS level", default=-20.0)
    seed: int = integer(0, 2**31 - 1, "another seed, another noise", default=0)
    channels: int = integer(1, 64, "channels that go out", default=2)

    def prepare(self, format: Format) -> tuple[Params, State]:
        digest = hashlib.shake_128(f"noise {self.seed}".encode()).digest(8 * self.channels)
        keys = np.frombuffer(digest, "<i4").reshape(-1, 2).astype(np.int32)
        gain = 3.0**0.5 * db_to_gain(self.level_dbfs)
        params = Params(gain, self.color == "pink", keys, np.arange(8, dtype=np.int32),
                        np.array(PINK_POLES, np.float32), np.array(PINK_GAINS, np.float32), PINK_DIRECT)
        return params, State(np.zeros(1, np.int64), np.zeros((self.channels, 8), np.float32))

    def output_channels(self, format: Format) -> int:
        return self.channels

    @kernel
    def process(y: Any, p: Any, s: Any) -> None:
        frames = y.shape[1]
        steps, poles, weights = load(p.steps, 0), load(p.poles, 0), load(p.weights, 0)
        for c in range(y.shape[0]):
            target, state = y[c], s.poles[c]
            v = load(state, 0)
            for n in range(0, frames, 8):
                count = min(8, frames - n)
                out = uniform(steps + splat(np.int32(s.at[0] + n)), p.keys[c, 0], p.keys[c, 1]) * p.gain
                if p.pink:
                    before, white = v, out
                    out, v = pink(v, white, poles, weights)
                    out = fma(p.direct, white, out)
                    if count < 8:
                        v = before
                        for k in range(count):
                            v = fma(poles, v, splat(lane(white, k)))
                if count == 8:
                    store(target, n, out)
                else:
                    store_part(target, n, count, out)
            store(state, 0, v)
        s.at[0] += frames
