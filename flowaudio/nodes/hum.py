"""Mains hum: lines at 50 or 60 Hz and their harmonics that stand, whatever the programme does."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, param
from flowaudio.core.simdmath import FLOOR_DB
from flowaudio.nodes._fft import append, pass_on
from flowaudio.nodes._mains import (
    HARMONICS,
    HOP,
    IMAGINARY,
    LINES,
    OFFSETS,
    REAL,
    SIZE,
    STANDS,
    adopt,
    agree,
    agreement,
    best_offset,
    hear,
    offsets,
    pulses,
    turn,
    turning,
    waves,
)
from flowaudio.nodes._slow import CHUNK, low_pass, low_passed, make_room, step_of
from flowaudio.nodes._truepeak import shift

__all__ = ["HumDetector"]

KEPT = 96                               # windows: 16 s
TURN = 4                                # windows between two searches
LONE = 0.9                              # part of the windows in which a line that has no other must stand
LONE_TURNS = 4                          # searches after each other that find it
SURE = 4                                # of trust, 2 for each window that agrees, less 1 for each that does not
GONE = 6                                # windows, 1 s
GAP = 20                                # windows that may be hidden before hum was first seen
LEAST = 1e-20                           # FLOOR_DB as a power

FRAMES, FIRST, WAITING, WINDOWS, PLACE = range(5)
GRID, OFFSET, BEGIN, LAST, LOW, SILENT, ALONE, TRUST, FIELDS = range(9)


class Params(NamedTuple):
    """Fixed for a rate."""

    step: int                           # frames in a slow frame
    span: int                           # windows that are searched
    need: int                           # that must agree
    first: int                          # of the grids that are looked for
    last: int
    least: float                        # amplitude of a line, squared
    taps: Any                           # float32, the low-pass
    waves: Any                          # float32 [6 * LINES, SIZE]: cosine and sine of each line and beside it, Hann
    turns: Any                          # float32 [LINES, 2, OFFSETS]: what a line turns in a hop
    offsets: Any                        # float64 [OFFSETS], Hz


class State(NamedTuple):
    """Low-pass, slow signal, vectors of lines."""

    log: Any
    clock: Any                          # int64 [5]: frames so far; frame of past[0]; slow frames that wait; windows;
                                        # place of the next vector
    past: Any                           # float32 [channel, taps + CHUNK + 8]
    slow: Any                           # float32 [channel, SIZE + 8]
    vectors: Any                        # float32 [channel, line, 2, 2 * KEPT + 8], of windows
    ordered: Any                        # float64 [window]
    calm: Any                           # float32 [harmonic, 2, window]
    turned: Any                         # float64 [2, window]
    powers: Any                         # float32 [OFFSETS]
    tried: Any                          # float64 [harmonic, 3], as `held`
    held: Any                           # float64 [channel, harmonic, 3]: vector in the last window; 1 if it stands
    notes: Any                          # int64 [channel, FIELDS]: grid and 1, or 0; offset; first frame; end; windows
                                        # too weak; windows in which nothing agrees; searches that found one line; trust
    loudest: Any                        # float64 [channel]
    hum_dbfs: Any                       # float64 [channel]
    fundamental_hz: Any                 # float64 [channel]


@node(in_place=True, measures=("hum_dbfs", "fundamental_hz"), events=("hum",))
class HumDetector:
    """Finds mains hum in each channel; the signal passes unchanged::

        low-pass, 1.5 kHz ─► 0.34 s Hann, each 0.17 s ─► vectors of 50 h, 60 h Hz, h = 1 … 6
            ─► turned back at h times one frequency of the mains ─► alike in a `share` of the windows of `hold_s` ─► hum

    What hums has one amplitude and one phase for seconds; programme over it is louder in some windows and turns as it
    likes in others. So each 0.7 s the mains' frequency is sought, in 64 steps within `tolerance_hz`, with which the
    vectors add up best, those that are louder than the calmest third weighed down. Then, for each harmonic, as many
    windows as possible must lie within 0.35 of one vector: a `share` of all, some of them in each third of the time.
    Two harmonics make hum; the fundamental or the second alone, if it stands in nine tenths for 2 s more. So a held
    note is no hum (those of equal temperament lie 1 Hz and more beside the grid, and end), nor is a drum on the beat:
    lines of its rhythm may lie on the grid, but what they hold pulses. A steady synthetic tone there is told as hum.

    - Event "hum": start and end are about half a second off, more where it is hidden. It is certain `hold_s` after its
      start, or somewhat earlier. The strength is the level of all lines together in dBFS (a full-scale sine is 0):
      when it was found, and at the end the loudest there was. It ends when lines fell by 6 dB for 1 s, or none was
      heard for `hold_s`.
    - Measures, ``[channel]``: ``hum_dbfs``, -200 without hum, and ``fundamental_hz``, 0 without.

    Not found: hum that is hidden in most windows or shows one harmonic only, that lasts less than about 4 s, or that
    fades all the time. Latency: none.
    """

    mains: str = choice(("50 or 60", "50", "60"), "frequency of the mains, Hz", default="50 or 60")
    share: float = param(0.2, 1.0, "of the windows in which a line must be heard as it is", default=0.41, unit="")
    threshold_dbfs: float = param(-140.0, 0.0, "lines below do not count", default=-80.0)
    tolerance_hz: float = param(0.05, 0.5, "by how much the mains may be off", default=0.3)
    hold_s: float = param(3.0, 15.0, "time in which they are looked for", default=5.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Low-pass for the rate; silence."""
        rate, channels, step = format.rate, format.channels, step_of(format.rate)
        taps = low_pass(rate)
        count = round(self.hold_s * rate / step / HOP)
        params = Params(step, count, math.ceil(self.share * count), int(self.mains == "60"), int(self.mains != "50"),
                        10.0 ** (0.1 * self.threshold_dbfs), taps, waves(rate, step),
                        turning(rate, step, self.tolerance_hz), offsets(self.tolerance_hz))
        state = State(event_log(), np.array([0, -taps.size, 0, 0, KEPT]),
                      np.zeros((channels, taps.size + CHUNK + 8), np.float32),
                      np.zeros((channels, SIZE + 8), np.float32),
                      np.zeros((channels, LINES, 2, 2 * KEPT + 8), np.float32),
                      np.zeros(count), np.zeros((HARMONICS, 2, count), np.float32), np.zeros((2, count)),
                      np.zeros(OFFSETS, np.float32), np.zeros((HARMONICS, 3)),
                      np.zeros((channels, HARMONICS, 3)), np.zeros((channels, FIELDS), np.int64),
                      np.zeros(channels), np.full(channels, FLOOR_DB), np.zeros(channels))
        return params, state

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        origin = now(s.log) - s.clock[FRAMES]
        done = 0
        while done < x.shape[1]:
            count = min(x.shape[1] - done, CHUNK - (s.clock[FRAMES] - s.clock[FIRST] - p.taps.size))
            decimate(x, done, count, origin, p, s)
            done += count
        pass_on(x, y)


