"""A signal between its samples, at any rate: a bank of windowed-sinc filters, blended from one to the next.

::

    y[n] = sum over k < taps of x[i + k] h(k - taps/2 + 1 - f)        i + f: the position of frame n

The filter h is a Kaiser-windowed sinc. It is kept at 256 places between two input frames; between two of these it is
blended in a straight line, which leaves images 120 dB below a 10 kHz tone at 48 kHz. Its cutoff is half the lower of
the two rates. It is flat to 20 kHz at 44.1 kHz and above (to 0.4167 of the lower rate where that is more), and
what folds back folds above that. Latency: ``taps / 2`` input frames; nothing else moves.

Positions are int64 with 40 binary places: they add up without error, so no cutting into blocks changes a bit. The
source of the window's length: J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function",
1974.
"""

import functools
import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f32_1d
from flowaudio.core.simd import LANES, fma, hsum, load, splat

__all__ = ["FRACTION", "filter_bank", "filter_taps", "interpolate"]

FRACTION = 40
"""Binary places of a position."""

PHASE_BITS = 8
PHASES = 1 << PHASE_BITS
FINE = FRACTION - PHASE_BITS
"""The upper places of a position's fraction choose a filter, these blend it with the next one."""
FINE_MASK = (1 << FINE) - 1
FINE_UNIT = 1.0 / (1 << FINE)
ZERO = np.float32(0.0)

STOP_DB = 115.0
"""How far down images and aliases are."""
FLAT_HZ, FLAT_PART, LEAST_PART = 20_000.0, 0.4535, 0.4167
"""Flat to FLAT_HZ, but no further than FLAT_PART and no less than LEAST_PART of the lower rate."""


def _flat_hz(lower_rate: float) -> float:
    return max(min(FLAT_HZ, FLAT_PART * lower_rate), LEAST_PART * lower_rate)


def filter_taps(input_rate: float, output_rate: float) -> int:
    """Input frames that one output frame is made of: 48 between equal rates of 48 kHz and more. A multiple of 8."""
    lower = min(input_rate, output_rate)
    width = 2 * math.pi * (lower - 2 * _flat_hz(lower)) / input_rate
    return LANES * math.ceil(((STOP_DB - 8) / (2.285 * width) + 1) / LANES)


@functools.cache
def filter_bank(input_rate: float, output_rate: float) -> Any:
    """float32 ``[PHASES + 1, taps]``: the filter for each place; the last is the first of the next input frame."""
    taps = filter_taps(input_rate, output_rate)
    place = np.arange(taps)[None, :] - (taps // 2 - 1) - np.arange(PHASES + 1)[:, None] / PHASES
    window = np.i0(0.1102 * (STOP_DB - 8.7) * np.sqrt(np.maximum(1 - (2 * place / taps) ** 2, 0)))
    made = np.sinc(place * min(1.0, output_rate / input_rate)) * window
    made = (made / made[:-1].sum(axis=1).mean()).astype(np.float32)
    made.setflags(write=False)
    return made


@kernel
def interpolate(bank: int, taps: int, z: int, width: int, channels: int, position: int, step: int,
                y: int, stride: int, frames: int) -> None:
    """`frames` frames of float32 rows at `y`, `stride` apart, out of rows at `z`, `width` apart.

    Frame n reads `taps` input frames from number ``position + n step`` on (both with FRACTION binary places); it is
    the signal ``taps / 2 - 1`` input frames behind that.
    """
    for c in range(0, channels - 1, 2):
        _pair(bank, taps, z + 4 * c * width, width, position, step, y + 4 * c * stride, stride, frames)
    if channels % 2:
        c = channels - 1
        _single(bank, taps, z + 4 * c * width, width, position, step, y + 4 * c * stride, frames)


@kernel
def _pair(bank: int, taps: int, z: int, width: int, position: int, step: int,
          y: int, stride: int, frames: int) -> None:
    """Two channels, so that a blended filter serves twice."""
    table = f32_1d(bank, (PHASES + 1) * taps)
    x0, x1 = f32_1d(z, width), f32_1d(z + 4 * width, width)
    y0, y1 = f32_1d(y, frames), f32_1d(y + 4 * stride, frames)
    for n in range(frames):
        first = position >> FRACTION
        row = ((position >> FINE) & (PHASES - 1)) * taps
        blend = np.float32((position & FINE_MASK) * FINE_UNIT)
        a, b = splat(ZERO), splat(ZERO)
        for k in range(0, taps, LANES):
            h = load(table, row + k)
            h = fma(load(table, row + taps + k) - h, blend, h)
            a = fma(load(x0, first + k), h, a)
            b = fma(load(x1, first + k), h, b)
        y0[n], y1[n] = hsum(a), hsum(b)
        position += step


@kernel
def _single(bank: int, taps: int, z: int, width: int, position: int, step: int, y: int, frames: int) -> None:
    """One channel; the same arithmetic as for two."""
    table = f32_1d(bank, (PHASES + 1) * taps)
    x0, y0 = f32_1d(z, width), f32_1d(y, frames)
    for n in range(frames):
        first = position >> FRACTION
        row = ((position >> FINE) & (PHASES - 1)) * taps
        blend = np.float32((position & FINE_MASK) * FINE_UNIT)
        a = splat(ZERO)
        for k in range(0, taps, LANES):
            h = load(table, row + k)
            h = fma(load(table, row + taps + k) - h, blend, h)
            a = fma(load(x0, first + k), h, a)
        y0[n] = hsum(a)
        position += step
