"""The tempo tracker: beats a minute of music with a beat."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hsum, load, load_part, shuffle, splat, store
from flowaudio.nodes._cells import mix

__all__ = ["TempoTracker"]

HOP_MS = 10.0
BOTTOM_HZ = 750.0                       # rate of the last octave, about
CENTRE_BPM = 120.0                      # of the prior
WIDTH = 0.9                             # of the prior, octaves
REACH = 3                               # multiples of the longest period that are looked at
AVERAGE_S = 2.0                         # of the levels against which an onset counts
PEDESTAL_S = 1.0                        # of the mean that is taken off the onset strength
FIRST_S = 4.0                           # before that there is no tempo
RENEWED_S = 0.5
FAINT = 0.02                            # mean square of an onset strength that is no more than a tone's own ripple
WEIGHTS = (2.0, 2.0, 1.0, 1.0, 0.5)     # of the octaves, lowest first; the last one of all above too
PAST = 8                                # samples of an octave's past that stand in front of it
ZERO = np.float32(0.0)
EIGHTH = np.float32(0.125)
THREE = np.float32(3.0)


class Params(NamedTuple):
    """Fixed for a rate."""

    hop: int                            # frames, a multiple of 2 ** (octaves - 1)
    octaves: int
    lags: int                           # hops, a multiple of 8
    renewed: int                        # hops from one look to the next
    first: int                          # hops
    hops_per_s: Any                     # float64 [1]
    weights: Any                        # float64 [octave], highest first, of what rises
    keep: Any                           # float64 [3], parts that a hop leaves: of the products, levels, pedestal
    limits: Any                         # float64 [3]: lowest and highest tempo, least confidence


class State(NamedTuple):
    """The octaves, their levels, the onset strength with its past and its products, and the results."""

    clock: Any                          # int64 [3]: frames that wait, hops, place of the newest onset strength
    line: Any                           # float32 [octave, PAST + hop + 16], the octaves in one hop; the first waits
    upper: Any                          # float32 [PAST + hop + 16], the upper half of an octave's band
    power: Any                          # float64 [2, octave], of the last hops
    level: Any                          # float64 [2, octave]: slow averages of power, last level
    onset: Any                          # float64 [5]: pedestal of the onset strength, slow average of all power, hops
                                        # that the products remember, the last two onset strengths
    strengths: Any                      # float32 [2 * lags], newest first, twice
    products: Any                       # float32 [lags], of strengths a lag apart
    tempo_bpm: Any                      # float64 [1]
    confidence: Any


@node(in_place=True, measures=("tempo_bpm", "confidence"))
class TempoTracker:
    """Measures tempo; the signal passes unchanged.

    ::

        mean of the channels ─► octaves ─► level of each in hops of 10 ms ─► sum of what rises: onset strength
        ─► autocorrelation that forgets ─► log-normal prior around 120 ─► period

    D. P. W. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36 (2007), sections 3.1 and
    3.2, with these differences: octaves, split by filters of four taps and weighted towards the low ones, instead of
    mel bands; levels against their own slow average instead of decibels; an autocorrelation that is updated with each
    hop and forgets by `memory_s`. As there, a tempo is helped by peaks at two or three times its period, with half and
    a third of their weight; the period is then read off the last multiple that has a peak.

    - ``tempo_bpm``: NaN before 4 s have passed, and where no beat is found.
    - ``confidence``: the autocorrelation at the beat against that at zero, 0…1. Noise and steady tones read below 0.1,
      speech about 0.1, chords that swell 0.2, drums 0.4 to 0.8, a metronome 0.9. Where there is no tempo it is 0.

    Renewed each half second. Error: 0.05 % for steady drums from 70 to 160 bpm, 0.5 % where they are played to within
    4 ms. What a foot would tap is not in the signal: half or double of that tempo may come, more so far from 120 (drums
    above 160 bpm at half, syncopated ones below 85 at double), and two thirds of it for figures of three eighths. It
    needs onsets: choirs, strings and drones have none to speak of. Rates below 16 kHz lose the cymbals and with them
    some octaves. A tempo that changes is followed within `memory_s`. Latency: none on the signal. Samples that are not
    finite, or beyond ±10,000, count as 0.
    """

    lowest_bpm: float = param(30.0, 100.0, "slowest tempo that is looked for", default=45.0, unit="bpm")
    highest_bpm: float = param(120.0, 300.0, "fastest tempo that is looked for", default=230.0, unit="bpm")
    memory_s: float = param(4.0, 3600.0, "time constant of what is remembered", default=20.0)
    least_confidence: float = param(0.0, 1.0, "confidence below which there is no tempo", default=0.15, unit="")

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Hops and octaves for the rate; silence."""
        octaves = 1 + max(1, round(math.log2(format.rate / BOTTOM_HZ)))
        step = 1 << (octaves - 1)
        hop = step * max(1, round(HOP_MS * format.rate / 1000.0 / step))
        hops_per_s = format.rate / hop
        lags = 8 * math.ceil((REACH * 60.0 / self.lowest_bpm * hops_per_s + 4.0) / 8.0)
        keep = [math.exp(-1.0 / (seconds * hops_per_s)) for seconds in (self.memory_s, AVERAGE_S, PEDESTAL_S)]
        weights = np.array([WEIGHTS[min(k, len(WEIGHTS) - 1)] for k in reversed(range(octaves))])
        params = Params(hop, octaves, lags, max(1, round(RENEWED_S * hops_per_s)), math.ceil(FIRST_S * hops_per_s),
                        np.array([hops_per_s]), weights / weights.sum(), np.array(keep),
                        np.array([self.lowest_bpm, self.highest_bpm, self.least_confidence]))
        return params, State(
            np.zeros(3, np.int64), np.zeros((octaves, PAST + hop + 16), np.float32),
            np.zeros(PAST + hop + 16, np.float32), np.zeros((2, octaves)), np.zeros((2, octaves)), np.zeros(5),
            np.zeros(2 * lags, np.float32), np.zeros(lags, np.float32),
            np.full(1, math.nan), np.zeros(1))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = x.shape[1]
        done = 0
        while done < frames:
            count = min(frames - done, p.hop - s.clock[0])
            mix(x, done, count, s.line[0], PAST + s.clock[0])
            done += count
            s.clock[0] += count
            if s.clock[0] == p.hop:
                s.clock[0] = 0
                remember(strength(x.shape[0], p, s), p, s)
                s.clock[1] += 1
                if s.clock[1] % p.renewed == 0 and s.clock[1] >= p.first:
                    show(p, s)
        for c in range(x.shape[0]):
            for n in range(frames):
                y[c, n] = x[c, n]


