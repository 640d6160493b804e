"""Pictures made of samples, without a drawing library: a PNG of an array, a spectrogram, the outline of a waveform."""

import base64
import struct
import zlib
from typing import Any

import numpy as np

__all__ = ["PALETTE", "SHOWN_DB", "data_uri", "outline", "png", "shaded", "spectrogram"]

Array = np.ndarray[Any, Any]

SHOWN_DB = 90.0
"""Depth of a spectrogram."""

LOWEST_HZ = 30.0
MOST_WINDOWS = 4
"""In one column: a long signal is looked into here and there, not everywhere."""

HEAT = np.array([[8, 10, 32], [44, 17, 95], [114, 31, 129], [183, 55, 121], [241, 96, 93], [254, 176, 120],
                 [252, 253, 210]], np.float64)
"""Colours from silence to full scale, evenly spaced in lightness."""

SHADES = 61
"""Steps of 1.5 dB, which nobody sees in noise, and which make the picture of a noisy signal a third as long."""

PALETTE = np.stack([np.interp(np.linspace(0, len(HEAT) - 1, SHADES), np.arange(len(HEAT)), part)
                    for part in HEAT.T], axis=1).astype(np.uint8)
"""uint8 ``[SHADES, 3]``."""


def png(shades: Array, palette: Array) -> bytes:
    """The bytes of a PNG file: uint8 ``[height, width]``, places in a palette, uint8 ``[shades, 3]``."""
    height, width = shades.shape
    rows = np.zeros((height, 1 + width), np.uint8)      # each row begins with its filter: none
    rows[:, 1:] = shades

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
            + part(b"PLTE", palette.tobytes()) + part(b"IDAT", zlib.compress(rows.tobytes(), 9)) + part(b"IEND", b""))


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as an address that a page can hold."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def shaded(db: Array) -> Array:
    """Levels from -SHOWN_DB to 0 as places in `PALETTE`, uint8; what is lower is as dark as the lowest."""
    made: Array = np.rint(np.clip(1.0 + db / SHOWN_DB, 0.0, 1.0) * (SHADES - 1)).astype(np.uint8)
    return made


def spectrogram(x: Array, rate: int, columns: int, rows: int) -> Array:
    """Levels in dB, float ``[rows, columns]``, the highest frequency first, on a logarithmic scale; a sine at full
    scale is 0. The strongest of all channels, and of a few windows in each column.

    :param x: float32 ``[channels, frames]``.
    """
    size = 1 << max(round(0.04 * rate).bit_length() - 1, 6)
    window = np.hanning(size + 1)[:-1]
    bins = size // 2 + 1
    levels = np.full((columns, bins), -np.inf)
    frames = x.shape[1]
    if frames:
        padded = np.pad(np.nan_to_num(x, posinf=0.0, neginf=0.0), ((0, 0), (size // 2, size)))
        for k in range(columns):
            begin, end = k * frames / columns, (k + 1) * frames / columns
            count = min(max(int((end - begin) / (size / 2)), 1), MOST_WINDOWS)
            starts = [int(begin + (end - begin) * (n + 0.5) / count) for n in range(count)]
            parts = np.stack([padded[:, start:start + size] for start in starts]) * window
            power = np.abs(np.fft.rfft(parts, axis=-1)).max(axis=(0, 1)) * (2 / window.sum())
            levels[k] = 20 * np.log10(np.maximum(power, 1e-12))
    return _logarithmic(levels, rate, rows)


def _logarithmic(levels: Array, rate: int, rows: int) -> Array:
    """From evenly spaced bins ``[columns, bins]`` to rows that are evenly spaced to the ear."""
    bins = levels.shape[1]
    edges = np.geomspace(LOWEST_HZ, rate / 2, rows + 1) / (rate / 2) * (bins - 1)
    centres = np.sqrt(edges[:-1] * edges[1:])
    made = np.empty((rows, levels.shape[0]))
    for k, (low, high, centre) in enumerate(zip(edges, edges[1:], centres, strict=False)):
        first, last = int(np.ceil(low)), int(np.floor(high))
        if last > first:
            made[rows - 1 - k] = levels[:, first:last + 1].max(axis=1)
        else:                           # narrower than a bin: in between the two that are next
            left = min(int(centre), bins - 2)
            part = centre - left
            both = np.maximum(levels[:, left:left + 2], -300.0)
            made[rows - 1 - k] = both[:, 0] * (1 - part) + both[:, 1] * part
    return made


def outline(row: Array, columns: int) -> tuple[Array, Array]:
    """The lowest and the highest sample in each of at most `columns` parts of a channel: no peak is lost."""
    count = min(columns, len(row))
    if not count:
        return np.zeros(0), np.zeros(0)
    starts = np.arange(count) * len(row) // count
    clean = np.nan_to_num(row)
    return np.minimum.reduceat(clean, starts), np.maximum.reduceat(clean, starts)
