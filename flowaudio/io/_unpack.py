"""Samples as a decoder keeps them, to rows of float32: one pass, in machine code."""

import numpy as np

from flowaudio.core.memory import copy, f32_1d, i32_1d, i64_1d
from flowaudio.core.native import native

__all__ = ["PACKED_FLOAT", "PACKED_PAIRS", "PACKED_WORDS", "PLANAR_FLOAT", "unpack"]

PLANAR_FLOAT, PACKED_FLOAT, PACKED_WORDS, PACKED_PAIRS = range(4)
"""Rows of float32; frames of float32; frames of int32; frames of two int16, on a machine that is little-endian."""

UPPER = -65536                          # the upper half of a word
WORD = np.float32(2.0**-31)             # brings a word to ±1; a power of two: only int32 to float32 rounds


@native
def unpack(table: int, parts: int, channels: int, kind: int, output: int, frames: int) -> int:
    """Fill float32[channels, frames] at `output` with `parts` parts of decoded frames, one behind the other.

    `table`: int64, for each part its first frame, its frames, and the addresses of its planes: `channels` of them, or
    one where samples are packed.
    """
    planes = channels if kind == PLANAR_FLOAT else 1
    words = i64_1d(table, parts * (2 + planes))
    done = 0
    for k in range(parts):
        begin, count, place = words[k * (2 + planes)], words[k * (2 + planes) + 1], k * (2 + planes) + 2
        if kind == PLANAR_FLOAT:
            for c in range(channels):
                copy(output + 4 * (c * frames + done), words[place + c] + 4 * begin, 4 * count)
        elif kind == PACKED_PAIRS:
            pairs = i32_1d(words[place] + 4 * begin, count)
            left, right = f32_1d(output + 4 * done, count), f32_1d(output + 4 * (frames + done), count)
            for n in range(count):      # in the upper half of a word, the lower one 0, a sample needs no shift back
                left[n] = np.float32(np.int32(pairs[n] << 16)) * WORD
                right[n] = np.float32(np.int32(pairs[n] & UPPER)) * WORD
        else:
            source = words[place] + 4 * begin * channels
            floats, whole = f32_1d(source, count * channels), i32_1d(source, count * channels)
            for c in range(channels):
                row = f32_1d(output + 4 * (c * frames + done), count)
                if kind == PACKED_FLOAT:
                    for n in range(count):
                        row[n] = floats[n * channels + c]
                else:
                    for n in range(count):
                        row[n] = np.float32(whole[n * channels + c]) * WORD
        done += count
    return 0
