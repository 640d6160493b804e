"""Finds clicks and jumps: what the samples around it would never have predicted."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import hmax, hsum, load, vmax
from flowaudio.nodes._bridge import bridge_size, bridged
from flowaudio.nodes._isolated import (
    APART,
    LONGEST,
    NEAR,
    band_size,
    burst,
    burst_sizes,
    high_tops,
    rise,
    rivalry,
)
from flowaudio.nodes._levels import pass_through
from flowaudio.nodes._line import line, room, take
from flowaudio.nodes._prediction import (
    MATRIX,
    PAD,
    TAPS,
    autocorrelation,
    cell_tops,
    covariance,
    levinson,
    residual,
    rms,
    top,
    window,
)
from flowaudio.nodes._verdict import is_click

__all__ = ["ClickDetector"]

CLICK, JUMP, NOTHING = 0, 1, -1
CELLS = 16                              # of a frame's inner half
RING = 1024                             # cells that are remembered
LOOKS = 2                               # closer looks in CELLS cells, at most
EDGES = 3                               # as strong as this one, within 100 ms: then it is a waveform with edges
ALIKE = np.float32(0.4)                 # how strong that is
STANDS_OUT = np.float32(3.0)            # over the mean of the cells around it, to be looked at closer
GUARD = 16                              # frames before the first wrong one that need not be right
SINGLE_DB, JUMP_DB = 4.0, 4.0           # what a single wrong sample needs less, and a jump more
REACH_DB = 14.0                         # how far the residual's own peaks must stay below
MATCH = 0.75                            # part of the residual that is the response to one sample
RISE_DB, JUMP_RISE_DB = 12.0, 6.0       # behind a click, a jump: when it is louder by more, something begins
BAND_FLOOR = 10.0 ** (5.5 / 20.0)       # times the least magnitude: that of a burst above 4 kHz
ALONE, EDGES_ALIKE = 0.3, 0.8           # two rivals this strong: a waveform, not looked at for jumps; nor for clicks
FEW, CLICK_DB = 8, 4.0                  # frames and more decibels of a click that is none above 4 kHz
BRIDGE_DB = 4.0                         # what it needs less in the mean of its frames
CERTAIN_DB = 60.0                       # so much over the residual on both sides no attack is


class Params(NamedTuple):
    """For a rate."""

    hop: int                            # frames, about 10 ms
    cell: int                           # a 16th of it
    around: int                         # cells in 100 ms
    delay: int                          # hops that must have come in behind the one that is looked at
    widest: int                         # frames of a click
    behind: int                         # frames from the first wrong one on that need not be right
    kept: int                           # frames of the line
    shape: Any                          # float32 [2 * hop], the window
    thresholds: Any                     # float64 [2]: decibels over the residual; least magnitude
    high_taps: Any                      # float32, see _isolated
    sizes: Any                          # int64, the same
    bridge: Any                         # int64 [3]: frames of the longest gap, of what it is predicted from, next to it


class State(NamedTuple):
    """Hops are counted from the node's own start."""

    log: Any
    at: Any                             # int64 [3]: frames so far, where the next goes in the line, hops looked at
    line: Any                           # float32 [channel, frame]
    tops: Any                           # float32 [channel, RING], greatest error of each cell
    high: Any                           # float32 [channel, RING], the greatest of what is above 4 kHz
    band: Any                           # float32 [frame], that, around a cell
    last: Any                           # int64 [channel], end of what was told last
    frame: Any                          # float32 [PAD + 2 * hop], windowed
    r: Any                              # float64 [14]
    taps: Any                           # float32 [TAPS]
    filters: Any                        # float64 [2, TAPS]: forwards, backwards
    matrix: Any                         # float64 [MATRIX]
    near: Any                           # float64 [4, frame]: what is around; backwards; their residuals
    bridge: Any                         # float64, see _bridge
    clicks: Any                         # int64 [channel]
    discontinuities: Any                # int64 [channel]


