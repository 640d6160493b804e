"""The pitch tracker: the fundamental frequency of one voice or instrument."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hsum, load, splat, store, vmax
from flowaudio.nodes._cells import mix

__all__ = ["PitchTracker"]

PICK = 0.96                           # the first peak that is so high, against the highest, is the period
AS_HIGH = 0.97                          # a multiple of the period that is so high, against it, tells it more closely
NEAR = 0.1                              # of a period, within which it must lie
BETWEEN = 0.6                           # what is seen of a maximum between samples, at least
HOP_MS = 20.0
TAPS = 10                               # of the low-pass, per frame left out
CUTOFF = 0.32                           # of the low-pass, against the lower rate
LAGS = 64                               # that are computed together
BINS = 1200                             # of the histogram: 10 cents each, from LOWEST_HZ up
LOWEST_HZ = 16.0
PER_OCTAVE = 120.0
ZERO = np.float32(0.0)
TINY = np.float32(1e-30)


class Params(NamedTuple):
    """Fixed for a rate and the range."""

    apart: int                          # frames from one sample at the lower rate to the next
    hop: int                            # samples at the lower rate from one analysis to the next
    window: int                         # samples that are compared with those a lag later
    lags: int
    lower_rate: Any                     # float64 [1]
    taps: Any                           # float32, a multiple of 8
    limits: Any                         # float64 [4]: lowest and highest frequency, least clarity, power of the gate


class State(NamedTuple):
    """What waits for the next analysis, its scratch, the histogram, and the results."""

    clock: Any                          # int64 [3]: frames that wait, analyses, those of them with a pitch
    line: Any                           # float32: the low-pass's past, then the frames that wait
    past: Any                           # float32 [window + lags], at the lower rate, newest last
    work: Any                           # float32, the same without its mean
    energies: Any                       # float32 [lags], of the two that are compared
    alike: Any                          # float32 [lags], normalised difference by lag
    peaks: Any                          # int64 [lags], lags of the key maxima
    heights: Any                        # float64 [lags], of them
    counts: Any                         # int64 [BINS], analyses by pitch
    frequency_hz: Any                   # float64 [1], and so on
    clarity: Any
    midi_note: Any
    median_frequency_hz: Any
    voiced_share: Any


@node(in_place=True, measures=("frequency_hz", "clarity", "midi_note", "median_frequency_hz", "voiced_share"))
class PitchTracker:
    """Measures the pitch of one voice or instrument; the signal passes unchanged. McLeod's pitch method (MPM)::

        mean of the channels ─► low-pass, 4 × highest_hz ─► n(τ) = 2 Σ x[j] x[j+τ] / Σ (x[j]² + x[j+τ]²)
        ─► the first maximum that is 0.96 of the highest one ─► period

    P. McLeod, G. Wyvill, "A smarter way to find pitch", ICMC 2005, sections 4 to 6; but with a window of fixed length,
    two and a half of the longest periods, so that n is exactly 1 at the period of whatever repeats itself. A cosine
    through three points tells where and how high a maximum is, exact for sines down to four samples a period.

    Every 20 ms, of the last 2.5 + 1.1 periods of `lowest_hz` (60 ms) at least:

    - ``frequency_hz``, ``midi_note`` (69 is 440 Hz, with its fraction). NaN where there is no pitch: in silence, in
      noise and hiss, outside the range.
    - ``clarity``: height of that maximum, 0…1; 0 where there is no pitch.
    - ``median_frequency_hz``, ``voiced_share``: of everything since the start, to 10 cents; the part of the analyses
      that had a pitch.

    Error: 0.06 % for steady sines and harmonic tones from 60 to 1500 Hz. It hears one voice: of a chord or a mix it
    gives a common period or nothing. Where a formant leaves the even harmonics 98 % of the power it reads an octave
    high. What is out of phase in two channels is lost in their mean. A range that starts lower, or ends higher, costs
    time in proportion; above a quarter of the rate there is nothing to be found. Latency: none on the signal. Samples
    that are not finite, or beyond ±10,000, count as 0.
    """

    lowest_hz: float = param(30.0, 400.0, "lowest pitch that is looked for", default=60.0)
    highest_hz: float = param(500.0, 4000.0, "highest pitch that is looked for", default=1500.0)
    least_clarity: float = param(0.3, 1.0, "clarity below which there is no pitch", default=0.8, unit="")
    floor_dbfs: float = param(-120.0, 0.0, "RMS below which there is no pitch", default=-60.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """The lower rate and what depends on it; silence."""
        highest = min(self.highest_hz, 0.25 * format.rate)
        apart = max(1, int(format.rate / (4.0 * highest)))
        lower_rate = format.rate / apart
        hop = max(1, round(HOP_MS * lower_rate / 1000.0))
        longest = lower_rate / self.lowest_hz
        lags = LAGS * math.ceil((1.1 * longest + 2.0) / LAGS)
        window = 8 * math.ceil(2.5 * longest / 8.0)
        taps = _low_pass(apart, format.channels)
        results = np.array([[math.nan], [0.0], [math.nan], [math.nan], [0.0]])
        params = Params(apart, hop, window, lags, np.array([lower_rate]), taps, np.array(
            [self.lowest_hz, highest, self.least_clarity, 10.0 ** (self.floor_dbfs / 10.0)]))
        energies, alike = np.zeros((2, lags), np.float32)
        return params, State(
            np.zeros(3, np.int64), np.zeros(taps.size - apart + hop * apart + 8, np.float32),
            np.zeros(window + lags, np.float32), np.zeros(window + lags + 8, np.float32), energies, alike,
            np.zeros(lags, np.int64), np.zeros(lags), np.zeros(BINS, np.int64), *results)

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames, past, wanted = x.shape[1], p.taps.size - p.apart, p.hop * p.apart
        done = 0
        while done < frames:
            count = min(frames - done, wanted - s.clock[0])
            mix(x, done, count, s.line, past + s.clock[0])
            done += count
            s.clock[0] += count
            if s.clock[0] == wanted:
                s.clock[0] = 0
                lower(p, s)
                analyse(p, s)
        for c in range(x.shape[0]):
            for n in range(frames):
                y[c, n] = x[c, n]


@functools.cache
def _low_pass(apart: int, channels: int) -> Any:
    """float32 taps, a multiple of 8: a sinc with a Hann window, and the mean of the channels."""
    size = 8 * math.ceil(TAPS * apart / 8)
    n = np.arange(size) - (size - 1) / 2
    made = np.sinc(2 * CUTOFF * n / apart) * np.cos(np.pi * n / size) ** 2
    made = (made / (made.sum() * channels)).astype(np.float32)
    made.setflags(write=False)
    return made


@kernel
def lower(p: Any, s: Any) -> None:
    """The frames that waited become samples at the lower rate."""
    keep = s.past.size - p.hop
    for n in range(keep):
        s.past[n] = s.past[n + p.hop]
    target = s.past[max(keep, 0):]
    skip = max(0, -keep)                # a hop longer than the past: only its end is of use
    for k in range(skip, p.hop):
        total = splat(ZERO)
        line = s.line[k * p.apart:]
        for n in range(0, p.taps.size, 8):
            total = fma(load(line, n), load(p.taps, n), total)
        target[k - skip] = hsum(total)
    past = p.taps.size - p.apart
    for n in range(past):
        s.line[n] = s.line[n + p.hop * p.apart]


@kernel
def analyse(p: Any, s: Any) -> None:
    """Renew the results."""
    power = centre(s.past, s.work)
    s.frequency_hz[0] = s.midi_note[0] = math.nan
    s.clarity[0] = 0.0
    if power >= p.limits[3]:
        compare(p.window, p.lags, s.work, s.alike)
        normalise(p.window, p.lags, s.work, s.energies, s.alike)
        find(p, s)
    s.clock[1] += 1
    s.voiced_share[0] = s.clock[2] / s.clock[1]


@kernel
def centre(past: Any, work: Any) -> Any:
    """Take the mean away; what remains has this mean square."""
    mean, power = splat(ZERO), splat(ZERO)
    for n in range(0, past.size, 8):
        mean += load(past, n)
    offset = splat(hsum(mean) / np.float32(past.size))
    for n in range(0, past.size, 8):
        v = load(past, n) - offset
        store(work, n, v)
        power = fma(v, v, power)
    return np.float64(hsum(power)) / past.size


@kernel
def compare(window: int, lags: int, work: Any, alike: Any) -> None:
    """Sums of products of the window with what is a lag later; lags stand in lanes."""
    for lag in range(0, lags, LAGS):
        a0, a1, a2, a3 = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
        a4, a5, a6, a7 = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
        later = work[lag:]
        for n in range(window):
            v = splat(work[n])
            a0, a1 = fma(v, load(later, n), a0), fma(v, load(later, n + 8), a1)
            a2, a3 = fma(v, load(later, n + 16), a2), fma(v, load(later, n + 24), a3)
            a4, a5 = fma(v, load(later, n + 32), a4), fma(v, load(later, n + 40), a5)
            a6, a7 = fma(v, load(later, n + 48), a6), fma(v, load(later, n + 56), a7)
        store(alike, lag, a0)
        store(alike, lag + 8, a1)
        store(alike, lag + 16, a2)
        store(alike, lag + 24, a3)
        store(alike, lag + 32, a4)
        store(alike, lag + 40, a5)
        store(alike, lag + 48, a6)
        store(alike, lag + 56, a7)


@kernel
def normalise(window: int, lags: int, work: Any, energies: Any, alike: Any) -> None:
    """Divide by the mean energy of the two that were compared."""
    energy = 0.0
    for n in range(window):
        energy += np.float64(work[n]) * work[n]
    later = energy
    for lag in range(lags):
        energies[lag] = np.float32(0.5 * (energy + later))
        new, old = np.float64(work[lag + window]), np.float64(work[lag])
        later = max(0.0, later + (new * new - old * old))
    for lag in range(0, lags, 8):
        store(alike, lag, load(alike, lag) / vmax(load(energies, lag), splat(TINY)))


@kernel
def find(p: Any, s: Any) -> None:
    """The first key maximum that is high enough is the period."""
    found, top = key_maxima(s.alike, s.peaks)
    if top < BETWEEN * p.limits[2]:
        return
    highest = 0.0
    for k in range(found):
        lag = s.peaks[k]
        s.heights[k] = height(s.alike, lag) if s.alike[lag] >= BETWEEN * top else 0.0
        highest = max(highest, s.heights[k])
    for k in range(found):
        if s.heights[k] >= PICK * highest:
            tell(p.lower_rate[0] / refine(k, found, s), min(1.0, s.heights[k]), p, s)
            return


@kernel
def key_maxima(alike: Any, peaks: Any) -> Any:
    """Lags of the highest point between each two crossings of zero; how many there are, and the highest."""
    lag, found, last = 1, 0, alike.size - 1
    highest = ZERO
    while lag < last and alike[lag] > ZERO:
        lag += 1
    while lag < last:
        while lag < last and alike[lag] <= ZERO:
            lag += 1
        top = 0
        while lag < last and alike[lag] > ZERO:
            if alike[lag] >= alike[lag - 1] and alike[lag] > alike[lag + 1] and (top == 0 or alike[lag] > alike[top]):
                top = lag
            lag += 1
        if top > 0:
            peaks[found] = top
            highest = max(highest, alike[top])
            found += 1
    return found, highest


@kernel
def refine(k: int, found: int, s: Any) -> float:
    """The period, from the last of its multiples that is a maximum about as high: the error is divided by as much."""
    period, times = place(s.alike, s.peaks[k]), 1
    for later in range(k + 1, found):
        if s.heights[later] >= AS_HIGH * s.heights[k]:
            far = place(s.alike, s.peaks[later])
            nearest = math.floor(far / period + 0.5)
            if nearest <= times + 1 and abs(far - nearest * period) < NEAR * period:
                period, times = far / nearest, nearest
    return period


@kernel
def turn(alike: Any, lag: int) -> Any:
    """A cosine through three points around a maximum: cosine of its angle a sample, and the slope over its sine."""
    a, b, c = np.float64(alike[lag - 1]), np.float64(alike[lag]), np.float64(alike[lag + 1])
    cosine = max(-0.99, min(0.999999, 0.5 * (a + c) / b))
    return cosine, 0.5 * (c - a) / math.sqrt(1.0 - cosine * cosine)


@kernel
def height(alike: Any, lag: int) -> float:
    """Of the maximum next to a lag."""
    _, slope = turn(alike, lag)
    return math.sqrt(np.float64(alike[lag]) * alike[lag] + slope * slope)


@kernel
def place(alike: Any, lag: int) -> float:
    """Of the maximum next to a lag, between samples."""
    cosine, slope = turn(alike, lag)
    return lag + max(-0.5, min(0.5, math.atan(slope / alike[lag]) / math.acos(cosine)))


@kernel
def tell(frequency: float, clarity: float, p: Any, s: Any) -> None:
    """A period has been found: if it will do, it is the result."""
    if clarity < p.limits[2] or not p.limits[0] <= frequency <= p.limits[1]:
        return
    s.frequency_hz[0], s.clarity[0] = frequency, clarity
    s.midi_note[0] = 69.0 + 12.0 * math.log2(frequency / 440.0)
    s.counts[max(0, min(BINS - 1, int(PER_OCTAVE * math.log2(frequency / LOWEST_HZ))))] += 1
    s.clock[2] += 1
    below, n = s.counts[0], 0
    while 2 * below < s.clock[2]:
        n += 1
        below += s.counts[n]
    s.median_frequency_hz[0] = LOWEST_HZ * 2.0 ** ((n + 0.5) / PER_OCTAVE)
