"""What a plan does, against an interpreter that takes a graph sample by sample."""

import tracemalloc
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive_graph import EXACT, Counter, Fragile, Keyed, Late, Meter, Minus, Scale, Slope, Split, Spread, Weighted, run
from support import in_pieces, wired

from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.graph.graph import Graph, chain
from flowaudio.graph.plan import Plan, render

RATE = 1000
"""Milliseconds are frames."""


def whole(channels: int, frames: int, seed: int = 0) -> Any:
    """Small whole numbers: every node of these tests keeps them exact."""
    return np.random.default_rng(seed).integers(-9, 10, (channels, frames)).astype(np.float32)


def feedback(*edges: tuple[str, str, int]) -> Graph:
    return wired({"a": Scale(factor=1), "b": Slope(), "c": Minus()},
                 ("in", "a"), ("a", "b"), ("b", "c"), ("a", "c.sidechain"), ("c", "out"), *edges)


LOOPS = {
    "round all": feedback(("c", "a", 5)),
    "one sample": feedback(("c", "a", 1)),
    "onto itself": feedback(("a", "a", 3)),
    "into the sidechain": feedback(("c", "c.sidechain", 7)),
    "two of unequal length": feedback(("c", "a", 4), ("b", "a", 9)),
    "two of equal length": feedback(("c", "a", 4), ("b", "b", 4)),
    "two that are the same": feedback(("c", "a", 6), ("c", "a", 6)),
    "longer than a block": feedback(("c", "b", 21)),
    "crossed": feedback(("c", "b", 2), ("b", "a", 3), ("a", "a", 10)),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("channels", [1, 2])
def test_feedback_is_exact_at_every_block_length(name: str, channels: int) -> None:
    x = whole(channels, 32)
    x[:, 12:] = 0
    expected = run(LOOPS[name], x, RATE)
    assert np.abs(expected).max() < EXACT
    for block in (1, 2, 3, 5, 8, 13, 64):
        assert np.array_equal(render(LOOPS[name], x, RATE, block), expected), block


def test_a_block_is_no_longer_than_the_shortest_feedback() -> None:
    assert Plan(feedback(("c", "a", 5), ("b", "a", 3)), RATE, 1, 64).block == 3
    assert Plan(feedback(("c", "a", 500)), RATE, 1, 64).block == 64


def test_feedback_counts_from_where_the_paths_are_aligned() -> None:
    """A delay of 10 in a loop of latency 3 comes round after 10: the loop sounds as it was drawn."""
    graph = wired({"a": Scale(), "late": Late(frames=3)},
                  ("in", "a"), ("a", "late"), ("late", "out"), ("late", "a", 10))
    x = np.zeros((1, 40), np.float32)
    x[0, 0] = 1
    for block in (1, 4, 64):
        assert np.flatnonzero(render(graph, x, RATE, block)[0]).tolist() == [0, 10, 20, 30]


def test_feedback_of_a_loop_that_a_parallel_path_makes_late() -> None:
    graph = wired({"a": Scale(), "b": Scale(), "late": Late(frames=5)},
                  ("in", "a"), ("a", "b"), ("in", "late"), ("late", "b"), ("b", "out"), ("b", "a", 9))
    x = whole(1, 40)
    assert np.array_equal(render(graph, x, RATE), run(graph, x, RATE))


@pytest.mark.parametrize("first", ["key", "in"])
def test_feedback_takes_the_channels_of_its_own_port(first: str) -> None:
    """A mono signal at another port, drawn first, says nothing about the port that is fed back to."""
    edges = [("mono", "m.key"), ("in", "m")]
    graph = wired({"mono": Spread(channels=1), "m": Keyed()},
                  ("in", "mono"), *(edges if first == "key" else edges[::-1]), ("m", "out"), ("m", "m", 4))
    x = whole(2, 16)
    assert np.array_equal(render(graph, x, RATE), run(graph, x, RATE))


def test_feedback_brings_what_it_carries_where_nothing_else_arrives() -> None:
    """Between two edges with a delay stands a node that only the loop feeds: mono here, in a stereo graph."""
    graph = wired({"mono": Spread(channels=1), "alone": Scale(), "wide": Spread(channels=2), "a": Scale()},
                  ("in", "a"), ("a", "mono"), ("mono", "alone", 3), ("alone", "wide"), ("wide", "a", 4), ("a", "out"),
                  ("wide", "out"))
    x = whole(2, 24)
    x[:, 8:] = 0
    assert np.array_equal(render(graph, x, RATE), run(graph, x, RATE))


def test_a_loop_that_nothing_enters_has_the_channels_of_the_graph() -> None:
    graph = wired({"a": Scale(), "b": Scale()}, ("a", "b", 3), ("b", "a", 4), ("b", "out"), ("in", "out"))
    x = whole(3, 24)
    assert np.array_equal(render(graph, x, RATE), x)


# --- any graph ------------------------------------------------------------------------------------------------------

KINDS = st.one_of(
    st.integers(-2, 2).map(lambda factor: Scale(factor=factor)), st.just(Slope()), st.just(Minus()), st.just(Split()),
    st.just(Weighted()), st.just(Counter()), st.integers(1, 9).map(lambda frames: Late(frames=frames)))


@st.composite
def graphs(draw: st.DrawFn, loops: bool) -> Graph:
    """Any wiring of a few nodes: forward edges with and without delay, several at a port, loops through delays."""
    graph = Graph()
    kinds = KINDS.filter(lambda n: not isinstance(n, Late)) if loops else KINDS
    nodes = draw(st.lists(kinds, min_size=1, max_size=7))
    outputs: list[str] = ["in"]
    names: list[str] = []
    for node in nodes:
        name = graph.add(node)
        for port in type(node).__declaration__.inputs:
            sources = st.sampled_from(outputs)
            least = 1 if port.default is None else 0
            for source in draw(st.lists(sources, min_size=least, max_size=3)):
                graph.connect(source, f"{name}.{port.name}", delay_ms=draw(st.sampled_from([0, 0, 0, 1, 6])))
        names.append(name)
        outputs += [f"{name}.{port.name}" for port in type(node).__declaration__.outputs]
    for source in draw(st.lists(st.sampled_from(outputs), min_size=1, max_size=3)):
        graph.connect(source, "out", delay_ms=draw(st.sampled_from([0, 0, 2])))
    if loops:
        for _ in range(draw(st.integers(1, 3))):
            k = draw(st.integers(0, len(names) - 1))
            back = draw(st.integers(0, k))
            if not isinstance(nodes[back], Counter):
                port = draw(st.sampled_from(type(nodes[back]).__declaration__.inputs)).name
                graph.connect(names[k], f"{names[back]}.{port}", delay_ms=draw(st.integers(1, 11)))
    return graph


@pytest.mark.parametrize("loops", [False, True])
def test_any_graph_is_what_the_interpreter_says(loops: bool) -> None:
    @settings(max_examples=120, deadline=None,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(graphs(loops), st.integers(1, 3), st.integers(0, 99), st.lists(st.integers(1, 17), min_size=1, max_size=4))
    def compare(graph: Graph, channels: int, seed: int, cuts: list[int]) -> None:
        x = whole(channels, 24, seed)
        x[:, 9:15] = 0
        expected = run(graph, x, RATE)
        assume(np.abs(expected).max() < EXACT / 1024)
        for block in cuts:
            assert np.array_equal(render(graph, x, RATE, block), expected)
        plan = Plan(graph, RATE, channels, 17)
        late = np.concatenate([x, np.zeros((channels, plan.latency), np.float32)], axis=1)
        assert np.array_equal(in_pieces(plan, late, cuts)[:, plan.latency:], expected)
        assert plan.trouble == {}

    compare()


# --- latency --------------------------------------------------------------------------------------------------------

def test_parallel_paths_meet() -> None:
    graph = wired({"late": Late(frames=7), "later": Late(frames=12), "m": Minus()},
                  ("in", "late"), ("late", "m"), ("in", "m.sidechain"), ("in", "later"), ("later", "out"), ("m", "out"),
                  ("in", "out"))
    plan = Plan(graph, RATE, 1)
    assert plan.latency == 12
    x = whole(1, 50)
    assert np.array_equal(render(graph, x, RATE), x - x + x)    # later + (late - 2 dry) + dry
    assert not plan.process(x)[:, :12].any()
    assert np.array_equal(render(graph, x, RATE), run(graph, x, RATE))


def test_a_wanted_delay_stays_where_latency_is_compensated() -> None:
    graph = wired({"late": Late(frames=5)}, ("in", "late"), ("late", "out"), ("in", "out", 3))
    x = whole(1, 20)
    assert render(graph, x, RATE)[0].tolist() == (x[0] + np.concatenate([np.zeros(3), x[0, :-3]])).tolist()


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("frames", [0, 1, 255, 257])
def test_channels_and_lengths(channels: int, frames: int) -> None:
    x = whole(channels, frames)
    y = render(chain(Scale(factor=2), Late(), Slope()), x, RATE)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.array_equal(y, np.diff(2 * x, axis=1, prepend=0)[:, :frames])


def test_inputs_of_other_kinds_and_layouts() -> None:
    x = whole(2, 64)
    expected = render(chain(Slope()), x, RATE)
    for same in (x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(np.float16)):
        assert np.array_equal(render(chain(Slope()), same, RATE), expected)
    assert render(chain(Slope()), x[0], RATE).shape == (1, 64)


# --- ports ----------------------------------------------------------------------------------------------------------

def test_outputs_go_where_they_are_sent() -> None:
    graph = wired({"s": Split(), "m": Minus()},
                  ("in", "s"), ("s.turned", "m"), ("s.whole", "m.sidechain"), ("m", "out"))
    x = whole(1, 9)
    assert np.array_equal(render(graph, x, RATE), -3 * x)


def test_a_sidechain_takes_the_input_where_nothing_is_connected() -> None:
    x = whole(1, 9)
    assert np.array_equal(render(chain(Minus()), x, RATE), -x)


@pytest.mark.parametrize("edges", [1, 2, 3, 40])
def test_a_port_of_many_edges(edges: int) -> None:
    graph = Graph()
    graph.add(Weighted(), "sum")
    for k in range(edges):
        graph.connect("in", graph.add(Scale(factor=k % 5 - 2), f"n{k}"))
        graph.connect(f"n{k}", "sum")
    graph.connect("sum", "out")
    weight = sum((k + 1) * (k % 5 - 2) for k in range(edges))
    assert np.array_equal(render(graph, np.ones((1, 3)), RATE), np.full((1, 3), weight))


@pytest.mark.parametrize("edges", [2, 3, 40])
def test_edges_that_meet_at_a_port_are_summed(edges: int) -> None:
    graph = Graph()
    graph.add(Scale(), "sum")
    for k in range(edges):
        graph.connect("in", graph.add(Scale(factor=k % 5 - 2), f"n{k}"))
        graph.connect(f"n{k}", "sum")
        graph.connect(f"n{k}", "out")
    graph.connect("sum", "out")
    expected = 2 * sum(k % 5 - 2 for k in range(edges))
    assert np.array_equal(render(graph, np.ones((2, 3)), RATE), np.full((2, 3), expected))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 8), (8, 1), (3, 16)])
