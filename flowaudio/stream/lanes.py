"""What was found, in a picture of a report: a lane for each kind, and a shade over the waveform where it is."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from flowaudio.stream.faults import Finding, named
from flowaudio.stream.look import GOOD, GRID, INK, clock
from flowaudio.stream.report import Report
from flowaudio.stream.score import FREE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Lane", "bars", "found", "lanes_of", "shade"]

PALETTE = ("#c8372d", "#8e44ad", "#e08e0b", "#0b7285", "#d6336c", "#5c940d", "#364fc7", "#862e9c", "#a0522d", "#495057")
LANES = 9
"""Kinds that have a lane of their own; the others share the last."""
BAR = 1 / 500
"""Width of the narrowest bar, of the whole."""
SHADES = 60
"""Places in a lane that are shaded over the waveform: more of them would hide it."""


class Lane(NamedTuple):
    """Findings that are drawn in one line."""

    name: str
    colour: str
    events: list[Finding]


def lanes_of(events: Iterable[Finding]) -> list[Lane]:
    """Kinds of faults, the most frequent first. What is told of the whole sound needs no place."""
    kinds: dict[str, list[Finding]] = {}
    for event in events:
        if event.kind not in FREE:
            kinds.setdefault(event.kind, []).append(event)
    order = sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))
    own = order if len(order) <= LANES else order[:LANES - 1]
    lanes = [Lane(named(kind), PALETTE[place % len(PALETTE)], kinds[kind]) for place, kind in enumerate(own)]
    rest = [event for kind in order[len(own):] for event in kinds[kind]]
    return [*lanes, Lane("others", PALETTE[-1], rest)] if rest else lanes


def bars(lane: Lane, duration_s: float, narrowest: float = BAR) -> list[tuple[float, float]]:
    """All findings of a lane as (start, width) in seconds: wide enough to be seen, those that then touch as one."""
    least = narrowest * duration_s
    made: list[tuple[float, float]] = []
    for event in sorted(lane.events, key=lambda each: each.start_s):
        start = max(min(event.start_s, duration_s - least), 0.0)
        end = max(event.end_s, start + least)
        if made and start <= sum(made[-1]):
            made[-1] = (made[-1][0], max(end, sum(made[-1])) - made[-1][0])
        else:
            made.append((start, end - start))
    return made


def found(axes: "Axes", report: Report, lanes: list[Lane]) -> None:
    """A line for each kind, with a bar where it was found."""
    for row, lane in enumerate(lanes):
        axes.broken_barh(bars(lane, report.duration_s), (row - 0.36, 0.72), facecolors=lane.colour, linewidth=0)
        axes.axhline(row, color=GRID, linewidth=0.8, zorder=0)
        _name_places(axes, lane, row, report.duration_s)
    axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(lanes)), [f"{lane.name}  {len(lane.events)}" if len(lane.events) > 1 else lane.name
                                        for lane in lanes])
    for label, lane in zip(axes.get_yticklabels(), lanes, strict=True):
        label.set_color(lane.colour)
    if said := _nothing(report, lanes):
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", size=10,
                  color=INK if report.damage else GOOD)


def _nothing(report: Report, lanes: list[Lane]) -> str:
    """What to say where there is no lane: nothing is good of a sound that is not there."""
    if lanes or not report.duration_s:
        return ""
    return "nothing wrong was found in what is there" if report.damage else "nothing wrong was found"


def _name_places(axes: "Axes", lane: Lane, row: int, duration_s: float) -> None:
    """When it was, beside the bars, as long as there is room."""
    if len(lane.events) > 12:
        return
    decimals = 3 if duration_s < 2 else 2 if duration_s < 60 else 1 if duration_s < 600 else 0
    events = sorted(lane.events, key=lambda each: each.start_s)
    for place, event in enumerate(events):
        right = max(event.end_s, event.start_s + BAR * duration_s)
        room = min((other.start_s for other in events[place + 1:]), default=duration_s) - right
        if room > 0.05 * duration_s:
            axes.text(right + 0.003 * duration_s, row, clock(event.start_s, decimals), size=7.5,
                      color=lane.colour, va="center", parse_math=False)


def shade(panels: Iterable["Axes"], report: Report, lanes: list[Lane]) -> None:
    """The places of what is found here and there, behind waveform and loudness."""
    for lane in lanes:
        places = bars(lane, report.duration_s, BAR / 3)
        for start_s, width_s in places if len(places) <= SHADES else ():
            for axes in panels:
                if width_s <= 0.95 * report.duration_s:
                    axes.axvspan(start_s, start_s + width_s, color=lane.colour, alpha=0.16, linewidth=0, zorder=0.5)
