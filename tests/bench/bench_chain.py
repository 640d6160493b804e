"""Compressor, three bands, reverb and limiter against pedalboard: ``python tests/bench/bench_chain.py``.

One minute of stereo at 48 kHz through both, by turns in one process. Checked first: our chain gives the same samples in
other blocks, stays under its ceiling, and without the effects that differ by design (reverb, dynamics) the two agree.
"""

import numpy as np
import pedalboard
from timing import ratio

import flowaudio as fa

RATE, SECONDS = 48_000, 60


def music() -> np.ndarray:
    """Noise with a beat: loud enough that compressor and limiter work."""
    rng = np.random.default_rng(1)
    beat = 0.15 + 0.5 * np.exp(-((np.arange(RATE * SECONDS) % (RATE // 2)) / 4000))
    return (rng.standard_normal((2, RATE * SECONDS)) * beat * 0.5).astype(np.float32)


def ours() -> fa.Graph:
    """The chain of four."""
    return (fa.Compressor(threshold_db=-18, ratio=3, attack_ms=10, release_ms=150)
            >> fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=f, gain_db=g, q=1)
                                   for f, g in ((80, -3), (250, 2), (8000, 1))])
            >> fa.Reverb(room_size=0.5, damping=0.5, wet=0.2, dry=0.8)
            >> fa.Limiter(ceiling_dbtp=-1))


def theirs() -> pedalboard.Pedalboard:
    """The same with pedalboard's effects."""
    return pedalboard.Pedalboard([
        pedalboard.Compressor(threshold_db=-18, ratio=3, attack_ms=10, release_ms=150),
        *[pedalboard.PeakFilter(cutoff_frequency_hz=f, gain_db=g, q=1) for f, g in ((80, -3), (250, 2), (8000, 1))],
        pedalboard.Reverb(room_size=0.5, damping=0.5, wet_level=0.2, dry_level=0.8),
        pedalboard.Limiter(threshold_db=-1),
    ])


def check(x: np.ndarray) -> None:
    """What is timed is right."""
    y = fa.render(ours(), x[:, :RATE], RATE, 256)
    np.testing.assert_array_equal(y, fa.render(ours(), x[:, :RATE], RATE, 1009))
    assert np.abs(y).max() <= 10 ** (-1 / 20)
    bands = ((80.0, -3.0), (250.0, 2.0), (8000.0, 1.0))
    equalizer = fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=f, gain_db=g, q=1) for f, g in bands])
    filters = pedalboard.Pedalboard([pedalboard.PeakFilter(cutoff_frequency_hz=f, gain_db=g, q=1) for f, g in bands])
    np.testing.assert_allclose(fa.render(fa.chain(equalizer), x[:, :RATE], RATE),
                               filters.process(x[:, :RATE], RATE), atol=2e-4)


def main() -> None:
    """Check, then time."""
    x = music()
    check(x)
    plan, board, y = fa.Plan(ours(), RATE, 2), theirs(), np.zeros_like(x)
    result = ratio(lambda: plan.process_into(x, y), lambda: board.process(x, RATE), repeats=7)
    print(f"compressor + 3 bands + reverb + limiter, {SECONDS} s of stereo: flowaudio {result} faster than pedalboard")


if __name__ == "__main__":
    main()
