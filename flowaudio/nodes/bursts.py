"""Finds bursts of noise, as broken decoders and garbage in packets make them."""

import functools
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
PARTS = 4                               # of a cell, but of 8 frames and more
SLOW_S = 0.4                            # of the mean square that a burst is compared with
QUIET = 1e-7                            # least of that mean square
LOUD_S = 1.0                            # in which the loudest cell before falls by 4.3 dB
FAINT = 0.25                            # of that: less may be the programme's own
BRIGHT, FEW = 16.0, 6                   # the same for what has fewer cells
SUDDEN = 16.0                           # 12 dB, from one side of an edge to the other
UNEVEN = 5.0                            # 7 dB, of a cell of 64 under the mean; more where chance has fewer to add up
WEAK = 1.0 / 36.0                       # of the power at the peak: less is no burst
LAGS = 12                               # of the autocorrelation that the spectrum is made of
ENOUGH = 32                             # cells that it is taken from
BANDS = 7                               # places of the spectrum that are compared: eighths of half the rate, but
LEAST_HZ = 1600.0                       # not the lowest, which is the programme's
CHANCE = 3.89                           # variance of the mean square of n such samples, times n
UNSTEADY, UNSTEADY_CHANCE = 1.5, 2.0    # of that variance; by chance more, over the root of the cells
COLOUR_DB, COLOUR_CHANCE_DB = 2.0, 40.0     # between bands; by chance more, over the root of the frames
TWO = np.float32(2.0)
ZERO = np.float32(0.0)

LENGTH, START, FALLING, FIELDS = range(4)
"""Of each channel: cells of what may be a burst, 0 for none; its first frame; whether it has just become weaker."""

SLOW, LOUD, LAST, SECOND, THIRD, TOTAL, SPREAD, LAG = range(8)
VALUES = LAG + LAGS
"""Of each channel: slow mean square; the greatest of late; those of the last three cells; of the burst: sum of its
cells' mean squares, sum of the squares of its parts' powers, autocorrelation."""


class Params(NamedTuple):
    """For a rate."""

    cell: int                           # frames, about 1 ms
    kept: int
    least: int                          # frames
    longest: int
    part: int                           # frames
    ratio: Any                          # float64 [4]: peak over slow RMS; what a cell leaves of the mean; unevenness;
                                        # what a cell leaves of the loudest
    bands: Any                          # float64 [BANDS, LAGS]: an autocorrelation's bands, 1 for white noise


class State(NamedTuple):
    """Frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [2]: frames so far, where the next goes in the line
    line: Any                           # float32 [channel, frame]
    notes: Any                          # int64 [channel, FIELDS]
    values: Any                         # float64 [channel, VALUES]
    bursts: Any                         # int64 [channel]


@node(in_place=True, events=("noise_burst",), measures=("bursts",))
class NoiseBurstDetector:
    """Finds bursts of white noise; the signal passes unchanged.

    Looks at the second derivative, ``x[n] - 2 x[n-1] + x[n-2]``, in cells of about 1 ms. A burst begins where its peak
    is above `ratio` times its slow RMS (0.4 s) and its power 12 dB above that of the cells before; it lasts from
    `min_ms` to `max_ms`; and its power falls by 12 dB within two cells. What is so found is noise if it is

    - steady: the powers of its quarter cells vary by no more than those of white noise do, with a margin for chance;
    - white: in seven places from an eighth of half the rate (1.6 kHz at least) up to nearly half the rate the spectrum,
      from twelve values of the autocorrelation, differs by 2 dB at most from that of white noise, and more by chance;
    - bright: its power is above that of the brightest cell of the last second or so, -6 dB; +12 dB, if it has fewer
      than 6 cells, of which too little can be known.

    Drums and castanets fade, hi-hats, plosives and fricatives are coloured and no brighter than others before them.

    Event ``noise_burst``, a channel, told when it is over and 2 ms more were heard: from its first frame to the one
    after its last, within 3 samples where what surrounds it is quiet, 1 ms where it is not. Strength: the RMS of its
    second derivative over the slow RMS before it, in dB. Measure ``bursts`` [channel]: how many. Latency: none.

    Not found: noise of another colour, noise that fades in or out, noise under what is as bright and as loud; noise
    shorter than 7 ms where cymbals or sibilants are as loud. Told though coloured: steady noise with hard edges that
    lacks only what is under 5 kHz, at 48 kHz: the second derivative shows little of that.
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
                        round(self.max_ms * rate / 1000),
                        max(8, cell // PARTS),
                        np.array([self.ratio, math.exp(-cell / (SLOW_S * rate)), UNEVEN * max(1.0, (64 / cell) ** 1.5),
                                  math.exp(-cell / (LOUD_S * rate))]), _bands(rate))
        return params, State(event_log(), np.array([0, kept]), line(channels, kept),
                             np.zeros((channels, FIELDS), np.int64), np.zeros((channels, VALUES)),
                             np.zeros(channels, np.int64))

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


