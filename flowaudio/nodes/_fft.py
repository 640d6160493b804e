"""The Fourier transform of a real signal inside kernels: powers of two from 64 to 65536 frames, float32, in lanes.

Even frames are the real and odd ones the imaginary part of a complex signal of half the length; the halves of its
transform that mirror each other hold that of the real signal (Press et al., Numerical Recipes, section 12.3)::

    frames · window ─► even, odd ─► radix 8 ─► radix 4 … ─► radix 4 or 8 ─► split ─► size / 2 + 1 bins

The passes are Stockham's: each writes what it reads to another array, sorted, so nothing is put in order of its bits
(Van Loan, Computational Frameworks for the FFT, section 1.7). The first pass holds frames in its lanes and turns them
over; from there on, neighbours in memory need the same factor.

In ``prepare``: `tables` and `window`, the same for all of one size, and `workspace`, of each node its own. In a
kernel: `append` as frames come; when there are enough, `fill`, then `transform`, then `split` or `power`. Error against
float64: RMS 1.4e-7 of the spectrum's RMS, at most 7e-7 of it for noise.
"""

import functools
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import address_of
from flowaudio.core.simd import load, load_part, select, shuffle, splat, store, vabs
from flowaudio.nodes._rings import transpose

__all__ = ["LARGEST", "LOUDEST", "SMALLEST", "WINDOWS", "append", "fill", "noise_bandwidth", "pass_on", "power",
           "rounded_size", "sane", "split", "tables", "transform", "window", "workspace"]

SMALLEST, LARGEST = 64, 65_536
"""Frames of a transform."""

LOUDEST = np.float32(1e6)
"""What lies beyond is no sound but damage: `sane` makes it silence."""

