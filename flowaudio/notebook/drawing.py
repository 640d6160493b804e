"""`picture`: a graph as SVG, with what is known of its nodes and edges."""

from collections.abc import Iterator, Sequence
from typing import Any

from flowaudio.notebook.facts import EdgeFacts, Facts, NodeFacts, facts_of, frames_text
from flowaudio.notebook.layout import Box, Line, Placed, Wire, place
from flowaudio.notebook.svg import CARD, EDGE, FAINT, INK, LINE, escaped, sheet, shortened, text_width

__all__ = ["drawn", "picture"]

MARGIN = 22.0
NAME, SMALL, TINY = 13.5, 11.0, 10.0
"""Sizes of letters."""

ROW = 15.5
LONGEST = 34
"""Letters of a name or a value that are shown; the whole stands in the tooltip."""

COLOURS = {"world": "#64748b", "source": "#2a9d6f", "meter": "#8a63d2", "effect": "#2f7fc1", "unknown": "#c8372d"}
BACK, FAULT = "#d97706", "#c8372d"
BUSY = ((0.5, "#c8372d"), (0.2, "#d97706"), (0.0, "#2a9d6f"))
"""From which load on which colour."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif"


def picture(graph: Any, rate: int | None = None, channels: int | None = None) -> str:
    """An SVG document: nodes from left to right with their ports and parameters, delays on edges, feedback below.

    :param graph: a networkx graph, a node, or a running engine: then the load of each node is shown.
    :param rate: Hz; with `channels` that come in, latencies and channel counts are shown, too.
    :raises GraphError: it is no graph. One that cannot run yet is drawn, and the picture says why it cannot.
    """
    loads = None
    if hasattr(graph, "rack"):          # an engine, live or closed
        loads = {} if graph.closed else graph.stats.node_loads
        rate, channels, graph = graph.rate, graph.rack.channels, graph.graph
    return drawn(graph, rate, channels, loads)


def drawn(graph: Any, rate: int | None, channels: int | None, loads: dict[str, float] | None) -> str:
    """As `picture`, with the load of each node."""
    facts = facts_of(graph, rate, channels, loads)
    boxes = [_box(node, rate) for node in facts.nodes]
    wires = [Wire(e.source, e.output, e.target, e.input, e.back) for e in facts.edges]
    labels = {k: text_width(text, TINY) for k, e in enumerate(facts.edges) if (text := _label(e, channels))}
    return _page(facts, place(boxes, wires, labels), rate, channels)


def _page(facts: Facts, placed: Placed, rate: int | None, channels: int | None) -> str:
    captions = _captions(facts, rate, channels)
    fault = shortened(facts.fault, 160)
    width = max(placed.width, text_width(captions, SMALL), text_width(fault, SMALL), 120.0)
    foot = ROW * (bool(captions) + bool(fault)) + (10.0 if captions or fault else 0.0)
    full_width, full_height = width + 2 * MARGIN, placed.height + foot + 2 * MARGIN
    names = {node.name: node for node in facts.nodes}
    busiest = max((node.load or 0.0 for node in facts.nodes), default=0.0)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" class="flowaudio-graph" role="img" '
             f'aria-label="{escaped(_in_words(facts))}" width="{full_width:.0f}" height="{full_height:.0f}" '
             f'viewBox="{-MARGIN:.0f} {-MARGIN:.0f} {full_width:.0f} {full_height:.0f}" font-family="{FONT}" '
             f'style="max-width:100%;height:auto">', sheet("flowaudio-graph")]
    parts += [_line(edge, line, channels) for edge, line in zip(facts.edges, placed.lines, strict=True)]
    parts += [part for box in placed.boxes.values() for part in _card(box, names[box.name], rate, busiest)]
    y = placed.height + 10.0 + ROW * 0.8
    for text, colour, kind in ((captions, LINE, "faint"), (fault, FAULT, "fault")):
        if text:
            parts.append(_text(text, 0.0, y, SMALL, colour, kind))
            y += ROW
    return "".join([*parts, "</svg>"])


def _captions(facts: Facts, rate: int | None, channels: int | None) -> str:
    if facts.latency_frames is None or rate is None:
        return ""
    count = f"{channels} channel{'s' if channels != 1 else ''}"
    late = frames_text(facts.latency_frames, rate) if facts.latency_frames else "none"
    return f"{rate / 1000:g} kHz, {count}, latency from in to out: {late}"


def _in_words(facts: Facts) -> str:
    return "audio graph: " + ", ".join(f"{e.source} to {e.target}" for e in facts.edges)


# --- boxes ----------------------------------------------------------------------------------------------------------

def _box(node: NodeFacts, rate: int | None) -> Box:
    """How large it must be."""
    if node.role == "world":
        return Box(node.name, 26.0 + text_width(node.name, NAME), 30.0, node.inputs, node.outputs)
    left, right = _port_labels(node.inputs, "in"), _port_labels(node.outputs, "out")
    sides = sum(max((text_width(name, TINY) + 8.0 for name in names), default=0.0) for names in (left, right))
    lines = [shortened(line, LONGEST) for line in node.parameters]
    foot = _foot(node, rate)
    width = max(text_width(shortened(node.name, LONGEST), NAME), text_width(node.kind, SMALL),
                sides + max((text_width(line, SMALL) for line in lines), default=0.0),
                text_width(foot, TINY), 60.0) + 26.0
    head = 42.0 if node.kind != node.name else 30.0
    rows = max(len(lines), len(left), len(right), 0.4)
    return Box(node.name, width, head + ROW * rows + (17.0 if foot else 0.0) + 6.0, node.inputs, node.outputs,
               head if max(len(node.inputs), len(node.outputs)) > 1 else 0.0)


def _port_labels(names: Sequence[str], usual: str) -> list[str]:
    """A lone port of the usual name needs no label."""
    return [] if tuple(names) in ((), (usual,)) else list(names)


def _foot(node: NodeFacts, rate: int | None) -> str:
    parts = []
    if node.latency_frames:
        parts.append(f"latency {frames_text(node.latency_frames, rate)}")
    if node.load is not None:
        parts.append(f"load {100 * node.load:.2g} %")
    return ", ".join(parts)


def _card(box: Box, node: NodeFacts, rate: int | None, busiest: float) -> Iterator[str]:
    colour = COLOURS[node.role]
    yield f"<g><title>{escaped(f'{node.name}: {node.about}')}</title>"
    if node.role == "world":
        yield (f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
               f'rx="{box.height / 2:.1f}" fill="{colour}"/>')
        yield _text(node.name, box.x + box.width / 2, box.y + box.height / 2 + 4.5, NAME, "#ffffff", "",
                    anchor="middle", weight="600")
    else:
        yield (f'<rect class="card" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
               f'rx="7" fill="{CARD}" stroke="{EDGE}"/>')
        yield (f'<rect x="{box.x + 8:.1f}" y="{box.y - 1.5:.1f}" width="{box.width - 16:.1f}" height="3" rx="1.5" '
               f'fill="{colour}"/>')
        yield from _words(box, node, rate, busiest)
    yield from _ports(box, node, colour)
    yield "</g>"


def _words(box: Box, node: NodeFacts, rate: int | None, busiest: float) -> Iterator[str]:
    left = box.x + 13.0
    yield _text(shortened(node.name, LONGEST), left, box.y + 20.0, NAME, INK, "ink", weight="600")
    head = 30.0
    if node.kind != node.name:
        yield _text(node.kind, left, box.y + 35.0, SMALL, FAINT, "faint")
        head = 42.0
    labels = _port_labels(node.inputs, "in")
    indent = max((text_width(name, TINY) + 8.0 for name in labels), default=0.0)
    for k, line in enumerate(node.parameters):
        yield _text(shortened(line, LONGEST), left + indent, box.y + head + ROW * (k + 0.75), SMALL, INK, "ink")
    foot = _foot(node, rate)
    if foot:
        yield _text(foot, left, box.y + box.height - 9.0, TINY, FAINT, "faint")
    if node.load is not None and busiest > 0:
        tone = next(c for least, c in BUSY if node.load >= least)
        yield (f'<rect x="{box.x + 8:.1f}" y="{box.y + box.height - 4.5:.1f}" '
               f'width="{max((box.width - 16) * node.load / busiest, 1.0):.1f}" height="2.5" rx="1.2" fill="{tone}"/>')


def _ports(box: Box, node: NodeFacts, colour: str) -> Iterator[str]:
    for side, names, usual in (("input", node.inputs, "in"), ("output", node.outputs, "out")):
        labelled = _port_labels(names, usual) if node.role != "world" else []
        for name in names:
            x, y = box.port(name, side)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{colour}" stroke="{CARD}" stroke-width="1"/>'
            if labelled:
                inwards = x + 8.0 if side == "input" else x - 8.0
                yield _text(name, inwards, y + 3.5, TINY, FAINT, "faint", anchor="start" if side == "input" else "end")


# --- lines ----------------------------------------------------------------------------------------------------------

def _label(edge: EdgeFacts, usual: int | None) -> str:
    """What stands at a line. Channels only where they are not as many as come in: the caption has those."""
    parts = []
    if edge.channels not in (None, usual):
        parts.append(f"{edge.channels} ch")
    if edge.delay_ms:
        parts.append(f"{edge.delay_ms:g} ms")
    if edge.waits_frames:
        parts.append(f"+{edge.waits_frames}")
    if edge.fault:
        parts.append("a cycle without a delay")
    return ", ".join(parts)


def _line(edge: EdgeFacts, line: Line, usual: int | None) -> str:
    colour = FAULT if edge.fault else BACK if edge.back else LINE
    kind = "" if edge.back else ' class="line"'
    path = _rounded(line.points) if edge.back else _smooth(line.points)
    thick = 1.4 + 0.5 * min(max((edge.channels or 1) - 1, 0), 3)
    dashes = ' stroke-dasharray="6 4"' if edge.back else ""
    x, y = line.points[-1]
    waits = f", waits {edge.waits_frames} frames so that paths stay aligned" if edge.waits_frames else ""
    about = f"{edge.source}.{edge.output} to {edge.target}.{edge.input}{waits}"
    made = [f"<g><title>{escaped(about)}</title>",
            f'<path{kind} d="{path}" fill="none" stroke="{colour}" stroke-width="{thick:.1f}"{dashes}/>',
            f'<path{"" if edge.back else " class=" + chr(34) + "tip" + chr(34)} '
            f'd="M{x - 3:.1f} {y:.1f}l-8 -4.2v8.4z" fill="{colour}"/>']
    if text := _label(edge, usual):
        at_x, at_y = line.label
        fall = 0.0 if edge.back else line.points[1][1] - line.points[0][1]
        side = 6.0 * ((fall > 8.0) - (fall < -8.0))     # on the free side of a line that goes up or down
        colour, kind = (colour, "") if edge.back else (LINE, "faint")
        made.append(_text(text, at_x + side, at_y - 5.0, TINY, colour, kind,
                          anchor="start" if side > 0 else "end" if side < 0 else "middle"))
    return "".join([*made, "</g>"])


def _smooth(points: Sequence[tuple[float, float]]) -> str:
    """Through columns in a straight line, between them in a curve."""
    (x, y), *rest = points
    path = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        if abs(to_y - y) < 0.05:
            path += f"L{to_x:.1f} {to_y:.1f}"
        else:
            half = (to_x - x) / 2
            path += f"C{x + half:.1f} {y:.1f} {to_x - half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    return path


def _rounded(points: Sequence[tuple[float, float]], radius: float = 7.0) -> str:
    """Straight lines with round corners."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, behind in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(corner, before, radius), _towards(corner, behind, radius)
        path += f"L{start[0]:.1f} {start[1]:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {end[0]:.1f} {end[1]:.1f}"
    return f"{path}L{points[-1][0]:.1f} {points[-1][1]:.1f}"


def _towards(start: tuple[float, float], end: tuple[float, float], most: float) -> tuple[float, float]:
    across, down = end[0] - start[0], end[1] - start[1]
    length = max(abs(across), abs(down), 1e-9)      # they are level or upright
    part = min(most, length / 2) / length
    return start[0] + part * across, start[1] + part * down


def _text(text: str, x: float, y: float, size: float, colour: str, kind: str, *, anchor: str = "start",
          weight: str = "400") -> str:
    named = f' class="{kind}"' if kind else ""
    return (f'<text{named} x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escaped(text)}</text>')
