"""How a sound meets a hole: does it go on as it was, or is it cut off?

What comes from a voice, a string or a room goes on for a while: a linear prediction from the 10 ms beside a hole says
what the next samples would have been. Where a sound ended by itself, they are what it did; where it was cut, they are
not, and the error is as large as the sound. Noise cannot be predicted; there the level next to the hole must do.
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
ZERO = 0.0


def work(frames: int) -> Any:
    """Memory for :func:`jump` over `frames` and a few: samples, the same under a window, and what is made of them."""
    return np.zeros((3, frames + WORK))


@kernel
def jump(row: Any, ring: Any, at: int, edge: int, step: int, count: int, ahead: int, window: Any, w: Any) -> Any:
    """Error of the prediction across an edge, and how much of the power could not be predicted beside it.

    :param edge: the first frame of what is predicted.
    :param step: 1 to go forwards from what was before, -1 to go back from what comes behind.
    :param count: frames to predict from.
    :param ahead: frames to predict; the greatest error is returned.
    :param window: float64 [count].
    :param w: what :func:`work` made.
    """
    raw, under = w[0], w[1]
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
        error = 0.0
        for k in range(ORDER + 1):
            error += a[k] * raw[n - k]
        top = max(top, abs(error))
    return top, left


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
