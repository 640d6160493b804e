"""The loudness meter: LUFS and true peak of what passes."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import flag
from flowaudio.core.simd import as_float, as_int, hmax, hsum, load, load_part, splat, store, vabs, vmax
from flowaudio.core.simdmath import FLOOR_DB, gain_to_db_scalar
from flowaudio.nodes import _kweighting, _truepeak
from flowaudio.nodes._kweighting import CHUNK, HOPS_PER_SECOND, energy, hop_end, loudness_of, weigh
from flowaudio.nodes._truepeak import advance, oversample, peak

__all__ = ["LoudnessMeter", "LoudnessReading", "loudness"]

MOMENTARY = 40                          # hops in 400 ms
SHORT_TERM = 300                        # hops in 3 s
GATING = 10                             # hops from one gating block to the next
BINS = 10_000                           # of the histogram: 0.01 LU each, from the absolute gate up
PER_BIN = 100.0
GATE = -70.0                            # LUFS, absolute
RELATIVE = -10.0                        # LU
ZERO = np.float32(0.0)


class LoudnessReading(NamedTuple):
    """What a LoudnessMeter knows. Silence, and what was too short to be measured, is ``-inf``."""

    integrated_lufs: float              # of all since the start, gated
    momentary_lufs: float               # of the last 400 ms
    short_term_lufs: float              # of the last 3 s
    momentary_max_lufs: float
    short_term_max_lufs: float
    true_peak_dbtp: float               # the highest of all channels
    sample_peak_dbfs: float


class Params(NamedTuple):
    """Fixed for a rate and a channel count."""

    rate: int
    true_peak: int
    coefs: Any                          # float64 [7], K-weighting
    weights: Any                        # float64 [channel]
    taps: Any                           # float32, of the interpolators


class State(NamedTuple):
    """Position, filters, the last hops, the histogram of gating blocks, and the results."""

    clock: Any                          # int64 [2]: frames since the start, whole hops
    filters: Any                        # float64 [group, …], see _kweighting
    scratch: Any                        # float64 [4 * CHUNK]
    last: Any                           # float64 [MOMENTARY], mean squares of hops; slot = hop modulo length
    longer: Any                         # float64 [SHORT_TERM]
    counts: Any                         # int64 [BINS], gating blocks
    sums: Any                           # float64 [BINS], their mean squares
    tally: Any                          # int64 [3]: blocks over the absolute gate, over the relative; its bin
    totals: Any                         # float64 [2]: their mean squares added up
    streams: Any                        # float32 [channel, …], see _truepeak
    tops: Any                           # float32 [2, channel], true peak and sample peak so far
    peaks: Any                          # float32 [CHUNK], of the frames in work
    integrated_lufs: Any                # float64 [1], and so on
    momentary_lufs: Any
    short_term_lufs: Any
    momentary_max_lufs: Any
    short_term_max_lufs: Any
    true_peak_dbtp: Any                 # float32 [channel]
    sample_peak_dbfs: Any               # float32 [channel]


MEASURES = ("integrated_lufs", "momentary_lufs", "short_term_lufs", "momentary_max_lufs", "short_term_max_lufs",
            "true_peak_dbtp", "sample_peak_dbfs")


@node(in_place=True, measures=MEASURES)
class LoudnessMeter:
    """Measures loudness and true peak; the signal passes unchanged. ITU-R BS.1770-5, EBU Tech 3341::

        K-weighting ─► mean square of 10 ms ─┬─► last 40: momentary ─► each 100 ms: histogram, gates ─► integrated
                                             └─► last 300: short-term
        8 × oversampling ─► true peak

    Integrated: the blocks of 400 ms, 75 % over each other, that are above -70 LUFS and not more than 10 LU under the
    mean of those. The histogram keeps the exact sum of the blocks in each 0.01 LU, so that memory does not grow and
    only blocks within 0.01 LU of the relative gate could count wrongly. A block that is not whole does not count.

    Everything stands at places given by the number of frames since the start. Measures the fields of
    :class:`LoudnessReading`, which :func:`loudness` makes of ``plan.read(name)``; peaks are one a channel, -200 dB for
    silence, true peaks without the last 36 frames.

    Latency: none. Errors: loudness 0.01 LU; true peak +0.05, -0.2 dB up to 0.46 of the rate.
    """

    true_peak: bool = flag("measure the true peak too, which is most of the work", default=True)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Coefficients for the rate; silence."""
        channels = format.channels
        params = Params(format.rate, int(self.true_peak), _kweighting.coefficients(format.rate),
                        _kweighting.channel_weights(channels), _truepeak.coefficients())
        state = State(np.zeros(2, np.int64), _kweighting.filters(channels), np.zeros(4 * CHUNK), np.zeros(MOMENTARY),
                      np.zeros(SHORT_TERM), np.zeros(BINS, np.int64), np.zeros(BINS), np.zeros(3, np.int64),
                      np.zeros(2), _truepeak.streams(channels if self.true_peak else 1),
                      np.zeros((2, channels), np.float32), np.zeros(CHUNK + 8, np.float32),
                      _silence(), _silence(), _silence(), _silence(), _silence(),
                      np.full(channels, FLOOR_DB, np.float32), np.full(channels, FLOOR_DB, np.float32))
        return params, state

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        for c in range(x.shape[0]):
            peaks(x[c], c, p, s)
        done = 0
        while done < frames:
            end = hop_end(s.clock[1], p.rate)
            count = min(CHUNK, frames - done, end - s.clock[0])
            for group in range(s.filters.shape[0]):
                weigh(x, done, count, group, p.coefs, s.scratch, s.filters[group])
            done += count
            s.clock[0] += count
            if s.clock[0] == end:
                hop(energy(p.weights, s.filters) * HOPS_PER_SECOND / p.rate, s)
        for c in range(x.shape[0]):
            for n in range(frames):
                y[c, n] = x[c, n]


