"""The interpolation: flat, clean, exact in its places, and the same however the output is cut."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import at

from flowaudio.core.memory import i64_1d
from flowaudio.core.native import native
from flowaudio.runtime.interpolation import FRACTION, filter_bank, filter_taps, interpolate

RATES = [(48000, 48000), (44100, 48000), (48000, 44100), (96000, 48000), (48000, 96000), (192000, 44100)]


@native
def run(told: int) -> int:
    """One call of the kernel, its ten arguments from a table."""
    a = i64_1d(told, 10)
    interpolate(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9])
    return 0


def resampled(x: Any, rates: tuple[int, int], step: int, frames: int, position: int = 0, cuts: Any = ()) -> Any:
    """`frames` frames out of float32 ``[channels, frames]``, computed in pieces that end at `cuts`."""
    bank = filter_bank(*map(float, rates))
    x = np.ascontiguousarray(x, np.float32)
    y = np.full((len(x), frames), np.nan, np.float32)
    edges = [0, *cuts, frames]
    for begin, end in itertools.pairwise(edges):
        told = np.array([at(bank), bank.shape[1], at(x), x.shape[1], len(x), position + begin * step, step,
                         at(y) + 4 * begin, frames, end - begin], np.int64)
        run(at(told))
    return y


def sine_through(rates: tuple[int, int], frequency: float, ppm: float = 137.3, frames: int = 20_000) -> Any:
    """A sine of amplitude 1 at `frequency` Hz of the input, resampled; float64 and radians a frame."""
    step = round(rates[0] / rates[1] * (1 + ppm * 1e-6) * 2**FRACTION)
    turn = 2 * np.pi * frequency / rates[0]
    x = np.sin(turn * np.arange(round(frames * rates[0] / rates[1] * 1.01) + 1000))[None]
    return resampled(x, rates, step, frames)[0].astype(float), turn * step / 2**FRACTION


def residual_db(y: Any, turn: float) -> tuple[float, float]:
    """THD+N of a sine of known frequency, and its level; both in dB."""
    n = np.arange(y.size)
    basis = np.stack([np.cos(turn * n), np.sin(turn * n)], axis=1)
    found, *_ = np.linalg.lstsq(basis, y, rcond=None)
    power = np.sum(found**2) / 2
    return 10 * np.log10(np.mean((y - basis @ found) ** 2) / power), 10 * np.log10(2 * power)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("frequency", [997.0, 10_007.0])
def test_a_sine_is_clean(rates: tuple[int, int], frequency: float) -> None:
    noise_db, level_db = residual_db(*sine_through(rates, frequency))
    assert noise_db < -115.0
    assert abs(level_db) < 0.001


@pytest.mark.parametrize("rates", RATES)
def test_it_is_flat_to_20_khz(rates: tuple[int, int]) -> None:
    for frequency in (20.0, 5_000.0, 15_000.0, 19_000.0, 19_990.0):
        noise_db, level_db = residual_db(*sine_through(rates, frequency))
        assert abs(level_db) < 0.005, frequency
        assert noise_db < -100.0, frequency


@pytest.mark.parametrize(("rates", "frequency"), [((96000, 48000), 28_100.0), ((96000, 48000), 40_000.0),
                                                  ((192000, 44100), 24_200.0), ((192000, 44100), 90_000.0)])
def test_what_would_fold_back_is_gone(rates: tuple[int, int], frequency: float) -> None:
    y, _ = sine_through(rates, frequency)
    assert 20 * np.log10(np.abs(y).max()) < -110.0


@pytest.mark.parametrize("rates", [(48000, 48000), (48000, 44100)])
def test_equals_the_filter_written_out(rates: tuple[int, int]) -> None:
    """Against a sum in float64 with the sinc and the window at the exact place, not blended."""
    rng = np.random.default_rng(5)
    taps = filter_taps(*rates)
    x = rng.uniform(-1, 1, 400)
    step, position = round(1.0123 * 2**FRACTION), round(3.7 * 2**FRACTION)
    y = resampled(x[None], rates, step, 200, position)[0]
    places = (position + step * np.arange(200)) / 2**FRACTION + taps // 2 - 1
    t = np.arange(400)[None, :] - places[:, None]
    inside = np.abs(t) < taps / 2
    window = np.where(inside, np.i0(0.1102 * 106.3 * np.sqrt(np.maximum(1 - (2 * t / taps) ** 2, 0))), 0.0)
    low = min(1.0, rates[1] / rates[0])
    h = np.sinc(t * low) * window
    wanted = (h / window.max() * low) @ x
    np.testing.assert_allclose(y, wanted, atol=1e-4)    # white noise: blending is worst at the band's end


def test_at_a_whole_place_and_equal_rates_it_only_delays() -> None:
    x = np.random.default_rng(1).uniform(-1, 1, (2, 300)).astype(np.float32)
    taps = filter_taps(48000, 48000)
    y = resampled(x, (48000, 48000), 1 << FRACTION, 200)
    np.testing.assert_allclose(y, x[:, taps // 2 - 1:taps // 2 - 1 + 200], rtol=3e-7, atol=3e-7)


@given(ratio=st.floats(0.3, 3.0), cuts=st.lists(st.integers(0, 300), max_size=12), channels=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_cuts_change_no_bit(ratio: float, cuts: list[int], channels: int) -> None:
    x = np.random.default_rng(2).uniform(-1, 1, (channels, 1100))
    step = round(ratio * 2**FRACTION)
    whole = resampled(x, (44100, 48000), step, 300)
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(resampled(x, (44100, 48000), step, 300, cuts=sorted(cuts)), whole)


def test_channels_do_not_touch_each_other() -> None:
    x = np.random.default_rng(3).uniform(-1, 1, (8, 600))
    step = round(0.97 * 2**FRACTION)
    together = resampled(x, (48000, 48000), step, 400)
    for c in range(8):
        np.testing.assert_array_equal(resampled(x[c:c + 1], (48000, 48000), step, 400)[0], together[c])


def test_a_place_is_exact_after_days() -> None:
    """40 binary places and int64: ten hours of a piece at a time, and not a bit of a frame is lost."""
    step = round(44100 / 48000 * 2**FRACTION)
    position = whole = 0
    for _ in range(100_000):
        position += 17_280 * step
        whole += position >> FRACTION
        position &= (1 << FRACTION) - 1
    assert (whole << FRACTION) + position == 100_000 * 17_280 * step
