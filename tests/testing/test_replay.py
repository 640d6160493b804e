"""A recorded run, rendered again in another cutting: every bit is the same, or it is said where not and why."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from live_rigs import RATE, Rig, effects, random_graph, random_node
from support import ROOT

import flowaudio as fa
from flowaudio.core.errors import DocumentError, FlowaudioError, ParameterError, SourceError, TargetError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, param
from flowaudio.runtime.control import Rack
from flowaudio.testing import SimulatedCard
from flowaudio.testing.recorder import Recorder, Replayed, replay
from flowaudio.testing.signals import signal
from flowaudio.testing.strategies import cuts, graphs, scripts

CLASSES = (fa.Gain, fa.Biquad, fa.Equalizer, fa.Compressor, fa.Limiter, fa.Delay, fa.Pan, fa.LevelMeter)
SLOW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


class Scale(NamedTuple):
    """A factor."""

    factor: Any


@node
class Twice:
    """Somebody's own."""

    factor: float = param(0.0, 4.0, "factor", default=2.0)
    sign: str = choice(("plus", "minus"), "sign", default="plus")

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Scale(np.array([self.factor if self.sign == "plus" else -self.factor], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.factor[0]


def do(rack: Rack, step: tuple[Any, ...]) -> None:
    """One step of a script, as somebody would ask for it; what the rack has against it is a part of the run."""
    _, kind, *args = step
    with contextlib.suppress(FlowaudioError):
        getattr(rack, kind)(*args)


def live(folder: Path, graph: fa.Graph, script: list[tuple[Any, ...]], block: list[int], lead: int = 0,
         frames: int = RATE // 4, jitter_ms: float = 0.0) -> Replayed:
    """A run on a simulated card, and the same again."""
    card = SimulatedCard(block=block, jitter_ms=jitter_ms)
    card.play_into_input(signal("speech", 1, 2, frames))
    rig = Rig(graph, card, block=64)
    rig.rack.lead_frames = lead
    with Recorder(rig.rack, folder, clock=card.time) as recorder:
        for step in script:
            rig.run_to(step[0])
            do(rig.rack, step)
        rig.run_to(frames)
    assert recorder.frames == rig.rack.position
    assert recorder.missed_frames == rig.rack.counters.late_letters == 0
    return replay(folder)


@given(data=st.data(), block=cuts(400, 4), lead=st.sampled_from([0, 0, 300]))
@SLOW
def test_scripts_of_all_kinds_are_repeated_bit_for_bit(tmp_path_factory: Any, data: Any, block: list[int],
                                                       lead: int) -> None:
    graph = data.draw(graphs(CLASSES, most=4, loop=fa.Gain(gain_db=-30.0)))
    script = data.draw(scripts(graph, CLASSES, RATE // 4))
    made = live(tmp_path_factory.mktemp("run") / "take", graph, script, block, lead)
    if any("exploded" in each for each in made.notes):
        reject()                        # it is silenced block by block
    assert made.same and made.notes == (), str(made)
    assert made.frames >= RATE // 4


@pytest.mark.parametrize("seed", range(4))
def test_a_storm_is_repeated_bit_for_bit(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, list(effects))
    card = SimulatedCard(block=[128, 37, 300], jitter_ms=2.0)
    card.play_into_input(signal("noise", seed, 2, 4 * RATE, 0.3))
    rig = Rig(graph, card)
    rig.rack.lead_frames = 256
    with Recorder(rig.rack, tmp_path / "take", clock=card.time):
        for at in np.sort(rng.integers(0, 4 * RATE, 60)).tolist():
            rig.run_to(at)
            what = rng.integers(6)
            if what == 0:
                rig.rack.swap(random_graph(rng, list(effects)))
            elif what == 1:
                rig.rack.gain(rng.uniform(0.2, 1.0), rng.uniform(0, 50))
            elif what == 2:
                rig.rack.bypass(rng.integers(2))
            else:
                name = str(rng.choice(rig.rack.names))
                values = random_node(rng, name, rig.rack.node(name))
                later = int(rng.integers(0, 20_000))
                rig.rack.change(name, values, rig.rack.position + later if what == 3 else None, rng.uniform(0, 100))
        rig.run_to(4 * RATE)
    made = replay(tmp_path / "take")
    assert made.same and made.requests == 60 and made.notes == (), str(made)
    assert replay(tmp_path / "take", lengths=[8192]).same


def test_what_differs_is_found(tmp_path: Path) -> None:
    """The comparison compares: one bit of what was recorded is turned over."""
    script = [(4000, "change", "gain", {"gain_db": -6.0})]
    assert live(tmp_path / "take", fa.Graph.chain(fa.Gain()), script, [128]).same
    path = tmp_path / "take" / "out.f32"
    data = np.fromfile(path, "<u4")
    data[2 * 7001 + 1] ^= 1
    data.tofile(path)
    made = replay(tmp_path / "take")
    assert not made.same and made.first == (7001, 1)
    assert "channel 1, frame 7001 is" in str(made)


def test_a_request_that_is_left_out_is_heard(tmp_path: Path) -> None:
    script = [(4000, "change", "gain", {"gain_db": -6.0}), (8000, "change", "gain", {"gain_db": -3.0})]
    assert live(tmp_path / "take", fa.Graph.chain(fa.Gain()), script, [128]).same
    log = tmp_path / "take" / "requests.log"
    data = log.read_bytes()
    at = [k for k in range(len(data)) if data.startswith(b"change", k)]
    assert len(at) == 2
    log.write_bytes(data[:at[1] - 10])    # a part of its head
    made = replay(tmp_path / "take")
    assert not made.same and 8000 <= made.first[0] < 8200
    assert "was not closed" in made.notes[0]


def test_ones_own_nodes_are_given(tmp_path: Path) -> None:
    script = [(3000, "change", "twice", {"factor": 0.3}), (5000, "change", "twice", {"sign": "minus"}),
              (9000, "swap", fa.Graph.chain(Twice(factor=0.1), fa.Gain()))]
    card = SimulatedCard(block=[100, 33])
    card.play_into_input(signal("noise", 1, 2, RATE // 2))
    rig = Rig(fa.Graph.chain(Twice()), card)
    with Recorder(rig.rack, tmp_path / "take", clock=card.time):
        for step in script:
            rig.run_to(step[0])
            do(rig.rack, step)
        rig.run_to(RATE // 2)
    made = replay(tmp_path / "take", {"Twice": Twice})
    assert made.same and made.requests == 3, str(made)
    with pytest.raises(DocumentError, match=r"take: .*Twice.*nodes=\{name: class\}"):
        replay(tmp_path / "take")


def test_a_recording_without_a_clock_keeps_up_by_itself(tmp_path: Path) -> None:
    rack = Rack(fa.Graph.chain(fa.Compressor(), fa.Limiter()), RATE, 2)
    x = signal("speech", 2, 2, RATE)
    with Recorder(rack, tmp_path / "take") as recorder:
        for at in range(0, RATE, 500):
            rack.process(x[:, at:at + 500], 77)
            if at == 20_000:
                rack.change("compressor", {"threshold_db": -30.0})
    assert recorder.frames == RATE
    made = replay(tmp_path / "take")
    assert made.same and made.frames == RATE and made.requests == 1 and made.notes == ()


def test_an_engine_on_a_simulated_card(tmp_path: Path) -> None:
    card = SimulatedCard(block=[64, 192], jitter_ms=3.0)
    card.play_into_input(signal("speech", 3, 2, RATE))
    engine = fa.Engine(fa.Graph.chain(fa.Equalizer(bands=(fa.Band(),)), fa.Gain()), input=card, output=card)
    with Recorder(engine, tmp_path / "take", clock=card.time), engine:
        card.run(RATE // 4)
        engine["gain"].gain_db = -12.0
        card.run(RATE // 4)
        engine["equalizer"].bands = (fa.Band(gain_db=6.0, frequency_hz=500.0),)
        engine.mute()
        card.run(RATE // 4)
        engine.mute(False)
        engine.swap(fa.Graph.chain(fa.Gain(gain_db=-3.0), fa.Limiter()))
        card.run(RATE // 4)
    made = replay(tmp_path / "take")
    assert made.same and made.requests >= 5 and made.frames >= RATE, str(made)


def test_values_of_numpy_and_requests_that_fail(tmp_path: Path) -> None:
    """Numbers of all kinds are written down; what is refused is refused again, and does no harm."""
    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    x = signal("noise", 2, 2, 9000)
    with Recorder(rack, tmp_path / "take"):
        rack.process(x[:, :3000])
        rack.change("gain", {"gain_db": np.float32(-7.3)}, ramp_ms=np.float64(3))
        for wrong in ({"gain_db": float("nan")}, {"gain_db": object()}, {"volume": 3.0}, {"gain_db": 1 << 90}):
            with pytest.raises(ParameterError):
                rack.change("gain", wrong)
        with pytest.raises(FlowaudioError):
            rack.swap(fa.Graph.chain(fa.ChannelMap(channels=1)))
        with pytest.raises(FlowaudioError):
            rack.gain(3.0)
        rack.automate("gain", "gain_db", ((at / 10, np.float64(-at)) for at in range(3)))
        rack.process(x[:, 3000:])
    made = replay(tmp_path / "take")
    assert made.same and made.notes == (), str(made)


def test_a_letter_that_came_too_late_is_told(tmp_path: Path) -> None:
    """The request goes by a position that is past when its letter is read, as behind a thread's back."""
    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    x = signal("noise", 2, 2, 9000)
    with Recorder(rack, tmp_path / "take"):
        rack.process(x[:, :3000])
        rack.lead_frames = -1000
        rack.change("gain", {"gain_db": -20.0}, ramp_ms=0.0)
        rack.process(x[:, 3000:])
    assert rack.counters.late_letters == 1
    made = replay(tmp_path / "take")
    assert not made.same and made.first is not None
    assert "1 requests came too late" in made.notes[0]


def test_a_recorder_comes_before_everything(tmp_path: Path) -> None:
    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    rack.gain(0.5)
    with pytest.raises(ParameterError, match="before the start"):
        Recorder(rack, tmp_path / "a")
    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    rack.process(np.zeros((2, 10), np.float32))
    with pytest.raises(ParameterError, match="before the start"):
        Recorder(rack, tmp_path / "a")
    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    with Recorder(rack, tmp_path / "a"), pytest.raises(ParameterError, match="before the start"):
        Recorder(rack, tmp_path / "b")
    with pytest.raises(TargetError, match="holds a recording already"):
        Recorder(Rack(fa.Graph.chain(fa.Gain()), RATE, 2), tmp_path / "a")
    assert str(replay(tmp_path / "a")) == "0 frames and 0 requests: every bit is the same"


def test_frames_that_nobody_wrote_down_end_the_recording(tmp_path: Path) -> None:
    card = SimulatedCard()                 # a clock that nobody lets go: the recorder is not asked to write
    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    x = signal("noise", 2, 2, RATE)
    with Recorder(rack, tmp_path / "take", clock=card.time) as recorder:
        rack.process(x)
        card.time.run(1.0)
        for _ in range(12):
            rack.process(x)
    assert recorder.frames == RATE and recorder.missed_frames == 2 * RATE
    made = replay(tmp_path / "take")
    assert made.same and made.frames == RATE
    assert "held up" in str(made)


CRASH = """
import os
from signal import SIGKILL
import numpy as np
import flowaudio as fa
from flowaudio.runtime.control import Rack
from flowaudio.testing.recorder import Recorder
from flowaudio.testing.signals import signal
rack = Rack(fa.Graph.chain(fa.Gain(), fa.Delay()), 48000, 2)
recorder = Recorder(rack, {folder!r})
x = signal("noise", 1, 2, 500)
for k in range(200):
    rack.process(x)
    rack.change("gain", {{"gain_db": -float(k % 20)}})
while recorder.frames < 100_000:
    pass
os.kill(os.getpid(), SIGKILL)
"""


def test_what_a_crash_leaves_is_repeated(tmp_path: Path) -> None:
    folder = str(tmp_path / "take")
    done = subprocess.run([sys.executable, "-c", CRASH.format(folder=folder)], timeout=300,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -SIGKILL
    made = replay(folder)
    assert made.same and made.frames == 100_000 and made.requests >= 199, str(made)
    assert "was not closed" in str(made)
    # Half an entry and half a frame, as the last write may leave them.
    for name in ("requests.log", "in.f32", "out.f32"):
        path = tmp_path / "take" / name
        path.write_bytes(path.read_bytes()[:-5])
    made = replay(folder)
    assert made.same and made.frames == 99_999, str(made)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no recording"):
        replay(tmp_path)
    (tmp_path / "requests.log").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="holds no recording"):
        replay(tmp_path)
    with pytest.raises(ParameterError, match="lengths of calls"):
        replay(tmp_path, lengths=[])


def test_the_journal_is_told_once_for_each_request() -> None:
    """What a request asks of others belongs to it."""
    asked: list[Any] = []

    class Listener:
        def asked(self, what: str, *arguments: Any) -> Any:
            asked.append((what, *arguments))
            return contextlib.nullcontext()

        def position(self, frame: int) -> int:
            return frame

    rack = Rack(fa.Graph.chain(fa.Gain()), RATE, 2)
    rack.journal = Listener()
    rack.change("gain", {"gain_db": -3.0})
    rack.automate("gain", "gain_db", [(0.0, 0.0), (1.0, -3.0)])
    rack.swap(fa.Graph.chain(fa.Limiter()))
    rack.gain(0.5, 3.0)
    rack.bypass(1)
    rack.feed()
    assert [each[0] for each in asked] == ["change", "automate", "swap", "gain", "bypass", "feed"]
    assert asked[0] == ("change", "gain", {"gain_db": -3.0}, None, None)
    assert asked[3] == ("gain", 0.5, 3.0) and asked[4] == ("bypass", 1, None)
    assert rack.requests == 5
    assert list(asked[2][1].nodes) == ["limiter", "in", "out"]
