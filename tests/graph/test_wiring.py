"""Whatever is wrong with a graph is said in one sentence, before anything runs."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from naive_graph import Counter, Fragile, Late, Meter, Minus, Scale, Slope, Split, Spread, Weighted

from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.graph.graph import Graph, chain
from flowaudio.graph.plan import Plan, render
from flowaudio.graph.wiring import Edge, delay_frames, read


def graph_of(nodes: dict[str, Any], *edges: tuple[Any, ...]) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    for name, each in nodes.items():
        graph.add_node(name, node=each)
    for source, target, *attributes in edges:
        graph.add_edge(source, target, **(attributes[0] if attributes else {}))
    return graph


STRAIGHT = (("in", "a"), ("a", "out"))

FAULTS: dict[str, tuple[Any, str]] = {
    "no graph": (3, "a graph must be a directed networkx graph (got int)"),
    "undirected": (nx.Graph([("in", "out")]), "a graph must be a directed networkx graph (got Graph)"),
    "empty": (Graph(), 'nothing reaches "out": connect the last node to it, for example graph.connect("gain", "out")'),
    "no out": (graph_of({"a": Scale()}, ("in", "a")), 'nothing reaches "out"'),
    "vertex": (graph_of({3: Scale()}, ("in", 3), (3, "out")), "a vertex must be named by a string"),
    "no node": (graph_of({}, *STRAIGHT), "the vertex 'a' has no node: set graph.nodes['a']['node']"),
    "number": (graph_of({"a": 3}, *STRAIGHT), "a: 3 is not a node: its class must be decorated with @node"),
    "class": (graph_of({"a": Scale}, *STRAIGHT), "a: Scale is the class of a node: make one, Scale()"),
    "other class": (graph_of({"a": int}, *STRAIGHT), "is not a node: its class must be decorated with @node"),
    "from out": (graph_of({"a": Scale()}, *STRAIGHT, ("out", "a")), 'nothing leaves "out"'),
    "to in": (graph_of({"a": Scale()}, *STRAIGHT, ("a", "in")), 'nothing enters "in"'),
    "attribute": (graph_of({"a": Scale()}, ("in", "a", {"gain": 2}), ("a", "out")),
                  "in -> a: an edge has no 'gain' (it may have: input, output, delay_ms)"),
    "source": (graph_of({"a": Counter()}, *STRAIGHT), "in -> a: a is a source and has no input"),
    "sink": (graph_of({"a": Meter()}, *STRAIGHT), "a -> out: a has no output"),
    "output": (graph_of({"a": Split()}, ("in", "a"), ("a", "out", {"output": "left"})),
               "a has no output called 'left' (it has: whole, turned)"),
    "input": (graph_of({"a": Minus()}, ("in", "a", {"input": "key"}), ("a", "out")),
              "a has no input called 'key' (it has: in, sidechain)"),
    "input of out": (graph_of({"a": Scale()}, ("in", "a"), ("a", "out", {"input": "left"})),
                     "out has no input called 'left' (it has: in)"),
    "delay": (graph_of({"a": Scale()}, ("in", "a", {"delay_ms": -1}), ("a", "out")),
              "in -> a: delay_ms must be between 0 and 60000 (got -1)"),
    "delay NaN": (graph_of({"a": Scale()}, ("in", "a", {"delay_ms": np.nan}), ("a", "out")), "(got nan)"),
    "delay text": (graph_of({"a": Scale()}, ("in", "a", {"delay_ms": "5"}), ("a", "out")), "(got '5')"),
    "delay true": (graph_of({"a": Scale()}, ("in", "a", {"delay_ms": True}), ("a", "out")), "(got True)"),
    "cycle": (graph_of({"a": Scale(), "b": Scale()}, *STRAIGHT, ("a", "b"), ("b", "a")),
              "is a cycle without a delay: give one of its edges a delay, for example graph.connect("),
    "own input": (graph_of({"a": Scale()}, *STRAIGHT, ("a", "a")), "a -> a is a cycle without a delay"),
    "half a cycle": (graph_of({"a": Scale(), "b": Scale(), "c": Scale()}, ("in", "a"), ("a", "b"), ("b", "a"),
                              ("b", "c"), ("c", "a", {"delay_ms": 5}), ("c", "out")), "is a cycle without a delay"),
    "not fed": (graph_of({"a": Scale()}, ("a", "out")),
                'nothing is connected to a: for example graph.connect("in", "a")'),
    "only the sidechain": (graph_of({"a": Minus()}, ("in", "a", {"input": "sidechain"}), ("a", "out")),
                           "nothing is connected to a"),
    "no edge to many": (graph_of({"a": Weighted()}, ("a", "out")), "nothing is connected to a"),
    "channels": (graph_of({"s": Spread(channels=3), "a": Minus()}, ("in", "a"), ("in", "s"),
                          ("s", "a", {"input": "sidechain"}), ("a", "out")),
                 "a.sidechain gets 3 channels where 2 are expected: put a ChannelMap(channels=2) before it"),
    "channels of a sum": (graph_of({"s": Spread(channels=3), "a": Scale()}, ("in", "a"), ("in", "s"), ("s", "a"),
                                   ("a", "out")), "s -> a brings 3 channels and in -> a brings 2 to the same input"),
    "channels of feedback": (graph_of({"s": Spread(channels=3), "a": Scale()}, ("in", "a"), ("a", "s"),
                                      ("s", "a", {"delay_ms": 5}), ("s", "out")),
                             "s -> a feeds back 3 channels where 2 are expected"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str) -> None:
    graph, message = FAULTS[name]
    with pytest.raises(GraphError) as caught:
        Plan(graph, 1000, 2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 2), "rate must be a whole number between 1000 and 1000000 (got 0)"),
    ((48_000.0, 2), "rate must be a whole number"),
    ((True, 2), "rate must be"),
    ((48_000, 0), "channels must be a whole number between 1 and 64 (got 0)"),
    ((48_000, 65), "channels"),
    ((48_000, 2, 0), "block must be a whole number between 1 and 1048576 (got 0)"),
    ((48_000, 2, 2.5), "block"),
])
def test_numbers_of_a_plan(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ParameterError, match=message.replace("(", r"\(").replace(")", r"\)")):
        Plan(chain(Scale()), *arguments)


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros((2, 2, 2), np.float32), "must be an array of numbers [channels, frames] (got shape (2, 2, 2)"),
    (np.zeros((2, 8), np.int16), "must be floating point with full scale at 1.0 (got int16): divide"),
    (np.zeros((2, 8), complex), "must be an array of numbers"),
    (np.zeros((48_000, 2)), "transpose it if frames come first"),
    ("hello", "must be an array of numbers"),
    (None, "render needs a signal, or frames="),
])
def test_signals_of_render(x: Any, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        render(chain(Scale()), x)
    assert message in str(caught.value)


def test_a_plan_takes_its_channels_only() -> None:
    with pytest.raises(ParameterError, match="the plan takes 2 channels"):
        Plan(chain(Scale()), 1000, 2).process(np.zeros((1, 8), np.float32))


def test_a_node_that_cannot_be_prepared_is_named() -> None:
    @node
    class Picky:
        def prepare(self, format: Format) -> tuple[None, None]:
            raise ParameterError("Picky works at 8000 Hz only: resample before it")

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            y[0, 0] = x[0, 0]

    with pytest.raises(ParameterError, match=r"^mine: Picky works at 8000 Hz only: resample before it$"):
        Plan(graph_of({"mine": Picky()}, ("in", "mine"), ("mine", "out")), 1000, 2)


def test_nodes_that_lead_nowhere_are_left_out_and_may_be_incomplete() -> None:
    graph = graph_of({"a": Scale(), "idle": Slope(), "later": Slope()}, *STRAIGHT, ("in", "idle"), ("later", "idle"))
    wiring = read(graph)
    assert list(wiring.nodes) == ["a"]
    assert [str(e) for e in wiring.edges] == ["in -> a", "a -> out"]


def test_meters_run_though_they_lead_nowhere() -> None:
    graph = graph_of({"a": Scale(factor=2), "m": Meter()}, *STRAIGHT, ("a", "m"))
    plan = Plan(graph, 1000, 1)
    plan.process(np.array([[1, -3, 2]], np.float32))
    assert plan.read("m") == {"peak": [6]}
    with pytest.raises(GraphError, match=r"no node called 'a' that measures \(those that do: m\)"):
        plan.read("a")


def test_edges_keep_the_order_in_which_they_arrive() -> None:
    """networkx lists edges by their source; a port is filled in the order in which its edges were drawn."""
    nodes = {"first": Scale(factor=2), "second": Scale(factor=3), "sum": Weighted()}
    graph = graph_of(nodes, ("in", "first"), ("in", "second"), ("second", "sum"), ("first", "sum"), ("in", "sum"),
                     ("sum", "out"))
    assert render(graph, np.ones((1, 1)))[0, 0] == 1 * 3 + 2 * 2 + 3 * 1


@pytest.mark.parametrize(("delay_ms", "feedback", "frames"), [
    (0.0, False, 0), (0.49, False, 0), (0.5, False, 1), (0.1, True, 1), (60_000.0, True, 60_000), (2.4, True, 2)])
def test_delays_in_frames(delay_ms: float, feedback: bool, frames: int) -> None:
    assert delay_frames(Edge("a", "out", "b", "in", delay_ms, feedback), 1000) == frames


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiDiGraph, Graph])
def test_any_directed_graph_of_networkx(kind: Any) -> None:
    graph = kind()
    graph.add_nodes_from([("a", {"node": Scale(factor=3), "colour": "red"}), ("b", {"node": Slope()})])
    nx.add_path(graph, ["in", "a", "b", "out"])
    assert render(graph, np.array([[1.0, 2, 4]])).tolist() == [[3, 3, 6]]
    assert nx.is_directed_acyclic_graph(graph)
    assert render(nx.freeze(graph), np.ones((1, 1)))[0, 0] == 3
    view = graph.subgraph(["in", "a", "b", "out"])
    assert render(view, np.ones((1, 1)))[0, 0] == 3


def test_names_of_unused_classes_stay_importable() -> None:
    """Late and Fragile are nodes as well: a graph of each is without faults."""
    for each in (Late(), Fragile()):
        assert len(read(chain(each)).nodes) == 1
