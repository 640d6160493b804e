"""Compressor, Limiter and LoudnessMeter against pedalboard's and libebur128: first the answers, then the times.

    python tests/bench/bench_dynamics.py [seconds of audio]
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pyebur128
from timing import ratio

sys.path.insert(0, str(Path(__file__).parents[1]))
import naive_dynamics as naive

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes.dynamics import Compressor
from flowaudio.nodes.limiter import Limiter
from flowaudio.nodes.loudness import LoudnessMeter, loudness
from flowaudio.nodes.normalizer import Normalizer

RATE = 48_000
BLOCK = 256


def programme(seconds: float, level: float = 0.3) -> Any:
    """Stereo noise that swells, often over the threshold and over the ceiling."""
    n = np.arange(round(RATE * seconds))
    noise = np.random.default_rng(3).standard_normal((2, n.size))
    return (level * (1.1 + np.sin(n * 1e-4)) * noise).astype(np.float32)


def compressor_error() -> str:
    """Asserts, and tells, how exact the compressor is."""
    x = programme(1.0)
    want = naive.compress(x, RATE, -20, 4, 5, 100, knee_db=6)
    error = np.abs(render(chain(Compressor()), x, RATE, BLOCK) - want).max() / np.abs(want).max()
    assert error < 1e-6, error
    return f"error {error:.1e}"


def limiter_overshoot() -> str:
    """Asserts, and tells, by how much the true peak is over the ceiling at eight times the rate."""
    y = render(chain(Limiter(ceiling_dbtp=-1)), programme(5.0, 1.0), RATE, BLOCK)
    over = 20 * np.log10(max(naive.true_peak(y), naive.true_peak_resampled(y))) + 1
    assert over < 0.2, over
    return f"true peak {over:+.2f} dB from the ceiling"


def loudness_error() -> str:
    """Asserts, and tells, the difference to the block-by-block definition."""
    x = programme(10.0)
    plan = Plan(chain(LoudnessMeter()), RATE, 2, BLOCK)
    plan.process(x)
    error = abs(loudness(plan.read("loudness_meter")).integrated_lufs - naive.integrated(x))
    assert error < 1e-3, error
    return f"error {error:.1e} LU"


def against(name: str, node: Any, answer: str, x: Any, other: Callable[[], object] | None) -> None:
    """One line: our time and the other's."""
    plan, y = Plan(chain(node), RATE, 2, BLOCK), np.empty_like(x)

    def ours() -> None:
        plan.process_into(x, y)

    print(f"{name:34}{ratio(ours, other or ours, 9)}  ({answer})", flush=True)


def ebur128(x: Any, mode: Any) -> Callable[[], object]:
    """libebur128 on the same signal."""
    interleaved = np.ascontiguousarray(x.T).ravel()

    def run() -> object:
        state = pyebur128.R128State(2, RATE, mode)
        state.add_frames(interleaved, x.shape[1])
        return pyebur128.get_loudness_global(state)

    return run


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"{seconds:g} s of {RATE} Hz stereo, blocks of {BLOCK}; how many times as long the other takes")
    x = programme(seconds)
    compressor = pedalboard.Pedalboard([pedalboard.Compressor(-20, 4, 5, 100)])
    limiter = pedalboard.Pedalboard([pedalboard.Limiter(-1, 60)])
    mode = pyebur128.MeasurementMode
    error = compressor_error()
    against("Compressor / pedalboard", Compressor(), error, x, lambda: compressor.process(x, RATE, buffer_size=BLOCK))
    against("Limiter / pedalboard, no true peak", Limiter(), limiter_overshoot(), x,
            lambda: limiter.process(x, RATE, buffer_size=BLOCK))
    error = loudness_error()
    against("LoudnessMeter, I / libebur128", LoudnessMeter(true_peak=False), error, x, ebur128(x, mode.MODE_I))
    against("LoudnessMeter, I + TP / libebur128", LoudnessMeter(), error, x,
            ebur128(x, mode.MODE_I | mode.MODE_TRUE_PEAK))
    against("Normalizer", Normalizer(), "no peer", x, None)


if __name__ == "__main__":
    sys.exit(main())
