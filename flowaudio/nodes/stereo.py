"""The stereo meter: how two channels stand to each other."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import any_true, fma, hsum, load, splat, store
from flowaudio.nodes._cells import CELL, LIMIT_BITS, SLICES_PER_SECOND, clean, slice_end, tops, wait

__all__ = ["StereoMeter"]

LEFT, RIGHT, MID, SIDE, BOTH = range(5)
SUMS = 5
LIMIT_DB = 120.0
SILENT = 1e-12                          # mean square of a channel under which there is no result
ZERO = np.float32(0.0)
HALF = np.float32(0.5)


class Params(NamedTuple):
    """Fixed for a rate."""

    rate: int
    keep: Any                           # float64 [1], part of the windowed powers that a slice leaves


class State(NamedTuple):
    """The slice in work, powers, and the results."""

    clock: Any                          # int64 [2]: frames, whole slices
    held: Any                           # float32 [2, CELL], frames of a cell that is not whole
    sums: Any                           # float32 [SUMS * 8], of squares of left, right, mid and side, and of left times
                                        # right, in the slice in work
    recent: Any                         # float64 [SUMS], their means in the window
    total: Any                          # float64 [SUMS], of everything
    correlation: Any                    # float64 [1], and so on
    balance_db: Any
    mid_side_db: Any
    fold_down_loss_db: Any
    mean_correlation: Any
    mean_balance_db: Any
    mean_mid_side_db: Any
    mean_fold_down_loss_db: Any


MEASURES = ("correlation", "balance_db", "mid_side_db", "fold_down_loss_db",
            "mean_correlation", "mean_balance_db", "mean_mid_side_db", "mean_fold_down_loss_db")


@node(in_place=True, measures=MEASURES)
class StereoMeter:
    """Measures how the first two channels stand to each other; the signal passes unchanged.

    With ``M = (L + R) / 2`` and ``S = (L - R) / 2``, and ⟨⟩ a mean::

        correlation       ⟨LR⟩ / √(⟨LL⟩ ⟨RR⟩)               1: the same; 0: nothing in common; -1: one is inverted
        balance_db        10 log10(⟨RR⟩ / ⟨LL⟩)              above 0: the right one is louder
        mid_side_db       10 log10(⟨MM⟩ / ⟨SS⟩)              small or negative: wide, or out of phase
        fold_down_loss_db 10 log10((⟨LL⟩ + ⟨RR⟩) / 2⟨MM⟩)    what mono loses: 0 for equal channels, 3.01 for unrelated

    In an exponential window with a time constant of `integration_ms`, which moves in steps of 20 ms; with ``mean_`` in
    front, of everything since the start up to the last whole 20 ms.

    Conventions: ratios are held within ±120 dB, which stands for "one of the two is silent" (equal channels read a
    mid_side_db of 120, inverted ones a fold_down_loss_db of 120). A channel below -120 dBFS RMS gives a correlation of
    NaN, both of them give NaN throughout; the window takes a while to get there, and reads on as it was till then. One
    channel counts as two equal ones: correlation 1, balance 0. Channels after the second are not looked at. There is
    no window of frequencies: a loss in the bass alone hides behind the rest.

    The correlation follows J. S. Bendat, A. G. Piersol, "Random Data", section 5.1 (without removal of a mean: a
    constant in both channels correlates). Mid and side are summed by themselves, so that what cancels is not lost in
    rounding: error 1e-6 in a correlation, 1e-4 dB in a ratio. Latency: none. Samples that are not finite, or beyond
    ±10,000, count as 0.
    """

    integration_ms: float = param(20.0, 60_000.0, "time constant of the window", default=400.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Silence."""
        results = np.full((len(MEASURES), 1), math.nan)
        return (Params(format.rate, np.array([math.exp(-1000.0 / (SLICES_PER_SECOND * self.integration_ms))])),
                State(np.zeros(2, np.int64), np.zeros((2, CELL), np.float32), np.zeros(SUMS * 8, np.float32),
                      np.zeros(SUMS), np.zeros(SUMS), *results))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        left, right = x[0], x[min(1, x.shape[0] - 1)]
        done = 0
        while done < frames:
            end = slice_end(s.clock[1], p.rate)
            begun = slice_end(s.clock[1] - 1, p.rate)
            count = min(frames - done, end - s.clock[0])
            add(left, right, done, count, s.clock[0] - begun, s)
            done += count
            s.clock[0] += count
            if s.clock[0] == end:
                close_slice(end - begun, p, s)
        for c in range(x.shape[0]):
            for n in range(frames):
                y[c, n] = x[c, n]


