"""Noise."""

import numpy as np
import pytest
from naive_space import assert_any_cutting, source, uniform
from scipy import signal, stats

from flowaudio.core.node import Format
from flowaudio.nodes import noise
from flowaudio.nodes.noise import Noise

FRAMES = 1 << 20


@pytest.mark.parametrize("color", ["white", "pink"])
def test_any_cutting(color: str) -> None:
    assert_any_cutting(Noise(color=color, channels=3), np.zeros((1, 3000), np.float32))


def test_white_noise_is_the_hash_of_its_frame_number() -> None:
    node = Noise(level_dbfs=0.0, channels=2, seed=5)
    keys = node.prepare(Format(48_000, 1, 256))[0].keys
    expected = [np.sqrt(3) * uniform(k, np.arange(5000)) for k in keys]
    np.testing.assert_allclose(source(node, 5000), expected, atol=3e-7)


@pytest.mark.parametrize("color", ["white", "pink"])
def test_level_is_the_rms(color: str) -> None:
    y = source(Noise(color=color, level_dbfs=-20.0, channels=1), 8 * FRAMES, block=4096).astype(float)
    assert 10 * np.log10((y * y).mean()) == pytest.approx(-20.0, abs=0.02)
    if color == "white":
        assert abs(y).max() <= np.sqrt(3) * 0.1 * (1 + 1e-6)


def test_white_noise_is_white_uniform_and_different_in_each_channel() -> None:
    y = source(Noise(level_dbfs=-4.7712125, channels=4), FRAMES).astype(float)
    for row in y:
        assert stats.kstest(row[:100_000], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    spectrum = signal.welch(y, nperseg=1024, detrend=False)[1][:, 1:-1]
    np.testing.assert_allclose(10 * np.log10(spectrum / spectrum.mean()), 0, atol=0.8)
    sigma = FRAMES**-0.5
    assert abs(np.corrcoef(y) - np.eye(4)).max() < 5 * sigma
    for lag in (1, 2, 7, 8, 16, 256, 4096, 65_536):
        assert abs((y[:, lag:] * y[:, :-lag]).mean(axis=1) * 3).max() < 5 * sigma


def test_pink_noise_is_filtered_white_noise() -> None:
    white = source(Noise(channels=2), 30_000).astype(float)
    expected = noise.PINK_DIRECT * white
    for pole, gain in zip(np.float32(noise.PINK_POLES), noise.PINK_GAINS, strict=True):
        expected += signal.lfilter([gain], [1, -float(pole)], white)
    np.testing.assert_allclose(source(Noise(color="pink", channels=2), 30_000), expected, atol=1e-6)


def test_the_pink_filter_falls_by_three_decibels_an_octave() -> None:
    f = np.geomspace(4e-5, 0.48, 2000)
    z = np.exp(-2j * np.pi * f)
    poles, gains = np.float32(noise.PINK_POLES)[:, np.newaxis], np.array(noise.PINK_GAINS)[:, np.newaxis]
    level = 20 * np.log10(abs(noise.PINK_DIRECT + (gains / (1 - poles * z)).sum(axis=0))) + 10 * np.log10(f)
    assert np.ptp(level) < 0.05
    assert abs(level - (level.max() + level.min()) / 2).max() < 0.024


def test_seeds_differ_and_repeat() -> None:
    one, two, again = (source(Noise(seed=s), 1000) for s in (1, 2, 1))
    np.testing.assert_array_equal(one, again)
    assert abs(np.corrcoef(one[0], two[0])[0, 1]) < 0.15
