"""The nodes that a plan puts in by itself: sums where edges meet, delays that keep paths aligned, feedback."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import port
from flowaudio.core.node import Format, Port, node
from flowaudio.core.params import integer

__all__ = ["FeedbackRead", "FeedbackWrite", "Line", "PureDelay", "Sum", "Tap"]


class Line(NamedTuple):
    """A ring of samples."""

    ring: Any                           # float32 [channels, frames]
    at: Any                             # int64 [1], where the oldest frame stands


@node(inputs=(Port("in", many=True),))
class Sum:
    """Adds up the edges that meet at one port, in the order in which they were drawn."""

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    @kernel
    def process(xs: Any, y: Any, p: Any, s: Any) -> None:
        first = port(xs, 0, y.shape[1])
        second = port(xs, 1, y.shape[1])
        for c in range(y.shape[0]):
            for n in range(y.shape[1]):
                y[c, n] = first[c, n] + second[c, n]
        for k in range(2, xs.size // 2):
            x = port(xs, k, y.shape[1])
            for c in range(y.shape[0]):
                for n in range(y.shape[1]):
                    y[c, n] += x[c, n]


@node(in_place=True)
class PureDelay:
    """``y[n] = x[n - frames]``, zeros before."""

    frames: int = integer(1, 1 << 40, "delay", default=1)

    def prepare(self, format: Format) -> tuple[None, Line]:
        return None, Line(np.zeros((format.channels, self.frames), np.float32), np.zeros(1, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        size = s.ring.shape[1]
        at = s.at[0]
        for c in range(x.shape[0]):
            at = s.at[0]
            for n in range(x.shape[1]):
                sample = x[c, n]
                y[c, n] = s.ring[c, at]
                s.ring[c, at] = sample
                at += 1
                if at == size:
                    at = 0
        s.at[0] = at


class Tap(NamedTuple):
    """One end of a feedback line. Both ends hold the same ring, each its own place in it."""

    ring: Any                           # float32 [channels, frames]
    at: Any                             # int64 [1]


@node(inputs=())
class FeedbackRead:
    """The end of a feedback edge: what its other end was given `frames` ago. Blocks are no longer than the ring."""

    frames: int = integer(1, 1 << 40, "delay", default=1)

    def prepare(self, format: Format) -> tuple[None, Tap]:
        return None, Tap(np.zeros((format.channels, self.frames), np.float32), np.zeros(1, np.int64))

    @kernel
    def process(y: Any, p: Any, s: Any) -> None:
        size = s.ring.shape[1]
        at = s.at[0]
        for c in range(y.shape[0]):
            at = s.at[0]
            for n in range(y.shape[1]):
                y[c, n] = s.ring[c, at]
                at += 1
                if at == size:
                    at = 0
        s.at[0] = at


@node(outputs=())
class FeedbackWrite:
    """The beginning of a feedback edge; runs after the other end in every block."""

    def prepare(self, format: Format) -> tuple[None, Tap]:
        return None, Tap(np.zeros((1, 1), np.float32), np.zeros(1, np.int64))

    @kernel
    def process(x: Any, p: Any, s: Any) -> None:
        size = s.ring.shape[1]
        at = s.at[0]
        for c in range(x.shape[0]):
            at = s.at[0]
            for n in range(x.shape[1]):
                s.ring[c, at] = x[c, n]
                at += 1
                if at == size:
                    at = 0
        s.at[0] = at
