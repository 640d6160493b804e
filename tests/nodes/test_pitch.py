"""PitchTracker."""

from typing import Any

import naive_meters as naive
import numpy as np
import pytest

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.pitch import PitchTracker

HARMONIC = {"sine": (1,), "all": range(1, 30), "odd": range(1, 30, 2)}


def track(x: np.ndarray, rate: int, **values: float) -> np.ndarray:
    """float64 [time, 2]: frequency and clarity after each 20 ms."""
    plan = Plan(chain(PitchTracker(**values)), rate, 1, rate)
    made = []
    for n in range(0, x.size, rate // 50):
        plan.process(x[np.newaxis, n:n + rate // 50].astype(np.float32))
        measured = plan.read("pitch_tracker")
        made.append((measured["frequency_hz"][0], measured["clarity"][0]))
    return np.array(made)


def voice(f0: np.ndarray, rate: int, formants: tuple[float, ...]) -> np.ndarray:
    """Glottal pulses through resonances, with a little breath."""
    from scipy.signal import lfilter
    rng, phase = np.random.default_rng(2), np.cumsum(f0) / rate % 1
    x: Any = np.diff(np.where(phase < 0.6, 0.5 - 0.5 * np.cos(2 * np.pi * phase / 0.6), 0), prepend=0)
    for formant, width in zip(formants, (80, 90, 120), strict=True):
        r = np.exp(-np.pi * width / rate)
        x = lfilter([1.0], [1, -2 * r * np.cos(2 * np.pi * formant / rate), r * r], x)
    return 0.5 * x / abs(x).max() + 1e-3 * rng.standard_normal(f0.size)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_sines_and_harmonic_tones(rate: int) -> None:
    for orders in HARMONIC.values():
        for frequency in (61.0, 77.8, 110.0, 196.3, 329.6, 523.2, 880.0, 1203.0, 1490.0):
            got = track(naive.harmonic(frequency, rate, 0.3, orders), rate)[6:]
            np.testing.assert_allclose(got[:, 0], frequency, rtol=1e-3)
            assert got[:, 1].min() > 0.95


def test_a_fundamental_that_is_missing() -> None:
    for frequency in (65.0, 110.0, 220.0, 350.0):
        got = track(naive.harmonic(frequency, 48_000, 0.3, range(2, 8), 0.0), 48_000)[6:]
        np.testing.assert_allclose(got[:, 0], frequency, rtol=2e-3)


@pytest.mark.parametrize("formants", [(730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (570, 840, 2410)])
def test_voices_keep_their_octave(formants: tuple[float, ...]) -> None:
    rate = 16_000
    t = np.arange(2 * rate) / rate
    wrong = total = 0
    for base in (80, 130, 220, 300):
        f0 = base * 2 ** (0.25 * np.sin(2 * np.pi * 0.7 * t) + 0.02 * np.sin(2 * np.pi * 5.5 * t))
        got = track(voice(f0, rate, formants), rate)[6:]
        heard = f0[(np.arange(6, 6 + len(got)) + 1) * rate // 50 - int(0.035 * rate)]
        assert (got[:, 1] > 0).mean() > 0.97
        wrong += (abs(got[:, 0] / heard - 1) > 0.1).sum()
        total += len(got)
    assert wrong <= 0.01 * total


def test_a_tone_in_noise_keeps_its_octave() -> None:
    rng = np.random.default_rng(3)
    for orders in HARMONIC.values():
        for frequency in (75.0, 155.0, 440.0, 1100.0):
            x = naive.harmonic(frequency, 44_100, 0.5, orders) + 0.04 * rng.standard_normal(22_050)
            np.testing.assert_allclose(track(x, 44_100)[6:, 0], frequency, rtol=0.02)


def test_silence_noise_and_what_is_out_of_range_have_no_pitch() -> None:
    rng = np.random.default_rng(0)
    sine = naive.harmonic(2900.0, 48_000, 0.5, (1,))
    for x in (np.zeros(24_000), 1e-5 * rng.standard_normal(24_000), 0.1 * rng.standard_normal(48_000), sine,
              naive.harmonic(33.0, 48_000, 0.5, (1,)), np.full(24_000, 0.5)):
        got = track(x, 48_000)[6:]
        assert np.isnan(got[:, 0]).all()
        assert not got[:, 1].any()
    assert track(sine, 48_000, highest_hz=4000.0)[-1, 0] == pytest.approx(2900, rel=1e-3)


@pytest.mark.parametrize("rate", [8000, 48_000, 192_000])
def test_other_ranges(rate: int) -> None:
    for lowest, highest, frequency in ((400.0, 500.0, 450.0), (30.0, 500.0, 31.0), (30.0, 4000.0, 1900.0),
                                       (400.0, 4000.0, 1234.0)):
        got = track(naive.harmonic(frequency, rate, 0.5, range(1, 5)), rate, lowest_hz=lowest, highest_hz=highest)[12:]
        np.testing.assert_allclose(got[:, 0], frequency, rtol=2e-3)


def test_a_note_its_median_and_its_share() -> None:
    x = np.concatenate([naive.harmonic(440.0, 48_000, 2.0, range(1, 9)), np.zeros(48_000),
                        naive.harmonic(261.63, 48_000, 1.0, range(1, 9))])
    got = naive.read(PitchTracker(), np.stack([x, 0.5 * x]))
    assert got["midi_note"][0] == pytest.approx(60.0, abs=0.02)
    assert got["median_frequency_hz"][0] == pytest.approx(440.0, rel=0.006)
    assert got["voiced_share"][0] == pytest.approx(0.75, abs=0.03)


def test_the_same_in_any_cutting() -> None:
    for rate, channels in ((11_025, 1), (44_100, 2), (48_000, 6)):
        x = naive.harmonic(np.linspace(150, 190, rate // 2), rate, 0.5, range(1, 9))
        x = x + 0.01 * np.random.default_rng(1).standard_normal((channels, x.size))
        assert naive.same_in_any_cutting(PitchTracker(), x, rate)["clarity"][0] > 0.8


def test_what_is_beyond_all_sense_counts_as_nothing() -> None:
    x = naive.harmonic(220.0, 48_000, 0.5, range(1, 9))
    cleaned = x.copy()
    x[[9000, 20_000]] = 1e30, -2e4
    cleaned[[9000, 20_000]] = 0
    np.testing.assert_array_equal(track(x, 48_000), track(cleaned, 48_000))
    assert track(x, 48_000)[-1, 0] == pytest.approx(220, rel=1e-3)
