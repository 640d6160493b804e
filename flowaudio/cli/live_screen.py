"""The picture that `live` draws: what the engine says, laid out for a terminal of any size."""

import textwrap
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.cells import cell_len

from flowaudio.cli.failures import one_line
from flowaudio.cli.live_bars import BLOCKS, Glyphs, axis, bar, columns, scale, short_db
from flowaudio.cli.live_spectrum import Spectrum
from flowaudio.cli.live_terminal import Line, fitted
from flowaudio.cli.output import clock, rate
from flowaudio.live.events import Event
from flowaudio.live.stats import Stats
from flowaudio.nodes.loudness import LoudnessReading
from flowaudio.stream.metering import Levels

__all__ = ["COUNTED", "GOOD", "HELP", "Screen", "View"]

Array = np.ndarray[Any, Any]

LABEL = 6                               # cells before a bar
NUMBERS = 15                            # behind it
AT = 9                                  # for the time before an event
LOW_DB = -90.0                          # of the spectrum
MOST_BANDS, LEAST_ROWS, MOST_ROWS = 48, 3, 24
EVENTS = 3                              # lines
QUIET_DB = -0.05

HELP = (("m", "mute: fade the output out, or in again"),
        ("b", "bypass: hear the input, just as late"),
        ("space, k", "mark this moment, for FILE.marks.txt"),
        ("r", "start or stop recording what goes out"),
        ("s", "save the last seconds of what went out"),
        ("?", "show or hide this"),
        ("q, Ctrl-C", "quit"))

GOOD = ("recorded", "recording", "saved", "swapped", "mark", "device_back", "source_back", "ended")


COUNTED = ("underrun", "overrun", "late")
"""Kinds of events that are many where they come: their numbers are shown instead."""


class View(NamedTuple):
    """What there is to see at one moment."""

    graph: str                          # its name
    route: str                          # from where to where
    rate: int
    levels_in: Levels | None
    levels_out: Levels
    loudness: LoudnessReading
    reductions: dict[str, float]        # dB, by node
    sound: Array                        # what went out last, [channels, frames]
    stats: Stats
    load: float                         # of the last moments
    own: tuple[str, ...]                # nodes that are not the user's
    muted: bool
    bypassed: bool
    recording: str                      # the file's name, or ""
    recorded_s: float
    status: str                         # what is being done just now, or ""
    events: Sequence[Event]
    help: bool
    keys: str                           # one line


