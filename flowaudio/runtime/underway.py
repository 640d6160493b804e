"""A running graph with the values that its nodes have reached, and those that are on their way to them."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flowaudio.core.errors import GraphError
from flowaudio.core.node import declaration, is_node
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.wiring import read
from flowaudio.runtime.change import CANCELLED
from flowaudio.runtime.post import Post
from flowaudio.runtime.ring import set_native
from flowaudio.runtime.timeline import Moment

__all__ = ["Underway", "owned", "with_values"]


class _Sent(NamedTuple):
    """A moment that the audio thread has been told of."""

    moment: Moment
    change: int                         # address of what it is told; 0 if there is nothing to be done
    node: Any                           # with the values that it has then


class Underway:
    """To be used with the rack's lock held."""

    def __init__(self, graph: Graph, post: Post, now: Callable[[], int]) -> None:
        """:param now: the frame at which something can be made that is asked for now."""
        self.graph = graph
        self._post, self._now = post, now
        self._sent: dict[str, list[_Sent]] = {}         # by node, in their order

    def __len__(self) -> int:
        """How much is on its way."""
        return sum(map(len, self._sent.values()))

    @property
    def names(self) -> list[str]:
        """Of all nodes."""
        return [name for name in self.graph if name not in (IN, OUT)]

    def node(self, name: str) -> Any:
        """A node, with the values that it had when it was last settled."""
        if name not in self.graph or name in (IN, OUT):
            raise GraphError(f"the graph has no node called {name!r} (it has: {', '.join(self.names) or 'none'})")
        return self.graph.nodes[name]["node"]

    def settle(self, name: str) -> None:
        """Note the values of a node that are reached before anything can be made that is asked for now."""
        waiting = self._sent.get(name)
        if waiting:
            now = self._now()
            reached = sum(1 for _ in itertools.takewhile(lambda sent: sent.moment.frame <= now, waiting))
            if reached:
                self.graph.nodes[name]["node"] = waiting[reached - 1].node
                del waiting[:reached]

    def copy(self, replaced: Mapping[str, Any] | None = None) -> Graph:
        """The graph with the values of now, and other nodes in the place of some."""
        for name in self._sent:
            self.settle(name)
        return self.foreseen(replaced or {})

    def foreseen(self, replaced: Mapping[str, Any]) -> Graph:
        """As `copy`, with the values that were settled last: what no request asks for must not settle any."""
        made: Graph = self.graph.copy()
        for name, node in replaced.items():
            made.nodes[name]["node"] = node
        return made

    def planned(self, name: str) -> Any:
        """A node with all the values that are on their way to it."""
        self.settle(name)
        waiting = self._sent.get(name)
        return waiting[-1].node if waiting else self.node(name)

    def overtakes(self, name: str, frame: int) -> bool:
        """Whether something is on its way to a node that is to be made behind `frame`."""
        waiting = self._sent.get(name)
        return waiting is not None and len(waiting) > 0 and waiting[-1].moment.frame > frame

    def note(self, moment: Moment, change: int, node: Any) -> None:
        """Something is on its way: `node` has its values then."""
        self._sent.setdefault(moment.name, []).append(_Sent(moment, change, node))

    def recall(self, name: str) -> list[Moment]:
        """Take back what is on its way to a node and not yet to be counted on."""
        self.settle(name)
        taken = self._sent.pop(name, [])
        for sent in taken:
            if sent.change in self._post:
                set_native(sent.change + 8 * CANCELLED, 1)
        return [sent.moment for sent in taken]

    def replace(self, graph: Graph) -> list[Moment]:
        """Another graph takes the place of this one; what was on its way to the nodes, taken back."""
        recalled = [moment for name in list(self._sent) for moment in self.recall(name)]
        self.graph = graph
        return recalled


def owned(graph: Any) -> Graph:
    """A copy, so that nobody else changes it."""
    if is_node(graph):
        return Graph.chain(graph)
    if isinstance(graph, Graph):
        return graph.copy()
    read(graph)                         # says what it is if it is none
    made = Graph()
    made.add_nodes_from(graph.nodes(data=True))
    # As they arrive: edges that meet at a port keep the order in which they were drawn.
    made.add_edges_from(graph.in_edges(data=True))
    return made


def with_values(node: Any, values: Mapping[str, Any]) -> Any:
    """A node with some parameters changed."""
    current = {name: getattr(node, name) for name in declaration(node).params}
    return type(node)(**{**current, **values})
