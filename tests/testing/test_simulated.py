"""Simulated sound cards: their time, what goes through them, and the faults that they are told to have."""

import threading
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import at

import flowaudio as fa
from flowaudio.core.errors import ParameterError, SourceError, TargetError
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import copy, f64_1d, i64_1d
from flowaudio.core.native import native
from flowaudio.core.node import Format, node
from flowaudio.runtime.card import INPUT_OVERFLOW, OUTPUT_UNDERFLOW, Card, CardStream, Request
from flowaudio.testing import SimulatedCard, SimulatedStream, VirtualClock

CLOCK, CHANNELS, END_AT, SIZE, CALLS, LOG = range(6)
ROW = 6


@native
def diary(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """Plays what it hears, and writes down: time, frames, flags, whether there is input, output, time of the frames."""
    u = i64_1d(user, LOG)
    count = u[CALLS]
    row = i64_1d(user + 8 * (LOG + ROW * min(count, u[SIZE] - 1)), ROW)     # the last row is written over
    row[0] = i64_1d(u[CLOCK], 1)[0] if u[CLOCK] else 0
    row[1], row[2], row[3], row[4] = frames, flags, int(inp != 0), int(out != 0)
    row[5] = int(1e9 * (f64_1d(times, 3)[2] - f64_1d(times, 3)[0]) + 0.5)
    if inp != 0 and out != 0:
        copy(out, inp, 4 * u[CHANNELS] * frames)
    u[CALLS] = count + 1
    return 1 if u[CALLS] == u[END_AT] else 0


class Diary:
    """The memory of one `diary`."""

    def __init__(self, card: SimulatedCard, channels: int = 2, end_at: int = 0, size: int = 30_000) -> None:
        self.words = np.zeros(LOG + ROW * size, np.int64)
        self.words[:CALLS] = card.clock(), channels, end_at, size

    @property
    def rows(self) -> Any:
        assert self.calls <= self.words[SIZE]
        return self.words[LOG:LOG + ROW * self.calls].reshape(-1, ROW)

    @property
    def calls(self) -> int:
        return int(self.words[CALLS])


def opened(card: SimulatedCard, side: str = "duplex", rate: int = 48_000, block: int = 0,
           **more: Any) -> tuple[SimulatedStream, Diary]:
    made = Diary(card, card.output_channels, **more)
    request = Request(rate, block, card.input_channels if side != "output" else 0,
                      card.output_channels if side != "input" else 0, diary.address, at(made.words), (made,))
    return card.open(side, request), made


def running(card: SimulatedCard, *args: Any, **more: Any) -> tuple[SimulatedStream, Diary]:
    stream, made = opened(card, *args, **more)
    stream.start()
    return stream, made


def noise(frames: int, channels: int = 2, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


def test_it_is_a_card() -> None:
    card: Card = SimulatedCard("desk", rate=44_100, input_channels=1, output_channels=6)
    assert (card.name, card.rate("input"), card.channels("input"), card.channels("output")) == ("desk", 44_100, 1, 6)
    assert card.same_device(card)
    assert not card.same_device(SimulatedCard())
    request = Request(48_000, 64, 0, 6, diary.address, 0, ())
    stream: CardStream = card.open("output", request)
    assert stream.rate == 48_000
    assert not stream.active


@given(lengths=st.lists(st.integers(1, 700), min_size=1, max_size=5), frames=st.integers(0, 30_000))
@settings(max_examples=30, deadline=None)
def test_what_it_hears_is_what_it_plays(lengths: list[int], frames: int) -> None:
    card = SimulatedCard(block=lengths)
    x = noise(frames)
    card.play_into_input(x[:, :frames // 3])
    card.play_into_input(x[:, frames // 3:])
    _, told = running(card)
    card.time.run(0.5)
    y = card.recorded
    total = told.rows[:, 1].sum()
    assert total <= 24_000 < total + max(lengths)
    assert y.shape == (2, total)
    heard = min(frames, total)
    np.testing.assert_array_equal(y[:, :heard], x[:, :heard])
    assert not y[:, heard:].any()
    np.testing.assert_array_equal(told.rows[:, 1], np.resize(lengths, told.calls))


def test_a_call_comes_when_its_frames_are_there() -> None:
    card = SimulatedCard(ppm=200.0, block=[100, 37])
    card.time.run(0.25)
    _, told = running(card, rate=32_000)
    card.time.run(1.0)
    due = 0.25e9 + np.cumsum(told.rows[:, 1]) * 1e9 / (32_000 * (1 + 200e-6))
    np.testing.assert_allclose(told.rows[:, 0], due, atol=1.0)
    assert card.time.now_ns == 1_250_000_000


def test_a_stream_decides_on_its_block() -> None:
    card = SimulatedCard(block=[100, 37])
    _, told = running(card, block=256)
    card.run(2000)
    assert told.rows[:, 1].tolist() == [256] * 8


def test_cards_drift_apart_as_they_are_told() -> None:
    clock = VirtualClock()
    fast = SimulatedCard(ppm=150.0, clock=clock, keep=False)
    slow = SimulatedCard(ppm=-50.0, clock=clock, keep=False)
    streams = [running(card)[0] for card in (fast, slow)]
    clock.run(100.0)
    assert streams[0].total - streams[1].total == pytest.approx(200e-6 * 4_800_000, abs=128)


def test_calls_of_all_cards_come_in_the_order_of_their_times() -> None:
    clock = VirtualClock()
    cards = [SimulatedCard(rate=48_000, block=97, ppm=13, jitter_ms=3.0, seed=k, clock=clock) for k in range(3)]
    diaries = [running(card)[1] for card in cards]
    for card, told in zip(cards, diaries, strict=True):
        assert card.clock() == clock.address
        assert told.words[CLOCK] == clock.address
    clock.run(1.0)
    for told in diaries:
        times = told.rows[:, 0]
        due = np.cumsum(told.rows[:, 1]) * 1e9 / (48_000 * (1 + 13e-6))
        late = times - due
        assert (np.diff(times) >= 0).all()
        assert late.min() >= -1
        assert 2.5e6 < late.max() <= 3e6 + 1
        assert late.min() < 0.3e6
    # Each call finds the time of its own: the order can be seen in the shared clock, which never goes back.
    assert not np.array_equal(diaries[0].rows[:, 0], diaries[1].rows[:, 0])


def test_the_same_run_again_is_the_same() -> None:
    def run(seed: int) -> list[int]:
        card = SimulatedCard(jitter_ms=1.0, seed=seed)
        told = running(card)[1]
        card.time.run(0.2)
        return told.rows[:, 0].tolist()  # type: ignore[no-any-return]

    assert run(3) == run(3) != run(4)


@pytest.mark.parametrize(("side", "pointers"), [("input", [1, 0]), ("output", [0, 1]), ("duplex", [1, 1])])
def test_a_side_that_is_not_there_has_no_memory(side: str, pointers: list[int]) -> None:
    card = SimulatedCard()
    _, told = running(card, side)
    card.time.run(0.1)
    assert told.rows[:, 3:5].tolist() == [pointers] * told.calls
    assert told.calls == 37


def test_what_a_callback_does_not_write_is_no_number() -> None:
    card = SimulatedCard()
    running(card, "output")             # the diary copies only what it hears
    card.run(1000)
    assert np.isnan(card.recorded).all()


def test_a_function_is_asked_for_what_is_heard() -> None:
    card = SimulatedCard(input_channels=1, output_channels=1)
    asked: list[int] = []

    def saw(frames: int) -> Any:
        start = sum(asked)
        asked.append(min(frames, 40_000 - start))
        return np.arange(start, start + asked[-1])

    card.play_into_input(saw)
    card.play_into_input(-np.ones(10))
    running(card)
    card.run(48_000)
    y = card.recorded[0]
    np.testing.assert_array_equal(y[:40_000], np.arange(40_000))
    assert y[40_000:40_010].tolist() == [-1.0] * 10
    assert not y[40_010:].any()


def test_one_channel_feeds_all() -> None:
    card = SimulatedCard(input_channels=3, output_channels=3)
    card.play_into_input(np.linspace(0, 1, 500))
    running(card)
    card.run(500)
    np.testing.assert_array_equal(card.recorded[:, :500], np.tile(np.linspace(0, 1, 500, dtype=np.float32), (3, 1)))


def test_what_is_played_can_be_handed_over_or_dropped() -> None:
    pieces: list[Any] = []
    x = noise(30_000)
    for keep in (pieces.append, False):
        card = SimulatedCard(keep=keep)
        card.play_into_input(x)
        running(card)
        card.run(30_000)
        assert card.recorded.shape == (2, 0)
    got = np.concatenate(pieces, axis=1)
    np.testing.assert_array_equal(got[:, :30_000], x)
    assert len(pieces) > 2


def test_stopped_and_started_again() -> None:
    card = SimulatedCard(block=100)
    stream, told = running(card)
    card.run(1000)
    stream.stop()
    assert not stream.active
    card.time.run(1.0)
    assert told.calls == 10
    stream.start()
    card.time.run(0.1)
    assert told.calls == 58
    assert told.rows[10, 0] == 1_022_916_666                    # a block after the start
    stream.close()
    stream.close()
    card.time.run(1.0)
    assert told.calls == 58
    assert card.streams == ()
    with pytest.raises(SourceError, match="simulated cannot be used for duplex: the stream is closed"):
        stream.start()


def test_a_callback_may_end_its_stream() -> None:
    card = SimulatedCard()
    stream, told = running(card, end_at=5)
    card.time.run(1.0)
    assert told.calls == 5
    assert not stream.active


def test_unplugged_and_plugged() -> None:
    card = SimulatedCard("headset")
    stream, told = running(card)
    card.time.at(0.5, card.unplug)
    card.time.run(1.0)
    assert told.calls == 187            # 0.5 s
    assert not stream.active
    with pytest.raises(SourceError, match="headset cannot be used for input: it is unplugged"):
        card.rate("input")
    for side, error in (("input", SourceError), ("output", TargetError), ("duplex", SourceError)):
        with pytest.raises(error, match=f"headset cannot be used for {side}: it is unplugged"):
            opened(card, side)
    with pytest.raises(SourceError, match="it is gone"):
        stream.start()
    card.plug()
    card.refresh()
    with pytest.raises(SourceError, match="it is gone"):
        stream.start()                  # an old stream stays dead
    _, again = running(card)
    card.time.run(0.5)
    assert again.calls == 187
    assert told.calls == 187


def test_an_xrun_loses_frames_and_is_told_once() -> None:
    card = SimulatedCard(block=100)
    x = noise(9000)
    card.play_into_input(x)
    stream, told = running(card)
    card.run(1000)
    card.xrun(250)
    assert stream.total == 1250
    card.run(1000)
    y = card.recorded
    np.testing.assert_array_equal(y[:, :1000], x[:, :1000])
    assert not y[:, 1000:1250].any()
    np.testing.assert_array_equal(y[:, 1250:], x[:, 1250:2250])
    assert told.rows[:, 2].tolist() == [0] * 10 + [INPUT_OVERFLOW | OUTPUT_UNDERFLOW] + [0] * 9
    np.testing.assert_allclose(np.diff(told.rows[:, 0])[8:11] * 48e-6, [100, 350, 100], atol=0.01)


@pytest.mark.parametrize(("side", "flag"), [("input", INPUT_OVERFLOW), ("output", OUTPUT_UNDERFLOW)])
def test_an_xrun_of_one_side_is_told_for_that_side(side: str, flag: int) -> None:
    card = SimulatedCard()
    _, told = running(card, side)
    card.xrun(100_000)                  # more than any buffer between
    card.run(256)
    assert told.rows[:, 2].tolist() == [flag, 0]


@given(block=st.integers(1, 300), more=st.integers(0, 500), part=st.floats(0, 1), gain=st.sampled_from([0.5, 1.0]))
@settings(max_examples=30, deadline=None)
def test_the_loop_is_as_long_as_the_latencies(block: int, more: int, part: float, gain: float) -> None:
    """What is played is heard again, once more each time."""
    lag = block + more
    card = SimulatedCard(block=block, input_latency_frames=round(part * lag),
                         output_latency_frames=lag - round(part * lag), loopback=gain)
    stream, told = running(card)
    card.play_into_input(np.ones(1))
    card.run(4 * lag)
    assert (stream.input_latency_frames + stream.output_latency_frames) == lag
    assert abs(told.rows[0, 5] - lag * 1e9 / 48_000) <= 2
    y = card.recorded
    expected = np.zeros_like(y)
    for k in range(-(-y.shape[1] // lag)):
        expected[:, k * lag] = gain**k
    np.testing.assert_array_equal(y, expected)


def test_a_loop_shorter_than_a_call_is_refused() -> None:
    card = SimulatedCard(block=64, input_latency_frames=40, loopback=True)
    with pytest.raises(ParameterError, match="heard after 40 frames, within a call of 64: give it latencies"):
        opened(card)
    opened(card, block=32)
    opened(card, "output")              # one side alone has no loop


def test_rates_and_channels_are_refused() -> None:
    card = SimulatedCard(input_channels=1)
    card.refuse_rate(44_100, 96_000)
    with pytest.raises(TargetError, match="simulated cannot be used for output: it does not run at 44100 Hz"):
        opened(card, "output", 44_100)
    opened(card, "output", 48_000)
    for side, channels in (("duplex", (2, 2)), ("duplex", (0, 2)), ("input", (1, 1)), ("output", (0, 3))):
        with pytest.raises((SourceError, TargetError), match=r"it has \d \w+ channels for this stream \(asked for"):
            card.open(side, Request(48_000, 0, *channels, diary.address, 0, ()))
    with pytest.raises(SourceError, match="it has no input"):
        SimulatedCard(input_channels=0).channels("input")
    with pytest.raises(ParameterError, match="a side is"):
        card.open("both", Request(48_000, 0, 1, 2, diary.address, 0, ()))
    with pytest.raises(ParameterError, match="a block must have at least one frame"):
        SimulatedCard(block=[])
    with pytest.raises(ParameterError, match=r"hears float \[1, frames\] \(got shape \(2, 5\)\)"):
        card.play_into_input(np.zeros((2, 5)))
    with pytest.raises(ParameterError, match="has no stream that runs"):
        card.run(10)
    with pytest.raises(ParameterError, match="a time must be at least 0 s"):
        card.time.run(-1)


def test_planned_work_is_done_at_its_time() -> None:
    clock = VirtualClock()
    card = SimulatedCard(clock=clock, block=480)
    told = running(card)[1]
    seen: list[tuple[str, int, int]] = []
    clock.every(0.1, lambda: seen.append(("often", clock.now_ns, told.calls)))
    clock.at(0.3, lambda: seen.append(("once", clock.now_ns, told.calls)))
    clock.run(0.25)
    clock.run(0.15)
    times = [("often", 1), ("often", 2), ("once", 3), ("often", 3), ("often", 4)]
    assert seen == [(name, k * 100_000_000, 10 * k) for name, k in times]


def test_an_error_of_a_function_stops_time_and_nothing_else() -> None:
    card = SimulatedCard()
    running(card)
    card.time.at(0.5, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        card.time.run(1.0)
    assert card.time.seconds == 0.5
    card.time.run(0.5)
    assert card.time.seconds == 1.0


def test_another_thread_may_close_while_time_goes() -> None:
    """When `close` has returned there are no more calls, although time goes on."""
    clock = VirtualClock()
    other = SimulatedCard(clock=clock, keep=False)
    running(other)
    card = SimulatedCard(clock=clock, keep=False)
    stream, told = running(card)
    begun = threading.Event()
    clock.at(0.1, begun.set)
    thread = threading.Thread(target=clock.run, args=(900.0,))
    thread.start()
    assert begun.wait(60)
    stream.close()
    calls = told.calls
    thread.join(60)
    assert not thread.is_alive()
    assert told.calls == calls < 300_000
    assert clock.seconds == 900.0


def test_cards_share_nothing() -> None:
    one, other = SimulatedCard(), SimulatedCard()
    one.play_into_input(noise(100))
    one.refuse_rate(48_000)
    running(other)
    other.run(1000)
    assert one.time.now_ns == 0
    assert not other.recorded.any()


class Gained(NamedTuple):
    """What is added up."""

    y: Any


@node
class Slow:
    """Takes longer than its block lasts."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Gained(np.zeros(1, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for n in range(x.shape[1]):
            for _ in range(50_000):
                s.y[0] = np.float32(0.999) * s.y[0] + np.float32(1.0)
            for c in range(x.shape[0]):
                y[c, n] = x[c, n] + s.y[0]


def test_a_busy_machine_is_not_late_in_virtual_time() -> None:
    """One frame takes 100 us at least, and 10 us are there for it: by the real clock every block is late."""
    card = SimulatedCard(rate=96_000, block=32)
    with fa.Engine(Slow(), card, card, allow_feedback=True) as engine:
        card.run(320)
        counters = engine.rack.counters
        assert counters.calls >= 10 and counters.peak_load > 1.0
        assert counters.late_blocks == engine.stats.late_blocks == 0
        # The same blocks are late for a rack whose time is the real one.
        engine.rack.virtual = False
        assert engine.rack.counters.late_blocks >= 10
