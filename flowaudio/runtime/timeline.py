"""What has been asked for at later times: single changes and automation, as one line of moments in their order."""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown

__all__ = ["Moment", "Timeline", "curve", "from_now", "steps", "without"]

PIECE_MS = 20.0
"""A line of automation is walked in pieces of this length. Within one, a node's coefficients go in a straight line;
from one to the next the parameter itself does."""


class Moment(NamedTuple):
    """New values of a node's parameters, to be walked to from `frame` on."""

    frame: int
    name: str
    values: Mapping[str, Any]
    frames: int                         # how long the way is


def without(moment: Moment, parameters: set[str]) -> list[Moment]:
    """The moment without some parameters: one, or none if nothing is left of it."""
    values = {name: value for name, value in moment.values.items() if name not in parameters}
    return [moment._replace(values=values)] if values else []


def curve(points: Sequence[tuple[float, float]], rate: int) -> Iterator[tuple[int, float, int]]:
    """(frame, value, frames) of the pieces of a line through points (seconds, value), the first value at once.

    :raises ParameterError: points that are none, or not in the order of their times.
    """
    line = _checked(points)
    try:
        return _pieces([(at, float(value)) for at, value in line], rate)
    except (TypeError, ValueError):
        raise ParameterError(f"automation is a list of (seconds, value) (got {shown(points)})") from None


def steps(points: Sequence[tuple[float, Any]], rate: int) -> Iterator[tuple[int, Any, int]]:
    """(frame, value, frames) of a parameter that has no values in between: each holds until the next."""
    return ((round(at * rate), value, 0) for at, value in _checked(points))


def from_now(pieces: Iterable[tuple[int, Any, int]], now: int) -> Iterator[tuple[int, Any, int]]:
    """What of the pieces is not over at frame `now`; of a line that is over, its end."""
    over: list[tuple[int, Any, int]] = []
    for at, value, frames in pieces:
        if at + frames >= now:
            over.clear()
            yield max(at, now), value, frames
        else:
            over[:] = [(now, value, frames)]
    yield from over


def _checked(points: Sequence[tuple[float, Any]]) -> list[tuple[float, Any]]:
    try:
        line = [(float(at), value) for at, value in points]
    except (TypeError, ValueError):
        raise ParameterError(f"automation is a list of (seconds, value) (got {shown(points)})") from None
    if not line:
        raise ParameterError("automation needs at least one (seconds, value)")
    if any(math.isnan(at) for at, _ in line):
        raise ParameterError("the times of automation must be numbers of seconds (got nan)")
    for (earlier, _), (later, _) in itertools.pairwise(line):
        if not earlier <= later:
            raise ParameterError(f"the times of automation must not go back (got {later:g} s after {earlier:g} s)")
    if not 0 <= line[0][0] <= line[-1][0] < float("inf"):
        raise ParameterError(f"the times of automation must be at least 0 s (got {line[0][0]:g} s)")
    return line


def _pieces(line: list[tuple[float, float]], rate: int) -> Iterator[tuple[int, float, int]]:
    at = round(line[0][0] * rate)
    yield at, line[0][1], round(PIECE_MS * rate / 1000)
    longest = max(round(PIECE_MS * rate / 1000), 1)
    for (_, start), (end_s, end) in itertools.pairwise(line):
        begin, stop = at, round(end_s * rate)
        while at < stop:
            frames = min(longest, stop - at)
            value = start + (end - start) * (at + frames - begin) / (stop - begin)
            at += frames
            # At its end it is exact, and no rounding on the way leaves the range.
            yield at - frames, end if at == stop else min(max(value, min(start, end)), max(start, end)), frames
        if begin == stop:
            yield at, end, 0


class Timeline:
    """Moments by time; those of one automation are made when they are needed."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Moment, Iterator[Moment]]] = []
        self._number = itertools.count()

    def add(self, moments: Iterator[Moment]) -> None:
        """Take in moments, in the order of their frames."""
        first = next(moments, None)
        if first is not None:
            heapq.heappush(self._heap, (first.frame, next(self._number), first, moments))

    def due(self, before: int) -> Iterator[Moment]:
        """Remove and give all moments whose frame is before `before`."""
        while self._heap and self._heap[0][0] < before:
            _, _, moment, rest = heapq.heappop(self._heap)
            self.add(rest)
            yield moment

    def drop(self, name: str, parameters: set[str]) -> None:
        """Forget what was planned for some parameters of a node."""
        planned, self._heap = sorted(self._heap, key=lambda entry: entry[:2]), []
        for _, _, moment, rest in planned:
            kept = without(moment, parameters) if moment.name == name else [moment]
            if kept:
                self.add(itertools.chain(kept, rest))

    def __len__(self) -> int:
        return len(self._heap)
