"""A sound at a glance, in arrays of bounded size: what the picture is drawn from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Columns", "Overview", "Sketch", "step_frames"]

Array = np.ndarray[Any, Any]

PIECES = 256
"""Parts of a step: the finest columns of the waveform, about 1 ms."""

COLUMNS = 2048
SPECTRA = 1024
FLOOR_LUFS = -120.0


def step_frames(rate: int) -> int:
    """Frames in a step, about 0.2 s: a multiple of `PIECES`."""
    return PIECES * max(round(rate / (5 * PIECES)), 1)


class Overview(NamedTuple):
    """Columns over time; the n-th lies between n and n + 1 times its width in seconds."""

    wave_s: float                       # width of a column of the waveform
    lowest: Array                       # float32 [columns, channels]
    highest: Array                      # float32 [columns, channels]
    loudness_s: float                   # width of a column of the loudness
    momentary_lufs: Array               # float32 [columns], the highest in each; -120 is silence
    short_term_lufs: Array              # float32 [columns]
    spectrum_s: float                   # width of a column of the spectrogram
    spectrum_hz: Array                  # float64 [bins]
    spectrum_db: Array                  # float32 [columns, bins], the highest in each; a sine at full scale is 0


class Columns:
    """Values over time in at most `capacity` columns, an even number: when these are full, each two become one."""

    def __init__(self, capacity: int, shape: tuple[int, ...], join: Callable[..., Any]) -> None:
        self._data = np.zeros((capacity, *shape), np.float32)
        self._join = join
        self._count = 0
        self._pending = 0               # pieces in the last column, where it is not full
        self.width = 1
        """Pieces in a column."""

    def make_room(self) -> None:
        """Join columns if there is none left for another; `width` is then twice as large."""
        if self._count == len(self._data) and not self._pending:
            half = self._count // 2
            self._data[:half] = self._join(self._data[0::2], self._data[1::2])
            self._count, self.width = half, 2 * self.width

    def add(self, piece: Any, pieces: int = 1) -> None:
        """One piece, or what `pieces` of them were joined to: a part of a column, or a whole one."""
        if self._pending:
            self._data[self._count - 1] = self._join(self._data[self._count - 1], piece)
        else:
            self.make_room()
            self._data[self._count] = piece
            self._count += 1
        self._pending = (self._pending + pieces) % self.width

    def extend(self, columns: Array) -> None:
        """Whole columns, for which there is room."""
        self._data[self._count:self._count + len(columns)] = columns
        self._count += len(columns)

    def room(self) -> int:
        """Columns that are not there yet."""
        return len(self._data) - self._count

    def data(self) -> Array:
        """float32 ``[columns, …]``."""
        return self._data[:self._count].copy()


class Sketch:
    """Makes the overview of a stream that comes in steps of `step` frames, of which the last may be shorter."""

    def __init__(self, rate: int, channels: int, spectrum_hz: Array, hop: int) -> None:
        self._rate, self._channels, self._hop = rate, channels, hop
        self.step = step_frames(rate)
        self._wave = Columns(COLUMNS, (2 * channels,), np.minimum)  # highest ones with the other sign
        self._loud = Columns(COLUMNS, (2,), np.maximum)
        self._spectra = Columns(SPECTRA, (spectrum_hz.size,), np.maximum)
        self._hz = spectrum_hz

    def width(self) -> int:
        """Frames in a column of the next step's waveform."""
        self._wave.make_room()
        return min(self.step * self._wave.width // PIECES, self.step)

    def add(self, low: Array, high: Array, momentary: float, short_term: float) -> None:
        """A step: its extremes in columns of `width`, float32 [columns, channels], and the loudness at its end."""
        columns = np.concatenate([low, -high], axis=1)
        if self._wave.width <= PIECES:
            self._wave.extend(columns)
        else:
            self._wave.add(columns[0], PIECES)
        self._loud.add((max(momentary, FLOOR_LUFS), max(short_term, FLOOR_LUFS)))

    def add_spectra(self, power_db: Array) -> None:
        """Of some windows, float32 [windows, bins]."""
        if self._spectra.width == 1 and self._spectra.room() >= len(power_db):
            self._spectra.extend(power_db)
            return
        for each in power_db:
            self._spectra.add(each)

    def overview(self) -> Overview:
        """Of all that was added."""
        seconds, wave, loud = self.step / self._rate, self._wave.data(), self._loud.data()
        return Overview(seconds * self._wave.width / PIECES, wave[:, :self._channels], -wave[:, self._channels:],
                        seconds * self._loud.width, loud[:, 0], loud[:, 1],
                        self._hop / self._rate * self._spectra.width, self._hz, self._spectra.data())
