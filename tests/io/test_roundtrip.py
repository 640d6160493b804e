"""What is encoded decodes to the same sound: as long to the frame, in the same place, and alike."""

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import lag, read, snr_db, sound, write
from need import need

from flowaudio.io import AAC, FLAC, MP3, WAV, Opus, probe

# The least that the decoded sound must stand above its difference from the original.
CASES = {
    "mp3": (MP3(), ".mp3", 20),
    "mp3-vbr": (MP3(bitrate=None, quality=0), ".mp3", 20),
    "mp3-alone": (MP3(reservoir=False, bitrate=320_000, quality=9), ".mp3", 20),
    "aac": (AAC(bitrate=256_000), ".m4a", 15),
    "opus": (Opus(bitrate=256_000), ".opus", 15),
    "opus-ogg": (Opus(application="lowdelay", bitrate=256_000), ".ogg", 12),
    "flac16": (FLAC(), ".flac", 80),
    "flac24": (FLAC(bit_depth=24, compression_level=0), ".flac", 125),
    "wav16": (WAV(), ".wav", 80),
    "wav24": (WAV(bit_depth=24), ".wav", 125),
    "wav32": (WAV(bit_depth=32), ".wav", 290),
}
RATES = {
    MP3: (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    AAC: (7_350, 8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 64_000, 88_200, 96_000),
    Opus: (8_000, 12_000, 16_000, 24_000, 48_000),
    FLAC: (8_000, 44_100, 96_000, 192_000),
    WAV: (8_000, 44_100, 192_000, 384_000),
}


@pytest.mark.parametrize("case", CASES)
def test_stereo(case, tmp_path):
    codec, suffix, least = CASES[case]
    x = sound(30_011)
    path = tmp_path / f"x{suffix}"
    encoder = write(path, x, codec)
    y = read(path)
    assert encoder.frames == x.shape[1]
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert [lag(*pair) for pair in zip(x, y, strict=True)] == [0, 0]
    assert snr_db(x, y) > least
    info = probe(path)
    assert info.frames == x.shape[1]
    assert (info.sample_rate, info.channels, info.layout) == (48_000, 2, "stereo")
    assert info.bit_depth == getattr(codec, "bit_depth", None)


@pytest.mark.parametrize(
    ("codec", "suffix", "rate"),
    [(CASES[name][0], CASES[name][1], rate) for name in ("mp3", "aac", "flac16", "wav16")
     for rate in RATES[type(CASES[name][0])]],
)  # fmt: skip
def test_every_rate(codec, suffix, rate, tmp_path):
    x = sound(rate // 4 + 13, 2, rate)
    write(tmp_path / f"x{suffix}", x, codec, rate)
    y = read(tmp_path / f"x{suffix}")
    assert y.shape == x.shape
    assert lag(x[0], y[0]) == 0
    assert snr_db(x, y) > 8


@pytest.mark.parametrize("rate", RATES[Opus])
def test_opus_of_every_rate_decodes_at_48_khz(rate, tmp_path):
    x = sound(rate // 3 + 1, 2, rate)
    write(tmp_path / "x.opus", x, Opus(), rate)
    assert probe(tmp_path / "x.opus").sample_rate == 48_000
    # libopus rounds the end of a low rate down to a whole number of its own frames' ticks.
    assert read(tmp_path / "x.opus").shape[1] == x.shape[1] * 48_000 // rate
    y = read(tmp_path / "x.opus", sample_rate=rate)
    assert y.shape == x.shape
    assert lag(x[0], y[0]) == 0
    assert snr_db(x, y) > 8


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("name", ["aac", "opus", "flac16", "wav32"])
def test_every_channel_count_keeps_its_order(name, channels, tmp_path):
    codec, suffix, _ = CASES[name]
    x = sound(15_000, channels)
    if channels >= 6:
        x[3] = sound(15_000, 1, seed=9)[0]
    write(tmp_path / f"x{suffix}", x, codec)
    y = read(tmp_path / f"x{suffix}")
    assert y.shape == x.shape
    for channel in range(channels):
        # An LFE may be low-passed by the codec: it must only be itself more than any other channel.
        alike = [np.corrcoef(x[channel], other)[0, 1] for other in y]
        assert np.argmax(np.abs(alike)) == channel, alike
        assert alike[channel] > 0.2


def test_wav_takes_more_channels_than_have_names(tmp_path):
    x = sound(2_000, 16)
    write(tmp_path / "x.wav", x, WAV(bit_depth=32))
    np.testing.assert_array_equal(read(tmp_path / "x.wav"), x)


@pytest.mark.parametrize("channels", [1, 2])
@given(frames=st.one_of(st.integers(1, 6_000), st.integers(143_000, 145_200)))
@settings(max_examples=25, deadline=None)
def test_mp3_is_exact_at_every_length(tmp_path_factory, channels, frames):
    _exact(tmp_path_factory.mktemp("x") / "x.mp3", MP3(quality=9), channels, frames)


def test_mp3_is_exact_where_its_padding_spreads_over_two_frames(tmp_path):
    for frames in range(144_000, 144_048, 4):
        _exact(tmp_path / "x.mp3", MP3(quality=9), 1, frames)


@pytest.mark.parametrize("name", ["aac", "opus", "flac16", "wav24"])
@given(frames=st.integers(1, 12_000))
@settings(max_examples=25, deadline=None)
def test_every_length(tmp_path_factory, name, frames):
    codec, suffix, _ = CASES[name]
    _exact(tmp_path_factory.mktemp("x") / f"x{suffix}", codec, 1, frames)


def _exact(path, codec, channels, frames):
    write(path, np.full((channels, frames), 0.1, np.float32), codec, step=100_000)
    assert read(path).shape == (channels, frames)


@pytest.mark.parametrize("name", ["mp3", "opus", "flac24", "wav16"])
def test_the_ffmpeg_program_finds_the_same_length(name, tmp_path):
    need("ffmpeg")
    codec, suffix, _ = CASES[name]
    write(tmp_path / f"x{suffix}", sound(144_017), codec)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / f"x{suffix}", "-f", "f32le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    assert len(raw) == 144_017 * 2 * 4


def test_the_ffprobe_program_finds_the_length_of_an_m4a(tmp_path):
    need("ffprobe")
    write(tmp_path / "x.m4a", sound(144_017), AAC())
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=duration_ts,start_pts", "-of", "csv=p=0"]
    out = subprocess.run([*command, tmp_path / "x.m4a"], capture_output=True, check=True, text=True).stdout
    assert out.strip() == "0,144017"


def test_an_m4a_of_another_writer_loses_its_padding(tmp_path):
    """FFmpeg itself writes the edit list in milliseconds: the last packet's duration is what tells the end."""
    need("ffmpeg")
    write(tmp_path / "x.wav", sound(144_017), WAV())
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "x.wav", tmp_path / "x.m4a"], check=True)
    assert read(tmp_path / "x.m4a").shape[1] == 144_017


def test_adts_has_no_place_for_its_length(tmp_path):
    x = sound(20_000)
    write(tmp_path / "x.aac", x, AAC())
    y = read(tmp_path / "x.aac")
    assert y.shape[1] % 1024 == 0
    assert lag(x[0], y[0]) == 1024


def test_vbr_quality_is_the_v_scale(tmp_path):
    x = sound(48_000)
    sizes = []
    for quality in (0, 4, 9):
        write(tmp_path / "x.mp3", x, MP3(bitrate=None, quality=quality))
        sizes.append((tmp_path / "x.mp3").stat().st_size)
    assert sizes[0] > 1.3 * sizes[1] > 1.3 * 1.3 * sizes[2]


def test_quality_of_a_constant_bitrate_changes_the_work_not_the_size(tmp_path):
    x = sound(48_000)
    write(tmp_path / "a.mp3", x, MP3(quality=0))
    write(tmp_path / "b.mp3", x, MP3(quality=9))
    best, fastest = ((tmp_path / name).read_bytes() for name in ("a.mp3", "b.mp3"))
    assert len(best) == len(fastest)
    assert best != fastest
    assert probe(tmp_path / "a.mp3").bitrate == 192_000


@pytest.mark.parametrize("bitrate", [64_000, 128_000, 256_000])
def test_bitrates_are_kept(bitrate, tmp_path):
    x = sound(96_000)
    for kind, suffix in ((MP3, ".mp3"), (AAC, ".m4a"), (Opus, ".opus")):
        path, codec = tmp_path / f"x{suffix}", kind(bitrate=bitrate)
        write(path, x, codec)
        assert path.stat().st_size * 8 / 2 == pytest.approx(bitrate, rel=0.25)


def test_flac_levels_change_the_size_only(tmp_path):
    x = sound(96_000)
    for level in (0, 12):
        write(tmp_path / f"{level}.flac", x, FLAC(compression_level=level))
    assert (tmp_path / "12.flac").stat().st_size < (tmp_path / "0.flac").stat().st_size
    np.testing.assert_array_equal(read(tmp_path / "0.flac"), read(tmp_path / "12.flac"))


@pytest.mark.parametrize(("rate", "bitrate"), [
    (48_000, 64_000), (48_000, 128_000), (44_100, 160_000), (48_000, 170_000), (48_000, 192_000), (44_100, 200_000),
    (48_000, 224_000), (48_000, 256_000), (48_000, 320_000), (22_050, 192_000), (8_000, 32_000), (48_000, None),
])  # fmt: skip
def test_mp3_decodes_as_loud_as_it_was_written(tmp_path, rate: int, bitrate: int | None) -> None:
    time = np.arange(rate) / rate
    x = np.tile(0.25 * np.sin(2 * np.pi * 997 * time), (2, 1)).astype(np.float32)
    write(tmp_path / "x.mp3", x, MP3(bitrate=bitrate), rate)
    middle = slice(rate // 4, 3 * rate // 4)
    ratio = np.std(read(tmp_path / "x.mp3")[:, middle]) / np.std(x[:, middle])
    assert abs(20 * np.log10(ratio)) < 0.03
