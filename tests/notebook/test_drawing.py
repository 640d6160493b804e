"""The picture of a graph: everything is in it, nothing overlaps, lines go to the right, no text breaks out."""

import itertools
import xml.etree.ElementTree as ET
from typing import Any

import networkx as nx
import numpy as np
import pytest

import flowaudio as fa
from flowaudio.graph.shipped import shipped
from flowaudio.notebook.drawing import picture
from flowaudio.notebook.layout import Box, Wire, place

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter(f"{SVG}text")]


def ducking() -> fa.Graph:
    graph = fa.Graph()
    graph.add(fa.Compressor(threshold_db=-30, ratio=8), "duck")
    graph.add(fa.Limiter(), "limit")
    graph.add(fa.Mix(), "sum")
    for source, target in (("in", "duck"), ("in", "duck.sidechain"), ("duck", "limit"), ("limit", "sum"),
                           ("in", "sum"), ("sum", "out")):
        graph.connect(source, target)
    return graph


def test_nodes_ports_and_parameters_are_in_it() -> None:
    shown = texts(picture(ducking()))
    assert {"in", "out", "duck", "Compressor", "limit", "sum", "sidechain"} <= set(shown)
    assert {"threshold -30 dB", "ratio 8:1"} <= set(shown)
    assert not any("frames" in each for each in shown)      # nothing is known of rates yet


def test_latency_is_shown_where_rate_and_channels_are_known() -> None:
    shown = texts(picture(ducking(), 48_000, 2))
    frames = fa.Plan(fa.Limiter(), 48_000, 2).latency
    assert f"latency {frames} frames ({frames / 48:.3g} ms)" in shown
    assert f"+{frames}" in shown                            # the path beside the limiter waits for it
    assert f"48 kHz, 2 channels, latency from in to out: {frames} frames ({frames / 48:.3g} ms)" in shown


def test_channels_are_told_where_they_change() -> None:
    shown = texts(picture(fa.ChannelMap(channels=1) >> fa.Gain(), 48_000, 2))
    assert shown.count("1 ch") == 2


def test_delays_and_feedback() -> None:
    graph = fa.Graph()
    graph.add(fa.Mix(), "mix")
    graph.add(fa.Gain(gain_db=-3), "again")
    graph.connect("in", "mix")
    graph.connect("mix", "again")
    graph.connect("again", "mix", delay_ms=280)
    graph.connect("mix", "out", delay_ms=5)
    svg = picture(graph)
    assert {"280 ms", "5 ms"} <= set(texts(svg))
    assert svg.count("stroke-dasharray") == 1


def test_a_graph_that_cannot_run_is_drawn_with_the_reason() -> None:
    graph = fa.Graph()
    assert any('nothing reaches "out"' in each for each in texts(picture(graph)))
    graph.add(fa.Gain(), "a")
    graph.add(fa.Gain(), "b")
    for source, target in (("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")):
        graph.connect(source, target)
    shown = texts(picture(graph, 48_000, 2))
    assert "a cycle without a delay" in shown
    assert any("is a cycle without a delay: give one" in each for each in shown)
    with pytest.raises(fa.GraphError, match="directed"):
        picture(3)


def test_raw_networkx_graphs_are_drawn() -> None:
    graph = nx.DiGraph()
    nx.add_path(graph, ["in", "eq", "out"])
    shown = texts(picture(graph))
    assert "eq" in shown
    assert any("eq" in each and "no node" in each for each in shown)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", '"quoted"', "tab\x00\x1b", "日本語", "x" * 200])
def test_names_cannot_break_out(name: str) -> None:
    graph = fa.Graph()
    graph.add(fa.Gain(), name)
    graph.connect("in", name)
    graph.connect(name, "out")
    svg = picture(graph, 48_000, 1)
    tree = ET.fromstring(svg)                               # well-formed
    assert {each.tag.removeprefix(SVG) for each in tree.iter()} <= {"svg", "style", "g", "title", "path", "rect",
                                                                    "circle", "text"}
    titles = [each.text or "" for each in tree.iter(f"{SVG}title")]
    assert any(name.replace("\x00", "▯").replace("\x1b", "▯") in each for each in titles)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_ready_graphs_are_drawn(name: str) -> None:
    graph = fa.load(shipped()[name])
    shown = texts(picture(graph, 48_000, 2))
    assert set(graph.nodes) <= set(shown)


def test_a_running_engine_shows_loads() -> None:
    x = 0.1 * np.random.default_rng(1).standard_normal((2, 480_000)).astype(np.float32)
    with fa.Engine(fa.Reverb() >> fa.Limiter(), x, None, rate=48_000) as engine:
        assert engine.wait(60)
        shown = texts(picture(engine))
    assert sum("load" in each for each in shown) == 2
    assert set(texts(picture(engine))) >= {"reverb", "limiter"}     # closed, it can still be looked at


def crossing(rng: np.random.Generator, count: int) -> tuple[list[Box], list[Wire]]:
    boxes = [Box(f"n{k}", float(rng.uniform(60, 200)), float(rng.uniform(30, 120)), ("in",), ("out",))
             for k in range(count)]
    pairs = {tuple(sorted(rng.choice(count, 2, replace=False))) for _ in range(2 * count)}
    return boxes, [Wire(f"n{a}", "out", f"n{b}", "in", False) for a, b in pairs]


@pytest.mark.parametrize("seed", range(20))
def test_boxes_do_not_overlap_and_lines_go_to_the_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, wires = crossing(rng, int(rng.integers(2, 25)))
    wires.append(Wire(boxes[-1].name, "out", boxes[0].name, "in", True))
    made = place(boxes, wires)
    for a, b in itertools.combinations(made.boxes.values(), 2):
        apart = (a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y)
        assert apart, f"{a.name} and {b.name} overlap"
    for line in made.lines:
        xs = [point[0] for point in line.points]
        if line.wire.back:
            assert max(y for _, y in line.points) >= max(box.y + box.height for box in boxes)
        else:
            assert xs == sorted(xs)
            assert _clear(line, made.boxes)
    for box in made.boxes.values():
        assert 0 <= box.x <= box.x + box.width <= made.width + 1e-6
        assert -1e-6 <= box.y <= box.y + box.height <= made.height + 1e-6


def _clear(line: Any, boxes: dict[str, Box]) -> bool:
    """Whether a line passes no other box where it goes through columns."""
    level = [(a, b) for a, b in itertools.pairwise(line.points) if a[1] == b[1]]
    return not any(box.x < (a[0] + b[0]) / 2 < box.x + box.width and box.y < a[1] < box.y + box.height
                   for a, b in level for name, box in boxes.items()
                   if name not in (line.wire.source, line.wire.target))
