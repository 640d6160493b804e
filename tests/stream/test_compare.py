"""Comparing two sounds: delay, gain, polarity, residual, spectrum."""

import json
from pathlib import Path

import numpy as np
import pytest
from io_tools import sound, write
from scipy import signal

from flowaudio.core.errors import ParameterError, SourceError
from flowaudio.io import FLAC, MP3, WAV
from flowaudio.stream.compare import Comparison, compare
from flowaudio.stream.side_by_side import BAND_HZ

RATE = 48_000


def against(a: np.ndarray, b: np.ndarray, rate: int = RATE) -> Comparison:
    found = compare(a, b, sample_rate=rate)
    json.dumps(found.as_dict(), allow_nan=False)
    return found


def moved(x: np.ndarray, frames: float) -> np.ndarray:
    """Later by a part of a frame, exactly, but round the ends."""
    spectrum = np.fft.rfft(x.astype(np.float64), axis=1)
    turns = np.arange(spectrum.shape[1]) * frames / x.shape[1]
    return np.fft.irfft(spectrum * np.exp(-2j * np.pi * turns), x.shape[1], axis=1).astype(np.float32)


def test_the_same_is_identical() -> None:
    x = sound(5 * RATE)
    found = against(x, x)
    assert found.identical
    assert (found.delay_samples, found.gain_db, found.polarity, found.residual_db) == (0, 0, 1, -140)
    assert found.remarks == ()
    y = x.copy()
    y[1, 777] += 1e-3
    assert not against(x, y).identical
    assert not against(x, x[:, :-1]).identical


@pytest.mark.parametrize("delay", [1, 63, 1234, 70_001, -1, -640, -70_001])
@pytest.mark.parametrize("gain", [0.5, -2.0])
def test_delay_gain_and_polarity(delay: int, gain: float) -> None:
    x = sound(6 * RATE)
    y = gain * (np.pad(x, ((0, 0), (delay, 0))) if delay > 0 else x[:, -delay:])
    found = against(x, y)
    assert found.delay_samples == delay
    assert found.delay_s == pytest.approx(delay / RATE)
    assert found.gain_db == pytest.approx(20 * np.log10(abs(gain)), abs=1e-4)
    assert found.polarity == np.sign(gain)
    assert found.residual_db is not None
    assert found.residual_db < -130
    assert found.remarks


@pytest.mark.parametrize("delay", [0.5, 10.25, -3.3, 0.05, 500.75])
def test_parts_of_a_sample(delay: float) -> None:
    x = sound(5 * RATE)
    found = against(x, moved(x, delay))
    assert found.delay_samples == pytest.approx(delay, abs=0.002)
    assert found.residual_db is not None
    assert found.residual_db < -50


def test_the_residual_is_the_noise_that_was_added() -> None:
    x = sound(5 * RATE)
    level = np.sqrt(np.mean(x.astype(np.float64) ** 2))
    noise = 0.01 * level * np.random.default_rng(1).standard_normal(x.shape)
    found = against(x, (0.7 * (x + noise)).astype(np.float32))
    assert found.residual_db == pytest.approx(-40, abs=0.1)
    assert found.residual_dbfs == pytest.approx(-40 + 20 * np.log10(level), abs=0.1)
    assert found.correlation == pytest.approx(1 / np.sqrt(1 + 1e-4), abs=1e-5)


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_third_octaves_show_a_filter(rate: int) -> None:
    x = np.random.default_rng(2).standard_normal((2, 12 * rate)).astype(np.float32) * np.float32(0.1)
    filter_ = signal.butter(1, 1000, "low", fs=rate, output="sos")
    found = against(x, signal.sosfilt(filter_, x).astype(np.float32), rate)
    for hz, value in zip(BAND_HZ, found.band_difference_db, strict=True):
        if hz * 1.13 > rate / 2:
            assert value is None
            continue
        near = hz * 2.0 ** np.linspace(-1 / 6, 1 / 6, 41)
        expected = 10 * np.log10(np.mean(np.abs(signal.sosfreqz(filter_, near, fs=rate)[1]) ** 2))
        assert value == pytest.approx(expected, abs=0.6 if hz > 60 else 1.5), hz


def test_loudness_differs_by_the_gain() -> None:
    x = sound(5 * RATE)
    found = against(x, 0.25 * x)
    assert found.loudness_difference_lu == pytest.approx(-12.04, abs=0.01)


def test_what_has_nothing_in_common() -> None:
    found = against(sound(4 * RATE), sound(4 * RATE, seed=1))
    assert found.delay_samples is found.residual_db is found.gain_db is None
    assert "nothing in common" in found.reasons["residual_db"]
    silent = against(sound(4 * RATE), np.zeros((2, RATE), np.float32))
    assert "silence" in silent.reasons["delay_samples"]
    assert silent.loudness_difference_lu is None
    assert silent.remarks[0].startswith("the first array is 3 s longer")


@pytest.mark.parametrize("frames", [0, 1, 2, 50])
def test_next_to_nothing(frames: int) -> None:
    x = sound(100)[:, :frames]
    assert against(x, x).identical
    against(x, sound(RATE))
    against(sound(RATE), x)
    y = np.full((2, 100), np.nan)
    assert against(y, y).delay_samples is None


def test_files(tmp_path: Path) -> None:
    x = sound(5 * RATE)
    for name, codec in (("a.wav", WAV()), ("a.flac", FLAC()), ("a.mp3", MP3(bitrate=192_000))):
        write(tmp_path / name, x, codec)
    assert compare(tmp_path / "a.wav", tmp_path / "a.wav").identical
    found = compare(tmp_path / "a.wav", tmp_path / "a.mp3")
    assert found.delay_samples == pytest.approx(0, abs=0.05)
    assert found.residual_db is not None
    assert -80 < found.residual_db < -15
    assert found.loudness_difference_lu == pytest.approx(0, abs=0.3)
    with pytest.raises(SourceError, match="nowhere"):
        compare(tmp_path / "a.wav", tmp_path / "nowhere.wav")
    with pytest.raises(ParameterError, match="sample_rate="):
        compare(tmp_path / "a.wav", x)


def test_rates_and_channels_that_differ(tmp_path: Path) -> None:
    x = sound(6 * RATE, channels=1)
    write(tmp_path / "a.wav", np.repeat(x, 2, axis=0), WAV(bit_depth=32))
    y = signal.resample_poly(x.astype(np.float64), 147, 160, axis=1).astype(np.float32)
    write(tmp_path / "b.wav", y, WAV(bit_depth=32), rate=44_100)
    found = compare(tmp_path / "a.wav", tmp_path / "b.wav")
    assert found.delay_samples == pytest.approx(0, abs=0.01)
    assert found.residual_db is not None
    assert found.residual_db < -50
    assert (found.sample_rate, found.channels) == (48_000, 1)
    assert any("44100 Hz" in remark for remark in found.remarks)
    assert any("compared as mono" in remark for remark in found.remarks)
