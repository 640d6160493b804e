"""Taps: what passes a point of a running graph, copied into a ring. For recordings, for other engines, for memory.

A tap stands at the graph's input, at its output, or behind a node, in whichever plan runs. It never waits: where its
ring is full, frames are missed and counted; one that remembers writes over the oldest. Where the plan has no such node
(any more), it writes silence: what is recorded stays in time.
"""

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import i64_1d, monotonic_ns
from flowaudio.core.native import native
from flowaudio.graph import walk
from flowaudio.graph.image import address
from flowaudio.runtime.drift import Drift, drift_wrote
from flowaudio.runtime.ring import CHANNELS, Ring, ring_overwrite, ring_told, ring_write
from flowaudio.runtime.voice_walk import voice_row

__all__ = ["IN_SLOT", "OUT_SLOT", "Tap", "tap_fill", "tap_link", "tap_unlink", "write_taps"]

IN_SLOT, OUT_SLOT = -1, -2
"""The points that no node stands at."""

# FUNCTION is what the walk calls. DRIFT: what tells the reader of our clock, or 0; CLOCK: address of a virtual time,
# or 0. SOURCE: address of (samples, channels) behind a node. NEXT: another tap of the same
# node. LINKED: the row that it stands at. MISSED: frames for which there was no room, MISSES: in how many blocks.
# BEGAN: the frame of its first.
FUNCTION, SOURCE, RING, NEXT, SLOT, REMEMBERS, MISSED, MISSES, LINKED, BEGAN, DRIFT, CLOCK, TAP = range(13)


@kernel
def tap_fill(tap: int, x: int, stride: int, channels: int, frames: int) -> None:
    """Write frames of a signal, or silence if it is not the one that the ring was made for."""
    told = i64_1d(tap, TAP)
    if channels != i64_1d(told[RING] + CHANNELS, 1)[0]:
        x, stride = 0, 0
    if told[REMEMBERS]:
        ring_overwrite(told[RING], x, stride, frames)
    else:
        written = ring_write(told[RING], x, stride, frames)
        if written < frames:
            told[MISSED] += frames - written
            told[MISSES] += 1
        if told[DRIFT]:
            drift_wrote(told[DRIFT], i64_1d(told[CLOCK], 1)[0] if told[CLOCK] else monotonic_ns(), written)
        ring_told(told[RING])


@native
def write_taps(tap: int, frames: int) -> int:
    """What the walk calls behind an operation: all taps that stand there."""
    while tap:
        told = i64_1d(tap, TAP)
        out = i64_1d(told[SOURCE], 2)
        tap_fill(tap, out[0], frames, out[1], frames)
        tap = told[NEXT]
    return 0


@kernel
def tap_link(tap: int, voice: int) -> None:
    """Let it stand in a plan."""
    told = i64_1d(tap, TAP)
    row = voice_row(voice, told[SLOT], 0)
    told[LINKED] = row
    if row:
        op = i64_1d(row, walk.ROW)
        told[SOURCE], told[NEXT] = op[walk.OUTPUTS], op[walk.TAP]
        op[walk.TAP] = tap


@kernel
def tap_unlink(tap: int) -> None:
    """Take it away from where it stands."""
    told = i64_1d(tap, TAP)
    if told[LINKED] == 0:
        return
    op = i64_1d(told[LINKED], walk.ROW)
    if op[walk.TAP] == tap:
        op[walk.TAP] = told[NEXT]
    else:
        other = op[walk.TAP]
        while i64_1d(other, TAP)[NEXT] != tap:
            other = i64_1d(other, TAP)[NEXT]
        i64_1d(other, TAP)[NEXT] = told[NEXT]
    told[LINKED] = 0


class Tap:
    """A tap in memory, and its ring."""

    def __init__(self, slot: int, ring: Ring, remembers: bool = False, drift: Drift | None = None,
                 clock: int = 0) -> None:
        self.ring, self._drift = ring, drift
        self._words = np.zeros(TAP, np.int64)
        self._words[FUNCTION], self._words[RING] = write_taps.address, ring.address
        self._words[SLOT], self._words[REMEMBERS] = slot, int(remembers)
        self._words[BEGAN] = -1
        self._words[DRIFT], self._words[CLOCK] = drift.address if drift is not None else 0, clock

    @property
    def address(self) -> int:
        """What the compiled functions take."""
        return address(self._words)

    @property
    def missed(self) -> int:
        """Frames that did not fit into the ring."""
        return int(self._words[MISSED])

    @property
    def misses(self) -> int:
        """Blocks of which something did not fit."""
        return int(self._words[MISSES])

    @property
    def began(self) -> int:
        """The engine's frame of the first one in the ring; -1 before it."""
        return int(self._words[BEGAN])
