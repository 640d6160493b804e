"""Nodes whose sound is not what it should be."""

from typing import Any

import numpy as np
from faulty import SPARE, Early, Kept, Late, Line, Nothing, Table, hand_on, planted

from flowaudio.core.eventlog import event_log
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format
from flowaudio.core.params import integer, param

HUGE = np.float32(1e38)


@planted("silence")
class IsNeverSilent(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + np.float32(1e-9)


@planted("stability")
class ExplodesAtALimit(Kept):
    feedback: float = param(0.0, 1.1, "how much comes back", default=0.5)

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([self.feedback], np.float32)), Line(np.zeros(format.channels, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = x[c, n] + p.values[0] * s.y[c]
                y[c, n] = s.y[c]


@planted("stability")
class GrowsSlowly(Kept):
    """e-fold in 10,000 frames, from 60 dB below what comes in."""

    feedback: float = param(0.0, 1.0001, "how much comes back", default=0.5)

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([self.feedback], np.float32)), Line(np.zeros(format.channels))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = np.float32(0.001) * x[c, n] + p.values[0] * s.y[c]
                y[c, n] = s.y[c] if s.y[c] * s.y[c] > 1e-40 else 0.0


@planted("sane input")
class DividesBySilence(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] / abs(x[c, n])


@planted("sane input")
class OverflowsWhenItIsLoud(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * HUGE if abs(x[c, n]) > np.float32(4.0) else x[c, n]


@planted("numbers", events=("nothing",))
class DiesOfAnExtreme:
    """An infinity leaves a mark that no reset takes away."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Early(event_log())

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                if abs(x[c, n]) > np.float32(1e30):
                    s.log[SPARE, 0] = 1
                y[c, n] = x[c, n] / np.float32(1 - s.log[SPARE, 0]) if abs(x[c, n]) < np.float32(1e4) else x[c, n]


@planted("denormals", silent=False)
class PutsOutDenormals:
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([1e-40], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]
                if x[c, n] == 0:
                    y[c, n] = p.values[0]


@planted("latency")
class LiesAboutItsLatency(Nothing):
    def latency(self, format: Format) -> int:
        return 7

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


@planted("latency")
class IsLateInSeconds(Late):
    """Right at 48 kHz only."""

    process = hand_on

    def late(self, format: Format) -> int:
        return round(format.rate * 0.005)

    def latency(self, format: Format) -> int:
        return 240


@planted("latency")
class IsAsLateAsItLikes(Late):
    """Right with its default only."""

    frames: int = integer(1, 2000, "how late", default=100)
    process = hand_on

    def late(self, format: Format) -> int:
        return self.frames

    def latency(self, format: Format) -> int:
        return 100


@planted("speed")
class TakesItsTime(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                t = x[c, n] * 0
                for k in range(1500):
                    t = t * np.float32(0.5) + np.float32(k)
                y[c, n] = x[c, n] + t * np.float32(0.0)
