"""DynamicsMeter."""

import math

import naive_meters as naive
import numpy as np
import pytest

from flowaudio.nodes.dynamics_meter import DynamicsMeter

RATE = 8000


def noisy(seconds: float, rate: int, levels: list[float], channels: int = 2) -> np.ndarray:
    """Noise whose level changes each 0.7 s, in an order that repeats late."""
    n, rng = int(seconds * rate), np.random.default_rng(5)
    gain = np.array([10 ** (levels[(k * k) % len(levels)] / 20) for k in range(int(seconds / 0.7) + 1)])
    return (rng.standard_normal((channels, n)) * gain[(np.arange(n) / rate / 0.7).astype(int)]).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 96_000])
def test_a_sine_has_none_and_other_waves_their_crest(rate: int) -> None:
    t = np.arange(12 * rate) / rate
    sine = np.sin(2 * np.pi * 100 * t)
    pulse = np.where(np.arange(12 * rate) * 100 % rate < rate // 10, 1.0, 0.0)
    got = naive.read(DynamicsMeter(), 0.5 * np.stack([sine, pulse]), rate)
    assert got["dr_db"][0] == pytest.approx(0, abs=0.01)
    assert got["dr_db"][1] == pytest.approx(-10 * math.log10(2 * pulse.mean()), abs=0.02)
    assert got["dynamic_range_db"][0] == pytest.approx(got["dr_db"].mean(), abs=1e-9)
    assert got["loud_rms_dbfs"][0] == pytest.approx(-6.02, abs=0.01)
    assert got["second_peak_dbfs"] == pytest.approx(-6.02, abs=0.02)


@pytest.mark.parametrize("seconds", [9, 9.4, 9.6, 14.9, 15.0, 63.0, 64.5, 90.0])
def test_against_sorted_blocks(seconds: float) -> None:
    x = noisy(seconds, RATE, [-20, -35, -14, -50, -23, -18, -41])
    np.testing.assert_allclose(naive.read(DynamicsMeter(), x, RATE)["dr_db"], naive.dynamic_range(x, RATE), atol=0.01)


def test_a_click_does_not_make_the_highest_peak() -> None:
    x = noisy(30, RATE, [-30], 1)
    before = naive.read(DynamicsMeter(), x, RATE)["dr_db"][0]
    x[0, 70_000] = 0.9
    assert naive.read(DynamicsMeter(), x, RATE)["dr_db"][0] == pytest.approx(before, abs=1.0)
    x[0, 130_000] = 0.9
    assert naive.read(DynamicsMeter(), x, RATE)["dr_db"][0] > before + 10


def test_what_is_too_short_or_silent_has_no_value() -> None:
    x = noisy(6.4, RATE, [-20])
    for short in (x[:, :1], x[:, :100], x[:, :2 * RATE], x[:, :6 * RATE], x):
        assert np.isnan(naive.read(DynamicsMeter(), short, RATE)["dr_db"]).all()
    x = noisy(12, RATE, [-20])
    x[1] = 0
    got = naive.read(DynamicsMeter(), x, RATE)
    assert np.isnan(got["dr_db"][1])
    assert got["dynamic_range_db"][0] == got["dr_db"][0] > 5
    assert np.isnan(naive.read(DynamicsMeter(), 0 * x, RATE)["dynamic_range_db"][0])


def test_the_same_in_any_cutting() -> None:
    for rate, channels in ((11_025, 1), (8000, 3)):
        naive.same_in_any_cutting(DynamicsMeter(), noisy(10.3, rate, [-20, -40, -15], channels), rate)


def test_what_is_beyond_all_sense_counts_as_nothing() -> None:
    x = noisy(12, RATE, [-20], 8)
    cleaned = x.copy()
    x[3, [5000, 30_000]] = 1e30, -2e4
    cleaned[3, [5000, 30_000]] = 0
    np.testing.assert_array_equal(naive.read(DynamicsMeter(), x, RATE)["dr_db"],
                                  naive.read(DynamicsMeter(), cleaned, RATE)["dr_db"])
