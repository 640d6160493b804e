"""What a graph's picture says of its nodes and edges, as far as it is known: also of a graph that is not yet right."""

import math
from typing import Any, NamedTuple

import networkx as nx

from flowaudio.core.errors import FlowaudioError, GraphError
from flowaudio.core.node import Declaration, declaration, is_node, no_node
from flowaudio.core.params import Param, as_dict
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.schedule import Op, schedule
from flowaudio.graph.wiring import read

__all__ = ["EdgeFacts", "Facts", "NodeFacts", "bare_name", "facts_of", "frames_text", "value_text"]

BLOCK = 256
"""Frames for which a plan is thought out; nothing that is shown depends on it."""

SHOWN = 5
"""Parameters that are listed in a box."""


class NodeFacts(NamedTuple):
    """Of one vertex."""

    name: str
    kind: str                           # the name of its class; "" for the world's edges, "?" for what is no node
    about: str                          # the whole of it, as a constructor call
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]         # those that differ from their defaults, one line each
    role: str                           # "world", "source", "meter", "effect" or "unknown"
    latency_frames: int | None = None   # of itself
    load: float | None = None           # part of the time that it computes


class EdgeFacts(NamedTuple):
    """Of one edge."""

    source: str
    output: str
    target: str
    input: str
    delay_ms: float
    back: bool                          # closes a cycle
    fault: bool                         # and has no delay, as it should
    channels: int | None = None
    waits_frames: int = 0               # put in to keep parallel paths aligned


class Facts(NamedTuple):
    """Of a whole graph."""

    nodes: list[NodeFacts]
    edges: list[EdgeFacts]
    latency_frames: int | None          # from "in" to "out"
    fault: str                          # why it cannot run, in one sentence; "" if it can


def facts_of(graph: Any, rate: int | None = None, channels: int | None = None,
             loads: dict[str, float] | None = None) -> Facts:
    """Read a graph, right or wrong.

    :param rate: Hz, and `channels` that come in: with both, latencies and channel counts are known.
    :param loads: of each node, as parts of the time.
    :raises GraphError: it is no directed networkx graph at all.
    """
    if is_node(graph):
        graph = Graph.chain(graph)
    if not isinstance(graph, nx.DiGraph):
        raise GraphError(f"a picture is drawn of a directed networkx graph or a node (got {type(graph).__name__})")
    nodes = [_node(str(name), data.get("node"), name) for name, data in graph.nodes(data=True)]
    edges = _edges(graph, {each.name: each for each in nodes})
    planned: dict[str, Op] = {}
    latency, fault = None, ""
    try:
        wiring = read(graph)
        if rate is not None and channels is not None:
            made = schedule(wiring, rate, channels, BLOCK)
            planned = {op.name: op for op in made.ops if op.name in wiring.nodes}
            latency = made.output.latency
            edges = [_planned_edge(each, planned, rate, channels, latency) for each in edges]
    except FlowaudioError as error:
        fault = str(error)
    except Exception as error:          # prepare() of somebody's own node
        fault = f"{type(error).__name__}: {error}"
    loads = loads or {}
    nodes = [each._replace(latency_frames=_latency(planned.get(each.name)), load=loads.get(each.name))
             for each in nodes]
    return Facts(nodes, edges, latency, fault)


def _latency(op: Op | None) -> int | None:
    return int(op.node.latency(op.format)) if op is not None else None


def _node(name: str, node: Any, vertex: Any) -> NodeFacts:
    if vertex == IN:
        return NodeFacts(name, "", "what comes in", (), ("out",), (), "world")
    if vertex == OUT:
        return NodeFacts(name, "", "what goes out", ("in",), (), (), "world")
    if not is_node(node):
        return NodeFacts(name, "?", no_node(node), ("in",), ("out",), (), "unknown")
    declared = declaration(node)
    return NodeFacts(name, declared.name, repr(node), tuple(port.name for port in declared.inputs),
                     tuple(port.name for port in declared.outputs), tuple(_parameters(node, declared)), _role(declared))


