"""Hypothesis strategies for nodes, signals and cuts, all derived from what the nodes declare."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from flowaudio.core.node import declaration
from flowaudio.core.params import Param, parameters
from flowaudio.graph.graph import IN, OUT, Graph

__all__ = ["RATES", "channels", "cuts", "graph_of", "nodes", "rates", "records", "signal", "signals", "values"]

RATES = (8000, 11_025, 44_100, 48_000, 96_000, 192_000)

AFFORDABLE = {
    "time_ms": 1000.0,        # a delay line of 10 s at 192 kHz and 8 channels takes 61 MB, and time to clear
    "channels": 8,            # of a source: 64 channels only take longer
}
"""Limits of our own, by parameter: what lies beyond costs memory or time and is no other code."""

UNLIMITED = 1e6

rates = st.sampled_from(RATES)
channels = st.integers(1, 8)


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


def cuts(longest: int = 700, most: int = 12) -> st.SearchStrategy[list[int]]:
    """Lengths of blocks: ragged, some of a few frames only."""
    return st.lists(st.integers(1, longest) | st.integers(1, 9), min_size=1, max_size=most)


KINDS = ("noise", "sine", "impulses", "bursts", "steps", "silence")


def signal(kind: str, seed: int, count: int, frames: int, loudest: float = 1.0) -> Any:
    """float32 ``[count, frames]``, no sample above `loudest`."""
    rng = np.random.default_rng(seed)
    shape = (count, frames)
    noise = rng.uniform(-1.0, 1.0, shape)
    if kind == "noise":
        x = noise
    elif kind == "sine":
        x = np.sin(np.arange(frames) * 10 ** rng.uniform(-3.0, 0.4, (count, 1)))
    elif kind == "impulses":
        x = np.where(rng.random(shape) < 0.01, noise, 0.0)
    elif kind == "bursts":
        x = noise * (np.arange(frames) // max(1, frames // 6) % 2)
    elif kind == "steps":
        x = np.sign(noise[:, :1]) * (np.arange(frames) > frames // 3)
    elif kind == "extremes":  # whatever a float32 can be
        pool = np.array([0.0, -0.0, 1e-45, -1e-40, 1.2e-38, 1.0, -1.0, 3.4e38, -3.4e38, 1e20, 32768.0])
        return rng.choice(pool, shape).astype(np.float32)
    else:
        x = np.zeros(shape)
    return (x * loudest).astype(np.float32)


def signals(count: int, frames: int, loudest: float = 1.0) -> st.SearchStrategy[Any]:
    """Signals of all kinds."""
    return st.builds(lambda kind, seed: signal(kind, seed, count, frames, loudest),
                     st.sampled_from(KINDS), st.integers(0, 2**31))


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
