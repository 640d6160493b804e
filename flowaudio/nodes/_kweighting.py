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
from flowaudio.core.layouts import MAX_CHANNELS, speakers
from flowaudio.core.simd import fma, load, splat, store

__all__ = ["CHUNK", "HOPS_PER_SECOND", "LANES", "channel_weights", "coefficients", "energy", "filters", "hop_end",
           "loudness_of", "weigh"]

HOPS_PER_SECOND = 100
CHUNK = 256                             # frames that `weigh` takes at a time, at most
LANES = 4
ENERGY = 24                             # where the energies stand in a row of the filters
SURROUND = 1.41
ZERO = np.float64(0.0)
OFFSET = -0.691                         # LUFS of a mean square of 1, so that 997 Hz at full scale is -3.01


@functools.cache
def coefficients(rate: int) -> Any:
    """float64 [7]: b0, b1, b2, -a1, -a2 of the shelf; -a1, -a2 of the high-pass, whose numerator is 1, -2, 1."""
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high ** 0.4996667741545416
    unit = 1 + k / q + k * k
    shelf = [(high + band * k / q + k * k) / unit, 2 * (k * k - high) / unit, (high - band * k / q + k * k) / unit,
             -2 * (k * k - 1) / unit, -(1 - k / q + k * k) / unit]
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    unit = 1 + k / q + k * k
    made = np.array([*shelf, -2 * (k * k - 1) / unit, -(1 - k / q + k * k) / unit])
    made.setflags(write=False)
    return made


@functools.cache
def channel_weights(channels: int) -> Any:
    """float64 [channels], in the order of :mod:`flowaudio.core.layouts`: fronts 1, surrounds 1.41, LFE 0.

    Beside the listener (60° to 120°) a speaker counts as surround; so do the back ones of a layout that has no others,
    which stand at 110°. Above eight channels all count as fronts.
    """
    made = np.ones(channels)
    if channels <= MAX_CHANNELS:
        names = speakers(channels)
        sides = ("SL", "SR") if "SL" in names else ("BL", "BR")
        made = np.array([0.0 if name == "LFE" else SURROUND if name in sides else 1.0 for name in names])
    made.setflags(write=False)
    return made


def filters(channels: int) -> Any:
    """float64 [group of four channels, past of the biquads and energies], silent."""
    return np.zeros((-(-channels // LANES), ENERGY + LANES))


@kernel
def weigh(x: Any, start: int, count: int, group: int, coefs: Any, scratch: Any, f: Any) -> None:
    """K-weight `count` frames of four channels and add up their squares, frame by frame, in `f`, a row of `filters`.

    `scratch` is float64 [LANES * CHUNK], zero in lanes that have no channel.
    """
    for c in range(LANES * group, min(LANES * group + LANES, x.shape[0])):
        # Views that begin at 0: an index that LLVM knows to be positive costs no check for negative ones.
        row, lane = x[c][start:], scratch[c - LANES * group:]
        for n in range(count):
            lane[LANES * n] = np.float64(row[n])
    b0, b1, b2 = coefs[0], coefs[1], coefs[2]
    shelf1, shelf2, high1, high2 = coefs[3], coefs[4], coefs[5], coefs[6]
    x1, x2, y1, y2 = load(f, 0), load(f, 4), load(f, 8), load(f, 12)
    z1, z2, total = load(f, 16), load(f, 20), load(f, ENERGY)
    for n in range(count):
        now = load(scratch, LANES * n)
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
