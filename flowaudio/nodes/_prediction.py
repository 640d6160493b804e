"""Linear prediction in lanes: what a signal's past says of its next sample, and by how much it errs.

An error filter of order 12, ``e[n] = x[n] + a[1] x[n-1] + … + a[12] x[n-12]``, found in two ways:

- `autocorrelation` and `levinson`, of a windowed frame in float32: cheap, for all of a signal (Makhoul, "Linear
  prediction: a tutorial review", Proc. IEEE 63, 1975, section II);
- `covariance`, of unwindowed rows in float64: exact for what a filter of that order can predict, for a closer look
  (the same, section II.B). Its matrix is made of its first row and of products at the rows' ends.
"""

import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, hmax, hsum, load, splat, store, vabs, vmax

__all__ = ["MATRIX", "ORDER", "PAD", "TAPS", "autocorrelation", "cell_tops", "covariance", "levinson", "residual",
           "rms", "top", "window"]

ORDER = 12
TAPS = ORDER + 1
PAD = 16                                # zeros before a windowed frame
MATRIX = ORDER * ORDER
ZERO = np.float32(0.0)
LEVEL = 1e-10                           # mean square of noise that is thought added: silence can be predicted, too
COARSE = 3e-6                           # part of the power that is thought noise: what float32 leaves of a sum
FINE = 1e-9                             # the same, for float64


