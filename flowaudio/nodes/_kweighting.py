"""K-weighted energy of a signal in hops of 10 ms, for what measures loudness.

ITU-R BS.1770-5, annex 1: a high shelf for the head and a high-pass, two biquads, then the mean square of each channel
times its weight. The standard gives coefficients for 48 kHz; here they come from the analogue prototype behind them
(B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018), at any rate. At 48 kHz
they agree with the standard's table to its last digit.

All in float64, four channels in the lanes of a vector: at 192 kHz the poles of the high-pass lie 0.0009 from the unit
circle, where float32 would lose what it measures.
"""

import functools
import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.layouts import Speakers
from flowaudio.core.named_layouts import LOW_FREQUENCY
from flowaudio.core.simd import fma, high_f64, load, load_part, low_f64, shuffle, splat, store

__all__ = ["CHUNK", "HOPS_PER_SECOND", "LANES", "channel_weights", "coefficients", "energy", "filters", "hop_end",
           "loudness_of", "weigh"]

HOPS_PER_SECOND = 100
CHUNK = 256                             # frames that `weigh` takes at a time, at most
LANES = 4
ENERGY = 24                             # where the energies stand in a row of the filters
SURROUND = 1.41
SHELF_HZ = 1681.974450955533
UNIT_48K = 1.004995                     # what the high-pass of the standard passes lower than its numerator says
BESIDE = frozenset({"SL", "SR", "WL", "WR", "SDL", "SDR"})
"""Speakers at 60° to 120°: the sides at 90° to 110°, the wide ones at 60°, the direct surrounds."""
ZERO = np.float64(0.0)
OFFSET = -0.691                         # LUFS of a mean square of 1, so that 997 Hz at full scale is -3.01


