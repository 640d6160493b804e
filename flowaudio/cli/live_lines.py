"""What `live` says where there is no terminal: a plain line a second for people, a line of JSON for programs; and what
it has come to at the end.
"""

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from flowaudio.cli.failures import one_line
from flowaudio.cli.live_screen import View
from flowaudio.cli.output import clock, facts
from flowaudio.live.events import Event
from flowaudio.live.filling import facts as facts_of
from flowaudio.live.stats import Stats
from flowaudio.stream.metering import Levels

__all__ = ["event_line", "json_line", "plain_line", "print_event", "print_json_line", "summary", "tell_summary"]

SILENCE_DB = -159.0


def plain_line(view: View) -> str:
    """Levels and counters, in one line."""
    stats, told = view.stats, view.loudness
    levels = [f"{name} {_levels(each)}" for name, each in (("in", view.levels_in), ("out", view.levels_out))
              if each is not None]
    lufs = " ".join(f"{name} {_short(value)}" for name, value in (
        ("M", told.momentary_lufs), ("S", told.short_term_lufs), ("I", told.integrated_lufs)))
    down = "".join(f"  {one_line(name)} {-value if value > 0.05 else 0.0:.1f} dB"
                   for name, value in view.reductions.items())
    more = "" if stats.running else "  no device"
    more += "".join(f"  {word}" for word, so in (("muted", view.muted), ("bypassed", view.bypassed)) if so)
    xruns = max(stats.underruns, stats.overruns) + stats.late_blocks    # a driver tells one fault as both
    return (f"{clock(stats.time_s, tenths=False):>5}  {'  '.join(levels)} dBFS  {lufs} LUFS{down}  "
            f"load {100 * view.load:.1f} %  xruns {xruns}  gaps {stats.gaps}{more}")


def _levels(levels: Levels) -> str:
    return " ".join(map(_short, levels.peak))


def _short(value: float) -> str:
    return f"{value:.1f}" if value > SILENCE_DB else "-inf"


def json_line(view: View) -> dict[str, Any]:
    """The same, and more, for programs. Silence is null."""
    stats, told = view.stats, view.loudness
    return {
        "type": "status", "time_s": round(stats.time_s, 3), "running": stats.running, "realtime": stats.realtime,
        "in": _level_facts(view.levels_in), "out": _level_facts(view.levels_out),
        "loudness": {"momentary_lufs": _number(told.momentary_lufs), "short_term_lufs": _number(told.short_term_lufs),
                     "integrated_lufs": _number(told.integrated_lufs), "true_peak_dbtp": _number(told.true_peak_dbtp)},
        "gain_reduction_db": {name: _number(value) for name, value in view.reductions.items()},
        "load": round(view.load, 5), "peak_load": round(stats.peak_load, 5),
        "node_loads": {name: round(float(part), 6) for name, part in stats.node_loads.items()},
        "underruns": stats.underruns, "overruns": stats.overruns, "late_blocks": stats.late_blocks,
        "latency_ms": round(stats.latency_ms, 3), "gaps": stats.gaps, "gap_s": round(stats.gap_s, 3),
        "howls": stats.howls, "clock_ppm": round(float(stats.clock_ppm), 3), "node_silenced": stats.node_silenced,
        "recording": view.recording or None, "recorded_s": round(view.recorded_s, 3),
    }


def _level_facts(levels: Levels | None) -> dict[str, Any] | None:
    if levels is None:
        return None
    return {"peak_dbfs": list(map(_number, levels.peak)), "rms_dbfs": list(map(_number, levels.rms)),
            "clipped": levels.clipped}


def _number(value: float) -> float | None:
    return round(float(value), 2) if math.isfinite(value) and value > SILENCE_DB else None


def print_json_line(value: dict[str, Any]) -> None:
    """One object, in a line of its own, at once."""
    print(json.dumps(value, default=str, allow_nan=False), flush=True)


def event_line(event: Event) -> dict[str, Any]:
    """An event for programs. What a detector has found says where, and how strong it is, in full accuracy."""
    made: dict[str, Any] = {"type": "event", "kind": event.kind, "at_s": round(event.at_s, 3), "text": event.text}
    return {**made, **facts_of(event), "type": "event"} if event.node else made


def print_event(event: Event) -> None:
    """An event for people, on standard error."""
    print(f"flowaudio: {one_line(event.text)}", file=sys.stderr, flush=True)


def summary(view: View, seconds: float, recorded: Iterable[tuple[str, float]], saved: Iterable[str]) -> dict[str, Any]:
    """What it has come to, for programs."""
    last = json_line(view)
    highest = {name: _number(max(levels.highest)) if levels is not None else None
               for name, levels in (("in", view.levels_in), ("out", view.levels_out))}
    kept = ("time_s", "loudness", "peak_load", "underruns", "overruns", "late_blocks", "latency_ms", "gaps", "gap_s",
            "howls", "node_silenced")
    return {"type": "summary", "elapsed_s": round(seconds, 3), "max_peak_dbfs": highest,
            "load": round(view.stats.load, 5), "clipped": view.levels_out.clipped,
            "missed_frames": view.stats.missed_frames, **{name: last[name] for name in kept},
            "recorded": [{"output": path, "duration_s": round(length, 3)} for path, length in recorded],
            "saved": list(saved)}


def tell_summary(view: View, told: dict[str, Any]) -> None:
    """The same for people."""
    stats, peaks, loud = view.stats, told["max_peak_dbfs"], told["loudness"]
    facts(f"{view.graph} has played for {clock(told['time_s'])}", [
        ("Route", view.route),
        ("Highest", ", ".join(f"{name} {_unit(peaks[name], 'dBFS')}" for name, levels in (
            ("in", view.levels_in), ("out", view.levels_out)) if levels is not None)),
        ("Loudness", _unit(loud["integrated_lufs"], "LUFS") + f", true peak {_unit(loud['true_peak_dbtp'], 'dBTP')}"),
        ("Clipped", f"{told['clipped']} samples" if told["clipped"] else ""),
        ("Latency", f"{stats.latency_ms:.1f} ms"),
        ("Load", f"{100 * stats.load:.1f} % (the slowest block {100 * stats.peak_load:.0f} %)"),
        ("Xruns", _xruns(stats)),
        ("Gaps", f"{stats.gaps}, {stats.gap_s:.1f} s in all" if stats.gaps else ""),
        ("Silenced", ", ".join(f"{name} ({count} blocks)" for name, count in stats.node_silenced.items())),
        *(("Recorded", f"{each['output']} ({clock(each['duration_s'])})") for each in told["recorded"]),
        *(("Saved", path) for path in told["saved"]),
    ])


def _xruns(stats: Stats) -> str:
    if not stats.underruns + stats.overruns + stats.late_blocks:
        return "none"
    why = " (the system gives no real-time priority)" if stats.realtime is False else ""
    return f"{stats.underruns} underruns, {stats.overruns} overruns, {stats.late_blocks} late blocks{why}"


def _unit(value: float | None, unit: str) -> str:
    return "silence" if value is None else f"{value:.1f} {unit}"


