"""ClippingDetector."""

from typing import Any

import numpy as np
import pytest
from scipy import signal

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.clipping import ClippingDetector

RATE = 48_000


def listen(x: np.ndarray, rate: int = RATE, blocks: Any = 4096, **values: Any) -> tuple[list[Any], dict[str, Any]]:
    x = np.atleast_2d(x).astype(np.float32)
    plan, at, events = Plan(chain(ClippingDetector(**values)), rate, x.shape[0], 8192), 0, []
    while at < x.shape[1]:
        count = blocks() if callable(blocks) else blocks
        piece = np.ascontiguousarray(x[:, at:at + count])
        np.testing.assert_array_equal(plan.process(piece), piece)
        events += plan.events()
        at += count
    return events, plan.read("clipping_detector")


def over(events: list[Any], kind: str = "clipping") -> list[tuple[int, int, int, float]]:
    return [(e.channel, e.start, e.end, e.strength) for e in events if e.kind == kind and e.end is not None]


def sine(hz: float, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def runs(x: np.ndarray, threshold: float, least: int = 3) -> list[tuple[int, int]]:
    """Slow and obvious: stretches of equal samples at or above the threshold."""
    made, start = [], 0
    for n in range(1, x.size + 1):
        if n == x.size or x[n] != x[start]:
            if n - start >= least and abs(x[start]) >= threshold:
                made.append((start, n))
            start = n
    return made


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 192_000])
def test_a_clipped_stretch_is_one_event_with_all_its_samples(rate: int) -> None:
    x = 0.5 * sine(220.0, 2.0, rate)
    x[rate // 2:rate] = np.clip(2.6 * x[rate // 2:rate], -1, 1)
    x = x.astype(np.float32)
    expected = runs(x, 0.95)
    assert len(expected) > 100
    events, measures = listen(x, rate, between=False)
    count = sum(end - start for start, end in expected)
    assert over(events) == [(0, expected[0][0], expected[-1][1], count)]
    assert measures["clipped"][0] == count and measures["full_scale"][0] >= count
    assert events[0].start == expected[0][0] and events[0].end is None


def test_events_are_apart_by_the_hold() -> None:
    x = 0.5 * sine(1000.0)
    for at in (20_000, 23_000, 24_000, 60_000):
        x[at:at + 4] = -0.99
    events, _ = listen(x, between=False)
    assert [(start, end) for _, start, end, _ in over(events)] == [(20_000, 20_004), (23_000, 24_004),
                                                                   (60_000, 60_004)]
    assert len(over(listen(x, between=False, hold_ms=5.0)[0])) == 4


def test_what_was_turned_down_is_found_by_its_own_maximum() -> None:
    x = 0.3 * np.clip(1.5 * sine(330.0), -1, 1)
    x[-1000:] = 0                       # what is shown is up to the last whole hop
    events, measures = listen(x, hold_ms=1000.0)
    expected = runs(x.astype(np.float32), 0.29)
    assert events[0].kind == "clipping" and events[0].start == expected[0][0]   # those before it was certain, too
    assert measures["clipped"][0] == sum(end - start for start, end in expected)
    assert listen(x, own_maximum=False)[0] == []
    assert listen(np.maximum(x, -0.2))[0] == []             # one side is not enough


@pytest.mark.parametrize("hz", [20.0, 50.0, 187.3, 997.0, 5000.0])
@pytest.mark.parametrize("level", [1.0, 0.966, 0.5])
def test_round_tops_are_not_flat(hz: float, level: float) -> None:
    x = level * sine(hz)
    assert [e for e in listen(np.round(x * 32767) / 32768)[0] if e.kind == "clipping"] == []
    assert [e for e in listen(x)[0] if e.kind == "clipping"] == []


def test_squares_are_clipping_at_full_scale_only() -> None:
    x = np.where(sine(441.0) >= 0, 1.0, -1.0)
    assert listen(x)[0][0].kind == "clipping"
    assert [e for e in listen(0.5 * x)[0] if e.kind == "clipping"] == []


def test_samples_above_full_scale_need_not_be_equal() -> None:
    x = 0.5 * sine(100.0)
    x[10_000:10_005] = [0.97, 1.2, 1.5, 1.3, 0.9]
    assert over(listen(x, between=False)[0]) == [(0, 10_001, 10_004, 3.0)]


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_peaks_between_samples_above_full_scale(rate: int) -> None:
    n = np.arange(2 * rate)
    x = np.sin(2 * np.pi * n / 4 + np.pi / 4)               # samples at -3 dB of it
    x *= np.where((n > rate // 2) & (n < rate), 1.3, 0.9)
    events, _ = listen(x, rate)
    assert {e.kind for e in events} == {"intersample_clipping"}
    (_, start, end, strength), = over(events, "intersample_clipping")
    assert abs(start - rate // 2) <= 128 and abs(end - rate) <= 128
    exact = np.abs(signal.resample(x, 8 * x.size)).max()
    assert strength == pytest.approx(20 * np.log10(exact), abs=1.0) and strength > 2.2


def test_noise_and_quiet_flat_tops_are_nothing() -> None:
    rng = np.random.default_rng(3)
    assert listen(0.1 * rng.standard_normal((2, 3 * RATE)))[0] == []
    assert listen(0.002 * np.clip(2 * sine(300.0), -1, 1))[0] == []


def test_the_same_in_any_cutting() -> None:
    rng = np.random.default_rng(1)
    x = np.stack([np.clip(0.7 * rng.standard_normal(30_000), -1, 1), 0.5 * np.clip(1.2 * sine(500.0)[:30_000], -1, 1)])
    x[:, 15_000:20_000] *= 0.1
    whole, measures = listen(x, blocks=8192)
    assert {e.kind for e in whole} == {"clipping", "intersample_clipping"}
    for blocks in (1, 7, 63, 64, 511, 513, lambda: int(rng.integers(1, 2000))):
        events, got = listen(x, blocks=blocks)
        assert sorted(map(repr, events)) == sorted(map(repr, whole))
        for name, values in got.items():
            np.testing.assert_array_equal(values, measures[name])
