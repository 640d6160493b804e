"""A signal at about 1.5 kHz, for what looks at the lines of the mains: low-pass and every so-manieth frame.

Slow frames end at multiples of the step, counted since a node's start: what they hold does not depend on how the
signal was cut.
"""

import functools
import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, hsum, load, splat
from flowaudio.nodes._truepeak import shift

__all__ = ["CHUNK", "low_pass", "low_passed", "make_room", "step_of"]

SLOW_HZ = 1500                          # about the rate after decimation
PASS_HZ = 370.0                         # up to here nothing folds: harmonics up to the sixth of 60 Hz
CHUNK = 2048
"""Frames taken at a time, at most."""

ZERO = np.float32(0.0)


def step_of(rate: int) -> int:
    """Frames in a slow frame."""
    return max(1, round(rate / SLOW_HZ))


@functools.cache
def low_pass(rate: int) -> Any:
    """float32 taps, a multiple of 32: flat to PASS_HZ, and 50 dB down where the slow rate folds onto that."""
    step = step_of(rate)
    count = 32 * math.ceil(2.92 * rate / (rate / step - 2 * PASS_HZ) / 32)
    place = np.arange(count) - (count - 1) / 2
    made = np.sinc(place / step) * np.kaiser(count, 4.55)
    taps = np.asarray(made / made.sum()).astype(np.float32)
    taps.setflags(write=False)
    return taps


@kernel
def low_passed(past: Any, at: int, taps: Any) -> Any:
    """One slow frame. Four sums side by side: a chain of additions would wait for itself."""
    a, b, c, d = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    for n in range(0, taps.size, 32):
        a = fma(load(past, at + n), load(taps, n), a)
        b = fma(load(past, at + n + 8), load(taps, n + 8), b)
        c = fma(load(past, at + n + 16), load(taps, n + 16), c)
        d = fma(load(past, at + n + 24), load(taps, n + 24), d)
    return hsum((a + b) + (c + d))


@kernel
def make_room(past: Any, kept: int) -> None:
    """A chunk is used up: of each channel `kept` frames stay."""
    for c in range(past.shape[0]):
        shift(past[c], 0, CHUNK, kept)
