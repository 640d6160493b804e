"""flowaudio.io.Encoder: a file is whole or not there, and depends on the sound alone."""

import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import read, sound, write

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.io import AAC, FLAC, MP3, WAV, Encoder, Opus

CODECS = {".mp3": MP3(quality=9), ".m4a": AAC(), ".aac": AAC(), ".opus": Opus(), ".flac": FLAC(),
          ".wav": WAV(bit_depth=24)}  # fmt: skip
FULL = Path("/dev/full")


@pytest.mark.parametrize("suffix", CODECS)
@given(steps=st.lists(st.integers(0, 9_000), min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_the_cutting_of_writes_changes_no_byte(suffix, steps, tmp_path_factory):
    x = sound(12_000)
    folder = tmp_path_factory.mktemp("x")
    write(folder / f"whole{suffix}", x, CODECS[suffix], step=12_000)
    with Encoder(folder / f"parts{suffix}", CODECS[suffix], 48_000, 2) as encoder:
        for part in np.split(x, np.sort(steps), axis=1):
            encoder.write(part)
    assert (folder / f"parts{suffix}").read_bytes() == (folder / f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", CODECS)
def test_the_name_stands_only_for_a_whole_file(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"what stood there")
    with Encoder(path, CODECS[suffix], 48_000, 2) as encoder:
        encoder.write(sound(20_000))
        assert path.read_bytes() == b"what stood there"
        (other,) = set(tmp_path.iterdir()) - {path}
        assert other.name.startswith(".x")
    assert list(tmp_path.iterdir()) == [path]
    assert read(path).shape[1] >= 20_000


@pytest.mark.parametrize("suffix", CODECS)
def test_an_exception_leaves_nothing(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"what stood there")
    with pytest.raises(KeyboardInterrupt), Encoder(path, CODECS[suffix], 48_000, 2) as encoder:
        encoder.write(sound(20_000))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"what stood there"


def test_abort_and_close_may_be_called_again(tmp_path):
    encoder = Encoder(tmp_path / "x.mp3", MP3(), 48_000, 2)
    encoder.write(sound(5_000))
    encoder.abort()
    encoder.abort()
    encoder.close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(TargetError, match="is closed; write its blocks inside the with statement"):
        encoder.write(sound(5))
    encoder = Encoder(tmp_path / "x.mp3", MP3(), 48_000, 2)
    encoder.write(sound(5_000))
    encoder.close()
    encoder.close()
    encoder.abort()
    assert (tmp_path / "x.mp3").exists()


def test_an_encoder_that_is_forgotten_leaves_nothing(tmp_path):
    Encoder(tmp_path / "x.flac", FLAC(), 48_000, 2).write(sound(5_000))
    assert not list(tmp_path.iterdir())


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path):
    (tmp_path / "real.wav").touch(mode=0o640)
    (tmp_path / "link.wav").symlink_to(tmp_path / "real.wav")
    write(tmp_path / "link.wav", sound(100), WAV())
    assert (tmp_path / "link.wav").is_symlink()
    assert (tmp_path / "real.wav").stat().st_mode & 0o777 == 0o640
    assert read(tmp_path / "real.wav").shape == (2, 100)
    mask = os.umask(0o022)
    os.umask(mask)
    write(tmp_path / "new.wav", sound(100), WAV())
    assert (tmp_path / "new.wav").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_relative_name_survives_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Encoder("x.wav", WAV(), 48_000, 2) as encoder:
        monkeypatch.chdir("/")
        encoder.write(sound(100))
    assert (tmp_path / "x.wav").exists()


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_object_gets_the_same_bytes_and_stays_open(suffix, tmp_path):
    x = sound(20_000)
    write(tmp_path / f"x{suffix}", x, CODECS[suffix])
    file = io.BytesIO()
    write(file, x, CODECS[suffix], container=suffix)
    assert file.getvalue() == (tmp_path / f"x{suffix}").read_bytes()


class OneWay(io.RawIOBase):
    """A pipe: takes a little at a time, and nothing can be gone back to."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        taken = bytes(data[:700])
        self.data += taken
        return len(taken)


@pytest.mark.parametrize("suffix", [".mp3", ".opus", ".flac", ".aac", ".wav"])
def test_a_pipe_gets_a_sound_that_decodes(suffix):
    x, pipe = sound(20_000), OneWay()
    write(pipe, x, CODECS[suffix], container=suffix)
    y = read(io.BytesIO(bytes(pipe.data)), tolerant=True)
    assert y.shape[1] >= x.shape[1]


def test_an_m4a_needs_a_target_that_can_be_gone_back_to():
    with pytest.raises(TargetError, match=r"cannot be gone back to, .* or raw AAC with container='.aac'$"):
        Encoder(OneWay(), AAC(), 48_000, 2)


def test_what_lies_outside_is_clipped_and_counted(tmp_path):
    x = np.zeros((2, 100), np.float32)
    x[0, :5] = [1.5, -1.5, np.inf, -np.inf, np.nan]
    x[1, :2] = [1.0, -1.0]
    encoder = write(tmp_path / "x.wav", x, WAV(bit_depth=24), step=3)
    assert encoder.clipped_samples == 5
    y = read(tmp_path / "x.wav")
    np.testing.assert_allclose(y[0, :5], [1, -1, 1, -1, 0], atol=1e-6)
    assert np.isnan(x[0, 4]), "the caller's block is left alone"


def test_a_float_wav_keeps_what_lies_outside_but_no_nan(tmp_path):
    x = np.array([[1.5, -3.0, np.nan, np.inf]], np.float32)
    encoder = write(tmp_path / "x.wav", x, WAV(bit_depth=32))
    assert encoder.clipped_samples == 2
    y = read(tmp_path / "x.wav")[0]
    np.testing.assert_array_equal(y[:3], [1.5, -3.0, 0.0])
    assert np.isfinite(y).all()


@pytest.mark.parametrize("suffix", CODECS)
def test_hostile_samples_harm_no_encoder(suffix, tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 10_000)).astype(np.float32) * 1e30
    x[:, ::7] = np.nan
    x[:, ::11] = 1e-42
    encoder = write(tmp_path / f"x{suffix}", x, CODECS[suffix])
    assert encoder.clipped_samples > 1_000
    assert np.isfinite(read(tmp_path / f"x{suffix}")).all()


@pytest.mark.parametrize(
    ("block", "got"),
    [
        (np.zeros((100, 2), np.float32), r"float32 \[100, 2\]"),
        (np.zeros((2, 100)), r"float64 \[2, 100\]"),
        (np.zeros(100, np.float32), r"float32 \[100\]"),
        (np.zeros((1, 2, 3), np.float32), r"float32 \[1, 2, 3\]"),
        ([[0.0], [0.0]], "list"),
    ],
)
def test_what_is_no_block_is_refused(block, got, tmp_path):
    with Encoder(tmp_path / "x.wav", WAV(), 48_000, 2) as encoder:
        with pytest.raises(ParameterError, match=rf"^Encoder.write takes float32 \[2, frames\] \(got {got}\)$"):
            encoder.write(block)
        encoder.write(sound(100))
    assert read(tmp_path / "x.wav").shape == (2, 100)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_sound_of_no_length(suffix, tmp_path):
    write(tmp_path / f"x{suffix}", sound(0), CODECS[suffix])
    assert read(tmp_path / f"x{suffix}").shape == (2, 0)
    with pytest.raises(TargetError, match=r"x.mp3 was not written: MP3 cannot hold a sound of no length"):
        write(tmp_path / "x.mp3", sound(0), MP3())
    assert not (tmp_path / "x.mp3").exists()


def test_settings_that_do_not_fit_open_nothing(tmp_path):
    for target, codec, rate in (("x.wav", MP3(), 48_000), ("x.mp3", MP3(), 96_000), ("x.xyz", MP3(), 48_000)):
        with pytest.raises(ParameterError):
            Encoder(tmp_path / target, codec, rate, 2)
    assert not list(tmp_path.iterdir())


def test_targets_that_cannot_be(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").touch()
    for target, message in (
        (tmp_path / "folder.wav", r"folder.wav is a folder; name a file in it$"),
        (tmp_path / "nowhere" / "x.wav", r"its folder does not exist; make the folder first$"),
        (tmp_path / "file" / "x.wav", r"its folder is a file; name another folder$"),
        (tmp_path / f"{'x' * 300}.wav", r"the name is too long; choose a shorter one$"),
    ):
        with pytest.raises(TargetError, match=message):
            write(target, sound(10), WAV())


def test_a_folder_that_may_not_be_written(tmp_path):
    if os.geteuid() == 0:
        folder = "/proc"
        message = "cannot be written"
    else:
        tmp_path.chmod(0o500)
        folder, message = str(tmp_path), "no permission for its folder"
    with pytest.raises(TargetError, match=message):
        Encoder(f"{folder}/x.wav", WAV(), 48_000, 2)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, which is always full")
@pytest.mark.parametrize("suffix", CODECS)
def test_a_full_disk(suffix):
    with FULL.open("wb", buffering=0) as full, pytest.raises(TargetError, match=r"/dev/full .* the disk is full"):
        write(full, sound(200_000), CODECS[suffix], container=suffix)


def test_a_device_is_written_directly():
    write("/dev/null", sound(5_000), WAV())
    assert not Path("/dev/null").is_file()
    if FULL.exists():
        with pytest.raises(TargetError, match="the disk is full"):
            write(FULL, sound(200_000), FLAC())


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_that_outgrows_what_is_allowed(suffix, tmp_path):
    """As on a full disk: the temporary file is removed, what stood under the name stays."""
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"what stood there")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(TargetError, match="outgrew the largest file allowed here"):
            write(path, sound(200_000), CODECS[suffix])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"what stood there"


def test_a_file_object_that_fails():
    class Failing(io.BytesIO):
        def write(self, data):
            raise OSError(5, "Input/output error")

    with pytest.raises(TargetError, match="cannot be written: Input/output error"):
        write(Failing(), sound(100_000), WAV())


def test_importing_the_package_loads_no_codec():
    code = "import sys, flowaudio.io, flowaudio.io.formats; sys.exit('av' in sys.modules or 'soxr' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