def window(size: int) -> Any:
    """float32 [size]: Hann, symmetric, without its zeros."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)


@kernel
def autocorrelation(row: Any, first: int, shape: Any, frame: Any, r: Any) -> None:
    """Of ``row[first:]`` under the window `shape`, a multiple of 8 frames; `r` is float64 [14].

    `frame` is float32 [PAD + shape.size], its first PAD zero.
    """
    for n in range(0, shape.size, 8):
        store(frame, PAD + n, load(row, first + n) * load(shape, n))
    for lag in range(0, 14, 7):
        _seven_lags(frame, lag, shape.size, r)


@kernel
def _seven_lags(frame: Any, lag: int, size: int, r: Any) -> None:
    """Seven sums at once, or each would wait for itself."""
    zero = splat(ZERO)
    s0, s1, s2, s3, s4, s5, s6 = zero, zero, zero, zero, zero, zero, zero
    for n in range(PAD, PAD + size, 8):
        v, m = load(frame, n), n - lag
        s0, s1 = fma(v, load(frame, m), s0), fma(v, load(frame, m - 1), s1)
        s2, s3 = fma(v, load(frame, m - 2), s2), fma(v, load(frame, m - 3), s3)
        s4, s5 = fma(v, load(frame, m - 4), s4), fma(v, load(frame, m - 5), s5)
        s6 = fma(v, load(frame, m - 6), s6)
    r[lag], r[lag + 1], r[lag + 2], r[lag + 3] = hsum(s0), hsum(s1), hsum(s2), hsum(s3)
    r[lag + 4], r[lag + 5], r[lag + 6] = hsum(s4), hsum(s5), hsum(s6)


@kernel
def levinson(r: Any, frames: int, a: Any, taps: Any) -> None:
    """The error filter that autocorrelations `r` ask for. `a` is float64 [TAPS], `taps` the same in float32."""
    error = r[0] * (1.0 + COARSE) + LEVEL * frames
    for i in range(1, TAPS):
        a[i] = 0.0
    a[0] = 1.0
    for i in range(1, TAPS):
        sum_ = r[i]
        for j in range(1, i):
            sum_ += a[j] * r[i - j]
        k = -sum_ / error
        for j in range(1, (i + 1) // 2):
            low, high = a[j], a[i - j]
            a[j], a[i - j] = low + k * high, high + k * low
        if i % 2 == 0:
            a[i // 2] += k * a[i // 2]
        a[i] = k
        error *= 1.0 - k * k
    for i in range(TAPS):
        taps[i] = np.float32(a[i])


@kernel
def cell_tops(row: Any, first: int, taps: Any, size: int, tops: Any, at: int) -> None:
    """Greatest magnitude of the error in each of 16 cells of `size` frames, a multiple of 8, from ``tops[at]`` on."""
    a0, a1, a2, a3, a4, a5, a6 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6]
    a7, a8, a9, a10, a11, a12 = taps[7], taps[8], taps[9], taps[10], taps[11], taps[12]
    for k in range(16):
        greatest = splat(ZERO)
        start = first + k * size
        for n in range(start, start + size, 8):
            # The later terms come first: of two sums that are added at the end neither is long.
            u = fma(load(row, n - 12), a12, fma(load(row, n - 11), a11, fma(load(row, n - 10), a10,
                    fma(load(row, n - 9), a9, fma(load(row, n - 8), a8, load(row, n - 7) * a7)))))
            v = fma(load(row, n), a0, fma(load(row, n - 1), a1, fma(load(row, n - 2), a2, fma(load(row, n - 3), a3,
                    fma(load(row, n - 4), a4, fma(load(row, n - 5), a5, load(row, n - 6) * a6))))))
            greatest = vmax(greatest, vabs(u + v))
        tops[at + k] = hmax(greatest)


@kernel
def covariance(z: Any, first: int, end: int, m: Any, a: Any) -> None:
    """The error filter that fits ``z[first : end]`` best, a multiple of 16 rows; it looks at 12 frames before them.

    `z` is float64, `a` float64 [TAPS], `m` float64 [MATRIX].
    """
    for k in range(TAPS):
        s0, s1 = load(z, first) * load(z, first - k), load(z, first + 4) * load(z, first + 4 - k)
        s2, s3 = load(z, first + 8) * load(z, first + 8 - k), load(z, first + 12) * load(z, first + 12 - k)
        for n in range(first + 16, end, 16):
            s0, s1 = fma(load(z, n), load(z, n - k), s0), fma(load(z, n + 4), load(z, n + 4 - k), s1)
            s2, s3 = fma(load(z, n + 8), load(z, n + 8 - k), s2), fma(load(z, n + 12), load(z, n + 12 - k), s3)
        a[k] = hsum((s0 + s1) + (s2 + s3))
    noise = FINE * a[0] + LEVEL * (end - first)
    for j in range(TAPS):               # the products of lags 0 and j, 1 and j + 1, …
        value = a[j]
        for i in range(ORDER - j):
            value += z[first - 1 - i] * z[first - 1 - i - j] - z[end - 1 - i] * z[end - 1 - i - j]
            m[(i + j) * ORDER + i] = value
    for i in range(ORDER):
        m[i * ORDER + i] += noise
    _solve(m, a)


@kernel
def _solve(m: Any, a: Any) -> None:
    """Cholesky: `m` a = -b, where b stands in ``a[1:]``; only the lower half of `m` is read."""
    for i in range(ORDER):
        for j in range(i + 1):
            value = m[i * ORDER + j]
            for k in range(j):
                value -= m[i * ORDER + k] * m[j * ORDER + k]
            m[i * ORDER + j] = math.sqrt(max(value, 1e-300)) if i == j else value / m[j * ORDER + j]
    a[0] = 1.0
    for i in range(ORDER):
        value = -a[i + 1]
        for k in range(i):
            value -= m[i * ORDER + k] * a[k + 1]
        a[i + 1] = value / m[i * ORDER + i]
    for i in range(ORDER - 1, -1, -1):
        value = a[i + 1]
        for k in range(i + 1, ORDER):
            value -= m[k * ORDER + i] * a[k + 1]
        a[i + 1] = value / m[i * ORDER + i]


@kernel
def residual(z: Any, first: int, end: int, a: Any, e: Any) -> None:
    """``e[n]`` for `first` <= n < `end`, up to 3 more; float64."""
    for n in range(first, end, 4):
        value = load(z, n)
        for k in range(1, TAPS):
            value = fma(load(z, n - k), a[k], value)
        store(e, n, value)


@kernel
def rms(v: Any, first: int, end: int) -> Any:
    """Root of the mean square, never quite 0. Of float64, as all below; what is over a multiple of 8 does not count."""
    count = (end - first) // 8 * 8
    s0, s1 = splat(0.0), splat(0.0)
    for n in range(first, first + count, 8):
        s0, s1 = fma(load(v, n), load(v, n), s0), fma(load(v, n + 4), load(v, n + 4), s1)
    return math.sqrt(hsum(s0 + s1) / count + LEVEL)


@kernel
def top(v: Any, first: int, end: int) -> Any:
    """Greatest magnitude, never quite 0."""
    greatest, count = splat(1e-5), (end - first) // 4 * 4
    for n in range(first, first + count, 4):
        greatest = vmax(greatest, vabs(load(v, n)))
    made = hmax(greatest)
    for n in range(first + count, end):
        made = max(made, abs(v[n]))
    return made
