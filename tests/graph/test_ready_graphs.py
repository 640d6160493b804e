"""Each ready graph on speech and on music: it does what its sentence says, in blocks of any length."""

import functools
import itertools
import re
from typing import Any

import numpy as np
import pytest
from labelled_music import compose

from flowaudio.core.errors import ParameterError
from flowaudio.graph.document import load
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan, render
from flowaudio.graph.shipped import shipped
from flowaudio.nodes import LevelMeter, Limiter, LoudnessMeter, loudness
from flowaudio.testing.signals import signal

RATE = 48_000
NAMES = sorted(shipped())
CHANNELS = {"failover": 4, "ducking": 3}
"""Of those that take their channels apart; the others take any number."""

MEASURING = {"hifi", "loudness", "watch"}
"""Those that make nothing louder."""


def of(name: str) -> Any:
    return load(shipped()[name])


@functools.cache
def speech(seconds: float = 12.0, channels: int = 2) -> Any:
    """Pauses of 0.5 s and sentences of 2.2 s, with a little noise of a room; about -20 dBFS RMS."""
    frames = int(seconds * RATE)
    voice = signal("speech", 5, channels, frames, rate=RATE)
    talking = np.convolve(np.arange(frames) % int(2.7 * RATE) > 0.5 * RATE, np.hanning(9601) / 4800.0, "same")
    room = np.random.default_rng(3).standard_normal((channels, frames)) * 10 ** (-70 / 20)
    return at_level(voice * talking, -20.0) + room.astype(np.float32)


