"""Holes in a signal: where they begin and end, and whether somebody played them."""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import all_true, any_true, load, vabs
from flowaudio.nodes._edges import jump
from flowaudio.nodes._levels import LOWEST_POWER, dbfs, heard, loudest

__all__ = ["AROUND", "CELLS", "DONE_END", "DONE_START", "DUE", "FIELDS", "FLOOR", "LOUD", "NATURAL", "PENDING",
           "QUIET_END", "QUIET_START", "RUN", "STRENGTH", "VALUES", "ZEROS", "advance", "follow", "judge",
           "mean_square"]

ZERO = np.float32(0.0)
CELLS = 64                              # that are remembered
AROUND = 40                             # of them before and after a hole that must hold sound
WAIT = 3                                # cells that a hole waits for the same hole in other channels

RUN, ZEROS, BEFORE, ZEROS_BEFORE, START, PENDING, END, COUNT, FOREIGN, HELD, NATURAL, LOUD, QUIET_START, QUIET_END,\
    DONE_START, DONE_END, SUMMED, FIELDS = range(18)
"""Of a channel, frames or -1: the first of a quiet run; of zeros; how sound ended before the run and before the zeros
(-1 not looked at, or one of the next three); where the quiet run begins to the frame; the hole that waits for what
follows, its end, how many they are, 1 if these are zeros that do not belong there, how sound ended before it; the last
zeros that do belong there; the last cell that was loud; the last quiet run; the dropout that waits for other channels;
cells in SUM."""

LET_GO, CUT, FADED = range(3)

NEAR_BEFORE, LEVEL_BEFORE, FADE_BEFORE, HELD_NEAR, HELD_LEVEL, HELD_FADE, LEFT, STRENGTH, DUE, FLOOR, SUM,\
    VALUES = range(12)
"""Mean squares of the 5 ms before a run and the loudest 10 ms, how much was left half a millisecond before it; the
same before the hole that waits; greatest magnitude in that hole; its strength in dB; the frame at which it is told;
mean square of the softest 8 cells lately, and of some cells."""

AHEAD = 6                               # frames in which a sound that was cut is missed
ERROR = 1e-4                            # of the prediction against the loudest 10 ms: -40 dB, as powers
SURPRISE = (16.0, 2.0)                  # that error against what cannot be predicted beside the hole: 12 dB; 3 dB
TONAL = 10.0 ** -2.5                    # part of the power that cannot be predicted, up to which 12 dB are asked for
NOISE = 10.0 ** -1.5                    # part of the power that cannot be predicted, from which on it is noise
NOISY = 10.0 ** -0.8                    # noise next to a hole, against the 10 ms there: -8 dB
DEPTH = 10.0 ** -2.4                    # greatest sample in a hole against the loudest 10 ms: -24 dB, as powers
ATTACK = 8.0                            # noise behind a long hole against before it: 9 dB
LONG = 30                               # cells
OFTEN = 12                              # cells from hole to hole that make a waveform

FADE = 10.0 ** -1.8                     # what is left half a millisecond from zeros: -18 dB
FADES = 10.0 ** -3.0                    # at both ends together: -30 dB
SLOW = 10.0 ** -2.5                     # before a hole, with the 5 ms there against the loudest 10 ms: -25 dB
BESIDE = 10.0 ** -1.2                   # these 5 ms, against what is loud: -12 dB

SPAN = 8                                # cells of the floor
SOFTEST = 1e-10                         # the floor is not under -100 dBFS,
RISE = 10.0 ** 0.0024                   # and rises by 3 dB a second


@kernel
def mean_square(powers: Any, first: int, count: int) -> Any:
    """Of cells."""
    total = 0.0
    for k in range(first, first + count):
        total += powers[k % CELLS]
    return total / count


@kernel
def loudest_ten(powers: Any, first: int, count: int) -> Any:
    """Greatest mean square of ten cells that follow each other, of `count`."""
    top = 0.0
    for k in range(first, first + count - 9, 5):
        top = max(top, mean_square(powers, k, 10))
    return top


@kernel
def square(row: Any, ring: Any, at: int, start: int, count: int) -> Any:
    """Mean square of frames."""
    total = 0.0
    for n in range(max(0, start), start + count):
        v = np.float64(heard(row, ring, at, n))
        total += v * v
    return total / count


