"""Sums over slices of 20 ms, for what measures levels.

A slice is made of cells of 32 frames, counted from the slice's first frame; its last cell may be shorter. A cell is
taken from registers, always in the same order, whether it lies in one block or in several: frames of a cell that is not
whole wait until it is. So no sum depends on how the signal was cut.

Samples that are not finite, or beyond ±10,000 (80 dBFS), count as 0.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import (
    any_true,
    as_float,
    as_int,
    fma,
    hmax,
    hsum,
    load,
    load_part,
    select,
    splat,
    store,
    store_part,
    vabs,
    vmax,
)

__all__ = ["CELL", "FULL_BITS", "LIMIT_BITS", "PEAK", "SLICES_PER_SECOND", "add", "cell", "clean", "finish", "mix",
           "peak", "power", "slice_end", "tops", "wait"]

CELL = 32
SLICES_PER_SECOND = 50
PEAK = 8                                # where the peaks stand in a row of sums; before them the powers
ZERO = np.float32(0.0)
LIMIT = np.float32(10_000.0)
LIMIT_BITS = np.int32(0x461C4000)       # of LIMIT: magnitudes as integers are in the same order, and NaN is above all
FULL_BITS = np.int32(0x3F800000)        # of 1.0


@kernel
def slice_end(slices: int, rate: int) -> int:
    """Frame at which the slice after `slices` whole ones ends."""
    return (slices + 1) * rate // SLICES_PER_SECOND


@kernel
def tops(v0: Any, v1: Any, v2: Any, v3: Any) -> Any:
    """Greatest magnitudes, as i32x8 of bits."""
    return vmax(vmax(as_int(vabs(v0)), as_int(vabs(v1))), vmax(as_int(vabs(v2)), as_int(vabs(v3))))


@kernel
def clean(v: Any) -> Any:
    """Eight samples, 0 for those that would spoil a sum."""
    return select(vabs(v) <= LIMIT, v, splat(ZERO))


@kernel
def cell(row: Any, n: int) -> Any:
    """Squares and greatest magnitudes of 32 frames, in lanes."""
    v0, v1, v2, v3 = load(row, n), load(row, n + 8), load(row, n + 16), load(row, n + 24)
    top = tops(v0, v1, v2, v3)
    if any_true(top > LIMIT_BITS):
        v0, v1, v2, v3 = clean(v0), clean(v1), clean(v2), clean(v3)
        top = tops(v0, v1, v2, v3)
    return fma(v3, v3, fma(v2, v2, fma(v1, v1, v0 * v0))), top


@kernel
def cells(row: Any, first: int, count: int, sums: Any) -> None:
    """Whole cells enter a slice."""
    total, highest = load(sums, 0), as_int(load(sums, PEAK))
    for n in range(first, first + count * CELL, CELL):
        squares, top = cell(row, n)
        total, highest = total + squares, vmax(highest, top)
    store(sums, 0, total)
    store(sums, PEAK, as_float(highest))


@kernel
def wait(row: Any, first: int, count: int, at: int, held: Any) -> None:
    """Frames of a cell that is not whole yet."""
    source, target = row[first:], held[at:]
    for n in range(count):
        target[n] = source[n]


@kernel
def add(row: Any, first: int, count: int, filled: int, held: Any, sums: Any) -> None:
    """`count` frames of a row enter a slice that has `filled`: `held` is float32 [CELL], `sums` float32 [2 * 8]."""
    n, end, waiting = first, first + count, filled % CELL
    if waiting:
        n += min(CELL - waiting, count)
        wait(row, first, n - first, waiting, held)
        if waiting + n - first == CELL:
            cells(held, 0, 1, sums)
    if n < end:
        whole = (end - n) // CELL
        cells(row, n, whole, sums)
        n += whole * CELL
        wait(row, n, end - n, 0, held)


@kernel
def finish(filled: int, held: Any, sums: Any) -> None:
    """The slice has all its `filled` frames: its last cell enters, whole or not."""
    if filled % CELL:
        for n in range(filled % CELL, CELL):
            held[n] = ZERO
        cells(held, 0, 1, sums)


@kernel
def power(sums: Any) -> float:
    """Sum of squares of a slice; it begins anew."""
    total = np.float64(hsum(load(sums, 0)))
    store(sums, 0, splat(ZERO))
    return total


@kernel
def peak(sums: Any) -> float:
    """Greatest magnitude in a slice; it begins anew."""
    top = np.float64(hmax(load(sums, PEAK)))
    store(sums, PEAK, splat(ZERO))
    return top


@kernel
def mix(x: Any, first: int, count: int, line: Any, at: int) -> None:
    """The sum of all channels, cleaned, goes into `line` from `at` on."""
    whole, rest = count - count % 8, count % 8
    target = line[at:]
    for c in range(x.shape[0]):
        row = x[c][first:]
        if c == 0:
            for n in range(0, whole, 8):
                store(target, n, clean(load(row, n)))
            store_part(target, whole, rest, clean(load_part(row, whole, rest)))
        else:
            for n in range(0, whole, 8):
                store(target, n, load(target, n) + clean(load(row, n)))
            store_part(target, whole, rest, load_part(target, whole, rest) + clean(load_part(row, whole, rest)))
