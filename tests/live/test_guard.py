"""The guard against howling, behind simulated cards that hear what they play: loops fall silent, music plays on."""

from typing import Any

import numpy as np
import pytest
from waiting import wait_until

import flowaudio as fa
from flowaudio.live.engine import Engine
from flowaudio.testing import SimulatedCard

RATE = 48_000
TENTH = RATE // 10


def tone(seconds: float, frequency_hz: float, amplitude: float) -> Any:
    turns = 2 * np.pi * frequency_hz / RATE * np.arange(round(seconds * RATE))
    return np.tile((amplitude * np.sin(turns)).astype(np.float32), (2, 1))


def noise(seconds: float) -> Any:
    return (0.003 * np.random.default_rng(1).standard_normal((2, round(seconds * RATE)))).astype(np.float32)


def room(*more: Any) -> fa.Graph:
    """A room that carries one tone best, and what comes behind it."""
    return fa.Graph.chain(fa.Biquad(kind="bandpass", frequency_hz=1000, q=2), *more)


def peaks(y: Any) -> Any:
    """Of each tenth of a second."""
    return np.abs(y[:, :y.shape[1] // TENTH * TENTH]).reshape(2, -1, TENTH).max(axis=(0, 2))


def looped(graph: fa.Graph, delay_ms: float, gain_db: float, seconds: int, **more: Any) -> tuple[Any, Engine]:
    frames = max(round(delay_ms * RATE / 1000), 256)
    card = SimulatedCard(block=128, loopback=10 ** (gain_db / 20), input_latency_frames=128,
                         output_latency_frames=frames - 128)
    card.play_into_input(noise(seconds))
    with Engine(graph, card, card, **more) as engine:
        card.run(seconds * RATE)
    return card.recorded, engine


@pytest.mark.parametrize("side", ["both", "one"])
@pytest.mark.parametrize(("delay_ms", "gain_db", "longest"), [
    (5, 1, 10), (5, 12, 10), (20, 3, 12), (50, 6, 13), (100, 3, 18), (100, 12, 15)])
def test_a_loop_is_stopped(side: str, delay_ms: float, gain_db: float, longest: int) -> None:
    """On both channels or on one: so many tenths of a second after it has become loud it is down."""
    y, engine = looped(room(fa.Pan(pan=-1.0)) if side == "one" else room(), delay_ms, gain_db, 4)
    assert engine.stats.howls in (1, 2)             # in two seconds of silence nothing is counted
    loud = int(np.flatnonzero(peaks(y) > 0.5)[0])
    assert peaks(y)[loud:loud + longest + 2].min() < 1e-6


def test_without_a_guard_it_goes_on() -> None:
    y, engine = looped(room(), 20, 6, 3, allow_feedback=True)
    assert engine.stats.howls == 0
    assert peaks(y)[-20:].min() > 0.9


def test_a_howl_is_counted_once() -> None:
    """While it is down nothing is judged; the loop begins anew after two seconds."""
    y, engine = looped(room(), 5, 12, 5)
    down = peaks(y) < 1e-6
    assert engine.stats.howls == np.count_nonzero(np.diff(down.astype(int)) == 1)
    assert 1 <= engine.stats.howls <= 2


@pytest.mark.parametrize(("kind", "amplitude"), [("sine", 0.5), ("sine", 0.89), ("square", 0.3), ("one side", 0.9),
                                                 ("tremolo", 0.6), ("chips", 0.7), ("notes", 0.7)])
def test_a_tone_is_played_on(kind: str, amplitude: float) -> None:
    """However long and loud; the guard asks it by making it softer by 2 dB now and then."""
    x, t = tone(10, 440, amplitude), np.arange(10 * RATE) / RATE
    if kind == "square":
        x = np.sign(x) * np.float32(amplitude)
    elif kind == "one side":
        x[1] = 0
    elif kind == "tremolo":
        x = (x * (1 + 0.3 * np.sin(2 * np.pi * 6 * t))).astype(np.float32)
    elif kind == "chips":                           # it changes as often as the guard does
        chips = np.repeat(np.random.default_rng(4).choice([0.794, 1.0], size=500), RATE // 50)
        x = (x * chips).astype(np.float32)
    elif kind == "notes":
        x = np.where(t % 0.5 < 0.4, x, np.float32(0))
    card = SimulatedCard(block=128)
    card.play_into_input(x)
    with Engine(fa.Graph.chain(fa.Gain()), card, card) as engine:
        card.run(10 * RATE)
        assert engine.stats.howls == 0
    y = card.recorded[:, :10 * RATE]
    heard = np.abs(x) > 0.01
    least = np.abs(y[heard] / x[heard]).min()
    assert least == pytest.approx(10 ** (-2 / 20), rel=1e-3)


def test_cuts_change_nothing() -> None:
    """Trial and silence come at the same frames, whatever the blocks."""
    made = []
    for block in (64, 480, 1000):
        card = SimulatedCard(block=block, loopback=2.0, input_latency_frames=1000, output_latency_frames=1000)
        card.play_into_input(noise(2))
        with Engine(room(), card, card) as engine:
            card.run(2 * RATE)
            assert engine.stats.howls == 1
        made.append(card.recorded[:, :2 * RATE - 1000])
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def test_two_cards() -> None:
    """What comes in has gone through the resampler."""
    into = SimulatedCard(block=128)
    into.play_into_input(tone(4, 440, 0.5))
    out = SimulatedCard(block=128, ppm=50, clock=into.time)
    with Engine(fa.Graph.chain(fa.Gain()), into, out) as engine:
        into.time.run(4.0)
        assert engine.stats.howls == 0
    assert peaks(out.recorded)[10:39].min() > 0.39


@pytest.mark.parametrize("delay_ms", [20, 60])
def test_a_plan_in_a_thread(delay_ms: float) -> None:
    """Whatever stands between the card and the plan: the loop is only longer."""
    frames = round(delay_ms * RATE / 1000)
    card = SimulatedCard(block=128, loopback=4.0, input_latency_frames=128, output_latency_frames=frames - 128)
    card.play_into_input(noise(3))
    with Engine(room(), card, card, direct=False, buffer_ms=20) as engine:
        for _ in range(3 * RATE // 128):
            card.run(128)
            wait_until(lambda: engine.rack.position >= card.recorded.shape[1] - 960, "the plan to keep up")
            if engine.stats.howls:
                break
        assert engine.stats.howls == 1
