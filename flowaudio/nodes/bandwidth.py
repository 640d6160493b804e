"""Bandwidth: up to where there is sound, and whether something cut it off there."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import hsum, load
from flowaudio.nodes import _fft
from flowaudio.nodes._fft import append, fill, pass_on, power, transform

__all__ = ["BandwidthDetector"]

WINDOW_S = 0.085                        # rounded up to a power of two: 4096 frames at 44.1 and 48 kHz
WINDOW = "blackman_harris"              # a loud line stays within a band
CELL_S = 0.5                            # what happens within is not told apart
BAND = 8                                # bins in a band: 94 Hz at 48 kHz
LOWEST = 16                             # bands: no ceiling is looked for below 1.5 kHz
HIGHEST = 0.455                         # of the rate: converters and resamplers end above
SURE, UNSURE = 0.445, 0.458             # of the rate: above the first, a ceiling may be a converter's
PROVEN_S = 5.0                          # of signal, until a confidence may be 1
SLOPE_DB = 15.0                         # what falls by 60 dB an octave is not as deep
LOSS_HZ = 3000.0                        # a telephone's; below, an instrument that is left alone ends, too
LOSS_DB = 20.0                          # by as much it must have been louder above,
WORTH_DB = 30.0                         # and not weaker by more than this than what is just below the ceiling
FARTHEST_DB = 85.0                      # below the loudest band: there, a window shows its own slopes
FULL = 0.46                             # of the rate: from here on, nobody misses anything
TOP = 0.98                              # of all bands: what is above is a converter's
LEAST = 1e-20

ACTIVE, CELLS, START, BACK, SINCE = range(5)
CUTOFF, DEPTH, ABOVE = range(3)


class Params(NamedTuple):
    """Fixed for a rate and a channel count."""

    size: int
    each: int                           # windows of each channel in a cell
    hold: int                           # cells that a loss must last
    limits: Any                         # float64 [5]: depth dB, gate, ratio, rate, seconds of a window
    shape: Any                          # float32 [size], the window
    factors: Any                        # float32, of the transform


class State(NamedTuple):
    """Frames that wait for a window, power in bands, and what follows from it."""

    log: Any
    clock: Any                          # int64 [4]: frames that wait; windows; frames; where the cell began
    past: Any                           # float32 [size + 8], of the channel whose turn it is
    work: Any                           # float32, of the transform
    bins: Any                           # float32 [size / 2 + 1]
    cell: Any                           # float64 [channel, band], power in this cell
    total: Any                          # float64 [channel, band], power since the start
    windows: Any                        # int64 [channel, 2], loud enough to count: in this cell, since the start
    levels: Any                         # float64 [band], dB
    sums: Any                           # float64 [2, band + 1], levels and powers added up
    edge: Any                           # float64 [3]: what `ceiling` found
    run: Any                            # int64 [channel, 5], of the loss that may be on
    lost: Any                           # float64 [channel, 2], its frequency, and the level above it
    cutoff_hz: Any                      # float64 [channel]
    depth_db: Any                       # float64 [channel]
    confidence: Any                     # float64 [channel]


@node(in_place=True, measures=("cutoff_hz", "depth_db", "confidence"), events=("bandwidth_loss",))
class BandwidthDetector:
    """Finds a ceiling in the spectrum of each channel, as encoders leave it; the signal passes unchanged::

        windows of 85 ms, channels by turns ─► bands of 94 Hz ─┬─► mean since the start ─► ceiling
                                                                     └─► cells of 0.5 s ─► ceiling ─► loss

    A ceiling is a frequency e above which the spectrum is empty: the depth is the mean level from 0.8 e to 0.98 e (of
    the least of three parts, so that a single line is none) over that from 1.04 e to 1.09 e, or over the mean of all
    above, whichever is louder. What slopes by less than 60 dB an octave is less deep than 15 dB.

    - Measures, ``[channel]``: ``cutoff_hz``, half the rate where there is no ceiling; ``depth_db``; ``confidence``, 0
      at a depth of 15 dB, 1 at `depth_db` after 5 s of signal; it falls to 0 from 0.445 to 0.458 of the rate, where
      converters end. MP3 leaves about 17, 19, 20 kHz at 128, 192, 320 kbit/s (LAME); sound upsampled from 16 kHz
      shows 8 kHz. A confidence, no verdict: somebody may have wanted a steep filter.
    - Event "bandwidth_loss": a ceiling, where before there was sound by 20 dB louder above its frequency divided by
      `ratio`, that lasts for `hold_s` while there is signal; it ends when there is sound above it for a third of that.
      Its strength is the new cutoff in Hz. Start and end are exact to 0.5 s, as far as there was sound to show it; with
      more than six channels, to 0.09 s a channel. No loss is told below 3 kHz,
      and what is above 0.46 of the rate is not missed.

    Windows below `gate_dbfs` (RMS) do not count. Windows of 85 ms, one behind the other, show a ceiling to 100 Hz; a
    longer one that overlaps would cost more and show the same. Not found: a low-pass of less than 60 dB an octave, a
    ceiling more than 85 dB below the loudest band, and what is filled above (spectral band replication). The work of a
    window is done in the block that completes it: about 7 µs at 48 kHz, and 5 µs a channel each 0.5 s. Latency: none.
    """

    depth_db: float = param(20.0, 100.0, "a ceiling as deep is certain", default=40.0)
    gate_dbfs: float = param(-140.0, 0.0, "windows that are less loud do not count", default=-60.0)
    ratio: float = param(0.2, 0.95, "to a loss, there was sound above its frequency divided by this", default=0.8)
    hold_s: float = param(1.0, 60.0, "how long a loss must last", default=3.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Window and bands for the rate; nothing known."""
        size = _fft.rounded_size(math.ceil(WINDOW_S * format.rate) // 2 * 2)
        channels, bands = format.channels, size // 2 // BAND
        turn = size * channels / format.rate
        each = max(1, round(CELL_S / turn))
        gate = 2 * _fft.noise_bandwidth(WINDOW) * 10 ** (self.gate_dbfs / 10)   # as the bins' sum
        params = Params(size, each, max(2, round(self.hold_s / (turn * each))),
                        np.array([self.depth_db, gate, self.ratio, float(format.rate),
                                  size / format.rate]),
                        _fft.window(WINDOW, size), _fft.tables(size))
        state = State(event_log(), np.zeros(4, np.int64), np.zeros(size + 8, np.float32), _fft.workspace(size),
                      np.zeros(size // 2 + 1, np.float32), np.zeros((channels, bands)), np.zeros((channels, bands)),
                      np.zeros((channels, 2), np.int64), np.zeros(bands), np.zeros((2, bands + 1)), np.zeros(3),
                      np.zeros((channels, 5), np.int64), np.zeros((channels, 2)),
                      np.full(channels, format.rate / 2), np.zeros(channels), np.zeros(channels))
        return params, state

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        origin = now(s.log) - s.clock[2]
        channels, done = x.shape[0], 0
        while done < x.shape[1]:
            count = min(x.shape[1] - done, p.size - s.clock[0])
            append(x[s.clock[1] % channels], done, count, s.past, s.clock[0])
            done += count
            s.clock[0] += count
            s.clock[2] += count
            if s.clock[0] == p.size:
                window(s.clock[1] % channels, p, s)
                s.clock[0] = 0
                s.clock[1] += 1
                if s.clock[1] % (channels * p.each) == 0:
                    for c in range(channels):
                        close(c, origin + s.clock[3], p, s)
                    s.clock[3] = s.clock[2]
        pass_on(x, y)


@kernel
def window(c: int, p: Any, s: Any) -> None:
    """A window of one channel is whole: its power goes into the cell, if there is enough of it."""
    fill(s.past, 0, p.shape, p.size, s.work)
    power(s.work, transform(s.work, p.factors, p.size), p.factors, p.size, s.bins)
    total = 0.0
    for k in range(s.levels.size):
        s.levels[k] = np.float64(hsum(load(s.bins, BAND * k)))
        total += s.levels[k]
    if total >= p.limits[1]:
        for k in range(s.levels.size):
            s.cell[c, k] += s.levels[k]
        s.windows[c, 0] += 1


@kernel
def close(c: int, start: int, p: Any, s: Any) -> None:
    """A cell of one channel is over: it began at frame `start` since the start of the stream."""
    count = s.windows[c, 0]
    if count:
        ceiling(s.cell[c], count, p, s)
        watch(c, start, p, s)
        s.windows[c, 1] += count
        for k in range(s.levels.size):
            s.total[c, k] += s.cell[c, k]
            s.cell[c, k] = 0.0
        s.windows[c, 0] = 0
        ceiling(s.total[c], s.windows[c, 1], p, s)
        s.cutoff_hz[c], s.depth_db[c] = s.edge[CUTOFF], s.edge[DEPTH]
        proven = min(1.0, s.windows[c, 1] * s.cell.shape[0] * p.limits[4] / PROVEN_S)
        s.confidence[c] = proven * certainty(p, s)


@kernel
def certainty(p: Any, s: Any) -> float:
    """How certain the ceiling is that was found, 0 … 1: by its depth and place."""
    deep = (s.edge[DEPTH] - SLOPE_DB) / (p.limits[0] - SLOPE_DB)
    low = (UNSURE - s.edge[CUTOFF] / p.limits[3]) / (UNSURE - SURE)
    sure: float = max(0.0, min(1.0, deep)) * max(0.0, min(1.0, low))
    return sure


@kernel
def mean(sums: Any, first: float, last: float) -> float:
    """Of the bands from `first` on, one at least, to `last`."""
    a = int(first)
    b = max(a + 1, int(last))
    return (sums[b] - sums[a]) / (b - a)  # type: ignore[no-any-return]  # a float64


@kernel
def ceiling(bands: Any, count: int, p: Any, s: Any) -> None:
    """The frequency above which the spectrum falls deepest. Half the rate, where it falls less than a slope may."""
    top, loudest = int(TOP * bands.size), LEAST
    for k in range(bands.size):
        one = max(bands[k] / (BAND * count), LEAST)
        loudest = max(loudest, one)
        s.levels[k] = 10.0 * math.log10(one)
        s.sums[0, k + 1] = s.sums[0, k] + s.levels[k]
        s.sums[1, k + 1] = s.sums[1, k] + one
    best, depth, loud, quiet = 0, SLOPE_DB, 0.0, 0.0
    least = 10.0 * math.log10(loudest) - FARTHEST_DB
    for e in range(LOWEST, int(2.0 * HIGHEST * bands.size)):
        below = min(mean(s.sums[0], 0.8 * e, 0.9 * e),
                    min(mean(s.sums[0], 0.9 * e, 0.94 * e), mean(s.sums[0], 0.94 * e, 0.98 * e)))
        if not below > least:
            continue
        first = min(int(1.04 * e) + 1, top - 1)
        above = mean(s.sums[0], first, min(1.09 * e + 1, top))
        if below - above > depth:       # seldom: the logarithm would be half of the work
            above = max(above, 10.0 * math.log10(max(mean(s.sums[1], first, top), LEAST)))
            if below - above > depth:
                best, depth, loud, quiet = e, below - above, below, above
    s.edge[CUTOFF], s.edge[DEPTH], s.edge[ABOVE] = 0.5 * p.limits[3], 0.0, 0.0
    if best:
        k = int(0.9 * best)
        while k < top and s.levels[k] > 0.5 * (loud + quiet):
            k += 1
        s.edge[CUTOFF], s.edge[DEPTH], s.edge[ABOVE] = 0.5 * p.limits[3] * k / bands.size, depth, quiet


@kernel
def from_on(hz: float, bands: Any, count: int, p: Any) -> float:
    """Mean level of all bands above a frequency."""
    top = int(TOP * bands.size)
    first = min(int(2.0 * hz / p.limits[3] * bands.size), top - 1)
    total = 0.0
    for k in range(first, top):
        total += bands[k]
    return 10.0 * math.log10(max(total / ((top - first) * BAND * count), LEAST))


@kernel
def watch(c: int, start: int, p: Any, s: Any) -> None:
    """What this cell's ceiling means for a loss that is on, or may be."""
    run, lost, count = s.run[c], s.lost[c], s.windows[c, 0]
    sure = certainty(p, s) >= 0.5
    if run[CELLS]:
        empty = from_on(1.08 * lost[0], s.cell[c], count, p) <= lost[1] + 0.5 * SLOPE_DB
        if empty or (sure and s.edge[CUTOFF] < 1.05 * lost[0]):
            run[CELLS] += 1
            run[BACK] = 0
            if run[CELLS] >= p.hold and not run[ACTIVE]:
                run[ACTIVE] = 1
                emit(s.log, 0, BEGAN, run[START], run[START], c, lost[0])
            return
        if run[BACK] == 0:
            run[SINCE] = start
        run[BACK] += 1
        if run[ACTIVE] and run[BACK] * 3 < p.hold:
            return
        if run[ACTIVE]:
            emit(s.log, 0, ENDED, run[START], run[SINCE], c, lost[0])
        run[ACTIVE], run[CELLS], run[BACK] = 0, 0, 0
    before = s.windows[c, 1]
    likely = LOSS_HZ <= s.edge[CUTOFF] < p.limits[2] * FULL * p.limits[3]
    if sure and likely and before >= p.hold * p.each:
        usual = from_on(s.edge[CUTOFF] / p.limits[2], s.total[c], before, p)
        if usual > s.edge[ABOVE] + max(LOSS_DB, s.edge[DEPTH] - WORTH_DB):
            run[CELLS], run[START], run[BACK] = 1, start, 0
            lost[0], lost[1] = s.edge[CUTOFF], s.edge[ABOVE]
