"""flowaudio.io.Decoder and probe: what comes out, of what, and what is refused."""

import http.server
import io
import subprocess
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import lag, read, snr_db, sound, write
from need import need

from flowaudio.core.errors import SourceError
from flowaudio.core.layouts import mix_matrix
from flowaudio.io import FLAC, MP3, WAV, Decoder, Encoder, probe


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A WAV of 50,000 frames of float samples, and those samples."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    x = sound(50_000)
    write(path, x, WAV(bit_depth=32))
    return path, x


def ffmpeg(*arguments):
    subprocess.run([need("ffmpeg"), "-v", "error", "-y", *map(str, arguments)], check=True)


@pytest.mark.parametrize("frames", [1, 64, 1000, 16_384, 49_999, 50_000, 1_000_000])
def test_blocks_have_the_length_asked_for(talk, frames):
    path, x = talk
    with Decoder(path) as decoder:
        blocks = list(decoder.blocks(frames))
    assert {block.shape for block in blocks[:-1]} <= {(2, frames)}
    assert 0 < blocks[-1].shape[1] <= frames
    assert all(block.dtype == np.float32 and block.flags.c_contiguous for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), x)


@given(frames=st.integers(1, 20_000))
@settings(max_examples=10, deadline=None)
def test_the_block_length_does_not_change_the_sound(talk, frames):
    path, _ = talk
    whole = read(path, sample_rate=44_100, channels=1)
    np.testing.assert_array_equal(read(path, frames, sample_rate=44_100, channels=1), whole)


def test_blocks_are_the_callers_own(talk):
    path, x = talk
    with Decoder(path) as decoder:
        kept = []
        for block in decoder.blocks(4096):
            kept.append(block.copy())
            block[:] = 7
    np.testing.assert_array_equal(np.concatenate(kept, axis=1), x)


def test_rate_and_channels_are_converted(talk):
    path, x = talk
    with Decoder(path, sample_rate=44_100, channels=1) as decoder:
        assert (decoder.sample_rate, decoder.channels) == (44_100, 1)
        assert (decoder.info.sample_rate, decoder.info.channels) == (48_000, 2)
        y = np.concatenate(list(decoder.blocks()), axis=1)
    assert y.shape == (1, round(x.shape[1] * 44_100 / 48_000))
    back = read(path, channels=1)
    np.testing.assert_allclose(back, mix_matrix(2, 1) @ x, atol=1e-6)


@pytest.mark.parametrize("kind", ["u8", "s16", "s32", "f32", "f64", "s24"])
def test_every_sample_format_arrives_at_its_level(talk, kind, tmp_path):
    path, x = talk
    codec = f"pcm_{kind}" + ("" if kind == "u8" else "le")
    ffmpeg("-i", path, "-c:a", codec, tmp_path / "x.wav")
    y = read(tmp_path / "x.wav")
    assert y.shape == x.shape
    assert np.abs(y - x).max() < {"u8": 1 / 100, "s16": 1 / 30_000}.get(kind, 1e-6)


EXACT = ["mp3", "m4a", "mp4", "mov", "opus", "flac", "aiff", "caf", "wv", "au"]


@pytest.mark.parametrize("suffix", [*EXACT, "ogg", "mka", "webm", "ac3", "wma", "ts"])
def test_whatever_ffmpeg_reads(talk, suffix, tmp_path):
    path, x = talk
    ffmpeg("-i", path, "-b:a", "192k", tmp_path / f"x.{suffix}")
    y = read(tmp_path / f"x.{suffix}")
    assert y.shape[0] == 2
    assert abs(y.shape[1] - x.shape[1]) <= 6_000
    at = lag(x[0], y[0])
    assert abs(at) <= 3_000
    if suffix in EXACT:
        assert (at, y.shape) == (0, x.shape)


def test_a_video_with_sound(talk, tmp_path):
    path, x = talk
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=2", "-i", path, "-c:a", "aac", tmp_path / "x.mp4")
    info = probe(tmp_path / "x.mp4")
    assert info.codec == "aac"
    assert [other.split()[0] for other in info.others] == ["video"]
    assert not info.has_cover
    y = read(tmp_path / "x.mp4")
    assert y.shape == x.shape
    assert lag(x[0], y[0]) == 0


