"""SilenceDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.silence import SilenceDetector


def found(x: Any, rate: int = 48_000, block: int = 4096, **values: float) -> list[NodeEvent]:
    plan, events = Plan(chain(SilenceDetector(**values)), rate, x.shape[0], block), []
    for at in range(0, x.shape[1], rate):
        piece = x[:, at:at + rate]
        np.testing.assert_array_equal(plan.process(piece), piece)
        events += plan.events()
    return events


def noise(channels: int, frames: int, rms: float = 0.1) -> Any:
    return (rms * np.random.default_rng(1).standard_normal((channels, frames))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("floor", [0.0, 1e-5, 3e-4])
def test_its_edges_are_exact_where_sound_stops_at_once(rate: int, floor: float) -> None:
    start, end = rate // 4 + 777, rate + 45
    x = noise(2, rate + rate // 8)
    x[:, start:end] = floor * np.random.default_rng(2).standard_normal((2, end - start))
    began, ended = found(x, rate, min_s=0.5)
    assert (began.phase, ended.phase) == ("began", "ended")
    assert began.channel is None and ended.start == began.start
    assert abs(began.start - start) <= 1 and abs(ended.end - end) <= 1  # type: ignore[operator]  # it has an end
    assert ended.strength == pytest.approx(20 * np.log10(max(floor, 1e-8)), abs=0.3)


def test_what_is_too_short_or_too_loud_is_none() -> None:
    x = noise(2, 60_000)
    x[:, 5000:5000 + 23_000] = 0
    x[:, 30_000:] = 0.0013 * noise(2, 30_000, 1.0)
    assert found(x, min_s=0.5) == []


def test_one_channel_alone_and_then_all() -> None:
    x = noise(3, 12 * 48_000)
    x[1, 48_000:400_000] = 0
    x[:, 200_000:350_000] = 0
    events = found(x)
    assert [(e.phase, e.channel, e.start, e.end) for e in events] == [
        ("began", 1, 48_000, None), ("began", None, 200_000, None), ("ended", None, 200_000, 350_000),
        ("ended", 1, 48_000, 400_000)]


def test_hysteresis_holds_it_together() -> None:
    x = noise(1, 6 * 48_000, 10 ** (-63 / 20))
    x[:, 150_000:180_000] *= 10 ** (4.5 / 20)
    assert [e.phase for e in found(x)] == ["began"]
    assert [e.phase for e in found(x, hysteresis_db=0.0)][:2] == ["began", "ended"]


def test_the_same_in_any_cutting() -> None:
    x = noise(2, 15_000)
    x[0, 2001:11_007] = 0
    x[:, 6003:9011] = 1e-5
    whole = found(x, block=8192, min_s=0.05)
    assert len(whole) == 4
    for block in (1, 7, 255, 256, 257, 1000):
        assert found(x, block=block, min_s=0.05) == whole


def test_what_is_no_number_passes_by() -> None:
    x = noise(1, 48_000 * 4)
    x[0, 1000], x[0, 2000], x[0, 3000] = 1e30, 9e5, -1e9
    x[0, 50_000:] = 0
    assert [(e.phase, e.start) for e in found(x)] == [("began", 50_000)]


def test_its_measures() -> None:
    plan = Plan(chain(SilenceDetector()), 48_000, 2)
    x = noise(2, 48_000)
    x[1] = 0
    plan.process(x)
    got = plan.read("silence_detector")
    assert got["level_dbfs"][0] == pytest.approx(-20, abs=1) and got["level_dbfs"][1] == -160
    assert got["silent_s"][0] == 0 and got["silent_s"][1] == pytest.approx(1.0, abs=0.01)
    assert got["all_silent_s"][0] == 0
