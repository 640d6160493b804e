"""Finds jumps of the level."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import EVERY, WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.nodes._levels import FLOOR_DBFS, dbfs, gather, grid, pass_through, past, remember, total

__all__ = ["LevelJumpDetector"]

HOP_S = 0.02
RUN, CALM = 100, 25                     # hops: places in a row that may be one jump; after so many others it is over
LESS_DB = 1.25                          # of what the programme's own changes may hide
MEAN, ABOVE_DB = 0.45, 12.0             # part of the jump that the mean level makes too; by how much more it may be
INNER, OUTER = 0.55, 0.25                # parts that are left between the nearer halves of both sides, the farther
ABRUPT, ONSET = 0.7, 2.5                # parts that are made at once: less is a fade, more what follows a pause
NEAR = 4                                # hops
REACHES = (12, 25, 50)                  # hops in which it may be
EQUAL, STEADY = 0.55, 0.25              # parts by which channels that jump together may differ, others may change
STEPS = 1024.0                          # levels are rounded to so many parts of a dB,
PARTS = 2.0 ** 40                       # powers to so many of full scale: sums of whole numbers stay exact
MOST = 16.0
LOWEST_DB = -100.0                      # digital silence is no lower for a mean
P_AFTER, P_BEFORE, L_AFTER, L_BEFORE = range(4)
FIRST, LAST, NEXT = range(3)


class Params(NamedTuple):
    """For a rate."""

    hop: int                            # frames
    side: int                           # hops before, and after
    limits: Any                         # float64 [2]: dB; dBFS


class State(NamedTuple):
    """Hops are counted from the node's own start. Rows: each channel, then all together."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, hop]
    scratch: Any                        # float32 [hop]
    powers: Any                         # int64 [row, 2 side + RUN + CALM + 8], of hops; slot = hop modulo length
    levels: Any                         # int64, the same
    sums: Any                           # int64 [row, 4]: powers after and before the middle, levels after and before
    runs: Any                           # int64 [row, 3]: first (or -1) and last place of what may be a jump; the hop
                                        # before which no jump is looked for
    level_dbfs: Any                     # float32 [channel]


