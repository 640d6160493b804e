"""Sources that are cut, damaged or made up: all that is good in them, then a SourceError, and never anything else."""

import functools
import io
import random
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import read, sound, write
from need import need

from flowaudio.core.errors import SourceError
from flowaudio.io import AAC, FLAC, MP3, WAV, Decoder, Opus, probe

X = sound(96_000, seed=5)
CODECS = {".wav": WAV(), ".flac": FLAC(), ".mp3": MP3(quality=9), ".m4a": AAC(), ".opus": Opus(), ".aac": AAC()}
# How much of the sound may be missing before the cut: the codec's frames, and pages of Ogg (a second long).
SLACK = {".wav": 0, ".flac": 9_216, ".mp3": 2_304, ".aac": 2_048, ".opus": 48_000}


@functools.cache
def encoded(suffix):
    file = io.BytesIO()
    write(file, X, CODECS[suffix], container=suffix, tags={"title": "x"})
    return file.getvalue()


def outcome(data, **options):
    """What decodes of `data`, and the error that came after it, if any."""
    blocks, error = [np.zeros((2, 0), np.float32)], None
    try:
        with Decoder(io.BytesIO(data), channels=2, **options) as decoder:
            blocks.extend(decoder.blocks())
    except SourceError as raised:
        error = raised
    return np.concatenate(blocks, axis=1), error


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".opus"])
@pytest.mark.parametrize("part", [0.5, 0.77, 0.93])
def test_a_cut_file_gives_what_is_there_and_says_where_it_breaks(suffix, part):
    data = encoded(suffix)
    whole = read(io.BytesIO(data))
    y, error = outcome(data[: int(len(data) * part)])
    assert 0 < y.shape[1] < X.shape[1]
    assert y.shape[1] >= X.shape[1] * part - SLACK[suffix] - 1_500
    np.testing.assert_array_equal(y[:, :-2_304], whole[:, : y.shape[1] - 2_304])
    where = f"{y.shape[1] / 48_000:.2f} s"
    assert str(error).startswith(f"<stream> breaks off at {where}")
    assert str(error).endswith("what comes before is good, and is kept with tolerant=True")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".opus"])
def test_tolerance_is_told(suffix):
    data = encoded(suffix)
    with Decoder(io.BytesIO(data[: len(data) // 2]), tolerant=True) as decoder:
        frames = sum(block.shape[1] for block in decoder.blocks())
    assert decoder.damage.startswith("<stream> breaks off at")
    with Decoder(io.BytesIO(data), tolerant=True) as decoder:
        assert frames < sum(block.shape[1] for block in decoder.blocks())
    assert decoder.damage == ""


def test_a_wav_that_is_cut_between_two_frames():
    """FFmpeg takes the file's end for the sound's: only the header tells."""
    y, error = outcome(encoded(".wav")[:-4])
    np.testing.assert_array_equal(y, read(io.BytesIO(encoded(".wav")))[:, :-1])
    assert "breaks off at 2.00 s" in str(error)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_whose_writer_could_not_go_back(length):
    data = bytearray(encoded(".wav"))
    data[4:8] = length.to_bytes(4, "little")
    at = data.index(b"data") + 4
    data[at : at + 4] = length.to_bytes(4, "little")
    y, error = outcome(bytes(data))
    assert error is None
    assert y.shape == X.shape


def test_an_m4a_without_its_index():
    _, error = outcome(encoded(".m4a")[: len(encoded(".m4a")) // 2])
    assert "its beginning or its index is missing" in str(error)


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".m4a", ".opus", ".aac"])
def test_damage_in_the_middle(suffix):
    data = bytearray(encoded(suffix))
    half = len(data) // 2
    data[half : half + 3_000] = random.Random(1).randbytes(3_000)
    y, error = outcome(bytes(data))
    assert error is not None
    assert "damaged at" in str(error) or "breaks off at" in str(error)
    assert X.shape[1] // 4 < y.shape[1] <= X.shape[1] + 2_048


def test_tags_behind_the_sound_are_no_damage():
    """ID3v1 and APE tags stand at an MP3's end; the demuxer takes some of them for sound that cannot be decoded."""
    ape = b"APETAGEX" + b"".join(value.to_bytes(4, "little") for value in (2000, 60, 1, 0, 0, 0))
    for tail in (b"TAG" + bytes(125), ape, b"LYRICSBEGIN" + bytes(50)):
        y, error = outcome(encoded(".mp3") + tail)
        assert error is None, tail[:8]
        assert y.shape == X.shape


def test_a_stream_dump_may_end_anywhere():
    """Raw AAC and an MP3 without a head state no length: that the last frame is torn is no news."""
    y, error = outcome(encoded(".aac")[:-100])
    assert error is None
    assert y.shape[1] > 90_000
    frames = encoded(".mp3")
    start = frames.index(b"\xff\xfb", frames.index(b"Info"))
    y, error = outcome(frames[start:-100])
    assert error is None
    assert y.shape[1] > 90_000


@pytest.mark.parametrize("suffix", ["mkv", "aiff", "caf", "au"])
def test_other_containers_that_are_cut(suffix, tmp_path):
    program = need("ffmpeg")
    (tmp_path / "x.wav").write_bytes(encoded(".wav"))
    subprocess.run([program, "-v", "error", "-i", tmp_path / "x.wav", tmp_path / f"x.{suffix}"], check=True)
    data = (tmp_path / f"x.{suffix}").read_bytes()
    assert outcome(data)[1] is None
    y, error = outcome(data[: len(data) // 2 + 1])
    assert y.shape[1] > 30_000
    assert "breaks off at" in str(error)


@pytest.mark.parametrize("suffix", CODECS)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 200), end=st.floats(0, 1), tolerant=st.booleans())
@settings(max_examples=40, deadline=None)
def test_bytes_changed_anywhere(suffix, seed, count, end, tolerant):
    rng = random.Random(seed)
    data = bytearray(encoded(suffix))
    # The head is a small part of the file and holds most of what can go wrong.
    region = 600 if rng.random() < 0.5 else len(data)
    for _ in range(count):
        data[rng.randrange(region)] = rng.randrange(256)
    _harmless(bytes(data[: int(len(data) * (0.2 + 0.8 * end))]), tolerant)


HEADS = [b"", b"RIFF\0\0\0\0WAVEfmt ", b"fLaC", b"OggS\0\2", b"ID3\4", b"\xff\xfb", b"\0\0\0\x20ftypM4A ", b"caff\0\1",
         b"FORM\0\0\0\0AIFF", b"\x1aE\xdf\xa3", b"#EXTM3U\n", b"ffconcat version 1.0\n"]  # fmt: skip


@given(st.binary(max_size=3_000), st.sampled_from(HEADS))
@settings(max_examples=200, deadline=None)
def test_garbage(data, head):
    _harmless(head + data, tolerant=False)


def _harmless(data, tolerant):
    """Opening, probing and decoding give sound or a SourceError of one line."""
    for use in (lambda: probe(io.BytesIO(data)), lambda: _some(data, tolerant)):
        try:
            use()
        except SourceError as error:
            assert "\n" not in str(error)


def _some(data, tolerant):
    with Decoder(io.BytesIO(data), tolerant=tolerant) as decoder:
        frames = 0
        for block in decoder.blocks(4_096):
            assert block.shape[0] == decoder.channels
            frames += block.shape[1]
            if frames > 1_000_000:
                break
