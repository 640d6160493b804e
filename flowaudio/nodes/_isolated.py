"""Short bursts above 4 kHz that stand alone: what rises out of calm and is gone within a millisecond.

A linear-phase high-pass of 31 taps (Kaiser, 50 dB, -6 dB at 4.2 kHz), its taps a 48 000th of a second apart or nearly:
at higher rates it passes what is above 24 kHz, too, but for what is near multiples of 48 kHz, which is little.
"""

import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, hmax, load, splat, store, vabs, vmax

__all__ = ["APART", "LEAST_RIVAL", "LONGEST", "LONGEST_MS", "NEAR", "REST",
           "band_size", "burst", "burst_sizes", "decibels", "high_tops", "rise", "rivalry"]

HALF_TAPS = 15
LONGEST_MS = 1.15
CUT_HZ = 4200.0
ZERO = np.float32(0.0)
TINY = np.float32(1e-6)
CLEAR = np.float32(1.7)                 # over every cell from 2 to 9 ms away: worth a closer look
SURE_RIVAL = 0.8                        # and when no other need be looked for
LEAST_RIVAL = 0.2                       # part of a burst that another one must reach, to be of the same waveform


APART, FAR, EDGE, LONGEST, SIDE, NEAR, REST, REACH = range(8)
"""Places in the sizes: frames between taps; cells in 9 and 60 ms; frames in 1.15, 9, 2 and 12 ms, and beside a cell."""


def burst_sizes(rate: float, cell: int) -> tuple[Any, Any]:
    """For cells of `cell` frames: the high-pass from its middle outwards, float32, and int64 sizes."""
    apart = max(1, round(rate / 48_000))
    n, cut = np.arange(HALF_TAPS + 1), min(CUT_HZ, rate / 4) * apart / rate
    taps = -2 * cut * np.sinc(2 * cut * n) * np.kaiser(2 * HALF_TAPS + 1, 5.0)[HALF_TAPS:]
    taps[0] += 1.0
    ms = rate / 1000
    longest, side = math.ceil(LONGEST_MS * ms), math.ceil(9 * ms)
    reach = (side + 2 * longest + 16 * apart + 7) // 8 * 8
    return taps.astype(np.float32), np.array([apart, math.ceil(9 * ms / cell), math.ceil(60 * ms / cell), longest,
                                              side, math.ceil(2 * ms), math.ceil(12 * ms), reach])


def band_size(sizes: Any, cell: int) -> int:
    """Frames that `burst` looks at."""
    return int(2 * sizes[REACH] + cell + 16)


@kernel
def _high(row: Any, n: int, taps: Any, apart: int) -> Any:
    """Eight frames of what is high."""
    u, v = load(row, n) * taps[0], (load(row, n - apart) + load(row, n + apart)) * taps[1]
    for k in range(2, HALF_TAPS + 1, 2):
        far = k * apart
        u = fma(load(row, n - far) + load(row, n + far), taps[k], u)
        if k < HALF_TAPS:
            far += apart
            v = fma(load(row, n - far) + load(row, n + far), taps[k + 1], v)
    return u + v


@kernel
def high_tops(row: Any, first: int, taps: Any, apart: int, size: int, tops: Any, at: int) -> None:
    """What is high, its greatest magnitude in each of 16 cells of `size` frames, a multiple of 8."""
    for k in range(16):
        greatest, start = splat(ZERO), first + k * size
        for n in range(start, start + size, 8):
            greatest = vmax(greatest, vabs(_high(row, n, taps, apart)))
        tops[at + k] = hmax(greatest)


@kernel
def rivalry(tops: Any, at: int, sizes: Any) -> Any:
    """How much of a cell's strength two others have that stand at even distances with it, 0.2 to 1: a waveform's edges.

    0, if it does not stand out of the 9 ms on both sides.
    """
    if not _clear(tops, at, sizes[FAR]):
        return 0.0
    found, far = LEAST_RIVAL, sizes[FAR] // 2
    for k in range(sizes[FAR], sizes[EDGE]):
        after, before = _rival(tops, at + k, at, found, far), _rival(tops, at - k, at, found, far)
        if after > found:
            found = max(found, min(after, max(_about(tops, at - k, at, found, far),
                                              _about(tops, at + 2 * k, at, found, far))))
        if before > found:
            found = max(found, min(before, max(_about(tops, at + k, at, found, far),
                                               _about(tops, at - 2 * k, at, found, far))))
        if found > SURE_RIVAL:
            break
    return found


