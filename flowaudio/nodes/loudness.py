"""The loudness meter: LUFS, loudness range and true peak of what passes."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.named_layouts import DEFAULT, NAMED_LAYOUTS, layout_speakers
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, flag
from flowaudio.core.simd import (
    any_true,
    as_float,
    as_int,
    hmax,
    hsum,
    load,
    load_part,
    select,
    splat,
    store,
    store_part,
    vabs,
    vmax,
)
from flowaudio.core.simdmath import FLOOR_DB, gain_to_db_scalar
from flowaudio.nodes import _gating, _highest, _kweighting, _truepeak
from flowaudio.nodes._gating import GATE_LUFS, count, move_gate, percentile_lufs
from flowaudio.nodes._highest import highest
from flowaudio.nodes._kweighting import CHUNK, HOPS_PER_SECOND, energy, hop_end, loudness_of, weigh
from flowaudio.nodes._truepeak import DELAY, shift

__all__ = ["LoudnessMeter", "LoudnessReading", "loudness"]

MOMENTARY = 40                          # hops in 400 ms
SHORT_TERM = 300                        # hops in 3 s
STEP = 10                               # hops from one gating block, and one window of the range, to the next
SETTLED = 60 * HOPS_PER_SECOND          # hops after which the range is stable
BLOCK_GATE = -10.0                      # LU, relative
RANGE_GATE = -20.0
PAST = 80                               # frames before the chunk: DELAY and REACH, in whole vectors
BEHIND = 24                             # and behind it: MARGIN less DELAY, in whole vectors
ZERO = np.float32(0.0)
LOUDEST = 1e4                           # what is above is no sound
LOUDEST_BITS = int(np.float32(LOUDEST).view(np.int32))
INFINITE = np.float32(np.inf)


class LoudnessReading(NamedTuple):
    """What a LoudnessMeter knows. Silence, and what was too short to be measured, is ``-inf``."""

    integrated_lufs: float              # of all since the start, gated
    momentary_lufs: float               # of the last 400 ms
    short_term_lufs: float              # of the last 3 s
    momentary_max_lufs: float
    short_term_max_lufs: float
    true_peak_dbtp: float               # the highest of all channels
    sample_peak_dbfs: float
    loudness_range_lu: float = -math.inf    # of all since the start; never less than 0 where it is known
    loudness_range_stable: bool = False     # whether 60 s are behind it, as EBU Tech 3342 asks


class Params(NamedTuple):
    """Fixed for a rate and a layout."""

    rate: int
    true_peak: int
    coefs: Any                          # float64 [7], K-weighting
    weights: Any                        # float64 [channel]
    taps: Any                           # float32, of the interpolators


class State(NamedTuple):
    """Position, the last samples, filters, the last hops, the histograms, and the results."""

    clock: Any                          # int64 [2]: frames since the start, whole hops
    line: Any                           # float32 [channel, PAST + CHUNK + BEHIND], the past and the chunk in work
    filters: Any                        # float64 [group, …], see _kweighting
    frames: Any                         # float64 [4 * CHUNK], scratch of the filters
    points: Any                         # float32 [SCRATCH], scratch of the interpolators
    last: Any                           # float64 [MOMENTARY], mean squares of hops; slot = hop modulo length
    longer: Any                         # float64 [SHORT_TERM]
    blocks: Any                         # int64, gating blocks counted, see _gating
    sums: Any                           # float64 [BINS], their mean squares
    windows: Any                        # int64, windows of 3 s counted
    tallies: Any                        # int64 [2, 3], of blocks and windows
    totals: Any                         # float64 [2], the mean squares of each added up
    above: Any                          # float64 [1], of the blocks over the relative gate
    tops: Any                           # float32 [2, channel], true peak and sample peak so far
    integrated_lufs: Any                # float64 [1], and so on
    momentary_lufs: Any
    short_term_lufs: Any
    momentary_max_lufs: Any
    short_term_max_lufs: Any
    true_peak_dbtp: Any                 # float32 [channel]
    sample_peak_dbfs: Any               # float32 [channel]
    loudness_range_lu: Any              # float64 [1]
    loudness_range_stable: Any          # int64 [1]


@node(in_place=True, measures=LoudnessReading._fields)
class LoudnessMeter:
    """Measures loudness, its range and true peak; the signal passes unchanged. ITU-R BS.1770-5, EBU Tech 3341, 3342::

        K-weighting ─► mean square of 10 ms ─┬─► last 40: momentary ─► each 100 ms: histogram, gates ─► integrated
                                             └─► last 300: short-term ─► each 100 ms: histogram, gates ─► range
        8 × oversampling ─► true peak

    Integrated: the blocks of 400 ms, 75 % over each other, that are above -70 LUFS and not more than 10 LU under the
    mean of those. A block that is not whole does not count. Range: of the windows of 3 s that are above -70 LUFS and
    not more than 20 LU under the mean of those, from the 10th to the 95th percentile; what it says is stable after
    60 s. Histograms keep memory flat. That of the blocks has the exact sum in each 0.01 LU: only blocks within 0.01 LU
    of the relative gate could count wrongly.

    Everything stands at places given by the number of frames since the start. Measures the fields of
    :class:`LoudnessReading`, which :func:`loudness` makes of ``plan.read(name)``; peaks are one a channel, -200 dB for
    silence, true peaks without the last 36 frames.

    Surrounds weigh 1.41, the LFE nothing; above eight channels without a layout all weigh 1. A sample that is no
    number counts, and goes on, as 0; one above 1e4 counts as 0.

    Latency: none. Errors: loudness 0.01 LU; range 0.02 LU; true peak +0.05, -0.2 dB up to 0.46 of the rate. At
    rates below 3.4 kHz the weighting has no shelf.
    """

    true_peak: bool = flag("measure the true peak too, which is most of the work", default=True)
    layout: str = choice((DEFAULT, *NAMED_LAYOUTS),
                         "speakers of the channels, where their number alone leaves a doubt", default=DEFAULT)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Coefficients for the rate; silence."""
        channels = format.channels
        names = layout_speakers(self.layout, channels, "LoudnessMeter.layout")
        params = Params(format.rate, int(self.true_peak), _kweighting.coefficients(format.rate),
                        _kweighting.channel_weights(names), _truepeak.coefficients())
        state = State(np.zeros(2, np.int64), np.zeros((channels, PAST + CHUNK + BEHIND), np.float32),
                      _kweighting.filters(channels), np.zeros(4 * CHUNK), np.zeros(_highest.SCRATCH, np.float32),
                      np.zeros(MOMENTARY), np.zeros(SHORT_TERM), _gating.counts(), np.zeros(_gating.BINS),
                      _gating.counts(), np.zeros((2, 3), np.int64), np.zeros(2), np.zeros(1),
                      np.zeros((2, channels), np.float32),
                      _silence(), _silence(), _silence(), _silence(), _silence(),
                      np.full(channels, FLOOR_DB, np.float32), np.full(channels, FLOOR_DB, np.float32),
                      _silence(), np.zeros(1, np.int64))
        return params, state

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        done = 0
        while done < x.shape[1]:
            # Chunks begin at multiples of CHUNK since the start, so that what was before is seldom moved.
            at = s.clock[0] % CHUNK
            size = min(CHUNK - at, x.shape[1] - done)
            for c in range(x.shape[0]):
                peaks(x[c], y[c], done, size, at, c, p, s)
            energies(at, size, p, s)
            if at + size == CHUNK:
                for c in range(x.shape[0]):
                    shift(s.line[c], 0, CHUNK, PAST)
            done += size
        for c in range(x.shape[0]):
            s.sample_peak_dbfs[c] = gain_to_db_scalar(s.tops[1, c])
            s.true_peak_dbtp[c] = gain_to_db_scalar(max(s.tops[0, c], s.tops[1, c]))


