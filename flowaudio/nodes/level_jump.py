"""Finds jumps of the level."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import EVERY, WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.nodes._levels import FLOOR_DBFS, dbfs, gather, grid, pass_through, past, remember, total

__all__ = ["LevelJumpDetector"]

HOP_S = 0.02
ACTIVE = 3                              # one hop in so many must sound, on both sides
NEAR = 4                                # hops by which the place that divides best may be off the middle
ABRUPT, BESIDE, HEARD = 0.7, 25, 3      # part of the jump that is made within so many hops, some of which sound
STEPS = 1024.0                          # levels are rounded to so many parts of a dB: sums of them stay exact
AFTER, BEFORE = range(2)


class Params(NamedTuple):
    """For a rate."""

    hop: int                            # frames
    side: int                           # hops before, and after
    limits: Any                         # float64 [2]: dB; dBFS


class State(NamedTuple):
    """Hops are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, hop]
    scratch: Any                        # float32 [hop]
    levels: Any                         # float64 [channel, 2 side], dB of hops; slot = hop modulo length
    sorted: Any                         # float64 [2, side]
    sums: Any                           # float64 [channel, 2]: levels of what sounds, added up, AFTER and BEFORE
    counts: Any                         # int64 [channel, 2]: how many
    found: Any                          # float64 [channel], jump in dB, or 0
    next: Any                           # int64 [channel], the hop before which no jump is looked for
    level_dbfs: Any                     # float32 [channel]


