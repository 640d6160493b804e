"""NoiseMeter."""

import math

import naive_meters as naive
import numpy as np
import pytest

from flowaudio.nodes.noise_meter import NoiseMeter

RATE = 16_000


def tone_in_noise(snr_db: float, pauses: float, rate: int = RATE, seconds: float = 12.0) -> np.ndarray:
    """A tone of -20 dBFS RMS with a pause in each 3 s, in noise."""
    n, rng = int(seconds * rate), np.random.default_rng(1)
    t = np.arange(n) / rate
    tone = math.sqrt(2) * np.sin(2 * np.pi * 440 * t) * (t % 3 >= 3 * pauses)
    return (0.1 * (tone + 10 ** (-snr_db / 20) * rng.standard_normal(n))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 192_000])
def test_the_ratio_of_a_tone_with_pauses_to_its_noise(rate: int) -> None:
    for snr_db in (10, 20, 40, 80):
        got = naive.read(NoiseMeter(), tone_in_noise(snr_db, 0.3, rate), rate)
        assert got["snr_db"][0] == pytest.approx(snr_db, abs=0.5)
        assert got["noise_floor_dbfs"][0] == pytest.approx(-20 - snr_db, abs=0.5)
        assert got["confidence"][0] > 0.9


def test_pauses_that_are_rare_are_found_where_the_noise_is_far_down() -> None:
    got = naive.read(NoiseMeter(), tone_in_noise(60, 0.05), RATE)
    assert got["snr_db"][0] == pytest.approx(60, abs=0.5)
    got = naive.read(NoiseMeter(quietest_percent=2.0), tone_in_noise(20, 0.05), RATE)
    assert got["snr_db"][0] == pytest.approx(20, abs=0.5)


def test_the_floor_is_the_tenth_percentile() -> None:
    rng = np.random.default_rng(2)
    x = (0.1 * rng.standard_normal(10 * RATE) * np.repeat(10 ** (rng.uniform(-30, 0, 200) / 20), RATE // 20))
    got = naive.read(NoiseMeter(), x, RATE)
    assert got["noise_floor_dbfs"][0] == pytest.approx(naive.noise_floor(x.astype(np.float32), RATE), abs=0.05)
    assert got["confidence"][0] < 0.5


def test_digital_silence_is_no_floor() -> None:
    x = tone_in_noise(30, 0.3)
    expected = naive.read(NoiseMeter(), x, RATE)
    holes = np.concatenate([np.zeros(RATE), x, np.zeros(2 * RATE)])
    got = naive.read(NoiseMeter(), holes, RATE)
    assert got["silent_slices"][0] == 150
    for name in ("noise_floor_dbfs", "snr_db", "confidence", "recent_noise_dbfs"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-12)


def test_what_cannot_be_told_has_no_value() -> None:
    nothing = naive.read(NoiseMeter(), np.zeros((2, 5 * RATE)), RATE)
    assert list(nothing["silent_slices"]) == [250, 250]
    assert np.isnan([nothing[name] for name in ("noise_floor_dbfs", "snr_db", "recent_snr_db")]).all()
    assert np.isnan(naive.read(NoiseMeter(), tone_in_noise(30, 0.3)[:3000], RATE)["snr_db"][0])
    t = np.arange(5 * RATE) / RATE
    for steady in (np.sin(900 * t), np.random.default_rng(0).standard_normal(5 * RATE)):
        got = naive.read(NoiseMeter(), 0.1 * steady, RATE)
        assert np.isnan(got["snr_db"][0])
        assert got["confidence"][0] == 0.0


def test_slow_averages_follow_the_noise() -> None:
    quiet, loud = tone_in_noise(70, 0.3, seconds=30), tone_in_noise(55, 0.3, seconds=30)
    got = naive.read(NoiseMeter(average_s=1.0), np.concatenate([quiet, loud]), RATE)
    assert got["recent_noise_dbfs"][0] == pytest.approx(-75, abs=0.5)
    assert got["recent_snr_db"][0] == pytest.approx(55, abs=2.5)
    assert got["noise_floor_dbfs"][0] == pytest.approx(-90, abs=0.5)


def test_the_same_in_any_cutting() -> None:
    for rate in (11_025, 16_000):
        x = np.stack([tone_in_noise(60, 0.3, rate, 4), tone_in_noise(20, 0.1, rate, 4), np.zeros(4 * rate, np.float32)])
        naive.same_in_any_cutting(NoiseMeter(), x, rate)


def test_what_is_beyond_all_sense_counts_as_nothing() -> None:
    x = tone_in_noise(30, 0.3)
    cleaned = x.copy()
    x[[100, 40_000]] = 1e30, -2e4
    cleaned[[100, 40_000]] = 0
    assert naive.read(NoiseMeter(), x, RATE)["snr_db"] == naive.read(NoiseMeter(), cleaned, RATE)["snr_db"]