@functools.cache
def music(seconds: float = 12.0, channels: int = 2) -> Any:
    """Drums, bass and guitars; about -18 dBFS RMS."""
    stereo = compose("band", RATE, seconds, 4)
    return at_level(np.concatenate([stereo] * (-(-channels // 2)))[:channels], -18.0)


def at_level(x: Any, level: float) -> Any:
    return (x * 10 ** ((level - level_db(x)) / 20)).astype(np.float32)


def uneven(x: Any) -> Any:
    """Loud and soft speakers by turns, 12 dB apart, each for a sixth of the time."""
    gains_db = np.repeat([0.0, -12.0, 4.0, -8.0, 0.0, -12.0], -(-x.shape[1] // 6))[:x.shape[1]]
    return (x * 10 ** (gains_db / 20)).astype(np.float32)


def level_db(x: Any) -> float:
    return float(10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-30))


def measured(x: Any) -> Any:
    """Loudness, range and true peak of a signal."""
    plan = Plan(Graph.chain(LoudnessMeter()), RATE, x.shape[0])
    plan.process(x)
    return loudness(plan.read("loudness_meter"))


def response_db(graph: Any, *frequencies: float) -> list[float]:
    """Gains for sines that are below every threshold and gate, each settled for half a second."""
    gains = []
    for frequency in frequencies:
        x = (1e-4 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)).astype(np.float32)[np.newaxis]
        y = render(graph, x, RATE)
        gains.append(level_db(y[:, RATE // 2:]) - level_db(x[:, RATE // 2:]))
    return gains


# --- all of them ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("material", [speech, music])
def test_on_speech_and_music(name: str, material: Any) -> None:
    """Finite, without trouble, not silent, the same in blocks of 64 and of 1000 frames."""
    x = material(4.0, CHANNELS.get(name, 2))
    by_64, by_1000 = (Plan(of(name), RATE, x.shape[0], block) for block in (64, 1000))
    y = by_64.process(x)
    assert np.isfinite(y).all()
    assert by_64.trouble == {}
    assert level_db(y) > -40
    assert np.array_equal(y, by_1000.process(x))


@pytest.mark.parametrize("name", NAMES)
def test_says_when_to_use_it(name: str) -> None:
    said = of(name).graph["description"]
    assert said.startswith("For ")
    assert said.endswith(".")
    assert said.count(". ") == 0, "one sentence"
    stated = re.search(r"([\d.]+) ms of latency", said)
    if stated:
        plan = Plan(of(name), RATE, CHANNELS.get(name, 2))
        assert abs(1000 * plan.latency / RATE - float(stated.group(1))) < 0.051


@pytest.mark.parametrize("name", sorted(set(NAMES) - MEASURING))
def test_a_limiter_is_last(name: str) -> None:
    """But for meters of what goes out."""
    graph = of(name)
    (last,) = graph.predecessors("out")
    while isinstance(graph.nodes[last]["node"], (LevelMeter, LoudnessMeter)):
        (last,) = graph.predecessors(last)
    limiter = graph.nodes[last]["node"]
    assert isinstance(limiter, Limiter)
    x = 8 * music(3.0, CHANNELS.get(name, 2))
    assert measured(render(graph, x, RATE)).true_peak_dbtp < limiter.ceiling_dbtp + 0.1


@pytest.mark.parametrize("name", sorted(MEASURING))
def test_what_measures_is_not_late(name: str) -> None:
    assert Plan(of(name), RATE, 2).latency == 0


# --- one by one -----------------------------------------------------------------------------------------------------

def test_live_monitor_is_as_late_as_its_limiter() -> None:
    graph = of("live_monitor")
    alone = Plan(Graph.chain(graph.nodes["limit"]["node"]), RATE, 2)
    assert Plan(graph, RATE, 2).latency == alone.latency < 0.0015 * RATE


def test_live_monitor_takes_rumble_away_and_nothing_else() -> None:
    rumble, *others = response_db(of("live_monitor"), 25, 200, 1000, 5000, 15_000)
    assert rumble < others[1] - 15
    assert max(others) - min(others) < 0.3
    x = uneven(speech())
    assert measured(render(of("live_monitor"), x, RATE)).loudness_range_lu < measured(x).loudness_range_lu - 3


@pytest.mark.parametrize("gain_db", [-16.0, 0.0, 8.0])
def test_broadcast_reaches_its_loudness(gain_db: float) -> None:
    x = speech() * np.float32(10 ** (gain_db / 20))
    assert abs(measured(render(of("broadcast"), x, RATE)).integrated_lufs + 23) < 1.5


@pytest.mark.parametrize("material", [speech, music])
def test_broadcast_narrows_the_range(material: Any) -> None:
    x = uneven(material(24.0))
    before, after = measured(x), measured(render(of("broadcast"), x, RATE))
    assert before.loudness_range_lu > 8
    assert after.loudness_range_lu < before.loudness_range_lu - 3
    assert abs(after.integrated_lufs + 23) < 1.5


def test_bands_of_broadcast_add_up_to_what_came_in() -> None:
    """Far below the thresholds: flat across both splits, and as loud as the makeup says."""
    gains = response_db(of("broadcast"), 80, 120, 180, 270, 1000, 2200, 3200, 4500, 12_000)
    assert max(abs(gain - 5) for gain in gains) < 0.3


def test_calls_keeps_what_a_call_carries() -> None:
    hum, low, middle, high, hiss = response_db(of("calls"), 50, 100, 1000, 7000, 12_000)
    assert abs(low - middle + 3) < 1.5
    assert abs(high - middle + 3) < 1.5
    assert hum < middle - 20
    assert hiss < middle - 20


@pytest.mark.parametrize("gain_db", [-10.0, 6.0])
def test_calls_reaches_its_loudness(gain_db: float) -> None:
    y = render(of("calls"), speech() * np.float32(10 ** (gain_db / 20)), RATE)
    assert abs(measured(y[:, 4 * RATE:]).integrated_lufs + 20) < 1.5


def test_calls_does_not_turn_up_the_room_while_nobody_speaks() -> None:
    plan = Plan(of("calls"), RATE, 2)
    plan.process(at_level(speech(6.0), -35.0))
    gain_db = plan.read("loudness")["gain_db"]
    assert gain_db > 6
    room = np.random.default_rng(2).standard_normal((2, 10 * RATE)) * 10 ** (-65 / 20)
    plan.process(room.astype(np.float32))
    assert abs(plan.read("loudness")["gain_db"] - gain_db) < 0.5


def test_night_mode_narrows_the_range() -> None:
    """By its compressor: the limiter takes peaks only."""
    x = uneven(speech(24.0))
    plan = Plan(of("night_mode"), RATE, 2)
    parts, reductions = [], []
    for start in range(0, x.shape[1], RATE // 10):
        parts.append(plan.process(x[:, start:start + RATE // 10]))
        reductions.append(plan.read("limit")["gain_reduction_db"].max())
    after = measured(np.concatenate(parts, axis=1))
    assert after.loudness_range_lu < measured(x).loudness_range_lu / 4
    assert after.true_peak_dbtp < -5.9
    assert np.median(reductions) < 3


def test_podcast_reaches_its_loudness() -> None:
    y = render(of("podcast"), speech(), RATE)
    assert abs(measured(y[:, 4 * RATE:]).integrated_lufs + 16) < 1.5


@pytest.mark.parametrize("material", [speech, music])
def test_loudness_changes_nothing_and_measures(material: Any) -> None:
    x = material(4.0)
    plan = Plan(of("loudness"), RATE, 2)
    assert np.array_equal(plan.process(x), x)
    assert loudness(plan.read("meter")) == measured(x)
    assert np.abs(plan.read("level")["mean_rms_dbfs"] - [level_db(x[:1]), level_db(x[1:])]).max() < 0.1


def test_failover_plays_the_backup_in_time() -> None:
    """The main programme stops at 2 s and is back at 7 s; each plays bit for bit."""
    x = np.concatenate([speech(14.0), music(14.0)]) * np.float32(0.5)
    x[:2, 2 * RATE:7 * RATE] = 0
    plan = Plan(of("failover"), RATE, 4)
    y = plan.process(np.pad(x, ((0, 0), (0, plan.latency))))[:, plan.latency:]
    main, backup = x[:2], x[2:]

    def same(a: Any, begin: float, end: float) -> bool:
        part = slice(round(begin * RATE), round(end * RATE))
        return np.array_equal(y[:, part], a[:, part])

    assert same(main, 0, 4.9)
    assert same(backup, 5.3, 11.9)
    assert same(main, 12.4, 14)
    began, ended = plan.events()
    assert (began.kind, ended.kind) == ("failover", "failover")
    assert abs(began.start / RATE - 5) < 0.15, "the noise of a pause before it may count"
    assert plan.read("switch")["playing"] == 0


def test_failover_says_how_many_channels_it_needs() -> None:
    with pytest.raises(ParameterError, match="channels=4"):
        Plan(of("failover"), RATE, 2)


def test_ducking_turns_the_music_down_while_somebody_speaks() -> None:
    """What is left when the voice alone is taken away is the music: the limiter has nothing to do."""
    frames = 12 * RATE
    band = 0.3 * music()
    voice = np.zeros((1, frames), np.float32)
    voice[:, 3 * RATE:6 * RATE] = 0.5 * speech(3.0, 1)
    graph = of("ducking")
    with_music = render(graph, np.concatenate([band, voice]), RATE)
    without = render(graph, np.concatenate([0 * band, voice]), RATE)
    left = with_music - without

    def change_db(begin: float, end: float) -> float:
        part = slice(round(begin * RATE), round(end * RATE))
        return level_db(left[:, part]) - level_db(band[:, part])

    assert abs(change_db(0, 2.9)) < 0.01
    assert abs(change_db(4.0, 5.5) + 14) < 0.1
    assert abs(change_db(8.2, 12)) < 0.01
    assert level_db(without[:, 4 * RATE:5 * RATE]) > -40, "the voice is heard"


def test_dub_delay_dies_away_at_its_times() -> None:
    """A burst every 375 ms, each softer, and nothing left in the end."""
    x = np.zeros((2, 10 * RATE), np.float32)
    x[:, 4800:7200] = music(4.0)[:, :2400]
    y = render(of("dub_delay"), x, RATE)
    step = 375 * RATE // 1000
    echoes = [level_db(y[:, 4800 + k * step:7200 + k * step]) for k in range(6)]
    before = [level_db(y[:, 2400 + k * step:4800 + k * step]) for k in range(1, 4)]
    assert all(later < sooner - 2 for sooner, later in itertools.pairwise(echoes[1:]))
    assert all(echo > rest + 3 for echo, rest in zip(echoes[1:4], before, strict=True))
    assert level_db(y[:, 9 * RATE:]) < -80


# --- watch ----------------------------------------------------------------------------------------------------------

def found(x: Any) -> set[str]:
    plan = Plan(of("watch"), RATE, 2)
    assert np.array_equal(plan.process(x), x)
    assert plan.lost_events == {}
    return {event.kind for event in plan.events()}


@pytest.mark.parametrize("material", [speech, music])
def test_watch_is_silent_where_nothing_is_wrong(material: Any) -> None:
    assert found(material()) == set()


def test_watch_finds_what_is_wrong() -> None:
    x = music(24.0).copy()
    x[:, 3 * RATE:3 * RATE + 2400] = 0                                      # a hole of 50 ms
    x[:, 5 * RATE:9 * RATE] = np.clip(8 * x[:, 5 * RATE:9 * RATE], -1, 1)
    x[:, 11 * RATE:17 * RATE] = 0
    x[0, 18 * RATE:] += np.float32(0.1)
    x[1, 20 * RATE:] = -(x[0, 20 * RATE:] - np.float32(0.1))
    assert found(x) >= {"dropout", "clipping", "silence", "dc_offset", "phase_inversion"}
