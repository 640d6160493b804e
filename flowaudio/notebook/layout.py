"""Where the boxes and lines of a graph's picture go: layers from left to right, few crossings, feedback below."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import networkx as nx

__all__ = ["Box", "Line", "Placed", "Wire", "place"]

GAP_X, GAP_Y = 64.0, 26.0
"""Between layers, and between boxes of a layer."""

LANE = 22.0
"""Height that a feedback edge takes below everything."""

SWEEPS = 8
"""Times that the layers are sorted by their neighbours: usual graphs stand still after three."""

SETTLING = 30
"""Times that their heights are: lines that could be level are, to a pixel."""

PASS_HEIGHT = 10.0
"""Of the place in a layer where an edge goes by."""

Point = tuple[float, float]


@dataclasses.dataclass(eq=False)
class Box:
    """Something with ports. The ports of a side have their places as parts of its height."""

    name: str
    width: float
    height: float
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    head: float = 0.0                   # what stands above the ports
    x: float = 0.0
    y: float = 0.0

    def port(self, name: str, side: str) -> Point:
        """Where a line meets it: side "input" or "output"."""
        ports = self.inputs if side == "input" else self.outputs
        k = ports.index(name) if name in ports else 0
        room = (self.height - self.head) / max(len(ports), 1)
        return self.x + (0.0 if side == "input" else self.width), self.y + self.head + room * (k + 0.5)


class Wire(NamedTuple):
    """An edge to be drawn."""

    source: str
    output: str
    target: str
    input: str
    back: bool                          # goes against the others: below everything


class Line(NamedTuple):
    """An edge with its place: corners that a smooth line goes through, and where its label stands."""

    wire: Wire
    points: tuple[Point, ...]
    label: Point


class Placed(NamedTuple):
    """A whole drawing."""

    boxes: dict[str, Box]
    lines: list[Line]                   # in the order of the wires
    width: float
    height: float


class _Stop:
    """A place in a layer: a box, or where an edge passes between boxes."""

    def __init__(self, height: float, head: float = 0.0) -> None:
        self.height = height
        self.offset = (height + head) / 2       # of the middle of its ports
        self.y = 0.0
        self.before: list[_Stop] = []
        self.behind: list[_Stop] = []

    @property
    def middle(self) -> float:
        return self.y + self.offset


def place(boxes: Sequence[Box], wires: Sequence[Wire], label_width: dict[int, float] | None = None) -> Placed:
    """Give every box its place and every wire its corners.

    :param label_width: of a wire's label, by its number: the gap that it stands in gets as wide.
    """
    known = {box.name: box for box in boxes}
    rank = _ranks(known, wires)
    layers: list[list[_Stop]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    stops = {name: _Stop(known[name].height, known[name].head) for name in known}
    for name, k in rank.items():
        layers[k].append(stops[name])
    passing = _passing(wires, rank, stops, layers)
    _sort(layers)
    _settle(layers)
    xs, width = _columns(known, rank, wires, label_width or {}, len(layers))
    for name, box in known.items():
        k = rank[name]
        widest = max(known[other].width for other in known if rank[other] == k)
        box.x, box.y = xs[k] + (widest - box.width) / 2, stops[name].y
    top = min((stop.y for layer in layers for stop in layer), default=0.0)
    for box in known.values():
        box.y -= top
    bottom = max((stop.y + stop.height for layer in layers for stop in layer), default=0.0) - top
    lines, lanes = [], 0
    for number, wire in enumerate(wires):
        if wire.back:
            lanes += 1
            lines.append(_back(known, wire, bottom + LANE * lanes, lanes))
        else:
            between = [(xs[rank[wire.source] + 1 + k], stop.middle - top)
                       for k, stop in enumerate(passing.get(number, ()))]
            widths = [max(known[other].width for other in known if rank[other] == rank[wire.source] + 1 + k)
                      for k in range(len(between))]
            lines.append(_forward(known, wire, between, widths))
    return Placed(known, lines, width, bottom + LANE * (lanes + 0.6 if lanes else 0))


def _ranks(boxes: dict[str, Box], wires: Sequence[Wire]) -> dict[str, int]:
    """The layer of each box: behind all that feeds it, and no earlier than what it feeds asks for."""
    shape = nx.DiGraph()
    shape.add_nodes_from(boxes)
    shape.add_edges_from((w.source, w.target) for w in wires if not w.back)
    order = list(nx.topological_sort(shape))
    rank = dict.fromkeys(order, 0)
    for name in order:
        for after in shape.successors(name):
            rank[after] = max(rank[after], rank[name] + 1)
    for name in reversed(order):
        # What nothing feeds stands right before the first that it feeds, not at the far left; the world stays there.
        if shape.in_degree(name) == 0 and shape.out_degree(name) and name != "in":
            rank[name] = min(rank[after] for after in shape.successors(name)) - 1
    if "out" in rank:
        rank["out"] = max(rank.values())
    return rank


def _passing(wires: Sequence[Wire], rank: dict[str, int], stops: dict[str, _Stop],
             layers: list[list[_Stop]]) -> dict[int, list[_Stop]]:
    """For each wire that skips layers, the stops at which it goes by."""
    passing: dict[int, list[_Stop]] = {}
    for number, wire in enumerate(wires):
        if wire.back:
            continue
        last = stops[wire.source]
        for k in range(rank[wire.source] + 1, rank[wire.target]):
            stop = _Stop(PASS_HEIGHT)
            layers[k].append(stop)
            passing.setdefault(number, []).append(stop)
            last.behind.append(stop)
            stop.before.append(last)
            last = stop
        last.behind.append(stops[wire.target])
        stops[wire.target].before.append(last)
    return passing


def _sort(layers: list[list[_Stop]]) -> None:
    """Put each stop near the middle of its neighbours, forwards and backwards in turn: few lines cross then."""
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        for layer in layers if forwards else reversed(layers):
            place_of = {id(stop): k for each in layers for k, stop in enumerate(each)}
            centres = {}
            for k, stop in enumerate(layer):
                near = stop.before if forwards else stop.behind
                centres[id(stop)] = sum(place_of[id(n)] for n in near) / len(near) if near else float(k)
            layer.sort(key=lambda stop: centres[id(stop)])


def _settle(layers: list[list[_Stop]]) -> None:
    """Heights: each layer pushed apart around where its neighbours are."""
    for layer in layers:
        y = 0.0
        for stop in layer:
            stop.y = y
            y += stop.height + GAP_Y
    for sweep in range(SETTLING):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            for stop in layer:
                near = [*stop.before, *stop.behind]
                if near:
                    stop.y = sum(n.middle for n in near) / len(near) - stop.offset
            _push_apart(layer)


def _push_apart(layer: list[_Stop]) -> None:
    """Keep the order and the gaps; move as a whole by the mean of what had to give."""
    wished = [stop.y for stop in layer]
    for above, below in itertools.pairwise(layer):
        below.y = max(below.y, above.y + above.height + GAP_Y)
    if layer:
        excess = sum(stop.y - y for stop, y in zip(layer, wished, strict=True)) / len(layer)
        for stop in layer:
            stop.y -= excess


def _columns(boxes: dict[str, Box], rank: dict[str, int], wires: Sequence[Wire], label_width: dict[int, float],
             count: int) -> tuple[list[float], float]:
    """The left edge of each layer, and the width of all."""
    widest = [max((boxes[n].width for n in boxes if rank[n] == k), default=0.0) for k in range(count)]
    gaps = [GAP_X] * count
    for number, width in label_width.items():
        wire = wires[number]
        if not wire.back:
            k = rank[wire.source]
            gaps[k] = max(gaps[k], width + 30.0)
    xs, x = [], 0.0
    for k in range(count):
        xs.append(x)
        x += widest[k] + (gaps[k] if k + 1 < count else 0.0)
    return xs, x


def _forward(boxes: dict[str, Box], wire: Wire, between: list[Point], widths: list[float]) -> Line:
    start, end = boxes[wire.source].port(wire.output, "output"), boxes[wire.target].port(wire.input, "input")
    points: list[Point] = [start]
    for (x, y), width in zip(between, widths, strict=True):
        points += [(x, y), (x + width, y)]
    points.append(end)
    second = points[1]
    return Line(wire, tuple(points), ((start[0] + second[0]) / 2, (start[1] + second[1]) / 2))


def _back(boxes: dict[str, Box], wire: Wire, y: float, lane: int) -> Line:
    """Out to the right, down, back to the left below everything, up, and in from the left."""
    start, end = boxes[wire.source].port(wire.output, "output"), boxes[wire.target].port(wire.input, "input")
    right, left = start[0] + 14.0 + 5.0 * lane, end[0] - 14.0 - 5.0 * lane
    points = (start, (right, start[1]), (right, y), (left, y), (left, end[1]), end)
    return Line(wire, points, ((right + left) / 2, y))
