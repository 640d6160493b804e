"""NoiseBurstDetector."""

from typing import Any

import numpy as np
import pytest
from scipy import signal

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.bursts import NoiseBurstDetector

RATE = 48_000


def tones(rate: int = RATE, seconds: float = 3.0) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    made = sum(np.sin(2 * np.pi * f * t + f) for f in (110.0, 277.2, 440.0, 659.3))
    return 0.1 * made + 1e-4 * np.random.default_rng(9).standard_normal(t.size)


def found(x: np.ndarray, rate: int = RATE, blocks: Any = 4096, **values: float) -> list[tuple[int, int, int, float]]:
    x = np.atleast_2d(x).astype(np.float32)
    plan, at, events = Plan(chain(NoiseBurstDetector(**values)), rate, x.shape[0], 8192), 0, []
    while at < x.shape[1]:
        count = blocks() if callable(blocks) else blocks
        piece = np.ascontiguousarray(x[:, at:at + count])
        np.testing.assert_array_equal(plan.process(piece), piece)
        events += plan.events()
        at += count
    assert sum(plan.read("noise_burst_detector")["bursts"]) == len(events)
    return [(e.channel or 0, e.start, e.end or 0, e.strength) for e in events]


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("ms", [25, 450])
def test_bursts_are_found_with_both_ends(rate: int, ms: int) -> None:
    x, rng = tones(rate), np.random.default_rng(ms)
    size, places = rate * ms // 1000, (rate + 77, 2 * rate + 133)
    x[places[0]:places[0] + size] = rng.uniform(-0.8, 0.8, size)
    x[places[1]:places[1] + size] += rng.uniform(-0.3, 0.3, size)
    events = found(x, rate)
    assert len(events) == 2
    for (_, start, end, strength), place in zip(events, places, strict=True):
        assert abs(start - place) <= 3 and abs(end - place - size) <= 4
        assert strength > 12


def test_five_milliseconds_are_enough() -> None:
    x = tones()
    x[70_000:70_240] = np.random.default_rng(1).uniform(-0.5, 0.5, 240)
    (_, start, end, _), = found(x)
    assert abs(start - 70_000) <= 3 and abs(end - 70_240) <= 3


def test_strength_is_over_what_was_before() -> None:
    rng = np.random.default_rng(2)
    x = 0.001 * rng.standard_normal(3 * RATE)
    x[RATE:RATE + 4800] = 0.1 * rng.standard_normal(4800)
    (_, _, _, strength), = found(x)
    assert strength == pytest.approx(40.4, abs=0.7)      # it had 1 s to settle


def test_hits_fricatives_and_clicks_are_none() -> None:
    rng = np.random.default_rng(5)
    t = np.arange(RATE // 2) / RATE
    noise = rng.standard_normal(t.size)
    bright = signal.lfilter(*signal.butter(2, 7000, "high", fs=RATE), noise)
    hiss = signal.lfilter(*signal.butter(2, [4000, 8000], "band", fs=RATE), noise)
    swell = np.sin(np.pi * np.minimum(1, t / 0.15)) ** 2
    gate = t < 0.1
    kinds = [0.4 * noise * np.exp(-18 * t), 0.4 * bright * np.exp(-60 * t), 0.4 * bright * np.exp(-200 * t),
             0.3 * hiss * swell, 0.3 * noise * swell, 0.5 * hiss * gate, 0.8 * (t == 0.1)]
    x = tones(seconds=8.0)
    for k in range(14):
        at = round((0.5 + 0.5 * k) * RATE)
        x[at:at + t.size] += kinds[k % len(kinds)]
    assert found(x) == []


def test_too_long_is_no_burst_and_the_limits_can_be_set() -> None:
    x, rng = tones(), np.random.default_rng(1)
    x[RATE:2 * RATE] = rng.uniform(-0.5, 0.5, RATE)
    assert found(x) == []
    assert [(start, end) for _, start, end, _ in found(x, max_ms=1500.0)] == [(RATE, 2 * RATE)]


def test_noise_and_silence_are_quiet() -> None:
    assert found(0.3 * np.random.default_rng(7).standard_normal((2, 4 * RATE))) == []
    assert found(np.zeros(RATE)) == []


def test_the_same_in_any_cutting() -> None:
    x, rng = np.stack([tones(seconds=1.0), tones(seconds=1.0)]), np.random.default_rng(3)
    x[0, 20_000:22_000] = rng.uniform(-0.5, 0.5, 2000)
    x[1, 30_000:30_700] = rng.uniform(-0.5, 0.5, 700)
    whole = found(x, blocks=8192)
    assert len(whole) == 2
    for blocks in (1, 7, 63, 511, 513, lambda: int(rng.integers(1, 2000))):
        assert found(x, blocks=blocks) == whole


@pytest.mark.parametrize("low, high", [(0, 3000), (0, 9000), (2000, 9000), (9000, 23_000)])
def test_coloured_noise_with_hard_edges_is_none(low: float, high: float) -> None:
    rng, x = np.random.default_rng(11), tones()
    noise = rng.standard_normal(RATE)
    edges = [low, high] if low else high
    coloured = signal.sosfilt(signal.butter(2, edges, "band" if low else "low", fs=RATE, output="sos"), noise)
    for made, events in ((noise, 1), (coloured, 0)):
        y = x.copy()
        y[RATE:RATE + 4000] += 0.2 * (made / made.std())[20_000:24_000]
        assert len(found(y)) == events


def test_noise_that_fades_by_a_third_is_none() -> None:
    rng, x = np.random.default_rng(12), tones()
    x[RATE:RATE + 4800] += 0.2 * rng.standard_normal(4800) * np.linspace(1.0, 0.3, 4800)
    assert found(x) == []


@pytest.mark.parametrize("db, events", [(-15, 0), (0, 1)])
def test_a_burst_is_as_bright_as_the_brightest_before(db: float, events: int) -> None:
    rng, x = np.random.default_rng(13), tones()
    t = np.arange(RATE // 2) / RATE
    x[RATE:RATE + t.size] += 0.3 * rng.standard_normal(t.size) * np.exp(-60 * t)      # a drum
    x[RATE + 9600:RATE + 10_600] += 0.3 * 10 ** (db / 20) * rng.standard_normal(1000)
    assert len(found(x)) == events
