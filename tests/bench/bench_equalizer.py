"""Equalizer against pedalboard and SciPy: first the answers, then the times.

    python tests/bench/bench_equalizer.py [seconds of audio]
"""

import sys

import numpy as np
import pedalboard
import scipy.signal
from timing import ratio

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.equalizer import Band, Equalizer

RATE = 48_000
BLOCK = 256

CURVE = tuple(Band(frequency_hz=f, gain_db=g, q=q) for f, g, q in (
    (100.0, 4.0, 0.8), (500.0, -3.0, 1.2), (2500.0, 5.0, 2.0), (9000.0, -4.0, 1.0), (60.0, -5.0, 3.0),
    (250.0, 2.0, 1.0), (1000.0, -2.0, 4.0), (4000.0, 3.0, 2.5), (6000.0, -6.0, 5.0), (14_000.0, 3.0, 0.7)))


def sections(bands: tuple[Band, ...]) -> np.ndarray:
    """The cookbook's peak, for `sosfilt`."""
    rows = []
    for band in bands:
        a = 10 ** (band.gain_db / 40)
        w = 2 * np.pi * band.frequency_hz / RATE
        alpha, c = np.sin(w) / (2 * band.q), np.cos(w)
        row = np.array([1 + alpha * a, -2 * c, 1 - alpha * a, 1 + alpha / a, -2 * c, 1 - alpha / a])
        rows.append(row / row[3])
    return np.array(rows)


def case(channels: int, bands: int, seconds: float) -> None:
    """One line: our time, pedalboard's, SciPy's."""
    chosen = CURVE[:bands]
    x = (np.random.default_rng(0).standard_normal((channels, round(RATE * seconds))) * 0.1).astype(np.float32)
    plan = Plan(chain(Equalizer(bands=chosen)), RATE, channels, BLOCK)
    board = pedalboard.Pedalboard([pedalboard.PeakFilter(b.frequency_hz, b.gain_db, b.q) for b in chosen])
    sos = sections(chosen)

    want = scipy.signal.sosfilt(sos, x[:, :RATE].astype(float))
    ours, theirs = plan.process(x[:, :RATE]), board.process(x[:, :RATE], RATE)
    errors = [20 * np.log10(np.abs(y - want).max() / np.abs(want).max()) for y in (ours, theirs)]
    assert errors[0] < -135, f"our answer is only {errors[0]:.0f} dB exact"
    assert errors[1] < -60, f"pedalboard computes something else ({errors[1]:.0f} dB)"

    y = np.empty_like(x)
    repeats = 15 if channels * bands <= 8 else 7
    against = ratio(lambda: plan.process_into(x, y), lambda: board.process(x, RATE), repeats)
    scipys = ratio(lambda: plan.process_into(x, y), lambda: scipy.signal.sosfilt(sos, x), 3)
    print(f"{bands:2} bands, {channels} ch: {against} pedalboard's throughput, {scipys.ratio:5.2f} times SciPy's "
          f"(errors {errors[0]:.0f} and {errors[1]:.0f} dB)", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"{seconds:g} s of {RATE} Hz, blocks of {BLOCK} (pedalboard: its own 8192)")
    for channels, bands in ((2, 4), (1, 3), (2, 10), (8, 4), (2, 1)):
        case(channels, bands, seconds)


if __name__ == "__main__":
    main()
