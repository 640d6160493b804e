"""By how much one sound comes later than another, and how a sound is moved by a part of a frame."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from flowaudio.stream.drift import (
    ALIKE,
    MOST_PPM,
    NEIGHBOURS,
    Line,
    between,
    line_through,
    loud_places,
    match,
    matches,
    windows,
)
from flowaudio.stream.pair import STEP, Pair, Sound

__all__ = ["HALF_TAPS", "RELATED", "SMALL", "Lateness", "filtered", "lateness", "taps_of"]

Array = np.ndarray[Any, Any]

COARSE_HZ = 8000
COARSE_S = 300.0
"""The first five minutes of both are searched for the delay, as mono at this rate."""

FINE = 1 << 17
"""Frames, of the loudest part that both have, in which the delay is found to a part of a sample."""

REACH = 64
"""Frames on each side of the coarse delay that are searched for the fine one, times rate / COARSE_HZ."""

PLACES = 16
"""At which the delay is looked at, to see whether it moves."""

SEARCHED = 6
"""Places that are looked for in all of the other sound, where both as a whole do not agree."""

NEAR = 3.0
"""Frames by which a place may be off the line of the others."""

NEAREST = 0.25
"""The same at the full rate, where so many places are as good as that."""

HALF_TAPS = 32
"""Of the filter that delays by a part of a sample: flat within 0.01 dB up to 0.45 of the rate."""

RELATED = 0.2
"""Correlation under which two sounds have nothing in common that could be aligned."""

SMALL = 2e-3
"""Frames: a delay that is nearer to a whole number is one."""


class Lateness(NamedTuple):
    frames: float                       # by which b comes later, at the rate of a
    polarity: int
    found: bool


def lateness(pair: Pair) -> Lateness:
    """Coarse at a low rate over all of the first minutes, then fine at the full rate in a loud part.

    Where delays at the beginning and towards the end show that the clocks differ, `pair.ratio` is set by it.
    """
    low = min(COARSE_HZ, pair.rate)
    x, y = (_excerpt(pair, each, low, 0, round(COARSE_S * low)) for each in (pair.a, pair.b))
    if not x.any() or not y.any():
        return Lateness(0.0, 1, False)
    lag, polarity, strength = _lag(x, y, None)
    line = _roughly(x, y, lag if strength >= RELATED else None, low)
    if strength < RELATED and line is None:
        return Lateness(0.0, 1, False)
    if line is not None and line.certain:
        pair.ratio, lag = 1.0 + line.slope, line.offset
    near = _exactly(pair, x, y, lag, low)
    begin = _loudest(x, y, lag, round(FINE * low / pair.rate))
    coarse = round(near)
    start = max(round(begin * pair.rate / low), 0, -coarse)
    u = _excerpt(pair, pair.a, pair.rate, start, FINE)
    v = _excerpt(pair, pair.b, pair.rate, start + coarse, FINE)
    if not u.any() or not v.any():
        return Lateness(float(coarse), polarity, True)
    fine, polarity, _ = _lag(u, v, round(REACH * pair.rate / low))
    return Lateness(coarse + _settled(u, v, fine), polarity, True)


def _roughly(x: Array, y: Array, lag: float | None, rate: int) -> Line | None:
    """The line of delays over all of the excerpts; `lag` is one that is on it, or None to look for it everywhere."""
    length, whole = rate // 2, max(x.size, y.size)
    if lag is None:
        reach, shift, first, end = whole, 0, 0, x.size
    else:
        reach, shift = round(MOST_PPM * 1e-6 * whole) + 2 * NEIGHBOURS, round(lag)
        first, end = max(0, -shift), min(x.size, y.size - shift)
    places = loud_places(x, first, end, length, SEARCHED if lag is None else PLACES)
    return line_through(matches(x, y, places, length, shift, reach), NEAR)


def _exactly(pair: Pair, x: Array, y: Array, lag: float, rate: int) -> float:
    """The delay in frames of the full rate, and what is left of the slope taken into the ratio of the pair."""
    scale = pair.rate / rate
    start = round(lag / pair.ratio * scale)
    shift, reach, length = round(lag), round(REACH * scale), FINE // 8
    places = loud_places(x, max(0, -shift), min(x.size, y.size - shift), math.ceil(length / scale), PLACES)
    begins = [round(place * scale) for place in places]
    if len(begins) < 3:
        return float(start)
    us = windows(_mono(pair, pair.a, pair.rate), begins, length)
    vs = windows(_mono(pair, pair.b, pair.rate), [each + start - reach for each in begins], length + 2 * reach)
    tried = [match(u, v, begin, start - reach) for u, v, begin in zip(us, vs, begins, strict=True)]
    found = [each for each in tried if each is not None and abs(each.strength) >= ALIKE]
    line = line_through(found, NEAREST) or line_through(found, NEAR)
    if line is None:
        return float(start)
    if line.certain:
        pair.ratio *= 1.0 + line.slope
        return line.offset / (1.0 + line.slope)
    return line.offset + line.slope * (begins[0] + begins[-1]) / 2 if pair.ratio != 1.0 else float(start)


def _settled(u: Array, v: Array, lag: float) -> float:
    """The whole number next to `lag`, if `v` fits `u` no worse there: most delays are one."""
    whole = round(lag)
    if abs(lag - whole) > 0.1 or lag == whole:
        return lag
    matches = []
    for shift in (float(whole), lag):
        begin = math.floor(shift)
        taps = taps_of(shift - begin)
        first = max(0, HALF_TAPS - 1 - begin)
        moved = filtered(v[np.newaxis, first + begin - HALF_TAPS + 1:], taps)[0]
        there = u[first:first + moved.size]
        moved = moved[:there.size]
        norm = float(np.dot(there, there)) * float(np.dot(moved, moved))
        matches.append(float(np.dot(there, moved)) ** 2 / norm if norm else 0.0)
    return float(whole) if matches[0] >= matches[1] else lag


def _excerpt(pair: Pair, sound: Sound, rate: int, start: int, frames: int) -> Array:
    """Some frames of one of them, as mono; shorter if there are no more."""
    return windows(_mono(pair, sound, rate), [start], frames)[0]


def _mono(pair: Pair, sound: Sound, rate: int) -> Iterator[Array]:
    """Blocks that are one channel, or are soon, in step with `a`."""
    blocks = pair.blocks(sound, STEP, rate, 1 if sound.channels <= 8 else sound.channels)
    return pair.in_step(blocks) if sound is pair.b else blocks


def _lag(x: Array, y: Array, reach: int | None) -> tuple[float, int, float]:
    """By how many frames `y` comes later, the sign of the best agreement, and how good it is, 0 to 1.

    :param reach: how far to look; None for as far as they reach.
    """
    size = 1 << (x.size + y.size - 1).bit_length()
    spectrum = np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size))
    scores = np.fft.irfft(spectrum, size)
    lags = np.fft.fftfreq(size, 1 / size)
    allowed = (lags > -x.size) & (lags < y.size) if reach is None else np.abs(lags) <= reach
    best = int(np.argmax(np.where(allowed, np.abs(scores), -1.0)))
    norm = math.sqrt(float(np.dot(x, x)) * float(np.dot(y, y)))
    polarity = 1 if scores[best] >= 0 else -1
    return (float(lags[best]) + between(polarity * scores, best, SMALL), polarity,
            abs(float(scores[best])) / norm if norm else 0.0)


def _loudest(x: Array, y: Array, lag: float, length: int) -> int:
    """Where in `x` the loudest `length` frames begin that `y` has too."""
    shift = round(lag)
    first, end = max(0, -shift), min(x.size, y.size - shift)
    if end - first <= length:
        return first
    power = np.concatenate([[0.0], np.cumsum(np.square(x[first:end], dtype=np.float64))])
    starts = np.arange(0, end - first - length + 1, max(length // 4, 1))
    return first + int(starts[np.argmax(power[starts + length] - power[starts])])


def taps_of(part: float) -> Array:
    """Of a filter that takes a signal forward by a part of a frame: a sinc under a Kaiser window."""
    places = np.arange(-HALF_TAPS + 1, HALF_TAPS + 1)
    taps = np.sinc(places - part) * np.kaiser(2 * HALF_TAPS, 9.0)
    return taps / taps.sum()  # type: ignore[no-any-return]  # NumPy types it as Any


def filtered(x: Array, taps: Array) -> Array:
    """Each channel, where the filter lies wholly on it."""
    if x.shape[1] < taps.size:
        return x[:, :0]
    return np.stack([np.convolve(row, taps[::-1], mode="valid") for row in x])
