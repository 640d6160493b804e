"""Finds channels that hold one value, or repeat one buffer."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import integer, param
from flowaudio.core.simd import all_true, as_int, hsum, lanes, load, splat
from flowaudio.nodes._levels import gather, heard, pass_through, past, remember

__all__ = ["StuckChannelDetector"]

CELL = 32
LAGS = (2, 4, 8, 16, 32, 64, 128, 5, 10, 15, 30, 60, 6, 12, 18, 36)
"""Cells in the buffers that are looked for: 64 … 4096 frames; 160 … 1920; 192, 384, 576, 1152."""

KEPT = 256                              # cells whose sums are kept, more than twice the longest buffer
FRAMES = 4096 + 4 * CELL                # that are kept: one buffer and what is before it
SMOOTH = 2.3                            # greatest second difference of a tone, against their RMS
LEAST_WAVE = 64                         # frames: what repeats sooner is a tone
STUCK, DEAD, REPEATING = range(3)
RUN, ON, MOVED, LAG, START, FIELDS = range(6)
"""Of a channel: the first frame of one value, or -1; what was told of it, or -1; cells in which another channel moved;
the place in LAGS of what repeats, or -1; the frame where that began."""


class Params(NamedTuple):
    """For a rate."""

    least: int                          # frames of one value
    dead: int                           # frames of zeros
    repeats: int
    wave: int                           # frames that repeat, at least
    lags: Any                           # int64 [lag], cells


class State(NamedTuple):
    """Cells and frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, FRAMES]
    scratch: Any                        # float32 [CELL]
    sums: Any                           # int64 [channel, KEPT], of the bits of cells; slot = cell modulo KEPT
    runs: Any                           # int64 [channel, lag], cells that were as they were a lag before
    notes: Any                          # int64 [channel, FIELDS]
    still: Any                          # int64 [channel], whether the last cell was one value
    stuck_s: Any                        # float32 [channel]
    seconds: Any                        # float64 [1], of a frame


