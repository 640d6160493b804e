"""StuckChannelDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.stuck import StuckChannelDetector


def found(x: Any, rate: int = 48_000, block: int = 4096, **values: Any) -> list[NodeEvent]:
    plan = Plan(chain(StuckChannelDetector(**values)), rate, x.shape[0], block)
    np.testing.assert_array_equal(plan.process(x), x)
    return plan.events()


def noise(channels: int, frames: int) -> Any:
    return (0.1 * np.random.default_rng(1).standard_normal((channels, frames))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_one_value_that_is_held(rate: int) -> None:
    x = noise(2, 2 * rate)
    x[1, rate // 2 + 5:rate + 7] = 0.25
    assert [(e.kind, e.phase, e.start, e.end, e.channel, e.strength) for e in found(x, rate)] == [
        ("stuck_channel", "began", rate // 2 + 5, None, 1, 0.25),
        ("stuck_channel", "ended", rate // 2 + 5, rate + 7, 1, 0.25)]
    for value in (0, 1e-4):
        x[1, rate // 2 + 5:rate + 7] = value
        assert found(x, rate) == []


def test_a_dead_channel_is_one_among_others() -> None:
    x = noise(2, 4 * 48_000)
    x[0, 48_000:] = 0
    assert [(e.kind, e.phase, e.start, e.channel) for e in found(x, dead_s=2.0)] == [
        ("dead_channel", "began", 48_000, 0)]
    x[:, 48_000:] = 0
    assert found(x, dead_s=2.0) == []


@pytest.mark.parametrize("length", [64, 67, 128, 441, 480, 1000, 1152, 2777, 4096])
def test_a_buffer_that_comes_again_and_again(length: int) -> None:
    x, times = noise(1, 96_000), max(12, 3000 // length)
    x[0, 20_003:20_003 + times * length] = np.tile(x[0, 20_003:20_003 + length], times)
    began, ended = found(x)
    assert (began.kind, began.phase, ended.phase) == ("repeating_buffer", "began", "ended")
    assert (began.start, ended.end, began.strength) == (20_003 + length, 20_003 + times * length, length)


def test_four_times_are_enough() -> None:
    x = noise(1, 30_000)
    x[0, 5000:9000] = np.tile(x[0, 5000:6000], 4)
    assert [(e.start, e.end) for e in found(x)] == [(6000, None), (6000, 9000)]
    x[0, 8000:9000] += 0.001
    assert found(x) == []


@pytest.mark.parametrize("hertz", [100, 375, 1000, 3000, 750])
def test_tones_that_repeat_themselves_are_none(hertz: int) -> None:
    x = np.round(16_000 * np.sin(2 * np.pi * hertz * np.arange(96_000) / 48_000)) / 32_768
    assert found(x[np.newaxis].astype(np.float32)) == []


@pytest.mark.parametrize("period", [64, 100, 480, 1000])
def test_waves_that_repeat_themselves_are_none(period: int) -> None:
    t = np.arange(48_000) % period / period
    square, saw, pulse = np.sign(t - 0.5), 2 * t - 1, np.where(t < 0.1, 1.0, 0.0)
    dual = np.sin(2 * np.pi * t) + np.sin(2 * np.pi * 7 * t)
    for wave in (square, saw, pulse, np.abs(saw), dual):
        assert found((0.4 * wave)[np.newaxis].astype(np.float32)) == []


def test_the_same_in_any_cutting() -> None:
    x = noise(2, 20_000)
    x[0, 5003:9000] = -0.5
    x[1, 10_003:10_003 + 5140] = np.tile(x[1, 10_003:10_003 + 257], 20)
    whole = found(x, block=8192)
    assert [e.kind for e in whole] == ["stuck_channel"] * 2 + ["repeating_buffer"] * 2
    for block in (1, 31, 32, 33, 500):
        assert found(x, block=block) == whole


def test_a_pause_in_a_sound_with_an_offset_is_none() -> None:
    x = noise(2, 5 * 48_000)
    for start in range(48_000, 5 * 48_000, 24_000):
        x[:, start:start + 9_000] = 0
    assert found(x + np.float32(0.03)) == []
    x[0, 100_000:105_000] = 0.2
    assert [(e.kind, e.start, e.end, e.channel) for e in found(x + np.float32(0.03))] == [
        ("stuck_channel", 100_000, None, 0), ("stuck_channel", 100_000, 105_000, 0)]