@kernel
def eight(left: Any, right: Any, total: Any) -> Any:
    """Eight frames enter the sums."""
    ll, rr, mm, ss, lr = total
    mid, side = HALF * (left + right), HALF * (left - right)
    return (fma(left, left, ll), fma(right, right, rr), fma(mid, mid, mm), fma(side, side, ss),
            fma(left, right, lr))


@kernel
def cells(left: Any, right: Any, first: int, count: int, sums: Any) -> None:
    """Whole cells enter the slice."""
    a0, a1, a2, a3, a4 = load(sums, 0), load(sums, 8), load(sums, 16), load(sums, 24), load(sums, 32)
    for n in range(first, first + count * CELL, CELL):
        l0, l1, l2, l3 = load(left, n), load(left, n + 8), load(left, n + 16), load(left, n + 24)
        r0, r1, r2, r3 = load(right, n), load(right, n + 8), load(right, n + 16), load(right, n + 24)
        if any_true(tops(l0, l1, l2, l3) > LIMIT_BITS) or any_true(tops(r0, r1, r2, r3) > LIMIT_BITS):
            l0, l1, l2, l3 = clean(l0), clean(l1), clean(l2), clean(l3)
            r0, r1, r2, r3 = clean(r0), clean(r1), clean(r2), clean(r3)
        nothing = splat(ZERO)
        sub = eight(l0, r0, (nothing, nothing, nothing, nothing, nothing))
        sub = eight(l3, r3, eight(l2, r2, eight(l1, r1, sub)))
        a0, a1, a2, a3, a4 = a0 + sub[0], a1 + sub[1], a2 + sub[2], a3 + sub[3], a4 + sub[4]
    store(sums, 0, a0)
    store(sums, 8, a1)
    store(sums, 16, a2)
    store(sums, 24, a3)
    store(sums, 32, a4)


@kernel
def add(left: Any, right: Any, first: int, count: int, filled: int, s: Any) -> None:
    """`count` frames of both channels enter a slice that has `filled`; see _cells."""
    n, end, waiting = first, first + count, filled % CELL
    if waiting:
        n += min(CELL - waiting, count)
        wait(left, first, n - first, waiting, s.held[0])
        wait(right, first, n - first, waiting, s.held[1])
        if waiting + n - first == CELL:
            cells(s.held[0], s.held[1], 0, 1, s.sums)
    if n < end:
        whole = (end - n) // CELL
        cells(left, right, n, whole, s.sums)
        n += whole * CELL
        wait(left, n, end - n, 0, s.held[0])
        wait(right, n, end - n, 0, s.held[1])


@kernel
def close_slice(length: int, p: Any, s: Any) -> None:
    """A slice is whole: its powers enter the window and the totals, and the results are renewed."""
    if length % CELL:
        for n in range(length % CELL, CELL):
            s.held[0, n] = s.held[1, n] = ZERO
        cells(s.held[0], s.held[1], 0, 1, s.sums)
    for k in range(SUMS):
        square = np.float64(hsum(load(s.sums, 8 * k)))
        store(s.sums, 8 * k, splat(ZERO))
        s.recent[k] = fma(p.keep[0], s.recent[k] - square / length, square / length)
        s.total[k] += square
    s.clock[1] += 1
    if s.clock[1] == 1:                 # the window has not begun in silence: a mean of what there is
        for k in range(SUMS):
            s.recent[k] = s.total[k] / length
    show(s.recent, 1.0, s.correlation, s.balance_db, s.mid_side_db, s.fold_down_loss_db)
    show(s.total, s.clock[0], s.mean_correlation, s.mean_balance_db, s.mean_mid_side_db, s.mean_fold_down_loss_db)


@kernel
def show(powers: Any, length: float, correlation: Any, balance: Any, middle: Any, loss: Any) -> None:
    """Renew four results."""
    left, right, mid, side = powers[LEFT], powers[RIGHT], powers[MID], powers[SIDE]
    silent = SILENT * length
    correlation[0] = balance[0] = middle[0] = loss[0] = math.nan
    if left >= silent and right >= silent:
        correlation[0] = max(-1.0, min(1.0, powers[BOTH] / math.sqrt(left * right)))
    if left >= silent or right >= silent:
        balance[0] = ratio_db(right, left)
        middle[0] = ratio_db(mid, side)
        loss[0] = max(0.0, ratio_db(left + right, 2.0 * mid))


@kernel
def ratio_db(a: float, b: float) -> float:
    """Decibels between two powers that are not both 0, held within ±LIMIT_DB."""
    if a <= 0.0 or b <= 0.0:
        return LIMIT_DB if a > b else -LIMIT_DB
    return max(-LIMIT_DB, min(LIMIT_DB, 10.0 * math.log10(a / b)))
