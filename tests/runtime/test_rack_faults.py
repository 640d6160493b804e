"""What may go wrong while a plan runs: numbers that are none, explosions, wrong requests, too many of them, threads."""

import re
import threading
import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowaudio as fa
from flowaudio.runtime import control
from flowaudio.runtime.control import Rack

RATE = 48_000


def noise(frames: int, channels: int = 2, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


BAD = [np.nan, np.inf, -np.inf, 3e38]


@pytest.mark.parametrize("graph", [fa.Graph.chain(), fa.chain(fa.Gain()), fa.chain(fa.Biquad(), fa.Limiter()),
                                   fa.chain(fa.Delay(time_ms=5.0)), fa.chain(fa.Compressor(), fa.Reverb())],
                         ids=["nothing", "gain", "filter", "delay", "reverb"])
@pytest.mark.parametrize("bypass", [0.0, 0.5, 1.0])
@given(bad=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1999), st.sampled_from(BAD)), min_size=1, max_size=5),
       block=st.integers(1, 600))
@settings(max_examples=5, deadline=None, database=None)
def test_nothing_but_numbers_goes_out(graph: fa.Graph, bypass: float, bad: list[tuple[int, int, float]],
                                      block: int) -> None:
    x = noise(6000)
    for channel, at, value in bad:
        x[channel, at] = value
    rack = Rack(graph, RATE, 2, 128)
    rack.bypass(bypass, 10.0)
    tap = rack.tap("out", 6000)
    y = rack.process(x, block)
    assert (np.abs(y) < 1000.0).all()
    assert (np.abs(tap.ring.try_read(6000)) < 1000.0).all()
    assert sum(rack.trouble.values()) > 0
    assert (np.abs(y[:, 4000:]) > 0).mean() > 0.9           # it goes on


def test_a_bad_number_among_those_that_go_by_all_nodes_is_one_frame_of_silence() -> None:
    x = noise(1000)
    x[1, 500] = np.nan
    rack = Rack(fa.Graph.chain(), RATE, 2, 64)
    y = rack.process(x, 100)
    assert y[1, 500] == 0.0
    x[1, 500] = 0.0
    np.testing.assert_array_equal(y, x)
    assert rack.trouble == {"in": 1}


class Factor(NamedTuple):
    factor: float


class Kept(NamedTuple):
    last: Any


@fa.node(in_place=True)
class Explode:
    """``y[n] = x[n] + factor y[n-1]``: above 1 it grows without end."""

    factor: float = fa.param(0.0, 2.0, "what comes back", default=0.5)

    def prepare(self, format: fa.Format) -> tuple[Factor, Kept]:
        return Factor(self.factor), Kept(np.zeros(format.channels, np.float32))

    @fa.kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:  # type: ignore[misc]
        for c in range(x.shape[0]):
            last = s.last[c]
            for n in range(x.shape[1]):
                last = x[c, n] + p.factor * last
                y[c, n] = last
            s.last[c] = last


@given(block=st.integers(1, 300), plan_block=st.integers(1, 300))
@settings(max_examples=10, deadline=None, database=None)
def test_a_node_that_explodes_is_caught_again_and_again(block: int, plan_block: int) -> None:
    rack = Rack(fa.chain(Explode(), fa.Gain(gain_db=-20.0)), RATE, 2, plan_block)
    rack.process(noise(2000), block)
    assert rack.trouble == {}
    rack.change("explode", {"factor": 2.0})
    y = rack.process(noise(20_000), block)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 100.0
    assert rack.trouble["explode"] >= 10
    assert rack.trouble.keys() == {"explode"}
    rack.swap(fa.chain(Explode(), fa.Gain(gain_db=-20.0)))  # what was counted stays counted
    counted = rack.trouble["explode"]
    y = rack.process(noise(80_000), block)                  # on the way to 0.5 it may explode twice
    rack.collect()
    assert rack.trouble["explode"] >= counted
    assert len(rack._post) == 1
    np.testing.assert_allclose(y[:, 60_000:], fa.render(fa.chain(Explode(), fa.Gain(gain_db=-20.0)), noise(80_000),
                                                        RATE)[:, 60_000:], atol=1e-6)


