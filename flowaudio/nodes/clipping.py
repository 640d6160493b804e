"""Finds clipping: flat tops, and peaks between the samples above full scale."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import flag, integer, param
from flowaudio.core.simd import hmax, load, splat, vabs, vmax
from flowaudio.nodes import _truepeak
from flowaudio.nodes._highest import SCRATCH, highest
from flowaudio.nodes._levels import pass_through
from flowaudio.nodes._line import HOP, line, room, take

__all__ = ["ClippingDetector"]

CLIPPING, BETWEEN = 0, 1
CELL = 64
LAG = 64                                # frames by which the look between the samples is behind
KEPT = 512
PENDING = 8                             # flat tops at the signal's own maximum that are remembered until it is certain
SIDES = 3                               # as many must there be of each sign
LEAST = np.float32(0.03)                # a maximum below it, -30 dBFS, says nothing
STEP = np.float32(2.0 ** -15)           # of 16 bits
JUMP = np.float32(0.5)                  # of its height: who falls by more in one sample is a square wave
CORNER = np.float32(8.0)                # tolerances by which a top must fall at its end
OVER = np.float32(1.00001)              # what every converter cuts
FULL = np.float32(0.99996)
ONE = np.float32(1.0)
ZERO = np.float32(0.0)

START, LENGTH, OPEN, BEGIN, END, COUNT, UPPER, LOWER, WAITING, FIELDS = range(10)
"""Of each channel: the run of equal samples; the event that is on: whether, from, to, samples; flat tops at the own
maximum above and below zero; how many wait."""

VALUE, BEFORE, MAXIMUM, VALUES = range(4)
"""Of each channel: what the run is equal to, the sample before it; the signal's own maximum."""


class Params(NamedTuple):
    """For a rate."""

    run: int
    hold: int                           # frames
    between: int
    levels: Any                         # float32 [2]: threshold, tolerance
    taps: Any                           # float32, of the interpolators


