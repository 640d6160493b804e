"""The noise meter: the floor that a programme stands on, and how far it stands above it."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.nodes._cells import CELL, PEAK, SLICES_PER_SECOND, add, finish, power, slice_end

__all__ = ["NoiseMeter"]

BINS = 3600                             # of the histogram: 0.05 dB each, from LOWEST_DB up
PER_DB = 20
LOWEST_DB = -140.0
RENEWED = SLICES_PER_SECOND // 2        # slices from one look at the histogram to the next
FEWEST = 10                             # slices that are enough to tell
APART = 6 * PER_DB                      # bins by which the programme stands above the floor
NEAR = 3 * PER_DB                       # bins within which a slice is of the floor


class Params(NamedTuple):
    """Fixed for a rate."""

    rate: int
    quietest: Any                       # float64 [1], part of the slices that is held for noise
    under: Any                          # float64 [1], power against the programme's under which a slice is noise
    longest: Any                        # float64 [1], slices in the time constant of the slow averages


class State(NamedTuple):
    """The slice in work, all slices by their level, the slow averages, and the results."""

    clock: Any                          # int64 [2]: frames, whole slices
    held: Any                           # float32 [channel, CELL], see _cells
    sums: Any                           # float32 [channel, 2 * 8]
    counts: Any                         # int64 [channel, BINS], slices
    squares: Any                        # float64 [channel, BINS], their mean squares added up
    total: Any                          # float64 [2, channel]: slices that are not silent, and their mean squares
    slow: Any                           # float64 [4, channel]: programme, slices in it; noise, slices in it
    noise_floor_dbfs: Any               # float64 [channel], and so on
    snr_db: Any
    confidence: Any
    recent_noise_dbfs: Any
    recent_snr_db: Any
    silent_slices: Any                  # int64 [channel]


MEASURES = ("noise_floor_dbfs", "snr_db", "confidence", "recent_noise_dbfs", "recent_snr_db", "silent_slices")


@node(in_place=True, measures=MEASURES)
class NoiseMeter:
    """Measures noise floor and signal-to-noise ratio of each channel; the signal passes unchanged.

    The programme is cut into slices of 20 ms from its first frame on. Slices of exact zeros are no noise floor: they
    are counted (``silent_slices``) and left out of all else. Of the others, since the start:

    - ``noise_floor_dbfs``: RMS that the quietest tenth (`quietest_percent`) of the slices does not pass. Where pauses
      are rarer than that, so that it would be the programme's: the median of the slices that are `under_db` below the
      RMS of all, if there are ten of them (0.2 s) and it is the lower one.
    - ``snr_db``: mean square of the slices that stand 6 dB or more above the floor, less the floor's, over the floor's.
    - ``confidence``: 0…1, how clearly floor and programme are two things: 1 less the slices from 3 to 9 dB above the
      floor over the slices below that; 0 without a ratio. Low (under 0.5) means that there were hardly any pauses: the
      "floor" is then the softest tenth of the programme, which is no noise, and ``snr_db`` no more than a lower bound.
      Music without a gap reads 5 to 25 dB so, however clean it is.
    - ``recent_noise_dbfs``, ``recent_snr_db``: slow averages with a time constant of `average_s`: of the slices that
      are `under_db` below the slow average of all, and how far that average stands above them. They follow a live
      programme; they see noise only if it is that far down, and keep the last value where no noise is heard.

    NaN stands for what cannot be told: silence only, less than 0.5 s, no slice 6 dB above the floor (a steady tone, or
    noise alone, has no ratio), no noise heard yet. Renewed each half second; what comes after the last of these does
    not count. 0 dBFS is an RMS of 1.0. Histogram of 0.05 dB with exact sums; memory does not grow. The RMS of noise
    in 20 ms spreads, so the 10th percentile reads 0.1 to 0.4 dB below the mean level of white noise at 48 kHz, more
    for noise of a narrow band. Latency: none. Samples that are not finite, or beyond ±10,000, count as 0.
    """

    quietest_percent: float = param(0.5, 50.0, "part of the time that is held for noise", default=10.0, unit="%")
    under_db: float = param(-100.0, -10.0, "level against the programme's under which a slice is noise", default=-40.0)
    average_s: float = param(1.0, 600.0, "time constant of the slow averages", default=10.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Silence."""
        n = format.channels
        unknown = np.full((5, n), math.nan)
        params = Params(format.rate, np.array([self.quietest_percent / 100.0]),
                        np.array([10.0 ** (self.under_db / 10.0)]), np.array([self.average_s * SLICES_PER_SECOND]))
        return params, State(
            np.zeros(2, np.int64), np.zeros((n, CELL), np.float32), np.zeros((n, 2 * PEAK), np.float32),
            np.zeros((n, BINS), np.int64), np.zeros((n, BINS)), np.zeros((2, n)), np.zeros((4, n)),
            unknown[0], unknown[1], unknown[2], unknown[3], unknown[4], np.zeros(n, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        done = 0
        while done < frames:
            end = slice_end(s.clock[1], p.rate)
            begun = slice_end(s.clock[1] - 1, p.rate)
            count = min(frames - done, end - s.clock[0])
            for c in range(x.shape[0]):
                add(x[c], done, count, s.clock[0] - begun, s.held[c], s.sums[c])
            done += count
            s.clock[0] += count
            if s.clock[0] == end:
                close_slice(end - begun, p, s)
        for c in range(x.shape[0]):
            for n in range(frames):
                y[c, n] = x[c, n]


@kernel
def close_slice(length: int, p: Any, s: Any) -> None:
    """A slice is whole: it is counted, and the results are renewed when it is time."""
    s.clock[1] += 1
    for c in range(s.snr_db.size):
        finish(length, s.held[c], s.sums[c])
        square = power(s.sums[c]) / length
        if square > 0.0:
            place = place_of(square)
            s.counts[c, place] += 1
            s.squares[c, place] += square
            s.total[0, c] += 1.0
            s.total[1, c] += square
            follow(c, square, p, s)
        else:
            s.silent_slices[c] += 1
        if s.clock[1] % RENEWED == 0 and s.total[0, c] >= FEWEST:
            show(c, p, s)


@kernel
def place_of(square: float) -> int:
    """Bin of a mean square."""
    return max(0, min(BINS - 1, int((10.0 * math.log10(square) - LOWEST_DB) * PER_DB)))


@kernel
def follow(c: int, square: float, p: Any, s: Any) -> None:
    """A slice enters the slow averages, which are plain means until they have lasted for their time constant."""
    s.slow[1, c] = min(s.slow[1, c] + 1.0, p.longest[0])
    s.slow[0, c] += (square - s.slow[0, c]) / s.slow[1, c]
    if square < p.under[0] * s.slow[0, c]:
        s.slow[3, c] = min(s.slow[3, c] + 1.0, p.longest[0])
        s.slow[2, c] += (square - s.slow[2, c]) / s.slow[3, c]


@kernel
def show(c: int, p: Any, s: Any) -> None:
    """Renew the results of a channel."""
    counts, squares = s.counts[c], s.squares[c]
    place = percentile(counts, math.ceil(s.total[0, c] * p.quietest[0]))
    noisy = below(counts, place_of(p.under[0] * s.total[1, c] / s.total[0, c]))
    if noisy >= FEWEST:
        place = min(place, percentile(counts, (noisy + 1) // 2))
    floor = squares[place] / counts[place]
    s.noise_floor_dbfs[c] = 10.0 * math.log10(floor)
    quiet, between = below(counts, place + NEAR), 0
    for n in range(place + NEAR, min(BINS, place + 3 * NEAR)):
        between += counts[n]
    loud, total = 0, 0.0
    for n in range(place + APART, BINS):
        loud += counts[n]
        total += squares[n]
    s.snr_db[c], s.confidence[c] = math.nan, 0.0
    if loud > 0:
        s.snr_db[c] = 10.0 * math.log10(total / loud / floor - 1.0)
        s.confidence[c] = max(0.0, 1.0 - between / quiet)
    if s.slow[3, c] >= FEWEST:
        s.recent_noise_dbfs[c] = 10.0 * math.log10(s.slow[2, c])
        s.recent_snr_db[c] = 10.0 * math.log10(s.slow[0, c] / s.slow[2, c])


@kernel
def percentile(counts: Any, wanted: int) -> int:
    """Bin in which the quietest `wanted` slices end."""
    found, n = counts[0], 0
    while found < wanted and n < BINS - 1:
        n += 1
        found += counts[n]
    return n


@kernel
def below(counts: Any, place: int) -> int:
    """Slices in the bins below this one."""
    found = 0
    for n in range(min(place, BINS)):
        found += counts[n]
    return found
