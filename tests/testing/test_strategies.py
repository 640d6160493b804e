"""The strategies as somebody uses them: what they make is valid, and of all kinds."""

import collections
import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowaudio as fa
import flowaudio.nodes
from flowaudio.core.node import declaration
from flowaudio.core.params import parameters
from flowaudio.graph.graph import IN, OUT
from flowaudio.graph.wiring import read
from flowaudio.testing import strategies
from flowaudio.testing.signals import KINDS, NUMBERS, signal

PLAIN = (fa.Gain, fa.Biquad, fa.Compressor, fa.Limiter, fa.Delay, fa.Pan, fa.LevelMeter)
BACK = fa.Gain(gain_db=-30.0)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def fit(count: int) -> fa.ChannelMap:
    return fa.ChannelMap(channels=count)


def shipped() -> list[type]:
    """All node classes of the package."""
    modules = [importlib.import_module(each.name)
               for each in pkgutil.iter_modules(flowaudio.nodes.__path__, "flowaudio.nodes.")]
    found = {value for module in modules for value in vars(module).values()
             if isinstance(value, type) and "__declaration__" in vars(value) and value.__module__ == module.__name__}
    return sorted(found, key=lambda cls: cls.__name__)


def kinds_of(graph: fa.Graph) -> set[str]:
    """What there is to be seen in a graph."""
    seen: set[str] = set()
    targets = collections.Counter((target, data.get("input", "")) for _, target, data in graph.edges(data=True))
    pairs = collections.Counter((source, target) for source, target in graph.edges())
    wiring = read(graph)
    seen.add(f"{min(len([n for n in graph if n not in (IN, OUT)]), 4)} nodes")
    for source, target, data in graph.edges(data=True):
        node = graph.nodes[target].get("node")
        ports = declaration(node).inputs if node is not None else ()
        if "delay_ms" in data:
            seen.add("delay")
        if any(port.name == data.get("input") and port.default is not None for port in ports):
            seen.add("sidechain")
        if any(port.many for port in ports):
            seen.add("port of many edges")
        if source == IN and target == OUT:
            seen.add("straight through")
    for (target, _), count in targets.items():
        if count > 1:
            seen.add("sum at out" if target == OUT else "edges that meet")
    if max(pairs.values()) > 1:
        seen.add("parallel edges")
    if any(graph.out_degree(name) > 1 for name in graph if name not in (IN, OUT)):
        seen.add("fork")
    if any(edge.feedback for edge in wiring.edges):
        seen.add("loop")
    if any(not declaration(data["node"]).inputs for _, data in graph.nodes(data=True) if data):
        seen.add("source")
    return seen


def test_graphs_of_plain_nodes_make_plans_and_have_all_kinds_of_edges() -> None:
    seen: collections.Counter[str] = collections.Counter()

    @given(strategies.graphs((*PLAIN, fa.Failover, fa.Sine), loop=BACK))
    @MANY
    def draw(graph: fa.Graph) -> None:
        plan = fa.Plan(graph, 48_000, 2)
        assert plan.output_channels == 2
        seen.update(kinds_of(graph))

    draw()
    assert set(seen) >= {"1 nodes", "2 nodes", "3 nodes", "4 nodes", "delay", "sidechain", "port of many edges",
                         "sum at out", "edges that meet", "parallel edges", "fork", "loop", "source"}
    assert min(seen.values()) >= 5, seen        # of 300


def test_graphs_of_all_shipped_nodes_make_plans() -> None:
    """Whatever the number of channels that they make: there is something to make it fit."""
    classes = shipped()
    used: collections.Counter[str] = collections.Counter()

    @given(strategies.graphs(classes, loop=BACK, fit=fit))
    @MANY
    def draw(graph: fa.Graph) -> None:
        assert fa.Plan(graph, 48_000, 2).output_channels == 2
        used.update({type(data["node"]).__name__ for _, data in graph.nodes(data=True) if data})

    draw()
    assert set(used) >= {cls.__name__ for cls in classes}


@pytest.mark.parametrize("count", [1, 6])
def test_graphs_have_the_channels_that_are_asked_for(count: int) -> None:
    @given(strategies.graphs((*PLAIN, fa.Sine, fa.ChannelMap, fa.Pick), fit=fit, count=count))
    @settings(MANY, max_examples=60)
    def draw(graph: fa.Graph) -> None:
        assert fa.Plan(graph, 48_000, count).output_channels == count

    draw()


