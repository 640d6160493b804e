"""Sine, Sweep."""

from typing import Any

import numpy as np
import pytest
from naive_space import assert_any_cutting, source

from flowaudio.nodes.sources import Sine, Sweep

NOTHING = np.zeros((1, 3000), np.float32)


@pytest.mark.parametrize(("frequency_hz", "rate"), [(0.0, 48_000), (0.1, 192_000), (10.0, 48_000), (997.0, 44_100),
                                                    (3900.0, 8000), (90_000.0, 192_000)])
def test_sine(frequency_hz: float, rate: int) -> None:
    y = source(Sine(frequency_hz=frequency_hz, level_dbfs=-6.0, phase_deg=30.0, channels=3), 20_000, rate)
    exact = 10 ** -0.3 * np.sin(2 * np.pi * (frequency_hz * np.arange(20_000) / rate + 30 / 360))
    np.testing.assert_allclose(y, [exact] * 3, atol=1.1e-7)


def test_sine_does_not_drift() -> None:
    minutes, rate = 10, 48_000
    y = source(Sine(frequency_hz=997.0, level_dbfs=0.0, channels=1), minutes * 60 * rate, block=4096)[0, -rate:]
    np.testing.assert_allclose(y, np.sin(2 * np.pi * 997 * np.arange(rate) / rate), atol=2e-7)


def test_a_sine_too_high_for_the_rate_is_held_below_half_of_it() -> None:
    y = source(Sine(frequency_hz=20_000.0, channels=1), 8000, 8000)[0]
    assert np.argmax(abs(np.fft.rfft(y))) == 3920


def test_any_cutting_of_a_sine() -> None:
    assert_any_cutting(Sine(frequency_hz=12_345.678, phase_deg=-77.0), NOTHING)


def exact_sweep(first: float, last: float, seconds: float, shape: str, rate: int) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    if shape == "linear" or first == last:
        turns = first * t + (last - first) * t * t / (2 * seconds)
    else:
        turns = first * seconds / np.log(last / first) * np.expm1(t / seconds * np.log(last / first))
    return np.sin(2 * np.pi * turns)


@pytest.mark.parametrize("shape", ["logarithmic", "linear"])
@pytest.mark.parametrize(("first", "last"), [(20.0, 20_000.0), (5.0, 10.0), (15_000.0, 30.0), (440.0, 440.0)])
def test_sweep(shape: str, first: float, last: float) -> None:
    y = source(Sweep(start_hz=first, end_hz=last, duration_s=3.0, shape=shape, level_dbfs=0.0), 150_000)
    np.testing.assert_allclose(y[:, :144_000], [exact_sweep(first, last, 3.0, shape, 48_000)] * 2, atol=2e-7)
    assert not y[:, 144_000:].any()


def test_a_long_sweep_at_a_high_rate() -> None:
    sweep: dict[str, Any] = {"start_hz": 10.0, "end_hz": 90_000.0, "duration_s": 20.0}
    y = source(Sweep(**sweep, level_dbfs=0.0, channels=1), 20 * 192_000, 192_000, 8192)[0]
    np.testing.assert_allclose(y, exact_sweep(10.0, 90_000.0, 20.0, "logarithmic", 192_000), atol=2e-7)


@pytest.mark.parametrize("shape", ["logarithmic", "linear"])
def test_a_sweep_that_repeats_begins_again(shape: str) -> None:
    y = assert_any_cutting(Sweep(duration_s=0.025, shape=shape, repeat=True), NOTHING)
    np.testing.assert_array_equal(y[:, 1200:2400], y[:, :1200])
    assert_any_cutting(Sweep(duration_s=0.025, shape=shape), NOTHING)


def test_an_octave_takes_its_time() -> None:
    """A logarithmic sweep has the same energy in every octave: its spectrum falls by 3 dB an octave (Farina)."""
    y = source(Sweep(start_hz=20.0, end_hz=20_480.0, duration_s=10.0, channels=1), 480_000)[0]
    power = abs(np.fft.rfft(y)) ** 2
    octaves = [power[round(f * 10):round(2 * f * 10)].sum() for f in (80, 320, 1280, 5120)]
    np.testing.assert_allclose(octaves, octaves[0], rtol=0.03)
