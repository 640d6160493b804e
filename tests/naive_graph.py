"""Small nodes for tests of graphs, and a slow obvious interpreter of graphs, sample by sample, that knows no plan.

Whole numbers go through these nodes without rounding, so an interpreter and a plan agree to the bit, in whatever order
they add. The interpreter gives what a graph means: no node is late, so whoever is late has to be compensated.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import port
from flowaudio.core.node import Format, Port, node
from flowaudio.core.params import choice, flag, integer, items, param, record

EXACT = 1 << 24
"""float32 holds all whole numbers up to here."""


class Factor(NamedTuple):
    a: float


class Keep(NamedTuple):
    y: Any


@node(in_place=True)
class Scale:
    """``y = factor x``"""

    factor: float = param(-4.0, 4.0, "gain", default=1.0)

    def prepare(self, format: Format) -> tuple[Factor, None]:
        return Factor(self.factor), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = p.a * x[c, n]

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [self.factor * ports[0][0]]


@node
class Slope:
    """``y[n] = x[n] - x[n-1]``, with a state."""

    def prepare(self, format: Format) -> tuple[None, Keep]:
        return None, Keep(np.zeros(format.channels, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            last = s.y[c]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - last
                last = x[c, n]
            s.y[c] = last

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        last, memory["x"] = memory.get("x", 0), ports[0][0]
        return [ports[0][0] - last]


@node
class Late:
    """Its output is `frames` behind, and it says so."""

    frames: int = integer(1, 100, "latency", default=3)

    def prepare(self, format: Format) -> tuple[None, Keep]:
        return None, Keep(np.zeros((format.channels, self.frames), np.float32))

    def latency(self, format: Format) -> int:
        return self.frames

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        size = s.y.shape[1]
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = s.y[c, 0]
                for k in range(size - 1):
                    s.y[c, k] = s.y[c, k + 1]
                s.y[c, size - 1] = x[c, n]

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [ports[0][0]]


@node(inputs=("in", Port("sidechain", default="in")))
class Minus:
    """``y = x - 2 sidechain``"""

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    @kernel
    def process(x: Any, k: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - k[c, n] - k[c, n]

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [ports[0][0] - 2 * ports[1][0]]


@node(inputs=("in", Port("key", default="in", any_channels=True)))
class Keyed:
    """``y = x - 2 key``, where the key is the first channel of whatever comes."""

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    @kernel
    def process(x: Any, k: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - k[0, n] - k[0, n]

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [ports[0][0] - 2 * ports[1][0][0]]


@node(outputs=("whole", "turned"))
class Split:
    """One output as it is, one with its sign turned."""

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    @kernel
    def process(x: Any, whole: Any, turned: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                turned[c, n] = -x[c, n]
                whole[c, n] = x[c, n]

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [ports[0][0], -ports[0][0]]


@node(inputs=(Port("in", many=True),))
class Weighted:
    """The first edge once, the second twice, the third three times …: shows their order."""

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    @kernel
    def process(xs: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(y.shape[0]):
            for n in range(y.shape[1]):
                y[c, n] = 0
        for k in range(xs.size // 2):
            x = port(xs, k, y.shape[1])
            for c in range(y.shape[0]):
                for n in range(y.shape[1]):
                    y[c, n] += (k + 1) * x[c, n]

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [sum((k + 1) * x for k, x in enumerate(ports[0]))]


@node(inputs=(), silent=False)
class Counter:
    """A source: 1, 2, 3 …, on every channel."""

    def prepare(self, format: Format) -> tuple[None, Keep]:
        return None, Keep(np.ones(1, np.int64))

    @kernel
    def process(y: Any, p: Any, s: Any) -> None:
        for n in range(y.shape[1]):
            for c in range(y.shape[0]):
                y[c, n] = s.y[0]
            s.y[0] += 1

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        memory["n"] = memory.get("n", 0) + 1
        return [memory["n"] * np.ones(memory["channels"])]


class Peak(NamedTuple):
    peak: Any


@node(outputs=(), measures=("peak",))
class Meter:
    """Measures and has no output."""

    def prepare(self, format: Format) -> tuple[None, Peak]:
        return None, Peak(np.zeros(format.channels, np.float32))

    @kernel
    def process(x: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.peak[c] = max(s.peak[c], abs(x[c, n]))


class Channels(NamedTuple):
    channels: int


@node(inputs=(Port("in", any_channels=True),))
class Spread:
    """The sum of all channels, on as many channels as one likes."""

    channels: int = integer(1, 16, "of the output", default=2)

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    def output_channels(self, format: Format) -> int:
        return self.channels

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for n in range(x.shape[1]):
            total = x[0, n]
            for c in range(1, x.shape[0]):
                total += x[c, n]
            for c in range(y.shape[0]):
                y[c, n] = total

    def naive(self, ports: list[list[Any]], memory: dict[str, Any]) -> list[Any]:
        return [ports[0][0].sum() * np.ones(self.channels)]


class Running(NamedTuple):
    total: Any


@node
class Fragile:
    """A running sum that begins at 7; puts out NaN where its input is negative."""

    def prepare(self, format: Format) -> tuple[None, Running]:
        return None, Running(np.full(format.channels, 7, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.total[c] += x[c, n]
                y[c, n] = s.total[c] if x[c, n] >= 0 else np.nan


@record
class Band:
    """A record, to stand in a list."""

    kind: str = choice(("bell", "shelf"), "shape", default="bell")
    frequency_hz: float = param(1.0, 20_000.0, "centre", default=1000.0)
    gain_db: float = param(-30.0, 30.0, "gain", default=0.0)


@node
class Everything:
    """Every kind of parameter."""

    level_db: float = param(-100.0, 0.0, "level", default=-20.0)
    order: int = integer(1, 1 << 62, "order", default=2)
    mode: str = choice(("fast", "slow"), "mode", default="fast")
    on: bool = flag("whether", default=True)
    bands: tuple[Band, ...] = items(Band, "bands", default=(Band(gain_db=1.0),))

    def prepare(self, format: Format) -> tuple[None, None]:
        return None, None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


ALL = (Scale, Slope, Late, Minus, Keyed, Split, Weighted, Counter, Meter, Spread, Fragile, Everything)


def run(graph: nx.DiGraph, x: Any, rate: int) -> Any:
    """``[channels, frames]`` through a graph: each sample of each node by its definition."""
    x = np.asarray(x, np.float64)
    steps = _Steps(graph, x, rate)
    out = [steps.value("out", "in", n) for n in range(x.shape[1])]
    return np.array(out).T.reshape(-1, x.shape[1])


class _Steps:
    def __init__(self, graph: nx.DiGraph, x: Any, rate: int) -> None:
        self.graph, self.x, self.rate = graph, x, rate
        self.loops = {v: k for k, c in enumerate(nx.strongly_connected_components(graph)) for v in c}
        self.done: dict[tuple[str, int], Any] = {}
        self.memory: dict[str, dict[str, Any]] = {v: {"channels": x.shape[0]} for v in graph}

    def value(self, name: str, port_name: str, frame: int) -> Any:
        """What arrives at a port."""
        return sum(self._arriving(name, port_name, frame))

    def _arriving(self, name: str, port_name: str, frame: int) -> Iterator[Any]:
        first = "in" if name == "out" else type(self._node(name)).__declaration__.inputs[0].name
        for source, _, data in self.graph.in_edges(name, data=True):
            if (data.get("input") or first) != port_name:
                continue
            late = math.floor(data.get("delay_ms", 0) * self.rate / 1000 + 0.5)
            if data.get("delay_ms") and self.loops[source] == self.loops[name]:
                late = max(late, 1)
            yield self._output(source, data.get("output"), frame - late)

    def _node(self, name: str) -> Any:
        return self.graph.nodes[name]["node"]

    def _output(self, name: str, port_name: str | None, frame: int) -> Any:
        if frame < 0:                   # nodes behind a latency hear silence first, of which all of ours make silence
            return np.zeros(self.x.shape[0])
        if name == "in":
            return self.x[:, frame]
        declared = type(self._node(name)).__declaration__
        for n in range(frame + 1):      # a node with a state has to see every sample once, in its turn
            if (name, n) not in self.done:
                self.done[name, n] = self._step(name, declared, n)
        return self.done[name, frame][[p.name for p in declared.outputs].index(port_name or declared.outputs[0].name)]

    def _step(self, name: str, declared: Any, frame: int) -> list[Any]:
        ports: dict[str, list[Any]] = {}
        for each in declared.inputs:
            edges = list(self._arriving(name, each.name, frame))
            ports[each.name] = (edges if each.many else [sum(edges)]) if edges else ports[each.default]
        return list(self._node(name).naive([ports[p.name] for p in declared.inputs], self.memory[name]))


# --- comparing ------------------------------------------------------------------------------------------------------

def edges_of(graph: nx.DiGraph) -> list[Any]:
    """By target: the edges with all they hold, in the order in which they arrive."""
    arriving: dict[str, list[Any]] = {}
    for source, target, data in graph.in_edges(data=True):
        arriving.setdefault(target, []).append((source, {k: x for k, x in data.items() if x is not None}))
    return sorted(arriving.items(), key=lambda item: item[0])


def assert_equal(first: nx.DiGraph, second: nx.DiGraph) -> None:
    assert dict(first.nodes(data="node")) == dict(second.nodes(data="node"))
    assert edges_of(first) == edges_of(second)
    for key in ("name", "description"):
        assert first.graph.get(key) == second.graph.get(key)
