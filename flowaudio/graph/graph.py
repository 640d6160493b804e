"""`Graph`: a networkx graph with comfort for audio. Any other directed networkx graph will do as well."""

import itertools
from typing import Any

import networkx as nx

from flowaudio.core import node as core_node
from flowaudio.core.errors import GraphError
from flowaudio.core.node import declaration, is_node, no_node, snake_case

__all__ = ["IN", "OUT", "Graph", "chain"]

IN, OUT = "in", "out"
"""The edges of the world: what comes in, and what goes out."""


class Graph(nx.MultiDiGraph):  # type: ignore[misc]  # networkx has no types
    """A directed graph with a node object on each vertex, ``graph.nodes[name]["node"]``.

    ``"in"`` and ``"out"`` are the world. An edge may name the ports it joins and hold a delay::

        graph = Graph()
        graph.add(Compressor(threshold_db=-24), "duck")
        graph.connect("in", "duck")
        graph.connect("in", "duck.sidechain", delay_ms=5)
        graph.connect("duck", "out")

    Edges that meet at one port are added up. A cycle needs an edge with a delay. A straight line is
    ``Graph.chain(Equalizer(), Limiter())`` or ``Equalizer() >> Limiter()``.
    """

    def add(self, node: Any, name: str | None = None) -> str:
        """Put a node on the graph; its name, by default made from its class (``gain``, ``gain_2``)."""
        if not is_node(node):
            raise GraphError(no_node(node))
        if name is None:
            base = snake_case(declaration(node).name)
            name = base
            count = 1
            while name in self:
                count += 1
                name = f"{base}_{count}"
        if name in (IN, OUT) or "." in name or not name.strip():
            raise GraphError(f"a node cannot be called {name!r}: in, out and a dot have a meaning of their own")
        if name in self:
            raise GraphError(f"the graph has a node called {name!r} already")
        self.add_node(name, node=node)
        return name

    def connect(self, source: str, target: str, *, delay_ms: float = 0.0) -> None:
        """Join an output to an input: ``"eq"``, or ``"duck.sidechain"`` to name a port."""
        for name in (source, target):
            if not isinstance(name, str):
                raise GraphError(f"connect takes the names of nodes (got {name!r}): add() returns the name")
        start, _, output = source.partition(".")
        end, _, input_ = target.partition(".")
        for name in (start, end):
            if name not in self and name not in (IN, OUT):
                known = ", ".join(map(str, self.nodes)) or "nothing yet"
                raise GraphError(f"the graph has no node called {name!r} to connect (it has: {known})")
        attributes: dict[str, Any] = {"output": output} if output else {}
        if input_:
            attributes["input"] = input_
        if delay_ms:
            attributes["delay_ms"] = delay_ms
        self.add_edge(start, end, **attributes)

    def copy(self, as_view: bool = False) -> "Graph":
        """Another graph of the same nodes. Edges that meet at a port arrive in the same order: so they are summed, and
        networkx's own copy, which follows the edges as they leave, would change the last bit of the sum.
        """
        if as_view:
            return super().copy(as_view=True)  # type: ignore[no-any-return]  # networkx has no types
        made = type(self)()
        made.graph.update(self.graph)
        made.add_nodes_from((name, data.copy()) for name, data in self.nodes(data=True))
        for source, target, key, data in self.in_edges(keys=True, data=True):
            made.add_edge(source, target, key=key, **data)
        return made

    @classmethod
    def chain(cls, *nodes: Any) -> "Graph":
        """Nodes one behind the other, from ``in`` to ``out``."""
        graph = cls()
        names = [graph.add(node) for node in nodes]
        if not nodes or declaration(nodes[0]).inputs:  # a source of sound takes nothing in
            names.insert(0, IN)
        for source, target in itertools.pairwise([*names, OUT]):
            graph.connect(source, target)
        return graph

    def __rshift__(self, other: Any) -> "Graph":
        """What leads to ``out`` leads through `other` first: a node, or another graph."""
        return _join(self, other)

    def __rrshift__(self, other: Any) -> "Graph":
        return _join(other, self)

    def __repr__(self) -> str:
        return f"<Graph of {sum(1 for n in self if n not in (IN, OUT))} nodes>"


chain = Graph.chain


def _as_graph(value: Any) -> Graph:
    if isinstance(value, Graph):
        return value
    if is_node(value):
        return Graph.chain(value)
    raise GraphError(f"only nodes and graphs can be joined with >>: {no_node(value)}")


def _join(first: Any, second: Any) -> Graph:
    """One graph behind the other: what went to the first's ``out`` feeds what the second's ``in`` fed."""
    front, back = _as_graph(first), _as_graph(second)
    joined = Graph()
    for name, data in front.nodes(data=True):
        if name not in (IN, OUT):
            joined.add(data["node"], name)
    renamed: dict[str, str] = {}
    for name, data in back.nodes(data=True):
        if name not in (IN, OUT):
            renamed[name] = joined.add(data["node"], None if name in joined else name)
    ends = []
    for source, target, data in front.in_edges(data=True):
        if target == OUT:
            ends.append((source, data))
        else:
            joined.add_edge(source, target, **data)
    for source, target, data in back.in_edges(data=True):
        new_target = renamed.get(target, target)
        if source != IN:
            joined.add_edge(renamed[source], new_target, **data)
            continue
        for start, before in ends:
            # The port of the world at which the two were joined is none of either.
            both = {**before, **data}
            for key, kept in (("input", data), ("output", before)):
                both.pop(key, None)
                both.update({key: kept[key]} if key in kept else {})
            if "delay_ms" in before and "delay_ms" in data:
                both["delay_ms"] = before["delay_ms"] + data["delay_ms"]
            joined.add_edge(start, new_target, **both)
    return joined


core_node.compose = _join
