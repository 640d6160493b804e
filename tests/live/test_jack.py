"""The engine on a real server: JACK with its dummy driver, in real time. What it says of its latency is measured."""

import ctypes
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rigs import Jack, jack, nowhere
from stations import Station
from waiting import wait_until

import flowaudio as fa
from flowaudio.core.errors import FlowaudioError, ParameterError
from flowaudio.live.ends import File

RATE = 48_000


@pytest.fixture(scope="module")
def server() -> Iterator[Jack]:
    with jack(rate=RATE, period=128) as running:
        yield running


@pytest.fixture
def card(server: Jack) -> fa.SoundCard:
    return fa.SoundCard("system")


GRAPHS = {"nothing": fa.Gain(), "a limiter": fa.Limiter()}


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("what", GRAPHS)
def test_the_latency_that_is_told_is_measured_to_the_sample(server: Jack, card: fa.SoundCard, what: str,
                                                            direct: bool) -> None:
    with fa.Engine(fa.Graph.chain(GRAPHS[what]), card, card, direct=direct, allow_feedback=True) as engine:
        wait_until(lambda: engine.stats.device_calls > 10, "calls")
        told = engine.stats.latency_frames
        # A machine that is busy loses a block now and then, and jack_iodelay sees it: the answer must come back.
        for _ in range(5):
            measured = server.delay_frames("flowaudio:in_0", "flowaudio:out_0")
            if measured == told:
                break
        assert measured == told
        assert engine.stats.device_latency_frames == 3 * 128
    if direct:
        assert told == fa.Plan(GRAPHS[what], RATE, 2).latency     # nothing is added to the device's own


def test_a_card_is_silent_while_a_station_is_gone(card: fa.SoundCard) -> None:
    station = Station()
    station.begin()

    def loud() -> bool:
        return bool(engine.read("level_meter")["peak_dbfs"][0] > -20.0)

    try:
        with fa.Engine(fa.Graph.chain(fa.LevelMeter()), station.source(), card) as engine:
            for _ in range(2):
                wait_until(loud, "the station")
                station.end()
                wait_until(lambda: not loud(), "silence")
                station.begin()
            wait_until(loud, "the station again")
            assert engine.stats.gaps == 2
            kinds = [event.kind for event in engine.events if event.kind.startswith("source")]
            assert kinds == ["source_lost", "source_back"] * 2
    finally:
        station.end()


def test_nobody_waits_for_the_gil(card: fa.SoundCard) -> None:
    """One C call holds it for 0.7 s: 262 blocks. A Python callback would run once it is over."""
    usleep = ctypes.PyDLL(None).usleep
    with fa.Engine(fa.Graph.chain(fa.Compressor()), card, card, allow_feedback=True) as engine:
        wait_until(lambda: engine.stats.device_calls > 10, "calls")
        before = engine._drive.parts.callers[0].calls
        usleep(700_000)
        assert engine._drive.parts.callers[0].calls - before > 131


def test_a_server_that_goes_is_taken_up_again(server: Jack, card: fa.SoundCard) -> None:
    graph = fa.Graph.chain(fa.Gain(), fa.LevelMeter())
    with fa.Engine(graph, card, card, allow_feedback=True) as engine:
        for number, sent in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
            wait_until(lambda: engine.alive, "the engine to run")
            server.stop(sent)
            wait_until(lambda number=number: engine.stats.gaps == number, "the engine to notice")
            position = engine.time_s
            server.start()
            wait_until(lambda: engine.alive, "the engine to be back")
            wait_until(lambda position=position: engine.time_s > position, "sound")
            engine["gain"].gain_db = -float(number)           # it is the engine that it was
        wait_until(lambda: engine["gain"].gain_db == -2.0, "the change")
        assert engine.stats.gap_s > 0
    kinds = [event.kind for event in engine.events if event.kind.startswith("device")]
    assert kinds == ["device_lost", "device_back"] * 2


def test_an_engine_closes_when_its_server_is_gone(server: Jack, card: fa.SoundCard, tmp_path: Path) -> None:
    try:
        with fa.Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True) as engine:
            engine.record(tmp_path / "take.flac")
            wait_until(lambda: engine.time_s > 0.2, "sound")
            server.stop()
        assert (tmp_path / "take.flac").exists()
    finally:
        server.start()


def test_a_file_is_played_and_recorded(card: fa.SoundCard, tmp_path: Path) -> None:
    x = (0.1 * np.random.default_rng(1).standard_normal((2, RATE))).astype(np.float32)
    with fa.Encoder(tmp_path / "in.wav", fa.WAV(bit_depth=32), RATE, 2) as encoder:
        encoder.write(x)
    with fa.Engine(fa.Graph.chain(fa.Gain(gain_db=-6)), tmp_path / "in.wav", card, edge_ms=0.0) as engine:
        engine.record(File(tmp_path / "out.wav", codec=fa.WAV(bit_depth=32)))
        assert engine.wait(30)
        assert engine.stats.underrun_frames == 0
    with fa.Decoder(tmp_path / "out.wav") as decoder:
        y: Any = np.concatenate(list(decoder.blocks()), axis=1)
    expected = fa.render(fa.Gain(gain_db=-6), x, RATE)
    # The recording may begin behind the file's first sample: a piece of the file is looked for in it.
    begin = 20_000
    piece = expected[:, begin:begin + 64]
    found = next(k for k in range(y.shape[1]) if np.array_equal(y[:, k:k + 64], piece))
    np.testing.assert_array_equal(y[:, found:found + RATE - begin], expected[:, begin:])


def test_a_sound_card_into_a_file(card: fa.SoundCard, tmp_path: Path) -> None:
    with fa.Engine(fa.Graph.chain(fa.Gain()), card, tmp_path / "take.mp3") as engine:
        wait_until(lambda: engine.time_s > 0.5, "half a second")
    with fa.Decoder(tmp_path / "take.mp3") as decoder:
        assert sum(block.shape[1] for block in decoder.blocks()) >= RATE // 2


def test_a_rate_that_the_server_does_not_have(card: fa.SoundCard) -> None:
    other = fa.SoundCard("system", rate=44_100)
    with pytest.raises(FlowaudioError, match="48000"):
        fa.Engine(fa.Graph.chain(fa.Gain()), other, other, allow_feedback=True).start()


def test_a_name_that_nothing_has(card: fa.SoundCard) -> None:
    with pytest.raises(FlowaudioError, match="system"):
        fa.Engine(fa.Graph.chain(fa.Gain()), np.zeros((2, 100), np.float32), fa.SoundCard("Scarlett"))


def test_without_a_server_the_cure_is_told() -> None:
    with nowhere(), pytest.raises(FlowaudioError, match=r"JACK|PulseAudio|PipeWire"):
        fa.Engine(fa.Graph.chain(fa.Gain()), np.zeros((2, 100), np.float32), fa.SoundCard())


def test_what_would_howl_is_refused(card: fa.SoundCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fa.SoundCard, "may_hear", lambda self, other: True)
    with pytest.raises(ParameterError, match="allow_feedback=True"):
        fa.Engine(fa.Graph.chain(fa.Gain()), card, card)
    fa.Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True).close()
