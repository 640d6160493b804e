"""The flight recorder: the last seconds of a point, kept until something happens."""

import collections
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.live.checks import number
from flowaudio.live.ends import File
from flowaudio.live.events import KINDS, Event
from flowaudio.live.naming import plain, reserved
from flowaudio.live.recording import Recorded
from flowaudio.runtime.ring import last_native
from flowaudio.runtime.tap import Tap

__all__ = ["FlightRecorder"]

Array = np.ndarray[Any, Any]

MARGIN_S = 1.0
"""How much more is kept than is promised: what is written while it is read."""


class FlightRecorder:
    """The last seconds of a point, always; written when asked for, or by itself when something happens::

        memory = engine.remember(30, point="in")
        memory.save("just-now.flac")
        memory.save_on("node_silenced", "device_lost", folder="incidents", after_s=5)
    """

    def __init__(self, engine: Recorded, seconds: float, point: str) -> None:
        number("FlightRecorder.seconds", seconds, 0.01, 3600, "s")
        last_native.linked  # noqa: B018  # compiled now: the first incident need not wait for it
        self.closed = False
        self._engine, self.seconds, self.point = engine, seconds, point
        rack = engine.rack
        self._tap = rack.tap(point, round((seconds + MARGIN_S) * rack.rate), remembers=True)
        self._due: collections.deque[tuple[float, str, Path, str]] = collections.deque()
        self._watched: dict[str, tuple[Path, float, str]] = {}
        self._last: dict[str, float] = {}

    def close(self) -> None:
        """Keep no more. More than once does no harm."""
        if not self.closed:
            self.closed = True
            self._engine.log.forget(self._hear)
            with contextlib.suppress(ParameterError):   # too many letters wait, or the engine is closed
                self._engine.rack.untap(self._tap)

    def __enter__(self) -> "FlightRecorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<the last {self.seconds:g} s of {self.point}{', closed' if self.closed else ''}>"

    def listens_by(self, taps: Sequence[Tap]) -> bool:
        """Whether what it hears comes by one of them."""
        return self._tap in taps

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
        """Write them whenever an event of these kinds happens, `after_s` later.

        Names are time, point and kind, such as ``2026-03-01-120000-in-underrun.flac``, and a number where there is one.

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
        for _ in range(len(self._due)):         # others may add to them meanwhile
            due = self._due.popleft()
            if due[0] > now:
                self._due.append(due)
            else:
                self._write(*due[1:])

    def _write(self, kind: str, folder: Path, suffix: str) -> None:
        stamp = time.strftime("%Y-%m-%d-%H%M%S")
        try:
            path = reserved(folder / f"{stamp}-{plain(self.point)}-{kind}{suffix}")
            try:
                self.save(str(path))
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        except Exception as error:      # a full disk must not stop the engine's supervision
            self._engine.log.add("failed", self._engine.rack.position / self._engine.rack.rate,
                                 f"the last {self.seconds:g} s could not be saved: {error}")

    def _hear(self, event: Event) -> None:
        watched = self._watched.get(event.kind)
        now = time.monotonic()
        if watched is None or now - self._last.get(event.kind, -1e9) < self.seconds:
            return
        self._last[event.kind] = now
        self._due.append((now + watched[1], event.kind, watched[0], watched[2]))
