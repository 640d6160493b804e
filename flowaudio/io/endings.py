"""Whether a file was cut short, where FFmpeg does not tell: WAV and Ogg."""

import os
from typing import BinaryIO

__all__ = ["is_cut"]

# Writers that could not go back to fill in the length leave a value near the largest one.
_UNKNOWN_LENGTH = 0x7FFF_F000
_LARGEST_PAGE = 27 + 255 + 255 * 255


def is_cut(file: BinaryIO, container: str) -> bool:
    """True if the seekable `file` of FFmpeg's `container` ends before the end that it states. Moves its position."""
    size = file.seek(0, os.SEEK_END)
    if container == "wav":
        file.seek(0)
        return _riff_is_cut(file.read(8), size)
    if container == "ogg":
        file.seek(max(0, size - _LARGEST_PAGE))
        return _ogg_is_cut(file.read(_LARGEST_PAGE))
    return False


def _riff_is_cut(head: bytes, size: int) -> bool:
    stated = int.from_bytes(head[4:8], "little") + 8
    # Many writers leave out the byte that pads an odd chunk.
    return head[:4] == b"RIFF" and size < stated - 1 and stated < _UNKNOWN_LENGTH


def _ogg_is_cut(tail: bytes) -> bool:
    """The last page lists the sizes of its segments: they must all be there."""
    page = tail.rfind(b"OggS")
    if page < 0:
        return False
    header = tail[page:]
    if len(header) < 27:
        return True
    segments = header[26]
    return len(header) < 27 + segments + sum(header[27 : 27 + segments])
