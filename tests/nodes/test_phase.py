"""PhaseDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.phase import PhaseDetector


def made(x: Any, rate: int = 48_000, block: int = 4096, **values: float) -> tuple[list[NodeEvent], Any]:
    plan = Plan(chain(PhaseDetector(**values)), rate, x.shape[0], block)
    np.testing.assert_array_equal(plan.process(x), x)
    return plan.events(), plan.read("phase_detector")


def stereo(frames: int, common: float = 0.9) -> Any:
    a, b, c = 0.1 * np.random.default_rng(1).standard_normal((3, frames))
    return np.stack([common * a + (1 - common) * b, common * a + (1 - common) * c]).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_an_inversion(rate: int) -> None:
    x = stereo(9 * rate)
    x[1, 2 * rate + 123:6 * rate] *= -1
    (began, ended), _ = made(x, rate)
    assert (began.phase, ended.phase, began.channel, ended.start) == ("began", "ended", None, began.start)
    assert abs(began.start - 2 * rate - 123) < 0.001 * rate and abs((ended.end or 0) - 6 * rate) < 0.001 * rate
    assert began.strength < -0.9


def test_wide_stereo_mono_and_short_turns_are_none() -> None:
    x = stereo(6 * 48_000, 0.0)
    assert made(x)[0] == []
    x = stereo(6 * 48_000)
    x[1, 100_000:130_000] *= -1
    assert made(x)[0] == []
    assert made(x[:1])[0] == []


def test_its_measures() -> None:
    x = stereo(96_000, 0.5)
    _, got = made(x, window_s=2.0)
    exact = x.astype(np.float64)[:, -96_000 // 480 * 480:]
    assert got["correlation"][0] == pytest.approx(np.corrcoef(exact)[0, 1], abs=0.01)
    folded = np.mean(np.sum(exact, axis=0) ** 2)
    assert got["fold_loss_db"][0] == pytest.approx(10 * np.log10(2 * np.sum(np.mean(exact ** 2, 1)) / folded), abs=0.05)
    assert made(np.stack([x[0], x[0]]))[1]["false_stereo"][0] == 1 and got["false_stereo"][0] == 0


def test_an_inversion_of_what_now_and_then_is_none() -> None:
    """The place is where it began, though what came then says little for some seconds."""
    x, wide = stereo(8 * 48_000), stereo(8 * 48_000, 0.55)
    x[:, 96_000:192_000] = wide[:, 96_000:192_000]
    x[1, 96_000:] *= -1
    (began,), _ = made(x)
    assert abs(began.start - 96_000) < 4800


def test_surround_has_pairs() -> None:
    x = np.concatenate([stereo(4 * 48_000)] * 3)
    x[5] *= -1
    events, got = made(x)
    assert [(e.channel, e.phase, e.start) for e in events] == [(4, "began", 0)]
    assert len(got["correlation"]) == 2


def test_the_same_in_any_cutting() -> None:
    x = stereo(30_000)
    x[1, 7001:22_001] *= -1
    x[0, 50] = 1e30
    whole = made(x, block=8192, min_s=0.1, window_s=0.1)[0]
    assert len(whole) == 2
    for block in (1, 31, 479, 1000):
        assert made(x, block=block, min_s=0.1, window_s=0.1)[0] == whole
