"""The engine between all kinds of sources and sinks: what comes out is what the graph makes of what goes in."""

import gc
import signal
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from waiting import wait_until

import flowaudio as fa
from flowaudio.core.errors import GraphError, ParameterError, SourceError, TargetError
from flowaudio.core.eventlog import EVERY, WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import node
from flowaudio.live import absence, streams
from flowaudio.live.ends import File, Memory
from flowaudio.live.engine import Engine
from flowaudio.live.events import Event
from flowaudio.testing import SimulatedCard, VirtualClock

RATE = 48_000


class LoudState(NamedTuple):
    """A log is all that it needs."""

    log: Any


@node(in_place=True, events=("loud",))
class Loud:
    """Finds samples above a half."""

    def prepare(self, format: fa.Format) -> tuple[None, LoudState]:
        return None, LoudState(event_log())

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for n in range(x.shape[1]):
            if x[0, n] > 0.5:
                emit(s.log, 0, WHOLE, now(s.log) + n, now(s.log) + n + 1, EVERY, x[0, n])
            y[0, n] = x[0, n]


def noise(frames: int, channels: int = 2, seed: int = 1) -> Any:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def usual() -> fa.Graph:
    graph = fa.Graph()
    graph.add(fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=1000, gain_db=6)]), "eq")
    graph.add(fa.Compressor(threshold_db=-30), "comp")
    graph.add(fa.Limiter(), "limit")
    graph.add(fa.LevelMeter(), "meter")
    for source, target in (("in", "eq"), ("eq", "comp"), ("comp", "limit"), ("limit", "meter"), ("meter", "out")):
        graph.connect(source, target)
    return graph


def settled(engine: Engine) -> None:
    """Simulated time stands still: what was asked for is done when somebody runs it; letters are fetched by hand."""
    engine.rack.feed()


def test_array_to_memory_is_the_offline_render() -> None:
    x, sink = noise(100_000), Memory()
    with Engine(usual(), x, sink, rate=RATE) as engine:
        assert engine.wait(30)
    np.testing.assert_array_equal(sink.array, fa.render(usual(), x, RATE))
    assert [e.kind for e in engine.events] == ["ended"]


def test_file_to_file(tmp_path: Path) -> None:
    x = noise(60_000)
    with fa.Encoder(tmp_path / "in.wav", fa.WAV(bit_depth=32), RATE, 2) as encoder:
        encoder.write(x)
    with Engine(usual(), tmp_path / "in.wav", File(tmp_path / "out.wav", codec=fa.WAV(bit_depth=32))) as engine:
        assert engine.wait(30)
        assert not (tmp_path / "out.wav").exists()      # it appears when it is whole
    with fa.Decoder(tmp_path / "out.wav") as decoder:
        y = np.concatenate(list(decoder.blocks()), axis=1)
    np.testing.assert_array_equal(y, fa.render(usual(), x, RATE))


def test_an_engine_that_is_left_by_an_error_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mine"), Engine(usual(), noise(10_000), tmp_path / "out.flac", rate=RATE):
        raise RuntimeError("mine")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="missing"):
        Engine(usual(), tmp_path / "missing.wav", None)
    with pytest.raises(ParameterError, match="kind"):
        Engine(usual(), noise(100), tmp_path / "out.xyz", rate=RATE)
    with pytest.raises(GraphError, match="reaches"):
        Engine(fa.Graph(), noise(100), None, rate=RATE)
    with pytest.raises(ParameterError, match="nothing that would make it go"):
        Engine(usual(), None, None)


def test_duplex_in_the_callback_adds_no_latency() -> None:
    x = noise(30_000)
    card = SimulatedCard(block=[128, 64, 500])
    card.play_into_input(x)
    graph = fa.Graph.chain(fa.Gain(gain_db=-6))
    with Engine(graph, card, card, allow_feedback=True) as engine:
        card.run(30_000)
        assert engine.stats.latency_frames == 0
        assert engine.stats.underruns == engine.stats.overruns == 0
    y = card.recorded[:, :30_000]
    np.testing.assert_array_equal(y, fa.render(graph, x, RATE))


