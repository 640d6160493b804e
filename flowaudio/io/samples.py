"""Decoded frames, in any of FFmpeg's sample formats, to float32 blocks and to blocks of a wanted length."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowaudio.core.layouts import LAYOUTS, MAX_CHANNELS, Speakers, speakers

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.layout import AudioLayout

__all__ = ["Block", "frame_samples", "in_blocks", "joined", "speakers_of"]

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
_KNOWN_SPEAKERS = frozenset(name for layout in LAYOUTS.values() for name in layout)


def frame_samples(frame: "AudioFrame") -> Block:
    """The samples of a decoded frame as float32 `[channels, frames]` within ±1, in memory of their own."""
    count, channels = frame.samples, frame.layout.nb_channels
    dtype, factor = _FORMATS[frame.format.name.removesuffix("p")]
    output = np.empty((channels, count), np.float32)
    if frame.format.is_planar:
        # With eight channels PyAV counts a plane too many.
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


def joined(parts: list[Block]) -> Block:
    """Blocks one behind the other, C-contiguous."""
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts, axis=1)


def in_blocks(pieces: Iterable[Block], frames: int, channels: int) -> Iterator[Block]:
    """The same sound in blocks of `frames` frames; the last has what is left."""
    block, filled = np.empty((channels, frames), np.float32), 0
    for piece in pieces:
        done = 0
        while done < piece.shape[1]:
            step = min(frames - filled, piece.shape[1] - done)
            block[:, filled : filled + step] = piece[:, done : done + step]
            filled, done = filled + step, done + step
            if filled == frames:
                yield block
                block, filled = np.empty((channels, frames), np.float32), 0
    if filled:
        yield np.ascontiguousarray(block[:, :filled])
