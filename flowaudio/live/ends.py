"""What an engine can take its sound from and bring it to, beside sound cards: files, URLs, arrays, other engines."""

import collections
import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from flowaudio.core.errors import ParameterError, SourceError
from flowaudio.core.params import shown
from flowaudio.live.absence import Absence

if TYPE_CHECKING:
    from flowaudio.io.decoder import Decoder
    from flowaudio.io.formats import Codec
    from flowaudio.live.engine import Engine

__all__ = ["File", "Listening", "Memory", "Reader", "Writer", "file_of"]

Array = np.ndarray[Any, Any]

CHUNK = 4096

EDGE_S = 0.7

RETRY_S, MOST_RETRY_S = 0.5, 8.0
"""A station that has gone is asked again after so long, and then less and less often."""


class File:
    """A file or URL, as a source or as a sink.

    :param codec: how to encode, by default what goes with the suffix.
    :param loop: as a source, begin again at its end.
    :param live: a source that has a clock of its own, such as a radio station: it is followed, not waited for. A URL
        that stops sending is opened again, over and over, until it is back.
    :param allowed_protocols: what a URL, or a playlist, may use.
    """

    def __init__(self, path: str | os.PathLike[str], *, codec: "Codec | None" = None, loop: bool = False,
                 live: bool = False, allowed_protocols: Iterable[str] = ("file",)) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ParameterError(f"a File needs a path or a URL (got {shown(path)})")
        self.path, self.codec, self.loop, self.live = os.fspath(path), codec, loop, live
        self.allowed_protocols = tuple(allowed_protocols)
        if loop and live:
            raise ParameterError(f"{self.path}: what is live has no end from which to begin again; leave loop or "
                                 "live out")

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    @property
    def returns(self) -> bool:
        """Whether there is more behind an end, sooner or later."""
        return self.loop or (self.live and "://" in self.path)

    def decoder(self, rate: int | None, channels: int | None) -> "Decoder":
        """Open it for reading."""
        from flowaudio.io.decoder import Decoder

        return Decoder(self.path, sample_rate=rate, channels=channels, tolerant=True, live=self.live,
                       allowed_protocols=self.allowed_protocols)

    def writer(self, rate: int, channels: int) -> "Writer":
        """Open it for writing; under its name it appears when it is closed."""
        return Writer(self, rate, channels)


class Writer:
    """A file that is being written: at the nearest rate that its codec takes."""

    def __init__(self, file: File, rate: int, channels: int) -> None:
        from flowaudio.io.encoder import Encoder
        from flowaudio.io.formats import check_container, default_codec, fitting
        from flowaudio.io.resampling import Resampler

        codec = file.codec if file.codec is not None else default_codec(file.path)
        check_container(codec, file.path)
        hz = fitting(codec, rate, channels)[0]
        self._resampler = Resampler(rate, hz, channels) if hz != rate else None
        self._encoder = Encoder(file.path, codec, hz, channels)

    def write(self, block: Array) -> None:
        """float32 ``[channels, frames]``."""
        self._encoder.write(block if self._resampler is None else self._resampler.process(block))

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._resampler is not None:
            self._encoder.write(self._resampler.finish())
        self._encoder.close()

    def abort(self) -> None:
        """Leave nothing behind."""
        self._encoder.abort()


def file_of(value: Any) -> File | None:
    """A File, or what names one; None for anything else."""
    if isinstance(value, File):
        return value
    return File(value) if isinstance(value, (str, os.PathLike)) else None


def _lenient(station: bool) -> contextlib.AbstractContextManager[None]:
    """What a station has against being read is no reason to give up."""
    return contextlib.suppress(SourceError) if station else contextlib.nullcontext()


