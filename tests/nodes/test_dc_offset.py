"""DCDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.dc_offset import DCDetector


def found(x: Any, rate: int = 48_000, block: int = 4096, **values: float) -> list[NodeEvent]:
    plan = Plan(chain(DCDetector(**values)), rate, x.shape[0], block)
    np.testing.assert_array_equal(plan.process(x), x)
    return plan.events()


def noise(channels: int, frames: int) -> Any:
    return (0.05 * np.random.default_rng(1).standard_normal((channels, frames))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_an_offset_that_comes_and_goes(rate: int) -> None:
    x = noise(2, 6 * rate)
    x[1, rate:4 * rate] -= 0.02
    began, ended = found(x, rate)
    assert (began.phase, ended.phase, began.channel, ended.start) == ("began", "ended", 1, began.start)
    assert abs(began.start - rate) < 0.05 * rate and abs((ended.end or 0) - 4 * rate) < 0.05 * rate
    assert began.strength == pytest.approx(-0.019, abs=0.003)


@pytest.mark.parametrize("hertz", [20.0, 20.3, 47.0])
def test_low_notes_are_none(hertz: float) -> None:
    x = np.sin(2 * np.pi * hertz * np.arange(6 * 48_000) / 48_000)[np.newaxis].astype(np.float32)
    assert found(x) == []


@pytest.mark.parametrize("hertz", [4.0, 5.0, 8.0, 12.0])
def test_low_tones_that_start_at_once_are_none(hertz: float) -> None:
    t = np.arange(-8000, 3 * 8000) / 8000
    x = [np.where(t < 0, 0, np.sin(2 * np.pi * hertz * t + phase)) for phase in (0, 0.7, 1.4, 2.1, 3.1, 4.0)]
    assert found(np.stack(x).astype(np.float32), 8000) == []


def test_hysteresis_and_measures() -> None:
    x = noise(1, 10 * 48_000)
    x[0, :240_000] += 0.015
    x[0, 240_000:] += 0.008
    assert [e.phase for e in found(x)] == ["began"]
    plan = Plan(chain(DCDetector()), 48_000, 1)
    plan.process(x)
    got = plan.read("dc_detector")
    assert got["offset"][0] == pytest.approx(0.008, abs=0.001)
    assert got["max_offset"][0] == pytest.approx(0.015, abs=0.001)


def test_the_same_in_any_cutting_and_after_what_is_no_number() -> None:
    x = noise(2, 24_000)
    x[0, 500] = 1e30
    x[0, 7000:] += 0.05
    whole = found(x, block=8192, window_s=0.2)
    assert len(whole) == 1
    for block in (1, 31, 480, 999):
        assert found(x, block=block, window_s=0.2) == whole