@functools.cache
def coefficients(rate: int) -> Any:
    """float64 [7]: b0, b1, b2, -a1, -a2 of the shelf; -a1, -a2 of the high-pass, whose numerator is 1, -2, 1.

    The shelf rises towards half the rate; where its middle lies beyond that (below 3.4 kHz), there is none."""
    k = math.tan(math.pi * SHELF_HZ / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high ** 0.4996667741545416
    unit = 1 + k / q + k * k
    shelf = [(high + band * k / q + k * k) / unit, 2 * (k * k - high) / unit, (high - band * k / q + k * k) / unit,
             -2 * (k * k - 1) / unit, -(1 - k / q + k * k) / unit]
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    unit = 1 + k / q + k * k
    if rate <= 2 * SHELF_HZ:
        # The numerator 1, -2, 1 is that of 48 kHz: at 1 kHz it would add 2 dB, which the shelf's place takes off.
        shelf = [UNIT_48K / unit, 0.0, 0.0, 0.0, 0.0]
    made = np.array([*shelf, -2 * (k * k - 1) / unit, -(1 - k / q + k * k) / unit])
    made.setflags(write=False)
    return made


@functools.cache
def channel_weights(names: Speakers) -> Any:
    """float64 [channels] for speakers by FFmpeg's names: BS.1770-5, annex 1, table 3, and annex 3, table 4.

    1.41 for what stands beside the listener (60° to 120°) and less than 30° above or below him, 0 for the LFE, and 1
    for all others. The back ones of a layout that has no sides are its surrounds, at 110°; those behind sides stand at
    135°, the one in the middle of the back at 180°. In 22.2 (BS.2051, system H) the outer fronts stand at 60°, and the
    inner ones at 30°. Speakers without a name count as fronts.
    """
    beside = BESIDE if not BESIDE.isdisjoint(names) else BESIDE | {"BL", "BR"}
    if "LFE2" in names:
        beside |= {"FL", "FR"}
    made = np.array([0.0 if name in LOW_FREQUENCY else SURROUND if name in beside else 1.0 for name in names])
    made.setflags(write=False)
    return made


def filters(channels: int) -> Any:
    """float64 [group of four channels, past of the biquads and energies], silent."""
    return np.zeros((-(-channels // LANES), ENERGY + LANES))


@kernel
def weigh(x: Any, start: int, count: int, group: int, coefs: Any, scratch: Any, f: Any) -> None:
    """K-weight `count` frames of four channels and add up their squares, frame by frame, in `f`, a row of `filters`.

    `scratch` is float64 [LANES * CHUNK]. In lanes that have no channel other samples come along; nobody asks for them.
    """
    first, last = LANES * group, x.shape[0] - 1
    width = 2 if last - first < 2 else LANES
    # Views that begin at 0: an index that LLVM knows to be positive costs no check for negative ones.
    a, b = x[first][start:], x[min(first + 1, last)][start:]
    if width == 2:
        _by_two(a, b, count, scratch)
    else:
        _by_four(a, b, x[first + 2][start:], x[min(first + 3, last)][start:], count, scratch)
    _filter(count, width, coefs, scratch, f)


@kernel
def _some(row: Any, n: int, count: int) -> Any:
    """8 frames, or those that are left."""
    return load(row, n) if n + 8 <= count else load_part(row, n, count - n)


@kernel
def _by_two(a: Any, b: Any, count: int, scratch: Any) -> None:
    """Two channels in float64 and side by side, frame after frame; whole vectors."""
    for n in range(0, count, 8):
        left, right = _some(a, n, count), _some(b, n, count)
        _pairs(low_f64(left), low_f64(right), 2 * n, scratch)
        _pairs(high_f64(left), high_f64(right), 2 * n + 8, scratch)


@kernel
def _pairs(left: Any, right: Any, to: int, scratch: Any) -> None:
    """Four frames of two channels."""
    even, odd = shuffle(left, right, "0426"), shuffle(left, right, "1537")
    store(scratch, to, shuffle(even, odd, "0145"))
    store(scratch, to + 4, shuffle(even, odd, "2367"))


@kernel
def _by_four(a: Any, b: Any, c: Any, d: Any, count: int, scratch: Any) -> None:
    """As `_by_two`, four channels."""
    for n in range(0, count, 8):
        v, w, x, y = _some(a, n, count), _some(b, n, count), _some(c, n, count), _some(d, n, count)
        _fours(low_f64(v), low_f64(w), low_f64(x), low_f64(y), 4 * n, scratch)
        _fours(high_f64(v), high_f64(w), high_f64(x), high_f64(y), 4 * n + 16, scratch)


@kernel
def _fours(v: Any, w: Any, x: Any, y: Any, to: int, scratch: Any) -> None:
    """Four frames of four channels."""
    even, odd = shuffle(v, w, "0426"), shuffle(v, w, "1537")
    even2, odd2 = shuffle(x, y, "0426"), shuffle(x, y, "1537")
    store(scratch, to, shuffle(even, even2, "0145"))
    store(scratch, to + 4, shuffle(odd, odd2, "0145"))
    store(scratch, to + 8, shuffle(even, even2, "2367"))
    store(scratch, to + 12, shuffle(odd, odd2, "2367"))


@kernel
def _filter(count: int, width: int, coefs: Any, scratch: Any, f: Any) -> None:
    """Both biquads over `count` frames, each `width` places behind the one before."""
    b0, b1, b2 = coefs[0], coefs[1], coefs[2]
    shelf1, shelf2, high1, high2 = coefs[3], coefs[4], coefs[5], coefs[6]
    x1, x2, y1, y2 = load(f, 0), load(f, 4), load(f, 8), load(f, 12)
    z1, z2, total = load(f, 16), load(f, 20), load(f, ENERGY)
    for n in range(count):
        now = load(scratch, width * n)
        # What waits for the last output comes last: one multiplication from sample to sample.
        y = fma(y1, shelf1, fma(y2, shelf2, fma(now, b0, fma(x1, b1, x2 * b2))))
        z = fma(z1, high1, fma(z2, high2, (y - y1) - (y1 - y2)))
        total = fma(z, z, total)
        x2, x1, y2, y1, z2, z1 = x1, now, y1, y, z1, z
    store(f, 0, x1)
    store(f, 4, x2)
    store(f, 8, y1)
    store(f, 12, y2)
    store(f, 16, z1)
    store(f, 20, z2)
    store(f, ENERGY, total)


@kernel
def energy(weights: Any, f: Any) -> float:
    """Weighted sum of the channels' energies since the last call, which begins anew."""
    total = 0.0
    for c in range(weights.size):
        total += weights[c] * f[c // LANES, ENERGY + c % LANES]
    for group in range(f.shape[0]):
        store(f[group], ENERGY, splat(ZERO))
    return total


@kernel
def hop_end(hops: int, rate: int) -> int:
    """Frame at which the hop after `hops` whole ones ends."""
    return (hops + 1) * rate // HOPS_PER_SECOND


@kernel
def loudness_of(power: float) -> float:
    """LUFS of a weighted mean square; -inf for silence."""
    return OFFSET + 10.0 * math.log10(power) if power > 0.0 else -math.inf
