"""Limiter: its output, judged by interpolators of another make."""

from typing import Any

import naive_dynamics as naive
import numpy as np
import pytest
import scipy.signal as sps
from support import in_pieces

from flowaudio.core.node import Format
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes import _truepeak
from flowaudio.nodes.limiter import Limiter

FRAMES = 60_000


def nasty(name: str, frames: int = FRAMES) -> Any:
    """Signals that have broken limiters; full scale and far above."""
    rng = np.random.default_rng(7)
    n = np.arange(frames)
    noise = rng.standard_normal(frames)
    made = {
        "quarter rate, 45 degrees": 1.41 * np.sin(np.pi * n / 2 + np.pi / 4),
        "square": 1.0 * np.where(np.sin(2 * np.pi * n * 0.020771) >= 0, 1, -1),
        "white noise +20 dB": 3.3 * noise,
        "random bits": np.where(noise > 0, 1.0, -1.0),
        "pink noise": sps.lfilter([1], [1, -0.95], noise),
        "clicks": np.where(rng.random(frames) < 0.003, 10 * noise, 0),
        "bursts": 10 * np.sin(2 * np.pi * 0.23 * n + 1) * (n % 4800 < 40),
        "gated high tone": 5 * np.sin(2 * np.pi * 0.31 * n) * rng.random(frames // 6 + 1).repeat(6)[:frames],
        "near the end of the band": 3 * np.sin(2 * np.pi * 0.45 * n),
        "one period at a quarter": _case_20(frames),
        "chord": sum(np.sin(2 * np.pi * f * n) for f in (0.0046, 0.0058, 0.0069, 0.11, 0.173)) * (1 + np.sin(n * 3e-4)),
    }
    return made[name]


NASTY = ["quarter rate, 45 degrees", "square", "white noise +20 dB", "random bits", "pink noise", "clicks", "bursts",
         "gated high tone", "near the end of the band", "one period at a quarter", "chord"]


def _case_20(frames: int) -> Any:
    """EBU Tech 3341, 20 to 23: a sixth of the rate, with one phase-continuous period of a quarter of it at twice."""
    step = np.full(4 * frames, 1 / 24)
    level = np.full(4 * frames, 0.5)
    for at in range(4800, 4 * frames - 24, 9601):
        step[at:at + 16] = 1 / 16
        level[at:at + 16] = 1.0
    fine = level * np.sin(2 * np.pi * np.cumsum(step))
    return 2 * sps.resample_poly(fine, 1, 4)


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("lookahead_ms", [0.5, 5.0])
def test_the_true_peak_stays_under_the_ceiling(name: str, lookahead_ms: float) -> None:
    ceiling = 10 ** (-1 / 20)
    y = render(chain(Limiter(lookahead_ms=lookahead_ms)), nasty(name), 48_000)
    assert np.max(np.abs(y)) <= ceiling
    worst = max(naive.true_peak(y), naive.true_peak_resampled(y), naive.true_peak(y, half=20))
    assert 20 * np.log10(worst / ceiling) < 0.2
    assert worst > 0.6 * ceiling  # and not by silence


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_rate_and_channel_count(rate: int, channels: int) -> None:
    x = np.stack([np.roll(nasty(NASTY[c + 2], 30_000), 100 * c) for c in range(channels)])
    y = render(chain(Limiter(ceiling_dbtp=-6, release_ms=20)), x, rate)
    assert np.max(np.abs(y)) <= 10 ** (-6 / 20)
    worst = max(naive.true_peak(y), naive.true_peak_resampled(y))
    assert 20 * np.log10(worst) + 6 < 0.2


@pytest.mark.parametrize("values", [{"ceiling_dbtp": 0.0}, {"ceiling_dbtp": -30.0}, {"release_ms": 1.0},
                                    {"release_ms": 2000.0}, {"lookahead_ms": 20.0}])
def test_at_its_limits(values: dict[str, float]) -> None:
    ceiling = 10 ** (values.get("ceiling_dbtp", -1.0) / 20)
    for name in ("white noise +20 dB", "bursts"):
        y = render(chain(Limiter(**values)), nasty(name), 48_000)
        assert np.max(np.abs(y)) <= ceiling
        assert 20 * np.log10(max(naive.true_peak(y), naive.true_peak_resampled(y)) / ceiling) < 0.2


@pytest.mark.parametrize("rate", [8000, 48_000, 192_000])
@pytest.mark.parametrize("lookahead_ms", [0.5, 5.0, 20.0])
def test_below_the_ceiling_nothing_changes_but_time(rate: int, lookahead_ms: float) -> None:
    rng = np.random.default_rng(2)
    x = sps.lfilter([0.05], [1, -0.9], rng.standard_normal((2, 20_000))).astype(np.float32)
    assert naive.true_peak(x) < 0.85
    node = Limiter(ceiling_dbtp=-1, lookahead_ms=lookahead_ms)
    plan = Plan(chain(node), rate, 2)
    y = plan.process(x)
    late = plan.latency
    assert late == node.latency(Format(rate, 2, 256)) == max(32, round(lookahead_ms * rate / 1000)) + 36
    np.testing.assert_array_equal(y[:, late:], x[:, :-late])
    np.testing.assert_array_equal(y[:, :late], 0)


def test_after_a_loud_passage_it_comes_back_exactly() -> None:
    x = np.full((1, 400_000), 0.1, np.float32)
    x[:, 1000:20_000] = 8
    y = render(chain(Limiter(release_ms=10)), x, 48_000)
    assert y[0, 21_000] < 0.05
    np.testing.assert_array_equal(y[:, -100_000:], x[:, -100_000:])


def test_a_single_peak_is_forgotten_sooner_than_a_passage() -> None:
    peak, passage = np.full((2, 48_000), 0.1, np.float32)
    peak[10_000] = passage[1000:10_001] = 4
    node = Limiter(release_ms=50)
    after_peak, after_passage = (render(chain(node), x[None], 48_000)[0, 10_001 + 4800] for x in (peak, passage))
    assert after_passage < 0.055 < 0.075 < after_peak


def test_one_gain_for_all_channels() -> None:
    x = np.stack([nasty("pink noise"), 0.01 * nasty("chord")])
    y = render(chain(Limiter()), x, 48_000)
    gain = y[0] / x[0].astype(np.float32)
    assert gain.min() < 0.3
    np.testing.assert_allclose(y[1], x[1] * gain, atol=1e-7)


@pytest.mark.parametrize("lookahead_ms", [0.5, 5.0, 20.0])
def test_any_cutting(lookahead_ms: float) -> None:
    x = np.stack([nasty("pink noise", 9000), nasty("bursts", 9000)]).astype(np.float32)
    node = Limiter(lookahead_ms=lookahead_ms)
    whole = Plan(chain(node), 48_000, 2, 8192).process(x)
    for lengths in ([1], [7, 256, 3], [1000, 13], [31, 33]):
        np.testing.assert_array_equal(whole, in_pieces(Plan(chain(node), 48_000, 2, 8192), x, lengths))


def test_tells_its_reduction() -> None:
    plan = Plan(chain(Limiter(ceiling_dbtp=-6)), 48_000, 1)
    plan.process(np.sin(np.arange(96_000, dtype=np.float32) * 0.1)[None])
    np.testing.assert_allclose(plan.read("limiter")["gain_reduction_db"], [6], atol=0.02)


def test_the_interpolators_are_flat() -> None:
    """Each half-band filter within 0.05 dB where the ones before it have left something."""
    taps = _truepeak.coefficients().astype(np.float64)
    for first, half, end in ((0, 32, 0.465), (40, 6, 0.25), (46, 4, 0.125)):
        frequency = np.linspace(0, end, 200)[:, None]
        gain = 2 * np.cos(2 * np.pi * frequency * (np.arange(half) + 0.5)) @ taps[first:first + half]
        assert np.max(np.abs(20 * np.log10(gain))) < 0.05
