"""Nodes of all kinds without a fault, whom no law may accuse."""

from typing import Any, NamedTuple

import numpy as np
from faulty import Calls, Kept, Late, Line, Nothing, hand_on

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, Port, node


@node(linear=True, time_invariant=True)
class IsLateAndSaysSo(Late):
    """What was a denormal goes out as one, ten frames later."""

    process = hand_on
    prepare = Late.prepare
    latency = Late.latency


class Taps(NamedTuple):
    """Of a filter, and what it has heard."""

    h: Any


@node(linear=True, time_invariant=True)
class HasLinearPhase:
    """Its response begins at once, and has its peak where it says."""

    def latency(self, format: Format) -> int:
        return 32

    def prepare(self, format: Format) -> tuple[Any, Any]:
        n = np.arange(65) - 32
        h = (0.4 * np.sinc(0.4 * n) * np.hamming(65)).astype(np.float32)
        return Taps(h), Line(np.zeros((format.channels, 65), np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                total = np.float32(0.0)
                for k in range(64):
                    s.y[c, k] = s.y[c, k + 1]
                s.y[c, 64] = x[c, n]
                for k in range(65):
                    total += p.h[k] * s.y[c, k]
                y[c, n] = total if abs(total) > np.float32(1e-30) else np.float32(0.0)


@node(inputs=("in", Port("key", any_channels=True)), outputs=("out", "rest"))
class HasManyPorts(Nothing):
    prepare = Nothing.prepare

    @kernel
    def process(x: Any, key: Any, y: Any, rest: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] if key[0, n] > np.float32(0.0) else np.float32(0.0)
                rest[c, n] = x[c, n] - y[c, n]


@node(inputs=(), silent=False)
class Counts:
    """A source."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Calls(np.zeros(1, np.int64))

    @kernel
    def process(y: Any, p: Any, s: Any) -> None:
        for n in range(y.shape[1]):
            s.count[0] = (s.count[0] + 1) % 1000
            for c in range(y.shape[0]):
                y[c, n] = np.float32(s.count[0]) / np.float32(1000.0)


@node(outputs=(), measures=("y",))
class OnlyListens(Kept):
    """A sink."""

    prepare = Kept.prepare

    @kernel
    def process(x: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = max(s.y[c], abs(x[c, n]))