def test_a_stream_that_changes_its_format_midway(tmp_path):
    """Chained Ogg: the second part has another rate and other channels; the blocks go on as they began."""
    parts = []
    for name, rate, channels in (("a", 48_000, 2), ("b", 44_100, 1)):
        wav, ogg = tmp_path / f"{name}.wav", tmp_path / f"{name}.ogg"
        write(wav, sound(rate // 2, channels, rate), WAV(), rate)
        ffmpeg("-i", wav, "-c:a", "flac", "-serial_offset", len(parts) + 7, ogg)
        parts.append(ogg.read_bytes())
    (tmp_path / "both.ogg").write_bytes(b"".join(parts))
    y = read(tmp_path / "both.ogg", tolerant=True)
    assert y.shape[0] == 2
    first = read(tmp_path / "a.ogg")
    np.testing.assert_array_equal(y[:, : first.shape[1]], first)
    assert y.shape[1] == pytest.approx(48_000, abs=5_000)


def test_a_rate_of_few_hertz_gives_no_huge_block(tmp_path):
    write(tmp_path / "x.wav", sound(3_000, 1), WAV(), 20)
    with Decoder(tmp_path / "x.wav", sample_rate=48_000) as decoder:
        sizes = [block.shape[1] for block in decoder.blocks()]
    assert sum(sizes) == 3_000 * 2_400
    assert max(sizes) < 3_000_000


def test_a_file_object_is_read_and_left_open(talk):
    path, x = talk
    file = io.BytesIO(path.read_bytes())
    np.testing.assert_array_equal(read(file), x)
    assert not file.closed
    file.seek(0)
    assert probe(file).path == "<stream>"
    with path.open("rb") as real:
        assert probe(real).path == str(path)


def test_a_file_object_that_cannot_seek(talk):
    path, x = talk

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.file = path.open("rb")

        def readable(self):
            return True

        def read(self, size=-1):
            return self.file.read(min(size, 1000))

        def close(self):
            self.file.close()

    with Pipe() as pipe:
        np.testing.assert_array_equal(read(pipe), x)


@pytest.mark.parametrize("name", ["a:b.wav", "http:x.wav", "with space é.wav", "%d.wav", "-x.wav", "a|b.wav"])
def test_names_that_look_like_something_else(talk, name, tmp_path, monkeypatch):
    path, x = talk
    (tmp_path / name).write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read(tmp_path / name), x)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(read(name), x)


def test_a_layout_of_its_own_order(tmp_path):
    """A CAF that states an order that is none of FFmpeg's own (L C R Ls Rs LFE) comes out in ours, again and again."""
    x = np.rint(sound(4_000, 6) * 32_767) / 32_768
    order = [0, 2, 1, 4, 5, 3]
    (tmp_path / "x.caf").write_bytes(_caf(np.asarray(x[order] * 32_768, ">i2"), 123 << 16 | 6))
    for _ in range(5):
        assert probe(tmp_path / "x.caf").channels == 6
        np.testing.assert_array_equal(read(tmp_path / "x.caf"), np.asarray(x, np.float32))


def _caf(samples, layout_tag):
    """A Core Audio file of 16-bit samples with a channel layout tag."""
    channels = samples.shape[0]

    def chunk(kind, data):
        return kind + len(data).to_bytes(8, "big") + data

    def words(*values):
        return b"".join(value.to_bytes(4, "big") for value in values)

    head = np.array(48_000, ">f8").tobytes() + b"lpcm" + words(0, 2 * channels, 1, channels, 16)
    order, data = words(layout_tag, 0, 0), words(0) + samples.T.tobytes()
    return b"caff" + words(0x00010000) + chunk(b"desc", head) + chunk(b"chan", order) + chunk(b"data", data)


def test_probe_knows_what_a_file_says(tmp_path):
    write(tmp_path / "x.flac", sound(44_100, 6, 44_100), FLAC(bit_depth=24), 44_100, tags={"TITLE": "Talk"})
    info = probe(tmp_path / "x.flac")
    assert (info.container, info.codec, info.sample_rate, info.channels) == ("flac", "flac", 44_100, 6)
    assert (info.layout, info.bit_depth, info.frames, info.duration_s) == ("5.1", 24, 44_100, 1.0)
    assert info.tags["title"] == "Talk"
    assert info.others == ()
    assert info.bitrate > 100_000


class _Sound(http.server.BaseHTTPRequestHandler):
    body = b""

    def do_GET(self):
        found = self.path == "/x.flac"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(self.body) if found else 0))
        self.end_headers()
        self.wfile.write(self.body if found else b"")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    write(tmp_path / "x.flac", sound(10_000), FLAC())
    handler = type("Handler", (_Sound,), {"body": (tmp_path / "x.flac").read_bytes()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_url_opens_if_its_protocol_is_allowed(server):
    assert read(f"{server}/x.flac", allowed_protocols=("http",)).shape == (2, 10_000)
    with pytest.raises(SourceError, match=r"needs .* http; allow it with allowed_protocols=\('file', 'http'\)"):
        Decoder(f"{server}/x.flac")
    with pytest.raises(SourceError, match=r"nothere is not there \(HTTP 404\); check the address$"):
        Decoder(f"{server}/nothere", allowed_protocols=("http",))


def test_a_server_that_is_not_there():
    with pytest.raises(SourceError, match="connection refused"):
        Decoder("http://127.0.0.1:9/x.mp3", allowed_protocols=("http",))


def test_a_playlist_may_only_open_what_is_allowed(server, tmp_path):
    playlist = tmp_path / "x.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{server}/x.flac\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError):
        read(playlist)
    with pytest.raises(SourceError, match="needs the protocol file"):
        Decoder(playlist, allowed_protocols=("http",))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"x.wav does not exist; check the name$"),
        (lambda path: path.mkdir(), r"x.wav is a folder; name a file in it$"),
        (lambda path: path.write_bytes(b""), r"x.wav is empty; it holds not one byte of sound$"),
        (lambda path: path.write_text("Dear Sir,\n" * 50), r"x.wav is no audio that can be read"),
        (lambda path: path.write_bytes(bytes(5000)), r"x.wav is no audio that can be read"),
    ],
)
def test_sources_that_are_none(make, message, tmp_path):
    make(tmp_path / "x.wav")
    for opener in (probe, read):
        with pytest.raises(SourceError, match=message):
            opener(tmp_path / "x.wav")
    with pytest.raises(SourceError, match=message):
        read(str(tmp_path / "x.wav"))