@kernel
def follow(source: Any, first: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """Go through a cell: quiet runs and runs of zeros that begin and end in it. Its frames are in source[first:]."""
    note, quiet = s.notes[c], p.quiet[0]
    for g in range(0, p.cell, 8):
        a = vabs(load(source, first + g))
        if note[ZEROS] < 0:
            if note[RUN] < 0 and not any_true(a < quiet):
                continue
            if note[RUN] >= 0 and all_true(a < 2 * quiet) and not any_true(a == ZERO):
                continue
        for n in range(k * p.cell + g, k * p.cell + g + 8):
            step(abs(heard(row, s.ring[c], s.at[0], n)), n, row, c, p, s)


@kernel
def step(a: Any, n: int, row: Any, c: int, p: Any, s: Any) -> None:
    """One frame of magnitude `a`."""
    note, quiet = s.notes[c], p.quiet[0]
    if a == ZERO:
        if note[ZEROS] < 0:
            note[ZEROS] = n
    elif note[ZEROS] >= 0:
        close_zeros(row, c, n, p, s)
    if note[RUN] < 0:
        if a < quiet:
            note[RUN] = n
    elif a >= 2 * quiet:
        if n - note[RUN] >= p.least:
            close(row, c, n, p, s)
        note[RUN] = note[BEFORE] = -1


@kernel
def advance(power: float, top: Any, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """A cell is over: look at what goes on, as long as what was before is remembered; mind the softest."""
    note, value, end = s.notes[c], s.values[c], (k + 1) * p.cell
    if note[ZEROS] >= 0 and end - note[ZEROS] >= p.least and note[ZEROS_BEFORE] < 0:
        look_before_zeros(row, c, p, s)
    if note[RUN] >= 0 and end - note[RUN] >= p.least and note[BEFORE] < 0:
        look_back(row, c, note[RUN], p, s)
    if note[RUN] >= 0 and end - note[RUN] > p.longest:
        note[RUN] = note[ZEROS] = note[BEFORE] = note[ZEROS_BEFORE] = -1
    if note[BEFORE] > 0 or note[ZEROS_BEFORE] > 0:
        value[SUM], note[SUMMED] = 0.0, 0
        return
    if top == ZERO and note[LOUD] >= 0 and (note[ZEROS] < 0 or note[ZEROS_BEFORE] == LET_GO):
        note[NATURAL] = end
    value[SUM] += power
    note[SUMMED] += 1
    if note[SUMMED] >= SPAN:
        value[FLOOR] = max(SOFTEST, min(value[SUM] / SPAN, value[FLOOR] * RISE))
        value[SUM], note[SUMMED] = 0.0, 0


@kernel
def look_before_zeros(row: Any, c: int, p: Any, s: Any) -> None:
    """Zeros are enough for a hole of their own."""
    note = s.notes[c]
    note[ZEROS_BEFORE] = before(row, c, note[ZEROS], foreign(note, note[ZEROS], p), p, s)
    if note[ZEROS_BEFORE] > 0:
        note[BEFORE] = LET_GO           # they are the hole, and not the quiet run in which they are


@kernel
def foreign(note: Any, start: int, p: Any) -> Any:
    """Whether zeros do not belong to the sound: it had none of its own lately."""
    return start - note[NATURAL] > p.memory


@kernel
def close_zeros(row: Any, c: int, n: int, p: Any, s: Any) -> None:
    """Zeros end before frame `n`."""
    note, start = s.notes[c], s.notes[c, ZEROS]
    if n - start >= p.least:
        if note[ZEROS_BEFORE] < 0:
            look_before_zeros(row, c, p, s)
        note[QUIET_START], note[QUIET_END] = start, n
        if note[ZEROS_BEFORE] > 0:
            hold(c, start, n, 0.0, note[ZEROS_BEFORE], int(foreign(note, start, p)), s)
        elif note[LOUD] >= 0:
            note[NATURAL] = n
    elif n - start >= p.zeros:
        ended = before(row, c, start, False, p, s)
        if ended > 0:
            note[QUIET_START], note[QUIET_END] = start, n
            hold(c, start, n, 0.0, ended, 0, s)
    note[ZEROS] = note[ZEROS_BEFORE] = -1


@kernel
def look_back(row: Any, c: int, run: int, p: Any, s: Any) -> None:
    """A quiet run is long enough: where it begins to the frame, and whether sound stopped there at once."""
    note, ring, at = s.notes[c], s.ring[c], s.at[0]
    left = 2 * loudest(row, ring, at, run + p.least // 2, run + p.least)
    start = run + p.least // 2
    while start > max(0, run - p.cell) and abs(heard(row, ring, at, start - 1)) <= left:
        start -= 1
    note[START], note[BEFORE] = start, LET_GO
    if np.float64(left) * left <= s.values[c, FLOOR]:
        note[BEFORE] = before(row, c, start, False, p, s)


@kernel
def close(row: Any, c: int, n: int, p: Any, s: Any) -> None:
    """A quiet run ends before frame `n`."""
    note, ring, at = s.notes[c], s.ring[c], s.at[0]
    if note[BEFORE] < 0:
        look_back(row, c, note[RUN], p, s)
    middle = n - p.least // 2
    left = 2.0 * np.float64(loudest(row, ring, at, n - p.least, middle))
    end = middle
    while end < n and abs(heard(row, ring, at, end)) <= left:
        end += 1
    note[QUIET_START], note[QUIET_END] = note[START], end
    if note[BEFORE] > 0 and left * left <= s.values[c, FLOOR]:
        hold(c, note[START], end, 0.5 * left, note[BEFORE], 0, s)


@kernel
def hold(c: int, start: int, end: int, left: float, ended: int, strange: int, s: Any) -> None:
    """A hole waits for what follows, with others that are close to it."""
    note, value = s.notes[c], s.values[c]
    if note[PENDING] < 0:
        note[PENDING], note[COUNT], value[LEFT], note[HELD] = start, 0, 0.0, ended
        value[HELD_NEAR], value[HELD_LEVEL] = value[NEAR_BEFORE], value[LEVEL_BEFORE]
        value[HELD_FADE] = value[FADE_BEFORE]
    note[END], note[FOREIGN] = end, strange
    note[COUNT] += 1
    value[LEFT] = max(value[LEFT], left)


@kernel
def judge(row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """40 ms after a hole: is it a dropout?"""
    note, value = s.notes[c], s.values[c]
    first = note[END] // p.cell + 1
    if k < first + AROUND - 1:
        return
    start, end, count = note[PENDING], note[END], note[COUNT]
    note[PENDING] = -1
    often = count > 3 and end - start < OFTEN * p.cell * count
    shallow = value[LEFT] * value[LEFT] > DEPTH * value[HELD_LEVEL]
    if often or shallow or not behind(row, c, end, end - start > LONG * p.cell * count, first, p, s):
        belongs(c, end, s)
        return
    note[DONE_START], note[DONE_END] = start, end
    value[STRENGTH] = dbfs(value[HELD_LEVEL]) - max(-120.0, dbfs(max(value[LEFT] * value[LEFT], LOWEST_POWER)))
    value[DUE] = (k + WAIT) * p.cell


@kernel
def belongs(c: int, end: int, s: Any) -> None:
    """A hole was none: so silence is part of the sound."""
    value = s.values[c]
    if value[LEFT] == 0.0:
        s.notes[c, NATURAL] = end
    value[FLOOR] = max(SOFTEST, min(value[FLOOR], value[LEFT] * value[LEFT]))


@kernel
def was_cut(error: float, left: float, level: float, near: float, ten: float) -> Any:
    """Whether a sound was in full swing at an edge; mean squares of the millisecond there and of 10 ms."""
    if error * error < ERROR * level:
        return False
    if left < NOISE:
        return bool(error * error > (SURPRISE[0] if left < TONAL else SURPRISE[1]) * left * ten)
    return bool(near >= NOISY * ten)


@kernel
def before(row: Any, c: int, start: int, zeros: Any, p: Any, s: Any) -> int:
    """How sound ended at a hole; its levels are noted. `zeros`: of a kind before which a fade is a fault, too."""
    powers, value, ring, at = s.powers[c], s.values[c], s.ring[c], s.at[0]
    cell = start // p.cell
    if cell < 4:
        return LET_GO
    count = min(AROUND, cell)
    near = square(row, ring, at, start - 5 * p.cell, 5 * p.cell)
    level = max(loudest_ten(powers, cell - count, count), near)
    value[NEAR_BEFORE], value[LEVEL_BEFORE], value[FADE_BEFORE] = near, level, 1.0
    if level < p.loud[0]:
        return LET_GO
    error, left, fade = jump(row, ring, at, start, 1, p.cell, AHEAD, p.window, s.work)
    if was_cut(error, left, level, square(row, ring, at, start - p.cell, p.cell),
               square(row, ring, at, start - 10 * p.cell, 10 * p.cell)):
        return CUT
    value[FADE_BEFORE] = min(fade, 1.0)
    if zeros and fade >= FADE and fade * near >= SLOW * level and near >= BESIDE * p.loud[0]:
        return FADED
    return LET_GO


@kernel
def behind(row: Any, c: int, end: int, long: bool, first: int, p: Any, s: Any) -> Any:
    """Whether sound in full swing stands behind a hole. One that begins does so with a frame that follows from 0."""
    note, value, ring, at = s.notes[c], s.values[c], s.ring[c], s.at[0]
    near = square(row, ring, at, end, 5 * p.cell)
    level = max(near, loudest_ten(s.powers[c], first, AROUND))
    if level < p.loud[0]:
        return False
    strange = note[FOREIGN] > 0
    long = long and not strange
    error, left, fade = jump(row, ring, at, end - 1, -1, p.cell, 1 if long else AHEAD, p.window, s.work)
    cut = was_cut(error, left, level, square(row, ring, at, end, p.cell), square(row, ring, at, end, 10 * p.cell))
    if cut:
        return not (long and left >= NOISE and near > ATTACK * value[HELD_NEAR])
    return strange and fade >= max(FADE, FADES / value[HELD_FADE]) and near >= BESIDE * p.loud[0]
