"""What can be analysed and compared: files, URLs, file objects and arrays, all read in pieces."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.layouts import MAX_CHANNELS, speakers
from flowaudio.core.named_layouts import DEFAULT, layout_speakers
from flowaudio.graph.plan import MAX_CHANNELS as MAX_PLAN_CHANNELS
from flowaudio.io import Decoder
from flowaudio.io.probing import source_name
from flowaudio.io.resampling import Converter
from flowaudio.io.samples import in_blocks
from flowaudio.stream.config import AudioStream

__all__ = ["AnySound", "ArraySound", "FileSound", "open_sound"]

Array = np.ndarray[Any, Any]
AnySound = str | os.PathLike[str] | BinaryIO | Array | AudioStream

PIECE = 1 << 15
"""Frames of an array that are converted at once."""

AHEAD = 50_000
"""Frames of a file that are decoded at once: FFmpeg, Python and a plan push each other out of the processor's caches,
so that taking turns once a second of sound, not five times, saves a twentieth of an analysis."""


class FileSound:
    """A file, URL or file object. What is good of a damaged one is given, and `damage` says what is wrong."""

    def __init__(self, source: Any, allowed_protocols: Iterable[str], layout: str | None = None) -> None:
        self._source, self._allowed = source, tuple(allowed_protocols)
        self.name = source_name(source)
        self._first: Decoder | None = self._open(None, None)
        info = self._first.info
        self.rate, self.channels, self.duration_s = info.sample_rate, info.channels, info.duration_s
        self.layout = _fitting(layout, self.channels) or self._first.layout
        self.damage = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._first is not None:
            self._first.close()

    def blocks(self, frames: int, rate: int | None = None, channels: int | None = None) -> Iterator[Array]:
        """The sound from its beginning: float32 ``[channels, frames]``, each channel contiguous; all but the last as
        long as asked for."""
        as_it_is = rate in (None, self.rate) and channels in (None, self.channels)
        decoder, self._first = (self._first if as_it_is else None), (None if as_it_is else self._first)
        with decoder or self._open(rate, channels) as opened:
            for several in opened.blocks(frames * max(AHEAD // frames, 1)):
                for begin in range(0, several.shape[1], frames):
                    yield several[:, begin:begin + frames]
            self.damage = self.damage or opened.damage

    def _open(self, rate: int | None, channels: int | None) -> Decoder:
        if not isinstance(self._source, (str, os.PathLike)):
            with contextlib.suppress(OSError, AttributeError):
                self._source.seek(0)
        return Decoder(self._source, sample_rate=rate, channels=channels, allowed_protocols=self._allowed,
                       tolerant=True)


class ArraySound:
    """An array ``[channels, frames]`` or ``[frames]``, of floating point with full scale at 1."""

    damage = ""

    def __init__(self, x: Array, rate: int, name: str, layout: str | None = None) -> None:
        self._x = _signal(x)
        if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not 1000 <= rate <= 1_000_000:
            raise ParameterError(f"sample_rate must be a whole number of Hz between 1000 and 1000000 (got {rate!r})")
        self.name, self.rate, self.channels = name, int(rate), self._x.shape[0]
        self.layout = _fitting(layout, self.channels) or DEFAULT
        self.duration_s: float | None = self._x.shape[1] / self.rate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        pass

    def blocks(self, frames: int, rate: int | None = None, channels: int | None = None) -> Iterator[Array]:
        """As those of a file."""
        rate, channels = rate or self.rate, channels or self.channels
        if (rate, channels) == (self.rate, self.channels):
            return self._pieces(frames)
        return in_blocks(self._converted(rate, channels), frames, channels)

    def _pieces(self, frames: int) -> Iterator[Array]:
        ready = self._x.dtype == np.float32 and self._x.strides[1] == 4 and self._x.strides[0] >= 0
        for begin in range(0, self._x.shape[1], frames):
            piece = self._x[:, begin:begin + frames]
            if not ready:
                with np.errstate(over="ignore", invalid="ignore"):  # doubles that are too large become infinite
                    piece = np.ascontiguousarray(piece, np.float32)
            yield piece

    def _converted(self, rate: int, channels: int) -> Iterator[Array]:
        if channels != self.channels and self.channels > MAX_CHANNELS:
            raise ParameterError(f"{self.name} has {self.channels} channels; up to {MAX_CHANNELS} can be mixed")
        order = speakers(self.channels) if self.channels <= MAX_CHANNELS else ("",) * self.channels
        converter = Converter(self.rate, order, rate, channels)
        for piece in self._pieces(PIECE):
            yield converter.process(np.ascontiguousarray(piece))
        if (rest := converter.finish()) is not None:
            yield rest


def open_sound(source: Any, sample_rate: int | None, allowed_protocols: Iterable[str] = ("file",),
               name: str = "the array", layout: str | None = None) -> FileSound | ArraySound:
    """What `source` is, ready to be read. `layout`: instead of what a file says. SourceError, ParameterError."""
    if isinstance(source, AudioStream):
        if sample_rate not in (None, source.sample_rate):
            raise ParameterError(f"the stream has {source.sample_rate} Hz; leave sample_rate out (got {sample_rate})")
        return ArraySound(source.data, source.sample_rate, name, layout)
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        if sample_rate is not None:
            raise ParameterError("sample_rate is for arrays; a file states its own")
        return FileSound(source, allowed_protocols, layout)
    if sample_rate is None:
        raise ParameterError("an array needs sample_rate=, in Hz: its rate cannot be guessed")
    return ArraySound(source, sample_rate, name, layout)


def _fitting(layout: str | None, channels: int) -> str | None:
    if layout is not None:
        layout_speakers(layout, channels, "layout")
    return layout


def _signal(x: Any) -> Array:
    array = np.asarray(x)
    array = array[np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ParameterError(f"a sound must be an array of numbers [channels, frames] (got shape {np.shape(x)}, "
                             f"{array.dtype})")
    if array.dtype.kind != "f":
        raise ParameterError(f"a sound must be floating point with full scale at 1.0 (got {array.dtype}): "
                             "divide 16-bit samples by 32768")
    if not 1 <= array.shape[0] <= MAX_PLAN_CHANNELS:
        raise ParameterError(f"a sound must be [channels, frames] with 1 to {MAX_PLAN_CHANNELS} channels "
                             f"(got shape {array.shape}): transpose it if frames come first")
    return array
