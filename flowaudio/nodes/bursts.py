"""Finds bursts of noise, as broken decoders and garbage in packets make them."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hmax, hsum, load, splat, vabs, vmax
from flowaudio.nodes._levels import pass_through
from flowaudio.nodes._line import line, room, take

__all__ = ["NoiseBurstDetector"]

CELLS = 8                               # that are looked at together
MOST = 4096                             # cells of a burst whose powers are kept
SLOW_S = 0.4                            # of the mean square that a burst is compared with
QUIET = 1e-7                            # least of that mean square
SUDDEN = 16.0                           # 12 dB, from one side of an edge to the other
UNEVEN = 5.0                            # 7 dB, of a cell of 64 under the mean; more where chance has fewer to add up
WEAK = 1.0 / 36.0                       # of the power at the peak: less is no burst
WHITE_LOW, WHITE_HIGH = -0.80, -0.53    # the second derivative of white noise has -2/3
TWO = np.float32(2.0)
ZERO = np.float32(0.0)

LENGTH, START, FALLING, FIELDS = range(4)
"""Of each channel: cells of what may be a burst, 0 for none; its first frame; whether it has just become weaker."""

SLOW, LAST, SECOND, THIRD, TOTAL, PRODUCT, SQUARES, VALUES = range(8)
"""Of each channel: slow mean square; mean squares of the last three cells; of the burst: sum of its cells' mean
squares, sums of products of neighbours, and of squares."""


class Params(NamedTuple):
    """For a rate."""

    cell: int                           # frames, about 1 ms
    kept: int
    least: int                          # frames
    longest: int
    ratio: Any                          # float64 [3]: peak over slow RMS; what a cell leaves of the mean; unevenness


class State(NamedTuple):
    """Frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [2]: frames so far, where the next goes in the line
    line: Any                           # float32 [channel, frame]
    notes: Any                          # int64 [channel, FIELDS]
    values: Any                         # float64 [channel, VALUES]
    powers: Any                         # float32 [channel, MOST], mean squares of a burst's cells
    bursts: Any                         # int64 [channel]


