"""`Graph`: adding, connecting, chains and >>."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from naive_graph import Counter, Late, Minus, Scale, Slope, Split

from flowaudio.core.errors import GraphError
from flowaudio.graph.graph import Graph, chain
from flowaudio.graph.plan import Plan, render

ONES = np.ones((1, 4), np.float32)


def test_names_come_from_classes() -> None:
    graph = Graph()
    assert [graph.add(Scale()), graph.add(Scale()), graph.add(Slope(), "edge"), graph.add(Scale())] == [
        "scale", "scale_2", "edge", "scale_3"]
    assert repr(graph) == "<Graph of 4 nodes>"


@pytest.mark.parametrize(("name", "message"), [
    ("in", "cannot be called 'in'"), ("out", "cannot be called 'out'"), ("a.b", "a dot"), (" ", "cannot be called ' '"),
    ("", "cannot be called ''"), ("scale", "has a node called 'scale' already")])
def test_names_that_mean_something(name: str, message: str) -> None:
    graph = Graph()
    graph.add(Scale())
    with pytest.raises(GraphError, match=message):
        graph.add(Scale(), name)


@pytest.mark.parametrize(("value", "message"), [
    (Scale, r"Scale is the class of a node: make one, Scale\(\)"), (3, "3 is not a node"),
    (None, "None is not a node")])
def test_only_nodes_are_added(value: Any, message: str) -> None:
    graph = Graph()
    with pytest.raises(GraphError, match=message):
        graph.add(value)
    assert not graph


def test_connect() -> None:
    graph = Graph()
    graph.add(Split(), "s")
    graph.add(Minus(), "m")
    graph.connect("in", "s")
    graph.connect("s.turned", "m.sidechain", delay_ms=5)
    graph.connect("s", "m")
    graph.connect("m", "out")
    assert list(graph.edges(data=True)) == [
        ("s", "m", {"output": "turned", "input": "sidechain", "delay_ms": 5}), ("s", "m", {}), ("m", "out", {}),
        ("in", "s", {})]
    with pytest.raises(GraphError, match=r"no node called 'x' to connect \(it has: s, m, in, out\)"):
        graph.connect("x", "m")
    with pytest.raises(GraphError, match="no node called 'y'"):
        graph.connect("m", "y.sidechain")


def test_chain() -> None:
    assert list(nx.topological_sort(chain(Scale(), Slope(), Scale()))) == ["in", "scale", "slope", "scale_2", "out"]
    assert render(chain(), ONES).tolist() == [[1, 1, 1, 1]]


def test_a_chain_that_begins_with_a_source() -> None:
    assert render(chain(Counter(), Scale(factor=2)), frames=3).tolist() == [[2, 4, 6]]
    assert render(Counter() >> Scale(factor=3), frames=2).tolist() == [[3, 6]]


def test_joining_with_arrows() -> None:
    joined = Scale(factor=2) >> Slope() >> Scale(factor=3)
    assert isinstance(joined, Graph)
    assert render(joined, np.array([[1.0, 2, 4]])).tolist() == [[6, 6, 12]]
    assert list(joined) == ["scale", "slope", "scale_2", "in", "out"]
    with pytest.raises(GraphError, match="only nodes and graphs can be joined with >>: 3 is not a node"):
        Scale() >> 3
    with pytest.raises(GraphError, match="make one, Scale"):
        chain(Scale()) >> Scale
    with pytest.raises(GraphError):
        "in" >> chain(Scale())


def test_joining_does_not_change_its_operands() -> None:
    front, back = chain(Scale(factor=2)), chain(Scale(factor=3))
    before = [list(g.edges) for g in (front, back)]
    assert render(front >> back, ONES)[0, 0] == 6
    assert [list(g.edges) for g in (front, back)] == before


def test_joining_parallel_paths_with_ports_and_delays() -> None:
    front, back = Graph(), Graph()
    front.add(Split(), "s")
    front.connect("in", "s")
    front.connect("s.turned", "out.in", delay_ms=2)     # -x, two frames late
    front.connect("in", "out")                          # a dry path
    back.add(Minus(), "m")
    back.connect("in", "m")
    back.connect("in.out", "m.sidechain", delay_ms=1)
    back.connect("m", "out")
    x = np.array([[1.0, 2, 3, 4]])
    middle = x - np.array([[0, 0, 1, 2]])
    expected = middle - 2 * np.array([[0, *middle[0, :-1]]])
    assert render(front >> back, x, 1000).tolist() == expected.tolist()


def test_networkx_works_on_a_graph() -> None:
    graph = chain(Scale(), Late())
    copy = graph.copy()
    assert isinstance(copy, Graph)
    assert copy.nodes["late"]["node"] is graph.nodes["late"]["node"]
    assert nx.has_path(graph, "in", "out")
    assert Plan(copy, 1000, 1).latency == 3
    assert sorted(nx.relabel_nodes(graph, {"late": "slow"})) == ["in", "out", "scale", "slow"]


def test_a_copy_sums_in_the_same_order() -> None:
    """Float sums depend on the order in which edges arrive; networkx's own copy follows them as they leave."""
    graph = Graph()
    for name in "abc":
        graph.add(Scale(), name)
    for source in ("in", "c", "a", "b"):
        graph.connect(source, "out", delay_ms=1.0 if source == "a" else 0.0)
    for name in "bca":
        graph.connect("in", name)
    graph.graph["name"] = "x"
    copy = graph.copy()
    assert list(copy.in_edges(data=True)) == list(graph.in_edges(data=True))
    assert type(copy) is Graph and copy.graph == graph.graph
    copy.nodes["a"]["node"] = Scale(factor=3.0)
    copy.connect("a", "c")
    assert graph.nodes["a"]["node"] == Scale()
    assert not graph.has_edge("a", "c")
