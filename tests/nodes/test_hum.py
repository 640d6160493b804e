"""HumDetector: mains hum at known places, and what sounds like it and is none."""

import itertools
from typing import Any

import numpy as np
import pytest

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.hum import HumDetector

RATE = 8000
BUZZ = (1.0, 0.5, 0.5, 0.2)             # fundamental and harmonics
HALF_WINDOW_S = 0.7


def detected(x: Any, rate: int = RATE, lengths: Any = (4096,), **values: Any) -> tuple[list[Any], dict[str, Any]]:
    plan = Plan(chain(HumDetector(**values)), rate, x.shape[0], 8192)
    found: list[Any] = []
    at, lengths = 0, itertools.cycle(lengths)
    while at < x.shape[1]:
        count = next(lengths)
        piece = x[:, at:at + count]
        np.testing.assert_array_equal(plan.process(piece), piece)
        found += plan.events()
        at += count
    return found, plan.read("hum_detector")


def hum(seconds: float, db: float, hz: float = 50.0, parts: Any = BUZZ, rate: int = RATE) -> Any:
    """Its fundamental, or what comes in its place, has the level `db`."""
    t = np.arange(round(seconds * rate)) / rate
    return 10 ** (db / 20) * sum(a * np.sin(2 * np.pi * hz * (k + 1) * t + k) for k, a in enumerate(parts))


def between(x: Any, start: float, end: float, rate: int = RATE) -> Any:
    """Nothing before and behind."""
    t = np.arange(x.size) / rate
    return np.where((t >= start) & (t < end), x, 0.0)


def speech(seconds: float, rate: int = RATE, seed: int = 0) -> Any:
    """Gliding harmonics of 90 to 190 Hz in syllables, with pauses, at -20 dBFS over some noise."""
    rng = np.random.default_rng(seed)
    made, t = np.zeros(round(seconds * rate)), 0.0
    while t < seconds:
        length = rng.uniform(0.1, 0.35)
        n, at = int(length * rate), int(t * rate)
        phase = 2 * np.pi * np.cumsum(rng.uniform(90, 150) * np.exp(np.linspace(0, rng.uniform(-0.25, 0.25), n))) / rate
        voice = sum(np.sin(h * phase) * h ** -0.7 * np.exp(-((h * 110 - 600) / 900) ** 2) for h in range(1, 25))
        made[at:at + n] += (voice * np.hanning(n))[:made.size - at]
        t += length + (rng.uniform(0.3, 0.8) if rng.random() < 0.2 else rng.uniform(0, 0.08))
    made += 1e-3 * rng.standard_normal(made.size)
    return 0.1 * made / np.sqrt(np.mean(made ** 2))


def one(x: Any) -> Any:
    return np.asarray(x, np.float32)[np.newaxis]


@pytest.mark.parametrize("db", [-45.0, -65.0])
@pytest.mark.parametrize("hz", [49.85, 60.15])
def test_under_speech(db: float, hz: float) -> None:
    x = speech(24) + between(hum(24, db, hz), 5, 18)
    (began, ended), measured = detected(one(x))
    assert began.kind == ended.kind == "hum"
    assert began.end is None
    assert began.channel == 0
    assert ended.start == began.start
    assert began.start / RATE == pytest.approx(5, abs=HALF_WINDOW_S)
    assert ended.end / RATE == pytest.approx(18, abs=HALF_WINDOW_S)
    level = db + 10 * np.log10(sum(a * a for a in BUZZ))
    assert began.strength == pytest.approx(level, abs=3.0)
    assert list(measured["hum_dbfs"]) == [-200.0]
    assert list(measured["fundamental_hz"]) == [0.0]


@pytest.mark.parametrize("parts", [(1.0,), (0.0, 1.0), (0.0, 1.0, 0.0, 0.5, 0.0, 0.3), (1.0, 0.0, 0.3)])
@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 192_000])
def test_any_rate_and_any_harmonics(rate: int, parts: Any) -> None:
    x = hum(12, -60.0, 60.1, parts, rate) + 1e-4 * np.random.default_rng(0).standard_normal(12 * rate)
    (began,), measured = detected(one(x), rate)
    assert (began.start, began.channel) == (0, 0)
    assert measured["hum_dbfs"][0] == pytest.approx(-60 + 10 * np.log10(sum(a * a for a in parts)), abs=0.3)
    assert measured["fundamental_hz"][0] == pytest.approx(60.1, abs=0.05)


def test_clean_speech_and_noise_have_none() -> None:
    assert detected(one(speech(60, seed=3)))[0] == []
    assert detected(one(0.1 * np.random.default_rng(1).standard_normal(60 * RATE)))[0] == []


