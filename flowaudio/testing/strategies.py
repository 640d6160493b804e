"""Hypothesis strategies, derived from what nodes declare: signals, formats, cuts into blocks, nodes, whole graphs."""

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

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
    return graph


@st.composite
def graphs(draw: Any, classes: Sequence[type], *, most: int = 6, loop: Any = None) -> Graph:
    """Whole graphs that are valid, of nodes that put out as many channels as they get: chains, parallel ways with
    delays, ports that take several edges, sidechains, and loops.

    :param classes: node classes to draw from.
    :param most: nodes, at most.
    :param loop: a node that makes a signal quiet enough to be fed back; without it there are no loops.
    """
    graph = Graph()
    names: list[str] = []
    for cls in draw(st.lists(st.sampled_from(list(classes)), min_size=1, max_size=most)):
        name = graph.add(draw(nodes(cls)))
        earlier = [IN, *names]
        for port in declaration(cls).inputs:
            if port.default is not None and draw(st.booleans()):
                continue
            feeding = 1 if not port.many else draw(st.integers(1, 3))
            for source in draw(st.lists(st.sampled_from(earlier), min_size=feeding, max_size=feeding, unique=False)):
                graph.connect(source, f"{name}.{port.name}", delay_ms=draw(st.sampled_from((0.0, 0.0, 1.0, 2.5))))
        names.append(name)
    ends = {name for name in names if not any(True for _ in graph.out_edges(name))} | {names[-1]}
    for name in sorted(ends):
        graph.connect(name, OUT)
    if loop is not None and draw(st.booleans()):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(names) - 1)] * 2)))
        inputs = declaration(graph.nodes[names[first]]["node"]).inputs
        if inputs:
            back = graph.add(loop)
            graph.connect(names[last], back)
            graph.connect(back, f"{names[first]}.{inputs[0].name}", delay_ms=draw(st.sampled_from((40.0, 75.0))))
    return graph


@st.composite
def scripts(draw: Any, graph: Graph, classes: Sequence[type], frames: int, most: int = 8) -> list[tuple[Any, ...]]:
    """What somebody does to a running engine: ``(frame, "change", node, values)``, ``(frame, "automate", node,
    parameter, points)`` and ``(frame, "swap", graph)``, in the order of their frames."""
    script: list[tuple[Any, ...]] = []
    current = graph
    for at in sorted(draw(st.lists(st.integers(0, frames), max_size=most))):
        names = [name for name in current if name not in (IN, OUT) and parameters(type(current.nodes[name]["node"]))]
        kind = draw(st.sampled_from(("change", "automate", "swap") if names else ("swap",)))
        if kind == "swap":
            current = draw(graphs(classes))
            script.append((at, kind, current))
            continue
        name = draw(st.sampled_from(names))
        cls = type(current.nodes[name]["node"])
        parameter, known = draw(st.sampled_from(sorted(parameters(cls).items())))
        if kind == "change" or known.kind != "number":
            script.append((at, "change", name, {parameter: draw(values(parameter, known))}))
        else:
            times = itertools.accumulate(draw(st.lists(st.integers(1, frames), min_size=2, max_size=4)), initial=at)
            script.append((at, kind, name, parameter, [(t, draw(values(parameter, known))) for t in times]))
    return script
