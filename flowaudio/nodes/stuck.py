"""Finds channels that hold one value, or repeat one buffer."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.named_layouts import DEFAULT, LOW_FREQUENCY, NAMED_LAYOUTS, layout_speakers
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, integer, param
from flowaudio.core.simd import all_true, any_true, load, splat, vabs, vmin
from flowaudio.nodes._levels import LARGEST, gather, heard, pass_through, past, remember

__all__ = ["StuckChannelDetector"]

CELL = 32
SHORTEST, LONGEST = 64, 4096            # frames in a buffer; what repeats sooner is a tone
AGES = (1056, LONGEST + CELL)           # frames for which a step is looked for: short buffers need it renewed often
FRAMES = LONGEST + AGES[1] + 8 * CELL   # that are kept: a buffer, and where it began to repeat
PROOF = 32                              # frames that must be alike before a buffer is followed
LEAST_STEP = np.float32(1e-4)           # between two frames: a lesser one is too common to be looked for
NO_STEP = np.float32(1e9)
PATIENCE = 8                            # times that a step may come again for nothing
PAUSE = 8                               # cells until the next is tried where a cell has no step
AUDIBLE = 1e-3                          # a held value under it is as good as zero
ROUND = 1.6                             # greatest magnitude, against the RMS, of a tone or a square wave (1.41, 1.0)
EVEN = 2.5                              # and of the steps from frame to frame of it
SMOOTH = 2.05                           # and of the second differences of two tones (2.0)
BENT = 1e-3                             # second differences beyond it, against the greatest, are bends of a wave
BEFORE = 4096                           # frames before a held value whose mean may be the same
LIKE = 0.3                              # of the value: as near as this, they are the same offset
SOON = 20                               # cells of a held value after which that is judged, at the latest
NOT_YET, OFFSET = -1, -2
STUCK, DEAD, REPEATING = range(3)
RUN, ON, MOVED, LAG, FROM, TOLD, ASK, FIELDS = range(8)
"""Of a channel: the first frame of one value, or -1; what was told of it, NOT_YET, or OFFSET for never; cells in which
another channel moved; frames in the buffer that is followed, or 0; the first frame that repeats; whether it was told;
frame from which it may be."""


class Params(NamedTuple):
    """For a rate."""

    least: int                          # frames of one value
    dead: int                           # frames of zeros
    repeats: int
    lasting: int                        # frames that repeat, at least
    sounds: Any                         # int64 [channel], 0 for an LFE, which may be silent


class State(NamedTuple):
    """Frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, FRAMES]
    scratch: Any                        # float32 [CELL + 1], a cell and the frame before it
    earlier: Any                        # float32 [CELL], the same a buffer ago
    steps: Any                          # float32 [channel, age], a difference of two frames that is looked for
    marks: Any                          # int64 [channel, age], the frame where it was
    vain: Any                           # int64 [channel, age], how often it came again for nothing
    notes: Any                          # int64 [channel, FIELDS]
    still: Any                          # int64 [channel], whether the last cell was one value
    stuck_s: Any                        # float32 [channel]
    seconds: Any                        # float64 [1], of a frame