class State(NamedTuple):
    """Frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [2]: frames so far, where the next goes in the line
    line: Any                           # float32 [channel, frame]
    notes: Any                          # int64 [channel, FIELDS]
    values: Any                         # float32 [channel, VALUES]
    tops: Any                           # int64 [channel, PENDING, 3]: start, end, samples
    spans: Any                          # int64 [channel, 3]: between the samples: on, from, to
    over: Any                           # float32 [channel], greatest of it
    scratch: Any                        # float32 [SCRATCH]
    clipped: Any                        # int64 [channel], samples in flat tops
    full_scale: Any                     # int64 [channel], samples at or above full scale
    on: Any                             # int64 [channel]


@node(in_place=True, events=("clipping", "intersample_clipping"), measures=("clipped", "full_scale", "on"))
class ClippingDetector:
    """Finds clipping, of samples and between them; the signal passes unchanged.

    Event ``clipping``, a channel: flat tops, `run_samples` or more samples in a row that are equal within `tolerance`
    and as high as `threshold_dbfs`, or as the greatest sample so far: sound that was clipped and then turned down. For
    that there must be three tops at that same height above zero and three below, none of which ends in a jump by more
    than half its height (a square wave from a synthesiser does); then those that were seen first are told, too. A top
    must have a corner, it falls by 8 tolerances at an end: the round tops of low notes are flat, too, but have none.
    Samples above full scale count without being equal: every converter cuts them. A square wave at full scale is
    clipping by this definition. Tops less than `hold_ms` apart are one event, from the first clipped sample to the one
    after the last; told when it begins, and when nothing followed for `hold_ms`. Strength: number of clipped samples.

    Event ``intersample_clipping``, a channel: the signal oversampled eight times is above full scale between samples
    that are not, see BS.1770-5, annex 2. Merged, told the same way, in steps of 64 frames. Strength: by how many dB, of
    what was heard till then.

    Measures, [channel]: ``clipped``, samples in such tops; ``full_scale``, samples at or above full scale (more than
    0.01 % of all is suspicious); ``on``, 1 while clipping lasts. Latency: none; told up to 12 ms later at 44.1 kHz.

    Not found: tops that a lossy codec or an equaliser made uneven by more than the tolerance; a signal clipped on one
    side only and turned down; flat tops of 8-bit sources count, real or not.
    """

    threshold_dbfs: float = param(-12.0, 0.0, "flat tops from here on are clipping", default=-0.45)
    run_samples: int = integer(3, 100, "equal samples that make a flat top", default=3)
    tolerance: float = param(0.0, 0.05, "part of its level by which a flat top may be uneven", default=1e-4)
    hold_ms: float = param(1.0, 5000.0, "less than this apart, two are one event", default=50.0)
    own_maximum: bool = flag("find flat tops at the signal's own maximum, too", default=True)
    between: bool = flag("look between the samples, too", default=True)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Thresholds; nothing heard yet."""
        channels = format.channels
        values = np.zeros((channels, VALUES), np.float32)
        if not self.own_maximum:
            values[:, MAXIMUM] = np.inf
        params = Params(self.run_samples, max(1, round(self.hold_ms * format.rate / 1000)), int(self.between),
                        np.array([10.0 ** (self.threshold_dbfs / 20.0), self.tolerance], np.float32),
                        _truepeak.coefficients())
        return params, State(event_log(), np.array([0, KEPT]), line(channels, KEPT),
                             np.zeros((channels, FIELDS), np.int64), values,
                             np.zeros((channels, PENDING, 3), np.int64), np.zeros((channels, 3), np.int64),
                             np.zeros(channels, np.float32), np.zeros(SCRATCH, np.float32),
                             np.zeros(channels, np.int64), np.zeros(channels, np.int64), np.zeros(channels, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames, done, offset = x.shape[1], 0, now(s.log) - s.at[0]
        while done < frames:
            count = min(frames - done, HOP - s.at[0] % HOP)
            take(x, done, count, s.line, s.at[1])
            s.at[0] += count
            s.at[1] += count
            done += count
            if s.at[0] % HOP == 0:
                for c in range(x.shape[0]):
                    for k in range(HOP // CELL):
                        back = HOP - k * CELL
                        cell(s.line[c], s.at[1] - back, s.at[0] - back, offset, c, p, s)
                s.at[1] = room(s.line, s.at[1], HOP, KEPT)
        pass_through(x, y)


@kernel
def cell(row: Any, n: int, frame: int, offset: int, c: int, p: Any, s: Any) -> None:
    """A cell of a channel: most are passed by after a look at their greatest sample."""
    note, value = s.notes[c], s.values[c]
    greatest = splat(ZERO)
    for k in range(n, n + CELL, 8):
        greatest = vmax(greatest, vabs(load(row, k)))
    top = hmax(greatest)
    if top > value[MAXIMUM] * (ONE + p.levels[1]):
        value[MAXIMUM] = top
        note[UPPER] = note[LOWER] = note[WAITING] = 0
    if note[LENGTH] or top >= min(p.levels[0], max(LEAST, value[MAXIMUM] * (ONE - p.levels[1]))):
        for k in range(n, n + CELL):
            sample(row, k, frame + k - n, offset, c, p, s)
    if note[OPEN] and frame + CELL - note[END] > p.hold:
        finish(c, CLIPPING, offset, s)
    s.on[c] = note[OPEN]
    if p.between:
        look_between(row, n - LAG, frame - LAG, offset, c, p, s)


@kernel
def sample(row: Any, n: int, frame: int, offset: int, c: int, p: Any, s: Any) -> None:
    """One sample of a cell in which something is high."""
    note, value = s.notes[c], s.values[c]
    v = row[n]
    if abs(v) >= FULL:
        s.full_scale[c] += 1
    if note[LENGTH]:
        same = abs(v - value[VALUE]) <= p.levels[1] * abs(value[VALUE])
        if same or (min(abs(v), abs(value[VALUE])) > OVER and v * value[VALUE] > ZERO):
            note[LENGTH] += 1
            return
        if note[LENGTH] >= p.run:
            flat(v, offset, c, p, s)
        note[LENGTH] = 0
    if abs(v) >= min(p.levels[0], max(LEAST, value[MAXIMUM] * (ONE - p.levels[1]))):
        note[START], note[LENGTH] = frame, 1
        value[VALUE], value[BEFORE] = v, row[n - 1]


@kernel
def flat(after: Any, offset: int, c: int, p: Any, s: Any) -> None:
    """A run of equal samples is over: was it clipped?"""
    note, value = s.notes[c], s.values[c]
    level = abs(value[VALUE])
    sign = ONE if value[VALUE] > ZERO else -ONE
    left, right = level - sign * value[BEFORE], level - sign * after
    slack = max(p.levels[1] * level, STEP)
    if level <= OVER and (max(left, right) <= CORNER * slack or min(left, right) <= slack):
        return
    start, end = note[START], note[START] + note[LENGTH]
    if level >= p.levels[0]:
        extend(c, start, end, note[LENGTH], offset, p, s)
        return
    if level < value[MAXIMUM] * (ONE - p.levels[1]) or max(left, right) > JUMP * level:
        return
    if value[VALUE] > ZERO:
        note[UPPER] += 1
    else:
        note[LOWER] += 1
    if min(note[UPPER], note[LOWER]) < SIDES:
        if note[WAITING] < PENDING:
            waiting = s.tops[c, note[WAITING]]
            waiting[0], waiting[1], waiting[2] = start, end, note[LENGTH]
            note[WAITING] += 1
        return
    for k in range(note[WAITING]):
        extend(c, s.tops[c, k, 0], s.tops[c, k, 1], s.tops[c, k, 2], offset, p, s)
    note[WAITING] = 0
    extend(c, start, end, note[LENGTH], offset, p, s)


@kernel
def extend(c: int, start: int, end: int, count: int, offset: int, p: Any, s: Any) -> None:
    """Clipped samples join the event that is on, or begin one."""
    note = s.notes[c]
    s.clipped[c] += count
    if note[OPEN] and start - note[END] > p.hold:
        finish(c, CLIPPING, offset, s)
    if not note[OPEN]:
        note[OPEN], note[BEGIN], note[COUNT] = 1, start, 0
        emit(s.log, CLIPPING, BEGAN, start + offset, start + offset, c, np.float64(count))
    note[END] = max(end, note[END])
    note[COUNT] += count


@kernel
def finish(c: int, kind: int, offset: int, s: Any) -> None:
    """An event is over."""
    if kind == CLIPPING:
        note = s.notes[c]
        note[OPEN] = 0
        emit(s.log, kind, ENDED, note[BEGIN] + offset, note[END] + offset, c, np.float64(note[COUNT]))
    else:
        span = s.spans[c]
        span[0] = 0
        emit(s.log, kind, ENDED, span[1] + offset, span[2] + offset, c, 20.0 * math.log10(s.over[c]))


@kernel
def look_between(row: Any, n: int, frame: int, offset: int, c: int, p: Any, s: Any) -> None:
    """64 frames, late by LAG: what comes behind them must be known."""
    span = s.spans[c]
    greatest = splat(ZERO)
    for k in range(n, n + CELL, 8):
        greatest = vmax(greatest, vabs(load(row, k)))
    samples = max(ONE, hmax(vmax(greatest, vabs(load(row, n + CELL)))))
    top = highest(row, n, CELL, samples, p.taps, s.scratch)
    if top > samples and frame >= 0:
        if span[0] and frame - span[2] > p.hold:
            finish(c, BETWEEN, offset, s)
        if not span[0]:
            span[0], span[1], s.over[c] = 1, frame, top
            emit(s.log, BETWEEN, BEGAN, frame + offset, frame + offset, c, 20.0 * math.log10(top))
        span[2] = frame + CELL
        s.over[c] = max(s.over[c], top)
    elif span[0] and frame + CELL - span[2] > p.hold:
        finish(c, BETWEEN, offset, s)
