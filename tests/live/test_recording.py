"""Recordings and the flight recorder: what passed a point is what stands in the file, from its first sample on."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waiting import wait_until

import flowaudio as fa
from flowaudio.core.errors import GraphError, ParameterError, TargetError
from flowaudio.live.ends import File
from flowaudio.live.engine import Engine
from flowaudio.testing import SimulatedCard

RATE = 48_000
FLOAT = fa.WAV(bit_depth=32)


def noise(frames: int) -> Any:
    return (0.1 * np.random.default_rng(1).standard_normal((2, frames))).astype(np.float32)


def decoded(path: Path) -> Any:
    with fa.Decoder(path) as decoder:
        return np.concatenate(list(decoder.blocks()), axis=1)


def two_gains() -> fa.Graph:
    graph = fa.Graph()
    graph.add(fa.Gain(gain_db=-6), "first")
    graph.add(fa.Gain(gain_db=-6), "second")
    for source, target in (("in", "first"), ("first", "second"), ("second", "out")):
        graph.connect(source, target)
    return graph


@pytest.mark.parametrize("point", ["in", "first", "out"])
def test_a_recording_is_what_passed(tmp_path: Path, point: str) -> None:
    x = noise(40_000)
    card = SimulatedCard(block=[100, 333])
    card.play_into_input(x)
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        card.run(5000)
        recording = engine.record(File(tmp_path / "take.wav", codec=FLOAT), point)
        begin = engine.rack.position
        card.run(10_000)
        engine.swap(two_gains())        # a tap stays at its point
        card.run(10_000)
        end = engine.rack.position
        assert not (tmp_path / "take.wav").exists()
        recording.close()
        card.run(1000)
        assert recording.begins_s == begin / RATE
        assert recording.missed_frames == 0
    y = decoded(tmp_path / "take.wav")
    gain = {"in": 0.0, "first": -6.0, "out": -12.0}[point]
    expected = x[:, begin:end] if point == "in" else fa.render(
        fa.Graph.chain(*[fa.Gain(gain_db=-6)] * (1 if point == "first" else 2)), x, RATE)[:, begin:end]
    assert y.shape[1] == end - begin
    np.testing.assert_array_equal(y, expected)
    assert gain <= 0


def test_recordings_are_finished_with_the_engine(tmp_path: Path) -> None:
    card = SimulatedCard()
    card.play_into_input(noise(20_000))
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        engine.record(tmp_path / "a.flac")
        engine.record(tmp_path / "b.opus", "first")
        card.run(20_000)
    assert decoded(tmp_path / "a.flac").shape[1] >= 20_000
    assert decoded(tmp_path / "b.opus").shape[1] >= 20_000
    assert [e.kind for e in engine.events] == ["recorded", "recorded"]


def test_a_rate_that_the_codec_does_not_have_is_converted(tmp_path: Path) -> None:
    card = SimulatedCard(rate=96_000)
    card.play_into_input(noise(96_000))
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        engine.record(tmp_path / "take.mp3")
        card.run(96_000)
    assert abs(decoded(tmp_path / "take.mp3").shape[1] - 48_000) < 200


def test_a_recording_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    card = SimulatedCard()
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        with pytest.raises(ParameterError, match="kind"):
            engine.record(tmp_path / "take.xyz")
        with pytest.raises(GraphError, match="no node called"):
            engine.record(tmp_path / "take.wav", "nowhere")
        card.run(1000)
        engine.rack.collect()
    assert list(tmp_path.iterdir()) == []


def test_the_flight_recorder_has_the_last_seconds(tmp_path: Path) -> None:
    x = noise(3 * RATE)
    card = SimulatedCard(block=128)
    card.play_into_input(x)
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        memory = engine.remember(1.0)
        card.run(12_800)
        np.testing.assert_array_equal(memory.array(), x[:, :engine.rack.position])   # no more has been
        card.run(RATE * 2)
        end = engine.rack.position
        np.testing.assert_array_equal(memory.array(), x[:, end - RATE:end])
        np.testing.assert_array_equal(memory.array(0.25), x[:, end - RATE // 4:end])
        memory.save(File(tmp_path / "last.wav", codec=FLOAT), 0.5)
        with pytest.raises(ParameterError, match=r"between 0\.01 and 3600"):
            engine.remember(0)
    np.testing.assert_array_equal(decoded(tmp_path / "last.wav"), x[:, end - RATE // 2:end])


def test_the_flight_recorder_writes_by_itself_when_something_happens(tmp_path: Path) -> None:
    x = noise(2 * RATE)
    x[0, RATE] = np.nan
    card = SimulatedCard()
    card.play_into_input(x)
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        engine.remember(1.0).save_on("node_silenced", folder=tmp_path / "incidents")
        card.run(RATE + 1000)
        wait_until(lambda: any(e.kind == "saved" for e in engine.events))
    names = [path.name for path in (tmp_path / "incidents").iterdir()]
    assert len(names) == 1
    assert names[0].endswith("-node_silenced.flac")


def test_two_recordings_to_one_file_and_wrong_requests(tmp_path: Path) -> None:
    card = SimulatedCard()
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        first = engine.record(tmp_path / "take.flac")
        with pytest.raises(ParameterError, match="being recorded already"):
            engine.record(tmp_path / "take.flac", "first")
        with pytest.raises(ParameterError, match="path or a URL"):
            engine.record(3)  # type: ignore[arg-type]  # that is the point
        with pytest.raises(ParameterError, match="no events of the kind 'zorp'"), engine.remember(1.0) as memory:
            memory.save_on("zorp", folder=tmp_path / "x")
        with pytest.raises(ParameterError, match="seconds must be between"):
            engine.remember(1.0).save(tmp_path / "last.wav", seconds=-1)
        first.close()
        engine.record(tmp_path / "take.flac").close()
        for _ in range(100):                    # more than there may be at a time: closed ones are gone
            engine.remember(0.1).close()
            card.run(256)
            engine.rack.collect()
        assert len(engine._supervisor.takes._memories) <= 3


def broken(recording: Any) -> None:
    """Let its disk be full from now on."""
    def write(block: Any) -> None:
        raise TargetError(f"{recording.path} cannot be written: no space left")

    recording._writer.write = write


def test_a_recording_that_fails_leaves_the_engines_own_file_alone(tmp_path: Path) -> None:
    x = noise(RATE)
    engine = Engine(fa.Gain(), x, tmp_path / "out.wav", rate=RATE)
    broken(engine.record(tmp_path / "take.wav"))
    with pytest.raises(TargetError, match="no space left"), engine:
        assert engine.wait(30)
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    assert decoded(tmp_path / "out.wav").shape == x.shape


def test_every_close_tells_that_a_recording_has_failed(tmp_path: Path) -> None:
    card = SimulatedCard()
    card.play_into_input(noise(RATE))
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        take = engine.record(tmp_path / "take.wav")
        broken(take)
        assert take.error is None
        card.run(RATE // 2)
        wait_until(lambda: take.closed)     # whoever watches over the engine has noticed
        for _ in range(2):
            with pytest.raises(TargetError, match="no space left"):
                take.close()
        assert isinstance(take.error, TargetError)
    assert [event.kind for event in engine.events] == ["failed"]    # told once; the engine's close() has nothing to add


def test_who_closes_second_waits_for_the_file(tmp_path: Path) -> None:
    card = SimulatedCard()
    card.play_into_input(noise(RATE))
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        take = engine.record(tmp_path / "take.wav")
        card.run(RATE // 2)
        held, entered, finish = threading.Event(), threading.Event(), take._writer.close

        def slowly() -> None:
            entered.set()
            assert held.wait(20)
            finish()

        take._writer.close = slowly     # type: ignore[method-assign]  # what a slow disk is
        there: list[bool] = []

        def close() -> None:
            take.close()
            there.append((tmp_path / "take.wav").exists())

        threads = [threading.Thread(target=close) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert entered.wait(20)
        assert not there
        held.set()
        for thread in threads:
            thread.join()
        assert there == [True, True]


def test_a_recording_is_finished_although_nobody_reads_letters_any_more(tmp_path: Path) -> None:
    card = SimulatedCard()
    card.play_into_input(noise(RATE))
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        engine.record(tmp_path / "take.wav")
        card.run(RATE // 2)
        card.unplug()
        wait_until(lambda: engine.stats.gaps == 1)
        with pytest.raises(ParameterError, match="does not take any more"):
            for k in range(10_000):
                engine.bypass(k % 2 == 0)
    assert decoded(tmp_path / "take.wav").shape[1] >= RATE // 2


def test_nothing_is_recorded_over_the_engines_own_files(tmp_path: Path) -> None:
    with fa.Encoder(tmp_path / "in.wav", FLOAT, RATE, 2) as encoder:
        encoder.write(noise(RATE))
    before = (tmp_path / "in.wav").read_bytes()
    with Engine(two_gains(), tmp_path / "in.wav", tmp_path / "out.wav") as engine:
        with pytest.raises(ParameterError, match="own input: choose another name"):
            engine.record(tmp_path / "in.wav", "in")
        with pytest.raises(ParameterError, match="own output: choose another name"):
            engine.record(tmp_path / "out.wav")
        assert engine.wait(30)
    assert (tmp_path / "in.wav").read_bytes() == before
    assert decoded(tmp_path / "out.wav").shape[1] == RATE


def test_what_two_recorders_save_within_a_second_has_two_names(tmp_path: Path) -> None:
    """Of two points, and of two engines whose points have one name."""
    cards = [SimulatedCard(), SimulatedCard()]
    engines = []
    for card in cards:
        card.play_into_input(noise(RATE))
        engine = Engine(two_gains(), card, card, allow_feedback=True)
        for point in ("in", "out"):
            engine.remember(0.1, point).save_on("mark", folder=tmp_path)
        engine.start()
        card.run(RATE // 4)
        engines.append(engine)
    for engine in engines:
        engine.mark()
    for engine in engines:
        wait_until(lambda engine=engine: sum(event.kind == "saved" for event in engine.events) == 2)
        engine.close()
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 4
    assert sum("-in-mark" in name for name in names) == sum("-out-mark" in name for name in names) == 2


def test_what_happens_while_a_recorder_looks_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of another thread, between any two of the supervisor's steps."""
    card = SimulatedCard()
    engine = Engine(two_gains(), card, card, allow_feedback=True)
    memory = engine.remember(1.0)
    memory.save_on("mark", "device_lost", folder=tmp_path, after_s=1.0)
    engine.mark()
    before = len(memory._due)

    class Interrupting(type(memory._due)):  # type: ignore[misc]  # the class is what it is
        """Another event comes with each that is taken."""

        def popleft(self) -> Any:
            first = super().popleft()
            engine.log.add("device_lost", 0.0, "meanwhile")
            return first

    memory._due = Interrupting(memory._due)
    memory.check()
    assert before == 1
    assert sorted(due[1] for due in memory._due) == ["device_lost", "mark"]
    engine.close()


def test_the_first_save_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from flowaudio.runtime.ring import last_native

    card = SimulatedCard()
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        # Both, and only for now: machine code that nobody holds is gone, and a call of it would go astray.
        monkeypatch.setattr(last_native, "_linked", None)
        monkeypatch.setattr(last_native, "_call", None)
        engine.remember(1.0)
        assert last_native._linked is not None


def test_what_a_swap_leaves_without_a_point_is_told_once(tmp_path: Path) -> None:
    card = SimulatedCard(block=256)
    with Engine(two_gains(), card, card, allow_feedback=True) as engine:
        card.run(1000)
        engine.record(File(tmp_path / "take.wav", codec=FLOAT), "first")
        engine.remember(1.0, "second")
        card.run(1000)
        engine.swap(fa.chain(fa.Gain()))
        card.run(5000)

        def told() -> list[str]:
            return [event.text for event in engine.events if event.kind == "failed"]

        wait_until(lambda: len(told()) == 2)
        assert any("first to" in text and "take.wav" in text and "no 'first' any more" in text for text in told())
        engine.swap(two_gains())        # there it is again
        card.run(5000)
        wait_until(lambda: not engine.rack.deaf_taps())
        assert len(told()) == 2