def test_channels_may_change_on_the_way(before: int, after: int) -> None:
    x = whole(before, 9)
    graph = chain(Scale(factor=2), Spread(channels=after), Slope())
    plan = Plan(graph, RATE, before)
    assert plan.output_channels == after
    expected = np.diff(2 * x.sum(axis=0), prepend=0)
    assert np.array_equal(plan.process(x), np.broadcast_to(expected, (after, 9)))


# --- memory ---------------------------------------------------------------------------------------------------------

def test_a_long_chain_needs_no_more_memory_than_a_short_one() -> None:
    sizes = [Plan(chain(*[Slope() for _ in range(count)]), RATE, 2, 64).arena_bytes for count in (2, 50)]
    assert sizes[0] == sizes[1]
    assert Plan(chain(*[Scale() for _ in range(50)]), RATE, 2, 64).arena_bytes < sizes[0]    # all in one place


def test_an_input_that_somebody_else_reads_later_is_not_overwritten() -> None:
    graph = wired({"a": Scale(factor=2), "b": Scale(factor=3), "sum": Weighted()},
                  ("in", "a"), ("a", "b"), ("in", "sum"), ("a", "sum"), ("b", "sum"), ("sum", "out"))
    assert render(graph, np.ones((1, 1)), RATE)[0, 0] == 1 + 2 * 2 + 3 * 6