def _silence() -> Any:
    return np.full(1, -math.inf)


def loudness(measured: Mapping[str, Any]) -> LoudnessReading:
    """What ``plan.read(name)`` of a LoudnessMeter gave, as plain numbers."""
    values = {name: float(np.max(measured[name])) for name in LoudnessReading._fields}
    stable = values.pop("loudness_range_stable") > 0
    known = {name: value if value > FLOOR_DB else -math.inf for name, value in values.items()}
    return LoudnessReading(**known, loudness_range_stable=stable)


@kernel
def peaks(row: Any, out: Any, start: int, size: int, at: int, c: int, p: Any, s: Any) -> None:
    """Take a part of a chunk of one channel: into its line, on to the output, its peaks."""
    line = s.line[c]
    top = take(row, out, start, size, line, PAST + at)
    if any_true(top > LOUDEST_BITS):
        top = mend(out, start, size, line, PAST + at)
    s.tops[1, c] = max(s.tops[1, c], hmax(as_float(top)))
    if p.true_peak:
        known = max(s.tops[0, c], s.tops[1, c])
        s.tops[0, c] = highest(line, PAST + at - DELAY, size, known, p.taps, s.points)


@kernel
def take(row: Any, out: Any, start: int, size: int, line: Any, at: int) -> Any:
    """Samples into the line and the output. The bits of the greatest magnitudes, where NaN shows itself."""
    top = as_int(splat(ZERO))
    whole, rest = size - size % 8, size % 8
    for n in range(0, whole, 8):
        value = load(row, start + n)
        store(line, at + n, value)
        store(out, start + n, value)
        top = vmax(top, as_int(vabs(value)))
    if rest:
        value = load_part(row, start + whole, rest)
        store(line, at + whole, value)
        store_part(out, start + whole, rest, value)
        top = vmax(top, as_int(vabs(value)))
    return top