@node(in_place=True, events=("stuck_channel", "dead_channel", "repeating_buffer"), measures=("stuck_s",))
class StuckChannelDetector:
    """Finds channels that stopped to be sound; the signal passes unchanged.

    Events, by channel, each begins and ends; exact to the sample but where said:

    - ``stuck_channel``: one value that is not 0 for `min_s`. Strength: the value.
    - ``dead_channel``: zeros for `dead_s`, while another channel moved in half of that time. Strength: seconds.
    - ``repeating_buffer``: the same samples `repeats` times in a row, and for 50 ms, as of a driver that plays its last
      buffer for ever. Buffers of 64, 128 … 4096 frames, 160, 320, 480, 960, 1920, 192, 384, 576 and 1152. Told by sums
      of 32 frames' bits; its start is the second time, to within 32 frames, its end likewise. Strength: frames.

    A tone whose period is a whole number of frames repeats itself, too: what repeats within 64 frames, or is as smooth
    as a tone (no second difference above 2.3 times their RMS), is left alone. A pulse or a saw made by a program whose
    period is just one of these is not told from a buffer. Other buffers, such as 441 frames, are not found.

    Measure: ``stuck_s`` [channel], how long it has been one value. Latency: none.
    """

    min_s: float = param(0.01, 60.0, "how long one value is held", default=0.1)
    dead_s: float = param(0.1, 3600.0, "how long it is 0 while others are not", default=10.0)
    repeats: int = integer(3, 1000, "how often a buffer must come", default=8)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Nothing heard yet."""
        rate, channels = format.rate, format.channels
        params = Params(round(self.min_s * rate), round(self.dead_s * rate), self.repeats, rate // 20,
                        np.array(LAGS, np.int64))
        notes = np.full((channels, FIELDS), -1, np.int64)
        notes[:, MOVED] = 0
        return params, State(event_log(), np.zeros(1, np.int64), past(channels, FRAMES), np.zeros(CELL, np.float32),
                             np.zeros((channels, KEPT), np.int64), np.zeros((channels, len(LAGS)), np.int64), notes,
                             np.zeros(channels, np.int64), np.zeros(channels, np.float32), np.array([1.0 / rate]))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at = s.at[0]
        for k in range(at // CELL, (at + x.shape[1]) // CELL):
            n = k * CELL - at
            moving = 0
            for c in range(x.shape[0]):
                if n < 0:
                    gather(x[c], s.ring[c], at, k * CELL, CELL, s.scratch)
                    cell(s.scratch, 0, x[c], c, k, p, s)
                else:
                    cell(x[c], n, x[c], c, k, p, s)
                moving += s.still[c] == 0
            for c in range(x.shape[0]):
                if s.notes[c, RUN] >= 0:
                    lasts(x[c], c, k, moving, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        for c in range(x.shape[0]):
            run = s.notes[c, RUN]
            s.stuck_s[c] = ((s.at[0] // CELL * CELL - run) if run >= 0 else 0) * s.seconds[0]
        pass_through(x, y)


@kernel
def cell(source: Any, n: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """A cell of a channel."""
    note = s.notes[c]
    v0, v1, v2, v3 = load(source, n), load(source, n + 8), load(source, n + 16), load(source, n + 24)
    value = splat(source[n])
    s.still[c] = (all_true(v0 == value) and all_true(v1 == value) and all_true(v2 == value)
                  and all_true(v3 == value))
    mixed = as_int(v0) * 3 + as_int(v1) * 7 + as_int(v2) * 11 + as_int(v3) * 19
    s.sums[c, k % KEPT] = hsum(mixed * as_int(lanes(1.1, 1.3, 1.7, 1.9, 2.3, 2.9, 3.1, 3.7)))
    if note[RUN] >= 0 or s.still[c]:
        hold(source, n, row, c, k, p, s)
    if not s.still[c] or note[LAG] >= 0:
        repeat(row, c, k, p, s)


@kernel
def hold(source: Any, n: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """One value goes on, ends, or begins in this cell."""
    note, first = s.notes[c], now(s.log) - s.at[0]
    if note[RUN] >= 0:
        value = heard(row, s.ring[c], s.at[0], k * CELL - 1)
        m = 0
        while m < CELL and source[n + m] == value:
            m += 1
        if m == CELL:
            return
        if note[ON] >= 0:
            lasted = k * CELL + m - note[RUN]
            emit(s.log, note[ON], ENDED, note[RUN] + first, k * CELL + m + first, c,
                 np.float64(value) if note[ON] == STUCK else lasted * s.seconds[0])
        note[RUN] = note[ON] = -1
    if s.still[c] and abs(source[n]) < np.float32(np.inf):
        start = k * CELL
        while start > max(0, (k - 1) * CELL) and heard(row, s.ring[c], s.at[0], start - 1) == source[n]:
            start -= 1
        note[RUN], note[MOVED] = start, 0


@kernel
def lasts(row: Any, c: int, k: int, moving: int, p: Any, s: Any) -> None:
    """One value has lasted to the end of a cell: is it to be told?"""
    note = s.notes[c]
    note[MOVED] += moving > 0
    if note[ON] >= 0:
        return
    lasted = (k + 1) * CELL - note[RUN]
    start = note[RUN] + now(s.log) - s.at[0]
    value = np.float64(heard(row, s.ring[c], s.at[0], k * CELL))
    if value != 0 and lasted >= p.least:
        note[ON] = STUCK
        emit(s.log, STUCK, BEGAN, start, 0, c, value)
    elif value == 0 and lasted >= p.dead and 2 * CELL * note[MOVED] >= p.dead:
        note[ON] = DEAD
        emit(s.log, DEAD, BEGAN, start, 0, c, lasted * s.seconds[0])


@kernel
def repeat(row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """Does a cell repeat the one a buffer ago?"""
    note, sums, runs = s.notes[c], s.sums[c], s.runs[c]
    for m in range(p.lags.size):
        lag = p.lags[m]
        if sums[k % KEPT] == sums[(k - lag) % KEPT] and k >= lag:
            runs[m] += 1
            if note[LAG] < 0 and runs[m] >= (p.repeats - 1) * lag and runs[m] * CELL >= p.wave:
                if is_buffer(row, s.ring[c], s.at[0], (k + 1) * CELL, lag * CELL):
                    note[LAG] = m
                    note[START] = (k + 1 - runs[m]) * CELL + now(s.log) - s.at[0]
                    emit(s.log, REPEATING, BEGAN, note[START], 0, c, np.float64(lag * CELL))
                else:
                    runs[m] = 0         # look again when as much has gone by
        else:
            runs[m] = 0
            if note[LAG] == m:
                note[LAG] = -1
                emit(s.log, REPEATING, ENDED, note[START], k * CELL + now(s.log) - s.at[0], c,
                     np.float64(lag * CELL))


@kernel
def is_buffer(row: Any, ring: Any, at: int, end: int, length: int) -> bool:
    """Whether what repeats with `length` frames is no tone."""
    top, total = 0.0, 0.0
    a, b = np.float64(heard(row, ring, at, end - length - 2)), np.float64(heard(row, ring, at, end - length - 1))
    for n in range(end - length, end):
        v = np.float64(heard(row, ring, at, n))
        second = abs(v - 2.0 * b + a)
        top, total = max(top, second), total + second * second
        a, b = b, v
    if top * top <= SMOOTH * SMOOTH * total / length:
        return False
    for shorter in range(1, LEAST_WAVE):
        n = end - length
        while n < end and heard(row, ring, at, n) == heard(row, ring, at, n - shorter):
            n += 1
        if n == end:
            return False
    return True
