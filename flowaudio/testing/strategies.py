"""Hypothesis strategies, derived from what nodes declare: signals, formats, cuts into blocks, nodes, whole graphs."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx
from hypothesis import strategies as st

from flowaudio.core.errors import ParameterError
from flowaudio.core.node import Format, declaration
from flowaudio.core.params import Param, parameters
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.testing.signals import KINDS, NUMBERS, signal

__all__ = ["RATES", "UNLIMITED", "channels", "cuts", "formats", "graph_of", "graphs", "nodes", "rates", "records",
           "scripts", "signals", "values"]

RATES = (8000, 11_025, 44_100, 48_000, 96_000, 192_000)

AFFORDABLE = {
    "time_ms": 1000.0,        # a delay line of 10 s at 192 kHz and 8 channels takes 61 MB, and time to clear
    "channels": 8,            # of a source: 64 channels only take longer
    "columns": 64,            # of a spectrogram: a ring of 1 GiB takes time to copy
}
"""Limits of our own, by parameter: what lies beyond costs memory or time and is no other code."""

UNLIMITED = 1e6
"""What a parameter without a limit is tried with, at most."""

rates = st.sampled_from(RATES)
"""Samples a second, from telephones to studios."""

channels = st.integers(1, 8)


def formats() -> st.SearchStrategy[Format]:
    """What a node with one input may be prepared for."""
    return st.builds(lambda rate, count, block: Format(rate, count, block, (count,)), rates, channels,
                     st.integers(1, 8192))


def values(name: str, known: Param, *, limits: bool = False) -> st.SearchStrategy[Any]:
    """Values that a parameter may have; with `limits` only its lowest, highest and default."""
    if known.kind == "flag":
        return st.booleans()
    if known.kind == "choice":
        # A layout has to fit the channels that the node gets; the default does.
        return st.just(known.default) if name == "layout" else st.sampled_from(known.choices)
    if known.kind == "items":
        assert known.item is not None
        return st.lists(records(known.item, limits=limits), max_size=9).map(tuple)
    low, high = max(known.low, -UNLIMITED), min(known.high, AFFORDABLE.get(name, UNLIMITED))
    corners = st.sampled_from([known.default, low, high])
    if limits:
        return corners.map(int) if known.kind == "integer" else corners
    if known.kind == "integer":
        return st.integers(int(low), int(high))
    among = st.floats(low, high)
    if low > 0 and high / low > 100:  # times and frequencies: as many small ones as large ones
        among |= st.floats(0.0, 1.0).map(lambda part: min(max(low * (high / low) ** part, low), high))
    return corners | among


@functools.lru_cache(maxsize=256)
def records(cls: type, *, limits: bool = False) -> st.SearchStrategy[Any]:
    """Instances of a record or node class, with any parameters that it allows."""
    return st.fixed_dictionaries(
        {}, optional={name: values(name, known, limits=limits) for name, known in parameters(cls).items()}
    ).map(lambda chosen: cls(**chosen))


nodes = records
"""Nodes of a class, with any parameters that it allows."""


def cuts(longest: int = 700, most: int = 12) -> st.SearchStrategy[list[int]]:
    """Lengths of blocks: ragged, some of a few frames only."""
    return st.lists(st.integers(1, longest) | st.integers(1, 9), min_size=1, max_size=most)


def signals(count: int, frames: int, loudest: float = 1.0, *, numbers: bool = False) -> st.SearchStrategy[Any]:
    """float32 ``[count, frames]`` of all kinds; with `numbers` also what is huge, tiny or no number."""
    return st.builds(lambda kind, seed: signal(kind, seed, count, frames, loudest),
                     st.sampled_from((*KINDS, *NUMBERS) if numbers else KINDS), st.integers(0, 2**31))


def graph_of(node: Any, *, all_ports: bool = False) -> Graph:
    """The smallest graph in which a node gets all that it needs; with `all_ports` also what it might do without."""
    graph = Graph()
    name = graph.add(node)
    declared = declaration(node)
    for k, port in enumerate(declared.inputs):
        if port.many:
            graph.connect(IN, f"{name}.{port.name}")
            graph.connect(IN, f"{name}.{port.name}", delay_ms=1.0)
            graph.connect(IN, f"{name}.{port.name}", delay_ms=2.5)
        elif port.default is None or all_ports:
            graph.connect(IN, f"{name}.{port.name}", delay_ms=float(k))
    for port in declared.outputs:
        graph.connect(f"{name}.{port.name}", OUT)
    if not declared.outputs:            # it only listens
        graph.connect(IN, OUT)
    return graph


@st.composite
def graphs(draw: st.DrawFn, /, classes: Sequence[type], *, most: int = 6, loop: Any = None,
           fit: Callable[[int], Any] | None = None, count: int = 2, rate: int = 48_000) -> Graph:
    """Whole graphs that are valid, from `count` channels to as many: chains, parallel ways with delays, ports that take
    several edges, sidechains, sources, and loops::

        @given(graphs((fa.Gain, fa.Compressor, MyNode), loop=fa.Gain(gain_db=-30.0)))
        def test_mine(graph):
            note(fa.dumps(graph, "toml"))       # a failure then shows the smallest graph
            y = fa.render(graph, x)

    Where a class refuses the parameters that were drawn for the channels it gets, it has its defaults.

    :param classes: node classes to draw from.
    :param most: nodes, at most, beside those of `loop` and `fit`.
    :param loop: a node that makes a signal quiet enough to be fed back; without it there are no loops.
    :param fit: a node that makes so many channels of any number, as ``lambda n: fa.ChannelMap(channels=n)`` does;
        without it, nodes that change the number are left out.
    """
    made = _Growing(Graph(), {IN: count}, fit, rate)
    for cls in draw(st.lists(st.sampled_from(list(classes)), min_size=1, max_size=most)):
        sources: list[tuple[str, str, float]] = []      # port, source, delay
        for port in declaration(cls).inputs:
            if port.default is not None and draw(st.booleans()):
                continue
            edges = draw(st.integers(1, 3)) if port.many or draw(st.integers(0, 5)) == 5 else 1
            sources += [(port.name, draw(st.sampled_from(list(made.counts))), draw(_DELAYS)) for _ in range(edges)]
        made.add(draw(nodes(cls)), sources)
    names = [name for name in made.counts if name in made.graph and name != IN]
    ends = [name for name in names if not made.graph.out_degree(name)] or [IN]
    for name in ends:
        made.connect(name, OUT, count, 0.0)
    if loop is not None and names and draw(st.booleans()):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(names) - 1)] * 2)))
        made.feed_back(names[first], names[last], loop, draw(st.sampled_from((1.0, 7.5, 40.0, 75.0))))
    return made.graph


_DELAYS = st.sampled_from((0.0, 0.0, 0.0, 1.0, 2.5))
"""Of an edge, in ms."""


class _Growing:
    """A graph to which nodes are added, and how many channels come out of each."""

    def __init__(self, graph: Graph, counts: dict[str, int], fit: Callable[[int], Any] | None, rate: int) -> None:
        self.graph, self.counts, self.fit, self.rate = graph, counts, fit, rate
        self.fitted: dict[str, int] = {}    # channels of what was put between
        self.late_ms = 0.0              # latencies of all nodes together

    def add(self, node: Any, sources: list[tuple[str, str, float]]) -> None:
        """Add a node behind (port, source, delay), if it can be used here."""
        free = {port.name for port in declaration(node).inputs if port.any_channels}
        count = self.counts[sources[0][1]] if sources else self.counts[IN]
        firsts = {port: self.counts[source] for port, source, _ in reversed(sources)}   # those that meet agree
        wanted = [firsts[port] if port in free else count for port, _, _ in sources]
        if self.fit is None and wanted != [self.counts[source] for _, source, _ in sources]:
            return
        format = Format(self.rate, count, 256, tuple(wanted))
        fitting = next((each for each in (node, type(node)()) if self._fits(each, format)), None)
        if fitting is not None:
            name = self.graph.add(fitting)
            for (port, source, delay_ms), channels in zip(sources, wanted, strict=True):
                self.connect(source, f"{name}.{port}", channels, delay_ms)
            for k, output in enumerate(declaration(fitting).outputs):
                self.counts[f"{name}.{output.name}" if k else name] = fitting.output_channels(format)
            self.late_ms += 1000.0 * fitting.latency(format) / self.rate

    def _fits(self, node: Any, format: Format) -> bool:
        try:
            node.prepare(format)
            channels = node.output_channels(format)
        except ParameterError:
            return False
        return 1 <= channels <= 8 and (self.fit is not None or channels == format.channels)

    def connect(self, source: str, target: str, count: int, delay_ms: float) -> None:
        """Join two, with what makes the channels fit between them."""
        if self.counts[source] != count:
            assert self.fit is not None
            between = self.graph.add(self.fit(count))
            self.fitted[between] = count
            self.graph.connect(source, between)
            source = between
        self.graph.connect(source, target, delay_ms=delay_ms)

    def feed_back(self, first: str, last: str, loop: Any, delay_ms: float) -> None:
        """Let what comes out of `last` come round to `first`."""
        ports = declaration(self.graph.nodes[first]["node"]).inputs
        fed = next((source for source, _, data in self.graph.in_edges(first, data=True)
                    if data["input"] == ports[0].name), None)
        if fed is None:                 # a source of sound
            return
        count = {**self.counts, **self.fitted}[fed]
        if self.fit is None and self.counts[last] != count:
            return
        back = self.graph.add(loop)
        self.connect(last, back, count, 0.0)
        self.graph.connect(back, f"{first}.{ports[0].name}", delay_ms=delay_ms)
        # Every edge with a delay feeds back now, and has to be longer than the nodes of its loop are late.
        for within in nx.strongly_connected_components(self.graph):
            for _, _, data in self.graph.subgraph(within).edges(data=True):
                if "delay_ms" in data:
                    data["delay_ms"] += math.ceil(self.late_ms)


@st.composite
def scripts(draw: st.DrawFn, /, graph: Graph, classes: Sequence[type], frames: int, most: int = 8, *,
            rate: int = 48_000, **options: Any) -> list[tuple[Any, ...]]:
    """What somebody does to a running engine, as ``(frame, what, argument, …)`` in the order of their frames::

        for frame, what, *arguments in script:
            ...                                         # until the engine is at that frame
            getattr(engine.rack, what)(*arguments)      # change, automate, swap, gain or bypass

    A node may refuse values together that it allows one by one: then ParameterError says so, and nothing has changed.

    :param graph: the one that runs at the beginning.
    :param frames: the last frame at which something is asked for.
    :param most: things that are done, at most.
    :param options: for :func:`graphs`, of those that are swapped in.
    """
    script: list[tuple[Any, ...]] = []
    current = graph
    for at in sorted(draw(st.lists(st.integers(0, frames), max_size=most))):
        names = [name for name in current if name not in (IN, OUT) and parameters(type(current.nodes[name]["node"]))]
        kinds = ("change", "automate", "swap", "gain", "bypass")
        kind = draw(st.sampled_from(kinds if names else kinds[2:]))
        if kind == "swap":
            current = draw(graphs(classes, **{"rate": rate, **options}))
            script.append((at, kind, current))
        elif kind in ("gain", "bypass"):
            script.append((at, kind, draw(st.floats(0.0, 1.0)), draw(st.sampled_from((0.0, 5.0, 20.0)))))
        else:
            name = draw(st.sampled_from(names))
            parameter, known = draw(st.sampled_from(sorted(parameters(type(current.nodes[name]["node"])).items())))
            if kind == "change":
                script.append((at, kind, name, {parameter: draw(values(parameter, known))}))
            else:
                times = itertools.accumulate(draw(st.lists(st.integers(0, frames), min_size=1, max_size=4)), initial=at)
                points = [(time / rate, draw(values(parameter, known))) for time in times]
                script.append((at, kind, name, parameter, points))
    return script
