"""Nodes that sound otherwise when they are run in another way."""

import itertools
from typing import Any, NamedTuple

import numpy as np
from faulty import SPARE, Calls, Early, Kept, Line, Nothing, Table, planted

from flowaudio.core.eventlog import EVERY, WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format


class Log(NamedTuple):
    """What was found, and a count."""

    log: Any
    n: Any


@planted("cutting")
class BeginsAnewInEveryBlock(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            before = x[c, 0]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - before
                before = x[c, n]


@planted("cutting")
class AveragesItsBlock(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            total = x[c, 0] * 0
            for n in range(x.shape[1]):
                total += x[c, n]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - total / x.shape[1]


@planted("cutting", measures=("y",))
class MeasuresItsBlock(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            s.y[c] = 0
            for n in range(x.shape[1]):
                s.y[c] = max(s.y[c], abs(x[c, n]))
                y[c, n] = x[c, n]


@planted("cutting", events=("block",))
class TellsOfBlocks:
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Log(event_log(), np.zeros(1, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        emit(s.log, 0, WHOLE, now(s.log), now(s.log) + 1, EVERY, 0.0)
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


@planted("cutting")
class GoesByTheFormatsBlock(Nothing):
    """Its blocks make no difference, but how it is run does."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([1.0 / format.block], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.values[0]


@planted("short blocks")
class TiresOfManyCalls(Nothing):
    """Only who is called often sees it."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Calls(np.zeros(1, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        s.count[0] += 1
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] if s.count[0] < 100 else -x[c, n]


@planted("reset", events=("nothing",))
class ForgetsItsReset:
    """Its memory is where a reset does not reach."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Early(event_log())

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for n in range(x.shape[1]):
            for c in range(x.shape[0]):
                y[c, n] = x[c, n] + np.float32(s.log[SPARE, 0])
            s.log[SPARE, 0] = int(abs(x[0, n]) * np.float32(8.0))


LARGE = np.zeros(1 << 15, np.float32)


@planted("independence")
class SharesItsState:
    """One line for all: large enough to stay where it was made."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        LARGE[:] = 0
        return None, Line(LARGE)

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + np.float32(0.5) * s.y[c]
                s.y[c] = x[c, n]


_made = itertools.count(1)
_known: dict[int, tuple[Any, int]] = {}


@planted("documents")
class HasASecret(Nothing):
    """Two that look equal do not sound so."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        if id(self) not in _known:
            _known[id(self)] = self, next(_made)
        return Table(np.array([_known[id(self)][1]], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.values[0]


@planted("determinism")
class CountsItsPlans(Nothing):
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([next(_made)], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.values[0]


@planted("determinism")
class BeginsWithWhatIsThere:
    """So large an array is full of zeros as a rule."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Line(np.empty(1 << 16, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = np.float32(0.5) * s.y[c] + x[c, n]
                y[c, n] = s.y[c]


@planted("linearity", linear=True)
class ClaimsToBeLinear(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * abs(x[c, n])


@planted("time invariance", linear=True, time_invariant=True)
class ClaimsThatTimeIsNothing(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = np.float32(1.0) - s.y[c]
                y[c, n] = x[c, n] * s.y[c]
