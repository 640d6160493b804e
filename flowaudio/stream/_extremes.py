"""Lowest and highest samples of parts of a block, and whether all of it is numbers: one pass, in machine code."""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f32_1d
from flowaudio.core.native import native
from flowaudio.core.simd import any_true, as_int, hmax, hmin, load, splat, vabs, vmax, vmin
from flowaudio.graph.image import address

__all__ = ["LIMIT", "extremes", "extremes_native"]

Array = np.ndarray[Any, Any]

LIMIT = 1e4
"""+80 dBFS: what is beyond is no sound."""

MOST = np.float32(LIMIT)
ZERO = np.float32(0.0)


def extremes(x: Array, width: int) -> tuple[Array, Array, bool]:
    """Of float32 [channels, frames], each channel contiguous: what is lowest and highest in each `width` frames,
    float32 [columns, channels], and whether every sample is a number within ±LIMIT; if not, they mean nothing."""
    channels, frames = x.shape
    both = np.empty((2, -(-frames // width), channels), np.float32)
    low = address(both)
    fine = extremes_native(address(x), x.strides[0], channels, frames, width, low, low + both.strides[0])
    return both[0], both[1], bool(fine)


@native
def extremes_native(x: int, stride: int, channels: int, frames: int, width: int, low: int, high: int) -> int:
    """Fill `low` and `high`; 1 if all is well. `stride`: bytes from channel to channel."""
    columns = (frames + width - 1) // width
    lowest, highest = f32_1d(low, columns * channels), f32_1d(high, columns * channels)
    fine = 1
    for c in range(channels):
        row = f32_1d(x + stride * c, frames)
        for n in range(columns):
            end = min((n + 1) * width, frames)
            fine &= _column(row, n * width, end, lowest, highest, n * channels + c)
    return fine


@kernel
def _column(row: Any, first: int, end: int, low: Any, high: Any, place: int) -> int:
    """One column; 1 if all of it is numbers within the limit."""
    if end - first < 8:
        return _short_column(row, first, end, low, high, place)
    least, most, bits = load(row, first), load(row, first), as_int(splat(ZERO))
    for n in range(first, end - 7, 8):
        v = load(row, n)
        least, most, bits = vmin(least, v), vmax(most, v), vmax(bits, as_int(vabs(v)))
    v = load(row, end - 8)              # what is left; some of it once more
    least, most, bits = vmin(least, v), vmax(most, v), vmax(bits, as_int(vabs(v)))
    low[place], high[place] = hmin(least), hmax(most)
    return 0 if any_true(bits > as_int(splat(MOST))) else 1  # as bits, NaN is above infinity


@kernel
def _short_column(row: Any, first: int, end: int, low: Any, high: Any, place: int) -> int:
    """As `_column`, frame by frame."""
    least, most, fine = row[first], row[first], 1
    for n in range(first, end):
        least, most = min(least, row[n]), max(most, row[n])
        if not abs(row[n]) <= MOST:
            fine = 0
    low[place], high[place] = least, most
    return fine