def test_one_signal_at_two_ports_of_a_node_that_works_in_place() -> None:
    graph = Graph()
    graph.add(Weighted(), "sum")
    graph.add(Scale(factor=2), "a")
    graph.connect("in", "a")
    graph.connect("in", "a")
    graph.connect("a", "out")
    assert render(graph, np.ones((1, 1)), RATE)[0, 0] == 4


def test_processing_allocates_nothing_that_stays() -> None:
    plan = Plan(chain(Scale(), Slope(), Late()), RATE, 2)
    x = whole(2, 4096)
    y = np.empty_like(x)
    plan.process_into(x, y)
    tracemalloc.start()
    for _ in range(100):
        plan.process_into(x, y)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 4096


# --- state ----------------------------------------------------------------------------------------------------------

def test_state_goes_on_from_call_to_call_and_reset_takes_it_back() -> None:
    plan = Plan(LOOPS["crossed"], RATE, 1)
    x = whole(1, 20)
    whole_run = Plan(LOOPS["crossed"], RATE, 1).process(x)
    pieces = [plan.process(x[:, :7]), plan.process(x[:, 7:])]
    assert np.array_equal(np.concatenate(pieces, axis=1), whole_run)
    plan.reset()
    assert np.array_equal(plan.process(x), whole_run)


def test_reset_brings_back_a_state_that_did_not_begin_with_zeros() -> None:
    plan = Plan(chain(Fragile()), RATE, 2)
    ones = np.ones((2, 3), np.float32)
    assert plan.process(ones)[1].tolist() == [8, 9, 10]
    assert plan.process(ones)[1].tolist() == [11, 12, 13]
    plan.reset()
    assert plan.process(ones)[1].tolist() == [8, 9, 10]