WINDOWS = {
    "rectangle": (1.0,),
    "hann": (0.5, 0.5),
    "blackman_harris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flat_top": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
"""Windows as sums of cosines: ``a0 - a1 cos(t) + a2 cos(2 t) - …``. Harris, On the use of windows (1978), and for the
flat top D'Antona and Ferrero, Digital Signal Processing for Measurement Systems (2006), section 2.4."""

SLACK = 64                              # places behind each part: whole vectors, also of the smallest first pass
ZERO = np.float32(0.0)
HALF = np.float32(0.5)
ROOT = np.float32(np.sqrt(0.5))


def rounded_size(size: int) -> int:
    """The next power of two, between SMALLEST and LARGEST."""
    return min(LARGEST, max(SMALLEST, 1 << (size - 1).bit_length()))


@functools.cache
def tables(size: int) -> Any:
    """float32 [n], read-only: the factors of all passes in the order in which they are used, and those of the split."""
    half = size // 2
    first = half // 8
    p = np.arange(-(-first // 8) * 8).reshape(-1, 1, 8)
    parts = [_pairs(p * np.arange(1, 8)[:, np.newaxis] / half)]
    n = first
    while n > 8:
        parts.append(_pairs(np.arange(n // 4)[:, np.newaxis, np.newaxis] * np.arange(1, 4)[:, np.newaxis] / n))
        n //= 4
    parts.append(_pairs(np.arange(half // 2).reshape(-1, 1, 8) / size))
    made = np.concatenate(parts)
    made.setflags(write=False)
    return made


def _pairs(turns: Any) -> Any:
    """exp(-2 pi i turns), float32: the real parts of the last dimension, then its imaginary parts."""
    angle = -2 * np.pi * turns
    return np.stack([np.cos(angle), np.sin(angle)], axis=-2).astype(np.float32).ravel()


@functools.cache
def window(name: str, size: int) -> Any:
    """float32 [size], read-only: by it a sine of amplitude 1 in the middle of a bin has there the magnitude 1.

    Periodic: one frame more would be the first again.
    """
    terms = WINDOWS[name]
    turn = 2 * np.pi * np.arange(size) / size
    shape = sum(a * (-1) ** k * np.cos(k * turn) for k, a in enumerate(terms))
    made = np.asarray(shape * (2 / (size * terms[0]))).astype(np.float32)
    made.setflags(write=False)
    return made


def noise_bandwidth(name: str) -> float:
    """Of a window, in bins: the power of white noise in a bin is its power in so many bins' width."""
    first, *others = WINDOWS[name]
    return (first ** 2 + sum(a ** 2 for a in others) / 2) / first ** 2


def workspace(size: int) -> Any:
    """float32 [n]: two complex signals of half the size, each its real part and then its imaginary part."""
    return np.zeros(4 * (size // 2 + SLACK), np.float32)


@kernel
def sane(v: Any) -> Any:
    """Eight samples; 0 where one is no number, or beyond LOUDEST."""
    return select(vabs(v) <= LOUDEST, v, splat(ZERO))


@kernel
def append(row: Any, first: int, count: int, target: Any, at: int) -> None:
    """``target[at + n] = row[first + n]`` for `count` frames, made sane; up to 7 places behind them are zeroed."""
    whole, rest = count - count % 8, count % 8
    for n in range(0, whole, 8):
        store(target, at + n, sane(load(row, first + n)))
    if rest:
        store(target, at + whole, sane(load_part(row, first + whole, rest)))


@kernel
def pass_on(x: Any, y: Any) -> None:
    """The signal goes on unchanged; where both are the same memory there is nothing to do."""
    if address_of(x) != address_of(y):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


@kernel
def fill(row: Any, start: int, shape: Any, size: int, work: Any) -> None:
    """``row[start : start + size]`` times a window's `shape` into the workspace."""
    odd = size // 2 + SLACK
    for n in range(0, size, 16):
        a = load(row, start + n) * load(shape, n)
        b = load(row, start + n + 8) * load(shape, n + 8)
        store(work, n // 2, shuffle(a, b, "02468ace"))
        store(work, odd + n // 2, shuffle(a, b, "13579bdf"))


@kernel
def transform(work: Any, factors: Any, size: int) -> int:
    """The complex transform of what `fill` left; gives the place of its result, which `split` and `power` take."""
    half = size // 2
    width = half + SLACK
    other = 2 * width
    _first_pass(work, 0, other, half, width, factors)
    source, target = other, 0
    n, stride = half // 8, 8
    at = (n + 7) // 8 * 112
    while n > 8:
        _pass_4(work, source, target, n, stride, width, factors, at)
        at += n // 4 * 6
        n //= 4
        stride *= 4
        source, target = target, source
    if n == 8:
        _last_8(work, source, target, stride, width)
    else:
        _last_4(work, source, target, stride, width)
    return target


@kernel
def _four(a: Any, ai: Any, b: Any, bi: Any, c: Any, ci: Any, d: Any, di: Any) -> Any:
    """The transform of four numbers."""
    s, si, t, ti = a + c, ai + ci, a - c, ai - ci
    u, ui, v, vi = b + d, bi + di, b - d, bi - di
    return s + u, si + ui, t + vi, ti - v, s - u, si - ui, t - vi, ti + v


@kernel
def _eight(z: Any, a: int, m: int, width: int) -> Any:
    """The transforms of eight numbers that stand `m` apart: those of even index, then those of odd index."""
    b = a + width
    x0, x1, x2, x3 = load(z, a), load(z, a + m), load(z, a + 2 * m), load(z, a + 3 * m)
    x4, x5, x6, x7 = load(z, a + 4 * m), load(z, a + 5 * m), load(z, a + 6 * m), load(z, a + 7 * m)
    y0, y1, y2, y3 = load(z, b), load(z, b + m), load(z, b + 2 * m), load(z, b + 3 * m)
    y4, y5, y6, y7 = load(z, b + 4 * m), load(z, b + 5 * m), load(z, b + 6 * m), load(z, b + 7 * m)
    even = _four(x0 + x4, y0 + y4, x1 + x5, y1 + y5, x2 + x6, y2 + y6, x3 + x7, y3 + y7)
    d1, e1, d3, e3 = x1 - x5, y1 - y5, x3 - x7, y3 - y7
    odd = _four(x0 - x4, y0 - y4, ROOT * (d1 + e1), ROOT * (e1 - d1), y2 - y6, x6 - x2,
                ROOT * (e3 - d3), -(ROOT * (d3 + e3)))
    return even, odd


@kernel
def _by(r: Any, i: Any, t: Any, at: int) -> Any:
    """Times a vector of factors."""
    c, s = load(t, at), load(t, at + 8)
    return r * c - i * s, r * s + i * c


@kernel
def _first_pass(z: Any, source: int, target: int, half: int, width: int, t: Any) -> None:
    """Radix 8, neighbours in lanes."""
    m = half // 8
    for p in range(0, m, 8):
        even, odd = _eight(z, source + p, m, width)
        r0, i0, r2, i2, r4, i4, r6, i6 = even
        r1, i1, r3, i3, r5, i5, r7, i7 = odd
        w = p * 14
        r1, i1 = _by(r1, i1, t, w)
        r2, i2 = _by(r2, i2, t, w + 16)
        r3, i3 = _by(r3, i3, t, w + 32)
        r4, i4 = _by(r4, i4, t, w + 48)
        r5, i5 = _by(r5, i5, t, w + 64)
        r6, i6 = _by(r6, i6, t, w + 80)
        r7, i7 = _by(r7, i7, t, w + 96)
        _put(z, target + 8 * p, transpose(r0, r1, r2, r3, r4, r5, r6, r7), 8)
        _put(z, target + width + 8 * p, transpose(i0, i1, i2, i3, i4, i5, i6, i7), 8)


@kernel
def _put(z: Any, at: int, rows: Any, step: int) -> None:
    """Eight vectors, `step` apart."""
    a, b, c, d, e, f, g, h = rows
    store(z, at, a)
    store(z, at + step, b)
    store(z, at + 2 * step, c)
    store(z, at + 3 * step, d)
    store(z, at + 4 * step, e)
    store(z, at + 5 * step, f)
    store(z, at + 6 * step, g)
    store(z, at + 7 * step, h)


@kernel
def _get_four(z: Any, a: int, step: int, width: int) -> Any:
    """The transforms of four numbers that stand `step` apart."""
    b = a + width
    return _four(load(z, a), load(z, b), load(z, a + step), load(z, b + step),
                 load(z, a + 2 * step), load(z, b + 2 * step), load(z, a + 3 * step), load(z, b + 3 * step))


@kernel
def _pass_4(z: Any, source: int, target: int, n: int, stride: int, width: int, t: Any, at: int) -> None:
    """Radix 4: transforms of length `n`, `stride` of them side by side, become four times as many."""
    step = stride * (n // 4)
    for p in range(n // 4):
        w = at + 6 * p
        c1, s1, c2, s2, c3, s3 = t[w], t[w + 1], t[w + 2], t[w + 3], t[w + 4], t[w + 5]
        for q in range(0, stride, 8):
            r0, i0, r1, i1, r2, i2, r3, i3 = _get_four(z, source + stride * p + q, step, width)
            a = target + 4 * stride * p + q
            b = a + width
            store(z, a, r0)
            store(z, b, i0)
            store(z, a + stride, r1 * c1 - i1 * s1)
            store(z, b + stride, r1 * s1 + i1 * c1)
            store(z, a + 2 * stride, r2 * c2 - i2 * s2)
            store(z, b + 2 * stride, r2 * s2 + i2 * c2)
            store(z, a + 3 * stride, r3 * c3 - i3 * s3)
            store(z, b + 3 * stride, r3 * s3 + i3 * c3)


@kernel
def _last_4(z: Any, source: int, target: int, stride: int, width: int) -> None:
    """Radix 4, all factors 1."""
    for q in range(0, stride, 8):
        r0, i0, r1, i1, r2, i2, r3, i3 = _get_four(z, source + q, stride, width)
        a = target + q
        b = a + width
        store(z, a, r0)
        store(z, b, i0)
        store(z, a + stride, r1)
        store(z, b + stride, i1)
        store(z, a + 2 * stride, r2)
        store(z, b + 2 * stride, i2)
        store(z, a + 3 * stride, r3)
        store(z, b + 3 * stride, i3)


@kernel
def _last_8(z: Any, source: int, target: int, stride: int, width: int) -> None:
    """Radix 8, all factors 1."""
    for q in range(0, stride, 8):
        even, odd = _eight(z, source + q, stride, width)
        r0, i0, r2, i2, r4, i4, r6, i6 = even
        r1, i1, r3, i3, r5, i5, r7, i7 = odd
        _put(z, target + q, (r0, r1, r2, r3, r4, r5, r6, r7), stride)
        _put(z, target + width + q, (i0, i1, i2, i3, i4, i5, i6, i7), stride)


@kernel
def _reverse(v: Any) -> Any:
    return shuffle(v, v, "76543210")


@kernel
def _halves(work: Any, at: int, k: int, half: int, factors: Any) -> Any:
    """Bins k … k + 7 and their mirrors: the even frames' share, twice, and the odd frames', twice and turned."""
    a, b = at + k, at + half - k - 7
    odd = half + SLACK
    r, i, mr, mi = load(work, a), load(work, odd + a), _reverse(load(work, b)), _reverse(load(work, odd + b))
    w = factors.size - 8 * (half // 8) + 2 * k
    c, s = load(factors, w), load(factors, w + 8)
    u, v = i + mi, mr - r
    return r + mr, i - mi, u * c - v * s, u * s + v * c


@kernel
def split(work: Any, at: int, factors: Any, size: int, real: Any, imaginary: Any) -> None:
    """Real and imaginary part of the bins 0 … size / 2: arrays of that length."""
    half = size // 2
    odd = half + SLACK
    work[at + half], work[at + odd + half] = work[at], work[at + odd]
    middle, minus = work[at + half // 2], -work[at + odd + half // 2]
    for k in range(0, half // 2, 8):
        er, ei, tr, ti = _halves(work, at, k, half, factors)
        store(real, k, HALF * (er + tr))
        store(imaginary, k, HALF * (ei + ti))
        store(real, half - k - 7, _reverse(HALF * (er - tr)))
        store(imaginary, half - k - 7, _reverse(HALF * (ti - ei)))
    real[half // 2], imaginary[half // 2] = middle, minus


@kernel
def power(work: Any, at: int, factors: Any, size: int, result: Any) -> None:
    """Squared magnitude of the bins 0 … size / 2, into an array of that length."""
    half = size // 2
    odd = half + SLACK
    work[at + half], work[at + odd + half] = work[at], work[at + odd]
    middle, minus = work[at + half // 2], work[at + odd + half // 2]
    for k in range(0, half // 2, 8):
        er, ei, tr, ti = _halves(work, at, k, half, factors)
        r, i, mr, mi = HALF * (er + tr), HALF * (ei + ti), HALF * (er - tr), HALF * (ei - ti)
        store(result, k, r * r + i * i)
        store(result, half - k - 7, _reverse(mr * mr + mi * mi))
    result[half // 2] = middle * middle + minus * minus
