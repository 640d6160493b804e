"""The log of a node that finds things: written by its kernel, read by Python while it runs.

A detector declares the kinds that it may find, ``@node(events=("silence",))``, keeps a log in its state under the name
`log`, made by :func:`event_log`, and calls :func:`emit`. Whoever walks the plan tells each log the time; a log is not
put back when its node fails, and goes with its node from plan to plan.
"""

from typing import Any

import numpy as np

from flowaudio.core.atomics import load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import address_of, copy, f64_1d
from flowaudio.core.native import native

__all__ = [
    "BEGAN", "CAPACITY", "CHANNEL", "COUNT", "END", "ENDED", "EVERY", "KIND", "LOG", "PHASE", "POSITION", "START",
    "STRENGTH", "WHOLE", "Found", "count_of", "emit", "event_log", "now", "take",
]

LOG = "log"
"""What the state of a node calls it."""

CAPACITY = 256
"""Records that are kept; between two readings there may be one less."""

POSITION, COUNT = range(2)
"""The log's first row: the frame, since the start of the stream, of the block's first sample; records so far."""

KIND, PHASE, START, END, CHANNEL, STRENGTH, RECORD = range(7)
"""A record. Frames since the start of the stream, the end exclusive; the strength is a float64."""

WHOLE, BEGAN, ENDED = range(3)
"""Phases. What lasts is told when it is certain (BEGAN) and when it is over (ENDED, with the same start and channel);
what is over already when it is found is told once (WHOLE)."""

EVERY = -1
"""As a channel: all of them together."""

Array = np.ndarray[Any, Any]


def event_log() -> Array:
    """int64 [1 + CAPACITY, RECORD], empty: for the field `log` of a state."""
    return np.zeros((1 + CAPACITY, RECORD), np.int64)


@kernel
def now(log: Any) -> int:
    """The frame, since the start of the stream, at which this block begins."""
    return log[0, POSITION]  # type: ignore[no-any-return]  # an int, as the log is int64


@kernel
def emit(log: Any, kind: int, phase: int, start: int, end: int, channel: int, strength: float) -> None:
    """Say that something was found.

    :param kind: its place among the kinds that the node declares.
    :param phase: WHOLE, BEGAN or ENDED.
    :param start, end: frames since the start of the stream, see :func:`now`; `end` is the first that is good again,
        and means nothing with BEGAN.
    :param channel: which one, or EVERY.
    :param strength: in the unit that the node states.
    """
    count = log[0, COUNT]
    slot = 1 + count % CAPACITY
    log[slot, KIND], log[slot, PHASE] = kind, phase
    log[slot, START], log[slot, END] = start, end
    log[slot, CHANNEL] = channel
    at = address_of(log)
    f64_1d(at + 8 * (RECORD * slot + STRENGTH), 1)[0] = strength
    store_release(at + 8 * COUNT, count + 1)


@native
def take(log: int, to: int) -> int:
    """Copy all records to int64 [CAPACITY, RECORD] and say how many there have been; the oldest may be torn."""
    count = load_acquire(log + 8 * COUNT)
    copy(to, log + 8 * RECORD, 8 * RECORD * CAPACITY)
    return count


@native
def count_of(log: int) -> int:
    """How many records there have been."""
    return load_acquire(log + 8 * COUNT)


class Found:
    """Reads a log, each record once. Belongs to one thread."""

    def __init__(self, log: Array) -> None:
        self._log = log
        self.seen = 0
        """Records that were read, or lost."""
        self.lost = 0
        """Records that were overwritten before they were read."""

    def new(self) -> list[tuple[int, int, int, int, int, float]]:
        """(kind, phase, start, end, channel, strength) of what was found since it was last asked for."""
        # Most of the time there is nothing, and a look by NumPy costs a tenth of a call. It may be old, no more.
        if self._log.item(0, COUNT) <= self.seen:
            return []
        log = self._log.__array_interface__["data"][0]
        records = np.zeros((CAPACITY, RECORD), np.int64)
        count = take(log, records.__array_interface__["data"][0])
        # The writer has gone on: the record that it may be writing now takes the place of the oldest.
        first = min(count, max(self.seen, count_of(log) - CAPACITY + 1))
        self.lost += first - self.seen
        strengths = records.view(np.float64)[:, STRENGTH]
        found = []
        for k in range(first, count):
            kind, phase, start, end, channel, _ = map(int, records[k % CAPACITY])
            found.append((kind, phase, start, end, channel, float(strengths[k % CAPACITY])))
        self.seen = count
        return found