@kernel
def _rival(tops: Any, at: int, own: int, least: Any, far: int) -> Any:
    """Strength over the cell's own of another burst, that stands out of half as many cells; 0 if there is none."""
    part = tops[at % tops.size] / tops[own % tops.size]
    return min(1.0, part) if part > least and _clear(tops, at, far) else 0.0


@kernel
def _about(tops: Any, at: int, own: int, least: Any, far: int) -> Any:
    """The same, there or in the cell before or behind."""
    return max(_rival(tops, at, own, least, far), max(_rival(tops, at - 1, own, least, far),
                                                      _rival(tops, at + 1, own, least, far)))


@kernel
def _clear(tops: Any, at: int, far: int) -> Any:
    """Whether it is the greatest of five and stands out of those up to `far` away."""
    m, size = tops[at % tops.size], tops.size
    for k in range(1, 3):
        if tops[(at - k) % size] > m or tops[(at + k) % size] >= m:
            return False
    for k in range(3, far + 1):
        if CLEAR * tops[(at - k) % size] > m or (k > 3 and CLEAR * tops[(at + k) % size] > m):
            return False
    return True


@kernel
def burst(row: Any, place: int, cell: int, taps: Any, sizes: Any, band: Any) -> Any:
    """A burst's first frame from `place` on, or before it, its length, and four measures in dB.

    Its peak over the RMS of the 9 ms before it; over the greatest peak of the 9 ms on each side; over the RMS of the
    2 ms on each side, the lesser; by what these are louder behind it than before.
    """
    apart, longest, side, near, edge = sizes[APART], sizes[LONGEST], sizes[SIDE], sizes[NEAR], sizes[REACH]
    for n in range(0, 2 * edge + cell, 8):
        store(band, n, vabs(_high(row, place - edge + n, taps, apart)))
    peak = edge
    for n in range(edge, edge + cell):
        if band[n] > band[peak]:
            peak = n
    size = band[peak]
    floor = min(size, max(0.12 * size, 1.4 * _greatest(band, peak - side, peak - longest)))
    first = peak - longest
    while band[first] < floor:
        first += 1
    behind, before = first + longest + 7 * apart, first - 6 * apart
    most, most_behind = _greatest(band, before - side, before), _greatest(band, behind, behind + side - 7 * apart)
    floor, last = min(size, max(0.12 * size, 1.4 * most_behind)), behind - 1
    while band[last] < floor:
        last -= 1
    ahead, tail = _rms(band, before - near, before), _rms(band, behind, behind + near)
    return (first - edge, last + 1 - first, decibels(size / _rms(band, before - side, before)),
            decibels(size / max(most, most_behind)), decibels(size / max(ahead, tail)), decibels(tail / ahead))


@kernel
def _greatest(v: Any, first: int, end: int) -> Any:
    """Never quite 0."""
    made = TINY
    for n in range(first, end):
        made = max(made, v[n])
    return np.float64(made)


@kernel
def _rms(v: Any, first: int, end: int) -> Any:
    """Never quite 0."""
    total = 0.0
    for n in range(first, end):
        total += np.float64(v[n]) * np.float64(v[n])
    return math.sqrt(total / (end - first)) + 1e-6


@kernel
def decibels(ratio: Any) -> Any:
    """Of amplitudes."""
    return 20.0 * math.log10(ratio)


@kernel
def rise(row: Any, before: int, behind: int, frames: int) -> Any:
    """By what the RMS of so many frames from `behind` on is greater than that of those that end at `before`."""
    first, then = 1e-8 * frames, 1e-8 * frames
    for n in range(frames):
        v, w = np.float64(row[before - 1 - n]), np.float64(row[behind + n])
        first, then = first + v * v, then + w * w
    return math.sqrt(then / first)
