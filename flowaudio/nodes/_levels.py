"""Levels on a grid: what the detectors that look at levels have in common.

A grid's hops begin at multiples of its length, counted in frames since a node's start, wherever a block begins. A hop
that lies in two blocks is put together from a ring of the frames that went by; all others are read where they are.
So what is found does not depend on how the signal was cut, and nothing is copied that need not be.
"""

import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import address_of, copy
from flowaudio.core.simd import fma, hmax, hsum, load, splat, vabs, vmax

__all__ = ["FLOOR_DBFS", "LARGEST", "LOWEST_POWER", "careful", "dbfs", "gather", "grid", "heard", "loudest",
           "pass_through", "past", "power_of", "remember", "total"]

LARGEST = np.float32(1e4)
"""A sample beyond it, and one that is no number, counts as 0."""

FLOOR_DBFS = -160.0
"""What silence reads."""

LOWEST_POWER = 1e-16
ZERO = np.float32(0.0)


def grid(rate: int, seconds: float) -> int:
    """Frames in about `seconds`, a multiple of 32."""
    return 32 * max(1, round(rate * seconds / 32))


def past(channels: int, frames: int) -> Any:
    """float32 [channel, frames], a ring: slot = frame modulo length."""
    return np.zeros((channels, frames), np.float32)


def power_of(level_dbfs: float) -> float:
    """Of a level, the square."""
    return float(10.0 ** (level_dbfs / 10.0))


@kernel
def dbfs(power: float) -> Any:
    """Of a squared level; not under the floor."""
    return 10.0 * math.log10(max(power, LOWEST_POWER))


@kernel
def pass_through(x: Any, y: Any) -> None:
    """The signal goes on as it is."""
    if address_of(x) != address_of(y):
        copy(address_of(y), address_of(x), 4 * x.size)


@kernel
def heard(row: Any, ring: Any, at: int, frame: int) -> Any:
    """One sample, of this block (it begins at `at`) or of the frames before it."""
    v = row[frame - at] if frame >= at else ring[frame % ring.size]
    return v if abs(v) <= LARGEST else ZERO


@kernel
def gather(row: Any, ring: Any, at: int, start: int, count: int, to: Any) -> None:
    """Copy `count` frames from `start` on, the first of which came before this block."""
    old, slot = min(count, at - start), start % ring.size
    whole = min(old, ring.size - slot)
    copy(address_of(to), address_of(ring) + 4 * slot, 4 * whole)
    copy(address_of(to) + 4 * whole, address_of(ring), 4 * (old - whole))
    copy(address_of(to) + 4 * old, address_of(row) + 4 * (start + old - at), 4 * (count - old))


@kernel
def remember(x: Any, at: int, ring: Any) -> None:
    """A block is done; its last frames go into the ring."""
    frames, size = x.shape[1], ring.shape[1]
    n = max(0, frames - size)
    while n < frames:
        slot = (at + n) % size
        count = min(frames - n, size - slot)
        for c in range(x.shape[0]):
            copy(address_of(ring) + 4 * (c * size + slot), address_of(x) + 4 * (c * frames + n), 4 * count)
        n += count


@kernel
def total(row: Any, first: int, count: int) -> Any:
    """Sum of squares and greatest magnitude of `count` samples, a multiple of 32."""
    p0, p1, t0, t1 = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    for n in range(first, first + count, 32):
        v0, v1, v2, v3 = load(row, n), load(row, n + 8), load(row, n + 16), load(row, n + 24)
        p0, p1 = fma(v2, v2, fma(v0, v0, p0)), fma(v3, v3, fma(v1, v1, p1))
        t0, t1 = vmax(vmax(vabs(v0), vabs(v2)), t0), vmax(vmax(vabs(v1), vabs(v3)), t1)
    power, top = hsum(p0 + p1), hmax(vmax(t0, t1))
    if not (power <= LARGEST):
        return careful(row, first, count)
    return np.float64(power), np.float64(top)


@kernel
def careful(row: Any, first: int, count: int) -> Any:
    """As `total`, for a hop in which something is very loud or no number."""
    power, top = 0.0, 0.0
    for n in range(first, first + count):
        v = np.float64(row[n])
        if abs(v) <= LARGEST:
            power += v * v
            top = max(top, abs(v))
    return power, top


@kernel
def loudest(row: Any, ring: Any, at: int, start: int, end: int) -> Any:
    """Greatest magnitude in [start, end)."""
    top = ZERO
    for n in range(start, end):
        top = max(top, abs(heard(row, ring, at, n)))
    return top
