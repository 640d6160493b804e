"""flowaudio.io.formats: settings are checked, and every error is one sentence with the cure."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudio.core.errors import ParameterError
from flowaudio.io.formats import (
    AAC,
    CONTAINERS,
    FLAC,
    MP3,
    WAV,
    Opus,
    check,
    check_container,
    container_for,
    default_codec,
    fitting,
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MP3(quality=11), r"^MP3.quality must be between 0 and 9 \(got 11\)$"),
        (lambda: MP3(quality=True), r"^MP3.quality must be between 0 and 9 \(got True\)$"),
        (lambda: MP3(quality=2.0), r"MP3.quality must be between 0 and 9 \(got 2.0\)"),
        (lambda: MP3(bitrate=128), r"MP3.bitrate must be between 8000 and 320000 \(got 128\)"),
        (lambda: MP3(reservoir=1), r"MP3.reservoir must be True or False \(got 1\)"),
        (lambda: AAC(profile="HE"), r"AAC.profile must be LC \(got 'HE'\)"),
        (lambda: AAC(bitrate=None), r"AAC.bitrate must be between 8000 and 2048000 \(got None\)"),
        (lambda: Opus(application="music"), r"Opus.application must be audio, voip or lowdelay \(got 'music'\)"),
        (lambda: Opus(bitrate=100), r"Opus.bitrate must be between 6000 and 2048000 \(got 100\)"),
        (lambda: FLAC(compression_level=13), r"FLAC.compression_level must be between 0 and 12 \(got 13\)"),
        (lambda: FLAC(bit_depth=32), r"FLAC.bit_depth must be 16 or 24 \(got 32\)"),
        (lambda: WAV(bit_depth=8), r"WAV.bit_depth must be 16, 24 or 32 \(got 8\)"),
    ],
)
def test_values_out_of_range(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize("codec", [MP3(bitrate=None), AAC(), Opus(bitrate=64_000), FLAC(bit_depth=24), WAV()])
def test_a_repr_is_a_constructor_call(codec):
    assert eval(repr(codec)) == codec
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec.bitrate = 1


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_default_codec_fits_its_container(suffix):
    codec = default_codec(f"/a/b.c/talk{suffix.upper()}")
    assert check_container(codec, f"talk{suffix}").suffix == suffix
    check(codec, 48_000, 2)


def test_own_containers():
    suffixes = {MP3: ".mp3", AAC: ".m4a", Opus: ".opus", FLAC: ".flac", WAV: ".wav"}
    assert {codec: container_for(codec()).suffix for codec in suffixes} == suffixes


@pytest.mark.parametrize(
    ("codec", "path", "message"),
    [
        (MP3(), "/x/talk.wav", r"^talk.wav cannot hold MP3; name the output talk.mp3 or choose WAV$"),
        (Opus(), "a.b.m4a", r"^a.b.m4a cannot hold Opus; name the output a.b.opus or choose AAC$"),
        (MP3(), "talk", r"^talk is a name without a suffix; end it with one of mp3, .*, such as talk.mp3$"),
        (MP3(), "talk.xyz", r"^talk.xyz is a name of an unknown kind \(.xyz\); .* such as talk.mp3$"),
    ],
)
def test_containers_that_do_not_fit(codec, path, message):
    with pytest.raises(ParameterError, match=message):
        check_container(codec, path)


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "message"),
    [
        (MP3(), 96_000, 2, r"^MP3 does not take 96000 Hz; resample to 48000 Hz \(it takes 8000, .*, 48000\)$"),
        (MP3(), 48_000, 6, r"^MP3 takes 1 or 2 channels \(got 6\); mix to 2 or choose AAC, Opus, FLAC, WAV$"),
        (Opus(), 44_100, 2, r"^Opus does not take 44100 Hz; resample to 48000 Hz"),
        (AAC(), 176_400, 2, r"^AAC does not take 176400 Hz; resample to 96000 Hz"),
        (AAC(), 48_000, 9, r"^AAC takes 1 to 8 channels \(got 9\); mix to 8 or choose WAV$"),
        (FLAC(), 48_000, 0, r"^FLAC takes 1 to 8 channels \(got 0\); mix to 1$"),
        (FLAC(), 88_201, 2, r"^FLAC takes rates above 65535 Hz in tens \(got 88201\); resample to 88200 Hz$"),
        (FLAC(), 700_000, 2, r"^FLAC takes at most 655350 Hz \(got 700000\); resample to 192000 Hz$"),
        (WAV(), 0, 2, r"^sample_rate must be a whole number of Hz above 0 \(got 0\)$"),
        (WAV(), 44_100.0, 2, r"^sample_rate must be a whole number of Hz above 0 \(got 44100.0\)$"),
        (Opus(bitrate=512_000), 48_000, 1, r"^Opus.bitrate must be at most 256000 for 1 channel \(got 512000\)$"),
        ("mp3", 48_000, 1, r"^codec must be one of MP3, AAC, Opus, FLAC, WAV with its settings \(got 'mp3'\)$"),
    ],
)
def test_rates_and_channels_that_an_encoder_refuses(codec, rate, channels, message):
    with pytest.raises(ParameterError, match=message):
        check(codec, rate, channels)


@given(st.sampled_from([MP3(), AAC(), Opus(), FLAC(), WAV()]), st.integers(-1, 800_000), st.integers(-1, 70))
def test_the_cure_for_a_rate_works(codec, rate, channels):
    try:
        check(codec, rate, channels)
    except ParameterError as error:
        if "resample to" in str(error):
            better = int(str(error).split("resample to ")[1].split()[0])
            check(codec, better, 1)


@given(st.sampled_from([MP3(), AAC(), Opus(), FLAC(), WAV()]), st.integers(1, 800_000), st.integers(1, 80))
def test_what_fits_passes(codec, rate, channels):
    fit = fitting(codec, rate, channels)
    check(codec, *fit)
    assert fit[1] <= channels
    assert fitting(codec, *fit) == fit
