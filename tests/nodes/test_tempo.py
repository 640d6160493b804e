"""TempoTracker."""

import naive_meters as naive
import numpy as np
import pytest

from flowaudio.nodes.tempo import TempoTracker

RATE = 24_000

PATTERNS = {
    "clicks": {"click": (0, 1, 2, 3)},
    "rock": {"kick": (0, 2), "snare": (1, 3), "hat": (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5)},
    "house": {"kick": (0, 1, 2, 3), "snare": (1, 3), "hat": (0.5, 1.5, 2.5, 3.5)},
}


def hit(kind: str, rate: int, rng: np.random.Generator) -> np.ndarray:
    """One stroke, a quarter of a second."""
    t = np.arange(rate // 4) / rate
    if kind == "kick":
        return 0.7 * np.sin(2 * np.pi * (50 * t + 1.8 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08)
    if kind == "snare":
        return (0.25 * rng.standard_normal(t.size) + 0.25 * np.sin(2 * np.pi * 190 * t)) * np.exp(-t / 0.05)
    if kind == "hat":
        return 0.05 * np.diff(rng.standard_normal(t.size), prepend=0) * np.exp(-t / 0.02)
    return 0.5 * np.sin(2 * np.pi * 1500 * t) * np.exp(-t / 0.01)


def drums(name: str, bpm: float, rate: int = RATE, seconds: float = 14.0) -> np.ndarray:
    """Bars of four, played to within 4 ms, over a little noise."""
    rng = np.random.default_rng(11)
    x = 1e-3 * rng.standard_normal(int(seconds * rate) + rate)
    for bar in range(int(seconds * bpm / 240) + 1):
        for kind, beats in PATTERNS[name].items():
            for beat in beats:
                at = int(((4 * bar + beat) * 60 / bpm + 0.004 * rng.standard_normal()) * rate)
                if 0 <= at < seconds * rate:
                    x[at:at + rate // 4] += (1 + 0.1 * rng.standard_normal()) * hit(kind, rate, rng)
    return x[:int(seconds * rate)]


@pytest.mark.parametrize("name", PATTERNS)
def test_tempos(name: str) -> None:
    for bpm in (70, 83.3, 96, 110, 120, 128.5, 140, 155):
        got = naive.read(TempoTracker(), drums(name, bpm), RATE)
        assert got["tempo_bpm"][0] == pytest.approx(bpm, rel=0.02)
        assert got["confidence"][0] > 0.25


@pytest.mark.parametrize("bpm", [168, 180])
def test_fast_ones_may_come_at_half_their_tempo(bpm: float) -> None:
    for name in PATTERNS:
        got = naive.read(TempoTracker(), drums(name, bpm), RATE)["tempo_bpm"][0]
        assert min(abs(got / bpm - 1), abs(got / bpm - 0.5)) < 0.02
    assert naive.read(TempoTracker(), drums("clicks", bpm), RATE)["tempo_bpm"][0] == pytest.approx(bpm, rel=0.02)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_rates(rate: int) -> None:
    for name in ("clicks", "rock"):
        assert naive.read(TempoTracker(), drums(name, 112.0, rate, 8.0), rate)["tempo_bpm"][0] \
            == pytest.approx(112.0, rel=0.02)


def test_level_and_channels_do_not_matter() -> None:
    x = drums("rock", 100.0)
    for gain in (0.01, 1.0):
        got = naive.read(TempoTracker(), np.stack([gain * x, 0.3 * gain * x, 0 * x]), RATE)
        assert got["tempo_bpm"][0] == pytest.approx(100.0, rel=0.02)


def test_what_has_no_beat_has_no_tempo() -> None:
    rng, t = np.random.default_rng(0), np.arange(15 * RATE) / RATE
    for x in (np.zeros(t.size), 0.1 * rng.standard_normal(t.size), np.sin(2 * np.pi * 50 * t), 0.5 * np.sin(1200 * t),
              np.sin(2400 * t), np.cumsum(rng.standard_normal(t.size)) * 1e-3, drums("rock", 120.0)[:3 * RATE]):
        got = naive.read(TempoTracker(), x, RATE)
        assert np.isnan(got["tempo_bpm"][0])
        assert got["confidence"][0] == 0.0


def test_a_new_tempo_is_followed() -> None:
    x = np.concatenate([drums("rock", 100.0), drums("rock", 130.0)])
    assert naive.read(TempoTracker(memory_s=5.0), x, RATE)["tempo_bpm"][0] == pytest.approx(130.0, rel=0.02)


def test_the_same_in_any_cutting() -> None:
    for rate in (8000, 11_025):
        x = drums("rock", 140.0, rate, 5.0)
        got = naive.same_in_any_cutting(TempoTracker(), np.stack([x, 0.5 * x]), rate)
        assert got["confidence"][0] > 0.2


def test_what_is_beyond_all_sense_counts_as_nothing() -> None:
    x = drums("rock", 120.0)
    cleaned = x.copy()
    x[[9000, 20_000]] = 1e30, -2e4
    cleaned[[9000, 20_000]] = 0
    assert naive.read(TempoTracker(), x, RATE) == naive.read(TempoTracker(), cleaned, RATE)
