"""Recording: any point of a running graph to a file that grows while the engine runs."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.live.ends import File
from flowaudio.live.events import Log
from flowaudio.runtime.control import Rack
from flowaudio.runtime.tap import Tap

__all__ = ["Recorded", "Recording"]

Array = np.ndarray[Any, Any]

SLACK_S = 10.0
"""How long an encoder may be held up before frames are missed."""

READ_FRAMES = 1 << 13
"""Frames that an encoder is given at once."""


class Recorded(Protocol):
    """What a recording needs of the engine that it is made of."""

    rack: Rack
    log: Log

    @property
    def alive(self) -> bool:
        """Whether an audio thread may be at work."""

    @property
    def time_s(self) -> float:
        """Frames that have gone through the plan, in seconds."""


class Recording:
    """A file that grows while the engine runs. Closed, it appears under its name; a context manager::

        with engine.record("take.flac", point="in"):
            time.sleep(10)
    """

    def __init__(self, engine: Recorded, file: File, point: str) -> None:
        self._engine, self.path, self.point = engine, file.path, point
        rack = engine.rack
        self._tap = rack.tap(point, round(SLACK_S * rack.rate))
        try:
            self._writer = file.writer(rack.rate, self._tap.ring.channels)
        except BaseException:
            rack.untap(self._tap)
            raise
        self._ending = threading.RLock()
        self._untapping = self._written = self._closed = False
        self._error: BaseException | None = None
        self.told = False
        """Whether somebody has been told by an exception that it has failed."""
        threading.Thread(target=self._write, name="flowaudio-encoder", daemon=True).start()

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.point} to {self.path}, {self.seconds:.1f} s{', closed' if self._closed else ''}>"

    def listens_by(self, taps: Sequence[Tap]) -> bool:
        """Whether what it hears comes by one of them."""
        return self._tap in taps

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

    @property
    def error(self) -> BaseException | None:
        """Why there is no such file although it has ended; None if there is one."""
        return self._error if self._closed else None

    def close(self) -> None:
        """End it and finish the file. More than once does no harm: each waits until it is finished, and is told.

        :raises TargetError: the file cannot be written; nothing has appeared under its name.
        """
        error = self.end()
        if error is not None:
            self.told = True
            raise error

    def end(self) -> BaseException | None:
        """End it and finish the file; why there is none.

        Somebody may press Ctrl-C meanwhile: then it is not closed yet, and whoever comes next goes on with it.
        """
        with self._ending:
            first = not self._closed
            if first:
                _wait_for(self._untapped)
                self._tap.ring.close()
                _wait_for(lambda: self._written, math.inf)
                self._closed = True
        if first:                       # with nothing held: a listener may close the engine
            self._tell()
        return self._error

    def check(self) -> None:
        """End it if its encoder has failed; called by whoever watches over the engine."""
        if self._written and not self._closed:
            self.end()

    def _write(self) -> None:
        """In a thread of its own, to the file's last byte: no Ctrl-C gets there."""
        try:
            while (block := self._tap.ring.read(READ_FRAMES)).shape[1]:
                self._writer.write(block)
            self._writer.close()
        except BaseException as error:
            self._error = error
            self._writer.abort()
        finally:
            self._written = True

    def _untapped(self) -> bool:
        """Whether nothing more is written into the ring."""
        rack = self._engine.rack
        if not rack.holds(self._tap):
            return True
        if not self._untapping:
            # Refused where 4096 letters wait: read in a moment, or by nobody, as the device is gone.
            with contextlib.suppress(ParameterError):
                rack.untap(self._tap)
                self._untapping = True
        return not self._engine.alive

    def _tell(self) -> None:
        engine, error = self._engine, self._error
        at = engine.rack.position / engine.rack.rate
        if error is not None:
            engine.log.add("failed", at, f"the recording {self.path} has failed: {error}")
        else:
            engine.log.add("recorded", at, f"{self.path} has {self.seconds:.1f} s of {self.point}")


def _wait_for(condition: Callable[[], bool], seconds: float = 1.0) -> bool:
    """Until something is so, or the time is over; whether it is. Ctrl-C leaves nothing locked, as in an Event."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
