"""Finds a direct-current offset."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import hsum, load, splat
from flowaudio.nodes._levels import LARGEST, gather, grid, pass_through, past, remember

__all__ = ["DCDetector"]

HOP_S = 0.01
STAGES = 3                              # running means, one behind the other
HOLD = 0.75                             # part of the window: a tone of 4 Hz that starts at once passes in 0.71
ZERO = np.float32(0.0)
ON, START, END, SINCE, FIELDS = range(5)
"""Of a channel: whether it was told; frames of the stream; hops in which it was over, or under, the threshold."""


class Params(NamedTuple):
    """For a rate."""

    hop: int                            # frames
    span: int                           # hops of a running mean
    hold: int                           # hops that it must last to be told
    limits: Any                         # float64 [2]: beginning, end


class State(NamedTuple):
    """Hops and frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, hop]
    scratch: Any                        # float32 [hop]
    means: Any                          # float64 [channel, STAGES, span], what each running mean was given
    kept: Any                           # float64 [channel, hops], means of hops, for finding where it began
    notes: Any                          # int64 [channel, FIELDS]
    offset: Any                         # float32 [channel]
    max_offset: Any                     # float32 [channel]


@node(in_place=True, events=("dc_offset",), measures=("offset", "max_offset"))
class DCDetector:
    """Finds a direct-current offset; the signal passes unchanged.

    The mean of `window_s`: three running means of a third each, one behind the other, over means of 10 ms. So 20 Hz at
    full scale reads less than 0.0002, and 5 Hz 0.007, where one running mean of a second would read 0.016 and 0.06. It
    is an offset when the magnitude of that mean is above `threshold` for 3/4 of `window_s`, and over when it is under
    half of the threshold for as long. A tone that starts at once reads more at first: 0.07 for 5 Hz at full scale, but
    for less than 3/4 of the window from 4 Hz on.

    Event ``dc_offset`` (begins, ends), by channel. Its start, and its end, are where the means of 10 ms divide best
    into two parts of different means: within a hop or two in quiet material, within some 100 ms in loud music.
    Strength: the mean, with its sign, where 1.0 is full scale. An offset shorter than about `window_s` is not told, nor
    is a wave of less than 4 Hz told from one.

    Measures: ``offset`` [channel], the mean now; ``max_offset`` [channel], its greatest magnitude so far. Latency:
    none.
    """

    threshold: float = param(0.0001, 1.0, "magnitude of the mean that is an offset, of full scale", default=0.01)
    window_s: float = param(0.1, 30.0, "how much is averaged", default=1.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Windows in hops; nothing heard yet."""
        channels, hop = format.channels, grid(format.rate, HOP_S)
        hops = self.window_s * format.rate / hop
        span = max(1, round(hops / STAGES))
        hold = max(1, round(HOLD * hops))
        params = Params(hop, span, hold, np.array([self.threshold, 0.5 * self.threshold]))
        return params, State(event_log(), np.zeros(1, np.int64), past(channels, hop), np.zeros(hop, np.float32),
                             np.zeros((channels, STAGES, span)), np.zeros((channels, 2 * STAGES * span + 2 * hold)),
                             np.zeros((channels, FIELDS), np.int64), np.zeros(channels, np.float32),
                             np.zeros(channels, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at, hop = s.at[0], p.hop
        for k in range(at // hop, (at + x.shape[1]) // hop):
            n = k * hop - at
            for c in range(x.shape[0]):
                if n < 0:
                    gather(x[c], s.ring[c], at, k * hop, hop, s.scratch)
                    weigh(added(s.scratch, 0, hop) / hop, c, k, p, s)
                else:
                    weigh(added(x[c], n, hop) / hop, c, k, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        pass_through(x, y)


@kernel
def added(row: Any, first: int, count: int) -> Any:
    """Sum of samples, a multiple of 32."""
    a, b, c, d = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    for n in range(first, first + count, 32):
        a, b, c, d = a + load(row, n), b + load(row, n + 8), c + load(row, n + 16), d + load(row, n + 24)
    found = np.float64(hsum((a + b) + (c + d)))
    if abs(found) <= LARGEST:
        return found
    found = np.float64(0.0)
    for n in range(first, first + count):
        v = row[n]
        if abs(v) <= LARGEST:
            found += np.float64(v)
    return found


@kernel
def mean_of(values: Any) -> Any:
    """Of all, always added in the same order: four sums, which do not wait for each other."""
    a, b, c, d, whole = 0.0, 0.0, 0.0, 0.0, values.size - values.size % 4
    for n in range(0, whole, 4):
        a, b, c, d = a + values[n], b + values[n + 1], c + values[n + 2], d + values[n + 3]
    for n in range(whole, values.size):
        a += values[n]
    return ((a + b) + (c + d)) / values.size


@kernel
def weigh(mean: float, c: int, k: int, p: Any, s: Any) -> None:
    """A hop of a channel: through the running means, and what follows from them."""
    note, kept = s.notes[c], s.kept[c]
    kept[k % kept.size] = mean
    for stage in range(STAGES):
        s.means[c, stage, k % p.span] = mean
        mean = mean_of(s.means[c, stage])
    s.offset[c] = mean
    s.max_offset[c] = max(s.max_offset[c], np.float32(abs(mean)))
    over = abs(mean) >= p.limits[0]
    under = abs(mean) < p.limits[1]
    if note[ON] == 0:
        note[SINCE] = note[SINCE] + 1 if over else 0
    else:
        note[SINCE] = note[SINCE] + 1 if under else 0
    if note[SINCE] < p.hold:
        return
    first = now(s.log) - s.at[0]
    place = change(kept, k, p.hop, note[ON] == 0) + first
    note[SINCE] = 0
    if note[ON] == 0:
        note[ON], note[START] = 1, max(place, note[END])
        emit(s.log, 0, BEGAN, note[START], 0, c, mean)
    else:
        note[ON], note[END] = 0, max(place, note[START] + 1)
        emit(s.log, 0, ENDED, note[START], note[END], c, s.max_offset[c])


@kernel
def change(kept: Any, k: int, hop: int, begins: bool) -> Any:
    """The frame that divides the last hops best into two parts of different means; 0 where it began so."""
    count = min(k + 1, kept.size)
    total = 0.0
    for n in range(k + 1 - count, k + 1):
        total += kept[n % kept.size]
    best, place, so_far, whole = 0.0, k + 1 - count, 0.0, True
    for n in range(1, count):
        so_far += kept[(k - count + n) % kept.size]
        apart = so_far / n - (total - so_far) / (count - n)
        score = apart * apart * n * (count - n)
        if score > best:
            best, place = score, k + 1 - count + n
            whole = abs(so_far / n) > 0.5 * abs((total - so_far) / (count - n))
    return 0 if begins and whole and k + 1 == count else place * hop