@node(in_place=True, events=("stuck_channel", "dead_channel", "repeating_buffer"), measures=("stuck_s",))
class StuckChannelDetector:
    """Finds channels that stopped to be sound; the signal passes unchanged.

    Events, by channel, each begins and ends, exact to the sample:

    - ``stuck_channel``: one value beyond ±0.001 for `min_s`. Strength: the value. The mean of the sound before it is
      none: that is a pause in a sound with an offset.
    - ``dead_channel``: zeros, or one lesser value, for `dead_s`, while another channel moved in half of that time.
      Strength: seconds. An LFE may be zeros, and does not count as another channel.
    - ``repeating_buffer``: the same samples `repeats` times in a row, and for 50 ms, as of a driver that plays its last
      buffer for ever. Any length of 64 to 4096 frames. Its start is that of the second time. Strength: frames.

    Buffers are found by the greatest step between two frames of some cell of 32: where just that step comes again, and
    the 32 frames before it too, a buffer is followed until it fails. A step that comes again 8 times for nothing is
    dropped for another one, a thousand frames later.

    A tone whose period is a whole number of frames repeats itself, too. Left alone is what repeats within 64 frames;
    what has the crest of a tone or a square wave (1.6) without standing out in its steps, or that of two tones in its
    second differences (2.05); and what bends in no more than a sixteenth of its frames, as pulses and saws do. Another
    wave that a program makes with just such a period, of three tones for example, is not told from a buffer; nor is a
    square wave of less than 25 Hz from held values. Some buffers of noise of less than 128 frames pass for tones, and
    what has no step of 0.0001 is not looked at.

    Measure: ``stuck_s`` [channel], how long it has been one value. Latency: none.
    """

    min_s: float = param(0.01, 60.0, "how long one value is held", default=0.02)
    dead_s: float = param(0.1, 3600.0, "how long it is 0 while others are not", default=10.0)
    repeats: int = integer(3, 1000, "how often a buffer must come", default=4)
    layout: str = choice((DEFAULT, *NAMED_LAYOUTS), "speakers of the channels", default=DEFAULT)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Nothing heard yet."""
        rate, channels = format.rate, format.channels
        names = layout_speakers(self.layout, channels, "StuckChannelDetector.layout")
        params = Params(round(self.min_s * rate), round(self.dead_s * rate), self.repeats, rate // 20,
                        np.array([name not in LOW_FREQUENCY for name in names], np.int64))
        notes = np.zeros((channels, FIELDS), np.int64)
        notes[:, RUN:ON + 1] = -1
        return params, State(event_log(), np.zeros(1, np.int64), past(channels, FRAMES),
                             np.zeros(CELL + 1, np.float32), np.zeros(CELL, np.float32),
                             np.full((channels, 2), NO_STEP), np.full((channels, 2), -2 * FRAMES),
                             np.zeros((channels, 2), np.int64), notes, np.zeros(channels, np.int64),
                             np.zeros(channels, np.float32), np.array([1.0 / rate]))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at = s.at[0]
        for k in range(at // CELL, (at + x.shape[1]) // CELL):
            n = k * CELL - at
            moving = 0
            for c in range(x.shape[0]):
                if n < 1:
                    gather(x[c], s.ring[c], at, k * CELL - 1, CELL + 1, s.scratch)
                    cell(s.scratch, 1, x[c], c, k, p, s)
                else:
                    cell(x[c], n, x[c], c, k, p, s)
                moving += s.still[c] == 0 and p.sounds[c] != 0
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
    """A cell of a channel; `source` has the frame before it, too."""
    note = s.notes[c]
    d0, d1 = load(source, n) - load(source, n - 1), load(source, n + 8) - load(source, n + 7)
    d2, d3 = load(source, n + 16) - load(source, n + 15), load(source, n + 24) - load(source, n + 23)
    s.still[c] = all_true((vabs(d0) + vabs(d1)) + (vabs(d2) + vabs(d3)) == np.float32(0.0))
    if note[RUN] >= 0 or s.still[c]:
        hold(source, n, row, c, k, p, s)
    if note[LAG] > 0:
        follow(source, n, row, c, k, p, s)
    elif not s.still[c]:
        a, b = splat(s.steps[c, 0]), splat(s.steps[c, 1])
        one = vmin(vmin(vabs(d0 - a), vabs(d1 - a)), vmin(vabs(d2 - a), vabs(d3 - a)))
        two = vmin(vmin(vabs(d0 - b), vabs(d1 - b)), vmin(vabs(d2 - b), vabs(d3 - b)))
        if any_true(vmin(one, two) == np.float32(0.0)):
            seek(source, n, row, c, k, p, s)
        if k * CELL >= s.marks[c, 0] + AGES[0]:
            mark(source, n, c, k, 0, s)
        if k * CELL >= s.marks[c, 1] + AGES[1]:
            mark(source, n, c, k, 1, s)


@kernel
def hold(source: Any, n: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """One value goes on, ends, or begins in this cell."""
    note, first = s.notes[c], now(s.log) - s.at[0]
    if note[RUN] >= 0:
        value = source[n - 1]
        m = CELL if s.still[c] else 0
        while m < CELL and source[n + m] == value:
            m += 1
        if m == CELL:
            return
        if note[ON] >= 0:
            lasted = k * CELL + m - note[RUN]
            emit(s.log, note[ON], ENDED, note[RUN] + first, k * CELL + m + first, c,
                 np.float64(value) if note[ON] == STUCK else lasted * s.seconds[0])
        note[RUN], note[ON] = -1, NOT_YET
    if s.still[c] and abs(source[n]) <= LARGEST:
        start = k * CELL
        while start > max(0, (k - 1) * CELL) and heard(row, s.ring[c], s.at[0], start - 1) == source[n]:
            start -= 1
        note[RUN], note[MOVED] = start, 0


@kernel
def lasts(row: Any, c: int, k: int, moving: int, p: Any, s: Any) -> None:
    """One value has lasted to the end of a cell: is it to be told?"""
    note = s.notes[c]
    note[MOVED] += moving > 0
    if note[ON] != NOT_YET:
        return
    lasted = (k + 1) * CELL - note[RUN]
    start = note[RUN] + now(s.log) - s.at[0]
    value = np.float64(heard(row, s.ring[c], s.at[0], k * CELL))
    if abs(value) >= AUDIBLE:
        due = min(p.least, SOON * CELL)
        if lasted >= due > lasted - CELL and is_offset(row, c, value, p, s):
            note[ON] = OFFSET
        elif lasted >= p.least:
            note[ON] = STUCK
            emit(s.log, STUCK, BEGAN, start, 0, c, value)
    elif p.sounds[c] and lasted >= p.dead and 2 * CELL * note[MOVED] >= p.dead:
        note[ON] = DEAD
        emit(s.log, DEAD, BEGAN, start, 0, c, lasted * s.seconds[0])


@kernel
def is_offset(row: Any, c: int, value: float, p: Any, s: Any) -> bool:
    """Whether a value that is held was the mean of what was before."""
    end = s.notes[c, RUN]
    start, mean = max(0, end - BEFORE), 0.0
    for n in range(start, end):
        mean += np.float64(heard(row, s.ring[c], s.at[0], n)) / (end - start)
    return end - start >= BEFORE // 4 and abs(mean - value) <= LIKE * abs(value)


@kernel
def mark(source: Any, n: int, c: int, k: int, age: int, s: Any) -> None:
    """Look for this cell's greatest step from now on."""
    best, place = LEAST_STEP, -1
    for m in range(CELL):
        step = abs(source[n + m] - source[n + m - 1])
        if best <= step <= LARGEST:
            best, place = step, m
    s.steps[c, age], s.marks[c, age], s.vain[c, age] = NO_STEP, (k + PAUSE) * CELL - AGES[age], 0
    if place >= 0:
        s.steps[c, age], s.marks[c, age] = source[n + place] - source[n + place - 1], k * CELL + place