def test_what_is_asked_for_wrongly_is_said_and_changes_nothing() -> None:
    rack = Rack(fa.chain(fa.Gain(), fa.Limiter(), fa.ChannelMap(channels=2)), RATE, 2, lead_frames=64)
    x = noise(3000)
    expected = fa.Plan(fa.chain(fa.Gain(), fa.Limiter(), fa.ChannelMap(channels=2)), RATE, 2).process(x)
    before = rack.graph
    got = [rack.process(x[:, :1000], 100)]
    mono = fa.chain(fa.Gain(), fa.ChannelMap(channels=1))
    loop = fa.Graph()
    loop.add(fa.Gain(), "a")
    loop.connect("a", "a")
    loop.connect("a", "out")
    for error, match, ask in [
            (fa.GraphError, "no node called 'nobody' (it has: gain, limiter, channel_map)",
             lambda: rack.change("nobody", {"gain_db": 1.0})),
            (fa.GraphError, "no node called 'in'", lambda: rack.change("in", {})),
            (fa.ParameterError, "Gain has no parameter 'level'", lambda: rack.change("gain", {"level": 1.0})),
            (fa.ParameterError, "Gain.gain_db must be between", lambda: rack.change("gain", {"gain_db": 100.0})),
            (fa.ParameterError, "Gain.gain_db must be a number", lambda: rack.change("gain", {"gain_db": "loud"})),
            (fa.ParameterError, "frame 999 is past: the engine is at frame 1000",
             lambda: rack.change("gain", {"gain_db": 1.0}, 999)),
            (fa.GraphError, "puts out 1 channels where the engine has 2", lambda: rack.swap(mono)),
            (fa.GraphError, "puts out 1 channels", lambda: rack.change("channel_map", {"channels": 1})),
            (fa.GraphError, "puts out 1 channels", lambda: rack.change("channel_map", {"channels": 1}, 9000)),
            (fa.GraphError, "cycle", lambda: rack.swap(loop)),
            (fa.GraphError, "a graph must be a directed networkx graph (got NoneType)", lambda: rack.swap(None)),
            (fa.ParameterError, "Gain.gain_db must be between",
             lambda: rack.automate("gain", "gain_db", [(0.0, 0.0), (1.0, 99.0)])),
            (fa.ParameterError, "times of automation must be numbers of seconds (got nan)",
             lambda: rack.automate("gain", "gain_db", [(0.0, 0.0), (float("nan"), 1.0)])),
            (fa.ParameterError, "times of automation must not go back",
             lambda: rack.automate("gain", "gain_db", [(1.0, 0.0), (0.5, 1.0)])),
            (fa.ParameterError, "Gain has no parameter 'level'", lambda: rack.automate("gain", "level", [(0.0, 0.0)])),
            (fa.GraphError, "puts out 1 channels",
             lambda: rack.automate("channel_map", "channels", [(0.0, 2), (1.0, 1)])),
            (fa.ParameterError, "a fade goes to a gain between 0 and 1 (got 1.5)", lambda: rack.gain(1.5)),
            (fa.ParameterError, "a fade goes to a gain between 0 and 1 (got nan)", lambda: rack.bypass(float("nan"))),
            (fa.GraphError, "no node called 'nobody'", lambda: rack.tap("nobody", 100)),
            (fa.ParameterError, "at least one channel and one frame", lambda: rack.tap("in", 0)),
            (fa.ParameterError, "takes float32 [2, frames] (got shape (1, 5))",
             lambda: rack.process(np.zeros((1, 5), np.float32))),
            (fa.GraphError, "no node called 'gain' that measures (those that do: limiter)", lambda: rack.read("gain"))]:
        with pytest.raises(error, match=re.escape(match)):
            ask()  # type: ignore[no-untyped-call]
        rack.feed()
    got.append(rack.process(x[:, 1000:], 100))
    np.testing.assert_array_equal(np.concatenate(got, axis=1), expected)
    assert dict(rack.graph.nodes) == dict(before.nodes)
    assert rack.counters.stale_changes == 0


def test_a_graph_with_other_channels_cannot_be_bypassed() -> None:
    rack = Rack(fa.chain(fa.ChannelMap(channels=1)), RATE, 2)
    with pytest.raises(fa.GraphError, match=r"can be bypassed .this one makes 1 channels of 2"):
        rack.bypass(1.0)
    np.testing.assert_array_equal(rack.process(np.ones((2, 10), np.float32)), np.ones((1, 10)))