def _role(declared: Declaration) -> str:
    if not declared.inputs:
        return "source"
    measures = [name for name in declared.measures if "gain" not in name]   # what turns down is no mere meter
    return "meter" if declared.events or measures else "effect"


def _parameters(node: Any, declared: Declaration) -> list[str]:
    lines = [f"{bare_name(name, declared.params[name])} {value_text(getattr(node, name), declared.params[name])}"
             for name in as_dict(node)]
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN - 1], f"and {len(lines) - SHOWN + 1} more"]


def bare_name(name: str, known: Param) -> str:
    """A parameter's name for people: the unit stands behind the number."""
    head, _, tail = name.rpartition("_")
    return (head if head and known.unit and tail == known.unit.lower() else name).replace("_", " ")


def value_text(value: Any, known: Param) -> str:
    """A value with its unit, for people."""
    if known.kind == "items":
        return "none" if not value else f"{len(value)} × {known.item.__name__ if known.item else ''}"
    if known.kind == "flag":
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        text = f"{value:.5g}" if math.isfinite(value) else str(value)
        return f"{text} {known.unit}".strip().replace(" :", ":")
    return str(value)


def _edges(graph: Any, nodes: dict[str, NodeFacts]) -> list[EdgeFacts]:
    """All edges, in the order in which they arrive; those that close cycles are marked."""
    made = []
    for source, target, data in graph.in_edges(data=True):
        start, end = nodes[str(source)], nodes[str(target)]
        delay = data.get("delay_ms", 0.0)
        made.append(EdgeFacts(start.name, _port(data.get("output"), start.outputs), end.name,
                              _port(data.get("input"), end.inputs),
                              float(delay) if isinstance(delay, (int, float)) else 0.0, False, False))
    return _marked(made)


def _port(name: Any, known: tuple[str, ...]) -> str:
    return str(name) if name in known else known[0] if known else ""


def _marked(edges: list[EdgeFacts]) -> list[EdgeFacts]:
    """Edges with a delay inside a cycle go back, and so do, as faults, those that leave a cycle without one."""
    shape = nx.MultiDiGraph((e.source, e.target) for e in edges)
    loop_of = {name: k for k, loop in enumerate(nx.strongly_connected_components(shape)) for name in loop}
    marked = [e._replace(back=True) if e.delay_ms > 0 and loop_of[e.source] == loop_of[e.target] else e for e in edges]
    while True:
        rest = nx.DiGraph((e.source, e.target) for e in marked if not e.back)
        try:
            source, target = nx.find_cycle(rest)[-1][:2]
        except nx.NetworkXNoCycle:
            return marked
        marked = [e._replace(back=True, fault=True) if (e.source, e.target, e.back) == (source, target, False) else e
                  for e in marked]


def _planned_edge(edge: EdgeFacts, planned: dict[str, Op], rate: int, channels: int, latency: int) -> EdgeFacts:
    """With its channels, and how long it waits for others that meet it."""
    op, target = planned.get(edge.source), planned.get(edge.target)
    if edge.source == IN:
        count, leaves = channels, 0
    elif op is None or not op.outputs:
        return edge
    else:
        count, leaves = op.outputs[0].channels, op.outputs[0].latency
    if edge.target == OUT:
        arrives = latency
    elif target is None:
        return edge._replace(channels=count)
    else:
        arrives = max((buffer.latency for port in target.inputs for buffer in port), default=0)
    waits = 0 if edge.back else max(arrives - leaves, 0)
    return edge._replace(channels=count, waits_frames=waits)


def frames_text(frames: int, rate: int | None) -> str:
    """Frames, and what that is in milliseconds."""
    return f"{frames} frames" + (f" ({1000 * frames / rate:.3g} ms)" if rate else "")

