"""The judge of the detectors: runs them over clean and damaged sound and counts what they find, miss and make up.

A label is found by an event of an accepted kind (`RULES`), on its channel or on all together (a label of all channels
needs all of them, or one event for all), whose start and end lie within the kind's tolerance; where a fault is told in
several events, the nearest start and the nearest end count. A false alarm is an event on clean material, or on damaged
material more than a second outside of any label; kinds that a piece may truly have (`grey`) do not count on it. What a
fault brings with it (a click at the edge of a dropout) is inside of its label's second: it counts on clean sound only.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from labelled_faults import EVERY, Label

from flowaudio.core.node import declaration
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan

__all__ = ["DETECTORS", "MAIN", "RULES", "Event", "Judge", "Row", "detectors", "listen"]

Array = np.ndarray[Any, Any]

DETECTORS = {"silence": "SilenceDetector", "dropout": "DropoutDetector", "level_jump": "LevelJumpDetector",
             "stuck": "StuckChannelDetector", "dc_offset": "DCDetector", "phase": "PhaseDetector",
             "clipping": "ClippingDetector", "clicks": "ClickDetector", "bursts": "NoiseBurstDetector",
             "hum": "HumDetector", "bandwidth": "BandwidthDetector"}
"""Module in flowaudio.nodes and class of each."""

MAIN = ("silence", "dropout", "clipping", "click", "dc_offset", "phase_inversion")
"""The kinds that must be found in 98 of 100 cases, with at most one false alarm an hour."""


class Rule(NamedTuple):
    """When an event is the one that a label asks for."""

    accepts: tuple[str, ...]            # kinds of events
    start_ms: float
    end_ms: float | None                # None: the end is not judged


RULES = {
    "silence": Rule(("silence",), 50, 50),
    "dropout": Rule(("dropout",), 5, 5),
    "cut_start": Rule(("cut_start",), 20, None),
    "clipping": Rule(("clipping",), 1000, 1000),
    "intersample_clipping": Rule(("intersample_clipping",), 1000, 1000),
    "click": Rule(("click", "discontinuity"), 2, 5),
    "splice": Rule(("discontinuity", "click"), 3, 10),
    "noise_burst": Rule(("noise_burst",), 20, 50),
    "dc_offset": Rule(("dc_offset", "dc"), 1000, 1500),
    "phase_inversion": Rule(("phase_inversion", "mono_loss"), 1000, 1500),
    "mono_loss": Rule(("mono_loss", "phase_inversion"), 1000, 1500),
    "hum": Rule(("hum",), 2000, 2000),
    "bandwidth_loss": Rule(("bandwidth_loss",), 2000, 2000),
    "level_jump": Rule(("level_jump",), 500, None),
    "stuck": Rule(("stuck", "stuck_channel", "repeating_buffer"), 20, 20),
}
ROWS = {"discontinuity": "splice", "dc": "dc_offset", "stuck_channel": "stuck", "repeating_buffer": "stuck"}
"""Where the false alarms of a kind of event are counted, if not under its own name."""


class Event(NamedTuple):
    """What a detector told of one fault, its beginning and end put together."""

    kind: str
    start: int
    end: int
    channel: int                        # or EVERY
    strength: float


def detectors(only: Iterable[str] = ()) -> list[Any]:
    """Those that exist (of these modules), with their defaults."""
    made = []
    for module, name in DETECTORS.items():
        if not only or module in only:
            try:
                made.append(getattr(import_module(f"flowaudio.nodes.{module}"), name)())
            except (ImportError, AttributeError):
                continue
    return made


def listen(nodes: list[Any], x: Array, rate: int) -> list[Event]:
    """All events of a sound that arrives a second at a time."""
    plan = Plan(chain(*nodes), rate, x.shape[0], 4096)
    found: dict[Any, Event] = {}
    for at in range(0, x.shape[1], rate):
        plan.process(np.ascontiguousarray(x[:, at:at + rate]))
        for e in plan.events():
            channel = EVERY if e.channel is None else e.channel
            key = (e.node, e.kind, e.start, channel, e.end if e.phase == "whole" else None)
            found[key] = Event(e.kind, e.start, x.shape[1] if e.end is None else e.end, channel, e.strength)
    lost, trouble = plan.lost_events, {k: v for k, v in plan.trouble.items() if v}
    if lost or trouble:
        raise AssertionError(f"events were lost: {lost}, nodes in trouble: {trouble}")
    return sorted(found.values(), key=lambda e: e.start)


@dataclasses.dataclass
class Row:
    """What is known of one kind."""

    labels: int = 0
    found: int = 0
    matched: int = 0                    # events
    clean: int = 0                      # false alarms on clean material
    beside: int = 0                     # and on damaged material
    starts: list[int] = dataclasses.field(default_factory=list)     # errors in frames
    ends: list[int] = dataclasses.field(default_factory=list)
    variants: Counter[tuple[str, bool]] = dataclasses.field(default_factory=Counter)

    @property
    def recall(self) -> float:
        """Labels found; 1 where none was asked for."""
        return self.found / self.labels if self.labels else 1.0

    @property
    def precision(self) -> float:
        """Events that were right, of those that were right or false alarms."""
        return self.matched / max(1, self.matched + self.clean + self.beside)


class Judge:
    """Collects the verdicts of many pieces."""

    def __init__(self, nodes: list[Any], channels: int = 2) -> None:
        self.nodes, self.channels = nodes, channels
        self.kinds = {kind for node in nodes for kind in declaration(node).events}
        self.rows: dict[str, Row] = {}
        self.notes: list[str] = []
        """What was missed or made up, and where."""
        self.clean_s = self.beside_s = self.took_s = 0.0

    def asks(self, kind: str) -> bool:
        """Whether there is a detector for this kind of label."""
        return not self.kinds.isdisjoint(RULES[kind].accepts)

    def hear(self, name: str, x: Array, rate: int, labels: list[Label], grey: frozenset[str] = frozenset()) -> None:
        """Run the detectors over a piece and judge them."""
        began = perf_counter()
        events = listen(self.nodes, x, rate)
        self.took_s += perf_counter() - began
        if labels:
            self.beside_s += x.shape[1] / rate
        else:
            self.clean_s += x.shape[1] / rate
        used: set[int] = set()
        for label in labels:
            self._look(name, label, events, rate, used)
        for i, event in enumerate(events):
            row = ROWS.get(event.kind, event.kind)
            if i in used or grey & {event.kind, row}:
                continue
            if any(event.start < k.end + rate and event.end > k.start - rate for k in labels):
                continue
            self._row(row).clean += not labels
            self._row(row).beside += bool(labels)
            self._note("false", event.kind, name, event.start, event.end, event.channel, rate,
                       f"strength {event.strength:.1f}")

    def _row(self, kind: str) -> Row:
        return self.rows.setdefault(kind, Row())

    def _note(self, what: str, kind: str, name: str, start: int, end: int, channel: int, rate: int, why: str) -> None:
        where = "all" if channel == EVERY else f"ch {channel}"
        self.notes.append(f"{what:6} {kind:16} {name:34} {start / rate:9.4f} s to {end / rate:9.4f} s "
                          f"({start}, {end - start} frames) {where}: {why}")

    def _look(self, name: str, label: Label, events: list[Event], rate: int, used: set[int]) -> None:
        rule, row = RULES[label.kind], self._row(label.kind)
        slack = int(max(rule.start_ms, rule.end_ms or 0.0) * rate / 1000)
        near = [(i, e) for i, e in enumerate(events)
                if e.kind in rule.accepts and e.start < label.end + slack and e.end > label.start - slack]
        groups = [[(i, e) for i, e in near if e.channel in (c, EVERY)]
                  for c in (range(self.channels) if label.channel == EVERY else [label.channel])]
        errors: list[tuple[int, int]] = []
        why = ""
        for group in groups:
            if not group:
                others = sorted({e.kind for e in events if e.start < label.end + slack and e.end > label.start - slack})
                why = f"nothing found ({label.variant}){'; but ' + ', '.join(others) if others else ''}"
                break
            start = min((e.start for _, e in group), key=lambda s: abs(s - label.start))
            end = min((e.end for _, e in group), key=lambda s: abs(s - label.end))
            errors.append((abs(start - label.start), abs(end - label.end)))
        if errors and not why:
            start_error, end_error = max(e for e, _ in errors), max(e for _, e in errors)
            if start_error * 1000 > rule.start_ms * rate:
                why = f"starts {start_error} frames off ({label.variant})"
            elif rule.end_ms is not None and end_error * 1000 > rule.end_ms * rate:
                why = f"ends {end_error} frames off ({label.variant})"
        if not why:
            used.update(i for group in groups for i, _ in group)
            row.matched += len({i for group in groups for i, _ in group})
        if not label.must:
            return
        row.labels += 1
        row.variants[label.variant, not why] += 1
        if why:
            self._note("missed", label.kind, name, label.start, label.end, label.channel, rate, why)
            return
        row.found += 1
        row.starts.append(start_error)
        if rule.end_ms is not None:
            row.ends.append(end_error)

    def alarms_an_hour(self, kind: str) -> float:
        """False alarms on all material, an hour."""
        row = self._row(kind)
        return (row.clean + row.beside) * 3600 / max(1.0, self.clean_s + self.beside_s)

    def table(self) -> str:
        """One line a kind."""
        head = (f"{'kind':21}{'labels':>7}{'recall':>8}{'precision':>10}{'false: clean':>14}{'damaged':>9}"
                f"{'an hour':>9}{'start error: median':>21}{'worst':>7}{'end: median':>13}{'worst':>7}   (frames)")
        lines = [head]
        asked = [k for k in RULES if self.asks(k)]
        for kind in [*asked, *sorted(set(self.rows) - set(asked))]:
            row = self._row(kind)
            places = [f"{fold(errors):.0f}" if errors else "-" for errors in (row.starts, row.ends)
                      for fold in (np.median, np.max)]
            recall = f"{row.recall:.3f}" if row.labels else "-"
            lines.append(f"{kind:21}{row.labels:7}{recall:>8}{row.precision:10.3f}{row.clean:14}{row.beside:9}"
                         f"{self.alarms_an_hour(kind):9.2f}{places[0]:>21}{places[1]:>7}{places[2]:>13}{places[3]:>7}")
        heard_s = self.clean_s + self.beside_s
        lines.append(f"clean {self.clean_s / 3600:.2f} h, damaged {self.beside_s / 3600:.2f} h; {len(self.nodes)} "
                     f"detectors took {self.took_s:.1f} s: {heard_s / max(1e-9, self.took_s):.0f} x real time")
        return "\n".join(lines)

    def variants(self) -> str:
        """Of each kind and variant, how many were found."""
        lines = []
        for kind, row in self.rows.items():
            names = sorted({v for v, _ in row.variants})
            told = [f"{v} {row.variants[v, True]}/{row.variants[v, True] + row.variants[v, False]}" for v in names]
            if told:
                lines.append(f"{kind:21}{', '.join(told)}")
        return "\n".join(lines)
