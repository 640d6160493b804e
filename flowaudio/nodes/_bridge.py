"""Whether a sound goes on across a gap as if nothing had been there: the test that tells a click from an attack.

The frames of a gap are replaced by those that leave the least error of a linear prediction of order 12 (least squares
interpolation: Godsill and Rayner, "Digital Audio Restoration", 1998, section 5.2; Vaseghi, chapter 13). What of the
error went away was the click; what stays was not in the gap. The prediction is made twice, of what is before the gap
and of what is behind it, backwards: a drum that begins in the gap satisfies neither.

The unknowns' matrix is the autocorrelation of the error filter, banded and the same for every gap: one Cholesky
factor, grown from the gap's first frame on, gives the answer for each length of the gap on the way.
"""

import math
from typing import Any

from flowaudio.core.kernel import kernel
from flowaudio.nodes._prediction import ORDER, TAPS, covariance, residual

__all__ = ["bridge_size", "bridged"]

LEAD = 16                               # frames before what is predicted from, and behind
SMALL = 1e-10                           # mean square of an error that nothing is under


def bridge_size(longest: int) -> int:
    """float64 numbers that `bridged` works with for gaps of up to so many frames."""
    return longest * (TAPS + 2) + TAPS


@kernel
def bridged(row: Any, gap: int, least: int, sizes: Any, memory: Any, matrix: Any, filters: Any, work: Any) -> Any:
    """By how many decibels a gap at ``row[gap]`` is wrong and the sound around it not: the best of all its lengths.

    A frame's share of the error that went away, over the greater of the mean error beside the gap and of what stayed;
    the lesser of forwards and backwards.

    :param least: frames of the shortest gap.
    :param sizes: int64 [3]: frames of the longest gap, to predict from, and next to the gap.
    :param memory: float64 [3, frame], `sizes` 0 + 2 * (`sizes` 1 + LEAD) and a few.
    :param matrix: float64 [MATRIX]; `filters` is float64 [2, TAPS]; `work` what `bridge_size` says.
    """
    longest, count, near = sizes[0], sizes[1], sizes[2]
    z, back, e, share = memory[0], memory[1], memory[2], work[longest * (TAPS + 1):]
    used = 2 * (count + LEAD) + longest
    for n in range(used):
        z[n] = row[gap - count - LEAD + n]
        back[used - 1 - n] = z[n]
    covariance(z, LEAD, count + LEAD, matrix, filters[0])
    residual(z, LEAD, used, filters[0], e)
    _shares(e, count + LEAD, 1, longest, _beside(e, count, near), filters[0], work, share)
    for n in range(longest):
        z[n] = share[n]
    covariance(back, LEAD, count + LEAD, matrix, filters[1])
    residual(back, LEAD, used, filters[1], e)
    _shares(e, count + LEAD + longest - 1, -1, longest, _beside(e, count, near), filters[1], work, share)
    best = 1e-3
    for n in range(least - 1, longest):
        best = max(best, min(z[n], share[n]))
    return 10.0 * math.log10(best)


@kernel
def _beside(e: Any, count: int, near: int) -> Any:
    """Mean square of the error beside the gap, or next to it if that is greater."""
    total, late = 0.0, 0.0
    for n in range(LEAD, LEAD + count):
        total += e[n] * e[n]
    for n in range(LEAD + count - near, LEAD + count):
        late += e[n] * e[n]
    return max(total / count, late / near) + SMALL


@kernel
def _shares(e: Any, first: int, step: int, longest: int, beside: Any, a: Any, work: Any, share: Any) -> None:
    """For each length of a gap that grows from ``e[first]`` by `step`: a frame's share of what went away, and so on.

    `work` holds the rows of the factor, each from its diagonal on, the answer, the shares, the filter's own lags.
    """
    answer, own = work[longest * TAPS:], work[longest * (TAPS + 2):]
    for lag in range(TAPS):
        own[lag] = 0.0
        for n in range(TAPS - lag):
            own[lag] += a[n] * a[n + lag]
    whole, gone = 0.0, 0.0
    for n in range(ORDER):
        whole += e[first + n + (step < 0)] * e[first + n + (step < 0)]
    for k in range(longest):
        at = first + step * k
        wrong = 0.0
        for n in range(TAPS):
            wrong += e[at + n] * a[n]
        _grow(k, own, work)
        reach = min(k, ORDER)
        for n in range(1, reach + 1):
            wrong -= work[k * TAPS + n] * answer[k - n]
        answer[k] = wrong / work[k * TAPS]
        last = e[at + ORDER] if step > 0 else e[at]
        whole, gone = whole + last * last, gone + answer[k] * answer[k]
        share[k] = gone / (k + 1) / max(beside, (whole - gone) / ORDER)


@kernel
def _grow(k: int, own: Any, work: Any) -> None:
    """Row `k` of the factor of the matrix of the lags `own`: of the frame itself, of the one before it, and so on."""
    row = k * TAPS
    for lag in range(min(k, ORDER), -1, -1):
        value, other = own[lag], (k - lag) * TAPS
        for n in range(lag + 1, min(k, ORDER) + 1):
            value -= work[row + n] * work[other + n - lag]
        work[row + lag] = math.sqrt(max(value, 1e-300)) if lag == 0 else value / work[other]
