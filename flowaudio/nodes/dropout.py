"""Finds dropouts and cuts: holes in a signal that nobody played."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import EVERY, WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import flag, param
from flowaudio.core.simd import all_true, any_true, fma, hmax, hsum, load, splat, vabs, vmax, vmin
from flowaudio.nodes._edges import work
from flowaudio.nodes._holes import (
    AROUND,
    CELLS,
    DONE_END,
    DONE_START,
    DUE,
    FIELDS,
    FLOOR,
    LOUD,
    NATURAL,
    PENDING,
    QUIET_END,
    QUIET_START,
    RUN,
    STRENGTH,
    VALUES,
    ZEROS,
    advance,
    follow,
    judge,
    mean_square,
)
from flowaudio.nodes._levels import FLOOR_DBFS, LARGEST, careful, dbfs, gather, pass_through, past, power_of, remember

__all__ = ["DropoutDetector"]

ZERO = np.float32(0.0)
DROPOUT, CUT_START = range(2)
EDGE = 10                               # cells at the edge of a file
MEMORY_S = 10.0                         # how long zeros that belong to the sound are remembered
FIRST_S = 0.9                           # in which it is not known whether there will be some
LEAST = 11                              # frames of the shortest hole: 8 of them begin at a multiple of 4


class Params(NamedTuple):
    """For a rate."""

    cell: int                           # frames, about 1 ms
    least: int                          # frames of a hole that is not all zeros
    zeros: int                          # frames of one that is
    longest: int
    memory: int                         # frames for which zeros of the sound's own are remembered
    window: Any                         # float64 [frame], the Hann window under which a prediction is made
    edges: int                          # 1: look at the start, too
    quiet: Any                          # float32 [1], greatest magnitude in a hole
    loud: Any                           # float64 [2], mean squares: around a hole; at a file's edge


class State(NamedTuple):
    """Frames are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, frame], the last CELLS cells
    scratch: Any                        # float32 [cell]
    powers: Any                         # float64 [channel, CELLS], mean squares of cells; slot = cell modulo CELLS
    notes: Any                          # int64 [channel, FIELDS], see _holes
    values: Any                         # float64 [channel, VALUES]
    work: Any                           # see _edges
    tail_dbfs: Any                      # float32 [channel]