@kernel
def mend(out: Any, start: int, size: int, line: Any, at: int) -> Any:
    """Put 0 where no number is: in the output, or the walk would begin anew and forget all. In the line, where no sound
    can be. The bits of the greatest magnitudes that are left."""
    top, zero = as_int(splat(ZERO)), splat(ZERO)
    for n in range(0, size, 8):
        value = load(line, at + n)
        kept = select(vabs(value) <= np.float32(LOUDEST), value, zero)
        store(line, at + n, kept)
        store_part(out, start + n, min(8, size - n), select(vabs(value) < INFINITE, value, zero))
        top = vmax(top, as_int(vabs(kept)))
    return top


@kernel
def energies(at: int, size: int, p: Any, s: Any) -> None:
    """The part of the chunk that was taken, through the filters, and what ends within it."""
    done = 0
    while done < size:
        end = hop_end(s.clock[1], p.rate)
        part = min(size - done, end - s.clock[0])
        for group in range(s.filters.shape[0]):
            weigh(s.line, PAST + at + done, part, group, p.coefs, s.frames, s.filters[group])
        done += part
        s.clock[0] += part
        if s.clock[0] == end:
            hop(energy(p.weights, s.filters) * HOPS_PER_SECOND / p.rate, s)


@kernel
def hop(power: float, s: Any) -> None:
    """A hop is whole: its mean square goes into the rings, and what follows from them is computed."""
    hops = s.clock[1]
    s.last[hops % MOMENTARY] = power
    s.longer[hops % SHORT_TERM] = power
    hops += 1
    s.clock[1] = hops
    block, window = mean(s.last), mean(s.longer)
    s.momentary_lufs[0] = loudness_of(block)
    s.short_term_lufs[0] = loudness_of(window)
    s.momentary_max_lufs[0] = max(s.momentary_max_lufs[0], s.momentary_lufs[0])
    s.short_term_max_lufs[0] = max(s.short_term_max_lufs[0], s.short_term_lufs[0])
    if hops % STEP == 0:
        if hops >= MOMENTARY and s.momentary_lufs[0] > GATE_LUFS:
            integrate(block, s)
        if hops >= SHORT_TERM and s.short_term_lufs[0] > GATE_LUFS:
            widen(window, s)
        s.loudness_range_stable[0] = hops >= SETTLED


@kernel
def mean(ring: Any) -> Any:
    """Mean of a ring, added up in the order of its slots."""
    total = load(ring, 0)
    for n in range(4, ring.size, 4):
        total += load(ring, n)
    return hsum(total) / ring.size


@kernel
def integrate(block: float, s: Any) -> None:
    """Count a gating block, move the relative gate to where it belongs now, and find the loudness above it."""
    tally = s.tallies[0]
    place = count(block, s.blocks, tally)
    s.sums[place] += block
    s.totals[0] += block
    if place >= tally[2]:
        s.above[0] += block
    move_gate(s.totals[0] / tally[0], BLOCK_GATE, s.blocks, s.sums, tally, s.above)
    if tally[1]:
        s.integrated_lufs[0] = loudness_of(s.above[0] / tally[1])


@kernel
def widen(window: float, s: Any) -> None:
    """Count a window of the range, move the relative gate, and find the percentiles above it."""
    tally = s.tallies[1]
    count(window, s.windows, tally)
    s.totals[1] += window
    move_gate(s.totals[1] / tally[0], RANGE_GATE, s.windows, s.above, tally, s.above)
    if tally[1]:
        high, low = percentile_lufs(0.95, s.windows, tally), percentile_lufs(0.10, s.windows, tally)
        s.loudness_range_lu[0] = high - low
