"""Holes in a signal: where they begin and end, and whether somebody played them."""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.nodes._edges import jump
from flowaudio.nodes._levels import LOWEST_POWER, dbfs, heard, loudest

__all__ = ["AROUND", "BEFORE", "CELLS", "DONE_END", "DONE_START", "DUE", "FIELDS", "LOUD", "PENDING", "QUIET_END",
           "QUIET_START", "RUN", "STRENGTH", "VALUES", "ZEROS", "follow", "judge", "look_back", "mean_square"]

CELLS = 64                              # that are remembered
AROUND = 40                             # of them before and after a hole that must hold sound
WAIT = 3                                # cells that a hole waits for the same hole in other channels

RUN, ZEROS, BEFORE, START, PENDING, END, COUNT, LOUD, QUIET_START, QUIET_END, DONE_START, DONE_END, ZEROS_END,\
    FIELDS = range(14)
"""Of a channel, frames or -1: the first of a quiet run; of zeros; whether what is before it was looked at (-1, 0 no
hole, 1 a hole); where the hole begins; the hole that waits for what follows, its end, how many they are; the last cell
that was loud; the last quiet run; the dropout that waits for other channels; the end of the
zeros with which a quiet run began."""

NEAR_BEFORE, LEVEL_BEFORE, HELD_NEAR, HELD_LEVEL, LEFT, STRENGTH, DUE, VALUES = range(8)
"""Mean squares of the 5 ms before a run and the loudest 10 ms, the same before the hole that waits; greatest magnitude
in that hole; its strength in dB; the frame at which it is told."""

AHEAD = 6                               # frames in which a sound that was cut is missed
CUT = 1e-4                              # the error of the prediction against the loudest 10 ms: -40 dB, as powers
SURPRISE = (16.0, 2.0)                  # that error against what cannot be predicted beside the hole: 12 dB; 3 dB
TONAL = 10.0 ** -2.5                    # part of the power that cannot be predicted, up to which 12 dB are asked for
NOISE = 10.0 ** -1.5                    # part of the power that cannot be predicted, from which on it is noise
NOISY = 10.0 ** -0.8                    # noise next to a hole, against the 10 ms there: -8 dB
DEPTH = 10.0 ** -2.4                    # greatest sample in a hole against the loudest 10 ms: -24 dB, as powers
ATTACK = 8.0                            # noise behind a long hole against before it: 9 dB
LONG = 30                               # cells
OFTEN = 12                              # cells from hole to hole that make a waveform


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
def surprising(error: float, left: float, power: float) -> Any:
    """Whether the error of a prediction is more than what it missed all the time."""
    return error * error > (SURPRISE[0] if left < TONAL else SURPRISE[1]) * left * power


