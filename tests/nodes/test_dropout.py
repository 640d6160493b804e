"""DropoutDetector."""

from typing import Any

import numpy as np
import pytest

from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.dropout import DropoutDetector

RATE = 48_000


def found(x: Any, rate: int = RATE, block: int = 4096, kind: str = "dropout", **values: Any) -> list[NodeEvent]:
    plan, events = Plan(chain(DropoutDetector(**values)), rate, x.shape[0], block), []
    for at in range(0, x.shape[1], rate):
        piece = x[:, at:at + rate]
        np.testing.assert_array_equal(plan.process(piece), piece)
        events += plan.events()
    return [e for e in events if e.kind == kind]


def music(rate: int, seconds: float, channels: int = 1) -> Any:
    """Tones and a little noise."""
    t, rng = np.arange(int(rate * seconds)) / rate, np.random.default_rng(4)
    tones = sum(0.1 * np.sin(2 * np.pi * f * t + f) for f in (110, 221, 334, 523, 1003))
    return np.stack([tones + 0.003 * rng.standard_normal(t.size) for _ in range(channels)]).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("ms", [2, 10, 50, 400])
def test_holes_in_sound_are_found_to_the_sample(rate: int, ms: int) -> None:
    x, places = music(rate, 3, 2), [rate // 2 + 77, rate + 3333 * rate // RATE, 2 * rate + 61]
    holes = [(at, at + ms * rate // 1000) for at in places]
    for start, end in holes:
        x[:, start:end] = 0
    events = found(x, rate)
    assert [(e.start, e.end, e.channel) for e in events] == [(*hole, None) for hole in holes]
    assert all(e.strength > 60 for e in events)


def test_a_handful_of_zeros_and_one_channel_alone() -> None:
    x = music(RATE, 2, 2)
    x[1, 30_000:30_012] = 0
    x[0, 60_000:60_300] *= 1e-3
    events = found(x)
    assert [(e.channel, e.start, e.end) for e in events] == [(1, 30_000, 30_012), (0, 60_000, 60_300)]


@pytest.mark.parametrize("release_ms", [3, 10, 50])
def test_notes_that_are_let_go_are_none(release_ms: int) -> None:
    ramp = release_ms * RATE // 1000
    envelope = np.concatenate([np.linspace(0, 1, 200), np.ones(6000), np.linspace(1, 0, ramp), np.zeros(4000)])
    x = np.tile(envelope, 20)
    t = np.arange(x.size) / RATE
    tone = sum(np.sin(2 * np.pi * 220 * h * t) / h for h in range(1, 9))
    assert found((0.3 * x * tone)[np.newaxis].astype(np.float32)) == []


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("fade_ms", [0.3, 1.0])
def test_lost_packets_with_fades_are_found(rate: int, fade_ms: float) -> None:
    x, fade, length = music(rate, 4, 2), round(fade_ms * rate / 1000), rate // 50
    ramp = 1 - np.arange(1, fade + 1) / (fade + 1)
    gain = np.concatenate([ramp, np.zeros(length), ramp[::-1]])
    places = [rate + 77, 2 * rate + 1001, 3 * rate + 5]
    for at in places:
        x[:, at:at + gain.size] *= gain.astype(np.float32)
    assert [(e.start, e.end, e.channel) for e in found(x, rate)] == [(at + fade, at + fade + length, None)
                                                                     for at in places]


def test_closures_over_a_noise_floor_are_none_but_less_than_the_floor_is() -> None:
    t, rng = np.arange(6 * RATE) / RATE, np.random.default_rng(6)
    floor = 1e-3 * rng.standard_normal(t.size)
    voice = sum(0.2 * np.sin(2 * np.pi * 131 * h * t + h * h) / h for h in range(1, 20))
    voice[:RATE // 2] = 0
    for at in range(RATE, 5 * RATE, 9001):
        voice[at:at + 1500] = 0                 # harder than any voice closes
    x = (voice + floor)[np.newaxis].astype(np.float32)
    assert found(x, quiet_dbfs=-40.0) == []
    at = 3 * RATE + 20_000
    x[:, at:at + 500] *= 1e-3
    assert [(e.start, e.end) for e in found(x, quiet_dbfs=-40.0)] == [(at, at + 500)]


def test_zeros_of_a_coarse_or_staccato_sound_are_none() -> None:
    t = np.arange(8 * RATE) / RATE
    beat = t % 0.25
    envelope = np.interp(beat, [0, 0.001, 0.12, 0.1235], [0, 1, 1, 0])
    x = (0.4 * envelope * sum(np.sin(2 * np.pi * 330 * h * t) / h for h in (1, 3, 5, 7, 9)))[np.newaxis]
    for step in (1 / 128, 1 / 32768, 1e-9):
        assert found((np.round(x / step) * step).astype(np.float32)) == []


def test_tremolo_fades_and_hits_are_none() -> None:
    t, rng = np.arange(8 * RATE) / RATE, np.random.default_rng(5)
    noise = 0.3 * rng.standard_normal(t.size)
    tremolo = (0.5 + 0.5 * np.cos(2 * np.pi * 5 * t)) * music(RATE, 8)[0]
    fade = np.clip(1.5 * np.abs(np.sin(2 * np.pi * 0.4 * t)) - 0.2, 0, 1) * noise
    hits = np.exp(-(t % 0.5) / 0.03) * noise
    for x in (tremolo, fade, hits):
        assert found(x[np.newaxis].astype(np.float32)) == []


def test_silence_around_or_for_long_is_none() -> None:
    x = music(RATE, 8)
    x[:, 48_000:48_000 + 4 * RATE] = 0
    assert found(x) == []
    assert len(found(x, max_s=5.0)) == 1
    assert found(0.02 * x, max_s=5.0) == []


def test_a_start_that_was_cut_and_the_level_of_the_end() -> None:
    x = music(RATE, 1, 2)
    assert [(e.start, e.end, e.channel) for e in found(x, kind="cut_start")] == [(0, 480, None)]
    x[1, :480] = 0
    assert [e.channel for e in found(x, kind="cut_start")] == [0]
    assert found(x, kind="cut_start", edges=False) == []
    plan = Plan(chain(DropoutDetector()), RATE, 2)
    x[1, -480:] = 0
    plan.process(x)
    tail = plan.read("dropout_detector")["tail_dbfs"]
    assert tail[0] == pytest.approx(10 * np.log10(np.mean(x[0, -480:].astype(float) ** 2)), abs=1e-3)
    assert tail[1] == -160


def test_the_same_in_any_cutting() -> None:
    x = music(RATE, 0.6, 2)
    x[:, 8001:8301] = 0
    x[1, 14_000:14_011] = 0
    x[0, 20_000:20_700] *= 1e-3
    whole = found(x, block=8192)
    assert len(whole) == 3
    for block in (1, 7, 47, 48, 49, 333):
        assert found(x, block=block) == whole
