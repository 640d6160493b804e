"""The transform inside kernels, against NumPy's in float64."""

from typing import Any

import numpy as np
import pytest
from support import at

from flowaudio.core.memory import f32_1d
from flowaudio.core.native import native
from flowaudio.nodes._fft import LARGEST, SMALLEST, fill, power, rounded_size, split, tables, transform, workspace

SIZES = [1 << k for k in range(6, 17)]
BEFORE = 5                              # frames before those that are transformed


@native
def analyse(size: int, row: int, window: int, factors: int, many: int, work: int, wide: int, made: int) -> int:
    """Real parts, imaginary parts and power, one behind the other."""
    z, t, bins = f32_1d(work, wide), f32_1d(factors, many), size // 2 + 1
    fill(f32_1d(row, size + 5), 5, f32_1d(window, size), size, z)
    place = transform(z, t, size)
    split(z, place, t, size, f32_1d(made, bins), f32_1d(made + 4 * bins, bins))
    power(z, place, t, size, f32_1d(made + 8 * bins, bins))
    return place


def bins_of(x: Any, window: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The spectrum of float32 frames, and its power."""
    size = x.size
    row = np.concatenate([np.full(BEFORE, np.nan), x]).astype(np.float32)
    window = np.ones(size, np.float32) if window is None else window
    factors, work = tables(size), workspace(size)
    made = np.full(3 * (size // 2 + 1) + 8, 77, np.float32)
    analyse(size, at(row), at(window), at(factors), factors.size, at(work), work.size, at(made))
    assert (made[-8:] == 77).all(), "wrote behind the bins"
    real, imaginary, squared = made[:-8].reshape(3, -1)
    return real + 1j * imaginary, squared


def error(got: Any, expected: Any) -> float:
    """The greatest, as a part of the spectrum's RMS."""
    return float(abs(got - expected).max() / np.sqrt(np.mean(abs(expected) ** 2)))


@pytest.mark.parametrize("size", SIZES)
def test_noise(size: int) -> None:
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    expected = np.fft.rfft(x.astype(float))
    got, squared = bins_of(x)
    assert error(got, expected) < 1e-6
    assert abs(squared - abs(expected) ** 2).max() < 5e-6 * np.mean(abs(expected) ** 2)
    assert squared.size == size // 2 + 1


@pytest.mark.parametrize("size", SIZES)
def test_a_window_and_a_tone(size: int) -> None:
    n = np.arange(size)
    window = np.hanning(size).astype(np.float32)
    x = (np.cos(2 * np.pi * 7.3 * n / size + 1) + 1e-4 * np.cos(2 * np.pi * 25 * n / size)).astype(np.float32)
    got, _ = bins_of(x, window)
    expected = np.fft.rfft(x.astype(float) * window.astype(float))
    assert np.linalg.norm(got - expected) < 3e-7 * np.linalg.norm(expected)


@pytest.mark.parametrize("size", [64, 128, 256, 1024])
def test_each_frame_alone_turns_as_it_should(size: int) -> None:
    k = np.arange(size // 2 + 1)
    for place in (0, 1, 2, size // 2 - 1, size // 2, size - 1, *range(3, size, 13)):
        x = np.zeros(size)
        x[place] = 1.0
        got, squared = bins_of(x)
        np.testing.assert_allclose(got, np.exp(-2j * np.pi * k * place / size), atol=3e-7)
        np.testing.assert_allclose(squared, 1.0, atol=6e-7)


def test_silence_stays_silent_and_old_frames_are_forgotten() -> None:
    row, window, factors, work = np.ones(133, np.float32), np.ones(128, np.float32), tables(128), workspace(128)
    made = np.zeros(3 * 65, np.float32)
    for _ in range(2):
        analyse(128, at(row), at(window), at(factors), factors.size, at(work), work.size, at(made))
        row[:] = 0
    assert not made.any()


def test_sizes_are_rounded_up_to_powers_of_two() -> None:
    assert [rounded_size(n) for n in (1, 64, 65, 1000, 1024, 1025, 65_536, 10 ** 6)] == [
        64, 64, 128, 1024, 1024, 2048, 65_536, 65_536]
    assert (SIZES[0], SIZES[-1]) == (SMALLEST, LARGEST)


def test_tables_are_made_once_and_cannot_be_written() -> None:
    assert tables(4096) is tables(4096)
    with pytest.raises(ValueError, match="read-only"):
        tables(4096)[0] = 0.0
