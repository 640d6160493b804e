"""Recording: any point of a running graph to a file; and the last seconds, kept until something happens."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from flowaudio.core.errors import FlowaudioError, ParameterError, TargetError
from flowaudio.live.checks import number
from flowaudio.live.ends import File
from flowaudio.live.events import KINDS, Event, Log
from flowaudio.runtime.control import Rack
from flowaudio.runtime.pipeline import Stage, encode_from

__all__ = ["FlightRecorder", "Recording", "close_all"]

Array = np.ndarray[Any, Any]

SLACK_S = 10.0
"""How long an encoder may be held up before frames are missed."""

MARGIN_S = 1.0
"""How much more a flight recorder keeps than it promises: what is written while it is read."""


class _Running(Protocol):
    """What a recording needs of its engine."""

    rack: Rack
    log: Log

    @property
    def alive(self) -> bool:
        """Whether an audio thread may be at work."""


class Recording:
    """A file that grows while the engine runs. Closed, it appears under its name; a context manager::

        with engine.record("take.flac", point="in"):
            time.sleep(10)
    """

    def __init__(self, engine: _Running, file: File, point: str) -> None:
        self._engine, self.path, self.point = engine, file.path, point
        rack = engine.rack
        self._tap = rack.tap(point, round(SLACK_S * rack.rate))
        try:
            self._writer = file.writer(rack.rate, self._tap.ring.channels)
        except BaseException:
            rack.untap(self._tap)
            raise
        self._stage = encode_from(self._tap.ring, self._writer)
        self._stage.thread.start()
        self._closing = threading.Lock()
        self._closed = False

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.point} to {self.path}, {self.seconds:.1f} s{', closed' if self._closed else ''}>"

    @property
    def seconds(self) -> float:
        """How much has been recorded."""
        return self._tap.ring.written / self._engine.rack.rate

    @property
    def begins_s(self) -> float | None:
        """The engine's time of its first sample; None before it."""
        return self._tap.began / self._engine.rack.rate if self._tap.began >= 0 else None

    @property
    def missed_frames(self) -> int:
        """Frames that are not in it because the encoder was too slow."""
        return self._tap.missed

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    def close(self) -> None:
        """End it and finish the file. More than once does no harm.

        :raises TargetError: the file cannot be written; nothing appears under its name then.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
        rack = self._engine.rack
        rack.untap(self._tap)
        _wait_for(lambda: not (self._engine.alive and rack.holds(self._tap)))
        self._tap.ring.close()
        self._stage.wait()
        self._finish(self._stage)

    def _finish(self, stage: Stage) -> None:
        engine = self._engine
        if stage.error is not None:
            self._writer.abort()
            engine.log.add("failed", engine.rack.position / engine.rack.rate,
                           f"the recording {self.path} has failed: {stage.error}")
            raise stage.error
        try:
            self._writer.close()
        except FlowaudioError as error:
            engine.log.add("failed", engine.rack.position / engine.rack.rate,
                           f"the recording {self.path} has failed: {error}")
            raise
        engine.log.add("recorded", engine.rack.position / engine.rack.rate,
                       f"{self.path} has {self.seconds:.1f} s of {self.point}")

    def check(self) -> None:
        """End it if its encoder has failed; called by whoever watches over the engine."""
        if not self._closed and self._stage.ended.is_set():
            self.close()


class FlightRecorder:
    """The last seconds of a point, always; written when asked for, or by itself when something happens::

        memory = engine.remember(30, point="in")
        memory.save("just-now.flac")
        memory.save_on("node_silenced", "device_lost", folder="incidents", after_s=5)
    """

    def __init__(self, engine: _Running, seconds: float, point: str) -> None:
        number("FlightRecorder.seconds", seconds, 0.01, 3600, "s")
        self.closed = False
        self._engine, self.seconds, self.point = engine, seconds, point
        rack = engine.rack
        self._tap = rack.tap(point, round((seconds + MARGIN_S) * rack.rate), remembers=True)
        self._due: list[tuple[float, str, Path, str]] = []
        self._watched: dict[str, tuple[Path, float, str]] = {}
        self._last: dict[str, float] = {}

    def close(self) -> None:
        """Keep no more. More than once does no harm."""
        if not self.closed:
            self.closed = True
            self._engine.log.forget(self._hear)
            self._engine.rack.untap(self._tap)

    def __enter__(self) -> "FlightRecorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<the last {self.seconds:g} s of {self.point}{', closed' if self.closed else ''}>"

    def array(self, seconds: float | None = None) -> Array:
        """The last seconds, float32 ``[channels, frames]``; fewer if it has not run for so long."""
        if seconds is not None:
            number("seconds", seconds, 0, self.seconds, "s")
        rate = self._engine.rack.rate
        y, end = self._tap.ring.last(round(min(self.seconds if seconds is None else seconds, self.seconds) * rate))
        return y[:, max(y.shape[1] - end, 0):]

    def save(self, path: str | File, seconds: float | None = None) -> str:
        """Write the last seconds to a file; its name."""
        file = path if isinstance(path, File) else File(path)
        y = self.array(seconds)
        writer = file.writer(self._engine.rack.rate, y.shape[0])
        try:
            writer.write(y)
            writer.close()
        except BaseException:
            writer.abort()
            raise
        self._engine.log.add("saved", self._engine.rack.position / self._engine.rack.rate,
                             f"{file.path} has the last {y.shape[1] / self._engine.rack.rate:.1f} s of {self.point}")
        return file.path

    def save_on(self, *kinds: str, folder: str | Path, after_s: float = 0.0, suffix: str = ".flac") -> None:
        """Write them whenever an event of these kinds happens, `after_s` later, under the time's name.

        The same kind is written once in the time that the recorder keeps: what follows is in the next one.
        """
        number("after_s", after_s, 0, self.seconds, "s, as many as are kept")
        for kind in kinds:
            if kind not in KINDS:
                raise ParameterError(f"an engine has no events of the kind {kind!r} (it has: {', '.join(KINDS)})")
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(f"{folder} cannot be made: {error.strerror}; choose another folder") from error
        for kind in kinds:
            self._watched[kind] = Path(folder), after_s, suffix
        self._engine.log.forget(self._hear)
        self._engine.log.listen(self._hear)

    def check(self) -> None:
        """Write what is due; called by whoever watches over the engine."""
        now = time.monotonic()
        due, self._due = [d for d in self._due if d[0] <= now], [d for d in self._due if d[0] > now]
        for _, kind, folder, suffix in due:
            stamp = time.strftime("%Y-%m-%d-%H%M%S")
            try:
                self.save(str(folder / f"{stamp}-{kind}{suffix}"))
            except Exception as error:  # a full disk must not stop the engine's supervision
                self._engine.log.add("failed", self._engine.rack.position / self._engine.rack.rate,
                                     f"the last {self.seconds:g} s could not be saved: {error}")

    def _hear(self, event: Event) -> None:
        watched = self._watched.get(event.kind)
        now = time.monotonic()
        if watched is None or now - self._last.get(event.kind, -1e9) < self.seconds:
            return
        self._last[event.kind] = now
        self._due.append((now + watched[1], event.kind, watched[0], watched[2]))


def _wait_for(condition: Callable[[], bool], seconds: float = 1.0) -> bool:
    """Until something is so, or the time is over; whether it is."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def close_all(recordings: Iterable[Recording | FlightRecorder]) -> list[BaseException]:
    """Close all of them, whatever happens to one; what happened."""
    errors: list[BaseException] = []
    for each in recordings:
        try:
            each.close()
        except Exception as error:
            errors.append(error)
    return errors