def test_a_file_with_no_sound_in_it(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1", tmp_path / "x.mp4")
    with pytest.raises(SourceError, match=r"x.mp4 has no sound in it, only video \w+; name a file with an audio"):
        Decoder(tmp_path / "x.mp4")


def test_an_empty_file_object():
    with pytest.raises(SourceError, match=r"<stream> is no audio"):
        Decoder(io.BytesIO())


def test_more_channels_than_can_be_mixed(tmp_path):
    write(tmp_path / "x.wav", sound(100, 16), WAV())
    with pytest.raises(SourceError, match=r"has 16 channels, which cannot be mixed to 2"):
        Decoder(tmp_path / "x.wav", channels=2)


def test_nothing_is_read_after_the_end_of_the_with_statement(talk):
    with Decoder(talk[0]) as decoder:
        blocks = decoder.blocks(100)
        next(blocks)
    with pytest.raises(SourceError, match="is closed; read its blocks inside the with statement"):
        for _ in blocks:
            pass


def test_two_decoders_of_one_file_do_not_disturb_each_other(talk):
    path, _ = talk
    with Decoder(path) as first, Decoder(path) as second:
        for a, b in zip(first.blocks(999), second.blocks(999), strict=True):
            np.testing.assert_array_equal(a, b)


def test_memory_does_not_grow_with_the_length(tmp_path):
    resource = pytest.importorskip("resource")
    rng = np.random.default_rng(0)
    with Encoder(tmp_path / "x.mp3", MP3(quality=9), 48_000, 2) as encoder:
        block = rng.standard_normal((2, 48_000)).astype(np.float32) * 0.1
        for _ in range(60):
            encoder.write(block)
    with Decoder(tmp_path / "x.mp3", sample_rate=44_100) as decoder:
        blocks = decoder.blocks()
        for _ in range(20):
            next(blocks)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in blocks:
            pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000


def test_an_opus_file_of_another_writer(talk, tmp_path):
    path, x = talk
    ffmpeg("-i", path, "-c:a", "libopus", "-b:a", "256k", tmp_path / "x.opus")
    y = read(tmp_path / "x.opus")
    assert y.shape == x.shape
    assert lag(x[0], y[0]) == 0
    assert snr_db(x, y) > 15
