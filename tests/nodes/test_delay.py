"""Delay."""

from typing import Any

import naive_space as naive
import numpy as np
import pytest

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes.delay import Delay

PLAIN: dict[str, Any] = {"time_ms": 5.0, "feedback": 0.6, "wet": 0.5, "dry": 0.8, "high_cut_hz": 20_000.0,
                         "ping_pong": False}


@pytest.mark.parametrize("more", [
    {}, {"time_ms": 0.0, "feedback": 0.99}, {"time_ms": 0.1}, {"time_ms": 3.37}, {"high_cut_hz": 2000.0},
    {"high_cut_hz": 20.0, "feedback": 0.99}, {"ping_pong": True}, {"ping_pong": True, "high_cut_hz": 500.0},
])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_against_the_difference_equation(more: dict[str, Any], channels: int) -> None:
    x, values = naive.noise(channels, 1500), {**PLAIN, **more}
    y = naive.assert_any_cutting(Delay(**values), x)
    np.testing.assert_allclose(y, naive.delay(x, 48_000, **values), atol=3e-6)


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_echoes_come_in_time_and_get_softer(rate: int) -> None:
    x = np.zeros((1, rate), np.float32)
    x[0, 0] = 1
    y = render(chain(Delay(time_ms=200.0, feedback=0.5, wet=1.0, dry=0.0)), x, rate)[0]
    assert list(np.flatnonzero(y)) == [rate // 5 * k for k in (1, 2, 3, 4)]
    assert list(y[y != 0]) == [1.0, 0.5, 0.25, 0.125]


def test_ping_pong_wanders_from_left_to_right() -> None:
    x = np.zeros((2, 48_000), np.float32)
    x[:, 0] = 1
    y = render(chain(Delay(time_ms=100.0, feedback=0.5, wet=1.0, dry=0.0, ping_pong=True)), x)
    assert list(np.flatnonzero(y[0])) == [4800 * k for k in (1, 3, 5, 7, 9)]
    assert list(np.flatnonzero(y[1])) == [4800 * k for k in (2, 4, 6, 8)]


def test_reset_forgets_the_echoes() -> None:
    plan = Plan(chain(Delay(time_ms=10.0, feedback=0.9)), 48_000, 2)
    first = plan.process(naive.noise(2, 3000))
    plan.reset()
    assert not plan.process(np.zeros((2, 3000), np.float32)).any()
    plan.reset()
    np.testing.assert_array_equal(plan.process(naive.noise(2, 3000)), first)


def test_the_longest_feedback_stays_within_its_bound() -> None:
    x = np.ones((1, 96_000), np.float32)
    y = render(chain(Delay(time_ms=0.0, feedback=0.99, wet=1.0)), x)
    assert abs(y).max() == pytest.approx(101, rel=1e-4)  # 1 + 1 / (1 - 0.99)
