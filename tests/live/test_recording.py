"""Recordings and the flight recorder: what passed a point is what stands in the file, from its first sample on."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.errors import GraphError, ParameterError
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
        deadline = time.monotonic() + 20
        while not any(e.kind == "saved" for e in engine.events):
            assert time.monotonic() < deadline
            time.sleep(0.01)
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
        assert len(engine._memories) <= 3
