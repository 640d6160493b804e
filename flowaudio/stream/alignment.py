"""By how much one sound comes later than another, and how a sound is moved by a part of a frame."""

import math
from typing import Any, NamedTuple

import numpy as np

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
    """Coarse at a low rate over all of the first minutes, then fine at the full rate in a loud part."""
    low = min(COARSE_HZ, pair.rate)
    x, y = (_excerpt(pair, each, low, 0, round(COARSE_S * low)) for each in (pair.a, pair.b))
    if not x.any() or not y.any():
        return Lateness(0.0, 1, False)
    lag, polarity, strength = _lag(x, y, None)
    if strength < RELATED:
        return Lateness(0.0, 1, False)
    begin = _loudest(x, y, lag, round(FINE * low / pair.rate))
    coarse = round(lag * pair.rate / low)
    start = max(round(begin * pair.rate / low), 0, -coarse)
    u = _excerpt(pair, pair.a, pair.rate, start, FINE)
    v = _excerpt(pair, pair.b, pair.rate, start + coarse, FINE)
    if not u.any() or not v.any():
        return Lateness(float(coarse), polarity, True)
    fine, polarity, _ = _lag(u, v, round(REACH * pair.rate / low))
    return Lateness(coarse + _settled(u, v, fine), polarity, True)


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
    parts, at = [], 0
    for block in pair.blocks(sound, STEP, rate, 1 if sound.channels <= 8 else sound.channels):
        mono = block.mean(axis=0)
        parts.append(mono[max(start - at, 0):max(start + frames - at, 0)])
        at += mono.size
        if at >= start + frames:
            break
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


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
    return (float(lags[best]) + _between(polarity * scores, best), polarity,
            abs(float(scores[best])) / norm if norm else 0.0)


def _between(scores: Array, best: int) -> float:
    """Where, from -0.5 to 0.5 of a sample around `best`, a band-limited correlation has its top."""
    around = scores[(best + np.arange(-HALF_TAPS, HALF_TAPS)) % scores.size].astype(np.float64)
    places = np.arange(-HALF_TAPS, HALF_TAPS)

    def value(at: float) -> float:
        taps = np.sinc(at - places) * np.cos(np.pi * (at - places) / (2 * HALF_TAPS + 2)) ** 2
        return float(np.dot(taps, around))

    low, high = -0.6, 0.6
    for _ in range(30):
        third = (high - low) / 3
        low, high = (low + third, high) if value(low + third) < value(high - third) else (low, high - third)
    middle = (low + high) / 2
    return middle if abs(middle) > SMALL else 0.0


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