def test_without_something_that_fits_nodes_that_change_the_channels_are_left_out() -> None:
    @given(strategies.graphs((fa.Gain, fa.Pick, fa.ChannelMap)))
    @settings(MANY, max_examples=100)
    def draw(graph: fa.Graph) -> None:
        plan = fa.Plan(graph, 48_000, 2)
        assert all(op.outputs[0].channels == 2 for op in plan.ops)

    draw()


def test_scripts_are_what_a_rack_takes() -> None:
    """Of what is asked for, little is refused: values together that are allowed one by one."""
    from flowaudio.runtime.control import Rack

    done: collections.Counter[str] = collections.Counter()
    refused: list[str] = []

    @given(st.data())
    @settings(MANY, max_examples=80)
    def draw(data: Any) -> None:
        graph = data.draw(strategies.graphs(PLAIN))
        rack = Rack(graph, 48_000, 2)
        script = data.draw(strategies.scripts(graph, PLAIN, 5000))
        assert [step[0] for step in script] == sorted(step[0] for step in script)
        for frame, what, *arguments in script:
            rack.process(np.zeros((2, frame - rack.position), np.float32))
            try:
                getattr(rack, what)(*arguments)
                done[what] += 1
            except fa.FlowaudioError as error:
                refused.append(f"{what} {arguments}: {error}")
        assert rack.counters.late_letters == 0

    draw()
    assert set(done) == {"change", "automate", "swap", "gain", "bypass"} and min(done.values()) >= 5
    assert len(refused) < 0.1 * done.total(), refused[:5]


@pytest.mark.parametrize("cls", shipped(), ids=lambda cls: cls.__name__)
def test_nodes_reach_the_ends_of_every_range(cls: type) -> None:
    """Each number's lowest and highest value is drawn, as far as somebody can pay for it, and values between."""
    drawn: dict[str, set[Any]] = {}

    @given(strategies.nodes(cls))
    @settings(MANY, max_examples=100)
    def draw(node: Any) -> None:
        for name in parameters(cls):
            drawn.setdefault(name, set()).add(getattr(node, name))

    draw()
    for name, known in parameters(cls).items():
        if known.kind == "choice" and name != "layout":
            assert drawn[name] == set(known.choices)
        elif known.kind == "flag":
            assert drawn[name] == {False, True}
        elif known.kind in ("number", "integer"):
            assert {known.default, known.low} <= drawn[name] or known.low < -strategies.UNLIMITED
            assert len(drawn[name]) > min(5, known.high - known.low)


@given(st.sampled_from((*KINDS, *NUMBERS)), st.integers(0, 100), st.integers(1, 8), st.integers(1, 2000),
       st.sampled_from((1.0, 0.1)))
@settings(MANY, max_examples=150)
def test_signals_are_what_they_say(kind: str, seed: int, channels: int, frames: int, loudest: float) -> None:
    x = signal(kind, seed, channels, frames, loudest)
    assert x.dtype == np.float32 and x.shape == (channels, frames)
    np.testing.assert_array_equal(x, signal(kind, seed, channels, frames, loudest))
    if kind in KINDS:
        assert np.abs(x).max() <= np.float32(loudest)
    if kind == "denormals":
        assert np.abs(x).max() < np.finfo(np.float32).tiny


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of signal called 'music'"):
        signal("music", 0, 2, 100)


def test_formats_and_cuts_are_of_all_sizes() -> None:
    seen: set[str] = set()

    @given(strategies.formats(), strategies.cuts(), strategies.signals(2, 50, numbers=True))
    @settings(MANY, max_examples=200)
    def draw(format: fa.Format, lengths: list[int], x: Any) -> None:
        assert format.rate in strategies.RATES and format.inputs == (format.channels,)
        assert min(lengths) >= 1 and x.shape == (2, 50)
        seen.update({"mono"} if format.channels == 1 else {"wide"} if format.channels > 2 else {"stereo"})
        seen.update({"one frame"} if 1 in lengths else set(), {"long"} if max(lengths) > 300 else set())
        seen.update(set() if np.isfinite(x).all() else {"no number"})

    draw()
    assert seen == {"mono", "stereo", "wide", "one frame", "long", "no number"}
