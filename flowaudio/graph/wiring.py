"""Reads any directed networkx graph as nodes and edges, and names whatever is wrong with it."""

import graphlib
from collections.abc import Hashable
from typing import Any, NamedTuple

import networkx as nx

from flowaudio.core.errors import GraphError
from flowaudio.core.node import declaration, is_node, no_node
from flowaudio.core.units import ms_to_frames
from flowaudio.graph.graph import IN, OUT, Graph

__all__ = ["Edge", "Wiring", "delay_frames", "read"]

_EDGE_ATTRIBUTES = {"input", "output", "delay_ms"}


class Edge(NamedTuple):
    """From an output to an input."""

    source: str
    output: str
    target: str
    input: str
    delay_ms: float
    feedback: bool                      # closes a cycle: what it carries comes from an earlier block
    number: int = 0                     # its place among the graph's edges: two may be alike

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class Wiring(NamedTuple):
    """A graph without faults of its own; rates and channels are not known yet."""

    nodes: dict[str, Any]               # in the order in which they run
    edges: list[Edge]


def read(graph: Any) -> Wiring:
    """Nodes in running order and the edges between them.

    Nodes that neither lead to ``out`` nor measure anything are left out. Raises GraphError, in one sentence that names
    node, port and cure.
    """
    if is_node(graph):
        graph = Graph.chain(graph)
    if not isinstance(graph, nx.DiGraph):
        raise GraphError(f"a graph must be a directed networkx graph (got {type(graph).__name__}); "
                         "for nodes in a line write fa.chain(first, second)")
    nodes = {_name(vertex): _node(vertex, data) for vertex, data in graph.nodes(data=True) if vertex not in (IN, OUT)}
    # As they arrive: edges that meet at a port keep the order in which they were drawn.
    edges = [_edge(nodes, _name(u), _name(v), data, k) for k, (u, v, data) in enumerate(graph.in_edges(data=True))]
    if not any(edge.target == OUT for edge in edges):
        raise GraphError('nothing reaches "out": connect the last node to it, for example graph.connect("gain", "out")')
    try:
        order = _order(edges)
    except graphlib.CycleError:
        edges = _mark_feedback(edges)
        order = _order(edges)
    wanted = _wanted(nodes, edges)
    edges = [edge for edge in edges if edge.target in wanted and edge.source in wanted]
    _check_connected(nodes, edges, wanted)
    ordered = {name: nodes[name] for name in order if name in nodes and name in wanted}
    for name in nodes:
        if name in wanted:
            ordered.setdefault(name, nodes[name])  # fed by feedback alone
    return Wiring(ordered, edges)


def _name(vertex: Hashable) -> str:
    if not isinstance(vertex, str):
        raise GraphError(f"a vertex must be named by a string, with the node as its attribute: "
                         f"graph.add_node('gain', node=Gain()) (got {vertex!r})")
    return vertex


def _node(vertex: Hashable, data: dict[str, Any]) -> Any:
    if "node" not in data:
        raise GraphError(f"the vertex {vertex!r} has no node: set graph.nodes[{vertex!r}]['node']")
    if not is_node(data["node"]):
        raise GraphError(f"{vertex}: {no_node(data['node'])}")
    return data["node"]


def _edge(nodes: dict[str, Any], source: str, target: str, data: dict[str, Any], number: int) -> Edge:
    if source == OUT or target == IN:
        raise GraphError(f'{source} -> {target}: nothing leaves "out" and nothing enters "in"')
    for unknown in data.keys() - _EDGE_ATTRIBUTES:
        raise GraphError(f"{source} -> {target}: an edge has no {unknown!r} (it may have: input, output, delay_ms)")
    outputs = declaration(nodes[source]).outputs if source != IN else ()
    inputs = declaration(nodes[target]).inputs if target != OUT else ()
    if not inputs and target != OUT:
        raise GraphError(f"{source} -> {target}: {target} is a source and has no input")
    if not outputs and source != IN:
        raise GraphError(f"{source} -> {target}: {source} has no output")
    if not data:  # most edges say nothing of their own, and plans of many nodes are made often
        return Edge(source, outputs[0].name if outputs else "out", target, inputs[0].name if inputs else "in", 0.0,
                    False, number)
    output = _port(source, "output", data.get("output"), [p.name for p in outputs] or ["out"])
    input_ = _port(target, "input", data.get("input"), [p.name for p in inputs] or ["in"])
    delay = data.get("delay_ms", 0.0)
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not 0 <= delay <= 60_000:
        raise GraphError(f"{source} -> {target}: delay_ms must be between 0 and 60000 (got {delay!r})")
    return Edge(source, output, target, input_, float(delay), False, number)


def _port(node: str, side: str, name: Any, known: list[str]) -> str:
    if name is None:
        return known[0]
    if name not in known:
        raise GraphError(f"{node} has no {side} called {name!r} (it has: {', '.join(known)})")
    return str(name)


def _mark_feedback(edges: list[Edge]) -> list[Edge]:
    """Edges with a delay inside a cycle become feedback; a cycle without one is a fault."""
    shape = nx.DiGraph((e.source, e.target) for e in edges)
    loops = [c for c in nx.strongly_connected_components(shape) if len(c) > 1]
    loops += [{n} for n in nx.nodes_with_selfloops(shape) if not any(n in loop for loop in loops)]
    inside = {name: k for k, loop in enumerate(loops) for name in loop}

    def closes(e: Edge) -> bool:
        return e.delay_ms > 0 and inside.get(e.source, -1) == inside.get(e.target, -2)

    marked = [e._replace(feedback=True) if closes(e) else e for e in edges]
    rest = nx.DiGraph((e.source, e.target) for e in marked if not e.feedback)
    try:
        cycle = nx.find_cycle(rest)
    except nx.NetworkXNoCycle:
        return marked
    path = " -> ".join([u for u, _ in cycle] + [cycle[-1][1]])
    u, v = cycle[-1]
    raise GraphError(f"{path} is a cycle without a delay: give one of its edges a delay, "
                     f'for example graph.connect("{u}", "{v}", delay_ms=10)')


def _order(edges: list[Edge]) -> list[str]:
    """Names so that each comes behind what feeds it. CycleError if there is a cycle without feedback."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for edge in edges:
        if not edge.feedback:
            sorter.add(edge.target, edge.source)
    return list(sorter.static_order())


def _wanted(nodes: dict[str, Any], edges: list[Edge]) -> set[str]:
    """Everything that leads to ``out``, or to a node that measures or finds something."""
    sources: dict[str, list[str]] = {}
    for edge in edges:
        sources.setdefault(edge.target, []).append(edge.source)
    stack = [OUT, *(name for name, node in nodes.items() if name in sources and _watches(node))]
    wanted: set[str] = set()
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(sources.get(name, ()))
    return wanted


def _watches(node: Any) -> bool:
    return bool(declaration(node).measures or declaration(node).events)


def _check_connected(nodes: dict[str, Any], edges: list[Edge], wanted: set[str]) -> None:
    fed = {(e.target, e.input) for e in edges}
    for name in nodes:
        if name not in wanted:
            continue
        for port in declaration(nodes[name]).inputs:
            if port.default is None and (name, port.name) not in fed:
                where = f"{name}.{port.name}" if port.name != "in" else name
                raise GraphError(f'nothing is connected to {where}: for example graph.connect("in", "{where}")')


def delay_frames(edge: Edge, rate: int) -> int:
    """The delay of an edge in whole frames; at least one where it closes a cycle."""
    frames = ms_to_frames(edge.delay_ms, rate)
    return max(frames, 1) if edge.feedback else frames


