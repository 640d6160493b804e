"""What lies between a source and a sink: engines that listen, stations that fall silent, faults of drivers."""

import threading
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from waiting import wait_until

import flowaudio as fa
from flowaudio.cli.live_session import Session
from flowaudio.core.errors import ParameterError, SourceError
from flowaudio.live.ends import File, Memory
from flowaudio.live.engine import Engine
from flowaudio.runtime.callback import Caller, card_callback
from flowaudio.runtime.ring import Ring
from flowaudio.stream.metering import metered
from flowaudio.testing import SimulatedCard, VirtualClock

RATE = 48_000


def playing(card: SimulatedCard) -> Engine:
    return Engine(fa.Gain(), card, card, allow_feedback=True)


def short_file(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(4 * 1000))
    return path


@pytest.mark.parametrize(("wrong", "says"), [
    ({"channels": 1}, "'out' of the other engine has 2 channels"), ({"channels": 4}, "is to have 4"),
    ({"rate": 44_100}, "runs at 48000 Hz, and this one, which has no sound card, at 44100 Hz")])
def test_what_does_not_fit_to_the_other_engine_is_said(wrong: dict[str, Any], says: str) -> None:
    card = SimulatedCard()
    with playing(card) as first, pytest.raises(ParameterError, match=says):
        Engine(fa.Gain(), first.listen(), Memory(), **wrong)


def test_engines_that_cannot_be_made_leave_nothing_in_the_other(tmp_path: Path) -> None:
    clock = VirtualClock()
    card, other = SimulatedCard(clock=clock), SimulatedCard("other", clock=clock)
    four = fa.Graph.chain(fa.ChannelMap(channels=4))
    with playing(card) as first:
        for _ in range(70):
            with pytest.raises(ParameterError, match="puts out 4 channels"):
                Engine(four, first.listen(), other)
        first.record(str(tmp_path / "take.wav")).close()


def test_what_a_slow_sink_loses_is_counted() -> None:
    class Slow(Memory):
        """Takes nothing before it may."""

        def __init__(self) -> None:
            super().__init__()
            self.may = threading.Event()

        def write(self, block: Any) -> None:
            self.may.wait(60)
            super().write(block)

    card, slow = SimulatedCard(), Slow()
    with playing(card) as first, Engine(fa.Gain(), first.listen(), slow) as second:
        card.run(10 * RATE)
        lost, times = second.stats.overrun_frames, second.stats.overruns
        assert 5 * RATE < lost < 10 * RATE
        assert 0 < times <= lost
        wait_until(lambda: any(event.kind == "overrun" for event in second.events), "an event")
        slow.may.set()


def test_when_the_first_closes_nothing_is_missing() -> None:
    clock = VirtualClock()
    card, other = SimulatedCard(clock=clock), SimulatedCard("other", clock=clock)
    first = playing(card)
    first.start()
    with Engine(fa.Gain(), first.listen(), other) as second:
        clock.run(1.0)
        first.close()
        assert second.wait(60)
        clock.run(1.0)
        before = second.stats.underruns
        clock.run(2.0)
        assert second.stats.underruns == before


@pytest.mark.parametrize(("source", "says"), [
    ("card", "two sound cards"), ("engine", "another engine"), ("none", "a graph without an input"),
    ("station", "a source with a clock of its own")])
def test_a_thread_of_its_own_is_not_to_be_had_everywhere(source: str, says: str, tmp_path: Path) -> None:
    clock = VirtualClock()
    card, other = SimulatedCard(clock=clock), SimulatedCard("other", clock=clock)
    with playing(card) as first:
        station = File(short_file(tmp_path / "x.wav"), live=True)
        known = {"card": card, "engine": first.listen(), "none": None, "station": station}
        with pytest.raises(ParameterError, match=f"direct=False is for one sound card.*{says}: leave direct out"):
            Engine(fa.Gain(), known[source], other, direct=False)


def test_a_station_that_stops_sending_has_failed(tmp_path: Path) -> None:
    engine = Engine(fa.Gain(), File(short_file(tmp_path / "x.wav"), live=True), SimulatedCard())
    engine.start()
    assert engine.wait(60)
    assert [event.kind for event in engine.events] == ["failed"]
    with pytest.raises(SourceError, match="the station has stopped sending"):
        engine.close()


@pytest.mark.parametrize(("sides", "expected"), [((1, 1), (1, 1, 1, 1)), ((1, 0), (1, 1, 0, 0)),
                                                 ((0, 1), (0, 0, 1, 1))])
def test_faults_of_a_side_that_is_not_there_are_not_counted(sides: tuple[int, int], expected: tuple[int, ...]) -> None:
    ring, samples = Ring(2, 64), np.zeros(32, np.float32)
    caller = Caller(card_in=2, card_out=2, plan_in=2, plan_out=2, sink=ring.address)
    card_callback(*(samples.ctypes.data if side else 0 for side in sides), 16, 0, 15, caller.address)
    assert caller.counters[2:6] == expected


def test_a_compiler_at_work_does_not_keep_the_sound_on() -> None:
    """Who quits while a saved graph is compiled: the session ends, the engine closes, and then it is waited."""
    inside, may = threading.Event(), threading.Event()

    def look() -> Any:
        inside.set()
        may.wait(60)
        return SimpleNamespace(graph=fa.Graph.chain(fa.Limiter()), error=None)

    watched: Any = SimpleNamespace(look=look, path="graph.toml")
    names, told = metered(fa.Graph.chain(fa.Gain())), list[str]()
    card = SimulatedCard()
    engine = Engine(names.graph, card, card, allow_feedback=True)
    engine.start()
    session = Session(engine, names, graph="graph.toml", route="", watched=watched, record="x.wav", keep_s=0)
    with session.running():
        assert inside.wait(60)
    engine.close()

    def tell(text: str) -> None:
        told.append(text)
        may.set()

    session.finish(tell)
    assert told == ["waiting for the compiler, which is at work for the graph that was saved"]
    assert not any(event.kind in ("swapped", "broken") for event in engine.events)
