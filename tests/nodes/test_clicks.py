"""ClickDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.clicks import ClickDetector

RATE = 48_000


def tones(rate: int = RATE, seconds: float = 2.0, seed: int = 1) -> np.ndarray:
    """A chord over a little noise."""
    t = np.arange(round(rate * seconds)) / rate
    chord = sum(np.sin(2 * np.pi * f * t + f) for f in (110.0, 277.2, 880.0, 2093.0))
    return (0.1 * chord + 1e-3 * np.random.default_rng(seed).standard_normal(t.size)).astype(np.float32)


def found(x: np.ndarray, rate: int = RATE, blocks: Any = 4096, **values: float) -> list[tuple[str, int, int, int]]:
    x = np.atleast_2d(x)
    plan, at, events = Plan(chain(ClickDetector(**values)), rate, x.shape[0], 8192), 0, []
    while at < x.shape[1]:
        count = blocks() if callable(blocks) else blocks
        piece = np.ascontiguousarray(x[:, at:at + count])
        np.testing.assert_array_equal(plan.process(piece), piece)
        events += plan.events()
        at += count
    counts = plan.read("click_detector")
    assert sum(counts["clicks"]) + sum(counts["discontinuities"]) == len(events)
    return [(event.kind, event.channel or 0, event.start, event.end or 0) for event in events]


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
def test_single_samples_and_short_pulses_are_found_where_they_are(rate: int) -> None:
    x = tones(rate)
    places = [rate // 2 + 17, rate, rate + rate // 2 + 333]
    x[places[0]] += np.float32(0.1)
    x[places[1]] -= np.float32(0.5)
    x[places[2]:places[2] + 4] += np.float32([0.3, -0.4, 0.2, 0.5])
    assert found(x, rate) == [("click", 0, p, p + n) for p, n in zip(places, (1, 1, 4), strict=True)]


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
def test_a_splice_is_a_discontinuity_at_its_first_sample(rate: int) -> None:
    x = tones(rate, 3.0)
    cut, gone = rate + 5, rate // 97
    made = np.concatenate([x[:cut], x[cut + gone:]])
    assert abs(made[cut] - x[cut]) > 0.05
    assert found(made, rate) == [("discontinuity", 0, cut, cut + 1)]


def test_what_is_repeated_in_a_gap_has_two_ends() -> None:
    x = tones(seconds=2.0)
    at, size = 50_000, 961
    x[at:at + size] = x[at - size:at].copy()
    assert [(kind, start) for kind, _, start, _ in found(x)] == [("discontinuity", at), ("discontinuity", at + size)]


def test_channels_are_looked_at_one_by_one() -> None:
    x = np.stack([tones(seed=1), tones(seed=2), tones(seed=3)])
    x[1, 40_000] += 0.2
    assert found(x) == [("click", 1, 40_000, 40_001)]


def hits(rate: int) -> np.ndarray:
    """Drums and plucks with sharp attacks, two a second each."""
    rng, t = np.random.default_rng(4), np.arange(round(0.45 * rate)) / rate
    fade = np.minimum(1, 100 * (t[-1] - t))
    sweep = 2 * np.pi * np.cumsum(50 + 140 * np.exp(-40 * t)) / rate
    noise = rng.standard_normal(t.size)
    pluck = np.zeros(t.size)
    pluck[:240] = rng.uniform(-1, 1, 240)
    for n in range(241, t.size):
        pluck[n] += 0.498 * (pluck[n - 240] + pluck[n - 241])
    kinds = [0.8 * np.sin(sweep) * np.exp(-12 * t), 0.3 * noise * np.exp(-18 * t), 0.3 * noise * np.exp(-200 * t),
             0.5 * (np.sin(2 * np.pi * 2300 * t) + np.sin(2 * np.pi * 3900 * t)) * np.exp(-300 * t), 0.5 * pluck]
    y = 1e-4 * rng.standard_normal(6 * rate)
    for k in range(22):
        start = round((0.1 + 0.25 * k) * rate)
        y[start:start + t.size] += (fade * kinds[k % len(kinds)])[:y.size - start]
    return y.astype(np.float32)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_attacks_of_drums_and_strings_are_none(rate: int) -> None:
    assert found(hits(rate)) == []


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_short_ring_is_a_click_and_a_longer_one_a_hit(rate: int) -> None:
    t = np.arange(round(0.02 * rate)) / rate
    for length_ms, whole in ((0.5, 1), (0.8, 1), (8.0, 0), (15.0, 0)):
        x, start = tones(rate), rate
        ring = 0.2 * np.cos(2 * np.pi * 4500 * t) * np.exp(-t / (0.0003 * length_ms)) * (t < 0.001 * length_ms)
        x[start:start + t.size] += ring.astype(np.float32)
        events = [event for event in found(x, rate) if event[0] == "click"]
        assert len(events) == whole
        for _, _, first, end in events:
            assert abs(first - start) < 0.0005 * rate and end - start <= 0.0012 * rate


def test_a_click_between_the_drums_is_found() -> None:
    x = hits(RATE)
    x[50_400] += 0.4
    assert found(x) == [("click", 0, 50_400, 50_401)]


@pytest.mark.parametrize("hz", [41.2, 110.0, 987.0])
def test_edges_of_saw_teeth_and_squares_are_a_waveform(hz: float) -> None:
    t = np.arange(2 * RATE) / RATE
    swell = np.minimum(1, 20 * t)
    for wave in (2 * ((hz * t) % 1) - 1, np.sign(np.sin(2 * np.pi * hz * t + 0.1))):
        assert found((0.4 * swell * wave).astype(np.float32)) == []


def test_noise_silence_and_what_is_no_number_are_quiet() -> None:
    rng = np.random.default_rng(7)
    assert found((0.1 * rng.standard_normal(3 * RATE)).astype(np.float32)) == []
    assert found(np.zeros(RATE, np.float32)) == []
    x = tones()
    x[:RATE // 2] = np.nan
    x[RATE // 2:RATE] = 1e30
    x[70_000] += 0.3
    assert ("click", 0, 70_000, 70_001) in plan_without_checks(x)


def plan_without_checks(x: np.ndarray) -> list[tuple[str, int, int, int]]:
    """What is found where the output is not finite, and so not compared, and the walk puts the node back."""
    plan = Plan(chain(ClickDetector()), RATE, 1, 8000)
    events = []
    for n in range(0, x.size, 8000):
        plan.process(x[np.newaxis, n:n + 8000])
        events += plan.events()
    return [(event.kind, event.channel or 0, event.start, event.end or 0) for event in events]


def test_the_same_in_any_cutting() -> None:
    x = np.stack([tones(seconds=1.2), hits(RATE)[:57_600]])
    x[0, [20_000, 30_003]] += 0.2
    x[1, 25_000] += 0.5
    x[0] = np.concatenate([x[0, :35_000], x[0, 35_100:], x[0, :100]])
    whole, rng = found(x, blocks=8192), np.random.default_rng(3)
    assert len(whole) == 4
    for blocks in (lambda: int(rng.integers(1, 40)), 511, 512, 513, lambda: int(rng.integers(1, 2000))):
        assert sorted(found(x, blocks=blocks)) == sorted(whole)


def test_the_threshold_and_the_floor_are_kept() -> None:
    x = tones()
    x[40_000] += 0.02                   # 26 dB over the noise
    assert found(x) == [("click", 0, 40_000, 40_001)]
    assert found(x, threshold_db=40.0) == []
    assert found(x, floor_dbfs=0.0) == []