class Screen:
    """Lays pictures out. It remembers what falls slowly."""

    def __init__(self, glyphs: Glyphs = BLOCKS) -> None:
        self._glyphs = glyphs
        self._spectrum: Spectrum | None = None
        self._at = 0.0

    def picture(self, view: View, width: int, height: int) -> list[Line]:
        """Lines for a terminal of this size. What there is no room for is left out, the least important first."""
        top = [self._title(view, width), _devices(view, width)]
        bottom = [_counters(view), [("dim", view.keys)]]
        room = height - len(top) - len(bottom)
        meters = self._meters(view, width, max(room - 2, 1))
        room -= len(meters)
        sound = [self._loudness(view)]
        if view.reductions:
            sound += self._reductions(view, width)
        sound = sound[:max(room - 1, 0)]
        room -= len(sound)
        events = self._events(view, width, max(min(room, EVENTS), 0)) if not view.help else []
        room -= len(events)
        middle = self._help(room) if view.help else self._bands(view, width, room)
        gaps = room - len(middle)
        parts = [top, meters, sound, middle, events]
        lines: list[Line] = []
        for part in parts:
            if part and lines and gaps > 0:
                lines.append([])
                gaps -= 1
            lines += part
        lines += [[] for _ in range(max(height - len(lines) - len(bottom), 0))]
        return lines + bottom

    # Its parts.

    def _title(self, view: View, width: int) -> Line:
        tags: Line = []
        if not view.stats.running:
            tags.append(("bold white on red", " NO DEVICE "))
        if view.muted:
            tags.append(("bold white on red", " MUTE "))
        if view.bypassed:
            tags.append(("bold black on yellow", " BYPASS "))
        if view.recording:
            tags.append(("bold red", f"{self._glyphs.dot} REC {clock(view.recorded_s, tenths=False)} "))
            tags.append(("", one_line(view.recording)))
        spaced: Line = []
        for tag in tags:                # before the name, which is what a narrow terminal may cut off
            spaced += [tag, ("", "" if tag[0] == "bold red" else "  ")]
        spaced += [("bold cyan", "flowaudio live"), ("", f"  {one_line(view.graph)}")]
        return _ends(spaced, clock(view.stats.time_s, tenths=False), width)

    def _meters(self, view: View, width: int, room: int) -> list[Line]:
        """A bar for each channel, and the scale; fewer channels where there is no room for all."""
        rows: list[tuple[str, Levels, int]] = []
        for name, levels in (("in", view.levels_in), ("out", view.levels_out)):
            if levels is not None:
                rows += [(name, levels, c) for c in range(len(levels.peak))]
        wide = max(width - LABEL - NUMBERS, 8)
        shown = rows if len(rows) < room else [row for row in rows if row[2] < max((room - 1) // 2, 1)]
        lines = []
        for name, levels, c in shown[:room]:
            grey = name == "out" and (view.muted or view.bypassed)
            drawn = bar(levels.rms[c], levels.peak[c], levels.hold[c], wide, self._glyphs)
            over = "bold white on red" if levels.highest[c] >= 0.0 else ""
            lines.append([("bold", f"{name:<4}" if c == 0 else "    "), ("dim", _channel(c, len(levels.peak)) + " "),
                          *([("dim", text) for _, text in drawn] if grey else drawn),
                          ("", short_db(levels.rms[c], self._glyphs, 7)), ("", " "),
                          (over, short_db(levels.hold[c], self._glyphs))])
        if len(lines) < room:
            lines.append([("dim", " " * LABEL + scale(wide) + "    rms   peak")])
        return lines

    def _loudness(self, view: View) -> Line:
        told = view.loudness
        line: Line = [("bold", "loud  ")]
        for name, value in (("M", told.momentary_lufs), ("S", told.short_term_lufs), ("I", told.integrated_lufs)):
            line += [("dim", f"{name} "), ("", short_db(value, self._glyphs, 5)), ("", "  ")]
        over = "bold white on red" if told.true_peak_dbtp > 0.0 else ""
        line += [("dim", "LUFS   true peak "), (over, short_db(told.true_peak_dbtp, self._glyphs, 5)), ("dim", " dBTP")]
        clipped = view.levels_out.clipped
        if clipped:
            line += [("", "   "), ("bold red", f"{clipped} clipped")]
        return line

    def _reductions(self, view: View, width: int) -> list[Line]:
        """By how much each node turns down: as many side by side as there is room for."""
        names = list(view.reductions)
        longest = min(max(len(one_line(name)) for name in names), 16)
        length = 12
        each = longest + length + 9
        abreast = max((width - LABEL) // each, 1)
        lines: list[Line] = []
        for start in range(0, len(names), abreast):
            line: Line = [("bold", "gain  " if start == 0 else " " * LABEL)]
            for name in names[start:start + abreast]:
                down = view.reductions[name]
                reach = min(round(down / 24.0 * length + 0.4), length) if down > -QUIET_DB else 0
                line += [("", f"{one_line(name)[:longest]:<{longest}} "),
                         ("magenta", (self._glyphs.lying[-1] * reach).ljust(length)),
                         ("", f"{-down if down > -QUIET_DB else 0.0:6.1f}"), ("", "  ")]
            lines.append(line)
        return lines

    def _bands(self, view: View, width: int, room: int) -> list[Line]:
        rows = min(room - 1 - (room > LEAST_ROWS + 4), MOST_ROWS)
        if rows < LEAST_ROWS or width < 24:
            return []
        inside = width - LABEL
        wide = max(-(-inside // MOST_BANDS), 2)
        count = inside // wide
        now = time.monotonic()
        spectrum = self._spectrum
        if spectrum is None or (spectrum.rate, spectrum.bands) != (view.rate, count):
            spectrum = self._spectrum = Spectrum(view.rate, count)
        levels = spectrum.follow(view.sound, now - self._at)
        self._at = now
        drawn = columns(levels, rows, wide, LOW_DB, 0.0, self._glyphs)
        lines: list[Line] = []
        for k, text in enumerate(drawn):
            db = LOW_DB * k / rows
            label = f"{round(db):4d}  " if k % 2 == 0 else " " * LABEL
            lines.append([("dim", label), ("cyan" if db < -12 else "yellow" if db < -3 else "red", text)])
        lines.append([("dim", " " * LABEL + axis(spectrum.edges_hz, wide))])
        return lines

    def _help(self, room: int) -> list[Line]:
        return [[("bold", f"  {key:<12}"), ("", text)] for key, text in HELP][:max(room, 0)]

    def _events(self, view: View, width: int, room: int) -> list[Line]:
        """What is being done, and what has happened last; a fault in full."""
        lines: list[Line] = [[("bold", view.status)]] if view.status else []
        told: list[Line] = []
        for event in reversed(view.events):
            good = event.kind in GOOD
            text = one_line(event.text)
            parts = textwrap.wrap(text, max(width - AT, 20), max_lines=1 if told else room, placeholder=" …") or [""]
            head = [(("dim", f"{clock(event.at_s):>7}  "), ("" if good else "yellow", parts[0]))]
            tail = [(("", " " * AT), ("" if good else "yellow", part)) for part in parts[1:]]
            told = [*map(list, head + tail), *told]
        lines += told[-max(room - len(lines), 0):] if room > len(lines) else []
        return lines[:room] + [[] for _ in range(room - len(lines))]


def _channel(c: int, count: int) -> str:
    return ("LR"[c] if count == 2 else f"{c + 1}"[-1] if count > 1 else " ")


def _devices(view: View, width: int) -> Line:
    return _ends([("dim", one_line(view.route))], f"{rate(view.rate)}  latency {view.stats.latency_ms:.1f} ms", width)


def _counters(view: View) -> Line:
    stats = view.stats
    load = view.load
    line: Line = [("bold", "load  "), ("bold red" if load > 0.7 else "yellow" if load > 0.4 else "", _percent(load))]
    xruns = max(stats.underruns, stats.overruns) + stats.late_blocks    # a driver tells one fault as both
    line += [("bold", "   xruns "), ("bold red" if xruns else "", str(xruns))]
    if xruns:
        line.append(("", f" ({stats.underruns} under, {stats.overruns} over, {stats.late_blocks} late)"))
    if stats.gaps:
        line += [("bold", "   gaps "), ("yellow", f"{stats.gaps} ({stats.gap_s:.1f} s)")]
    if stats.howls:
        line += [("bold", "   howls "), ("yellow", str(stats.howls))]
    heavy = sorted(((part, name) for name, part in stats.node_loads.items() if name not in view.own), reverse=True)[:3]
    named = "  ".join(f"{one_line(name)[:16]} {_percent(part)}" for part, name in heavy if part >= 0.0005)
    if named:
        line.append(("dim", f"   of the load: {named}"))
    return line


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def _ends(left: Line, right: str, width: int) -> Line:
    """Something at the left end, something at the right one, which is kept if there is no room for both."""
    room = width - len(right) - 1
    used = 0
    made: Line = []
    for style, text in left:
        (style, text), = fitted([(style, text)], room - used) or [(style, "")]
        used += cell_len(text)
        made.append((style, text))
    return [*made, ("", " " * (max(room - used, 0) + 1)), ("dim", right)]
