"""Nodes that touch memory that is not theirs."""

from typing import Any

import numpy as np
from faulty import Kept, Line, Nothing, Table, planted

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format
from flowaudio.core.simd import LANES, load, splat, store


@planted("memory")
class ReadsPastItsInput(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        last = x.shape[0] - 1
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]
        y[last, x.shape[1] - 1] += np.float32(0.5) * x[last, x.shape[1]]


@planted("memory")
class WritesPastItsOutput(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]
        y[x.shape[0] - 1, x.shape[1] + 2] = x[0, 0]


@planted("memory")
class LeavesAHole(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(1, x.shape[1]):
                y[c, n] = x[c, n]


@planted("memory")
class WritesPastItsState(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c + x.shape[0]] = x[c, n]
                y[c, n] = x[c, n]


@planted("memory")
class ReadsPastItsParameters(Nothing):
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.ones(4, np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + p.values[4]


@planted("memory")
class WritesAVectorPastItsState(Kept):
    """No index is checked there."""

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        store(s.y, s.y.shape[0] - 1, splat(np.float32(1.0)))
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


@planted("memory", outputs=(), measures=("y",))
class MeasuresAVectorPastItsParameters(Kept):
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.ones(1, np.float32)), Line(np.zeros(LANES, np.float32))

    @kernel
    def process(x: Any, p: Any, s: Any) -> None:
        store(s.y, 0, load(p.values, 0))


@planted("in place", in_place=True)
class ReadsWhatItHasWritten(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            before = s.y[c]
            s.y[c] = x[c, x.shape[1] - 1]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + (x[c, n - 1] if n else before)
