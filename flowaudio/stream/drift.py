"""Whether the clocks of two sounds run apart: delays at many places, and the line through them."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["MOST_PPM", "Line", "Match", "between", "line_through", "loud_places", "match", "matches", "windows"]

Array = np.ndarray[Any, Any]

MOST_PPM = 1500.0
"""Clocks that differ by more are none of the same kind; tapes are."""

NEIGHBOURS = 32
"""Places on each side from which a correlation is interpolated."""

ALIKE = 0.3
"""Correlation from which on a place counts."""

CERTAIN = 5.0
"""Standard errors by which a slope must differ from none."""

LEAST = 0.1
"""Frames by which the delay must have moved between the first place and the last."""


class Match(NamedTuple):
    """Where a part of one sound is in the other."""

    place: float                        # the middle of the part, in frames
    lag: float                          # frames by which the other comes later
    strength: float                     # correlation, -1 to 1


class Line(NamedTuple):
    """``lag = offset + slope · place``."""

    offset: float
    slope: float
    certain: bool                       # whether the slope is more than the error of the measure


def loud_places(x: Array, first: int, end: int, length: int, count: int) -> list[int]:
    """Where the loudest `length` frames begin in each of `count` parts of ``x[first:end]``; silent parts have none."""
    power = np.concatenate([[0.0], np.cumsum(np.square(x[first:end], dtype=np.float64))])
    last = end - first - length
    if last < 0:
        return []
    edges = np.linspace(0, last + 1, min(count, max((end - first) // length, 1)) + 1).astype(int)
    places = []
    for low, high in itertools.pairwise(edges):
        starts = np.arange(low, max(high, low + 1), max(length // 8, 1))
        energy = power[starts + length] - power[starts]
        if energy.max() > 0:
            places.append(first + int(starts[np.argmax(energy)]))
    return places


def match(u: Array, v: Array, place: int, lag: int) -> Match | None:
    """Where in `v`, the longer one, `u` is; None at its very ends, or where there is nothing.

    :param place: where `u` begins in its sound. :param lag: by how much later `v` begins in its own.
    """
    count = v.size - u.size + 1
    if count < 2 * NEIGHBOURS + 1 or not u.any() or not v.any():
        return None
    size = 1 << (v.size + u.size - 1).bit_length()
    scores = np.fft.irfft(np.fft.rfft(v, size) * np.conj(np.fft.rfft(u, size)), size)[:count]
    power = np.concatenate([[0.0], np.cumsum(np.square(v, dtype=np.float64))])
    norms = np.sqrt((power[u.size:] - power[:-u.size])[:count] * float(np.dot(u, u)))
    scores = scores / np.maximum(norms, 1e-3 * norms.max())
    best = int(np.argmax(np.abs(scores)))
    if not NEIGHBOURS <= best < count - NEIGHBOURS:
        return None
    polarity = 1.0 if scores[best] >= 0 else -1.0
    return Match(place + u.size / 2, lag + best + between(polarity * scores, best), float(scores[best]))


def matches(x: Array, y: Array, places: Sequence[int], length: int, lag: float, reach: int) -> list[Match]:
    """Of the parts of `x` at `places`, those that are found in `y` within `reach` of the delay `lag`."""
    found = []
    for place in places:
        begin = max(place + round(lag) - reach, 0)
        got = match(x[place:place + length], y[begin:place + round(lag) + length + reach], place, begin - place)
        if got is not None and abs(got.strength) >= ALIKE:
            found.append(got)
    return found


def windows(blocks: Iterator[Array], begins: Sequence[int], length: int) -> list[Array]:
    """`length` frames of a sound, as mono, from each place on (in order), read in one go; zeros before its beginning,
    fewer where it ends."""
    parts: list[list[Array]] = [[np.zeros(min(max(-begin, 0), length), np.float32)] for begin in begins]
    at = 0
    for block in blocks:
        mono = block.mean(axis=0)
        for part, begin in zip(parts, begins, strict=True):
            part.append(mono[max(begin - at, 0):max(begin + length - at, 0)])
        at += mono.size
        if at >= begins[-1] + length:
            break
    return [np.concatenate(part) for part in parts]


def line_through(found: Sequence[Match], near: float) -> Line | None:
    """The line that most places agree on, within `near` frames; None if fewer than half of them do, or than three."""
    if len(found) < 3:
        return None
    place, lag = (np.array([getattr(each, name) for each in found]) for name in ("place", "lag"))
    best = np.zeros(len(found), bool)
    for i in range(len(found)):
        for j in range(i):
            slope = (lag[i] - lag[j]) / (place[i] - place[j])
            if abs(slope) <= MOST_PPM * 1e-6:
                agree = np.abs(lag - lag[i] - slope * (place - place[i])) <= near
                best = agree if agree.sum() > best.sum() else best
    if best.sum() < max(3, len(found) / 2):
        return None
    return _fitted(place[best], lag[best])


def _fitted(place: Array, lag: Array) -> Line:
    """Least squares, and what is left over as the measure of the error."""
    middle = place.mean()
    spread = float(np.sum((place - middle) ** 2))
    slope = float(np.sum((place - middle) * lag)) / spread
    left = lag - lag.mean() - slope * (place - middle)
    error = math.sqrt(float(np.sum(left**2)) / max(len(place) - 2, 1) / spread)
    moved = abs(slope) * float(np.ptp(place))
    return Line(float(lag.mean() - slope * middle), slope, abs(slope) > CERTAIN * error and moved > LEAST)


def between(scores: Array, best: int, small: float = 0.0) -> float:
    """Where, from -0.5 to 0.5 of a sample around `best`, a band-limited correlation has its top."""
    around = scores[(best + np.arange(-NEIGHBOURS, NEIGHBOURS)) % scores.size].astype(np.float64)
    places = np.arange(-NEIGHBOURS, NEIGHBOURS)

    def value(at: float) -> float:
        taps = np.sinc(at - places) * np.cos(np.pi * (at - places) / (2 * NEIGHBOURS + 2)) ** 2
        return float(np.dot(taps, around))

    low, high = -0.6, 0.6
    for _ in range(30):
        third = (high - low) / 3
        low, high = (low + third, high) if value(low + third) < value(high - third) else (low, high - third)
    middle = (low + high) / 2
    return middle if abs(middle) > small else 0.0


