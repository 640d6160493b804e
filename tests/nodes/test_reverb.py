"""Reverb."""

from typing import Any

import naive_space as naive
import numpy as np
import pytest

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes import reverb
from flowaudio.nodes.reverb import Reverb

PLAIN: dict[str, Any] = {"room_size": 0.5, "damping": 0.5, "wet": 1.0, "dry": 0.0, "width": 1.0, "predelay_ms": 0.0}


def impulse(channels: int, frames: int) -> np.ndarray:
    x = np.zeros((channels, frames), np.float32)
    x[:, 0] = 1
    return x


def decay_s(rate: int = 48_000, **values: Any) -> float:
    """Seconds in which the reverberation falls by 60 dB: twice the time from -5 to -35 dB (ISO 3382)."""
    y = render(chain(Reverb(**{**PLAIN, **values})), impulse(1, 6 * rate), rate)[0].astype(float)
    left = 10 * np.log10(np.cumsum((y * y)[::-1])[::-1] + 1e-30)
    left -= left[0]
    return float(2 * (np.argmax(left < -35) - np.argmax(left < -5)) / rate)


@pytest.mark.parametrize(("more", "rate", "channels"), [
    ({}, 48_000, 2), ({"dry": 0.7, "width": 0.3, "predelay_ms": 3.0}, 44_100, 2), ({"width": 0.0}, 8000, 3),
    ({"room_size": 1.0, "damping": 0.0}, 48_000, 1), ({"room_size": 1.0, "damping": 1.0}, 8000, 8),
    ({"room_size": 0.0, "predelay_ms": 0.02}, 48_000, 1), ({"predelay_ms": 100.0}, 16_000, 2),
])
def test_against_the_recurrence(more: dict[str, Any], rate: int, channels: int) -> None:
    values = {**PLAIN, **more}
    x = np.concatenate([impulse(channels, 3000), 0.3 * naive.noise(channels, 6000)], axis=1)
    expected = naive.reverb(x, rate, **values)
    error = abs(render(chain(Reverb(**values)), x, rate) - expected).max()
    assert error < 1e-6 * abs(expected).max()


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (8000, 1), (1000, 3)])
def test_any_cutting(rate: int, channels: int) -> None:
    naive.assert_any_cutting(Reverb(predelay_ms=1.3, width=0.7), naive.noise(channels, 4000), rate)


def test_a_larger_room_reverberates_longer() -> None:
    times = [decay_s(room_size=size, damping=0.0) for size in (0.0, 0.25, 0.5, 0.75, 0.9)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.6, rel=0.1)
    assert times[2] == pytest.approx(1.2, rel=0.1)


def test_the_room_is_the_same_at_every_rate() -> None:
    times = [decay_s(rate, damping=0.0) for rate in (8000, 48_000, 192_000)]
    assert max(times) < 1.05 * min(times)


def test_damping_takes_treble() -> None:
    def treble(damping: float) -> float:
        y = render(chain(Reverb(**{**PLAIN, "damping": damping})), impulse(1, 48_000))[0, 12_000:]
        spectrum = abs(np.fft.rfft(y)) ** 2
        return float(spectrum[12_000:].sum() / spectrum.sum())

    assert treble(1.0) < 0.1 * treble(0.0)


def test_it_dies_away_into_exact_silence() -> None:
    plan = Plan(chain(Reverb(room_size=0.0)), 48_000, 2)
    plan.process(naive.noise(2, 4800))
    plan.process(np.zeros((2, 480_000), np.float32))
    assert not plan.process(np.zeros((2, 48_000), np.float32)).any()


def test_the_longest_room_is_stable() -> None:
    plan = Plan(chain(Reverb(**{**PLAIN, "room_size": 1.0, "damping": 0.0})), 48_000, 2)
    x = naive.noise(2, 480_000)
    first, last = plan.process(x), plan.process(x)
    assert plan.trouble == {}
    power = [(y[:, -96_000:] ** 2).mean() for y in (first, last)]
    assert power[1] < 1.3 * power[0] < 30 * (x * x).mean()
    quiet = plan.process(np.zeros((2, 960_000), np.float32))
    assert (quiet[:, -4800:] ** 2).mean() < 1e-9 * power[1]


def test_level_follows_wet_and_dry() -> None:
    x = naive.noise(1, 96_000)[[0, 0]]
    np.testing.assert_array_equal(render(chain(Reverb(wet=0.0, dry=1.0)), x), x)
    one, half = (render(chain(Reverb(wet=w, dry=0.0)), x) for w in (1.0, 0.5))
    np.testing.assert_allclose(half, 0.5 * one, rtol=1e-5, atol=1e-6)
    assert abs(10 * np.log10((one**2).mean() / (x**2).mean())) < 1


@pytest.mark.parametrize("band", [(20, 120), (120, 1000), (1000, 20_000)])
def test_width_parts_the_channels_in_the_bass_too(band: tuple[int, int]) -> None:
    def correlation(width: float) -> float:
        y = render(chain(Reverb(**{**PLAIN, "width": width, "room_size": 0.8})), impulse(2, 96_000))
        spectrum = np.fft.rfft(y.astype(float))[:, band[0] * 2:band[1] * 2]
        left, right = spectrum
        return float((left * right.conj()).sum().real / np.sqrt((abs(left)**2).sum() * (abs(right)**2).sum()))

    assert correlation(0.0) == pytest.approx(1.0)
    assert abs(correlation(1.0)) < 0.25


def test_nothing_gathers_below_the_lowest_resonance() -> None:
    y = render(chain(Reverb(**{**PLAIN, "room_size": 0.5})), np.ones((2, 192_000), np.float32))
    assert abs(y[:, -4800:]).max() < 1e-5


def test_each_channel_has_its_own_choice_of_combs() -> None:
    signs = np.zeros((7, 8))
    for row, order in zip(signs, reverb.SIGNS, strict=True):
        row[list(order[0::2])], row[list(order[1::2])] = 1, -1
    np.testing.assert_array_equal(signs @ signs.T, 8 * np.eye(7))
    np.testing.assert_array_equal(signs.sum(axis=1), np.zeros(7))
