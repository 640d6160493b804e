"""Decoded frames, in any of FFmpeg's sample formats, to float32 blocks and to blocks of a wanted length."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowaudio.core.layouts import LAYOUTS, MAX_CHANNELS, Speakers, speakers
from flowaudio.io._unpack import PACKED_FLOAT, PACKED_PAIRS, PACKED_WORDS, PLANAR_FLOAT, unpack

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.layout import AudioLayout

__all__ = ["Block", "Part", "in_blocks", "part_samples", "speakers_of"]

Block = NDArray[np.float32]

# Of each packed sample format: NumPy's type and the factor that brings it to ±1.
_FORMATS = {
    "u8": ("u1", 2.0**-7),
    "s16": ("i2", 2.0**-15),
    "s32": ("i4", 2.0**-31),
    "s64": ("i8", 2.0**-63),
    "flt": ("f4", 1.0),
    "dbl": ("f8", 1.0),
}
# Those that most files have, with what takes them in one pass: a third of the time.
_FAST = {"fltp": PLANAR_FLOAT, "flt": PACKED_FLOAT, "s32": PACKED_WORDS}
_FAST_PAIRS = {("s16", 2): PACKED_PAIRS} if sys.byteorder == "little" else {}
_KNOWN_SPEAKERS = frozenset(name for layout in LAYOUTS.values() for name in layout)


class Part(NamedTuple):
    """Some of the samples of a decoded frame."""

    frame: "AudioFrame"
    begin: int
    end: int


def part_samples(parts: Sequence[Part]) -> Block:
    """The samples of frames of one format, one behind the other: float32 `[channels, frames]` within ±1, in memory of
    their own. All are converted at once: decoders' frames are short, and each would cost a dozen calls of NumPy."""
    first = parts[0].frame
    name, channels = first.format.name, first.layout.nb_channels
    output = np.empty((channels, sum(part.end - part.begin for part in parts)), np.float32)
    kind = _FAST_PAIRS.get((name, channels), _FAST.get(name))
    if kind is None:
        done = 0
        for frame, begin, end in parts:
            output[:, done : done + end - begin] = _frame_samples(frame)[:, begin:end]
            done += end - begin
        return output
    used = channels if kind == PLANAR_FLOAT else 1
    words: list[int] = []
    for frame, begin, end in parts:
        # With eight channels PyAV counts a plane too many.
        words += begin, end - begin, *[plane.buffer_ptr for plane in frame.planes[:used]]
    table = np.array(words, np.int64).reshape(len(parts), 2 + used)  # a plane too few is an error here, and no crash
    unpack(table.ctypes.data, len(parts), channels, kind, output.ctypes.data, output.shape[1])
    return output


def _frame_samples(frame: "AudioFrame") -> Block:
    """All samples of a frame, of any format."""
    count, channels = frame.samples, frame.layout.nb_channels
    dtype, factor = _FORMATS[frame.format.name.removesuffix("p")]
    output = np.empty((channels, count), np.float32)
    if frame.format.is_planar:
        for row, plane in zip(output, frame.planes[:channels], strict=True):
            np.copyto(row, np.frombuffer(memoryview(plane), dtype, count), casting="same_kind")
    else:
        packed = np.frombuffer(memoryview(frame.planes[0]), dtype, count * channels).reshape(count, channels)
        np.copyto(output, packed.T, casting="same_kind")
    # Powers of two: exact in float32, where NumPy would make whole numbers times a factor in float64.
    if factor != 1.0:
        output *= np.float32(factor)
    if dtype == "u1":
        output -= 1.0
    return output


def speakers_of(layout: "AudioLayout") -> Speakers:
    """The speakers that a layout names, or those of the default layout where it names none we know."""
    names = tuple(channel.name for channel in layout.channels)
    if _KNOWN_SPEAKERS.issuperset(names) or len(names) > MAX_CHANNELS:
        return names
    return speakers(len(names))


def in_blocks(pieces: Iterable[Block], frames: int, channels: int) -> Iterator[Block]:
    """The same sound in blocks of `frames` frames; the last has what is left."""
    block, filled = np.empty((channels, 0), np.float32), 0
    for piece in pieces:
        if not filled and piece.shape[1] == frames and piece.flags.c_contiguous:
            yield piece
            continue
        done = 0
        while done < piece.shape[1]:
            if not filled:
                block = np.empty((channels, frames), np.float32)
            step = min(frames - filled, piece.shape[1] - done)
            block[:, filled : filled + step] = piece[:, done : done + step]
            filled, done = filled + step, done + step
            if filled == frames:
                yield block
                filled = 0
    if filled:
        yield np.ascontiguousarray(block[:, :filled])