@kernel
def follow(row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """Go through a cell, frame by frame: quiet runs and runs of zeros that begin and end in it."""
    note, quiet = s.notes[c], p.quiet[0]
    at = s.at[0]
    for n in range(k * p.cell, (k + 1) * p.cell):
        a = abs(heard(row, s.ring[c], at, n))
        if a == 0:
            if note[ZEROS] < 0:
                note[ZEROS] = n
        elif note[ZEROS] >= 0:
            if p.zeros <= n - note[ZEROS] < p.least:
                short_hole(row, c, k, note[ZEROS], n, p, s)
            elif n - note[ZEROS] >= p.least and note[ZEROS_END] < 0 and note[ZEROS] - note[RUN] < p.least // 2:
                note[ZEROS_END] = n     # what comes behind them may be soft, and sound
            note[ZEROS] = -1
        if note[RUN] < 0:
            if a < quiet:
                note[RUN] = n
        elif a >= 2 * quiet:
            if n - note[RUN] >= p.least:
                close(row, c, k, n, p, s)
            note[RUN] = note[BEFORE] = note[ZEROS_END] = -1


@kernel
def look_back(row: Any, c: int, k: int, run: int, p: Any, s: Any) -> None:
    """A quiet run is long enough: where it begins to the frame, and whether sound stopped there at once."""
    note, ring, at = s.notes[c], s.ring[c], s.at[0]
    left = 2 * loudest(row, ring, at, run + p.least // 2, run + p.least)
    start = run + p.least // 2
    while start > max(0, run - p.cell) and abs(heard(row, ring, at, start - 1)) <= left:
        start -= 1
    note[START] = start
    note[BEFORE] = before(row, c, start, p, s)


@kernel
def before(row: Any, c: int, start: int, p: Any, s: Any) -> int:
    """Whether sound in full swing stands before a hole; its levels are noted."""
    powers, value = s.powers[c], s.values[c]
    cell = start // p.cell
    if cell < 4:
        return 0
    count = min(AROUND, cell)
    value[NEAR_BEFORE] = square(row, s.ring[c], s.at[0], start - 5 * p.cell, 5 * p.cell)
    value[LEVEL_BEFORE] = max(loudest_ten(powers, cell - count, count), value[NEAR_BEFORE])
    if value[LEVEL_BEFORE] < p.loud[0]:
        return 0
    error, left = jump(row, s.ring[c], s.at[0], start, 1, p.window.size, AHEAD, p.window, s.work)
    if error * error < CUT * value[LEVEL_BEFORE]:
        return 0
    if left < NOISE:
        return int(surprising(error, left, square(row, s.ring[c], s.at[0], start - 10 * p.cell, 10 * p.cell)))
    edge = square(row, s.ring[c], s.at[0], start - p.cell, p.cell)
    return int(edge >= NOISY * square(row, s.ring[c], s.at[0], start - 10 * p.cell, 10 * p.cell))


@kernel
def close(row: Any, c: int, k: int, n: int, p: Any, s: Any) -> None:
    """A quiet run ends before frame `n`."""
    note, ring, at = s.notes[c], s.ring[c], s.at[0]
    if note[BEFORE] < 0:
        look_back(row, c, k, note[RUN], p, s)
    middle = n - p.least // 2
    left = 2.0 * np.float64(loudest(row, ring, at, n - p.least, middle))
    end = middle
    while end < n and abs(heard(row, ring, at, end)) <= left:
        end += 1
    if note[ZEROS_END] > note[START]:
        end, left = note[ZEROS_END], np.float64(0.0)
    note[QUIET_START], note[QUIET_END] = note[START], end
    if note[BEFORE] == 1:
        hold(c, note[START], end, 0.5 * left, p, s)


@kernel
def short_hole(row: Any, c: int, k: int, start: int, end: int, p: Any, s: Any) -> None:
    """Zeros, fewer than make a quiet run, with sound on both sides."""
    if before(row, c, start, p, s):
        s.notes[c, QUIET_START], s.notes[c, QUIET_END] = start, end
        hold(c, start, end, 0.0, p, s)


@kernel
def hold(c: int, start: int, end: int, left: float, p: Any, s: Any) -> None:
    """A hole waits for what follows, with others that are close to it."""
    note, value = s.notes[c], s.values[c]
    if note[PENDING] < 0:
        note[PENDING], note[COUNT], value[LEFT] = start, 0, 0.0
        value[HELD_NEAR], value[HELD_LEVEL] = value[NEAR_BEFORE], value[LEVEL_BEFORE]
    note[END] = end
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
    if value[LEFT] * value[LEFT] > DEPTH * value[HELD_LEVEL]:
        return
    if not behind(row, c, end, end - start > LONG * p.cell * count, first, p, s):
        return
    if count > 3 and end - start < OFTEN * p.cell * count:
        return
    note[DONE_START], note[DONE_END] = start, end
    value[STRENGTH] = dbfs(value[HELD_LEVEL]) - max(-120.0, dbfs(max(value[LEFT] * value[LEFT], LOWEST_POWER)))
    value[DUE] = (k + WAIT) * p.cell


@kernel
def behind(row: Any, c: int, end: int, long: bool, first: int, p: Any, s: Any) -> Any:
    """Whether sound in full swing stands behind a hole. One that begins does so with a frame that follows from 0."""
    value, ring, at = s.values[c], s.ring[c], s.at[0]
    near = square(row, ring, at, end, 5 * p.cell)
    level = max(near, loudest_ten(s.powers[c], first, AROUND))
    if level < p.loud[0]:
        return False
    error, left = jump(row, ring, at, end - 1, -1, p.window.size, 1 if long else AHEAD, p.window, s.work)
    if error * error < CUT * level:
        return False
    if left < NOISE:
        return surprising(error, left, square(row, ring, at, end, 10 * p.cell))
    if long and near > ATTACK * value[HELD_NEAR]:
        return False
    return bool(square(row, ring, at, end, p.cell) >= NOISY * square(row, ring, at, end, 10 * p.cell))
