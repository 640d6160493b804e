"""Failover: another source takes over when the main one falls silent, and gives back when it has returned."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, EVERY, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import port
from flowaudio.core.node import Format, Port, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hsum, lanes, load, load_part, select, splat, store, store_part, vabs, vmin
from flowaudio.core.units import db_to_power, ms_to_frames

__all__ = ["Failover"]

CELL_S = 0.01                           # over which a level is taken; no answer is finer than this
FLOOR_DBFS = -160.0
LOWEST_POWER = 1e-16
MANY = 1 << 40
ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LOUDEST = np.float32(1e4)               # a sample counts for no more
LARGEST = np.float32(3.0e38)


class Params(NamedTuple):
    """What the kernel takes. Times are whole numbers, and floats: a node of other times goes on with the same state."""

    cell: int                           # frames, a multiple of 8
    silent: float                       # power below which a cell is silent
    back: float                         # power from which on it is no longer
    after: float                        # cells
    back_after: float                   # cells
    fade: float                         # frames


class State(NamedTuple):
    """Inputs are counted in order of preference, the main one first. Cells are counted from the start."""

    log: Any                            # what has been found, see core.eventlog
    at: Any                             # int64 [1], frames in this cell
    power: Any                          # float32 [input, channel, 8], sums of squares in this cell
    quiet: Any                          # int64 [input], cells that it has been silent for
    here: Any                           # int64 [input], cells since it began to play, 0 where it does not
    start: Any                          # float32 [input], gain at the beginning of the fade
    faded: Any                          # int64 [2], frames of the fade that are over, and how many it has
    began: Any                          # int64 [1], frame at which the failover began
    playing: Any                        # int64 [1], the input that plays, or is faded to
    level_dbfs: Any                     # float32 [input]


@kernel
def square(x: Any, before: Any) -> Any:
    """``before + x²`` in lanes. What is no number counts as 0, what is out of all bounds as their edge."""
    size = vabs(x)
    size = select(size < LARGEST, vmin(size, splat(LOUDEST)), splat(ZERO))
    return fma(size, size, before)


@kernel
def one_square(x: Any, before: Any) -> Any:
    """The same of one number, to the same bit."""
    size = abs(x)
    size = min(size, LOUDEST) if size < LARGEST else ZERO
    return fma(size, size, before)


@kernel
def listen(x: Any, first: int, count: int, at: int, power: Any) -> None:
    """Add squares to those of the cell; each frame in the lane that its place in the cell gives it."""
    head = min((8 - at % 8) % 8, count)
    whole = head + (count - head) // 8 * 8
    for c in range(x.shape[0]):
        row, sums = x[c], power[c]
        for n in range(head):
            k = (at + n) % 8
            sums[k] = one_square(row[first + n], sums[k])
        sum = load(sums, 0)
        for n in range(first + head, first + whole, 8):
            sum = square(load(row, n), sum)
        store(sums, 0, sum)
        for n in range(whole, count):
            k = n - whole
            sums[k] = one_square(row[first + n], sums[k])


@kernel
def pass_on(x: Any, y: Any, first: int, count: int) -> None:
    """As it is."""
    whole = first + count - count % 8
    for c in range(x.shape[0]):
        source, target = x[c], y[c]
        for n in range(first, whole, 8):
            store(target, n, load(source, n))
        if count % 8:
            store_part(target, whole, count % 8, load_part(source, whole, count % 8))


@kernel
def fade(x: Any, others: Any, y: Any, first: int, count: int, s: Any) -> None:
    """The sum of all inputs, each on the straight line from the gain that it had to the one that it shall have."""
    frames = x.shape[1]
    step = lanes(ZERO, ONE, ONE + ONE, np.float32(3.0), np.float32(4.0), np.float32(5.0), np.float32(6.0),
                 np.float32(7.0))
    per_frame = ONE / np.float32(s.faded[1])
    for c in range(x.shape[0]):
        for n in range(0, count, 8):
            some = min(8, count - n)
            part = (step + np.float32(s.faded[0] + n)) * per_frame
            goal = ONE if s.playing[0] == 0 else ZERO
            gain = fma(part, goal - s.start[0], splat(s.start[0]))
            sum = gain * load_part(x[c], first + n, some)
            for k in range(1, s.start.size):
                goal = ONE if s.playing[0] == k else ZERO
                gain = fma(part, goal - s.start[k], splat(s.start[k]))
                sum = fma(gain, load_part(port(others, k - 1, frames)[c], first + n, some), sum)
            store_part(y[c], first + n, some, sum)


@kernel
def judge(p: Any, s: Any) -> None:
    """A cell is full: what each input does, by its loudest channel."""
    for k in range(s.quiet.size):
        loudest = ZERO
        for c in range(s.power.shape[1]):
            loudest = max(loudest, hsum(load(s.power[k, c], 0)))
            store(s.power[k, c], 0, splat(ZERO))
        level = loudest / np.float32(p.cell)
        s.level_dbfs[k] = np.float32(10.0 * math.log10(max(np.float64(level), LOWEST_POWER)))
        s.quiet[k] = min(s.quiet[k] + 1, MANY) if level < p.silent else 0
        if s.here[k] > 0 or level >= p.back:
            s.here[k] = min(s.here[k] + 1, MANY)
        if 2 * s.quiet[k] > p.after:    # longer than a pause in speech or music may be
            s.here[k] = 0


@kernel
def choice(p: Any, s: Any) -> int:
    """Which input shall play."""
    playing = s.playing[0]
    if s.quiet[playing] >= p.after:
        for k in range(s.quiet.size):
            if k != playing and s.here[k] > 0:
                return k
    else:
        for k in range(playing):
            if s.here[k] >= p.back_after and s.quiet[k] == 0:
                return k
    return playing  # type: ignore[no-any-return]  # an int, as the state is


@kernel
def turn_to(goal: int, at: int, p: Any, s: Any) -> None:
    """Fade to another input, from wherever the last fade is; `at` is the frame at which that begins."""
    part = np.float32(s.faded[0]) / np.float32(s.faded[1]) if s.faded[0] < s.faded[1] else ONE
    for k in range(s.start.size):
        before = ONE if s.playing[0] == k else ZERO
        s.start[k] = before if part == ONE else fma(part, before - s.start[k], s.start[k])
    if s.playing[0] == 0:
        s.began[0] = at
        emit(s.log, 0, BEGAN, at, at, EVERY, np.float64(s.level_dbfs[0]))
    elif goal == 0:
        emit(s.log, 0, ENDED, s.began[0], at, EVERY, np.float64(s.level_dbfs[0]))
    s.playing[0] = goal
    s.faded[0], s.faded[1] = 0, int(p.fade)


@node(inputs=("in", Port("backup", many=True)), events=("failover",), measures=("playing", "level_dbfs"))
class Failover:
    """Plays the main input, and another one while that is silent::

        in ─────────► ┌───────────────────────────┐
        backup ─────► │ silent for after_s? fade  │ ─► out
        backup (2) ─► └───────────────────────────┘

    An input is silent while the RMS of its loudest channel, in steps of 10 ms, is below `threshold_dbfs`. When what
    plays has been silent for `after_s`, the first input that plays takes over, in `fade_ms`. One that is preferred to
    it takes over again when it has been back for `return_s`: it began at `hysteresis_db` above the threshold, was never
    silent for more than half of `after_s` since, and is not silent now; at once, if what plays falls silent meanwhile.
    Where all are silent, all stays as it is: an input that is silent too is never turned to.

    Gains go in straight lines and always sum up to 1 ("equal gain"): a fade is never louder than the louder of both,
    and is not heard where both carry the same programme; between unrelated ones it is 3 dB softer in its middle.
    Nothing is delayed; the inputs are aligned as those of every node, and each is passed bit for bit when it plays
    alone.

    Event ``failover``, while something else than the main input plays: from the frame at which the first fade begins to
    that at which the fade back begins, for all channels together. Its strength is the RMS of the main input, in dBFS,
    in the 10 ms before that. Measures `playing` (0 is the main input, then the others in order) and `level_dbfs`, one
    for each input, of the last full 10 ms; silence reads -160.

    It does not find a main input that goes on with the wrong sound above the threshold: hum, noise, a loop, or an
    offset (DC) of a dead input, which is no silence.

    Latency: none. Error against float64: 3e-7 of the loudest input, within a fade.
    """

    threshold_dbfs: float = param(-120.0, 0.0, "RMS below which an input is silent", default=-50.0)
    hysteresis_db: float = param(0.0, 40.0, "how far above that it has to be to have come back", default=6.0)
    after_s: float = param(0.02, 3600.0, "silence of what plays, before another input takes over", default=3.0)
    return_s: float = param(0.02, 3600.0, "how long a preferred input must have been back", default=3.0)
    fade_ms: float = param(0.0, 10_000.0, "length of the fade between two inputs", default=100.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        cell = 8 * max(round(CELL_S * format.rate / 8), 1)
        silent = db_to_power(self.threshold_dbfs)
        after, back = (max(math.ceil(seconds * format.rate / cell), 1) for seconds in (self.after_s, self.return_s))
        count = max(len(format.inputs), 2)
        start = np.zeros(count, np.float32)
        start[0] = 1.0
        params = Params(cell, silent, silent * db_to_power(self.hysteresis_db), float(after), float(back),
                        float(ms_to_frames(self.fade_ms, format.rate)))
        return params, State(
            event_log(), np.zeros(1, np.int64), np.zeros((count, format.channels, 8), np.float32),
            np.zeros(count, np.int64), np.zeros(count, np.int64), start, np.zeros(2, np.int64), np.zeros(1, np.int64),
            np.zeros(1, np.int64), np.full(count, FLOOR_DBFS, np.float32))

    @kernel
    def process(x: Any, others: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        n = 0
        while n < frames:
            count = min(p.cell - s.at[0], frames - n)
            fading = s.faded[0] < s.faded[1]
            if fading:
                count = min(count, s.faded[1] - s.faded[0])
            listen(x, n, count, s.at[0], s.power[0])
            for k in range(1, s.start.size):
                listen(port(others, k - 1, frames), n, count, s.at[0], s.power[k])
            if fading:
                fade(x, others, y, n, count, s)
                s.faded[0] += count
            elif s.playing[0] == 0:
                pass_on(x, y, n, count)
            else:
                pass_on(port(others, s.playing[0] - 1, frames), y, n, count)
            s.at[0] += count
            n += count
            if s.at[0] == p.cell:
                s.at[0] = 0
                judge(p, s)
                goal = choice(p, s)
                if goal != s.playing[0]:
                    turn_to(goal, now(s.log) + n, p, s)