@node(in_place=True, events=("dropout", "cut_start"), measures=("tail_dbfs",))
class DropoutDetector:
    """Finds dropouts, and a start that was cut; the signal passes unchanged.

    A hole is a run of zeros for `min_ms` or longer (for 0.2 ms, if cut at both ends; 11 frames), up to `max_s`; or no
    sample is above `quiet_dbfs` for so long, and all are 6 dB under the noise floor: the softest 8 ms lately, which
    is forgotten by 3 dB a second. A closure in speech and a rest have the room's noise in them; a fault has less. It is
    a dropout if it is framed by sound, more than `loud_dbfs` (RMS of 10 ms within 40 ms before, and after), if it is
    24 dB under it, and if the sound was cut, and not let go.

    Cut: a linear prediction of order 16 from the 10 ms before the hole (turned round, from those behind it) fails. A
    string or a room dies away as its past foretells; where sound is cut, the error is as large as the sound. It must
    be above -40 dB of the loudest 10 ms, and 12 dB above what cannot be predicted. Noise cannot be predicted at all:
    there the millisecond next to the hole must not be weaker by 8 dB than the 10 ms there.

    Zeros that do not belong to the sound (there were none for 10 s that were not cut) may also have fades of up to a
    millisecond at their ends, as players conceal lost packets. What the prediction misses has the level of the sound,
    whatever its waveform: in the half millisecond next to the zeros it must be above -18 dB of that 1 to 5 ms away, and
    -30 dB at both ends together; and there must be no fade before (-25 dB with the 5 ms against the loudest 10 ms).
    A release of 3 ms is below that in nine cases of ten; if it is taken for a fault once, then by chance at the first
    rest of a programme with zeros of its own, for the next one is known.

    Where one sound is cut by whoever made it and another begins (a reverb that is gated hard, and the next drum), the
    return is an attack: above 30 ms, a hole is none if the sound behind it starts from 0, or is noise and 9 dB louder
    than what was before. Zeros that do not belong to the sound are not asked for that.

    Event ``dropout`` (told when it is over and 41 ms have shown what follows): from the first frame of the hole to the
    first behind it, exact for zeros (fades are outside), and for what stands out of what is left in the hole by 6 dB.
    Holes less than 40 ms apart are one; holes that recur more than 80 times a second are a waveform. Strength: by how
    many dB the hole is under the sound before it. The same hole in all channels is told for all together; one channel
    alone is all.

    Event ``cut_start`` (told once, of one channel or for all together): RMS of the stream's first 10 ms above
    `edge_dbfs`. Strength: that level in dBFS, the highest. A cut at the end shows in the measure ``tail_dbfs``
    [channel] after the last frame: RMS of the last ten whole cells of 1 ms. Latency: none.

    On music and speech made by rule, 998 of 1000 holes of 1 ms to 3 s are found. Not found: a hole with slopes of more
    than a millisecond; one with the room's noise in it, or other sound (a packet that was concealed); one that is not
    zeros within 20 s of a softer rest; faded zeros where zeros are the sound's own. Notes that a program cuts off and
    starts at full swing, both within a sample, look like dropouts and are told; so are closures of some speech that is
    made by rule (a few a minute of espeak's at its own rate, where they are zeros cut into the sound).
    """

    quiet_dbfs: float = param(-120.0, -20.0, "greatest sample in a hole", default=-50.0)
    loud_dbfs: float = param(-80.0, 0.0, "level that there must be before and after it", default=-30.0)
    min_ms: float = param(0.5, 1000.0, "shortest hole that is not all zeros", default=1.0)
    max_s: float = param(0.01, 60.0, "longest hole; above it is silence", default=3.5)
    edges: bool = flag("look for a start that was cut, too", default=True)
    edge_dbfs: float = param(-120.0, 0.0, "level at the start that means a cut", default=-60.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Thresholds; nothing heard yet."""
        rate, channels = format.rate, format.channels
        cell = 8 * max(1, round(rate / 8000))
        frames = max(10 * cell, 128)
        params = Params(cell, max(LEAST, round(self.min_ms * rate / 1000)), max(LEAST, round(rate / 5000)),
                        round(self.max_s * rate), round(MEMORY_S * rate), np.hanning(frames + 2)[1:-1].copy(),
                        int(self.edges), np.array([10.0 ** (self.quiet_dbfs / 20.0)], np.float32),
                        np.array([power_of(self.loud_dbfs), power_of(self.edge_dbfs)]))
        notes = np.full((channels, FIELDS), -1, np.int64)
        notes[:, LOUD], notes[:, NATURAL] = -CELLS, round(FIRST_S * rate) - params.memory
        values = np.zeros((channels, VALUES))
        values[:, FLOOR] = 1.0
        return params, State(event_log(), np.zeros(1, np.int64), past(channels, CELLS * cell),
                             np.zeros(cell, np.float32), np.zeros((channels, CELLS)), notes,
                             values, work(frames), np.full(channels, FLOOR_DBFS, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at, size = s.at[0], p.cell
        for k in range(at // size, (at + x.shape[1]) // size):
            n = k * size - at
            for c in range(x.shape[0]):
                source, first = x[c], n
                if n < 0:
                    gather(x[c], s.ring[c], at, k * size, size, s.scratch)
                    source, first = s.scratch, 0
                cell(source, first, x[c], c, k, p, s)
            tell(k, p, s)
            if p.edges:
                look_at_start(k, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        for c in range(x.shape[0]):
            s.tail_dbfs[c] = dbfs(mean_square(s.powers[c], s.at[0] // size - EDGE, EDGE))
        pass_through(x, y)


@kernel
def look(row: Any, first: int, count: int, quiet: Any) -> Any:
    """Mean square and peak of a cell; whether eight frames in a row are quiet, or zeros may begin at its end."""
    power, top, least = splat(ZERO), splat(ZERO), splat(LARGEST)
    for n in range(first, first + count, 8):
        v = load(row, n)
        a = vabs(v)
        power, top, least = fma(v, v, power), vmax(a, top), vmin(a, least)
    square, peak = hsum(power), hmax(top)
    if not (square <= LARGEST):
        exact, peak_exact = careful(row, first, count)
        return exact / count, np.float32(peak_exact), True
    return np.float64(square) / count, peak, any_true(least < quiet) and has_hole(row, first, count, quiet)


@kernel
def has_hole(row: Any, first: int, count: int, quiet: Any) -> Any:
    """Whether eight frames in a row, from a multiple of 4 on, are quiet, or the last one is 0."""
    hole = abs(row[first + count - 1]) == ZERO
    for n in range(first, first + count - 7, 4):
        hole |= all_true(vabs(load(row, n)) < quiet)
    return hole


@kernel
def cell(source: Any, n: int, row: Any, c: int, k: int, p: Any, s: Any) -> None:
    """A cell of a channel."""
    note = s.notes[c]
    power, top, hole = look(source, n, p.cell, p.quiet[0])
    s.powers[c, k % CELLS] = power
    if power >= p.loud[0]:
        note[LOUD] = k
    busy = note[RUN] >= 0 or note[ZEROS] >= 0
    still = note[RUN] >= 0 and note[ZEROS] >= 0 and top == ZERO
    if (busy and not still) or (hole and not busy and k - note[LOUD] <= AROUND):
        follow(source, n, row, c, k, p, s)
    advance(power, top, row, c, k, p, s)
    if note[PENDING] >= 0:
        judge(row, c, k, p, s)


@kernel
def look_at_start(k: int, p: Any, s: Any) -> None:
    """Was the start of the stream cut? What is late hears it later; what was put back in the middle hears none."""
    late = s.at[0] - now(s.log)
    first = (late + p.cell - 1) // p.cell
    if late < 0 or k != first + EDGE - 1:
        return
    found, strongest = 0, 0.0
    for c in range(s.notes.shape[0]):
        power = mean_square(s.powers[c], first, EDGE)
        strongest = max(strongest, power)
        found += power > p.loud[1]
    for c in range(s.notes.shape[0]):
        power = mean_square(s.powers[c], first, EDGE)
        if found == 1 < s.notes.shape[0] and power > p.loud[1]:
            emit(s.log, CUT_START, WHOLE, 0, EDGE * p.cell, c, dbfs(power))
    if found > 1 or found == s.notes.shape[0]:
        emit(s.log, CUT_START, WHOLE, 0, EDGE * p.cell, EVERY, dbfs(strongest))


@kernel
def tell(k: int, p: Any, s: Any) -> None:
    """Dropouts that have waited for other channels' long enough."""
    for c in range(s.notes.shape[0]):
        if s.notes[c, DONE_START] >= 0 and k * p.cell >= s.values[c, DUE]:
            tell_one(c, p, s)


@kernel
def tell_one(c: int, p: Any, s: Any) -> None:
    """A dropout, with the other channels': what all have in common, if each has it within a cell, or is quiet in it."""
    start, end, shared = s.notes[c, DONE_START], s.notes[c, DONE_END], True
    strength = s.values[c, STRENGTH]
    for d in range(s.notes.shape[0]):
        note = s.notes[d]
        same = (note[DONE_START] >= 0 and abs(note[DONE_START] - s.notes[c, DONE_START]) <= p.cell
                and abs(note[DONE_END] - s.notes[c, DONE_END]) <= p.cell)
        quiet = (note[QUIET_START] >= 0 and note[QUIET_START] <= s.notes[c, DONE_START] + p.cell
                 and note[QUIET_END] >= s.notes[c, DONE_END] - p.cell)
        if same:
            start, end = max(start, note[DONE_START]), min(end, note[DONE_END])
            strength = max(strength, s.values[d, STRENGTH])
        shared = shared and (same or quiet)
    first = now(s.log) - s.at[0]
    if not shared:
        emit(s.log, DROPOUT, WHOLE, s.notes[c, DONE_START] + first, s.notes[c, DONE_END] + first, c,
             s.values[c, STRENGTH])
        s.notes[c, DONE_START] = -1
        return
    emit(s.log, DROPOUT, WHOLE, start + first, max(end, start + 1) + first, EVERY, strength)
    for d in range(s.notes.shape[0]):
        if abs(s.notes[d, DONE_START] - start) <= 2 * p.cell:
            s.notes[d, DONE_START] = -1
