"""LoudnessMeter (I, M, S, range, true peak in one pass) against libebur128 doing I, range and true peak.

First the answers, then the times. Wanted: 6 times as fast, and at most 60 ms a minute.

    python tests/bench/bench_loudness.py [seconds of audio]
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyebur128
from timing import milliseconds, ratio

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.loudness import LoudnessMeter, loudness

RATE = 48_000
BLOCK = 4096


class Told(NamedTuple):
    """What both measure."""

    integrated_lufs: float
    loudness_range_lu: float
    true_peak_dbtp: float


TOLERANCE = Told(0.01, 1.0, 0.5)        # it takes one window a second for the range, and another interpolator


def swelling(seconds: float) -> Any:
    """Stereo noise that comes and goes."""
    n = np.arange(round(RATE * seconds))
    noise = np.random.default_rng(3).standard_normal((2, n.size))
    return (0.15 * (1.1 + np.sin(n * 1e-5)) * noise).astype(np.float32)


def steady(seconds: float) -> Any:
    """White noise of one level: the worst for the true peak, for every part may hold the highest."""
    return (0.15 * np.random.default_rng(4).standard_normal((2, round(RATE * seconds)))).astype(np.float32)


def struck(seconds: float) -> Any:
    """Struck strings and a little noise: nearest to music."""
    t = np.arange(round(RATE * seconds)) / RATE
    tones = [np.sin(2 * np.pi * f * t) * np.exp(-4 * ((2 * t + 0.31 * k) % 1))
             for k, f in enumerate((55, 110, 220, 331, 440, 662, 880, 1320, 2640, 5280))]
    noise = np.random.default_rng(5).standard_normal((2, t.size))
    swell = 0.08 * (1.2 + np.sin(0.15 * t))
    return (swell * np.sum(tones, axis=0) + 0.004 * noise).astype(np.float32)


def ours(x: Any, **settings: Any) -> Callable[[], Told]:
    """A new beginning, then all of it."""
    plan, y = Plan(chain(LoudnessMeter(**settings)), RATE, 2, BLOCK), np.empty_like(x)

    def run() -> Told:
        plan.reset()
        plan.process_into(x, y)
        reading = loudness(plan.read("loudness_meter"))
        return Told(reading.integrated_lufs, reading.loudness_range_lu, reading.true_peak_dbtp)

    return run


def theirs(x: Any) -> Callable[[], Told]:
    """libebur128 by its Python binding, all samples in one call."""
    interleaved, mode = np.ascontiguousarray(x.T).ravel(), pyebur128.MeasurementMode

    def run() -> Told:
        state = pyebur128.R128State(2, RATE, mode.MODE_I | mode.MODE_LRA | mode.MODE_TRUE_PEAK)
        state.add_frames(interleaved, x.shape[1])
        peak = max(pyebur128.get_true_peak(state, channel) for channel in range(2))
        return Told(pyebur128.get_loudness_global(state), pyebur128.get_loudness_range(state), 20 * np.log10(peak))

    return run


def compared(name: str, x: Any) -> None:
    """One line: the answers, which must agree, then the times."""
    mine, other = ours(x), theirs(x)
    told, wanted = mine(), other()
    for value, theirs_, allowed in zip(told, wanted, TOLERANCE, strict=True):
        assert abs(value - theirs_) <= allowed, (told, wanted)
    found = ratio(mine, other, 9)
    best = min(milliseconds(mine) for _ in range(15)) * 60 * RATE / x.shape[1]
    print(f"{name:16}{found}; at best {best:5.1f} ms a minute  "
          f"(I {told.integrated_lufs:.2f} LUFS, range {told.loudness_range_lu:.1f} LU, "
          f"{told.true_peak_dbtp:.2f} dBTP; theirs {wanted.integrated_lufs:.2f}, {wanted.loudness_range_lu:.1f}, "
          f"{wanted.true_peak_dbtp:.2f})", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"{seconds:g} s of {RATE} Hz stereo, blocks of {BLOCK}; how many times as long libebur128 takes")
    for make in (struck, swelling, steady):
        compared(make.__name__, make(seconds))
    x = struck(seconds)
    without = min(milliseconds(ours(x, true_peak=False)) for _ in range(15)) * 60 / seconds
    print(f"without true peak: at best {without:.1f} ms a minute")


if __name__ == "__main__":
    sys.exit(main())