def _silence() -> Any:
    return np.full(1, -math.inf)


def loudness(measured: Mapping[str, Any]) -> LoudnessReading:
    """What ``plan.read(name)`` of a LoudnessMeter gave, as plain numbers."""
    values = [float(np.max(measured[name])) for name in LoudnessReading._fields]
    return LoudnessReading(*(value if value > FLOOR_DB else -math.inf for value in values))


@kernel
def peaks(row: Any, c: int, p: Any, s: Any) -> None:
    """True peak and sample peak of one channel. Maxima of bits: of magnitudes, and NaN shows itself."""
    frames = row.size
    sample = as_int(splat(ZERO))
    whole, rest = frames - frames % 8, frames % 8
    for n in range(0, whole, 8):
        sample = vmax(sample, as_int(vabs(load(row, n))))
    if rest:
        sample = vmax(sample, as_int(vabs(load_part(row, whole, rest))))
    s.tops[1, c] = max(s.tops[1, c], hmax(as_float(sample)))
    s.sample_peak_dbfs[c] = gain_to_db_scalar(s.tops[1, c])
    if p.true_peak:
        s.tops[0, c] = max(s.tops[0, c], between(row, s.streams[c], p.taps, s.peaks))
    s.true_peak_dbtp[c] = gain_to_db_scalar(max(s.tops[0, c], s.tops[1, c]))


@kernel
def between(row: Any, z: Any, taps: Any, scratch: Any) -> Any:
    """Greatest magnitude of the interpolated signal in what this block made known."""
    top = splat(ZERO)
    for start in range(0, row.size, CHUNK):
        count = min(CHUNK, row.size - start)
        oversample(row, start, count, taps, z)
        whole, rest = count - count % 8, count % 8
        for n in range(0, whole, 8):
            top = vmax(peak(n, taps, z), top)
        if rest:
            store(scratch, 0, peak(whole, taps, z))
            top = vmax(load_part(scratch, 0, rest), top)
        advance(count, z)
    return hmax(top)


@kernel
def hop(power: float, s: Any) -> None:
    """A hop is whole: its mean square goes into the rings, and what follows from them is computed."""
    hops = s.clock[1]
    s.last[hops % MOMENTARY] = power
    s.longer[hops % SHORT_TERM] = power
    s.clock[1] = hops + 1
    block = mean(s.last)
    s.momentary_lufs[0] = loudness_of(block)
    s.short_term_lufs[0] = loudness_of(mean(s.longer))
    s.momentary_max_lufs[0] = max(s.momentary_max_lufs[0], s.momentary_lufs[0])
    s.short_term_max_lufs[0] = max(s.short_term_max_lufs[0], s.short_term_lufs[0])
    if (hops + 1) % GATING == 0 and hops + 1 >= MOMENTARY and s.momentary_lufs[0] > GATE:
        gate(block, s)


@kernel
def mean(ring: Any) -> Any:
    """Mean of a ring, added up in the order of its slots."""
    total = load(ring, 0)
    for n in range(4, ring.size, 4):
        total += load(ring, n)
    return hsum(total) / ring.size


@kernel
def gate(block: float, s: Any) -> None:
    """Count a gating block, move the relative gate to where it belongs now, and find the loudness above it."""
    place = min(BINS - 1, int((loudness_of(block) - GATE) * PER_BIN))
    s.counts[place] += 1
    s.sums[place] += block
    s.tally[0] += 1
    s.totals[0] += block
    if place >= s.tally[2]:
        s.tally[1] += 1
        s.totals[1] += block
    threshold = loudness_of(s.totals[0] / s.tally[0]) + RELATIVE
    wanted = max(0, int((threshold - GATE) * PER_BIN + 0.5))
    while s.tally[2] < wanted:
        s.tally[1] -= s.counts[s.tally[2]]
        s.totals[1] -= s.sums[s.tally[2]]
        s.tally[2] += 1
    while s.tally[2] > wanted:
        s.tally[2] -= 1
        s.tally[1] += s.counts[s.tally[2]]
        s.totals[1] += s.sums[s.tally[2]]
    if s.tally[1]:
        s.integrated_lufs[0] = loudness_of(s.totals[1] / s.tally[1])
