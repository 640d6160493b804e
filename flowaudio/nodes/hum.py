"""Mains hum: lines at 50 or 60 Hz and their harmonics that stand, whatever the programme does."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, param
from flowaudio.core.simd import fma, hsum, load, splat
from flowaudio.core.simdmath import FLOOR_DB
from flowaudio.nodes import _fft
from flowaudio.nodes._fft import append, fill, pass_on, power, transform
from flowaudio.nodes._truepeak import shift

__all__ = ["HumDetector"]

SLOW_HZ = 1500                          # about the rate after decimation
PASS_HZ = 370.0                         # up to here nothing folds: harmonics up to the sixth of 60 Hz
SIZE = 2048                             # slow frames in a window: 1.3 s
HOP = 512
CHUNK = 2048                            # frames taken at a time, at most

GRIDS, HARMONICS = 2, 6
LINES = GRIDS * HARMONICS
NEAR, FAR = 3, 9                        # bins from a line that are its neighbours: 2 to 7 Hz
STEADY_DB = 3.0                         # a line that moves more is another line
STEADY_HZ = 0.25
GONE_DB = 6.0                           # what has fallen as far is over: the window lies half behind its end
DIP_DB = 2.0                            # in a third of a second: by as much less, and it is a beat
HYSTERESIS_DB = 6.0
LONE = 3                                # a line without another one must stand as many times as long
GONE = 3                                # windows
ZERO = np.float32(0.0)
LEAST = 1e-20                           # FLOOR_DB as a power

COUNT, START, MASKED, CALM = range(4)
GRID, BEGIN, MISSED, LAST = range(4)
LEVEL, HZ, ABOVE, LATEST = range(4)


class Params(NamedTuple):
    """Fixed for a rate."""

    step: int                           # frames in a slow frame
    steady: int                         # windows that a line must stand
    first: int                          # of the grids that are looked for
    last: int
    limits: Any                         # float64 [3]: dB above neighbours, least dBFS, Hz that the mains may be off
    bin_hz: Any                         # float64 [1]
    taps: Any                           # float32, the low-pass
    waves: Any                          # float32 [2 * LINES, HOP]: cosine and sine of each line, Hann
    shape: Any                          # float32 [SIZE], the window
    factors: Any                        # float32, of the transform


class State(NamedTuple):
    """Low-pass, slow signal, lines."""

    log: Any
    clock: Any                          # int64 [4]: frames so far; frame of past[0]; slow frames that wait; windows
    past: Any                           # float32 [channel, taps + CHUNK + 8]
    slow: Any                           # float32 [channel, SIZE + 8]
    work: Any                           # float32, of the transform
    bins: Any                           # float32 [SIZE / 2 + 1]
    seen: Any                           # float64 [line, 4], in this window: level, frequency, dB above neighbours;
                                        # and the least level in two thirds of a second
    runs: Any                           # int64 [channel, line, 4]: windows it stands; since which frame; windows it is
                                        # hidden; windows without a dip
    steady: Any                         # float64 [channel, line, 2]: its level and frequency
    found: Any                          # int64 [channel, 4]: grid and 1, or 0; first frame; windows without; end
    loudest: Any                        # float64 [channel]
    hum_dbfs: Any                       # float64 [channel]
    fundamental_hz: Any                 # float64 [channel]


@node(in_place=True, measures=("hum_dbfs", "fundamental_hz"), events=("hum",))
class HumDetector:
    """Finds mains hum in each channel; the signal passes unchanged::

        low-pass, 1.5 kHz ─► 1.3 s Hann, each 0.34 s ─► lines at 50 h, 60 h Hz ─► steady for `hold_s` ─► hum

    A line is a peak in the spectrum whose frequency is at most `tolerance_hz` times h from the grid, that stands
    `prominence_db` above all that is 2 to 7 Hz beside it. It is hum when its level stays within 3 dB and its frequency
    within 0.25 Hz: two lines of one grid for `hold_s`, one alone (the fundamental or the second) for three times as
    long. What is louder may hide it for a while; when its level falls, it was none. So a held bass note is no hum
    (those of equal temperament lie 1 Hz and more beside the grid), nor is a drum on the beat, whose lines stand beside
    each other. A steady synthetic tone on the grid cannot be told from hum.

    - Event "hum": start and end are exact to 0.7 s, half a window. It is certain 3 s after its start at the earliest,
      7 s for one line alone. The strength is the level of all lines together in dBFS (a full-scale sine is 0): at the
      start, and at the end the loudest there was. It ends when all lines fell by 6 dB for 1 s.
    - Measures, ``[channel]``: ``hum_dbfs``, -200 without hum, and ``fundamental_hz``, 0 without.

    Not found: hum that is less than 15 dB above the spectrum beside it, as under rumble, or that fades all the
    time. Latency: none.
    """

    mains: str = choice(("50 or 60", "50", "60"), "frequency of the mains, Hz", default="50 or 60")
    prominence_db: float = param(6.0, 60.0, "by how much a line stands above what is beside it", default=15.0)
    threshold_dbfs: float = param(-140.0, 0.0, "lines below do not count", default=-80.0)
    tolerance_hz: float = param(0.1, 1.0, "by how much the mains may be off", default=0.5)
    hold_s: float = param(0.5, 60.0, "how long lines must stand", default=2.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Low-pass for the rate; silence."""
        step = max(1, round(format.rate / SLOW_HZ))
        taps = _low_pass(format.rate, step)
        slow = format.rate / step
        steady = max(2, round(self.hold_s * slow / HOP))
        channels = format.channels
        params = Params(step, steady, int(self.mains == "60"), int(self.mains != "50"),
                        np.array([self.prominence_db, self.threshold_dbfs, self.tolerance_hz]),
                        np.array([slow / SIZE]), taps, _waves(format.rate, step), _fft.window("hann", SIZE),
                        _fft.tables(SIZE))
        state = State(event_log(), np.array([0, -taps.size, 0, 0]),
                      np.zeros((channels, taps.size + CHUNK + 8), np.float32),
                      np.zeros((channels, SIZE + 8), np.float32), _fft.workspace(SIZE),
                      np.zeros(SIZE // 2 + 1, np.float32), np.zeros((LINES, 4)),
                      np.zeros((channels, LINES, 4), np.int64), np.zeros((channels, LINES, 2)),
                      np.zeros((channels, 4), np.int64), np.zeros(channels), np.full(channels, FLOOR_DB),
                      np.zeros(channels))
        return params, state

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        origin = now(s.log) - s.clock[0]
        done = 0
        while done < x.shape[1]:
            count = min(x.shape[1] - done, CHUNK - (s.clock[0] - s.clock[1] - p.taps.size))
            decimate(x, done, count, origin, p, s)
            done += count
        pass_on(x, y)


@functools.cache
def _low_pass(rate: int, step: int) -> Any:
    """float32 taps, a multiple of 32: flat to PASS_HZ, and 50 dB down where the slow rate folds onto that."""
    slow = rate / step
    count = 32 * math.ceil(2.92 * rate / (slow - 2 * PASS_HZ) / 32)
    place = np.arange(count) - (count - 1) / 2
    made = np.sinc(place / step) * np.kaiser(count, 4.55)
    taps = np.asarray(made / made.sum()).astype(np.float32)
    taps.setflags(write=False)
    return taps


@functools.cache
def _waves(rate: int, step: int) -> Any:
    """By these a sine of amplitude 1 at a line has the magnitude 1, and 6 Hz beside it half of that."""
    lines = np.array([(50.0 + 10.0 * grid) * (h + 1) for grid in range(GRIDS) for h in range(HARMONICS)])
    angle = 2 * np.pi * lines[:, np.newaxis, np.newaxis] * np.arange(HOP) * step / rate
    made = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * np.hanning(HOP) * (4 / HOP)
    waves = made.reshape(2 * LINES, HOP).astype(np.float32)
    waves.setflags(write=False)
    return waves


@kernel
def decimate(x: Any, first: int, count: int, origin: int, p: Any, s: Any) -> None:
    """Take `count` frames, and make the slow frames that became known. One ends at each multiple of the step."""
    taps = p.taps.size
    at = s.clock[0] - s.clock[1]
    for c in range(x.shape[0]):
        append(x[c], first, count, s.past[c], at)
    frame = (s.clock[0] // p.step + 1) * p.step
    s.clock[0] += count
    while frame <= s.clock[0]:
        for c in range(x.shape[0]):
            s.slow[c, s.clock[2]] = low_passed(s.past[c], frame - s.clock[1] - taps, p.taps)
        s.clock[2] += 1
        if s.clock[2] == SIZE:
            middle = origin + frame - taps // 2 - SIZE // 2 * p.step
            for c in range(x.shape[0]):
                window(c, middle, p, s)
                shift(s.slow[c], 0, HOP, SIZE - HOP)
            s.clock[2] = SIZE - HOP
            s.clock[3] += 1
        frame += p.step
    if s.clock[0] - s.clock[1] == taps + CHUNK:
        for c in range(x.shape[0]):
            shift(s.past[c], 0, CHUNK, taps)
        s.clock[1] += CHUNK


@kernel
def low_passed(past: Any, at: int, taps: Any) -> Any:
    """One slow frame. Four sums side by side: a chain of additions would wait for itself."""
    a, b, c, d = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    for n in range(0, taps.size, 32):
        a = fma(load(past, at + n), load(taps, n), a)
        b = fma(load(past, at + n + 8), load(taps, n + 8), b)
        c = fma(load(past, at + n + 16), load(taps, n + 16), c)
        d = fma(load(past, at + n + 24), load(taps, n + 24), d)
    return hsum((a + b) + (c + d))


@kernel
def window(c: int, middle: int, p: Any, s: Any) -> None:
    """A window of one channel is whole; its middle lies at frame `middle` since the start of the stream."""
    fill(s.slow[c], 0, p.shape, SIZE, s.work)
    power(s.work, transform(s.work, p.factors, SIZE), p.factors, SIZE, s.bins)
    for grid in range(p.first, p.last + 1):
        for h in range(1, HARMONICS + 1):
            line = grid * HARMONICS + h - 1
            look(h, 50.0 + 10.0 * grid, s.seen[line], p, s)
            wave, turned = p.waves[2 * line], p.waves[2 * line + 1]
            s.seen[line, LATEST] = min(short(s.slow[c], SIZE - HOP, wave, turned),
                                       short(s.slow[c], SIZE - HOP - HOP // 2, wave, turned))
            follow(c, line, middle, p, s)
    if s.found[c, GRID] == 0:
        search(c, middle, p, s)
    else:
        keep(c, middle, p, s)


@kernel
def look(h: int, mains: float, seen: Any, p: Any, s: Any) -> None:
    """The greatest power where harmonic `h` may be; its frequency is 0 where that is no peak, or beside the grid."""
    width = p.bin_hz[0]
    first, last = int(h * (mains - p.limits[2]) / width), int(h * (mains + p.limits[2]) / width) + 1
    top = first
    for k in range(first, last + 1):
        if s.bins[k] > s.bins[top]:
            top = k
    left, middle, right = level(s.bins[top - 1]), level(s.bins[top]), level(s.bins[top + 1])
    seen[LEVEL], seen[HZ], seen[ABOVE] = middle, 0.0, 0.0
    curve = 2.0 * middle - left - right
    if middle >= left and middle >= right and curve > 0.0:
        offset = 0.5 * (right - left) / curve       # of the parabola through three levels
        seen[LEVEL] = middle + 0.25 * (right - left) * offset
        hz = (top + offset) * width
        if abs(hz - h * mains) <= h * p.limits[2]:
            beside = s.bins[top + NEAR]
            for k in range(NEAR, FAR + 1):
                beside = max(beside, max(s.bins[top + k], s.bins[top - k]))
            seen[HZ], seen[ABOVE] = hz, seen[LEVEL] - level(beside)


@kernel
def short(slow: Any, at: int, cosine: Any, sine: Any) -> float:
    """Level of a line in HOP frames, dBFS."""
    a, b = splat(ZERO), splat(ZERO)
    for n in range(0, HOP, 8):
        v = load(slow, at + n)
        a = fma(v, load(cosine, n), a)
        b = fma(v, load(sine, n), b)
    real, imaginary = np.float64(hsum(a)), np.float64(hsum(b))
    return level(real * real + imaginary * imaginary)


@kernel
def level(squared: Any) -> float:
    """dBFS of a power."""
    return 10.0 * math.log10(max(np.float64(squared), LEAST))


@kernel
def stands(line: int, margin: float, p: Any, s: Any) -> bool:
    """Whether this window shows the line, with `margin` dB less than what is asked."""
    seen = s.seen[line]
    shown: bool = seen[HZ] > 0.0 and seen[ABOVE] >= p.limits[0] - margin and seen[LEVEL] >= p.limits[1] - margin
    return shown


@kernel
def follow(c: int, line: int, middle: int, p: Any, s: Any) -> None:
    """How long a line has stood: counted on while it is steady, left alone while something louder hides it."""
    run, steady, seen = s.runs[c, line], s.steady[c, line], s.seen[line]
    shown = stands(line, 0.0, p, s)
    rise = seen[LEVEL] - steady[LEVEL]
    if run[COUNT] and shown and abs(rise) <= STEADY_DB and abs(seen[HZ] - steady[HZ]) <= STEADY_HZ:
        run[COUNT] += 1
        run[MASKED] = 0
        part = 1.0 / min(run[COUNT], 8)
        steady[LEVEL] += rise * part
        steady[HZ] += (seen[HZ] - steady[HZ]) * part
    elif run[COUNT] and not shown and rise > -STEADY_DB and run[MASKED] < LONE * p.steady:
        run[MASKED] += 1
    else:                               # a line that has just begun grows until the window is full of it
        grows = run[COUNT] and shown and 0.0 < rise <= GONE_DB + 1.0 and run[COUNT] <= 2
        if not grows:
            run[START] = middle if s.clock[3] else middle - SIZE // 2 * p.step
        run[COUNT] = 1 if shown else 0
        run[MASKED] = 0
        run[CALM] = 0
        steady[LEVEL], steady[HZ] = seen[LEVEL], seen[HZ]
    run[CALM] = run[CALM] + 1 if seen[LATEST] > steady[LEVEL] - DIP_DB else 0


@kernel
def search(c: int, middle: int, p: Any, s: Any) -> None:
    """Whether the lines of a grid have stood long enough. The grid with more of them wins."""
    best, most = -1, 0
    for grid in range(p.first, p.last + 1):
        lines, lone = 0, 0
        for h in range(1, HARMONICS + 1):
            run = s.runs[c, grid * HARMONICS + h - 1]
            count = min(run[COUNT], run[CALM])
            lines += count >= p.steady
            lone += h <= 2 and count >= LONE * p.steady
        if (lines >= 2 or lone) and lines > most:
            best, most = grid, lines
    if best >= 0:
        start = -1
        for h in range(HARMONICS):
            run = s.runs[c, best * HARMONICS + h]
            if run[COUNT] >= p.steady and (start < 0 or run[START] < start):
                start = max(run[START], 0)
        show(c, best, p, s)
        s.found[c, GRID], s.found[c, BEGIN], s.found[c, MISSED], s.found[c, LAST] = best + 1, start, 0, middle
        s.loudest[c] = s.hum_dbfs[c]
        emit(s.log, 0, BEGAN, start, start, c, s.hum_dbfs[c])


@kernel
def keep(c: int, middle: int, p: Any, s: Any) -> None:
    """Whether hum that was found is still there; where not, or hidden, the level stays as it was."""
    grid = s.found[c, GRID] - 1
    there = 0
    for h in range(HARMONICS):
        line = grid * HARMONICS + h
        shown, run = stands(line, HYSTERESIS_DB, p, s), s.runs[c, line]
        held = s.seen[line, LEVEL] > s.steady[c, line, LEVEL] - GONE_DB
        there += shown or (held and run[COUNT] >= p.steady)
        if shown and held and run[COUNT] > 1:
            s.found[c, LAST] = middle + HOP // 2 * p.step
    if there:
        s.found[c, MISSED] = 0
        show(c, grid, p, s)
        s.loudest[c] = max(s.loudest[c], s.hum_dbfs[c])
        return
    s.found[c, MISSED] += 1
    if s.found[c, MISSED] >= GONE:
        emit(s.log, 0, ENDED, s.found[c, BEGIN], max(s.found[c, LAST], s.found[c, BEGIN]), c, s.loudest[c])
        s.found[c, GRID] = 0
        s.hum_dbfs[c], s.fundamental_hz[c] = FLOOR_DB, 0.0


@kernel
def show(c: int, grid: int, p: Any, s: Any) -> None:
    """Level of all steady lines together, and the fundamental that the strongest tells."""
    total, strongest = 0.0, -1000.0
    for h in range(1, HARMONICS + 1):
        line = grid * HARMONICS + h - 1
        if s.runs[c, line, COUNT] >= p.steady:
            one = s.steady[c, line, LEVEL]
            total += 10.0 ** (0.1 * one)
            if one > strongest:
                strongest = one
                s.fundamental_hz[c] = s.steady[c, line, HZ] / h
    if total > 0.0:
        s.hum_dbfs[c] = level(total)
