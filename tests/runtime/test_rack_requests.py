"""What is asked of a running plan, and when it happens: nothing is lost, nothing comes early, little has to wait."""

import resource
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_rack import NaiveRack

import flowaudio as fa
from flowaudio.core.entry import entry_for
from flowaudio.core.kernel import kernel
from flowaudio.core.native import native
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice
from flowaudio.core.units import db_to_gain
from flowaudio.runtime.control import Rack
from flowaudio.runtime.turn import Turn, turn_take

RATE = 48_000
FADE = 960                              # 20 ms


def ones(frames: int, channels: int = 1) -> Any:
    return np.ones((channels, frames), np.float32)


def noise(frames: int, channels: int = 2, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def run(rack: Rack, x: Any, call: int = 100) -> Any:
    """In calls of `call` frames, fed behind each."""
    made = []
    for at in range(0, x.shape[1], call):
        made.append(rack.process(x[:, at:at + call]))
        rack.feed()
    return np.concatenate(made, axis=1)


def stairs(begin: float, end: float, frames: int) -> Any:
    """The documented way from one gain to another: steps of 4 frames, each at the end of its part of the line."""
    count = max(-(-frames // 4), 1)
    steps = begin + (np.arange(count) + 1) / count * (end - begin)
    return np.repeat(steps, 4)


@pytest.mark.parametrize("frames", [0, 1, 3, 4, 5, 960, 1000])
@pytest.mark.parametrize("start", [0, 77])
def test_a_change_is_a_stair_of_four_frames(frames: int, start: int) -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    run(rack, ones(start + 1))
    at = rack.change("gain", {"gain_db": -120.0}, ramp_ms=frames / 48)
    assert at == start + 1
    y = run(rack, ones(2000))[0]
    way = stairs(1.0, 0.0, frames)
    np.testing.assert_allclose(y[:len(way)], way, rtol=1e-6)
    assert not y[len(way) - 4:].any()


def test_the_same_again_before_it_was_heard() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    rack.change("gain", {"gain_db": -6.0})
    rack.change("gain", {"gain_db": -6.0})
    assert rack.process(ones(2000))[0, -1] == np.float32(db_to_gain(-6.0))


def test_a_change_of_now_survives_a_plan_for_later() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    rack.change("gain", {"gain_db": -6.0})
    rack.change("gain", {"gain_db": -12.0}, at=4800)
    y = run(rack, ones(9600))[0]
    assert y[4799] == np.float32(db_to_gain(-6.0)) > y[4800]
    assert y[-1] == np.float32(db_to_gain(-12.0))


def test_a_change_of_now_survives_the_automation_of_another_parameter() -> None:
    rack = Rack(fa.chain(fa.Delay(time_ms=1.0, wet=0.0)), RATE, 1)
    rack.change("delay", {"dry": 0.5})
    rack.automate("delay", "wet", [(0.2, 0.0), (0.3, 0.25)])
    y = run(rack, ones(24_000), 480)[0]
    assert y[9599] == 0.5
    assert y[-1] == pytest.approx(0.5 + 0.25 / 0.6, abs=1e-5)


@pytest.mark.parametrize("lead", [0, 100])
def test_other_plans_for_a_node_stay_where_one_parameter_is_taken_over(lead: int) -> None:
    """By hand: what was planned for that parameter is dropped, the rest of the same moment is not."""
    rack = Rack(fa.chain(fa.Delay(time_ms=1.0, wet=0.0, feedback=0.0)), RATE, 1, lead_frames=lead)
    rack.change("delay", {"dry": 0.5, "wet": 0.25}, at=4800)
    rack.change("delay", {"wet": 0.125}, at=9600)
    rack.change("delay", {"dry": 0.75})
    y = run(rack, ones(6000))[0]
    assert y[4799] == 0.75
    assert y[-1] == 1.0                 # 0.75 + 0.25
    run(rack, ones(6000))
    assert rack.node("delay") == fa.Delay(time_ms=1.0, dry=0.75, wet=0.125, feedback=0.0)


def test_what_is_taken_back_does_not_happen() -> None:
    """The audio thread has been told of it already."""
    rack = Rack(fa.chain(fa.Gain(), fa.OnePole(frequency_hz=20_000.0)), RATE, 1)
    rack.change("gain", {"gain_db": -12.0}, at=4800)
    rack.automate("one_pole", "frequency_hz", [(0.1, 20_000.0), (0.2, 100.0)])
    rack.change("gain", {"gain_db": -6.0})
    rack.automate("one_pole", "frequency_hz", [(0.1, 20_000.0)])
    y = run(rack, ones(12_000))[0]
    np.testing.assert_allclose(y[2000:], db_to_gain(-6.0), rtol=1e-6)
    assert rack.counters.stale_changes > 5
    assert rack.node("one_pole").frequency_hz == 20_000.0


def test_a_change_that_takes_another_plan_keeps_what_else_is_on_its_way() -> None:
    rack = Rack(fa.chain(fa.Gain(), fa.Delay(time_ms=1.0, wet=0.0)), RATE, 1, lead_frames=300)
    rack.change("gain", {"gain_db": -6.0})
    rack.change("delay", {"dry": 0.5})
    rack.change("gain", {"gain_db": -12.0}, at=9600)
    rack.change("delay", {"time_ms": 2.0})
    y = run(rack, ones(19_200))[0]
    assert rack.node("gain").gain_db == -12.0
    assert y[9599] == np.float32(0.5 * np.float32(db_to_gain(-6.0)))
    assert y[-1] == np.float32(0.5 * np.float32(db_to_gain(-12.0)))


def test_a_planned_change_that_takes_another_plan_comes_in_its_time_and_brings_nothing_with_it() -> None:
    """Not what is planned for the same node still later, although the audio thread has been told of that already."""
    rack = Rack(fa.chain(fa.Delay(time_ms=1.0, wet=0.0)), RATE, 1)
    rack.change("delay", {"dry": 0.5}, at=24_000)
    rack.change("delay", {"time_ms": 2.0}, at=12_000)
    y = run(rack, ones(48_000))[0]
    assert rack.node("delay") == fa.Delay(time_ms=2.0, wet=0.0, dry=0.5)
    assert (y[:24_000] == 1.0).all()
    assert y[24_000] < 1.0
    assert y[-1] == 0.5
    assert rack.counters.late_letters == 0


def test_the_node_is_known_as_it_was_asked_for() -> None:
    rack = Rack(fa.chain(fa.Gain(), fa.Limiter()), RATE, 1, lead_frames=200)
    rack.change("gain", {"gain_db": -3.0})
    assert rack.node("gain").gain_db == -3.0
    rack.change("gain", {"gain_db": -9.0}, at=4800)
    assert rack.node("gain").gain_db == -3.0
    assert rack.graph.nodes["gain"]["node"].gain_db == -3.0
    rack.change("limiter", {"lookahead_ms": 3.0})
    assert rack.node("limiter").lookahead_ms == 3.0
    run(rack, ones(4700))
    assert rack.node("gain").gain_db == -9.0    # it can no longer be preceded
    copy = rack.graph
    copy.nodes["gain"]["node"] = fa.Gain(gain_db=5.0)
    assert rack.node("gain").gain_db == -9.0    # nobody changes our graph from outside


def test_what_is_muted_does_not_wait_for_plans() -> None:
    rack = Rack(fa.chain(fa.Delay(time_ms=5.0)), RATE, 1)
    for k in range(10):
        rack.change("delay", {"time_ms": 6.0 + k})          # ten fades, one behind the other
    assert rack.gain(0.0, 1.0) == 0
    assert not rack.process(ones(1000))[0, 48:].any()
    assert rack.bypass(1.0, 0.0) == 1000
    assert rack.gain(1.0, 0.0) == 1000
    assert (rack.process(ones(1000)) == 1.0).all()
    y = rack.process(ones(20_000))
    rack.bypass(0.0, 0.0)
    assert (y == 1.0).all()
    assert rack.node("delay").time_ms == 15.0
    rack.collect()
    assert len(rack._post) == 1


@pytest.mark.parametrize("ms", [0.0, 1.0, 20.0])
def test_down_to_silence_and_back(ms: float) -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 2)
    x, frames = noise(4000), round(48 * ms)
    rack.process(x[:, :100])
    assert rack.gain(0.0, ms) == 100
    down = rack.process(x[:, 100:2000], 37)
    assert rack.gain(1.0, ms) == 2000
    up = rack.process(x[:, 2000:], 37)
    line = (np.arange(frames) + 1) / frames if frames else np.zeros(0)
    np.testing.assert_allclose(down[:, :frames], x[:, 100:100 + frames] * (1 - line), atol=1e-7)
    assert not down[:, frames:].any()
    np.testing.assert_allclose(up[:, :frames], x[:, 2000:2000 + frames] * line, atol=1e-7)
    np.testing.assert_array_equal(up[:, frames:], x[:, 2000 + frames:])


@given(block=st.integers(1, 300), swaps=st.lists(st.sampled_from([2.0, 3.0, 7.0]), max_size=3))
@settings(max_examples=10, deadline=None, database=None)
def test_the_bypass_is_as_late_as_the_graph(block: int, swaps: list[float]) -> None:
    rack = Rack(fa.chain(fa.Limiter(lookahead_ms=5.0), fa.Gain(gain_db=-6.0)), RATE, 2)
    x = noise(24_000) * np.float32(0.3)  # the limiter has nothing to do
    rack.process(x[:, :1000], block)
    rack.bypass(1.0, 10.0)
    y = [rack.process(x[:, 1000:3000], block)]
    late = [276]
    assert rack.latency == 276
    np.testing.assert_array_equal(y[0][:, 480:], x[:, 1480 - 276:3000 - 276])
    for lookahead in swaps:             # while it is bypassed: from one latency to the other, and then as late as that
        rack.change("limiter", {"lookahead_ms": lookahead})
        late.append(rack.latency)
        at = rack.position
        y.append(rack.process(x[:, at:at + 3000], block))
        np.testing.assert_array_equal(y[-1][:, 2000:], x[:, at + 2000 - late[-1]:at + 3000 - late[-1]])
    assert rack.bypass(0.0, 0.0) == rack.position
    at = rack.position
    y.append(rack.process(x[:, at:at + 1000], block))
    np.testing.assert_allclose(y[-1], x[:, at - late[-1]:at + 1000 - late[-1]] * db_to_gain(-6.0), rtol=1e-6)


def test_automation_is_a_line() -> None:
    rack = Rack(fa.chain(fa.Gain(gain_db=-20.0)), RATE, 1)
    run(rack, ones(4800))
    rack.automate("gain", "gain_db", [(0.2, -20.0), (0.7, -6.0), (0.7, -40.0), (1.0, 0.0)])
    y = run(rack, ones(48_000 * 2), 480)[0]
    seconds = 0.1 + np.arange(len(y)) / RATE
    with np.errstate(divide="ignore"):
        db = 20 * np.log10(y)
    rising = (seconds > 0.22) & (seconds < 0.7)
    np.testing.assert_allclose(db[rising], -20 + 14 * (seconds[rising] - 0.2) / 0.5, atol=0.03)
    later = (seconds > 0.72) & (seconds < 1.0)
    # Within 20 ms, 2.7 dB here, it is the gain that goes in a straight line, not its decibels.
    np.testing.assert_allclose(db[later], -40 + 40 * (seconds[later] - 0.7) / 0.3, atol=0.25)
    assert (y[seconds > 1.01] == 1.0).all()
    assert (np.diff(y[rising]) >= 0).all()
    assert rack.counters.late_letters == 0


def test_an_automation_begun_in_the_middle_goes_on_from_there() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    run(rack, ones(24_000), 480)
    rack.automate("gain", "gain_db", [(0.0, 0.0), (1.0, -20.0)])
    y = run(rack, ones(48_000), 480)[0]
    assert 20 * np.log10(y[2000]) == pytest.approx(-10 - 20 * 2000 / RATE, abs=0.1)
    assert y[-1] == np.float32(0.1)
    rack.automate("gain", "gain_db", [(0.0, 0.0), (0.5, -6.0)])     # all of it is past: its end holds
    assert run(rack, ones(4800))[0, -1] == np.float32(db_to_gain(-6.0))


def test_a_mode_is_automated_in_steps() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    rack.automate("gain", "invert", [(0.1, True), (0.3, False)])
    y = run(rack, ones(24_000), 480)[0]
    assert (y[:4800] == 1.0).all()
    assert (y[4800 + 480 + FADE:14_400] == -1.0).all()      # a step is made when the rack is fed
    assert (y[14_400 + 480 + FADE:] == 1.0).all()
    with pytest.raises(fa.ParameterError, match=r"Gain\.invert must be true or false"):
        rack.automate("gain", "invert", [(1.0, 0.5)])


def test_a_long_automation_stays_small() -> None:
    rack = Rack(fa.chain(fa.Gain()), 8000, 1)
    rack.automate("gain", "gain_db", [(k / 2, -float(k % 7)) for k in range(400)])
    most = 0
    for _ in range(1000):
        rack.process(ones(1600), 800)
        rack.feed()
        most = max(most, len(rack._post), len(rack._plans.values))
    assert most < 130                   # the horizon's 100 moments, and what has not been given back
    assert rack.node("gain").gain_db == -float(399 % 7)


def test_a_tap_hears_from_its_frame_to_its_end() -> None:
    rack = Rack(fa.chain(fa.Gain(gain_db=-6.0), fa.Gain(gain_db=-6.0)), RATE, 2, lead_frames=50)
    x = noise(3000)
    half = (x * np.float32(db_to_gain(-6.0))).astype(np.float32)
    rack.process(x[:, :100])
    tap = rack.tap("gain", 5000)
    assert tap.began == -1
    rack.process(x[:, 100:1000], 128)
    assert tap.began == 150
    end = rack.untap(tap)
    rack.process(x[:, 1000:2000])
    rack.process(x[:, 2000:])
    assert end == 1050
    np.testing.assert_array_equal(tap.ring.try_read(5000), half[:, 150:1050])
    assert not rack.holds(tap)


def test_a_tap_misses_what_its_ring_has_no_room_for() -> None:
    rack = Rack(fa.chain(fa.Gain()), RATE, 2)
    x = noise(3000)
    tap = rack.tap("out", 1000)
    rack.process(x[:, :1500], 64)
    np.testing.assert_array_equal(tap.ring.try_read(2000), x[:, :1000])
    assert tap.missed == 500
    rack.process(x[:, 1500:], 64)
    np.testing.assert_array_equal(tap.ring.try_read(2000), x[:, 1500:2500])
    assert tap.missed == 1000


@given(capacity=st.integers(1, 700), frames=st.integers(0, 3000), block=st.integers(1, 999))
@settings(max_examples=20, deadline=None, database=None)
def test_a_tap_that_remembers_has_the_last_frames(capacity: int, frames: int, block: int) -> None:
    rack = Rack(fa.chain(fa.Gain(gain_db=-6.0)), RATE, 2)
    x = noise(frames)
    tap = rack.tap("in", capacity, remembers=True)
    rack.process(x, block)
    got, end = tap.ring.last(capacity)
    assert end == frames
    expected = np.concatenate([np.zeros((2, capacity), np.float32), x], axis=1)[:, -capacity:]
    np.testing.assert_array_equal(got, expected)
    assert tap.missed == 0


def test_a_tap_is_silent_while_its_node_is_gone() -> None:
    """And hears it again when it is back. The fade is heard from the new plan's side."""
    with_node, without = fa.chain(fa.Gain(gain_db=-6.0)), fa.chain(fa.Pan())
    rack = Rack(with_node, RATE, 2)
    x = noise(4000)
    tap, other = rack.tap("gain", 5000), rack.tap("gain", 5000)
    rack.process(x[:, :1000])
    assert rack.swap(without) == 1000
    rack.process(x[:, 1000:2500])
    assert rack.swap(with_node) == 2500
    rack.untap(other)
    rack.process(x[:, 2500:])
    heard = tap.ring.try_read(5000)
    half = (x * np.float32(db_to_gain(-6.0))).astype(np.float32)
    np.testing.assert_array_equal(heard[:, :1000], half[:, :1000])
    assert not heard[:, 1000:2500].any()
    np.testing.assert_array_equal(heard[:, 2500:], half[:, 2500:])
    np.testing.assert_array_equal(other.ring.try_read(5000), heard[:, :2500])


def test_a_tap_is_silent_where_channels_have_changed() -> None:
    def graph(channels: int) -> fa.Graph:
        return fa.chain(fa.ChannelMap(channels=channels), fa.ChannelMap(channels=2))

    rack = Rack(graph(2), RATE, 2)
    tap = rack.tap("channel_map", 5000)
    rack.process(ones(1000, 2))
    rack.swap(graph(1))
    rack.process(ones(1500, 2))
    rack.swap(graph(2))
    rack.process(ones(1500, 2))
    heard = tap.ring.try_read(5000)
    assert (heard[:, :1000] == 1.0).all()
    assert not heard[:, 1000:2500].any()
    assert (heard[:, 2500:] == 1.0).all()


def test_what_is_measured_is_that_of_the_plan_that_runs() -> None:
    rack = Rack(fa.chain(fa.LevelMeter()), RATE, 1)
    rack.process(ones(4800))
    assert rack.read("level_meter")["max_peak_dbfs"] == 0.0
    rack.swap(fa.chain(fa.Gain(), fa.LevelMeter()))
    assert rack.read("level_meter")["max_peak_dbfs"] == 0.0     # the new plan has not run yet: what the old one has
    rack.process(np.float32(2.0) * ones(4800))
    assert rack.read("level_meter")["max_peak_dbfs"] == pytest.approx(6.02, abs=0.01)
    rack.change("level_meter", {"integration_ms": 1.0})
    rack.process(ones(9600))
    assert rack.read("level_meter")["rms_dbfs"] == pytest.approx(0.0, abs=0.01)
    assert rack.measuring == ["level_meter"]


def test_swap_during_a_swap_during_a_ramp() -> None:
    """The naive one agrees elsewhere; here is what it means: what has begun has its turn, what waits makes room."""
    rack, naive = Rack(fa.chain(fa.Gain()), RATE, 1), NaiveRack(fa.chain(fa.Gain()), RATE, 1)
    for each in (rack, naive):
        each.change("gain", {"gain_db": -6.0}, None, 100.0)
        each.process(ones(500))
        assert each.swap(fa.chain(fa.Gain(gain_db=-12.0))) == 500
        each.process(ones(300))
        assert each.swap(fa.chain(fa.Gain(gain_db=-18.0))) == 500 + FADE
        assert each.swap(fa.chain(fa.Gain(gain_db=-24.0))) == 500 + FADE
        assert each.change("gain", {"gain_db": 0.0}, None, 0.0) == 500 + FADE
    y = rack.process(ones(6000))[0]
    np.testing.assert_array_equal(y, naive.process(ones(6000))[0])
    assert y[FADE - 300 - 1] == np.float32(db_to_gain(-12.0))
    assert (y[2 * FADE - 300:] == 1.0).all()
    assert (np.diff(y[FADE - 300 - 1:]) >= 0.0).all()           # nobody has heard of -18 and -24 dB


def test_swaps_that_wait_do_not_queue() -> None:
    """Twenty in a fade's time: the first begins, the last comes behind it; what stays keeps its state all the way."""
    rack = Rack(fa.chain(fa.Gain(), fa.Delay(time_ms=50.0, wet=1.0, dry=0.0, feedback=0.0)), RATE, 1)
    run(rack, ones(4800))
    begun = []
    for k in range(20):
        begun.append(rack.swap(fa.chain(fa.Gain(gain_db=-float(k)),
                                        fa.Delay(time_ms=50.0, wet=1.0, dry=0.0, feedback=0.0))))
        assert len(rack._post) <= 5     # what runs, what begins, what waits, and the turns of both
        rack.process(ones(40))
    assert begun == [4800] + [4800 + FADE] * 19
    assert rack.change("gain", {"gain_db": -30.0}) == 4800 + FADE
    y = run(rack, ones(5 * FADE))[0]
    assert y[-1] == np.float32(db_to_gain(-30.0))
    assert y.max() <= 1.0 and np.abs(np.diff(y)).max() < 5.0 / FADE     # the line was never empty
    rack.collect()
    assert len(rack._post) == 1


def test_what_was_asked_of_a_plan_that_gives_up_its_place() -> None:
    """By hand, it is gone with it. What was planned for a later time than the next request comes in that."""
    other = fa.chain(fa.Gain(), fa.Biquad())
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    rack.swap(other)
    assert rack.swap(other) == FADE + FADE // 4
    rack.change("gain", {"gain_db": -6.0})
    assert rack.node("gain").gain_db == -6.0
    assert rack.swap(fa.chain(fa.Gain())) == FADE + FADE // 4
    assert (run(rack, ones(4 * FADE))[0, -FADE:] == 1.0).all()
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    rack.automate("gain", "gain_db", [(0.01, 0.0), (0.012, -6.0)])
    rack.swap(other)
    assert rack.swap(other) == FADE + FADE // 4
    rack.change("gain", {"invert": False})
    assert rack.swap(fa.chain(fa.Gain())) == FADE + FADE // 4
    assert run(rack, ones(4 * FADE))[0, -1] == np.float32(db_to_gain(-6.0))
    assert rack.node("gain").gain_db == -6.0


def test_a_plan_that_takes_anothers_place_has_all_that_was_asked() -> None:
    rack = Rack(fa.chain(fa.Gain(), fa.Delay(time_ms=1.0, wet=0.0)), RATE, 1)
    rack.swap(fa.chain(fa.Gain(), fa.Delay(time_ms=2.0, wet=0.0)))
    rack.change("delay", {"time_ms": 3.0})
    rack.change("gain", {"gain_db": -6.0})
    rack.change("delay", {"time_ms": 4.0})
    rack.change("delay", {"dry": 0.5})
    rack.change("delay", {"time_ms": 5.0})
    y = run(rack, ones(3 * FADE))[0]
    assert rack.node("delay") == fa.Delay(time_ms=5.0, wet=0.0, dry=0.5)
    assert y[-1] == np.float32(0.5 * np.float32(db_to_gain(-6.0)))
    assert rack._plans.now() == 3 * FADE


def test_a_turn_that_has_been_taken_is_not_given_away() -> None:
    turn = Turn(1000)
    assert turn.give(2000) and turn.give(3000)
    assert take(turn.address) == 3000
    assert not turn.give(4000)


class Factors(NamedTuple):
    """As many as the kind takes."""

    factors: Any


@node
class Kinds:
    """Somebody's own, with a kernel for each kind."""

    kind: str = choice(("float32", "float64", "int64", "int32", "int16", "uint8"), "kind", default="float32")

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Factors(np.ones(3, self.kind)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.factors[c]


def test_nobody_waits_for_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever needs a kernel that is not there: it is made before the lock is taken."""
    rack = Rack(fa.chain(fa.Gain()), RATE, 1)
    free: list[bool] = []

    def look() -> None:
        free.append(rack.lock.acquire(blocking=False))
        if free[-1]:
            rack.lock.release()

    def watched(declared: Any, params: Any, state: Any, *, bounds: bool = False) -> Any:
        if (params.kinds, state.kinds, bounds) not in declared.entries:
            other = threading.Thread(target=look)
            other.start()
            other.join()
        return entry_for(declared, params, state, bounds=bounds)

    monkeypatch.setattr("flowaudio.graph.image.entry_for", watched)
    rack.swap(fa.chain(fa.Gain(), Kinds()))
    rack.change("kinds", {"kind": "float64"})
    rack.change("kinds", {"kind": "int64"}, at=4800)
    rack.automate("kinds", "kind", [(0.2, "int32"), (0.3, "int16")])
    with pytest.raises(fa.GraphError, match="puts out 2 channels"):
        rack.swap(fa.chain(Kinds(kind="uint8"), fa.ChannelMap(channels=2)))
    assert (run(rack, ones(24_000), 480) == 1.0).all()
    assert rack.node("kinds").kind == "int16"
    assert len(free) >= 6 and all(free)


@native
def take(turn: int) -> int:
    return turn_take(turn)


def test_taps_whose_point_is_gone_are_told() -> None:
    """They hear silence until it is back; who records is to be told."""
    rack = Rack(fa.chain(fa.Gain(), fa.Pan()), RATE, 2)
    taps = [rack.tap(point, 20_000) for point in ("in", "gain", "pan", "out")]
    rack.process(ones(100, 2))
    assert rack.deaf_taps() == []
    rack.swap(fa.chain(fa.Gain(), fa.Limiter()))
    assert rack.deaf_taps() == [taps[2]]
    rack.process(ones(3000, 2))
    other = fa.Graph()
    other.add(fa.Gain(), "gain")
    other.add(fa.ChannelMap(channels=1), "mono")
    other.add(fa.ChannelMap(channels=2), "pan")
    for source, target in (("in", "mono"), ("mono", "gain"), ("gain", "pan"), ("pan", "out")):
        other.connect(source, target)
    rack.swap(other)             # what passes there has another number of channels
    assert rack.deaf_taps() == [taps[1]]
    rack.untap(taps[1])
    assert rack.deaf_taps() == []
    rack.swap(fa.chain(fa.Limiter()))
    rack.untap(taps[0])
    rack.untap(taps[3])
    assert rack.deaf_taps() == [taps[2]]
    rack.process(ones(9000, 2))
    assert not taps[2].ring.read(12_100)[:, -1000:].any()
    rack.untap(taps[2])
    rack.process(ones(10, 2))
    rack.collect()
    assert rack.deaf_taps() == [] and len(rack._post) == 1


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="the system does not count for each thread")
def test_a_plan_that_begins_has_all_of_its_memory() -> None:
    """The callback that takes over megabytes need not ask the system for any: that took longer than the copy."""
    def graph(gain_db: float) -> Any:
        return fa.chain(*[fa.Delay(time_ms=10_000.0 - k) for k in range(2)], fa.Gain(gain_db=gain_db))

    def asked() -> int:
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt

    rack, x = Rack(graph(0.0), RATE, 2), noise(128)
    rack.process(x)
    assert rack.counters.longest_begin_ns == 0
    for k in range(4):
        rack.swap(graph(-float(k)))
        before = asked()
        rack.process(x)
        assert asked() - before < 100   # 1900 pages are taken over
        assert 0 < rack.counters.longest_begin_ns < rack.counters.busy_ns
        rack.process(noise(2000))


def test_memory_is_flat() -> None:
    """Plans, changes and taps are freed when the audio thread has given them back."""
    rack = Rack(fa.chain(fa.Gain(), fa.Delay(time_ms=2.0)), RATE, 2)
    alive = []
    for k in range(300):
        rack.change("gain", {"gain_db": -float(k % 20)}, ramp_ms=float(k % 3) * 100.0)  # not over when its plan is
        rack.change("delay", {"time_ms": 1.0 + k % 5})
        tap = rack.tap("delay", 100)
        rack.process(noise(1500))
        rack.untap(tap)
        rack.process(noise(100))
        rack.collect()
        alive.append(len(rack._post))
    assert max(alive) == 1
    assert len(rack._plans.slots) == 2
    assert len(rack._plans.layouts) <= 1 + 5
    assert rack._plans.voice.before is None
    assert not rack._plans.timeline
