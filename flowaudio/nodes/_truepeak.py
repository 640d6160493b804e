"""Between the samples: a signal interpolated eight times over, for the limiter and the true-peak meter.

Three half-band interpolators in a row, each twice as fast and shorter than the one before::

    x ─► 64 taps ─► o, halves ─► 12 taps ─► q, quarters ─► 8 taps ─► eighths

As polyphase streams, all stand at the rate of x: o[n] lies at n + 1/2, q1[n] at n + 1/4, q3[n] at n + 3/4. Flat within
0.05 dB up to 0.465 of the rate. A point of the true curve lies at most 1/16 of a sample away: 0.04 dB under-read at a
quarter of the rate, 0.14 dB at 0.46 of it.

Interpolators differ in what they make of the last octave's end, above 0.42 of the rate. `d` holds by how much o changes
with a filter of 16 taps in place of 64: nothing for most sound, much for white noise. Who must stay below a ceiling on
every meter adds it.
"""

import functools
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, load, load_part, splat, store, vabs, vmax

__all__ = ["CHUNK", "DELAY", "STREAMS", "advance", "coefficients", "oversample", "pair", "peak", "shift", "streams",
           "take", "tops", "uncertainty"]

CHUNK = 256                             # frames at a time, at most
DELAY = 36                              # frames by which `peak` is behind the input: it covers [n, n + 1)
PAST = 64                               # frames of each stream before the first of the chunk
STREAMS = 6                             # x, o, q1, q3, d, greatest of four d
WIDTH = PAST + CHUNK + 40               # behind the chunk there is room for whole vectors, four at a time

LONG, SHORT, HALF, QUARTER = 32, 8, 6, 4        # half the taps of each filter
X, HALVES, Q1, Q3, D, FOUR = (stream * WIDTH for stream in range(STREAMS))
ZERO = np.float32(0.0)
CAUTION = np.float32(1.25)             # found by trying, with white noise and interpolators of 20 to 128 taps


def _half_band(half: int, beta: float) -> Any:
    """One side of a filter for points half-way between samples: a Kaiser-windowed sinc of unity gain at DC."""
    place = np.arange(half) + 0.5
    taps = np.sinc(place) * np.i0(beta * np.sqrt(1 - (place / half) ** 2))
    return taps / (2 * taps.sum())