@node(in_place=True, events=("noise_burst",), measures=("bursts",))
class NoiseBurstDetector:
    """Finds bursts of white noise; the signal passes unchanged.

    Looks at the second derivative, ``x[n] - 2 x[n-1] + x[n-2]``, in cells of about 1 ms. A burst begins where its peak
    is above `ratio` times its slow RMS (0.4 s) and its power 12 dB above that of the cells before; it lasts from
    `min_ms` to `max_ms`, no cell of it more than 7 dB under the mean, its halves equally strong; it is white
    (neighbours in the second derivative have a correlation of -0.53 to -0.80: hi-hats have less, fricatives more); and
    its power falls by 12 dB within two cells. Drums and cymbals fade, fricatives swell: they have one edge at most.

    Event ``noise_burst``, a channel, told when it is over and 2 ms more were heard: from its first frame to the one
    after its last, within 3 samples where what surrounds it is quiet, 1 ms where it is not. Strength: the RMS of its
    second derivative over the slow RMS before it, in dB. Measure ``bursts`` [channel]: how many. Latency: none.

    Not found: noise of another colour, noise that fades in or out, noise under what is as bright and as loud.
    """

    ratio: float = param(3.0, 100.0, "peak of the second derivative over its slow RMS", default=8.0, unit="times")
    min_ms: float = param(3.0, 100.0, "shortest burst", default=4.5)
    max_ms: float = param(10.0, 2000.0, "longest burst", default=550.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Sizes for the rate; nothing heard yet."""
        rate, channels = format.rate, format.channels
        cell = 16
        while cell < 0.001 * rate:
            cell *= 2
        kept = 2 * CELLS * cell
        params = Params(cell, kept, round(self.min_ms * rate / 1000),
                        min(round(self.max_ms * rate / 1000), cell * (MOST - 4)),
                        np.array([self.ratio, math.exp(-cell / (SLOW_S * rate)),
                                  UNEVEN * max(1.0, (64 / cell) ** 1.5)]))
        return params, State(event_log(), np.array([0, kept]), line(channels, kept),
                             np.zeros((channels, FIELDS), np.int64), np.zeros((channels, VALUES)),
                             np.zeros((channels, MOST), np.float32), np.zeros(channels, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames, done, offset, span = x.shape[1], 0, now(s.log) - s.at[0], CELLS * p.cell
        while done < frames:
            count = min(frames - done, span - s.at[0] % span)
            take(x, done, count, s.line, s.at[1])
            s.at[0] += count
            s.at[1] += count
            done += count
            if s.at[0] % span == 0:
                for c in range(x.shape[0]):
                    for k in range(CELLS, 0, -1):
                        cell(s.line[c], s.at[1] - k * p.cell, s.at[0] - k * p.cell + offset, c, p, s)
                s.at[1] = room(s.line, s.at[1], span, p.kept)
        pass_through(x, y)


@kernel
def bend(row: Any, n: int) -> Any:
    """Second derivative at eight samples."""
    return load(row, n) - TWO * load(row, n - 1) + load(row, n - 2)


@kernel
def bent(row: Any, n: int) -> Any:
    """Magnitude of the second derivative at one sample."""
    return abs(row[n] - TWO * row[n - 1] + row[n - 2])


@kernel
def cell(row: Any, n: int, frame: int, c: int, p: Any, s: Any) -> None:
    """A cell of a channel, from ``row[n]`` and the stream's `frame` on."""
    note, value = s.notes[c], s.values[c]
    squares, greatest = splat(ZERO), splat(ZERO)
    for k in range(n, n + p.cell, 8):
        d = bend(row, k)
        squares, greatest = fma(d, d, squares), vmax(greatest, vabs(d))
    power, top = np.float64(hsum(squares)) / p.cell, np.float64(hmax(greatest))
    if note[LENGTH] > 1 and power > SUDDEN * value[TOTAL] / (note[LENGTH] - 1):
        give_up(note, value)            # what was sound, and this is what comes into it
    if note[LENGTH]:
        follow(row, n, frame, power, c, p, s)
    elif top * top > p.ratio[0] * p.ratio[0] * max(value[SLOW], QUIET) and \
            power > SUDDEN * max(value[SECOND], value[THIRD]):
        begin(row, n, frame, power, top, c, p, s)
    if not note[LENGTH]:
        value[SLOW] = power + p.ratio[1] * (value[SLOW] - power)
    value[THIRD], value[SECOND], value[LAST] = value[SECOND], value[LAST], power


@kernel
def begin(row: Any, n: int, frame: int, power: float, top: float, c: int, p: Any, s: Any) -> None:
    """Something is suddenly loud: its first sample lies in this cell or in the one before."""
    note, value = s.notes[c], s.values[c]
    quiet = 0.02 * top
    for k in range(n - 2 * p.cell, n - p.cell):
        quiet = max(quiet, 1.5 * bent(row, k))
    first = n - p.cell
    while first < n + p.cell - 1 and bent(row, first) <= quiet:
        first += 1
    note[START], note[LENGTH], note[FALLING] = frame + first - n, 1, 0
    value[TOTAL] = value[PRODUCT] = value[SQUARES] = 0.0
    s.powers[c, 0] = power


@kernel
def follow(row: Any, n: int, frame: int, power: float, c: int, p: Any, s: Any) -> None:
    """A cell later: it goes on, it is over, or it was no burst. The first cell is not whole and does not count."""
    note, value = s.notes[c], s.values[c]
    cells = note[LENGTH] - 1            # whole ones
    weak = power < p.ratio[0] * p.ratio[0] * WEAK * max(value[SLOW], QUIET)
    mean = value[TOTAL] / cells if cells else np.float64(s.powers[c, 0])
    if note[FALLING]:
        if cells >= 2 and power * SUDDEN < mean:
            end(row, n, frame, c, p, s)
        note[LENGTH] = 0
    elif weak or (cells and power * p.ratio[2] < mean):
        note[FALLING] = 1
    elif frame + p.cell - note[START] > p.longest:
        give_up(note, value)
    else:
        products, squares = splat(ZERO), splat(ZERO)
        for k in range(n, n + p.cell, 8):
            d = bend(row, k)
            products, squares = fma(d, bend(row, k - 1), products), fma(d, d, squares)
        value[PRODUCT] += np.float64(hsum(products))
        value[SQUARES] += np.float64(hsum(squares))
        value[TOTAL] += power
        s.powers[c, note[LENGTH]] = power
        note[LENGTH] += 1


@kernel
def give_up(note: Any, value: Any) -> None:
    """It lasts, or is drowned: from now on it is what a burst is compared with."""
    value[SLOW] = max(value[SLOW], value[TOTAL] / (note[LENGTH] - 1))
    note[LENGTH] = 0


@kernel
def end(row: Any, n: int, frame: int, c: int, p: Any, s: Any) -> None:
    """It is over, two cells ago or in the one before this: was it a burst?"""
    note, value = s.notes[c], s.values[c]
    cells = note[LENGTH] - 1
    quiet = 0.02 * math.sqrt(value[TOTAL] / cells)
    for k in range(n + 2, n + p.cell):
        quiet = max(quiet, 1.5 * bent(row, k))
    last = n + 1
    while last > n - 2 * p.cell and bent(row, last) <= quiet:
        last -= 1
    stop = frame + last - n - 1         # the second derivative errs for two samples more
    length = stop - note[START]
    if length < p.least or length > p.longest or not steady(s.powers[c], cells, value[TOTAL], p.ratio[2]):
        return
    if not (WHITE_LOW < value[PRODUCT] / value[SQUARES] < WHITE_HIGH):
        return
    s.bursts[c] += 1
    emit(s.log, 0, WHOLE, note[START], stop, c,
         10.0 * math.log10(value[TOTAL] / cells / max(value[SLOW], QUIET)))


@kernel
def steady(powers: Any, cells: int, total: float, uneven: float) -> Any:
    """Whether no cell is much weaker than the mean, and the halves are equally strong but for chance."""
    half, first, last = cells // 2, 0.0, 0.0
    for k in range(cells):
        power = np.float64(powers[1 + k])
        if power * uneven * cells < total:
            return False
        if k < half:
            first += power
        if k >= cells - half:
            last += power
    return max(first, last) < (1.2 + 1.2 / math.sqrt(cells)) * min(first, last)
