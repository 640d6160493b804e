"""Graphs for files: effects, then one static gain, a true-peak limiter and a meter.

A live Normalizer hears only what has been; a file can be measured first. So the Normalizer and the final Limiter of a
preset give way to a gain that is the same for the whole file, with a limiter behind it: nothing pumps, nothing clips.
"""

from typing import Any, NamedTuple

from flowaudio.core.named_layouts import DEFAULT
from flowaudio.core.node import declaration
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.nodes import Gain, Limiter, LoudnessMeter, Normalizer

__all__ = ["Master", "effects_only", "final_limiter", "metered", "straight"]


class Master(NamedTuple):
    """What is done to the measured effects."""

    gain_db: float
    limiter: Limiter

    def after(self, effects: Graph) -> Graph:
        """The graph with gain and limiter behind it."""
        graph: Graph = effects >> Gain(gain_db=self.gain_db) >> self.limiter
        return graph


def straight() -> Graph:
    """``in`` to ``out``."""
    graph = Graph()
    graph.connect(IN, OUT)
    return graph


def effects_only(graph: Any) -> Graph:
    """A copy without Normalizers and without a Limiter at its end: what was before is joined to what follows."""
    copy = Graph(graph)
    for name in list(copy.nodes):
        node = copy.nodes[name].get("node")
        leads_out = list(copy.successors(name)) == [OUT]
        if isinstance(node, Normalizer) or (isinstance(node, Limiter) and leads_out):
            _bridge(copy, name)
    return copy


def _bridge(graph: Graph, name: str) -> None:
    arriving = list(graph.in_edges(name, data=True))
    leaving = list(graph.out_edges(name, data=True))
    graph.remove_node(name)
    for source, _, before in arriving:
        for _, target, after in leaving:
            start = {k: v for k, v in before.items() if k != "input"}
            end = {k: v for k, v in after.items() if k != "output"}
            graph.add_edge(source, target, **{**start, **end})


def final_limiter(graph: Any, ceiling_dbtp: float) -> Limiter:
    """A limiter at `ceiling_dbtp`, with the times of the graph's own last one if it has one."""
    for name, data in graph.nodes(data=True):
        node = data.get("node")
        if isinstance(node, Limiter) and list(graph.successors(name)) == [OUT]:
            values = {k: getattr(node, k) for k in declaration(node).params}
            return Limiter(**{**values, "ceiling_dbtp": ceiling_dbtp})
    return Limiter(ceiling_dbtp=ceiling_dbtp)


def metered(graph: Graph, layout: str = DEFAULT) -> tuple[Graph, str]:
    """The graph with a loudness meter at its end, for a layout of what comes out, and the meter's name."""
    meter = LoudnessMeter(layout=layout)
    joined = graph >> meter
    return joined, next(name for name, data in joined.nodes(data=True) if data.get("node") is meter)
