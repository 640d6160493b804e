"""LevelJumpDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.level_jump import LevelJumpDetector


def found(x: Any, rate: int = 48_000, block: int = 4096, **values: float) -> list[NodeEvent]:
    plan = Plan(chain(LevelJumpDetector(**values)), rate, x.shape[0], block)
    np.testing.assert_array_equal(plan.process(x), x)
    return plan.events()


def babble(channels: int, seconds: float, rate: int = 48_000) -> Any:
    """Noise whose level wanders, with pauses."""
    rng, frames = np.random.default_rng(1), int(seconds * rate)
    steps = 10 ** (rng.uniform(-4, 4, frames // (rate // 8) + 1) / 20)
    steps[::7] = 0
    return (0.1 * np.repeat(steps, rate // 8)[:frames] * rng.standard_normal((channels, frames))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 48_000])
@pytest.mark.parametrize("change_db", [-20.0, 16.0])
def test_a_jump_that_stays(rate: int, change_db: float) -> None:
    x = babble(2, 10, rate)
    x[:, 5 * rate:] *= 10 ** (change_db / 20)
    (event,) = found(x, rate)
    assert event.channel is None and event.phase == "whole" and abs(event.start - 5 * rate) < 0.2 * rate
    assert event.strength == pytest.approx(change_db, abs=3)
    x[0, 5 * rate:] *= 10 ** (-change_db / 20)
    assert [e.channel for e in found(x, rate)] == [1]


def test_what_wanders_or_comes_back_or_is_slow_is_none() -> None:
    x = babble(1, 20)
    assert found(x) == []
    shouted = x.copy()
    shouted[:, 300_000:348_000] *= 8
    assert found(shouted) == []
    assert found((x * np.linspace(0.05, 1, x.shape[1])).astype(np.float32)) == []


def test_pauses_do_not_count() -> None:
    x = babble(1, 10)
    x[:, 4 * 48_000:6 * 48_000] = 0
    assert found(x) == []
    x = babble(1, 10)
    x *= 10 ** (np.clip(np.arange(x.shape[1]) / 48_000 - 3, 0, 4) / 4)
    assert found(x) == []


def test_the_same_in_any_cutting() -> None:
    x = babble(2, 4)
    x[:, 90_001:] *= 0.1
    whole = found(x, block=8192, hold_s=1.0)
    assert len(whole) == 1
    for block in (57, 960, 1111):
        assert found(x, block=block, hold_s=1.0) == whole
    assert found(x[:, 60_000:120_000], block=1, hold_s=0.5) == found(x[:, 60_000:120_000], hold_s=0.5)