@kernel
def halve(row: Any, count: int, lower: Any, upper: Any) -> None:
    """Low-pass (1, 3, 3, 1) / 8, high-pass (1, -3, 3, -1) / 8, and every other sample: `count` samples give half as
    many, and behind them a few of no meaning."""
    source, low, high = row[PAST - 3:], lower[PAST:], upper[PAST:]
    three = splat(THREE)
    for n in range(0, count, 16):
        a, b = load(source, n), load(source, n + 8)
        c, d = load(source, n + 2), load(source, n + 10)
        v0, v1, v2, v3 = (shuffle(a, b, "02468ace"), shuffle(a, b, "13579bdf"), shuffle(c, d, "02468ace"),
                          shuffle(c, d, "13579bdf"))
        store(low, n // 2, EIGHTH * fma(v1 + v2, three, v0 + v3))
        store(high, n // 2, EIGHTH * fma(v2 - v1, three, v0 - v3))


@kernel
def mean_square(row: Any, count: int) -> Any:
    """Of an octave's new samples."""
    total = splat(ZERO)
    whole, rest = count - count % 8, count % 8
    for n in range(PAST, PAST + whole, 8):
        v = load(row, n)
        total = fma(v, v, total)
    v = load_part(row, PAST + whole, rest)
    return np.float64(hsum(fma(v, v, total))) / count


@kernel
def strength(channels: int, p: Any, s: Any) -> Any:
    """Onset strength of a hop: how much the levels of all octaves rise."""
    count, rise, square = p.hop, 0.0, channels * channels
    power = mean_square(s.line[0], count) / square
    s.onset[1] = fma(p.keep[1], s.onset[1] - power, power)
    for k in range(p.octaves):
        row = s.line[k]
        if k < p.octaves - 1:
            halve(row, count, s.line[k + 1], s.upper)
            band = mean_square(s.upper, count // 2)
        else:
            band = mean_square(row, count)
        rise += p.weights[k] * max(0.0, rising(k, band / square, p, s))
        store(row, 0, load(row, count))
        count //= 2
    return rise


@kernel
def rising(k: int, band: float, p: Any, s: Any) -> Any:
    """By how much an octave's level rises. Three hops are weighed together: a deep tone's own waves are no onsets."""
    smooth = 0.25 * (band + s.power[1, k]) + 0.5 * s.power[0, k]
    s.power[1, k], s.power[0, k] = s.power[0, k], band
    s.level[0, k] = fma(p.keep[1], s.level[0, k] - smooth, smooth)
    level = math.log2(1.0 + smooth / (0.03 * s.level[0, k] + 1e-5 * s.onset[1] + 1e-12))
    rise = level - s.level[1, k]
    s.level[1, k] = level
    return rise


@kernel
def remember(strength: float, p: Any, s: Any) -> None:
    """An onset strength, less its mean, joins the others and their products. Three hops are weighed together, or beats
    that fall between two of them would not be like those that fall into one."""
    smooth = 0.25 * (strength + s.onset[4]) + 0.5 * s.onset[3]
    s.onset[4], s.onset[3] = s.onset[3], strength
    s.onset[0] = fma(p.keep[2], s.onset[0] - smooth, smooth)
    s.onset[2] = fma(p.keep[0], s.onset[2], 1.0)
    s.clock[2] = (s.clock[2] if s.clock[2] > 0 else p.lags) - 1
    now = np.float32(smooth - s.onset[0])
    s.strengths[s.clock[2]] = s.strengths[s.clock[2] + p.lags] = now
    past, keep, new = s.strengths[s.clock[2]:], splat(np.float32(p.keep[0])), splat(now)
    for n in range(0, p.lags, 8):
        store(s.products, n, fma(keep, load(s.products, n), new * load(past, n)))


@kernel
def show(p: Any, s: Any) -> None:
    """Renew the results."""
    rate, products = p.hops_per_s[0], s.products
    s.tempo_bpm[0], s.confidence[0] = math.nan, 0.0
    best, top = 0, 0.0
    for lag in range(max(2, int(60.0 * rate / p.limits[1])), int(60.0 * rate / p.limits[0]) + 1):
        if products[lag] > products[lag - 1] and products[lag] >= products[lag + 1]:
            score = max(weighed(products, 2, lag, rate), weighed(products, 3, lag, rate))
            if score > top:
                best, top = lag, score
    if best > 0:
        confidence = min(1.0, products[best] / (products[0] + FAINT * s.onset[2]))
        if confidence >= p.limits[2]:
            s.confidence[0] = confidence
            s.tempo_bpm[0] = 60.0 * rate / period(products, best)


@kernel
def prior(lag: int, rate: float) -> float:
    """How likely a tempo is, before anything is heard."""
    apart = math.log2(60.0 * rate / (lag * CENTRE_BPM)) / WIDTH
    return math.exp(-0.5 * apart * apart)


@kernel
def weighed(products: Any, times: int, lag: int, rate: float) -> Any:
    """A lag's product with that of its multiple, each by its prior."""
    total = prior(lag, rate) * products[lag]
    far = times * lag
    if far + 1 < products.size:
        around = 0.5 * products[far] + 0.25 * (products[far - 1] + products[far + 1])
        total += prior(far, rate) * around / times
    return total


@kernel
def period(products: Any, lag: int) -> float:
    """Hops from beat to beat: of the multiples of a lag that have a peak, the last one tells it best."""
    found = peak(products, lag)
    for times in range(2, products.size):
        place = int(times * found + 0.5)
        if place + 3 >= products.size:
            break
        top = place
        for n in range(place - 1, place + 2):
            if products[n] > products[top]:
                top = n
        if 2.0 * products[top] < products[lag] or products[top] < max(products[top - 1], products[top + 1]):
            break
        found = peak(products, top) / times
    return found


@kernel
def peak(products: Any, lag: int) -> float:
    """Place of a peak between lags: a parabola through three points."""
    a, b, c = np.float64(products[lag - 1]), np.float64(products[lag]), np.float64(products[lag + 1])
    bend = a - 2.0 * b + c
    return lag + (max(-0.5, min(0.5, 0.5 * (a - c) / bend)) if bend < 0.0 else 0.0)
