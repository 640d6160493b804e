"""Compressor."""

from typing import Any

import naive_dynamics as naive
import numpy as np
import pytest
from support import in_pieces, wired

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes.channels import ChannelMap
from flowaudio.nodes.dynamics import Compressor
from flowaudio.nodes.mixing import Gain


def programme(channels: int = 2, frames: int = 20_000, seed: int = 1) -> Any:
    """Noise whose level goes up and down by 40 dB."""
    rng = np.random.default_rng(seed)
    swell = 10 ** (-1 - np.cos(np.arange(frames) * 2e-3 + np.arange(channels)[:, None]))
    return (rng.standard_normal((channels, frames)) * swell).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_is_the_equation(rate: int, channels: int) -> None:
    x = programme(channels)
    node = Compressor(threshold_db=-25, ratio=3, attack_ms=3, release_ms=40, knee_db=8, makeup_db=4)
    y = render(chain(node), x, rate)
    wanted = naive.compress(x, rate, -25, 3, 3, 40, knee_db=8, makeup_db=4)
    assert np.max(np.abs(y - wanted)) < 1e-6 * np.max(np.abs(wanted))


@pytest.mark.parametrize("values", [
    {"attack_ms": 0.0, "release_ms": 1.0}, {"attack_ms": 500.0, "release_ms": 1.0}, {"ratio": 1.0}, {"ratio": 100.0},
    {"attack_ms": 500.0, "release_ms": 5000.0}, {"knee_db": 40.0}, {"threshold_db": -80.0}, {"threshold_db": 0.0}])
def test_is_the_equation_at_its_limits(values: dict[str, float]) -> None:
    x = programme()
    given = {"threshold_db": -20.0, "ratio": 4.0, "attack_ms": 5.0, "release_ms": 100.0, "knee_db": 0.0} | values
    y = render(chain(Compressor(**given)), x, 48_000)
    wanted = naive.compress(x, 48_000, **given)
    assert np.max(np.abs(y - wanted)) < 2e-6 * np.max(np.abs(wanted))


def test_a_slow_release_at_a_high_rate_does_not_stick() -> None:
    x = np.full((1, 192_000), 1e-3, np.float32)
    x[:, :20_000] = 1
    y = render(chain(Compressor(release_ms=5000, attack_ms=0, knee_db=0, threshold_db=-20, ratio=100)), x, 192_000)
    wanted = naive.compress(x, 192_000, -20, 100, 0, 5000)
    np.testing.assert_allclose(y, wanted, rtol=2e-6)


def test_unlinked_and_rms() -> None:
    x = programme(3)
    for linked in (False, True):
        for rms in (False, True):
            node = Compressor(linked=linked, detector="rms" if rms else "peak", rms_ms=5, knee_db=6)
            wanted = naive.compress(x, 48_000, -20, 4, 5, 100, knee_db=6, linked=linked, rms_ms=5 if rms else None)
            got = render(chain(node), x, 48_000)
            assert np.max(np.abs(got - wanted)) < 1e-6 * np.max(np.abs(wanted)), (linked, rms)


@pytest.mark.parametrize("mono", [False, True])
def test_a_sidechain_rules(mono: bool) -> None:
    x = programme(2, seed=3)
    graph = wired({"duck": Compressor(threshold_db=-30, knee_db=0, linked=False),
                   "key": ChannelMap(channels=1) if mono else Gain(gain_db=12)},
                  ("in", "duck"), ("in", "key"), ("key", "duck.sidechain"), ("duck", "out"))
    side = x.mean(axis=0, keepdims=True) if mono else x * 10 ** (12 / 20)
    wanted = naive.compress(x, 48_000, -30, 4, 5, 100, side=side, linked=mono)
    assert np.max(np.abs(render(graph, x, 48_000) - wanted)) < 1e-6 * np.max(np.abs(wanted))


@pytest.mark.parametrize("values", [{}, {"linked": False}, {"detector": "rms"},
                                    {"attack_ms": 200.0, "release_ms": 5.0}])
def test_any_cutting(values: dict[str, Any]) -> None:
    x = programme(3, 9000)
    whole = Plan(chain(Compressor(**values)), 48_000, 3, 8192).process(x)
    for lengths in ([1], [7, 256, 3], [1000, 13]):
        pieces = in_pieces(Plan(chain(Compressor(**values)), 48_000, 3, 8192), x, lengths)
        np.testing.assert_array_equal(whole, pieces)


def test_below_the_knee_nothing_changes() -> None:
    x = np.clip(programme(), -0.05, 0.05)
    np.testing.assert_array_equal(render(chain(Compressor(threshold_db=-20, knee_db=6)), x), x)


def test_a_peak_is_reduced_and_the_rest_is_left_alone() -> None:
    x = np.full((1, 1000), 0.1, np.float32)
    x[0, 500] = 0.8
    y = render(chain(Compressor(threshold_db=-20, ratio=4, attack_ms=5, release_ms=100)), x, 48_000)
    assert y[0, 500] < 0.8
    assert abs(np.mean(np.abs(y)) - 0.1) < 0.05


def test_tells_its_reduction() -> None:
    plan = Plan(chain(Compressor(threshold_db=-20, ratio=4, attack_ms=1, knee_db=0)), 48_000, 2)
    plan.process(np.ones((2, 48_000), np.float32))
    np.testing.assert_allclose(plan.read("compressor")["gain_reduction_db"], [15], atol=1e-3)
    plan.reset()
    np.testing.assert_array_equal(plan.read("compressor")["gain_reduction_db"], [0])