@functools.cache
def coefficients() -> Any:
    """float32 [50]: the long filter, the short one, those of quarters and eighths."""
    made = np.concatenate([_half_band(LONG, 7.0), _half_band(SHORT, 5.0), _half_band(HALF, 6.0),
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
    take(row, start, count, z, X + PAST)
    for n in range(PAST, PAST + count, 32):
        _halves(n, taps, z)
    for n in range(PAST, PAST + count, 8):
        _quarters(n, taps, z)


@kernel
def _halves(n: int, taps: Any, z: Any) -> None:
    """32 frames of o and d. Four vectors at once: a chain of 32 additions each, and each coefficient is loaded once."""
    zero = splat(ZERO)
    a0, a1, a2, a3 = zero, zero, zero, zero
    b0, b1, b2, b3 = zero, zero, zero, zero
    left, right = X + n - LONG, X + n - LONG + 1
    # Known only at run time, or LLVM would unroll the loops whole, share their loads and run out of registers.
    end = taps.size - SHORT - HALF - QUARTER
    for j in range(end // 4):
        long, short = taps[j], taps[LONG + j]
        pair = load(z, left - j) + load(z, right + j)
        a0, b0 = fma(pair, long, a0), fma(pair, short, b0)
        pair = load(z, left - j + 8) + load(z, right + j + 8)
        a1, b1 = fma(pair, long, a1), fma(pair, short, b1)
        pair = load(z, left - j + 16) + load(z, right + j + 16)
        a2, b2 = fma(pair, long, a2), fma(pair, short, b2)
        pair = load(z, left - j + 24) + load(z, right + j + 24)
        a3, b3 = fma(pair, long, a3), fma(pair, short, b3)
    for j in range(end // 4, end):
        long = taps[j]
        a0 = fma(load(z, left - j) + load(z, right + j), long, a0)
        a1 = fma(load(z, left - j + 8) + load(z, right + j + 8), long, a1)
        a2 = fma(load(z, left - j + 16) + load(z, right + j + 16), long, a2)
        a3 = fma(load(z, left - j + 24) + load(z, right + j + 24), long, a3)
    _keep(z, n, a0, b0)
    _keep(z, n + 8, a1, b1)
    _keep(z, n + 16, a2, b2)
    _keep(z, n + 24, a3, b3)


@kernel
def _keep(z: Any, n: int, long: Any, short: Any) -> None:
    store(z, HALVES + n, long)
    store(z, D + n, vabs(long - short))


@kernel
def _quarters(n: int, taps: Any, z: Any) -> None:
    """8 frames of q1 and q3, each between its neighbours of x and o in turn; 3 frames behind o."""
    pair(z, X + n - LONG - 3, z, HALVES + n - 3, taps, z, Q1 + n, Q3 + n)
    d = D + n
    store(z, FOUR + n, vmax(vmax(load(z, d), load(z, d - 1)), vmax(load(z, d - 2), load(z, d - 3))))


@kernel
def pair(line: Any, x: int, z: Any, o: int, taps: Any, to: Any, q1: int, q3: int) -> None:
    """8 frames of q1 and q3 between those of the samples ``line[x]`` and the halves ``z[o]``."""
    h0, h1, h2 = taps[LONG + SHORT], taps[LONG + SHORT + 1], taps[LONG + SHORT + 2]
    h3, h4, h5 = taps[LONG + SHORT + 3], taps[LONG + SHORT + 4], taps[LONG + SHORT + 5]
    o_3, o_2, o_1, o0, o1, o2, o3 = (load(z, o - 3), load(z, o - 2), load(z, o - 1), load(z, o), load(z, o + 1),
                                     load(z, o + 2), load(z, o + 3))
    x_2, x_1, x0, x1, x2, x3 = (load(line, x - 2), load(line, x - 1), load(line, x), load(line, x + 1),
                                load(line, x + 2), load(line, x + 3))
    q = (x0 + o0) * h0
    q = fma(o_1 + x1, h1, q)
    q = fma(x_1 + o1, h2, q)
    q = fma(o_2 + x2, h3, q)
    q = fma(x_2 + o2, h4, q)
    store(to, q1, fma(o_3 + x3, h5, q))
    q = (o0 + x1) * h0
    q = fma(x0 + o1, h1, q)
    q = fma(o_1 + x2, h2, q)
    q = fma(x_1 + o2, h3, q)
    q = fma(o_2 + x3, h4, q)
    store(to, q3, fma(x_2 + o3, h5, q))


@kernel
def _eighth(a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any, b2: Any, b3: Any, taps: Any) -> Any:
    """Magnitude half-way between a0 and b0, from the four neighbours on each side."""
    base = LONG + SHORT + HALF
    return vabs(fma(a3 + b3, taps[base + 3], fma(a2 + b2, taps[base + 2],
                                                 fma(a1 + b1, taps[base + 1], (a0 + b0) * taps[base]))))


@kernel
def peak(n: int, taps: Any, z: Any) -> Any:
    """Greatest magnitude in [n, n + 1) for eight frames, DELAY behind those of the chunk from its n-th on."""
    at = PAST + n
    return tops(z, X + at - DELAY, z, HALVES + at - 4, Q1 + at - 1, Q3 + at - 1, taps)


@kernel
def tops(line: Any, x: int, z: Any, o: int, p: int, q: int, taps: Any) -> Any:
    """Greatest magnitude in [n, n + 1) of eight frames, whose x, o, q1 and q3 stand at the given places."""
    x0, x1 = load(line, x), load(line, x + 1)
    o_1, o0, o1 = load(z, o - 1), load(z, o), load(z, o + 1)
    p_1, p0, p1 = load(z, p - 1), load(z, p), load(z, p + 1)
    q_1, q0, q1 = load(z, q - 1), load(z, q), load(z, q + 1)
    grid = vmax(vmax(vabs(x0), vabs(o0)), vmax(vabs(p0), vabs(q0)))
    between = vmax(vmax(_eighth(x0, q_1, o_1, p_1, p0, o0, q0, x1, taps),
                        _eighth(p0, x0, q_1, o_1, o0, q0, x1, p1, taps)),
                   vmax(_eighth(o0, p0, x0, q_1, q0, x1, p1, o1, taps),
                        _eighth(q0, o0, p0, x0, x1, p1, o1, q1, taps)))
    return vmax(grid, between)


@kernel
def uncertainty(n: int, z: Any) -> Any:
    """By how much another interpolator may differ around the frames of `peak`: CAUTION times the greatest d of 16."""
    at = FOUR + PAST + n - 4
    return vmax(vmax(load(z, at + 3), load(z, at - 1)), vmax(load(z, at - 5), load(z, at - 9))) * CAUTION


@kernel
def advance(count: int, z: Any) -> None:
    """Make what the next chunk needs of this one its past."""
    shift(z, X, count, PAST)
    for stream in range(1, STREAMS):
        shift(z, stream * WIDTH + PAST - 16, count, 16)


@kernel
def shift(array: Any, start: int, by: int, size: int) -> None:
    """``array[start + n] = array[start + n + by]`` for `size` places, rounded up to whole vectors.

    In vectors on purpose: of the plain loop LLVM makes one that looks for overlaps and for negative indices.
    """
    for n in range(start, start + size, 8):
        store(array, n, load(array, n + by))


@kernel
def take(row: Any, start: int, count: int, array: Any, at: int) -> None:
    """``array[at + n] = row[start + n]`` for `count` frames; up to 7 places behind them are zeroed."""
    whole, rest = count - count % 8, count % 8
    for n in range(0, whole, 8):
        store(array, at + n, load(row, start + n))
    if rest:
        store(array, at + whole, load_part(row, start + whole, rest))
