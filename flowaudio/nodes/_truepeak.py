"""Between the samples: a signal interpolated eight times over, for the limiter and the true-peak meter.

Three half-band interpolators in a row, each twice as fast and shorter than the one before::

    x ─► 48 taps ─► o, halves ─► 12 taps ─► q, quarters ─► 8 taps ─► eighths

As polyphase streams, all stand at the rate of x: o[n] lies at n + 1/2, q1[n] at n + 1/4, q3[n] at n + 3/4. Flat within
0.05 dB up to 0.46 of the rate. A point of the true curve lies at most 1/16 of a sample away: 0.04 dB under-read at a
quarter of the rate, 0.14 dB at 0.46 of it.

Interpolators differ in what they make of the last octave's end, above 0.42 of the rate. `d` holds by how much o changes
with a filter of 16 taps in place of 48: nothing for most sound, much for white noise. Who must stay below a ceiling on
every meter adds it.
"""

import functools
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, load, splat, store, vabs, vmax

__all__ = ["CHUNK", "DELAY", "STREAMS", "advance", "coefficients", "oversample", "peak", "streams", "uncertainty"]

CHUNK = 256                             # frames at a time, at most
DELAY = 28                              # frames by which `peak` is behind the input: it covers [n, n + 1)
PAST = 64                               # frames of each stream before the first of the chunk
STREAMS = 5                             # x, o, q1, q3, d
WIDTH = PAST + CHUNK + 40               # behind the chunk there is room for whole vectors, four at a time

LONG, SHORT, HALF, QUARTER = 24, 8, 6, 4        # half the taps of each filter
ZERO = np.float32(0.0)


def _half_band(half: int, beta: float) -> Any:
    """One side of a filter for points half-way between samples: a Kaiser-windowed sinc of unity gain at DC."""
    place = np.arange(half) + 0.5
    taps = np.sinc(place) * np.i0(beta * np.sqrt(1 - (place / half) ** 2))
    return taps / (2 * taps.sum())


@functools.cache
def coefficients() -> Any:
    """float32 [42]: the long filter, the short one, those of quarters and eighths."""
    made = np.concatenate([_half_band(LONG, 6.5), _half_band(SHORT, 5.0), _half_band(HALF, 6.0),
                           _half_band(QUARTER, 5.0)]).astype(np.float32)
    made.setflags(write=False)
    return made


def streams(channels: int) -> Any:
    """float32 [channels, STREAMS * WIDTH], silent."""
    return np.zeros((channels, STREAMS * WIDTH), np.float32)


@kernel
def oversample(row: Any, start: int, count: int, taps: Any, z: Any) -> None:
    """Take ``row[start : start + count]`` (at most CHUNK) and compute what became known of the other streams.

    `z` is one channel's streams. Afterwards `peak` and `uncertainty` may be asked, then `advance` must be called.
    """
    for n in range(count):
        z[PAST + n] = row[start + n]
    for n in range(PAST, PAST + count, 32):
        _halves(n, taps, z)
    for n in range(PAST, PAST + count, 8):
        _quarters(n, taps, z)


@kernel
def _halves(n: int, taps: Any, z: Any) -> None:
    """32 frames of o and d. Four vectors at once: a chain of 24 additions each, and each coefficient is loaded once."""
    zero = splat(ZERO)
    a0, a1, a2, a3 = zero, zero, zero, zero
    b0, b1, b2, b3 = zero, zero, zero, zero
    left, right = n - LONG, n - LONG + 1
    for j in range(SHORT):
        long, short = taps[j], taps[LONG + j]
        pair = load(z, left - j) + load(z, right + j)
        a0, b0 = fma(pair, long, a0), fma(pair, short, b0)
        pair = load(z, left - j + 8) + load(z, right + j + 8)
        a1, b1 = fma(pair, long, a1), fma(pair, short, b1)
        pair = load(z, left - j + 16) + load(z, right + j + 16)
        a2, b2 = fma(pair, long, a2), fma(pair, short, b2)
        pair = load(z, left - j + 24) + load(z, right + j + 24)
        a3, b3 = fma(pair, long, a3), fma(pair, short, b3)
    b0, b1, b2, b3 = a0 - b0, a1 - b1, a2 - b2, a3 - b3     # what the two make of the same taps
    for j in range(SHORT, LONG):
        long = taps[j]
        p0 = (load(z, left - j) + load(z, right + j))
        p1 = (load(z, left - j + 8) + load(z, right + j + 8))
        p2 = (load(z, left - j + 16) + load(z, right + j + 16))
        p3 = (load(z, left - j + 24) + load(z, right + j + 24))
        a0, b0 = fma(p0, long, a0), fma(p0, long, b0)
        a1, b1 = fma(p1, long, a1), fma(p1, long, b1)
        a2, b2 = fma(p2, long, a2), fma(p2, long, b2)
        a3, b3 = fma(p3, long, a3), fma(p3, long, b3)
    store(z, WIDTH + n, a0)
    store(z, WIDTH + n + 8, a1)
    store(z, WIDTH + n + 16, a2)
    store(z, WIDTH + n + 24, a3)
    store(z, 4 * WIDTH + n, vabs(b0))
    store(z, 4 * WIDTH + n + 8, vabs(b1))
    store(z, 4 * WIDTH + n + 16, vabs(b2))
    store(z, 4 * WIDTH + n + 24, vabs(b3))
