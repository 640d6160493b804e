"""Files from end to end: loudness, peaks, lengths, tags; and what is left behind when something is wrong."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from io_tools import read as decoded
from need import need

import flowaudio as fa
from flowaudio.graph.graph import Graph
from flowaudio.io.formats import Codec
from flowaudio.stream.mastering import effects_only, final_limiter

RATE = 48_000


def talk(seconds: float, rate: int = RATE) -> np.ndarray:
    """Voiced sound in words, with breaths between them, and a plosive here and there."""
    t = np.arange(round(seconds * rate)) / rate
    pitch = np.cumsum(115 + 25 * np.sin(2 * np.pi * 0.6 * t)) / rate
    voice = sum(np.sin(2 * np.pi * k * pitch) / k**1.2 for k in range(1, 15))
    words = np.clip(3 * np.sin(2 * np.pi * 1.7 * t) + 1.2, 0, 1) * np.clip(3 * np.sin(2 * np.pi * 0.23 * t) + 2, 0, 1)
    x = 0.05 * voice * words
    x[::rate] += 0.5
    return (x + 0.0005 * np.random.default_rng(1).standard_normal(t.size)).astype(np.float32)[np.newaxis]


def band(seconds: float, rate: int = RATE) -> np.ndarray:
    """Dense stereo with a beat, near full scale already."""
    rng, t = np.random.default_rng(2), np.arange(round(seconds * rate)) / rate
    beat = np.exp(-((2 * t) % 1.0) * 4)
    tones = sum(np.sin(2 * np.pi * f * t + f) for f in (55, 110.5, 221, 443, 887, 1770)) / 6
    x = np.stack([tones + 0.3 * beat * rng.standard_normal(t.size) for _ in range(2)])
    return np.clip(0.9 * x, -0.99, 0.99).astype(np.float32)


def write(path: Path, x: np.ndarray, rate: int = RATE, codec: Codec | None = None, **more: object) -> Path:
    with fa.Encoder(path, codec or fa.WAV(bit_depth=16), rate, x.shape[0], **more) as encoder:  # type: ignore[arg-type]
        encoder.write(x)
    return path


@pytest.mark.parametrize("material", [talk, band])
@pytest.mark.parametrize("name", ["out.mp3", "out.wav", "out.opus"])
def test_podcast_reaches_its_loudness_under_its_ceiling(tmp_path: Path, material: object, name: str) -> None:
    x = material(6.0)  # type: ignore[operator]
    report = fa.process(write(tmp_path / "in.wav", x), tmp_path / name, preset="podcast")
    assert report.reached, report
    assert (report.mode, report.target_lufs, report.ceiling_dbtp) == ("two passes", -16, -1)
    assert decoded(tmp_path / name).shape == x.shape
    # What ffmpeg's own meter says of the file.
    heard = subprocess.run([need("ffmpeg"), "-nostats", "-hide_banner", "-i", str(tmp_path / name), "-af",
                            "ebur128=peak=true", "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
    summary = heard[heard.rindex("Summary:"):].split()
    loudness, peak = float(summary[summary.index("I:") + 1]), float(summary[summary.index("Peak:") + 1])
    assert abs(loudness + 16) <= 0.5
    assert peak <= -1.0 + 0.05  # it shows one digit
    assert abs(loudness - report.integrated_lufs) <= 0.1  # type: ignore[operator]


def test_mobile_normalises_and_hifi_leaves_the_sound_alone(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", band(6.0), codec=fa.WAV(bit_depth=24))
    mobile = fa.process(source, tmp_path / "mobile.m4a", preset="mobile")
    assert mobile.reached and mobile.codec == "AAC"
    hifi = fa.process(source, tmp_path / "hifi.flac", preset="hifi")
    assert (hifi.mode, hifi.codec) == ("as is", "FLAC")
    np.testing.assert_allclose(decoded(tmp_path / "hifi.flac"), decoded(source), atol=2**-22)  # a flat equaliser


def test_tags_and_cover_come_along(tmp_path: Path) -> None:
    from flowaudio.io import Cover

    png = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cf"
                        "c0f01f0005000201fea72d8c0000000049454e44ae426082")
    source = write(tmp_path / "in.flac", talk(2.0), codec=fa.FLAC(), tags={"title": "Ein Gespräch", "artist": "Wir"},
                   cover=Cover(data=png, mime="image/png"))
    fa.process(source, tmp_path / "out.mp3", preset="podcast")
    info = fa.probe(tmp_path / "out.mp3")
    assert info.tags["title"] == "Ein Gespräch" and info.tags["artist"] == "Wir"
    assert info.has_cover


def test_without_preset_or_graph_a_file_is_transcoded(tmp_path: Path) -> None:
    x = band(2.0)
    source = write(tmp_path / "in.wav", x, codec=fa.WAV(bit_depth=24))
    report = fa.process(source, tmp_path / "out.flac", codec=fa.FLAC(bit_depth=24))
    assert report.mode == "as is"
    np.testing.assert_array_equal(decoded(tmp_path / "out.flac"), decoded(source))


def test_a_graph_is_rendered_as_in_memory(tmp_path: Path) -> None:
    x = band(2.0)
    source = write(tmp_path / "in.wav", x, codec=fa.WAV(bit_depth=32))
    graph = fa.Delay(time_ms=123, feedback=0.4) >> fa.Limiter(ceiling_dbtp=-3)  # type: ignore[operator]
    fa.process(source, tmp_path / "out.wav", graph=graph, codec=fa.WAV(bit_depth=32))
    np.testing.assert_array_equal(decoded(tmp_path / "out.wav"), fa.render(graph, x, RATE))


def test_an_encoder_gets_the_nearest_rate_it_takes(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", band(1.0, 96_000), 96_000)
    assert fa.process(source, tmp_path / "out.mp3").sample_rate == 48_000
    assert fa.process(source, tmp_path / "out.opus").sample_rate == 48_000
    assert fa.process(source, tmp_path / "out.flac").sample_rate == 96_000
    with pytest.raises(fa.ParameterError, match="MP3 does not take 96000 Hz"):
        fa.process(source, tmp_path / "asked.mp3", sample_rate=96_000)
    assert not (tmp_path / "asked.mp3").exists()


@pytest.mark.parametrize("seconds", [0.0, 0.2, 3.0])
def test_silence_and_what_is_too_short_pass_as_they_are(tmp_path: Path, seconds: float) -> None:
    source = write(tmp_path / "in.wav", np.zeros((1, round(seconds * RATE)), np.float32))
    report = fa.process(source, tmp_path / "out.wav", preset="podcast")
    assert report.integrated_lufs is None and report.gain_db == 0
    assert not decoded(tmp_path / "out.wav").any()
    json.dumps(report.as_dict(), allow_nan=False)


def test_nothing_is_left_behind_by_a_truncated_input(tmp_path: Path) -> None:
    whole = write(tmp_path / "in.wav", band(3.0)).read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[:len(whole) // 2])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(fa.SourceError, match=r"cut\.wav"):
        fa.process(cut, tmp_path / "out.mp3", preset="podcast")
    assert sorted(tmp_path.iterdir()) == before
    report = fa.process(cut, tmp_path / "out.mp3", preset="podcast", tolerant=True)
    assert report.reached and report.damage
    assert abs(report.duration_s - 1.5) < 0.1


def test_an_existing_target_survives_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "out.mp3"
    target.write_bytes(b"precious")
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is no audio at all" * 100)
    with pytest.raises(fa.SourceError):
        fa.process(bad, target, preset="podcast")
    assert target.read_bytes() == b"precious"


def test_input_and_output_may_not_be_the_same_file(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", talk(1.0))
    before = source.read_bytes()
    with pytest.raises(fa.ParameterError, match="both input and output"):
        fa.process(source, tmp_path / "." / "in.wav")
    assert source.read_bytes() == before


def test_an_unknown_preset_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(fa.ParameterError, match="mobile, hifi, podcast"):
        fa.process(write(tmp_path / "in.wav", talk(1.0)), tmp_path / "out.mp3", preset="radio")


def test_the_normaliser_and_the_last_limiter_give_way() -> None:
    graph = fa.quality_presets()["podcast"].graph
    kinds = [type(data["node"]).__name__ for _, data in effects_only(graph).nodes(data=True) if "node" in data]
    assert kinds == ["Compressor", "Equalizer"]
    assert [type(data["node"]).__name__ for _, data in graph.nodes(data=True) if "node" in data][-1] == "Limiter"
    limiter = final_limiter(fa.quality_presets()["mobile"].graph, -3.0)
    assert (limiter.ceiling_dbtp, limiter.release_ms) == (-3.0, 50.0)
    # One in the middle of a graph is an effect, and stays.
    middle = Graph.chain(fa.Limiter(ceiling_dbtp=-20), fa.Gain(gain_db=6))
    assert len(effects_only(middle)) == len(middle)


def test_an_unwritable_target_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(fa.TargetError, match="its folder does not exist"):
        fa.process(write(tmp_path / "in.wav", talk(1.0)), tmp_path / "nowhere" / "out.mp3", preset="podcast",
                   progress=lambda what, done, total: said.append(what))
    assert not said
