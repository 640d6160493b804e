"""How a sound meets a hole: does it go on as it was, or is it cut off?

What comes from a voice, a string or a room goes on for a while: a linear prediction from the 10 ms beside a hole says
what the next samples would have been. Where a sound ended by itself, they are what it did; where it was cut, they are
not, and the error is as large as the sound. Noise cannot be predicted; there the level next to the hole must do.

What the prediction misses is white, whatever the sound: half a millisecond of it tells how loud the sound still was
there, where samples of a bass tell nothing. That shows a straight fade of a millisecond from a note's slower release.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, load, splat, store
from flowaudio.nodes._levels import heard

__all__ = ["ORDER", "WORK", "jump", "work"]

ORDER = 16
LAGS = 20                               # ORDER and what fills the lanes
WORK = 64                               # float64 beside the samples: autocorrelation, coefficients, the ones before
REGULAR = 1.0000001                     # of the power, so that a pure tone has a finite answer
TINY = 1e-12
COARSEST = 1 / 128                      # the step of 8 bits: what is softer ends in zeros all the time
ZERO = 0.0


def work(frames: int) -> Any:
    """Memory for :func:`jump` over `frames` and a few: samples, the same under a window, and what is made of them."""
    return np.zeros((3, frames + WORK))


@kernel
def jump(row: Any, ring: Any, at: int, edge: int, step: int, cell: int, ahead: int, window: Any, w: Any) -> Any:
    """How a sound meets an edge: three numbers.

    The greatest error of the prediction across it, less two steps of the numbers in which the samples are; how much
    of the power could not be predicted beside it; power of the error in the half millisecond next to it, against 1 to
    5 ms from it.

    :param edge: the first frame of what is predicted.
    :param step: 1 to go forwards from what was before, -1 to go back from what comes behind.
    :param cell: frames in a millisecond.
    :param ahead: frames to predict.
    :param window: float64 [count]; so many frames are predicted from.
    :param w: what :func:`work` made.
    """
    raw, under, count = w[0], w[1], window.size
    for n in range(count + ahead):
        raw[n] = np.float64(heard(row, ring, at, edge + step * (n - count)))
    for n in range(count):
        under[n] = raw[n] * window[n]
    for n in range(count, count + LAGS):
        under[n] = ZERO
    r, a, old = w[2, 0:LAGS], w[2, LAGS:2 * LAGS], w[2, 2 * LAGS:3 * LAGS]
    correlate(under, count, r)
    left = levinson(r, a, old)
    top = 0.0
    for n in range(count, count + ahead):
        top = max(top, abs(missed(raw, a, n)))
    near, far = missed_power(raw, a, count - cell // 2, count), missed_power(raw, a, count - 5 * cell, count - cell)
    return max(0.0, top - 2.0 * coarseness(raw, count)), left, near / (far + TINY)


@kernel
def coarseness(raw: Any, count: int) -> Any:
    """Step of numbers of few bits: the least magnitude above 0, if two samples have it; up to that of 8 bits."""
    least, same = COARSEST, 0
    for n in range(count):
        a = abs(raw[n])
        if a == least:
            same += 1
        elif ZERO < a < least:
            least, same = a, 1
    return least if same > 1 else ZERO


@kernel
def missed(raw: Any, a: Any, n: int) -> Any:
    """Error of the prediction of a sample."""
    error = 0.0
    for k in range(ORDER + 1):
        error += a[k] * raw[n - k]
    return error


@kernel
def missed_power(raw: Any, a: Any, first: int, end: int) -> Any:
    """Mean square of the errors in [first, end)."""
    total = 0.0
    for n in range(first, end):
        error = missed(raw, a, n)
        total += error * error
    return total / (end - first)


@kernel
def correlate(v: Any, count: int, r: Any) -> None:
    """Autocorrelation; lags in lanes."""
    r0, r1, r2, r3, r4 = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    for n in range(count):
        x = splat(v[n])
        r0, r1 = fma(x, load(v, n), r0), fma(x, load(v, n + 4), r1)
        r2, r3 = fma(x, load(v, n + 8), r2), fma(x, load(v, n + 12), r3)
        r4 = fma(x, load(v, n + 16), r4)
    store(r, 0, r0)
    store(r, 4, r1)
    store(r, 8, r2)
    store(r, 12, r3)
    store(r, 16, r4)


@kernel
def levinson(r: Any, a: Any, old: Any) -> Any:
    """Coefficients of the prediction's error filter, ``a[0] = 1``; the part of the power that it leaves."""
    power = r[0] * REGULAR + TINY
    error = power
    a[0] = 1.0
    for i in range(1, ORDER + 1):
        reflected = r[i]
        for k in range(1, i):
            reflected += a[k] * r[i - k]
        reflected = -reflected / error
        for k in range(1, i):
            old[k] = a[k]
        for k in range(1, i):
            a[k] = old[k] + reflected * old[i - k]
        a[i] = reflected
        error *= 1.0 - reflected * reflected
    return error / power
