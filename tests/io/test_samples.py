"""What decoders give becomes float32: every sample format, however its frames are cut."""

import subprocess

import av
import numpy as np
import pytest
from need import need

from flowaudio.io.probing import probe
from flowaudio.io.samples import Part, in_blocks, part_samples

FORMATS = {"u8": ("u1", 2.0**-7), "s16": ("i2", 2.0**-15), "s32": ("i4", 2.0**-31), "flt": ("f4", 1.0),
           "dbl": ("f8", 1.0)}
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 6: "5.1"}


def ffmpeg(*arguments):
    subprocess.run([need("ffmpeg"), "-v", "error", "-y", *map(str, arguments)], check=True)


def frame(rng, name, channels, samples):
    """A frame of noise with extremes in it, and its samples [channels, samples] as they are."""
    dtype = np.dtype(FORMATS[name.removesuffix("p")][0])
    if dtype.kind == "f":
        x = rng.standard_normal((channels, samples)).astype(dtype)
        x[:, :3] = [[np.nan, np.inf, -1e-40]]
    else:
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        x = rng.integers(least, most, (channels, samples), dtype, endpoint=True)
        x[:, :2] = [[least, most]]
    planar = name.endswith("p")
    made = av.AudioFrame.from_ndarray(x if planar else np.ascontiguousarray(x.T).reshape(1, -1), format=name,
                                      layout=LAYOUTS[channels])
    return made, x


@pytest.mark.parametrize("channels", LAYOUTS)
@pytest.mark.parametrize("name", [name + end for name in FORMATS for end in ("", "p")])
def test_formats_bit_by_bit(name, channels):
    rng = np.random.default_rng(channels)
    (one, x), (other, y) = (frame(rng, name, channels, samples) for samples in (1152, 77))
    got = part_samples([Part(one, 5, 1152), Part(other, 0, 77), Part(one, 0, 3)])
    packed = np.concatenate([x[:, 5:], y, x[:, :3]], axis=1)
    expected = packed.astype(np.float32) * np.float32(FORMATS[name.removesuffix("p")][1])
    if name.startswith("u8"):
        expected -= 1
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got.view(np.int32), expected.view(np.int32))


def test_whole_blocks_pass_as_they_are():
    pieces = [np.full((2, frames), frames, np.float32) for frames in (4, 3, 5, 4, 4, 1)]
    blocks = list(in_blocks(pieces, 4, 2))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), np.concatenate(pieces, axis=1))
    assert [block.shape[1] for block in blocks] == [4, 4, 4, 4, 4, 1]
    assert [any(block is piece for piece in pieces) for block in blocks] == [True, False, False, True, True, False]


@pytest.mark.parametrize("late_s", [0.0, 1.0])
def test_a_codec_that_hides_in_a_wav(late_s, tmp_path):
    """DTS, as if it were 16-bit samples: silence may stand before it."""
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=4:r=44100:a=0.1", "-ac", "2", "-c:a", "dca", "-strict", "-2", "-b:a",
           "1411200", "-f", "dts", tmp_path / "x.dts")
    hidden = (tmp_path / "x.dts").read_bytes()
    samples = bytes(round(late_s * 44_100) * 4) + hidden[:len(hidden) // 4 * 4]
    (tmp_path / "x.raw").write_bytes(samples)
    ffmpeg("-f", "s16le", "-ar", "44100", "-ac", "2", "-i", tmp_path / "x.raw", "-c", "copy", tmp_path / "x.wav")
    assert probe(tmp_path / "x.wav").codec == "dts"