def test_two_plans_of_one_graph_have_nothing_in_common() -> None:
    graph = chain(Counter(), Slope())
    first, second = Plan(graph, RATE, 1), Plan(graph, RATE, 1)
    assert first.process(whole(1, 4)).tolist() == second.process(whole(1, 4)).tolist() == [[1, 1, 1, 1]]


def test_what_is_no_number_is_silenced_counted_and_does_not_spread() -> None:
    graph = wired({"f": Fragile(), "behind": Slope()},
                  ("in", "f"), ("f", "behind"), ("in", "behind"), ("behind", "out"))
    plan = Plan(graph, RATE, 1, 4)
    x = np.ones((1, 16), np.float32)
    x[0, 6] = -1
    y = plan.process(x)
    assert np.isfinite(y).all()
    #            7 + 1 … and 1 beside it | silent, the sum begins anew | 8 …
    f = np.array([8, 9, 10, 11, 0, 0, 0, 0, 8, 9, 10, 11, 12, 13, 14, 15])
    assert np.array_equal(y[0], np.diff(f + x[0], prepend=0))
    assert plan.trouble == {"f": 1}
    plan.reset()
    assert plan.trouble == {}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_no_number_is_silenced_too(bad: float) -> None:
    plan = Plan(chain(Scale(), Slope()), RATE, 1, 4)
    x = np.ones((1, 12), np.float32)
    x[0, 5] = bad
    assert plan.process(x)[0].tolist() == [1, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0, 0]
    assert plan.trouble == {"scale": 1}


def test_values_that_overflow_are_caught_and_large_ones_are_not() -> None:
    plan = Plan(chain(Scale(factor=4)), RATE, 1, 1)
    x = np.array([[3e38, 5e37, 1e-45]], np.float32)
    assert plan.process(x)[0].tolist() == [0, np.float32(4) * np.float32(5e37), 0]     # and denormals are zero
    assert plan.trouble == {"scale": 1}


# --- large ----------------------------------------------------------------------------------------------------------

def test_ten_thousand_nodes() -> None:
    graph = nx.DiGraph()
    names = ["in", *(f"n{k}" for k in range(10_000)), "out"]
    nx.add_path(graph, names)
    nodes = [Scale(factor=-1), Slope()]
    for k, name in enumerate(names[1:-1]):
        graph.nodes[name]["node"] = nodes[0] if k else nodes[1]
    plan = Plan(graph, RATE, 1, 8)
    assert len(plan.order) == 10_000
    x = whole(1, 20)
    assert np.array_equal(plan.process(x), -np.diff(x, axis=1, prepend=0))


def test_ten_thousand_edges_at_one_port() -> None:
    graph = nx.MultiDiGraph()
    graph.add_node("sum", node=Weighted())
    graph.add_edges_from([("in", "sum")] * 2_000 + [("sum", "out")])
    assert render(graph, np.ones((1, 2)), RATE).tolist() == [[2001000.0] * 2]


def test_a_meter_alone_still_needs_something_at_out() -> None:
    graph = Graph()
    graph.add(Meter(), "m")
    graph.connect("in", "m")
    with pytest.raises(GraphError, match='nothing reaches "out"'):
        Plan(graph, RATE, 1)
    graph.connect("in", "out")
    plan = Plan(graph, RATE, 1)
    assert plan.process(whole(1, 3)).tolist() == whole(1, 3).tolist()


@pytest.mark.parametrize("y", [
    np.zeros((2, 48), np.int16), np.zeros((1, 48), np.float32), np.zeros((2, 20), np.float32), np.zeros((2, 48)),
    np.asfortranarray(np.zeros((2, 48), np.float32)), np.zeros((2, 96), np.float32)[:, ::2], [0.0]])
def test_arrays_that_the_compiled_code_cannot_take_are_refused(y: Any) -> None:
    plan = Plan(wired({"a": Scale()}, ("in", "a"), ("a", "out")), RATE, 2)
    with pytest.raises(ParameterError, match=r"y must be float32 \[2, 48\]"):
        plan.process_into(np.zeros((2, 48), np.float32), y)
    with pytest.raises(ParameterError, match="x must be float32"):
        plan.process_into(np.zeros((3, 48), np.float32), np.zeros((2, 48), np.float32))


def test_a_render_says_what_was_silenced() -> None:
    x = np.ones((1, 600), np.float32)
    x[0, 300] = np.nan
    with pytest.warns(RuntimeWarning, match="a failed or put out .* silent for 1 blocks of 256"):
        y = render(wired({"a": Scale()}, ("in", "a"), ("a", "out")), x, RATE)
    assert np.isfinite(y).all()


def test_one_node_is_a_graph_of_its_own() -> None:
    assert render(Scale(), whole(1, 9), RATE).shape == (1, 9)