class Reader:
    """Blocks of sound from somewhere that waits to be read, as a stage of its own reads them."""

    def __init__(self, blocks: Iterator[Array], rate: int, channels: int, file: "tuple[File, Decoder] | None") -> None:
        self.rate, self.channels = rate, channels
        self._blocks, self._file = blocks, file
        self._stopped = threading.Event()
        self.absence = Absence()
        """Of a station."""

    @classmethod
    def of_file(cls, file: File, rate: int | None, channels: int | None) -> "Reader":
        """Of a file; SourceError if it cannot be opened."""
        decoder = file.decoder(rate, channels)
        return cls(iter(()), decoder.sample_rate, decoder.channels, (file, decoder))

    @classmethod
    def of_array(cls, x: Array, rate: int) -> "Reader":
        """Of float ``[channels, frames]``, or ``[frames]``."""
        x = np.atleast_2d(x)
        if x.ndim != 2 or x.dtype.kind != "f" or not 1 <= x.shape[0] <= 64:
            raise ParameterError("an engine takes an array of float [channels, frames] with full scale at 1.0 "
                                 f"(got {x.dtype}, shape {x.shape})")
        x = np.ascontiguousarray(x, np.float32)
        return cls((x[:, k:k + CHUNK] for k in range(0, x.shape[1], CHUNK)), rate, x.shape[0], None)

    @property
    def name(self) -> str:
        """For messages."""
        return self._file[0].path if self._file is not None else "the array"

    def blocks(self, now: bool = False) -> Iterator[Array]:
        """float32 ``[channels, frames]``, until the end or until somebody stops it.

        :param now: of a station, what is sent now, without what it has kept for those who connect.
        """
        if self._file is None:
            yield from self._until_stopped(self._blocks)
            return
        file, decoder = self._file
        while True:
            count = 0
            with decoder, _lenient(file.live and file.returns):
                read = self._until_stopped(decoder.blocks(CHUNK))
                for block in _live_edge(read, self.rate) if now else read:
                    count += 1
                    yield block
            if not file.returns or self._stopped.is_set():
                return
            if file.loop and not count:
                raise SourceError(f"{file.path} has no sound in it to be played over and over")
            again = self._again(file)
            if again is None:
                return
            decoder = again

    def _again(self, file: File) -> "Decoder | None":
        """Open it once more; a station as soon as it is there. None: somebody has stopped it."""
        if file.loop:
            return file.decoder(self.rate, self.channels)
        self.absence.begin()
        wait_s = RETRY_S
        while not self._stopped.wait(wait_s):
            with _lenient(True):
                decoder = file.decoder(self.rate, self.channels)
                self.absence.end()
                return decoder
            wait_s = min(2 * wait_s, MOST_RETRY_S)
        return None

    def _until_stopped(self, blocks: Iterator[Array]) -> Iterator[Array]:
        for block in blocks:
            if self._stopped.is_set():
                return
            yield block

    def stop(self) -> None:
        """End after the block that is being read."""
        self._stopped.set()


def _live_edge(blocks: Iterator[Array], rate: int) -> Iterator[Array]:
    """Leave out what a station sends in a burst when somebody connects: from the first block that is not old.

    A burst is over when, in EDGE_S, no more has come than lasts half as long again.
    """
    came: collections.deque[tuple[float, float]] = collections.deque()
    for block in blocks:
        now = time.monotonic()
        came.append((now, block.shape[1] / rate))
        while came[0][0] < now - EDGE_S:
            came.popleft()
            if sum(seconds for _, seconds in came) <= 1.5 * EDGE_S:
                yield block
                yield from blocks
                return


class Memory:
    """A sink that keeps everything: for experiments and tests. Minutes, not hours.

    After the engine has ended, or been closed, `array` is all that came out, float32 ``[channels, frames]``.
    """

    def __init__(self) -> None:
        self._blocks: list[Array] = []

    def write(self, block: Array) -> None:
        """Take one block."""
        self._blocks.append(np.array(block, np.float32))

    def close(self) -> None:
        """Nothing to do: it is all there."""

    @property
    def array(self) -> Array:
        """All so far."""
        return np.concatenate(self._blocks, axis=1) if self._blocks else np.zeros((1, 0), np.float32)


class Listening:
    """A point of a running engine as another engine's source: ``Engine(graph, first.listen("eq"), …)``."""

    def __init__(self, engine: "Engine", point: str) -> None:
        self.engine, self.point = engine, point

    def __repr__(self) -> str:
        return f"<{shown(self.point)} of a running engine>"
