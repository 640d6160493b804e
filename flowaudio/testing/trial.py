"""A trial: one case in which a law has to hold, how it is run, and in what two runs differ."""

import itertools
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.node import declaration
from flowaudio.graph import image
from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.graph.schedule import Schedule
from flowaudio.testing.signals import signal
from flowaudio.testing.strategies import graph_of

__all__ = ["Heard", "SpacedPlan", "Trial", "differ", "heard", "in_pieces", "pieces"]

Array = np.ndarray[Any, Any]

BLOCK = 8192
"""Frames that the plans of a trial take at once, at most."""

GAP = 4096
"""Bytes of nobody's around each parameter and state: a row of 1024 samples too far is still seen."""


class SpacedPlan(Plan):
    """A plan with free memory around each parameter and state, slow and watchful: an index beyond the end of an array
    makes a node fail. What goes by addresses, as vectors do, is not watched, but may leave its traces in between."""

    @staticmethod
    def _lay_out(made: Schedule) -> image.Image:
        return image.build(made, gap=GAP, bounds=True)


class Trial(NamedTuple):
    """One case in which a law has to hold."""

    node: Any
    rate: int = 48_000
    channels: int = 2
    kind: str = "noise"                 # of signal, see `signals`
    seed: int = 0
    lengths: tuple[int, ...] = (256, 256)
    all_ports: bool = False             # connect inputs that might stay open, too

    @property
    def frames(self) -> int:
        return sum(self.lengths)

    def graph(self) -> Graph:
        return graph_of(self.node, all_ports=self.all_ports)

    def plan(self, block: int = BLOCK) -> Plan:
        return Plan(self.graph(), self.rate, self.channels, block)

    def spaced_plan(self, block: int = BLOCK) -> SpacedPlan:
        return SpacedPlan(self.graph(), self.rate, self.channels, block)

    def signal(self, kind: str = "", frames: int = 0, loudest: float = 1.0) -> Array:
        return signal(kind or self.kind, self.seed, self.channels, frames or self.frames, loudest, self.rate)

    def silence(self, frames: int) -> Array:
        return np.zeros((self.channels, frames), np.float32)

    def __str__(self) -> str:
        lengths = " + ".join(map(str, self.lengths)) if len(self.lengths) > 1 else f"{self.frames}"
        ports = ", all inputs connected" if self.all_ports else ""
        return (f"{self.node!r} at {self.rate} Hz, {self.channels} channel{'s' * (self.channels > 1)}, {self.kind} "
                f"(seed {self.seed}) of {lengths} frame{'s' * (self.frames > 1)}{ports}")


def pieces(x: Array, lengths: tuple[int, ...]) -> list[Array]:
    """A signal, cut."""
    edges = itertools.accumulate(lengths, initial=0)
    return [np.ascontiguousarray(x[:, a:b]) for a, b in itertools.pairwise(edges)]


class Heard(NamedTuple):
    """What came of a run."""

    sound: Array                        # float32 [channels, frames]
    measured: dict[str, Array]
    events: list[NodeEvent]


def heard(plan: Plan, sound: Array) -> Heard:
    """A sound, with all that the plan that made it has measured and found since it was last asked."""
    measured = {f"{op.name}.{key}": value for op in plan.ops if declaration(op.node).measures
                for key, value in plan.read(op.name).items()}
    return Heard(sound, measured, plan.events())


def in_pieces(plan: Plan, x: Array, lengths: tuple[int, ...]) -> Heard:
    """What comes of a signal that comes in blocks of these lengths."""
    return heard(plan, np.concatenate([plan.process(piece) for piece in pieces(x, lengths)], axis=1))


def _difference(one: Array, other: Array) -> str | None:
    """Where two signals differ first, in bits."""
    where = np.argwhere((one.view(np.uint32) != other.view(np.uint32)).T)
    if not len(where):
        return None
    n, c = where[0]
    return f"channel {c}, frame {n} is {other[c, n]:.9g} where it was {one[c, n]:.9g}"


def differ(one: Heard, other: Heard) -> str | None:
    """What differs between two runs: the sound, what was measured, what was found."""
    if found := _difference(one.sound, other.sound):
        return found
    for key, value in one.measured.items():
        if not np.array_equal(value, other.measured[key], equal_nan=value.dtype.kind == "f"):
            return f"{key} measures {other.measured[key]!s:.60} where it measured {value!s:.60}"
    if one.events != other.events:
        return f"the events are {other.events!s:.90} where they were {one.events!s:.90}"
    return None
