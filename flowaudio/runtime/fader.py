"""Straight lines from one gain to another, for what an engine turns up and down by itself: start, stop, mute, bypass.

A fader is five words: three float64 (from, to, step a frame) and two int64 (frames gone, frames in all). What it gives
for a frame depends on the frame's number alone, not on how a stream is cut. Roundings are written out, so that no
compiler has a choice.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import clear, f32_1d, f64_1d, i64_1d
from flowaudio.core.simd import fma

__all__ = ["FADER", "fader_at", "fader_gain", "fader_mix", "fader_move", "fader_set", "put_fader"]

FROM, TO, SLOPE, GONE, LENGTH, FADER = range(6)


def put_fader(words: Any, value: float) -> None:
    """A fader that stands still, into int64[FADER]."""
    words[:] = 0
    words[:SLOPE].view(np.float64)[:] = value


@kernel
def fader_at(fader: int, frame: int) -> float:
    """Its value `frame` frames from now: 0 is the next one."""
    gain, frames = f64_1d(fader, FADER), i64_1d(fader, FADER)
    at = frames[GONE] + frame + 1
    if at >= frames[LENGTH]:
        return gain[TO]
    return fma(gain[SLOPE], np.float64(at), gain[FROM])


@kernel
def fader_set(fader: int, to: float, length: int) -> None:
    """Go to another value, from where it is now, in `length` frames."""
    gain, frames = f64_1d(fader, FADER), i64_1d(fader, FADER)
    gain[FROM] = fader_at(fader, -1)
    gain[TO] = to
    gain[SLOPE] = (to - gain[FROM]) / length if length else 0.0
    frames[GONE], frames[LENGTH] = 0, length


@kernel
def fader_move(fader: int, count: int) -> None:
    """`count` frames have gone."""
    frames = i64_1d(fader, FADER)
    frames[GONE] = min(frames[GONE] + count, frames[LENGTH])


@kernel
def fader_still(fader: int) -> bool:
    """Whether it has arrived."""
    frames = i64_1d(fader, FADER)
    return frames[GONE] >= frames[LENGTH]


@kernel
def fader_gain(fader: int, y: int, stride: int, channels: int, count: int) -> None:
    """Multiply rows by it: ``y *= g``. Where it stands at 1 nothing is touched, bit for bit."""
    gain = f64_1d(fader, 2)
    if fader_still(fader) and gain[TO] == 1.0:
        return
    for c in range(channels):
        row = f32_1d(y + 4 * c * stride, count)
        if fader_still(fader) and gain[TO] == 0.0:
            clear(y + 4 * c * stride, 4 * count)
        else:
            for n in range(count):
                row[n] = np.float32(row[n] * fader_at(fader, n))


@kernel
def fader_mix(fader: int, y: int, stride: int, x: int, x_stride: int, channels: int, count: int) -> None:
    """From `y` to `x` by it: ``y += g (x - y)``. At 0, `y` is not touched; at 1 it becomes `x`, bit for bit."""
    gain = f64_1d(fader, 2)
    if fader_still(fader) and gain[TO] == 0.0:
        return
    for c in range(channels):
        row, other = f32_1d(y + 4 * c * stride, count), f32_1d(x + 4 * c * x_stride, count)
        for n in range(count):
            g, before = fader_at(fader, n), np.float64(row[n])
            row[n] = other[n] if g == 1.0 else np.float32(fma(g, np.float64(other[n]) - before, before))