def test_a_held_bass_note_is_none() -> None:
    """The notes of equal temperament around the grid, each held for a long time."""
    t = np.arange(10 * RATE) / RATE
    for midi in (*range(28, 40), 43, 45, 47, 50, 51, 55, 59, 62):
        hz = 440 * 2 ** ((midi - 69) / 12)
        x = sum(0.2 / h * np.sin(2 * np.pi * hz * h * t) for h in range(1, 7))
        assert detected(one(x))[0] == [], f"{hz:.1f} Hz"


@pytest.mark.parametrize("hz", [50.0, 55.0, 60.0])
def test_a_plucked_note_on_the_grid_is_none(hz: float) -> None:
    t = np.arange(30 * RATE) / RATE
    beat = t % 4.0
    x = sum(0.5 / h * np.exp(-beat * h) * np.sin(2 * np.pi * hz * h * beat) for h in range(1, 6))
    assert detected(one(x))[0] == []


def drum(beats: int, hz: float, fall_s: float) -> Any:
    """A bass drum on the beat, 14 s."""
    t = np.arange(14 * RATE) / RATE
    beat = t % (60 / beats)
    return 0.5 * np.exp(-beat / fall_s) * (np.sin(2 * np.pi * hz * beat) + 0.3 * np.sin(4 * np.pi * hz * beat))


@pytest.mark.parametrize("beats", [60, 75, 90, 100, 110, 120, 124, 125, 128, 136, 140, 150, 160, 174, 176, 180])
def test_a_bass_drum_on_the_beat_is_none(beats: int) -> None:
    """Where lines of the beat lie on the grid, two of them stand there with sidebands as strong."""
    for hz in (46.25, 49.0, 49.5, 50.0, 50.5, 55.0, 59.5, 60.0, 60.4, 61.7):
        for fall_s in (0.1, 0.2, 0.3, 0.4):
            assert detected(one(drum(beats, hz, fall_s)))[0] == [], (hz, fall_s)


@pytest.mark.parametrize("beats", [60, 100, 125])
def test_hum_between_the_beats_is_one(beats: int) -> None:
    found, measured = detected(one(hum(14, -45.0) + drum(beats, 55.0, 0.04)))
    assert [event.end for event in found] == [None]
    assert measured["fundamental_hz"][0] == pytest.approx(50, abs=0.1)


def test_hum_that_music_hides_for_a_while_is_one() -> None:
    x = hum(24, -50.0) + 0.003 * np.random.default_rng(0).standard_normal(24 * RATE) / 100
    t = np.arange(x.size) / RATE
    x += between(0.3 * np.sin(2 * np.pi * 52.5 * t) + 0.3 * np.sin(2 * np.pi * 105 * t), 8, 11)
    found, measured = detected(one(x))
    assert [event.end for event in found] == [None]
    assert measured["hum_dbfs"][0] == pytest.approx(-50 + 10 * np.log10(1.54), abs=0.5)


def test_channels_apart_and_other_mains() -> None:
    x = 1e-4 * np.random.default_rng(0).standard_normal((3, 10 * RATE))
    x[2] += hum(10, -50.0, 60.0)
    x = x.astype(np.float32)
    found, measured = detected(x)
    assert [(event.channel, event.end) for event in found] == [(2, None)]
    assert measured["fundamental_hz"] == pytest.approx([0, 0, 60], abs=0.05)
    assert len(detected(x, mains="60")[0]) == 1
    assert detected(x, mains="50")[0] == []
    assert detected(x, threshold_dbfs=-40.0)[0] == []


def test_the_same_in_any_cutting() -> None:
    x = np.stack([speech(21, seed=1) + between(hum(21, -45.0), 1, 13), speech(21, seed=2)]).astype(np.float32)
    rng = np.random.default_rng(3)
    events, measures = detected(x, lengths=(8192,))
    assert len(events) == 2
    for lengths in ((101, 3), (256,), tuple(rng.integers(1, 3000, 50).tolist())):
        again, measured = detected(x, lengths=lengths)
        assert again == events
        for name, values in measured.items():
            np.testing.assert_array_equal(values, measures[name])


def test_silence_and_damage() -> None:
    assert detected(np.zeros((2, 5 * RATE), np.float32))[0] == []
    x = one(hum(12, -50.0) + 1e-4 * np.random.default_rng(0).standard_normal(12 * RATE))
    x[0, 10_000:10_050] = 1e30
    found, measured = detected(x)
    assert len(found) == 1
    assert measured["fundamental_hz"][0] == pytest.approx(50, abs=0.05)
