"""The meters that `live` puts around a graph: they change nothing, and go on when another graph takes its place."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowaudio.cli.live_session import free_name
from flowaudio.core.errors import GraphError
from flowaudio.graph import document as documents
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan, render
from flowaudio.graph.shipped import shipped
from flowaudio.nodes import ChannelMap, Compressor, Gain, Limiter, Sine
from flowaudio.runtime.control import Rack
from flowaudio.stream.metering import Levels, Meters, metered, straight, takes_input

RATE = 48_000


def noise(frames: int = RATE // 2, level: float = 0.2) -> Any:
    return (level * np.random.default_rng(5).standard_normal((2, frames))).astype(np.float32)



@pytest.mark.parametrize("name", sorted(shipped()))
def test_ready_graphs_sound_the_same_with_meters(name: str) -> None:
    graph = documents.load(shipped()[name])
    x = np.concatenate([noise(), noise()])      # four channels: some graphs take them apart
    assert np.array_equal(render(metered(graph).graph, x, RATE), render(graph, x, RATE))


def test_what_meets_at_the_output_is_summed_in_its_order() -> None:
    """Float sums depend on it. Edges with delays and ports stay what they are."""
    graph = Graph()
    for k in range(5):
        graph.add(Gain(gain_db=-3.1 * k), f"g{k}")
        graph.connect("in", f"g{k}")
    for k in (3, 0, 4, 1, 2):
        graph.connect(f"g{k}", "out", delay_ms=0.5 * k)
    x = noise()
    assert np.array_equal(render(metered(graph).graph, x, RATE), render(graph, x, RATE))
    assert set(graph) == {"in", "out", *(f"g{k}" for k in range(5))}, "the user's graph is left alone"


def test_straight_through() -> None:
    x = noise(1000)
    assert np.array_equal(render(metered(straight()).graph, x, RATE), x)
    assert takes_input(straight())


def test_a_graph_without_input_has_no_input_meter() -> None:
    names = metered(Graph.chain(Sine()))
    assert names.input is None
    assert not takes_input(Graph.chain(Sine()))
    assert Meters(Plan(names.graph, RATE, 2), names).input() is None


def test_names_that_the_user_has() -> None:
    graph = Graph()
    for name in ("input level", "output level", "output level'"):
        graph.add(Gain(gain_db=-1), name)
    graph.connect("in", "input level")
    graph.connect("input level", "output level")
    graph.connect("output level", "output level'")
    graph.connect("output level'", "out")
    names = metered(graph)
    assert names.own == ("input level'", "output level''", "output loudness")
    x = noise()
    assert np.array_equal(render(names.graph, x, RATE), render(graph, x, RATE))


def test_faults_are_told_in_the_users_names() -> None:
    graph = Graph()
    graph.add(Gain(), "a")
    graph.connect("in", "a")
    with pytest.raises(GraphError, match='nothing reaches "out"'):
        metered(graph)


def test_what_is_read() -> None:
    graph = Graph.chain(Compressor(threshold_db=-30, ratio=10), Gain(gain_db=-12), Limiter(ceiling_dbtp=-1))
    names = metered(graph)
    plan = Plan(names.graph, RATE, 2)
    meters = Meters(plan, names)
    t = np.arange(2 * RATE) / RATE
    x = np.stack([0.5 * np.sin(2 * np.pi * 997 * t), 0.25 * np.sin(2 * np.pi * 997 * t)]).astype(np.float32)
    plan.process(x)
    levels = meters.input()
    assert isinstance(levels, Levels)
    assert levels.peak == pytest.approx((-6.02, -12.04), abs=0.1)
    assert levels.rms == pytest.approx((-9.03, -15.05), abs=0.2)
    assert levels.highest == pytest.approx((-6.02, -12.04), abs=0.01)
    assert meters.output().peak[0] < -30
    down = meters.reductions()
    assert down["compressor"] == pytest.approx(20, abs=4)
    assert down["limiter"] == 0
    assert meters.loudness().momentary_lufs < -30


def test_peaks_are_held() -> None:
    names = metered(straight())
    plan = Plan(names.graph, RATE, 2)
    meters = Meters(plan, names)
    plan.process(np.full((2, 480), 0.5, np.float32))
    meters.output()
    plan.process(np.zeros((2, RATE), np.float32))
    levels = meters.output()
    assert levels.peak[0] == pytest.approx(-26, abs=0.5)
    assert levels.hold[0] == pytest.approx(-6.02, abs=0.01)


def test_meters_go_on_over_a_swap() -> None:
    """Loudness since the start is that of all that was heard, with whatever graph."""
    first, second = metered(Graph.chain(Gain(gain_db=-6))), metered(Graph.chain(ChannelMap(channels=2)))
    rack = Rack(first.graph, RATE, 2, fade_ms=0)
    meters = Meters(rack, first)
    x = noise(2 * RATE)
    y = [rack.process(x)]
    before = meters.loudness()
    rack.swap(second.graph)
    meters.names = second
    y.append(rack.process(noise(2 * RATE, 0.01)))
    after = meters.loudness()
    alone = Meters(plan := Plan(metered(straight()).graph, RATE, 2), metered(straight()))
    plan.process(np.concatenate(y, axis=1))
    assert after.integrated_lufs == pytest.approx(alone.loudness().integrated_lufs, abs=0.01)
    assert after.momentary_lufs < before.momentary_lufs - 15
    levels = meters.input()
    assert levels is not None
    assert levels.highest[0] == pytest.approx(20 * math.log10(np.abs(x[0]).max()), abs=0.01)


def test_a_compressor_that_has_just_gone() -> None:
    """Between a swap and being told of it, meters are asked for a node that is no more."""
    names = metered(Graph.chain(Compressor()))
    rack = Rack(names.graph, RATE, 2)
    meters = Meters(rack, names)
    assert list(meters.reductions()) == ["compressor"]
    rack.swap(metered(straight()).graph)
    rack.process(np.zeros((2, RATE), np.float32))
    assert meters.reductions() == {}


def test_names_that_are_free(tmp_path: Path) -> None:
    assert free_name(tmp_path / "take.flac").name == "take.flac"
    for name in ("take.flac", "take-2.flac"):
        assert free_name(tmp_path / "take.flac").name == name
        (tmp_path / name).touch()
    (tmp_path / "take-3.flac").symlink_to(tmp_path / "nowhere")
    assert free_name(tmp_path / "take.flac").name == "take-4.flac"