@functools.cache
def _bands(rate: int) -> Any:
    """Cosine transform of an autocorrelation of the second derivative, over that of white noise."""
    lags = np.arange(LAGS)
    middles = np.linspace(max(1.5 / (BANDS + 1), 2.0 * LEAST_HZ / rate), (BANDS + 0.5) / (BANDS + 1), BANDS) * np.pi
    made = 2.0 * np.cos(np.outer(middles, lags)) * np.cos(0.5 * np.pi * lags / LAGS) ** 2
    made[:, 0] = 1.0
    made /= made[:, :3] @ np.array([[1.0], [-2 / 3], [1 / 6]])
    made.setflags(write=False)
    return made


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
        value[LOUD] = max(power, p.ratio[3] * value[LOUD])
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
    value[TOTAL:] = 0.0


@kernel
def follow(row: Any, n: int, frame: int, power: float, c: int, p: Any, s: Any) -> None:
    """A cell later: it goes on, it is over, or it was no burst. The first cell is not whole and does not count."""
    note, value = s.notes[c], s.values[c]
    cells = note[LENGTH] - 1            # whole ones
    weak = power < p.ratio[0] * p.ratio[0] * WEAK * max(value[SLOW], QUIET)
    mean = value[TOTAL] / max(1, cells)
    if note[FALLING]:
        if cells >= 2 and power * SUDDEN < mean:
            end(row, n, frame, c, p, s)
        else:
            value[LOUD] = max(value[LOUD], mean)
        note[LENGTH] = 0
    elif weak or (cells and power * p.ratio[2] < mean):
        note[FALLING] = 1
    elif frame + p.cell - note[START] > p.longest:
        give_up(note, value)
    else:
        power_of_parts(row, n, p, value)
        if note[LENGTH] <= ENOUGH:
            correlate(row, n, p, value)
        value[TOTAL] += power
        note[LENGTH] += 1


@kernel
def power_of_parts(row: Any, n: int, p: Any, value: Any) -> None:
    """How uneven a cell of the burst is within."""
    for part in range(n, n + p.cell, p.part):
        squares = splat(ZERO)
        for k in range(part, part + p.part, 8):
            d = bend(row, k)
            squares = fma(d, d, squares)
        power = np.float64(hsum(squares)) / p.part
        value[SPREAD] += power * power


@kernel
def correlate(row: Any, n: int, p: Any, value: Any) -> None:
    """Autocorrelation of a cell of the burst; four lags at a time."""
    for lag in range(0, LAGS, 4):
        a, b, c, d = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
        for k in range(n, n + p.cell, 8):
            here = bend(row, k)
            a = fma(here, bend(row, k - lag), a)
            b = fma(here, bend(row, k - lag - 1), b)
            c = fma(here, bend(row, k - lag - 2), c)
            d = fma(here, bend(row, k - lag - 3), d)
        value[LAG + lag] += np.float64(hsum(a))
        value[LAG + lag + 1] += np.float64(hsum(b))
        value[LAG + lag + 2] += np.float64(hsum(c))
        value[LAG + lag + 3] += np.float64(hsum(d))


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
    if length < p.least or length > p.longest:
        return
    if not (loud(cells, value) and steady(cells, value, p) and white(cells, value, p)):
        value[LOUD] = max(value[LOUD], value[TOTAL] / cells)
        return
    s.bursts[c] += 1
    emit(s.log, 0, WHOLE, note[START], stop, c,
         10.0 * math.log10(value[TOTAL] / cells / max(value[SLOW], QUIET)))


@kernel
def loud(cells: int, value: Any) -> bool:
    """Whether it is as bright as the programme's own loudest of late; few cells cannot be told by their spectrum."""
    wanted: bool = value[TOTAL] > (FAINT if cells >= FEW else BRIGHT) * cells * value[LOUD]
    return wanted


@kernel
def steady(cells: int, value: Any, p: Any) -> bool:
    """Whether the powers of its parts differ by little more than chance makes them differ."""
    parts = p.cell // p.part
    varies = (value[SPREAD] * cells / parts / (value[TOTAL] * value[TOTAL]) - 1.0) * p.part / CHANCE
    wanted: bool = varies < UNSTEADY + UNSTEADY_CHANCE / math.sqrt(cells)
    return wanted


@kernel
def white(cells: int, value: Any, p: Any) -> bool:
    """Whether no band of its spectrum is much stronger than another."""
    least, most = np.inf, 0.0
    for band in range(BANDS):
        power = 0.0
        for lag in range(LAGS):
            power += p.bands[band, lag] * value[LAG + lag]
        least, most = min(least, power), max(most, power)
    db = COLOUR_DB + COLOUR_CHANCE_DB / math.sqrt(min(cells, ENOUGH) * p.cell)
    wanted: bool = most < least * 10.0 ** (0.1 * db)
    return wanted