@kernel
def decimate(x: Any, first: int, count: int, origin: int, p: Any, s: Any) -> None:
    """Take `count` frames, and make the slow frames that became known. One ends at each multiple of the step."""
    taps, clock = p.taps.size, s.clock
    for c in range(x.shape[0]):
        append(x[c], first, count, s.past[c], clock[FRAMES] - clock[FIRST])
    frame = (clock[FRAMES] // p.step + 1) * p.step
    clock[FRAMES] += count
    while frame <= clock[FRAMES]:
        for c in range(x.shape[0]):
            s.slow[c, clock[WAITING]] = low_passed(s.past[c], frame - clock[FIRST] - taps, p.taps)
        clock[WAITING] += 1
        if clock[WAITING] == SIZE:
            windows(origin + frame - taps // 2 - SIZE // 2 * p.step, p, s)
            clock[WAITING] = SIZE - HOP
        frame += p.step
    if clock[FRAMES] - clock[FIRST] == taps + CHUNK:
        make_room(s.past, taps)
        clock[FIRST] += CHUNK


@kernel
def windows(middle: int, p: Any, s: Any) -> None:
    """A window of all channels is whole; its middle lies at frame `middle` since the start of the stream."""
    clock = s.clock
    if clock[PLACE] == 2 * KEPT:
        for c in range(s.slow.shape[0]):
            for line in range(LINES):
                shift(s.vectors[c, line, 0], 0, KEPT, KEPT)
                shift(s.vectors[c, line, 1], 0, KEPT, KEPT)
        clock[PLACE] = KEPT
    clock[WINDOWS] += 1
    for c in range(s.slow.shape[0]):
        hear(s.slow[c], p.waves, s.vectors[c], clock[PLACE])
        shift(s.slow[c], 0, HOP, SIZE - HOP)
        if s.notes[c, GRID]:
            follow(c, middle, p, s)
        if clock[WINDOWS] % TURN == 0 and clock[WINDOWS] >= p.span:
            search(c, middle, p, s)
    clock[PLACE] += 1


@kernel
def search(c: int, middle: int, p: Any, s: Any) -> None:
    """Whether enough windows agree about lines of a grid; the grid with more that do wins."""
    note, best, chosen, most = s.notes[c], -1, 0, 0
    first, last = p.first, p.last
    if note[GRID]:
        first, last = note[GRID] - 1, note[GRID] - 1
    alone = 0
    for grid in range(first, last + 1):
        k = best_offset(s.vectors[c], s.clock[PLACE] + 1 - p.span, p.span, grid, p.turns, s)
        lines, lone = stand(c, grid, k, p.need, p, s)
        alone = max(alone, lone)
        if lines > most and (lines > 1 or lone):
            best, chosen, most = grid, k, lines
    note[ALONE] = note[ALONE] + 1 if alone else 0
    for other in range(s.slow.shape[0]):
        if best < 0 and s.notes[other, GRID] and (other == c or not note[GRID]):
            grid, k = s.notes[other, GRID] - 1, s.notes[other, OFFSET]
            best_offset(s.vectors[c], s.clock[PLACE] + 1 - p.span, p.span, grid, p.turns, s)
            lines, _ = stand(c, grid, k, (2 * p.need + 2) // 3, p, s)
            if lines > 1:               # what hums, or hums in another channel, needs less to do so still
                begin(c, grid, k, middle, p, s)
                return
    if best < 0 or (most == 1 and note[ALONE] < LONE_TURNS and not note[GRID]):
        return
    if best != last:                    # the other grid was tried after it
        best_offset(s.vectors[c], s.clock[PLACE] + 1 - p.span, p.span, best, p.turns, s)
        stand(c, best, chosen, p.need, p, s)
    begin(c, best, chosen, middle, p, s)


@kernel
def stand(c: int, grid: int, k: int, need: int, p: Any, s: Any) -> Any:
    """How many lines of a grid stand, and whether one does that may be alone; their vectors go into `tried`."""
    lines, lone = 0, 0
    for h in range(HARMONICS):
        line, tried = grid * HARMONICS + h, s.tried[h]
        cosine, sine = np.float64(p.turns[line, 0, k]), np.float64(p.turns[line, 1, k])
        alike = agreement(s.vectors[c, line], s.clock[PLACE] + 1 - p.span, p.span, cosine, sine, need, s.calm[h], s,
                          tried)
        stands = alike >= need and tried[REAL] * tried[REAL] + tried[IMAGINARY] * tried[IMAGINARY] >= p.least
        stands = stands and not pulses(tried, p.span, s)
        tried[STANDS] = 1.0 if stands else 0.0
        lines += stands
        lone += stands and h < 2 and alike >= LONE * p.span
        for _ in range(p.span - 1):    # to the last window
            turn(tried, cosine, sine)
    return lines, lone


@kernel
def begin(c: int, grid: int, k: int, middle: int, p: Any, s: Any) -> None:
    """It stands: since when? Hum that was known is known better now."""
    note, held, hop = s.notes[c], s.held[c], HOP * p.step
    adopt(held, s.tried)
    show(c, grid, k, p, s)
    known, note[GRID], note[OFFSET], note[LOW], note[SILENT] = note[GRID], grid + 1, k, 0, 0
    for h in range(HARMONICS):          # one too far, for each step turns first
        turn(held[h], np.float64(p.turns[grid * HARMONICS + h, 0, k]), np.float64(p.turns[grid * HARMONICS + h, 1, k]))
    start, end, gap = 0, -1, 0
    for back in range(min(KEPT, s.clock[WINDOWS])):
        alike, _ = agree(s.vectors[c], s.clock[PLACE] - back, held, grid, k, -1.0, p.turns)
        gap = 0 if alike else gap + 1
        if alike:
            start, end = back, max(end, middle - back * hop)
        if gap > GAP and back >= p.span:
            break
    adopt(held, s.tried)
    if known:
        note[LAST] = max(note[LAST], end + hop // 4)
        s.loudest[c] = max(s.loudest[c], s.hum_dbfs[c])
        return
    note[BEGIN] = 0 if start + 1 >= s.clock[WINDOWS] else max(0, middle - start * hop - hop // 4)
    note[LAST], note[TRUST] = end + hop // 4, SURE
    s.loudest[c] = s.hum_dbfs[c]
    emit(s.log, 0, BEGAN, note[BEGIN], note[BEGIN], c, s.hum_dbfs[c])


@kernel
def follow(c: int, middle: int, p: Any, s: Any) -> None:
    """Whether hum that was found is still there; where it is hidden, the level stays as it was."""
    note = s.notes[c]
    alike, weak = agree(s.vectors[c], s.clock[PLACE], s.held[c], note[GRID] - 1, note[OFFSET], 1.0, p.turns)
    note[TRUST] = min(note[TRUST] + 2, SURE) if alike else max(note[TRUST] - 1, 0)
    if alike and note[TRUST] > 2:       # not by chance
        note[LOW], note[SILENT], note[LAST] = max(note[LOW] - 1, 0), 0, middle + HOP * p.step // 4
        show(c, note[GRID] - 1, note[OFFSET], p, s)
        s.loudest[c] = max(s.loudest[c], s.hum_dbfs[c])
        return
    note[LOW] += weak > 0 and not alike
    note[SILENT] += 1
    if note[LOW] >= GONE or note[SILENT] >= p.span:
        emit(s.log, 0, ENDED, note[BEGIN], max(note[LAST], note[BEGIN]), c, s.loudest[c])
        note[GRID], note[ALONE] = 0, 0
        s.hum_dbfs[c], s.fundamental_hz[c] = FLOOR_DB, 0.0


@kernel
def show(c: int, grid: int, k: int, p: Any, s: Any) -> None:
    """Level of all lines together, and the fundamental."""
    total = 0.0
    for h in range(HARMONICS):
        held = s.held[c, h]
        total += held[STANDS] * (held[REAL] * held[REAL] + held[IMAGINARY] * held[IMAGINARY])
    s.hum_dbfs[c] = 10.0 * math.log10(max(total, LEAST))
    s.fundamental_hz[c] = 50.0 + 10.0 * grid + p.offsets[k]
