"""The greatest point of a signal between its samples, for the true-peak meter.

The points are those of :mod:`flowaudio.nodes._truepeak`. A meter needs the greatest of all only: where the samples and
their second differences cannot make anything greater than what is known, nothing is computed, and where the halves and
theirs cannot, nothing but them. In most sound that is nearly everywhere. The bounds are sure, so that nothing is lost.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, hmax, load, load_part, splat, store, vabs, vmax
from flowaudio.nodes._truepeak import DELAY, HALF, QUARTER, SHORT, ZERO, pair, tops

__all__ = ["BEND", "FINE_BEND", "MARGIN", "REACH", "SCRATCH", "highest"]

REACH = 40                              # frames before the first of `highest` that it looks at
MARGIN = 56                             # frames behind the last: of whole vectors, and what they look at
STEP = 88                               # frames that `highest` computes, or not, at a time: with 8 more, 3 times 32
ROW = STEP + 32
SCRATCH = 3 * ROW                       # floats that it needs: o, q1, q3

TWO = np.float32(2.0)
# Between two samples the curve leaves their straight line by at most this much of the greatest second difference near
# them: the taps of each of the eight points, less that line, summed up twice, are at most 0.5602 in magnitudes. Between
# samples and halves, of their second differences: 0.3028.
BEND = np.float32(0.5605)
FINE_BEND = np.float32(0.3031)
SAFE = np.float32(1.0001)               # more than float32 loses on the way


@kernel
def highest(line: Any, at: int, count: int, top: Any, taps: Any, scratch: Any) -> Any:
    """Greatest magnitude in [n, n + 1) for the `count` frames from ``line[at]`` on, or `top` if that is greater.

    `top` must not be under any sample there. DELAY frames behind the last must be known. REACH before the first and
    MARGIN behind the last must be memory with numbers in it. `scratch` is float32 [SCRATCH].
    """
    if not _may_pass(line, at, count, top):
        return top
    for first in range(0, count, STEP):
        part = min(STEP, count - first)
        if _may_pass(line, at + first, part, top):
            _all_halves(line, at + first, part, taps, scratch)
            if _halves_may_pass(line, at + first, part, top, scratch):
                top = max(top, _greatest(line, at + first, part, taps, scratch))
    return top


@kernel
def _may_pass(line: Any, at: int, count: int, top: Any) -> Any:
    """Whether the curve may go above `top`, which no sample does. Looks at more than counts, which does no harm."""
    straight, bend = splat(ZERO), splat(ZERO)
    for n in range(at, at + count + 1, 8):
        straight = vmax(straight, vabs(load(line, n)))
    for n in range(at - DELAY, at + count + DELAY, 8):
        bend = vmax(bend, vabs(load(line, n - 1) + load(line, n + 1) - TWO * load(line, n)))
    return (hmax(straight) + hmax(bend) * BEND) * SAFE > top


@kernel
def _all_halves(line: Any, at: int, count: int, taps: Any, z: Any) -> None:
    """o from four frames before the first on, to four behind the last."""
    vectors = (count + 15) // 8
    done = 0
    while done + 3 <= vectors:
        _four_halves(line, at - 4 + 8 * done, taps, z, 8 * done)
        done += 4
    while done < vectors:
        _one_halves(line, at - 4 + 8 * done, taps, z, 8 * done)
        done += 1


@kernel
def _halves_may_pass(line: Any, at: int, count: int, top: Any, z: Any) -> Any:
    """As `_may_pass`, with the halves known."""
    straight, bend = splat(ZERO), splat(ZERO)
    for n in range(0, count + 8, 8):
        x0, x1, o0, o1 = load(line, at - 4 + n), load(line, at - 3 + n), load(z, n), load(z, n + 1)
        straight = vmax(straight, vmax(vabs(x1), vabs(o0)))
        bend = vmax(bend, vmax(vabs(x0 + x1 - TWO * o0), vabs(o0 + o1 - TWO * x1)))
    return (hmax(straight) + hmax(bend) * FINE_BEND) * SAFE > top


@kernel
def _greatest(line: Any, at: int, count: int, taps: Any, z: Any) -> Any:
    """Greatest magnitude in [n, n + 1) for `count` frames, at most STEP, whose halves are there."""
    for n in range(0, count + 8, 8):                    # q1 and q3 from one frame before the first on
        pair(line, at - 1 + n, z, n + 3, taps, z, ROW + n, 2 * ROW + n)
    top = splat(ZERO)
    whole, rest = count - count % 8, count % 8
    for n in range(0, whole, 8):
        top = vmax(top, tops(line, at + n, z, n + 4, ROW + n + 1, 2 * ROW + n + 1, taps))
    if rest:
        store(z, 0, tops(line, at + whole, z, whole + 4, ROW + whole + 1, 2 * ROW + whole + 1, taps))
        top = vmax(top, load_part(z, 0, rest))
    return hmax(top)


@kernel
def _four_halves(line: Any, n: int, taps: Any, z: Any, to: int) -> None:
    """32 frames of o."""
    zero = splat(ZERO)
    a0, a1, a2, a3 = zero, zero, zero, zero
    end = taps.size - SHORT - HALF - QUARTER            # known only at run time, as in `_halves`
    for j in range(end):
        tap, left, right = taps[j], n - j, n + 1 + j
        a0 = fma(load(line, left) + load(line, right), tap, a0)
        a1 = fma(load(line, left + 8) + load(line, right + 8), tap, a1)
        a2 = fma(load(line, left + 16) + load(line, right + 16), tap, a2)
        a3 = fma(load(line, left + 24) + load(line, right + 24), tap, a3)
    store(z, to, a0)
    store(z, to + 8, a1)
    store(z, to + 16, a2)
    store(z, to + 24, a3)


@kernel
def _one_halves(line: Any, n: int, taps: Any, z: Any, to: int) -> None:
    """8 frames of o, added up in the same order."""
    made = splat(ZERO)
    for j in range(taps.size - SHORT - HALF - QUARTER):
        made = fma(load(line, n - j) + load(line, n + 1 + j), taps[j], made)
    store(z, to, made)
