"""Meters that are put around a graph for whoever watches it play, and what they say."""

import contextlib
import time
from typing import Any, NamedTuple, Protocol

from flowaudio.core.errors import GraphError
from flowaudio.core.node import declaration
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.wiring import read
from flowaudio.nodes import LevelMeter, LoudnessMeter
from flowaudio.nodes.loudness import LoudnessReading, loudness

__all__ = ["Levels", "Metered", "Meters", "Readable", "metered", "straight", "takes_input"]

HOLD_S = 1.5
"""How long the highest peak stays."""

FALL_DB_PER_S = 20.0
"""How fast it falls then: as the meter's own peak does."""

FLOOR_DB = -160.0

REDUCTION = "gain_reduction_db"


class Readable(Protocol):
    """What the meters need of an engine."""

    def read(self, name: str) -> dict[str, Any]:
        """What a node measures."""


class Metered(NamedTuple):
    """A graph with meters around it, and their names in it."""

    graph: Graph
    input: str | None                   # None: the graph takes no input
    output: str
    loudness: str
    reducing: tuple[str, ...]           # the user's nodes that measure how far they turn down

    @property
    def own(self) -> tuple[str, ...]:
        """The names that the user has not given."""
        return tuple(name for name in (self.input, self.output, self.loudness) if name is not None)


class Levels(NamedTuple):
    """Of one place, one number a channel, in dBFS."""

    peak: tuple[float, ...]
    rms: tuple[float, ...]
    hold: tuple[float, ...]
    highest: tuple[float, ...]          # since the start
    clipped: int                        # samples, in all channels


def straight() -> Graph:
    """What comes in goes out."""
    graph = Graph()
    graph.add_edge(IN, OUT)
    return graph


def takes_input(graph: Any) -> bool:
    """Whether anything in a graph is fed from outside."""
    return IN in graph and graph.out_degree(IN) > 0


def metered(graph: Graph) -> Metered:
    """`graph`, unchanged in its sound, with a meter at its input and two at its output.

    Their names are always the same, so that they go on measuring when another graph takes this one's place; only where
    the user has a node of that name they step aside.

    :raises GraphError: what is wrong with the user's graph, in the user's names.
    """
    reducing = tuple(name for name, node in read(graph).nodes.items() if REDUCTION in declaration(node).measures)
    made = graph.copy()
    names = []
    for name in ("input level", "output level", "output loudness"):
        while name in graph:
            name += "'"
        names.append(name)
    before, level, loud = names
    made.add_node(level, node=LevelMeter())
    made.add_node(loud, node=LoudnessMeter())
    made.remove_node(OUT)
    for source, _, data in graph.in_edges(OUT, data=True):  # in their order: that is how they are added up
        made.add_edge(source, level, **data)
    made.add_edge(level, loud)
    made.add_edge(loud, OUT)
    taking = takes_input(graph)
    if taking:
        made.add_node(before, node=LevelMeter())
        made.add_edge(IN, before)       # beside the graph: a node that measures need not lead anywhere
    return Metered(made, before if taking else None, level, loud, reducing)


class Meters:
    """Reads the meters of a running engine, and remembers peaks for the eye."""

    def __init__(self, engine: Readable, names: Metered) -> None:
        self.names = names
        """To be replaced when the engine's graph is."""
        self._engine = engine
        self._holds = {"in": _Hold(), "out": _Hold()}

    def input(self) -> Levels | None:
        """What comes in; None if the graph takes nothing."""
        name = self.names.input
        return self._levels(name, self._holds["in"]) if name is not None else None

    def output(self) -> Levels:
        """What the graph makes."""
        return self._levels(self.names.output, self._holds["out"])

    def loudness(self) -> LoudnessReading:
        """Of what the graph makes, since the start."""
        return loudness(self._engine.read(self.names.loudness))

    def reductions(self) -> dict[str, float]:
        """By how many dB each compressor and limiter turns down now, the most of its channels."""
        found = {}
        for name in self.names.reducing:
            with contextlib.suppress(GraphError):  # the engine's graph has just been replaced, and it is gone
                found[name] = float(self._engine.read(name)[REDUCTION].max())
        return found

    def _levels(self, name: str, hold: "_Hold") -> Levels:
        measured = self._engine.read(name)
        peak = measured["peak_dbfs"].tolist()
        return Levels(tuple(peak), tuple(measured["rms_dbfs"].tolist()), hold.follow(peak, time.monotonic()),
                      tuple(measured["max_peak_dbfs"].tolist()), int(measured["clipped"].sum()))


class _Hold:
    """The highest peaks of the last moments, a channel."""

    def __init__(self) -> None:
        self._levels: list[float] = []
        self._since: list[float] = []
        self._at = 0.0

    def follow(self, peaks: list[float], now: float) -> tuple[float, ...]:
        if len(self._levels) != len(peaks):
            self._levels, self._since = [FLOOR_DB] * len(peaks), [now] * len(peaks)
        fall = FALL_DB_PER_S * (now - self._at)
        self._at = now
        for c, peak in enumerate(peaks):
            if now - self._since[c] > HOLD_S:
                self._levels[c] -= fall
            if peak >= self._levels[c]:
                self._levels[c], self._since[c] = peak, now
        return tuple(self._levels)