@node(in_place=True, events=("level_jump",), measures=("level_dbfs",))
class LevelJumpDetector:
    """Finds places where the level changes at once and stays; the signal passes unchanged.

    RMS of hops of 20 ms, in dB; hops under `quiet_dbfs` are pauses and do not count. Where the mean of those in
    `hold_s` after a hop differs by `jump_db` from that of those before, the two medians, and the quartiles on the sides
    that face each other, must do so too (these may overlap by a quarter of it): a level that jumps takes the loud and
    the soft with it, while a drum that enters, or a word that is shouted, does not. Seven tenths of it must lie between
    the half seconds beside it, or it is a fade. A third of the hops must sound on both sides.

    12 dB is more than speech and most music do: what plays a soft bridge and then the full band may reach it, and is
    told. Event ``level_jump`` (told `hold_s` later): [start, start + 1 hop) is where the means differ most, within two
    hops where the jump is abrupt. Strength: the change in dB, with its sign. When all channels jump at once, that is
    told for all together; one channel alone is all. Between two jumps there is at least `hold_s`.

    Measure: ``level_dbfs`` [channel], of the last hop. Latency: none. Not found: slow changes, and those of a signal
    that varies as much as the jump does.
    """

    jump_db: float = param(3.0, 60.0, "change of the level", default=12.0)
    hold_s: float = param(0.5, 30.0, "how long it must have been one level, and must be the other", default=3.0)
    quiet_dbfs: float = param(-120.0, 0.0, "RMS under which it is a pause", default=-50.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Windows in hops; nothing heard yet."""
        channels, hop = format.channels, grid(format.rate, HOP_S)
        side = max(4, round(self.hold_s * format.rate / hop))
        return (Params(hop, side, np.array([self.jump_db, self.quiet_dbfs])),
                State(event_log(), np.zeros(1, np.int64), past(channels, hop), np.zeros(hop, np.float32),
                      np.full((channels, 2 * side), FLOOR_DBFS), np.zeros((2, side)), np.zeros((channels, 2)),
                      np.zeros((channels, 2), np.int64), np.zeros(channels), np.zeros(channels, np.int64),
                      np.full(channels, FLOOR_DBFS, np.float32)))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at, hop = s.at[0], p.hop
        for k in range(at // hop, (at + x.shape[1]) // hop):
            n = k * hop - at
            for c in range(x.shape[0]):
                if n < 0:
                    gather(x[c], s.ring[c], at, k * hop, hop, s.scratch)
                    power, _ = total(s.scratch, 0, hop)
                else:
                    power, _ = total(x[c], n, hop)
                s.level_dbfs[c] = dbfs(power / hop)
                s.found[c] = compare(c, k, dbfs(power / hop), p, s)
            tell(k, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        pass_through(x, y)


@kernel
def slide(c: int, k: int, level: float, p: Any, s: Any) -> None:
    """A level comes, one goes from what is after to what is before, one is forgotten."""
    levels, sums, counts, quiet = s.levels[c], s.sums[c], s.counts[c], p.limits[1]
    turn = (k - p.side) % levels.size
    gone, level = levels[k % levels.size], np.rint(level * STEPS) / STEPS
    levels[k % levels.size] = level
    if gone >= quiet:
        sums[BEFORE], counts[BEFORE] = sums[BEFORE] - gone, counts[BEFORE] - 1
    if levels[turn] >= quiet:
        sums[AFTER], counts[AFTER] = sums[AFTER] - levels[turn], counts[AFTER] - 1
        sums[BEFORE], counts[BEFORE] = sums[BEFORE] + levels[turn], counts[BEFORE] + 1
    if level >= quiet:
        sums[AFTER], counts[AFTER] = sums[AFTER] + level, counts[AFTER] + 1


@kernel
def compare(c: int, k: int, level: float, p: Any, s: Any) -> Any:
    """A hop of a channel: the jump `side` hops ago, or 0."""
    slide(c, k, level, p, s)
    levels, side, quiet = s.levels[c], p.side, p.limits[1]
    if ACTIVE * min(s.counts[c, 0], s.counts[c, 1]) < side or k < s.next[c] or k + 1 < 2 * side:
        return 0.0
    step = s.sums[c, AFTER] / s.counts[c, AFTER] - s.sums[c, BEFORE] / s.counts[c, BEFORE]
    if abs(step) < p.limits[0] or k % (2 * NEAR):
        return 0.0
    after, before = s.sorted[0, 0:s.counts[c, AFTER]], s.sorted[1, 0:s.counts[c, BEFORE]]
    collect(levels, k + 1 - side, side, quiet, after)
    collect(levels, k + 1 - 2 * side, side, quiet, before)
    sign = 1.0 if step > 0 else -1.0
    low, high = (after, before) if step > 0 else (before, after)
    middle = sign * (after[after.size // 2] - before[before.size // 2])
    facing = low[low.size // 4] - high[3 * high.size // 4]
    if middle < p.limits[0] or facing < -0.25 * p.limits[0] or abs(place(c, k, p, s) - (k + 1 - side)) > NEAR:
        return 0.0
    abrupt = sign * beside(levels, place(c, k, p, s), min(BESIDE, side - NEAR), quiet)
    return step if abrupt >= ABRUPT * p.limits[0] else 0.0


@kernel
def beside(levels: Any, at: int, reach: int, quiet: float) -> Any:
    """Mean level of what sounds in `reach` hops from hop `at` on, less that before it."""
    after, before, count, past_count = 0.0, 0.0, 0, 0
    for n in range(reach):
        level, old = levels[(at + n) % levels.size], levels[(at - 1 - n) % levels.size]
        if level >= quiet:
            after, count = after + level, count + 1
        if old >= quiet:
            before, past_count = before + old, past_count + 1
    return after / count - before / past_count if min(count, past_count) >= HEARD else 0.0


@kernel
def collect(levels: Any, first: int, count: int, quiet: float, to: Any) -> None:
    """Levels of what sounds, in order of size."""
    used = 0
    for n in range(first, first + count):
        level = levels[n % levels.size]
        if level >= quiet:
            m = used
            while m > 0 and to[m - 1] > level:
                to[m] = to[m - 1]
                m -= 1
            to[m] = level
            used += 1


@kernel
def place(c: int, k: int, p: Any, s: Any) -> Any:
    """The hop with which the new level begins: where what comes after differs most from what was before."""
    levels, quiet = s.levels[c], p.limits[1]
    total, count = 0.0, 0
    for n in range(k + 1 - 2 * p.side, k + 1):
        if levels[n % levels.size] >= quiet:
            total += levels[n % levels.size]
            count += 1
    so_far, passed, best, found = 0.0, 0, 0.0, k + 1 - p.side
    for n in range(k + 1 - 2 * p.side, k + 1):
        level = levels[n % levels.size]
        if level >= quiet:
            if passed > 0:
                apart = so_far / passed - (total - so_far) / (count - passed)
                score = apart * apart * passed * (count - passed)
                if score > best:
                    best, found = score, n
            so_far += level
            passed += 1
    return found


@kernel
def tell(k: int, p: Any, s: Any) -> None:
    """A hop of all channels: jumps that were found, together if all have one."""
    jumps, strength, channels = 0, 0.0, s.found.size
    for c in range(channels):
        jumps += s.found[c] != 0
        strength += s.found[c] / channels
    if jumps == 0:
        return
    first = now(s.log) - s.at[0]
    for c in range(channels):
        if s.found[c] != 0:
            start = place(c, k, p, s) * p.hop + first
            if jumps < channels:
                emit(s.log, 0, WHOLE, start, start + p.hop, c, s.found[c])
            elif c == 0:
                emit(s.log, 0, WHOLE, start, start + p.hop, EVERY, strength)
            s.next[c] = k + p.side