def test_too_many_changes_are_refused_and_none_is_lost() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    x = np.ones((1, 100), np.float32)
    asked = 0
    with pytest.raises(fa.ParameterError, match=r"are on their way already|does not take any more changes"):
        while True:
            rack.change("gain", {"gain_db": -6.0 - asked % 2}, ramp_ms=0.0)
            asked += 1
    assert asked >= control.LETTERS - 1
    y = rack.process(x)
    assert y[0, -1] == np.float32(10 ** ((-6.0 - (asked - 1) % 2) / 20))
    rack.collect()
    assert len(rack._post) <= 2
    rack.change("gain", {"gain_db": 0.0})
    assert rack.process(np.ones((1, 2000), np.float32))[0, -1] == 1.0


def test_an_automation_that_is_dense_waits_for_its_turn() -> None:
    """More moments within the horizon than letters: all of them are made, in their order."""
    rack = Rack(fa.chain(fa.Gain()), 1000, 1)
    points = [(k / 1000, -float(k % 60)) for k in range(5000)]
    rack.automate("gain", "gain_db", points)
    y = []
    for _ in range(600):
        y.append(rack.process(np.ones((1, 10), np.float32)))
        rack.feed()
    assert rack.counters.late_letters == 0
    assert rack.node("gain").gain_db == points[-1][1]
    assert np.concatenate(y, axis=1)[0, -1] == np.float32(10 ** (points[-1][1] / 20))
    rack.collect()
    assert len(rack._post) == 1


def test_no_more_taps_than_there_is_room_for() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    taps = [rack.tap("gain", 10) for _ in range(64)]
    with pytest.raises(fa.ParameterError, match="64 taps at most: take one away first"):
        rack.tap("in", 10)
    rack.process(np.ones((1, 10), np.float32))
    assert [float(tap.ring.try_read(10).sum()) for tap in taps] == [10.0] * 64
    for tap in taps[::3]:
        rack.untap(tap)
    rack.process(np.ones((1, 10), np.float32))
    for k, tap in enumerate(taps):
        assert rack.holds(tap) == bool(k % 3)
        assert tap.ring.fill == (10 if k % 3 else 0)
    rack.tap("in", 10)


def test_changed_from_many_threads_while_it_runs() -> None:
    """Nothing is lost, nothing dangles: in the end it is what was asked for last."""
    rack = Rack(fa.chain(fa.Gain(), fa.Biquad(), fa.Delay(time_ms=3.0)), RATE, 2, 64, lead_frames=128)
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Any) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
                stop.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def audio() -> None:
        x = noise(4800)
        while not stop.is_set():
            assert np.isfinite(rack.process(x, 64)).all()

    def changes(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(150):
            name = ["gain", "biquad", "delay"][rng.integers(3)]
            what = int(rng.integers(6))
            if what == 0:
                rack.swap(rack.graph)
            elif what == 1:
                tap = rack.tap(name, 100, remembers=True)
                tap.ring.last(50)
                rack.untap(tap)
                while rack.holds(tap) and not stop.is_set():    # there are 64 at most
                    time.sleep(0.0005)
            elif what == 2 and name == "delay":
                rack.change("delay", {"time_ms": float(rng.uniform(1.0, 5.0))})
            else:
                node = rack.node(name)
                value = {"gain": {"gain_db": float(rng.uniform(-20, 0))}, "delay": {"wet": float(rng.uniform(0, 1))},
                         "biquad": {"frequency_hz": float(rng.uniform(100, 5000))}}[name]
                assert type(node).__name__ in ("Gain", "Biquad", "Delay")
                rack.change(name, value, rack.position + 10**9 if rng.random() < 0.3 else None)
            rack.feed()

    runner = guarded(audio)
    workers = [guarded(lambda k=k: changes(k)) for k in range(3)]
    for worker in workers:
        worker.join(120)
    stop.set()
    runner.join(60)
    assert not failures
    assert not any(thread.is_alive() for thread in (runner, *workers))
    for name, values in (("gain", {"gain_db": -6.0}), ("delay", {"wet": 0.25, "time_ms": 2.0}),
                         ("biquad", {"frequency_hz": 400.0})):
        rack.change(name, values)
    for _ in range(200):
        rack.process(noise(4800), 64)
        rack.feed()
    rack.collect()
    assert rack.node("delay").time_ms == 2.0
    assert len(rack._post) == 1
    x = noise(48_000)
    got = rack.process(x)
    expected = fa.Plan(rack.graph, RATE, 2).process(x)
    np.testing.assert_allclose(got[:, 24_000:], expected[:, 24_000:], atol=1e-6)
