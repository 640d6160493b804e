"""Tags and pictures go from every kind of source to every kind of target."""

import io
import struct
import subprocess
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import read, sound, write
from need import need

from flowaudio.core.errors import ParameterError
from flowaudio.io import AAC, FLAC, MP3, WAV, Cover, Decoder, Opus, portable_tags, probe

CODECS = {".mp3": MP3(), ".m4a": AAC(), ".flac": FLAC(), ".opus": Opus(), ".ogg": Opus(), ".wav": WAV()}
TAGS = {"title": "Été № 5", "artist": "A & B", "album": "日本", "date": "2024", "genre": "Jazz", "track": "3/12",
        "comment": "two\nlines", "copyright": "© us"}  # fmt: skip


def png(width=3, height=2):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + bytes(3 * width) for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


COVER = Cover(data=png(), mime="image/png")


@pytest.mark.parametrize("target", [".mp3", ".m4a", ".flac", ".opus", ".ogg"])
@pytest.mark.parametrize("source", CODECS)
def test_from_each_to_each(source, target, tmp_path):
    first, second = tmp_path / f"a{source}", tmp_path / f"b{target}"
    x = sound(20_000)
    write(first, x, CODECS[source], tags=TAGS, cover=COVER)
    with Decoder(first) as decoder:
        blocks, tags, cover = list(decoder.blocks()), portable_tags(decoder.info.tags), decoder.cover
        assert decoder.info.has_cover == (source != ".wav")
    write(second, sound(20_000), CODECS[target], tags=tags, cover=cover or COVER)
    assert sum(block.shape[1] for block in blocks) == x.shape[1]
    with Decoder(second) as decoder:
        assert decoder.cover == COVER
        assert decoder.info.has_cover
        assert decoder.info.others == ()
        assert decoder.info.tags.items() >= TAGS.items()
    assert read(second).shape == x.shape


def test_a_jpeg(tmp_path):
    program = need("ffmpeg")
    command = [program, "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=1", "-frames:v", "1"]
    subprocess.run([*command, tmp_path / "x.jpg"], check=True)
    cover = Cover(data=(tmp_path / "x.jpg").read_bytes(), mime="image/jpeg")
    for suffix in (".mp3", ".m4a", ".flac", ".opus"):
        write(tmp_path / f"x{suffix}", sound(5_000), CODECS[suffix], cover=cover)
        with Decoder(tmp_path / f"x{suffix}") as decoder:
            assert decoder.cover == cover


def test_the_cover_costs_no_sound_from_a_pipe(tmp_path):
    """The picture is read before the sound, from a source that cannot go back."""
    x = sound(20_000)
    write(tmp_path / "x.flac", x, FLAC(bit_depth=24), cover=COVER)

    class Pipe:
        def __init__(self, data):
            self.read = io.BytesIO(data).read

    with Decoder(Pipe((tmp_path / "x.flac").read_bytes())) as decoder:
        assert decoder.cover == COVER
        assert sum(block.shape[1] for block in decoder.blocks()) == x.shape[1]


@pytest.mark.parametrize(("data", "kind"), [(b"", "png"), (png(), "jpeg"), (b"GIF89a", "gif")])
def test_what_is_no_cover(data, kind, tmp_path):
    cover = Cover(data=data, mime=f"image/{kind}")
    with pytest.raises(ParameterError, match=r"^cover must be a JPEG or PNG file under its own MIME type \(got image/"):
        write(tmp_path / "x.mp3", sound(100), MP3(), cover=cover)
    assert not (tmp_path / "x.mp3").exists()


def test_a_cover_that_only_begins_like_one(tmp_path):
    with pytest.raises(ParameterError, match=r"^cover is no image/png that can be read"):
        write(tmp_path / "x.mp3", sound(100), MP3(), cover=Cover(data=png()[:20], mime="image/png"))
    assert not list(tmp_path.iterdir())


def test_tags_about_the_old_file_are_not_carried_over():
    tags = {"TITLE": "x", "encoder": "LAME", "replaygain_track_gain": "-6 dB", "R128_TRACK_GAIN": "1", "iTunSMPB": "0"}
    assert portable_tags(tags) == {"title": "x"}


def test_tags_in_an_unknown_encoding_can_be_read(tmp_path):
    write(tmp_path / "x.wav", sound(100), WAV(), tags={"title": "Caf\N{LATIN SMALL LETTER E WITH ACUTE}"})
    data = (tmp_path / "x.wav").read_bytes()
    (tmp_path / "x.wav").write_bytes(data.replace(b"Caf\xc3\xa9", b"Caf\xe9 "))
    assert probe(tmp_path / "x.wav").tags["title"].startswith("Caf")


@given(st.dictionaries(st.sampled_from(["title", "artist", "album", "comment"]), st.text(max_size=60), max_size=4))
@settings(max_examples=30, deadline=None)
def test_any_text_is_a_tag(tmp_path_factory, tags):
    folder = tmp_path_factory.mktemp("x")
    for suffix in (".mp3", ".flac", ".m4a", ".opus", ".wav"):
        write(folder / f"x{suffix}", sound(1_000), CODECS[suffix], tags=tags)
        assert read(folder / f"x{suffix}").shape == (2, 1_000)
