"""Comparing sounds whose clocks differ."""

import functools

import numpy as np
import pytest
from scipy import signal
from scipy.interpolate import CubicSpline

from flowaudio.stream.compare import compare
from flowaudio.stream.drift import Match, line_through

RATE = 48_000


@functools.cache
def programme(seconds: float = 24.0) -> np.ndarray:
    """Two channels of noise below 4 kHz that swells and pauses; little enough at the top for splines."""
    rng = np.random.default_rng(5)
    filters = signal.butter(6, 4000 / (RATE / 2), output="sos")
    x = signal.sosfiltfilt(filters, rng.standard_normal((2, round(seconds * RATE))))
    swell = np.interp(np.arange(x.shape[1]), np.arange(0, x.shape[1] + RATE, RATE // 3),
                      rng.uniform(0, 1, x.shape[1] // (RATE // 3) + 4)[:len(range(0, x.shape[1] + RATE, RATE // 3))])
    made: np.ndarray = 0.3 * x * swell
    return made


def recorded(x: np.ndarray, ppm: float, delay: float) -> np.ndarray:
    """As a clock that is `ppm` faster records it, `delay` frames of the first clock later."""
    end = x.shape[1]
    at = np.arange(round((end + min(delay, 0)) * (1 + ppm * 1e-6))) / (1 + ppm * 1e-6) - delay
    inside = (at >= 0) & (at < end - 1)
    return np.stack([np.where(inside, CubicSpline(np.arange(end), row)(np.where(inside, at, 0)), 0)
                     for row in x]).astype(np.float32)


@pytest.mark.parametrize(("ppm", "delay", "gain"), [
    (0, 0, 1.0), (0, 1234, 0.5), (5, 0, 1.0), (-5, -20_000, 0.5), (20, 0, 1.0), (20, 777.3, -0.5), (530, 0, 1.0),
    (530, 12_345, 0.5), (-530, 0, 1.0), (-530, -12_345.6, -0.5), (1000, 500, 1.0), (-1000, -500, 0.5)])
def test_gain_and_residual_are_right_where_clocks_differ(ppm: float, delay: float, gain: float) -> None:
    x = programme()
    found = compare(x.astype(np.float32), gain * recorded(x, ppm, delay), sample_rate=RATE)
    assert found.drift_ppm == pytest.approx(ppm, abs=0.05)
    assert found.delay_samples == pytest.approx(delay * (1 + ppm * 1e-6), abs=0.1)
    assert found.gain_db == pytest.approx(20 * np.log10(abs(gain)), abs=0.01)
    assert found.polarity == np.sign(gain)
    assert found.correlation is not None and found.correlation > 0.9999
    assert found.residual_db is not None and found.residual_db < -45
    said = [each for each in found.remarks if each.startswith(f"the clocks differ by {abs(ppm):g} ppm")]
    assert len(said) == (ppm != 0)


def test_noise_on_one_of_them_does_not_hide_it_and_is_what_is_left() -> None:
    x = programme()
    y = recorded(x, 40, 100)
    y += 0.03 * y.std() * np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    found = compare(x.astype(np.float32), y, sample_rate=RATE)
    assert found.drift_ppm == pytest.approx(40, abs=0.1)
    assert found.residual_db == pytest.approx(20 * np.log10(0.03), abs=0.3)


def test_what_is_only_changed_has_no_drift() -> None:
    x = programme()
    shelved = signal.sosfilt(signal.butter(1, 500 / (RATE / 2), output="sos"), x)
    other = np.random.default_rng(2).standard_normal(x.shape)
    for y in (shelved, x + 0.5 * x.std() * other, np.tanh(8 * x)):
        found = compare(x.astype(np.float32), y.astype(np.float32), sample_rate=RATE)
        assert found.drift_ppm == 0
        assert not found.remarks
    assert compare(x.astype(np.float32), other.astype(np.float32), sample_rate=RATE).drift_ppm is None


def test_a_line_needs_places_that_agree() -> None:
    line = line_through([Match(1e4 * k, 5 + 1e-4 * 1e4 * k, 1.0) for k in range(8)] + [Match(500.0, 9000.0, 0.4)], 3.0)
    assert line is not None and line.certain
    assert line.slope == pytest.approx(1e-4)
    assert line.offset == pytest.approx(5.0)
    assert line_through([Match(0.0, 0.0, 1.0), Match(10.0, 0.0, 1.0)], 3.0) is None
    scattered = [Match(1e4 * k, 997.0 * (k * k % 7), 0.4) for k in range(8)]
    assert line_through(scattered, 3.0) is None
