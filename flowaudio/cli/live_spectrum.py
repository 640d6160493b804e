"""The spectrum of `live`: the last samples of a signal as levels in bands, evenly spaced as the ear has it."""

from typing import Any

import numpy as np

__all__ = ["FLOOR_DB", "FRAMES", "Spectrum"]

Array = np.ndarray[Any, Any]

FRAMES = 4096
"""Samples in one look: 85 ms at 48 kHz, lines 12 Hz apart."""

LOW_HZ, HIGH_HZ = 20.0, 20_000.0
FLOOR_DB = -120.0
FALL_DB_PER_S = 40.0
LOBE = 2
"""Half the width of a sine in lines, through a Hann window."""


class Spectrum:
    """Levels in dBFS of bands that are evenly spaced on a logarithmic axis from 20 Hz to 20 kHz.

    A band's level is the power of all lines in it, so that pink noise is flat. A sine of amplitude a reads
    ``20 log10 a`` wherever it lies: each band takes in two lines more on both sides, the width of the window's lobe.
    At the lowest bands, which are narrower than that, neighbours therefore show much the same.
    """

    def __init__(self, rate: int, bands: int) -> None:
        """:param bands: how many, at least one."""
        self.rate, self.bands = rate, bands
        self.edges_hz = np.geomspace(LOW_HZ, min(HIGH_HZ, 0.49 * rate), bands + 1)
        """Where one band ends and the next begins: float64 ``[bands + 1]``."""
        self._window = np.hanning(FRAMES + 1)[:-1]
        # By Parseval. A sine's mean square is half its amplitude's square, and half of that is at negative frequencies.
        self._scale = 4.0 / (FRAMES * np.sum(self._window ** 2))
        lines = self.edges_hz * FRAMES / rate
        self._first = np.maximum(np.floor(lines[:-1]).astype(int) - LOBE + 1, 0)
        self._end = np.minimum(np.ceil(lines[1:]).astype(int) + LOBE, FRAMES // 2 + 1)
        self._shown = np.full(bands, FLOOR_DB)

    def levels(self, x: Array) -> Array:
        """Of the last 4096 of float32 ``[channels, frames]``: float64 ``[bands]``, in each band the loudest channel."""
        x = x[:, -FRAMES:]
        if x.shape[1] < FRAMES:         # it has only begun
            x = np.pad(x, ((0, 0), (FRAMES - x.shape[1], 0)))
        offset = (x @ self._window / self._window.sum())[:, None]
        lines = np.fft.rfft((x - offset) * self._window)
        power = np.zeros((x.shape[0], FRAMES // 2 + 2))
        np.cumsum(lines.real ** 2 + lines.imag ** 2, axis=1, out=power[:, 1:])
        level = (power[:, self._end] - power[:, self._first]).max(axis=0) * self._scale
        made: Array = 10.0 * np.log10(np.maximum(level, 10.0 ** (FLOOR_DB / 10.0)))
        return made

    def follow(self, x: Array, passed_s: float) -> Array:
        """The same for the eye: it rises at once and falls by 40 dB a second."""
        np.maximum(self.levels(x), self._shown - FALL_DB_PER_S * passed_s, out=self._shown)
        return self._shown
