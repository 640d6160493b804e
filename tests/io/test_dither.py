"""flowaudio.io.dither: the noise is what TPDF theory says, and nothing else is added."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from io_tools import read, sound, write

from flowaudio.io import FLAC, WAV
from flowaudio.io.dither import Dither

LSB = {16: 2.0**-15, 24: 2.0**-23}


def dithered(x, bits):
    integers = Dither(bits)(x)
    return integers * 2.0 ** -(8 * integers.dtype.itemsize - 1)


@pytest.mark.parametrize("bits", [16, 24])
def test_the_error_is_tpdf_noise(bits):
    """The total error of TPDF dither has the variance LSB²/4 and mean 0, whatever the signal."""
    for level in (0.9, 0.1, 1e-3):
        x = np.float32(level) * sound(200_000, 2)
        error = (dithered(x, bits) - x.astype(np.float64)) / LSB[bits]
        assert abs(error.mean()) < 0.005
        assert error.std() == pytest.approx(0.5, rel=0.01)
        assert np.abs(error).max() <= 1.51
        assert abs(np.corrcoef(error[0], x[0])[0, 1]) < 0.01
        assert abs(np.corrcoef(error[0], error[1])[0, 1]) < 0.01
        assert abs(np.corrcoef(error[0, 1:], error[0, :-1])[0, 1]) < 0.01


def test_a_tone_far_below_one_step_survives_in_16_bits():
    """1 kHz at -100 dBFS has a third of a step: without dither nothing of it would be left."""
    t = np.arange(480_000) / 48_000
    x = (10 ** (-100 / 20) * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)[None]
    assert not np.rint(x * 2**15).any()
    y = dithered(x, 16)[0]
    level = 2 * abs(np.mean(y * np.exp(-2j * np.pi * 1000 * t)))
    assert 20 * np.log10(level) == pytest.approx(-100, abs=0.1)
    for harmonic in (2, 3, 5):
        assert 2 * abs(np.mean(y * np.exp(-2j * np.pi * 1000 * harmonic * t))) < 10 ** (-130 / 20)


def test_the_noise_floor_is_flat_and_does_not_follow_the_signal():
    t = np.arange(1 << 17) / 48_000
    floors = []
    for level in (0.0001, 0.01, 0.5):
        x = (level * np.sin(2 * np.pi * 997 * t)).astype(np.float32)[None]
        error = dithered(x, 16)[0] - x[0].astype(np.float64)
        bands = [np.mean(np.abs(band) ** 2) for band in np.array_split(np.fft.rfft(error), 8)]
        assert max(bands) / min(bands) < 1.1
        floors.append(error.std())
    assert max(floors) / min(floors) < 1.01


@pytest.mark.parametrize("bits", [16, 24])
@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=50))
def test_what_is_on_the_grid_stays(bits, values):
    x = np.array([values], np.float32) * np.float32(LSB[bits])
    np.testing.assert_array_equal(dithered(x, bits), x)


@pytest.mark.parametrize("bits", [16, 24])
def test_full_scale_does_not_wrap(bits):
    x = np.array([[1.0, -1.0, 1.0 - 2**-23, -1.0 + 2**-23, 0.3]] * 2, np.float32)
    y = dithered(np.tile(x, 1000), bits)
    assert np.abs(y - np.tile(x, 1000)).max() <= 2 * LSB[bits]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_the_noise_depends_on_the_place_only(halves):
    cuts = np.cumsum([2 * half for half in halves])
    x = sound(int(cuts[-1]), 3)
    whole, pieces = Dither(16)(x), Dither(16)
    parts = [pieces(part) for part in np.split(x, cuts[:-1], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize(("codec", "suffix"), [(WAV(), ".wav"), (FLAC(), ".flac"), (FLAC(bit_depth=24), ".flac")])
def test_an_untouched_copy_is_bit_exact(codec, suffix, tmp_path):
    write(tmp_path / f"a{suffix}", sound(20_000), codec)
    first = read(tmp_path / f"a{suffix}")
    write(tmp_path / f"b{suffix}", first, codec)
    np.testing.assert_array_equal(read(tmp_path / f"b{suffix}"), first)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_silence_stays_silent(tmp_path):
    write(tmp_path / "x.wav", np.zeros((2, 10_000), np.float32), WAV())
    assert not read(tmp_path / "x.wav").any()