@kernel
def seek(source: Any, n: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """A step that is looked for is in this cell: is there a buffer to follow?"""
    for m in range(CELL):
        for age in range(2):
            if source[n + m] - source[n + m - 1] == s.steps[c, age]:
                frame = k * CELL + m
                lag = frame - s.marks[c, age]
                if SHORTEST <= lag <= LONGEST:
                    start = repeats_from(row, s.ring[c], s.at[0], frame, lag, (k + 1) * CELL)
                    if start >= 0:
                        note = s.notes[c]
                        note[LAG], note[FROM], note[TOLD] = lag, start, 0
                        note[ASK] = start + max(p.lasting, (p.repeats - 1) * lag)
                        return
                s.vain[c, age] += 1
                if s.vain[c, age] == PATIENCE:
                    s.steps[c, age] = NO_STEP


@kernel
def repeats_from(row: Any, ring: Any, at: int, frame: int, lag: int, end: int) -> Any:
    """First of the frames that repeat what was `lag` before, up to `end`; -1 if some do not, or too few."""
    for n in range(frame, end):
        if heard(row, ring, at, n) != heard(row, ring, at, n - lag):
            return -1
    start, oldest = frame, max(lag, end - FRAMES + lag)
    while start > oldest and heard(row, ring, at, start - 1) == heard(row, ring, at, start - 1 - lag):
        start -= 1
    return start if frame - start >= PROOF else -1


@kernel
def follow(source: Any, n: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """Does this cell repeat what was a buffer ago?"""
    note, at = s.notes[c], s.at[0]
    before = k * CELL - note[LAG]
    if before >= at:
        same = alike(source, n, row, before - at)
    else:
        gather(row, s.ring[c], at, before, CELL, s.earlier)
        same = alike(source, n, s.earlier, 0)
    first, end, lag = now(s.log) - at, k * CELL + same, np.float64(note[LAG])
    if not note[TOLD] and end >= note[ASK]:
        note[ASK] = end + (end - note[FROM])
        if is_buffer(row, s.ring[c], at, end, note[LAG]):
            note[TOLD] = 1
            emit(s.log, REPEATING, BEGAN, note[FROM] + first, 0, c, lag)
    if same < CELL:
        if note[TOLD]:
            emit(s.log, REPEATING, ENDED, note[FROM] + first, end + first, c, lag)
        note[LAG] = 0
        for age in range(2):
            s.steps[c, age], s.marks[c, age] = NO_STEP, k * CELL - AGES[age]


@kernel
def alike(a: Any, n: int, b: Any, m: int) -> Any:
    """How many frames of a cell are the same from its start on."""
    if (all_true(load(a, n) == load(b, m)) and all_true(load(a, n + 8) == load(b, m + 8))
            and all_true(load(a, n + 16) == load(b, m + 16)) and all_true(load(a, n + 24) == load(b, m + 24))):
        return CELL
    count = 0
    while count < CELL and a[n + count] == b[m + count]:
        count += 1
    return count


@kernel
def is_buffer(row: Any, ring: Any, at: int, end: int, length: int) -> bool:
    """Whether what repeats with `length` frames is no wave."""
    mean = 0.0
    for n in range(end - length, end):
        mean += np.float64(heard(row, ring, at, n)) / length
    powers, steps, seconds, top, top_step, top_second = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(end - length, end):
        v, step, second = differences(row, ring, at, n)
        powers, steps, seconds = powers + (v - mean) * (v - mean), steps + step * step, seconds + second * second
        top, top_step, top_second = max(top, abs(v - mean)), max(top_step, abs(step)), max(top_second, abs(second))
    if top * top * length <= ROUND * ROUND * powers and top_step * top_step * length <= EVEN * EVEN * steps:
        return False
    if top_second * top_second * length <= SMOOTH * SMOOTH * seconds:
        return False
    bends = 0
    for n in range(end - length, end):
        _, _, second = differences(row, ring, at, n)
        bends += abs(second) > BENT * top_second
    return 16 * bends > length and not sooner(row, ring, at, end, length)


@kernel
def differences(row: Any, ring: Any, at: int, n: int) -> Any:
    """A sample, what it is more than the one before, and what that difference is more than the one before."""
    v, b = np.float64(heard(row, ring, at, n)), np.float64(heard(row, ring, at, n - 1))
    return v, v - b, v - 2.0 * b + np.float64(heard(row, ring, at, n - 2))


@kernel
def sooner(row: Any, ring: Any, at: int, end: int, length: int) -> bool:
    """Whether it repeats within the shortest buffer, too."""
    for shorter in range(1, SHORTEST):
        n = end - length
        while n < end and heard(row, ring, at, n) == heard(row, ring, at, n - shorter):
            n += 1
        if n == end:
            return True
    return False
