"""Reverb against pedalboard's: first the answer, then the times.

    python tests/bench/bench_reverb.py [seconds of audio]
"""

import sys
from pathlib import Path

import numpy as np
import pedalboard
from timing import ratio

sys.path.insert(0, str(Path(__file__).parents[1]))
import naive_space as naive

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes.reverb import Reverb

RATE = 48_000
BLOCK = 256


def error_db(channels: int) -> float:
    """The largest error against float64, beside the largest sample."""
    values = {"room_size": 0.8, "damping": 0.3, "wet": 0.5, "dry": 0.5, "width": 0.8, "predelay_ms": 2.0}
    x = naive.noise(channels, RATE // 5)
    want = naive.reverb(x, RATE, **values)
    return float(20 * np.log10(abs(render(chain(Reverb(**values)), x, RATE, BLOCK) - want).max() / abs(want).max()))


def case(channels: int, seconds: float) -> None:
    """One line: our time and pedalboard's."""
    error = error_db(channels)
    assert error < -115, f"our answer is only {error:.0f} dB exact"
    x = 0.3 * naive.noise(channels, round(RATE * seconds))
    y = np.empty_like(x)
    plan = Plan(chain(Reverb()), RATE, channels, BLOCK)
    board = pedalboard.Pedalboard([pedalboard.Reverb()])
    against = ratio(lambda: plan.process_into(x, y), lambda: board.process(x, RATE, buffer_size=BLOCK), 9)
    print(f"{channels} ch: {against} pedalboard's throughput (error {error:.0f} dB)", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"{seconds:g} s of {RATE} Hz, blocks of {BLOCK}")
    for channels in (2, 1):
        case(channels, seconds)


if __name__ == "__main__":
    sys.exit(main())