@node(in_place=True, events=("level_jump",), measures=("level_dbfs",))
class LevelJumpDetector:
    """Finds places where the level changes at once and stays; the signal passes unchanged.

    A gain that jumps takes the loud and the soft with it, and all channels alike. So of hops of 20 ms, `hold_s` after a
    place and `hold_s` before it are compared: their RMS differs by `jump_db` (less 1.25 dB, which the programme's own
    changes may hide), their mean level in dB by 0.45 of that at least with the same sign, the RMS of the nearer halves
    by 0.55, of the farther by a quarter: it stays. Of the places in a row where that is so, the jump is the one at
    which two constant powers describe the hops best (the likelihood of exponentially distributed powers). There seven
    tenths of it must be made within 0.25, 0.5 or 1 s, or it is a fade; and within 1 s not more than 2.5 times as much,
    or a pause ended.

    When each channel jumps by about as much as all of them, half of it more or less, that is told for all together; one
    channel alone when it does so within 0.25 s and the others change by a quarter of it at most. Other changes are the
    music's: instruments come and go on their own sides.

    Event ``level_jump``, told 0.5 to 2.5 s after `hold_s`: [start, start + 1 hop), within some hops where sound goes on
    at the jump, half a second in speech. Strength: the change in dB, with its sign. Between two jumps there is at least
    `hold_s`. What is under `quiet_dbfs` on both sides is not looked at.

    Measure: ``level_dbfs`` [channel], of the last hop. Latency: none. Not found: slow changes, and those of a signal
    that varies as much as the jump does. Told though no fault: music that changes as much at once on both sides.
    """

    jump_db: float = param(3.0, 60.0, "change of the level", default=12.0)
    hold_s: float = param(0.5, 30.0, "how long it must have been one level, and must be the other", default=3.0)
    quiet_dbfs: float = param(-120.0, 0.0, "RMS under which it is a pause", default=-50.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Windows in hops; nothing heard yet."""
        channels, hop = format.channels, grid(format.rate, HOP_S)
        side = max(4, round(self.hold_s * format.rate / hop))
        rows, length = channels + 1, 2 * side + RUN + 2 * CALM + 8
        runs = np.zeros((rows, 3), np.int64)
        runs[:, FIRST] = -1
        sums = np.zeros((rows, 4), np.int64)
        sums[:, L_AFTER:] = int(side * LOWEST_DB * STEPS)
        return (Params(hop, side, np.array([self.jump_db, self.quiet_dbfs])),
                State(event_log(), np.zeros(1, np.int64), past(channels, hop), np.zeros(hop, np.float32),
                      np.zeros((rows, length), np.int64), np.full((rows, length), int(LOWEST_DB * STEPS), np.int64),
                      sums, runs, np.full(channels, FLOOR_DBFS, np.float32)))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at, hop, channels = s.at[0], p.hop, x.shape[0]
        for k in range(at // hop, (at + x.shape[1]) // hop):
            n, together = k * hop - at, 0.0
            for c in range(channels):
                if n < 0:
                    gather(x[c], s.ring[c], at, k * hop, hop, s.scratch)
                    power, _ = total(s.scratch, 0, hop)
                else:
                    power, _ = total(x[c], n, hop)
                together += power / hop
                s.level_dbfs[c] = dbfs(power / hop)
                hear(c, k, power / hop, p, s)
            hear(channels, k, together / channels, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        pass_through(x, y)


@kernel
def slide(values: Any, k: int, value: Any, side: int, sums: Any, after: int) -> None:
    """A value comes, one goes from what is after to what is before, one is left behind."""
    size = values.size
    turn = values[(k - side) % size]
    sums[after] += value - turn
    sums[after + 1] += turn - values[(k - 2 * side) % size]
    values[k % size] = value


@kernel
def hear(row: int, k: int, power: float, p: Any, s: Any) -> None:
    """A hop of a row; the place that now has `side` hops behind it."""
    side, run = p.side, s.runs[row]
    level = max(dbfs(power), LOWEST_DB)
    slide(s.powers[row], k, np.int64(min(power, MOST) * PARTS), side, s.sums[row], P_AFTER)
    slide(s.levels[row], k, np.int64(np.rint(level * STEPS)), side, s.sums[row], L_AFTER)
    place = k + 1 - side
    if place >= max(side, run[NEXT]) and jumps(row, place, p, s):
        run[FIRST] = place if run[FIRST] < 0 else run[FIRST]
        run[LAST] = place
    if run[FIRST] >= 0 and (place - run[LAST] >= CALM or place - run[FIRST] >= RUN):
        tell(row, run[FIRST], run[LAST], p, s)
        run[FIRST] = -1


@kernel
def jumps(row: int, place: int, p: Any, s: Any) -> bool:
    """Whether it may jump at a place that lies in the middle of what was heard."""
    sums, side = s.sums[row], p.side
    after, before = sums[P_AFTER] / (PARTS * side), sums[P_BEFORE] / (PARTS * side)
    if max(after, before) < 2.0 * min(after, before) or dbfs(max(after, before)) < p.limits[1]:
        return False
    step = dbfs(after) - dbfs(before)
    sign = 1.0 if step > 0.0 else -1.0
    size, mean = sign * step, sign * (sums[L_AFTER] - sums[L_BEFORE]) / (STEPS * side)
    if size < p.limits[0] - LESS_DB or mean < MEAN * size or mean > size + ABOVE_DB:
        return False
    half = side // 2
    halves: bool = (sign * change(s.powers[row], place, 0, half) >= INNER * size
                    and sign * change(s.powers[row], place, half, half) >= OUTER * size)
    return halves


@kernel
def change(powers: Any, place: int, away: int, reach: int) -> Any:
    """By how many dB the RMS of `reach` hops, `away` behind a place, differs from that of as many before it."""
    after, before = 0, 0
    for n in range(away, away + reach):
        after += powers[(place + n) % powers.size]
        before += powers[(place - 1 - n) % powers.size]
    return dbfs(after / (PARTS * reach)) - dbfs(before / (PARTS * reach))


@kernel
def best(powers: Any, first: int, last: int, side: int) -> int:
    """Where, from `first` to `last`, two constant powers describe best what lies around."""
    start, end = first - side, last + side
    after, before = 0, 0
    for n in range(start, end):
        if n < first:
            before += powers[n % powers.size]
        else:
            after += powers[n % powers.size]
    found, least = first, np.inf
    for n in range(first, last + 1):
        score = (n - start) * dbfs(before / (PARTS * (n - start))) + (end - n) * dbfs(after / (PARTS * (end - n)))
        if score < least:
            found, least = n, score
        before += powers[n % powers.size]
        after -= powers[n % powers.size]
    return found


@kernel
def tell(row: int, first: int, last: int, p: Any, s: Any) -> None:
    """Places in a row where it may have jumped: if it did so at once, and the others as they should, that is told."""
    side, channels = p.side, s.level_dbfs.size
    place = best(s.powers[row], max(side, first - CALM), last + CALM, side)
    if not first - NEAR <= place <= last + NEAR:
        return                          # something else is beside it
    step = change(s.powers[row], place, 0, side)
    sign, most = math.copysign(1.0, step), 0.0
    for reach in REACHES:
        most = max(most, sign * change(s.powers[row], place, 0, min(reach, side)))
    widest = sign * change(s.powers[row], place, 0, min(REACHES[2], side))
    if most < ABRUPT * sign * step or widest > ONSET * sign * step:
        return
    for c in range(channels):
        other = change(s.powers[c], place, 0, side)
        if row == channels:
            if abs(other - step) > EQUAL * sign * step:
                return
        elif c == row:
            if sign * change(s.powers[c], place, 0, min(REACHES[0], side)) < ABRUPT * sign * step:
                return
        elif max(abs(other), abs(change(s.powers[c], place, 0, min(REACHES[0], side)))) > STEADY * sign * step:
            return
    if row < channels and channels == 1:
        return                          # all together tell it
    s.runs[row, NEXT] = place + side
    start = place * p.hop + now(s.log) - s.at[0]
    emit(s.log, 0, WHOLE, start, start + p.hop, EVERY if row == channels else row, step)