@node(in_place=True, events=("click", "discontinuity"), measures=("clicks", "discontinuities"))
class ClickDetector:
    """Finds clicks and jumps; the signal passes unchanged::

        high-pass at 4 kHz ─► bursts that stand alone in 9 ms ─► bridged from both sides
        order-12 prediction of 21 ms ─► residual ─► what stands out of 100 ms ─►
            predicted from the 11 ms before it, and backwards from those behind it ─► where both sides err

    A **click** is a burst above 4 kHz of 0.92 ms at most, 6 dB over the peaks of the 9 ms on each side, that can be
    bridged: of the error of a prediction from either side, a frame's share that goes away when the burst's frames are
    interpolated stands over the error beside it, and over what stays. A drum or a castanet begins something, which no
    bridge removes. Decibels of all that are added up, less what is louder or left behind the burst, and two rivals at
    even distances: edges of a waveform. For a single clear sample about `threshold_db` of each is needed; more of the
    one makes up for less of another. See Godsill and Rayner, "Digital Audio Restoration", sections 5.2 and 5.3.

    A sample is wrong if the residual of both predictions is. The first that the past did not predict and the last that
    the future did not, bound a click. If nothing lies between them each side fits itself and not the other: a
    **discontinuity**, where samples were left out, put in or moved. See Vaseghi, "Advanced digital signal processing
    and noise reduction", chapter 13, on impulses in the residual. A click of up to 8 frames that is no burst above
    4 kHz (low rates) needs 4 dB more than `threshold_db`, and to be bridged by that less 4 dB.

    What prediction finds stands `threshold_db` over the RMS of the residual on both sides, and `threshold_db` - 14
    over its greatest value within 5 ms: a drum, a pluck, a plosive has a tail that no prediction from behind it
    removes. One wrong sample needs 4 dB less, a discontinuity 4 dB more. It is neither one of more than four such
    within 200 ms nor, unless it is very clear, the start of something louder (RMS of 21 ms up by 6 dB at a
    discontinuity, 12 dB at a click).

    Events, a channel, told 130 ms later: ``click``, from its first wrong sample to the one after the last, 1 ms at
    most; ``discontinuity``, one sample, the first that does not follow. Mostly exact to a few samples; where prediction
    does not tell, a burst's edges above 4 kHz. Strength: peak of the residual, or of the burst, over its RMS before it,
    in dB. Measures, [channel]: ``clicks``, ``discontinuities``, how many. Latency: none.

    Not found: what stands out less; clicks with their peak above 4 kHz below `floor_dbfs` + 5.5; crackle at even
    distances; most splices (about half of those with a clear step): a splice from quiet into loud is an attack, a bend
    has no jump. A dry kick drum's beater, or the edges of a deep saw tooth at its onset, may be taken for a click.
    So may what sequencers do at even steps (samples triggered again), fault or not.
    """

    threshold_db: float = param(20.0, 60.0, "peak of the residual over its RMS, both ways", default=26.0)
    floor_dbfs: float = param(-80.0, 0.0, "weaker peaks of the residual are nothing", default=-46.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Sizes for the rate; nothing heard yet."""
        rate, channels = format.rate, format.channels
        hop = 128
        while hop < 0.0075 * rate and hop < 2048:
            hop *= 2
        around = math.ceil(0.1 * rate * CELLS / hop)
        delay = -(-around // CELLS) + 1
        widest = max(8, math.ceil(0.00105 * rate))
        behind = widest + GUARD
        kept = (delay + 6) * hop
        size = 2 * hop + hop // CELLS + behind + 4 * GUARD + 64
        high_taps, sizes = burst_sizes(rate, hop // CELLS)
        params = Params(hop, hop // CELLS, around, delay, widest, behind, kept, window(2 * hop),
                        np.array([self.threshold_db, 10.0 ** (self.floor_dbfs / 20.0)]), high_taps, sizes,
                        np.array([sizes[LONGEST], hop, sizes[NEAR]]))
        return params, State(
            event_log(), np.array([0, kept, 0]), line(channels, kept), np.zeros((channels, RING), np.float32),
            np.zeros((channels, RING), np.float32), np.zeros(band_size(sizes, hop // CELLS), np.float32),
            np.full(channels, -1, np.int64), np.zeros(PAD + 2 * hop, np.float32), np.zeros(14),
            np.zeros(TAPS, np.float32), np.zeros((2, TAPS)), np.zeros(MATRIX), np.zeros((4, size)),
            np.zeros(bridge_size(int(sizes[LONGEST]))), np.zeros(channels, np.int64), np.zeros(channels, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames, done, offset = x.shape[1], 0, now(s.log) - s.at[0]
        while done < frames:
            count = min(frames - done, p.hop - s.at[0] % p.hop)
            take(x, done, count, s.line, s.at[1])
            s.at[0] += count
            s.at[1] += count
            done += count
            if s.at[0] % p.hop == 0:
                for c in range(x.shape[0]):
                    hop(s.line[c], c, offset, p, s)
                s.at[2] += 1
                s.at[1] = room(s.line, s.at[1], p.hop, p.kept)
        pass_through(x, y)


@kernel
def hop(row: Any, c: int, offset: int, p: Any, s: Any) -> None:
    """A hop is whole: the errors of the one before it, and a judgement of one 100 ms ago."""
    hops, end = s.at[2], s.at[1]
    if hops == 0:
        return
    autocorrelation(row, end - 2 * p.hop - p.hop // 2, p.shape, s.frame, s.r)
    levinson(s.r, 2 * p.hop, s.filters[0], s.taps)
    first = (hops - 1) * CELLS
    cell_tops(row, end - 2 * p.hop, s.taps, p.cell, s.tops[c], first % RING)
    high_tops(row, end - 2 * p.hop, p.high_taps, p.sizes[APART], p.cell, s.high[c], first % RING)
    if hops > p.delay:
        bursts(row, c, (hops - p.delay) * CELLS, offset, p, s)
        judge(row, c, (hops - p.delay) * CELLS, offset, p, s)


@kernel
def bursts(row: Any, c: int, first: int, offset: int, p: Any, s: Any) -> None:
    """The cells of a hop, from the `first` on: bursts above 4 kHz that stand alone."""
    tops, place = s.high[c], first % RING
    least = BAND_FLOOR * p.thresholds[1]
    if hmax(vmax(load(tops, place), load(tops, place + 8))) < least:
        return
    for k in range(CELLS):
        if tops[place + k] < least:
            continue
        rivals = rivalry(tops, first + k, p.sizes)
        if rivals == 0.0 or rivals > EDGES_ALIKE:
            continue
        at = s.at[1] - ((s.at[2] + 1) * p.hop - (first + k) * p.cell)
        frame = (first + k) * p.cell
        begin, length, strength, over_peaks, over_next, tail = burst(row, at, p.cell, p.high_taps, p.sizes, s.band)
        click = is_click(row, at + begin, length, over_peaks, over_next, tail, rivals, p, s)
        kind, start, end, over = NOTHING, 0, 0, 0.0
        if click or rivals <= ALONE:
            kind, start, end, over = look(row, at, frame, 0, p, s)
        start, end = start + offset, end + offset
        if click and (kind == NOTHING or abs(start - (frame + begin + offset)) > p.widest):
            kind, start, over = CLICK, frame + begin + offset, strength
            end = start + length
        if click or kind == JUMP:
            tell(kind, start, end, over, c, p, s)


@kernel
def tell(kind: int, start: int, end: int, strength: float, c: int, p: Any, s: Any) -> None:
    """An event, unless there was one just now."""
    if start <= s.last[c]:
        return
    s.last[c] = start + p.widest + 1
    if kind == CLICK:
        s.clicks[c] += 1
    else:
        s.discontinuities[c] += 1
    emit(s.log, kind, WHOLE, start, end, c, strength)


@kernel
def judge(row: Any, c: int, first: int, offset: int, p: Any, s: Any) -> None:
    """The cells of a hop, from the `first` on: those that stand out are looked at closer."""
    tops = s.tops[c]
    place = first % RING
    before, behind = (first - CELLS) % RING, (first + CELLS) % RING
    here = vmax(load(tops, place), load(tops, place + 8))
    greatest = hmax(here)
    if greatest < p.thresholds[1]:
        return
    total = hsum(load(tops, before) + load(tops, before + 8) + load(tops, place) + load(tops, place + 8)
                 + load(tops, behind) + load(tops, behind + 8))
    if greatest * (3 * CELLS - 1) < STANDS_OUT * (total - greatest):
        return
    looks = 0
    for k in range(CELLS):
        m = tops[place + k]
        if looks < LOOKS and m >= ALIKE * greatest and m >= p.thresholds[1] and \
                tops[(place + k - 1) % RING] <= m and m > tops[(place + k + 1) % RING] and \
                m * (3 * CELLS - 1) >= STANDS_OUT * (total - m):
            looks += 1
            back = (s.at[2] + 1) * p.hop - (first + k) * p.cell
            kind, start, end, over = look(row, s.at[1] - back, (first + k) * p.cell,
                                          rivals(tops, first + k, m, p.around), p, s)
            if kind == JUMP or (kind == CLICK and end - start <= FEW and over > p.thresholds[0] + CLICK_DB and bridged(
                    row, s.at[1] - (s.at[2] + 1) * p.hop + start - 1, min(end - start + 2, p.bridge[0]), p.bridge,
                    s.near, s.matrix, s.filters, s.bridge) > p.thresholds[0] - BRIDGE_DB):
                tell(kind, start + offset, end + offset, over, c, p, s)


@kernel
def rivals(tops: Any, at: int, m: Any, around: int) -> int:
    """Cells within 100 ms of this one that are nearly as strong."""
    found = 0
    for k in range(4, around):
        if tops[(at - k) % RING] > ALIKE * m:
            found += 1
        if tops[(at + k) % RING] > ALIKE * m:
            found += 1
    return found


@kernel
def look(row: Any, place: int, frame: int, others: int, p: Any, s: Any) -> Any:
    """Predict the cell at ``row[place]``, the stream's `frame`, from what was before it and from what comes.

    (kind, first frame, end, dB).
    """
    z, back, e, g = s.near[0], s.near[1], s.near[2], s.near[3]
    left = p.hop + 2 * GUARD            # of z, before the cell
    used = left + p.cell + GUARD + p.behind + p.hop + GUARD
    for n in range(used):
        z[n] = row[place - left + n]
    covariance(z, GUARD, p.hop + GUARD, s.matrix, s.filters[0])
    residual(z, GUARD, used, s.filters[0], e)
    wrong = left - GUARD // 2
    for n in range(left - GUARD // 2, left + p.cell + GUARD // 2):
        if abs(e[n]) > abs(e[wrong]):
            wrong = n
    over = db(abs(e[wrong]) / rms(e, GUARD, wrong - GUARD))
    if over < p.thresholds[0] - SINGLE_DB or (others > EDGES and not alone(e, wrong, s.filters[0])):
        return NOTHING, 0, 0, 0.0
    for n in range(used):
        back[n] = z[used - 1 - n]
    rest = used - 1 - (wrong + p.behind)
    rows = (rest - GUARD) // 16 * 16
    covariance(back, rest - rows, rest, s.matrix, s.filters[1])
    residual(back, GUARD, used, s.filters[1], g)
    for n in range(used):               # residuals of both stand where their samples are
        back[n] = 0.0
    for n in range(GUARD, used):
        back[used - 1 - n] = g[n]
    kind, first, end, strength = decide(row, place - left, wrong, used, others, p, s)
    return kind, frame - left + first, frame - left + end, strength


@kernel
def alone(e: Any, wrong: int, a: Any) -> Any:
    """Whether one or two wrong samples make most of a residual: it is the error filter's own response to them."""
    whole, best = 0.0, 0.0
    for n in range(wrong - GUARD, wrong + GUARD):
        whole += e[n] * e[n]
    for n in range(wrong - GUARD // 2, wrong + 1):
        both, own = 0.0, 0.0
        for k in range(min(TAPS, wrong + GUARD - n)):
            both, own = both + e[n + k] * a[k], own + a[k] * a[k]
        best = max(best, both * both / own)
    return best > MATCH * whole


@kernel
def decide(row: Any, place: int, wrong: int, used: int, others: int, p: Any, s: Any) -> Any:
    """(kind, first wrong frame, its end, dB): what the residuals in ``s.near[2]`` and ``s.near[1]`` tell."""
    e, g = s.near[2], s.near[1]
    behind, half = wrong + p.behind, p.hop // 2
    peak, peak_back = top(e, wrong - GUARD, behind), top(g, wrong - GUARD, behind)
    other, other_back = top(e, wrong - half, wrong - GUARD), top(g, behind, min(behind + half, used - GUARD))
    first, last = wrong - GUARD, behind - 1
    least, least_back = max(1.5 * other, 0.003 * peak), max(1.5 * other_back, 0.003 * peak_back)
    while first < behind - 1 and abs(e[first]) < least:
        first += 1
    while last > wrong - GUARD and abs(g[last]) < least_back:
        last -= 1
    width = last - first + 1
    over = db(peak / rms(e, GUARD, wrong - GUARD))
    tail = db(peak / rms(e, behind, behind + half // 2))
    needed, kind = p.thresholds[0], CLICK if width > 0 else JUMP
    if kind == JUMP:
        needed += JUMP_DB
    if width == 1:
        needed -= SINGLE_DB
    elif width < 0 or width > p.widest or others > EDGES or (
            (width == 0 or min(over, tail) < CERTAIN_DB)
            and db(rise(row, place + wrong - GUARD, place + behind, 2 * p.hop)) > (RISE_DB if width else JUMP_RISE_DB)):
        kind = NOTHING
    reach = needed - REACH_DB
    if peak < p.thresholds[1] or over < needed or db(peak_back / rms(g, behind, used - GUARD)) < needed - 2.0 or \
            db(peak / other) < reach or db(peak_back / other_back) < reach or \
            tail < needed - 6.0:
        kind = NOTHING
    return kind, first, max(last + 1, first + 1), over


@kernel
def db(ratio: float) -> Any:
    """Of amplitudes."""
    return 20.0 * math.log10(ratio)
