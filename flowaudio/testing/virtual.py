"""Virtual time: it stands still until it is told to go, and then goes as fast as the computing is done."""

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.graph.image import address
from flowaudio.testing import device

__all__ = ["Calling", "FairLock", "VirtualClock"]

SLICE_NS = 200_000_000
"""Virtual time after which other threads have their turn."""


class FairLock:
    """A lock that is given in the order in which it was asked for: who takes it again and again lets others in."""

    def __init__(self) -> None:
        self._door, self._room = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._door:
            self._room.acquire()

    def __exit__(self, *_: object) -> None:
        self._room.release()


class Calling(Protocol):
    """What hangs on the clock: a stream in memory."""

    @property
    def address(self) -> int:
        """Of its words, see :mod:`flowaudio.testing.device`."""

    @property
    def total(self) -> int:
        """Frames that have gone through it."""

    def serve(self) -> None:
        """Fill and empty its buffers."""

    def flush(self) -> None:
        """Hand over all that has gone out."""


class VirtualClock:
    """A time of its own, in ns from 0, that several simulated cards may share."""

    def __init__(self) -> None:
        self._words = np.zeros(1, np.int64)
        self._streams: list[Calling] = []
        self._planned: list[tuple[int, int, int, Callable[[], object]]] = []
        self._number = itertools.count()
        self._runs = threading.RLock()
        self.lock = FairLock()
        """Held while callbacks run."""

    @property
    def address(self) -> int:
        """Of the int64 that holds the time: what compiled code reads."""
        return address(self._words)

    @property
    def now_ns(self) -> int:
        """The time."""
        return int(self._words[0])

    @property
    def seconds(self) -> float:
        """The time in seconds."""
        return 1e-9 * self.now_ns

    def at(self, seconds: float, work: Callable[[], object]) -> None:
        """Call `work` at a time, behind the callbacks of that time. For what a user does, or a fault."""
        self._plan(round(1e9 * _time(seconds)), 0, work)

    def every(self, seconds: float, work: Callable[[], object]) -> None:
        """Call `work` again and again, for the first time `seconds` from now."""
        step = round(1e9 * _time(seconds))
        if step < 1:
            raise ParameterError(f"the time from one call to the next must be at least 1 ns (got {seconds:g} s)")
        self._plan(self.now_ns + step, step, work)

    def run(self, seconds: float) -> None:
        """Let time go on. All callbacks and all planned work are called in this thread, in the order of their times."""
        self._run(self.now_ns + round(1e9 * _time(seconds)), None, 0)

    def run_stream(self, stream: Calling, total: int) -> None:
        """Let time go on until `total` frames have gone through a stream that is running."""
        self._run(1 << 62, stream, total)

    def hang(self, stream: Calling) -> None:
        """Call what it calls, from now on; with the lock held."""
        self._streams.append(stream)

    def take_off(self, stream: Calling) -> None:
        """Call it no more; with the lock held."""
        if stream in self._streams:
            self._streams.remove(stream)

    def _plan(self, at_ns: int, step_ns: int, work: Callable[[], object]) -> None:
        heapq.heappush(self._planned, (at_ns, next(self._number), step_ns, work))

    def _run(self, end_ns: int, wanted: Calling | None, total: int) -> None:
        with self._runs:
            try:
                while wanted is None or wanted.total < total:
                    soon = self._planned[0][0] if self._planned else end_ns
                    until = max(min(soon, end_ns, self.now_ns + SLICE_NS), self.now_ns)
                    if not self._slice(until) and not self._work() and until >= end_ns:
                        break
            finally:
                for stream in tuple(self._streams):
                    stream.flush()

    def _slice(self, until_ns: int) -> bool:
        """Make calls; True if it stopped before that time."""
        with self.lock:
            streams = tuple(self._streams)
            table = np.array([stream.address for stream in streams] or [0], np.int64)
            stopped = device.run_streams(self.address, address(table), len(streams), until_ns)
        if stopped == device.NOBODY:
            return False
        streams[stopped].serve()
        return True

    def _work(self) -> bool:
        """Do what is planned for now; whether there was anything."""
        if not self._planned or self._planned[0][0] > self.now_ns:
            return False
        at, _, step, work = heapq.heappop(self._planned)
        if step:
            self._plan(at + step, step, work)
        work()
        return True


def _time(seconds: Any) -> float:
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise ParameterError(f"a time must be at least 0 s (got {seconds!r})")
    return float(seconds)