def test_the_latency_that_is_told_is_the_latency() -> None:
    x = np.zeros((2, 8000), np.float32)
    x[:, 1000] = 0.5
    card = SimulatedCard(block=128)
    card.play_into_input(x)
    with Engine(fa.Graph.chain(fa.Limiter()), card, card, allow_feedback=True) as engine:
        card.run(8000)
        told = engine.stats.latency_frames
    assert int(np.argmax(np.abs(card.recorded[0]))) - 1000 == told == fa.Plan(fa.Limiter(), RATE, 2).latency


def test_parameters_are_changed_by_name_at_a_known_time() -> None:
    card = SimulatedCard(block=128)
    card.play_into_input(np.full((2, RATE), 0.25, np.float32))
    graph = fa.Graph.chain(fa.Gain())
    with Engine(graph, card, card, allow_feedback=True) as engine:
        card.run(1280)
        engine["gain"].gain_db = -20
        at = engine["gain"].set(gain_db=-6, at_s=0.5, ramp_ms=10)
        engine.rack.feed()
        assert at == 0.5
        card.run(RATE // 2)
        assert engine["gain"].gain_db == -6
        card.run(RATE // 4)
        with pytest.raises(ParameterError, match="between -120 and 48"):
            engine["gain"].gain_db = 100
        with pytest.raises(GraphError, match="no node called 'gone'"):
            engine["gone"]
        with pytest.raises(AttributeError, match="no parameter 'loud'"):
            _ = engine["gain"].loud
    y = card.recorded[0]
    np.testing.assert_allclose(y[3000:RATE // 2], 0.025, rtol=1e-5)
    assert y[RATE // 2 - 1] < 0.0251 < y[RATE // 2]       # the first step is taken at that very frame
    np.testing.assert_allclose(y[RATE // 2 + 480:RATE // 2 + 4800], 0.25 * 10 ** (-6 / 20), rtol=1e-5)
    assert np.abs(np.diff(y)).max() < 0.02


def test_a_swap_to_the_same_graph_is_not_heard() -> None:
    x = noise(RATE)
    card = SimulatedCard(block=256)
    card.play_into_input(x)
    with Engine(usual(), card, card, allow_feedback=True) as engine:
        for _ in range(8):
            card.run(4096)
            engine.swap(usual())
        card.run(8192)
        frames = engine.rack.position
        reading = engine.read("meter")
    np.testing.assert_array_equal(card.recorded[:, :frames], fa.Plan(usual(), RATE, 2).process(x)[:, :frames])
    assert reading["peak_dbfs"].shape == (2,)


def test_two_cards_of_different_clocks_are_joined() -> None:
    clock = VirtualClock()
    microphone = SimulatedCard("microphone", ppm=200, block=128, clock=clock, jitter_ms=0.3)
    loudspeaker = SimulatedCard("loudspeaker", block=160, clock=clock, seed=2)
    seconds = 30
    n = np.arange(seconds * RATE + 20_000)
    microphone.play_into_input(np.stack([0.5 * np.sin(2 * np.pi * 440 * n / RATE)] * 2))
    with Engine(fa.Graph.chain(fa.Gain()), microphone, loudspeaker, allow_feedback=True) as engine:
        clock.run(10)
        early = engine.stats
        clock.run(seconds - 10)
        late = engine.stats
    assert early.underruns == late.underruns == late.overruns == 0
    assert abs(late.clock_ppm - 200) < 20
    assert abs(late.latency_ms - early.latency_ms) < 2
    y = loudspeaker.recorded[0, 5 * RATE:]
    assert np.abs(y[-1000:]).max() > 0.499
    assert np.abs(np.diff(y, 2)).max() < 1.05 * 0.5 * (2 * np.pi * 440 / RATE) ** 2     # no step, no gap


def test_a_card_of_another_rate() -> None:
    clock = VirtualClock()
    microphone = SimulatedCard("microphone", rate=44_100, clock=clock, input_channels=1)
    loudspeaker = SimulatedCard("loudspeaker", rate=48_000, clock=clock)
    n = np.arange(44_100 * 5)
    microphone.play_into_input(0.5 * np.sin(2 * np.pi * 1000 * n / 44_100))
    with Engine(fa.Graph.chain(fa.Gain()), microphone, loudspeaker, allow_feedback=True) as engine:
        clock.run(4)
        assert engine.rate == 48_000
    y = loudspeaker.recorded
    np.testing.assert_array_equal(y[0], y[1])             # a mono graph is heard on both sides
    spectrum = np.abs(np.fft.rfft(y[0, 96_000:144_000] * np.hanning(48_000)))
    assert np.argmax(spectrum) == 1000


def test_a_file_to_a_card_is_played_from_its_first_sample_to_its_last() -> None:
    x = noise(40_000)
    card = SimulatedCard()
    with Engine(fa.Graph.chain(fa.Gain()), x, card, rate=RATE) as engine:
        wait_until(lambda: engine._drive.parts.rings[0].fill == 40_000)
        card.run(41_000)
        wait_until(lambda: engine.stats.time_s * RATE >= 40_000)
        assert engine._drive.ended
        assert engine.stats.underruns == 0
    np.testing.assert_array_equal(card.recorded[:, :40_000], x)
    assert not card.recorded[:, 40_000:].any()


def test_a_card_to_memory() -> None:
    x, sink = noise(20_000), Memory()
    card = SimulatedCard()
    card.play_into_input(x)
    with Engine(fa.Graph.chain(fa.Gain()), card, sink) as engine:
        card.run(20_000)
        assert engine.stats.overruns == 0
    np.testing.assert_array_equal(sink.array[:, :20_000], x)


def test_the_plan_in_a_thread_of_its_own() -> None:
    """Simulated time waits for nobody: the card is run a block at a time, when the thread has made the last one."""
    x = noise(12_800)
    card = SimulatedCard(block=128)
    card.play_into_input(x)
    with Engine(fa.Graph.chain(fa.Gain()), card, card, direct=False, allow_feedback=True, block=128) as engine:
        for k in range(100):
            card.run(128)
            wait_until(lambda k=k: engine._drive.parts.rings[1].written >= 256 * 2 + 128 * (k + 1) - 256)
        told = engine.stats.latency_frames
        assert engine.stats.underruns == 0
    assert told > 0
    np.testing.assert_array_equal(card.recorded[:, told:12_800], x[:, :12_800 - told])


def test_one_engine_listens_to_another() -> None:
    clock = VirtualClock()
    first_card, second_card = (SimulatedCard(name, clock=clock) for name in ("first", "second"))
    n = np.arange(10 * RATE)
    first_card.play_into_input(np.stack([0.5 * np.sin(2 * np.pi * 440 * n / RATE)] * 2))
    with (Engine(fa.Graph.chain(fa.Gain(gain_db=-6)), first_card, first_card, allow_feedback=True) as first,
          Engine(fa.Graph.chain(fa.Gain(gain_db=-6)), first.listen("gain"), second_card) as second):
        clock.run(5)
        assert second.stats.underruns == 0
    y = second_card.recorded[0, 3 * RATE:]
    assert abs(np.abs(y).max() - 0.5 * 10 ** (-12 / 20)) < 1e-3


def test_a_device_that_goes_is_taken_up_again_and_the_gap_is_counted() -> None:
    card = SimulatedCard()
    card.play_into_input(noise(RATE))
    with Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True) as engine:
        card.run(1000)
        card.unplug()
        wait_until(lambda: engine.stats.gaps == 1)
        assert not engine.alive
        before = engine.rack.position
        card.plug()
        wait_until(lambda: any(e.kind == "device_back" for e in engine.events))
        card.run(1000)
        assert engine.rack.position >= before + 1000
        assert engine.stats.gap_s > 0
    assert [e.kind for e in engine.events] == ["device_lost", "device_back"]


def test_a_device_that_is_not_there_is_told_and_leaves_nothing_running() -> None:
    card = SimulatedCard("mixer")
    engine = Engine(fa.Graph.chain(fa.Gain()), noise(1000), card)
    card.unplug()
    with pytest.raises(TargetError, match="mixer"):
        engine.start()
    assert not engine.alive
    assert not engine.stats.running


def test_channels_that_the_card_does_not_have() -> None:
    with pytest.raises(ParameterError, match=r"puts out 2 channels.*has 1.*ChannelMap\(channels=1\)"):
        Engine(fa.Graph.chain(fa.Gain()), noise(1000), SimulatedCard("speaker", output_channels=1))


def test_what_is_no_number_never_reaches_the_loudspeaker() -> None:
    x = noise(20_000)
    x[0, 5000], x[1, 9000], x[0, 12_000] = np.nan, np.inf, 1e30
    card = SimulatedCard(block=100)
    card.play_into_input(x)
    with Engine(usual(), card, card, allow_feedback=True) as engine:
        card.run(20_000)
        assert engine.stats.node_silenced
        wait_until(lambda: any(e.kind == "node_silenced" for e in engine.events))
    y = card.recorded
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 1.0
    assert y[:, 19_000:20_000].any()                       # and it goes on


def test_a_howl_is_turned_down() -> None:
    card = SimulatedCard(loopback=1.3, input_latency_frames=128, output_latency_frames=128)
    n = np.arange(2000)
    card.play_into_input(np.stack([0.01 * np.sin(2 * np.pi * 1000 * n / RATE)] * 2))
    with Engine(fa.Graph.chain(fa.Gain()), card, card) as engine:
        card.run(10 * RATE)
        assert engine.stats.howls >= 1
        wait_until(lambda: any(e.kind == "howl" for e in engine.events))
    assert np.abs(card.recorded[:, -RATE:]).max() < 0.01
    free = SimulatedCard(loopback=1.3, input_latency_frames=128, output_latency_frames=128)
    free.play_into_input(np.stack([0.01 * np.sin(2 * np.pi * 1000 * n / RATE)] * 2))
    with Engine(fa.Graph.chain(fa.Gain()), free, free, allow_feedback=True) as engine:
        free.run(10 * RATE)
        assert engine.stats.howls == 0
    assert np.abs(free.recorded[:, -RATE:]).max() > 0.9


def test_loud_music_is_not_taken_for_a_howl() -> None:
    """Dense chords near full scale, and a drum: nothing that stands still for 0.4 s like a sine does."""
    n = np.arange(10 * RATE)
    rng = np.random.default_rng(3)
    chord = sum(np.sin(2 * np.pi * f * n / RATE + rng.uniform(0, 6)) for f in (220, 277, 330, 440, 554, 660))
    x = (0.9 * chord / np.abs(chord).max()).astype(np.float32)
    card = SimulatedCard()
    card.play_into_input(np.stack([x, x]))
    with Engine(fa.Graph.chain(fa.Gain()), card, card) as engine:
        card.run(10 * RATE)
        assert engine.stats.howls == 0


def test_mute_and_bypass() -> None:
    card = SimulatedCard(block=100)
    card.play_into_input(np.full((2, RATE), 0.5, np.float32))
    with Engine(fa.Graph.chain(fa.Gain(gain_db=-20)), card, card, allow_feedback=True) as engine:
        card.run(2000)
        engine.bypass()
        card.run(2000)
        engine.mute()
        card.run(2000)
        engine.mute(False)
        engine.bypass(False)
        card.run(2000)
    y = card.recorded[0]
    np.testing.assert_allclose(y[[1999, 3999, 5999, 7999]], [0.05, 0.5, 0.0, 0.05], rtol=1e-6)
    assert np.abs(np.diff(y)).max() < 0.002                # 20 ms from 0.5 to nothing, and not a click


def test_an_engine_can_be_closed_twice_and_dropped() -> None:
    card = SimulatedCard()
    engine = Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True)
    engine.start()
    card.run(1000)
    engine.close()
    engine.close()
    assert card.streams == ()
    with pytest.raises(ParameterError, match="starts once"):
        engine.start()


def test_what_cannot_be_made_any_more_is_told_and_the_engine_goes_on() -> None:
    card = SimulatedCard()
    with Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True) as engine:
        engine["gain"].automate(gain_db=[(3, 0), (4, 6)])
        other = fa.Graph()
        other.add(fa.Limiter(), "gain")     # another node of that name: it has no such parameter
        other.connect("in", "gain")
        other.connect("gain", "out")
        engine.swap(other)
        card.run(2 * RATE)
        wait_until(lambda: any(e.kind == "failed" for e in engine.events))
        card.unplug()                       # its supervisor is at work still
        wait_until(lambda: engine.stats.gaps == 1)


def test_a_listener_that_leaves_does_not_stop_the_engine() -> None:
    def leave(event: fa.Event) -> None:
        raise SystemExit

    card = SimulatedCard()
    with (pytest.warns(RuntimeWarning, match="listener"),
          Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True, on_event=leave) as engine):
        card.unplug()
        wait_until(lambda: engine.stats.gaps == 1)
        card.plug()
        wait_until(lambda: engine.alive)


@pytest.mark.parametrize(("wrong", "said"), [
    ({"fade_ms": float("nan")}, "fade_ms must be between"), ({"edge_ms": -1}, "edge_ms must be between"),
    ({"rate": 0}, "rate must be a whole number"), ({"block": 0}, "block must be a whole number"),
    ({"channels": True}, "channels must be a whole number"), ({"buffer_ms": 1e9}, "buffer_ms must be between"),
    ({"on_event": 3}, "on_event must be a function"),
])
def test_wrong_arguments_are_told(wrong: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        Engine(fa.Graph.chain(fa.Gain()), noise(100), None, **{"rate": RATE, **wrong})


def test_a_closed_engine_says_so() -> None:
    card = SimulatedCard()
    engine = Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True)
    engine.close()
    for work in (engine.start, lambda: engine["gain"].set(gain_db=-3), lambda: engine.swap(fa.Gain()), engine.mute,
                 lambda: engine.record("never.flac"), lambda: engine.remember(3), engine.listen):
        with pytest.raises(ParameterError, match="closed"):
            work()
    assert not Path("never.flac").exists()


def test_an_input_is_not_overwritten(tmp_path: Path) -> None:
    with fa.Encoder(tmp_path / "in.wav", fa.WAV(), RATE, 2) as encoder:
        encoder.write(noise(1000))
    with pytest.raises(ParameterError, match="both input and output"):
        Engine(fa.Gain(), tmp_path / "in.wav", tmp_path / "in.wav")


def test_ctrl_c_keeps_what_was_recorded_live_and_drops_half_a_file(tmp_path: Path) -> None:
    card = SimulatedCard()
    with pytest.raises(KeyboardInterrupt), Engine(fa.Gain(), card, tmp_path / "take.flac"):
        card.run(RATE)
        raise KeyboardInterrupt
    assert (tmp_path / "take.flac").stat().st_size > 0
    with pytest.raises(KeyboardInterrupt), Engine(fa.Gain(), noise(RATE), tmp_path / "half.flac", rate=RATE):
        raise KeyboardInterrupt
    assert not (tmp_path / "half.flac").exists()


def test_who_listens_to_an_engine_that_closes_is_told() -> None:
    clock = VirtualClock()
    card = SimulatedCard(clock=clock)
    first = Engine(fa.Gain(), card, card, allow_feedback=True)
    first.start()
    with Engine(fa.Gain(), first.listen(), Memory()) as second:
        clock.run(0.5)
        first.close()
        assert second.wait(20)


def test_what_a_detector_finds_is_an_event() -> None:
    """With its frame, as soon as somebody looks, and what was found last when the engine is closed."""
    heard: list[Event] = []
    x = np.full((1, 4800), 0.1, np.float32)
    x[0, [480, 4799]] = 0.9
    graph = fa.Graph.chain(fa.Limiter(ceiling_dbtp=0.0), Loud())
    with Engine(graph, x, None, rate=RATE, on_event=heard.append) as engine:
        assert engine.wait(30)
    found = [event for event in heard if event.kind == "loud"]
    assert [(event.at_s, event.end_s, event.node, event.phase) for event in found] == [
        (480 / RATE, 481 / RATE, "loud", "whole"), (4799 / RATE, 4800 / RATE, "loud", "whole")]
    assert found[0].strength == pytest.approx(0.9)
    assert found[0].text == "loud: loud found for 0.000 s (0.9)"


# How it ends.


def test_a_listener_may_close_the_engine_while_it_is_being_closed() -> None:
    """Whoever closes first waits for the thread that the listener is in."""
    heard, go_on = threading.Event(), threading.Event()
    closed: list[bool] = []

    def hear(event: Event) -> None:
        if event.kind == "device_lost":
            heard.set()
            go_on.wait(20)
            engine.close()
            closed.append(True)

    card = SimulatedCard()
    engine = Engine(fa.Gain(), card, card, allow_feedback=True, on_event=hear)
    engine.start()
    card.unplug()
    assert heard.wait(20)
    closing = threading.Thread(target=engine.close, daemon=True)
    closing.start()
    wait_until(lambda: engine._supervisor._asked)
    go_on.set()
    closing.join(20)
    assert not closing.is_alive()
    assert closed == [True]
    assert engine.closed


@pytest.mark.parametrize("where", ["listener", "action"])
def test_a_listener_or_an_action_may_close_the_engine(where: str) -> None:
    card = SimulatedCard()
    engine = Engine(fa.Gain(), card, card, allow_feedback=True,
                    on_event=(lambda event: engine.close()) if where == "listener" else None)
    if where == "action":
        engine.on("device_lost", lambda event: engine.close())
    engine.start()
    card.unplug()
    assert engine.wait(20)
    wait_until(lambda: engine.closed)
    engine.close()


def test_ctrl_c_while_it_closes_waits_for_the_files(tmp_path: Path) -> None:
    """Pressed while a recording is being finished, as somebody does who finds that it takes long."""
    card = SimulatedCard()
    card.play_into_input(noise(RATE))
    engine = Engine(fa.Gain(), card, tmp_path / "out.flac", allow_feedback=True)
    engine.start()
    take = engine.record(tmp_path / "take.flac")
    card.run(RATE)
    write, pressed = take._writer.close, threading.Event()

    def slowly() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert pressed.wait(20)
        write()

    take._writer.close = slowly         # type: ignore[method-assign]  # what a slow disk is

    def press(number: int, frame: Any) -> None:
        pressed.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.close()
    finally:
        signal.signal(signal.SIGINT, before)
    assert engine.closed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.flac", "take.flac"]


def test_a_dropped_engine_fades_out_and_is_closed(tmp_path: Path) -> None:
    card = SimulatedCard()
    engine = Engine(fa.Gain(), card, card, allow_feedback=True)
    engine.on("mark", lambda event: None)
    engine.record(tmp_path / "take.flac")
    engine.remember(0.1)
    engine.start()
    card.run(RATE)
    supervisor, gone = engine._supervisor, weakref.ref(engine)
    with pytest.warns(ResourceWarning, match="keep a reference"):
        del engine
    assert gone() is None               # at once: nothing in it refers to it
    wait_until(lambda: supervisor.closed)
    assert card.streams == ()
    assert [path.name for path in tmp_path.iterdir()] == ["take.flac"]
    assert supervisor.log.events[-2].text.startswith("nobody holds the engine")


def test_who_holds_an_engine() -> None:
    """A with statement without a name, and an engine that listens; one that is closed is dropped without a word."""
    clock = VirtualClock()
    card = SimulatedCard(clock=clock)
    with Engine(fa.Gain(), card, card, allow_feedback=True):
        gc.collect()
        card.run(1000)
        assert card.streams
    first = Engine(fa.Gain(), card, card, allow_feedback=True)
    first.start()
    still = first._supervisor
    with Engine(fa.Gain(), first.listen(), Memory()):
        del first
        gc.collect()
        assert not still._dropped
        still.close()
    Engine(fa.Gain(), card, card, allow_feedback=True)       # it was never started: nothing has to be said


def test_an_output_is_only_replaced_by_an_engine_that_ran(tmp_path: Path) -> None:
    (tmp_path / "keep.wav").write_bytes(b"mine")
    Engine(fa.Gain(), noise(100), tmp_path / "keep.wav", rate=RATE).close()
    dropped = Engine(fa.Gain(), noise(100), tmp_path / "keep.wav", rate=RATE)
    del dropped
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("keep.wav", b"mine")]


def test_muted_before_the_start_and_while_the_device_is_gone() -> None:
    """As on a real card, which has edges: it begins silent, fades in where it may, and begins so again."""
    card = SimulatedCard(block=96)
    card.play_into_input(np.full((2, RATE), 0.5, np.float32))
    engine = Engine(fa.Gain(), card, card, allow_feedback=True)
    engine._supervisor.level.edge_ms = 10.0
    engine.mute()
    assert engine.muted
    with engine:
        card.run(960)
        engine.mute(False)
        card.run(1920)
        card.unplug()
        wait_until(lambda: engine.stats.gaps == 1)
        for k in range(5000):           # more than there is room for, if each were sent
            engine.mute(k % 2 == 0)
        card.plug()
        wait_until(lambda: any(event.kind == "device_back" for event in engine.events))
        wait_until(lambda: engine._supervisor.level._heard)
        card.run(1920)
        engine.mute()
        card.run(1920)
        card.unplug()
        wait_until(lambda: engine.stats.gaps == 2)
        card.plug()
        wait_until(lambda: sum(event.kind == "device_back" for event in engine.events) == 2)
        card.run(960)
        assert engine.muted
        engine._supervisor.level.edge_ms = 0.0              # nobody runs the clock while it closes
    y = card.recorded[0]
    assert not y[:960].any()                                # muted from the first sample on
    assert y[2879] == 0.5
    assert y[2880] < 0.002                                  # the device is back, and begins with the fade's first step
    assert y[4799] == 0.5
    assert np.abs(np.diff(y[2880:])).max() < 0.002
    assert not y[6719:].any()                               # it was muted before the gap


def test_bypassed_is_known() -> None:
    card = SimulatedCard()
    with Engine(fa.Gain(), card, card, allow_feedback=True) as engine:
        engine.bypass()
        assert engine.bypassed
        engine.bypass(False)
        assert not engine.bypassed
        assert engine.stats.realtime is None                # a virtual time has no threads


def test_a_gap_is_told_whole_while_the_device_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor ends it between any two steps of whoever asks."""
    now = [100.0]
    card = SimulatedCard()
    engine = Engine(fa.Gain(), card, card, allow_feedback=True)
    stream = engine._drive.parts.streams[0]
    stream.open()
    card.unplug()
    said: list[str] = []

    def monotonic() -> float:
        if said == ["lost"]:
            said.append("back, in the middle of it")
            said.append(stream.check())
        return now[0]

    for module in (streams, absence):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    said.append(stream.check())
    card.plug()
    now[0] += 3.0
    assert stream.absence.seconds == 3.0
    assert said[2] == "back"
    assert stream.absence.seconds == 3.0
    engine.close()
