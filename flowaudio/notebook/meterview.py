"""Meters as a page: bars for levels and gain reduction, loudness, load, what was counted, the last events."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowaudio.core.errors import FlowaudioError
from flowaudio.live.events import Event
from flowaudio.live.stats import Stats
from flowaudio.notebook.svg import escaped
from flowaudio.stream.metering import Levels, Metered, Meters

__all__ = ["MeterView"]

FLOOR_DB = -60.0
"""Where a bar begins."""

MOST_REDUCTION_DB = 24.0
SHOWN = 4
COUNTED = ("underrun", "overrun", "late")
"""Events that the counters tell of already."""

LOAD_S = 1.0
"""Over which the load is told."""

SILENCE_DB = -159.0
LOUD, FAIR, GOOD = "#c8372d", "#e0a030", "#2a9d6f"
ROW = "display:grid;grid-template-columns:130px 1fr 170px;gap:8px;align-items:center;height:15px"


class MeterView:
    """Reads an engine, and writes what it read as HTML. To be asked about ten times a second."""

    def __init__(self, engine: Any, names: Metered) -> None:
        self.meters = Meters(engine, names)
        self._engine = engine
        self._load = (0.0, 0.0, 0.0)    # busy and passed seconds when last looked at; the load since then

    def html(self) -> str:
        """Everything, now."""
        return "".join(self._rows())

    def _rows(self) -> Iterator[str]:
        yield '<div class="flowaudio-meters" style="font:12px system-ui,sans-serif;max-width:760px;line-height:1.3">'
        engine, meters = self._engine, self.meters
        try:
            for name, levels in (("in", meters.input()), ("out", meters.output())):
                if levels is not None:
                    yield from _levels(name, levels)
            told = meters.loudness()
            yield (f'<div style="margin:3px 0"><b>{_db(told.momentary_lufs)}</b> LUFS momentary, '
                   f"{_db(told.short_term_lufs)} short-term, {_db(told.integrated_lufs)} integrated, true peak "
                   f"{_db(told.true_peak_dbtp)} dBTP</div>")
            yield from _reductions(meters.reductions())
        except FlowaudioError:          # the graph has just been swapped
            pass
        stats = engine.stats
        yield f'<div style="opacity:.85;margin:3px 0">{escaped(self._counted(stats))}</div>'
        yield from _events([event for event in engine.events if event.kind not in COUNTED])
        yield "</div>"

    def _counted(self, stats: Stats) -> str:
        busy, passed, load = self._load
        if stats.time_s - passed >= LOAD_S or not passed:
            load = (stats.load * stats.time_s - busy) / max(stats.time_s - passed, 1e-9)
            self._load = stats.load * stats.time_s, stats.time_s, load
        parts = [_clock(stats.time_s), f"load {100 * load:.1f} % (slowest block {100 * stats.peak_load:.0f} %)",
                 f"xruns {stats.underruns + stats.overruns}, late blocks {stats.late_blocks}",
                 f"latency {stats.latency_ms:.1f} ms"]
        if stats.gaps:
            parts.append(f"device lost {stats.gaps} times")
        if not stats.running:
            parts.append("no device")
        return "  ·  ".join(parts)


def _levels(name: str, levels: Levels) -> Iterator[str]:
    clipped = f", {levels.clipped} clipped" if levels.clipped else ""
    for c, (peak, rms, hold) in enumerate(zip(levels.peak, levels.rms, levels.hold, strict=True)):
        label = name if len(levels.peak) == 1 else f"{name} {c + 1}"
        yield (f'<div style="{ROW}"><span>{label}</span>{_bar(peak, rms, hold)}'
               f'<span style="font-variant-numeric:tabular-nums">{_db(peak)} dBFS, RMS {_db(rms)}{clipped}</span>'
               "</div>")


def _bar(peak: float, rms: float, hold: float) -> str:
    tone = LOUD if peak >= -0.1 else FAIR if peak >= -9 else GOOD
    return (f'<div style="position:relative;height:10px;background:#8883;border-radius:2px;overflow:hidden" '
            f'data-peak="{peak:.2f}">'
            f'<div style="position:absolute;height:10px;width:{_part(peak):.1f}%;background:{tone};opacity:.45"></div>'
            f'<div style="position:absolute;height:10px;width:{_part(rms):.1f}%;background:{tone}"></div>'
            f'<div style="position:absolute;height:10px;width:2px;left:{_part(hold):.1f}%;background:currentColor">'
            f"</div></div>")


def _part(db: float) -> float:
    return 100.0 * min(max(1.0 - db / FLOOR_DB, 0.0), 1.0) if math.isfinite(db) else 0.0


def _reductions(found: Mapping[str, float]) -> Iterator[str]:
    for name, reduction in found.items():
        width = 100.0 * min(max(abs(reduction) / MOST_REDUCTION_DB, 0.0), 1.0)
        yield (f'<div style="{ROW}"><span>{escaped(name)}</span>'
               f'<div style="height:8px;background:#8883;border-radius:2px;overflow:hidden;display:flex;'
               f'justify-content:flex-end"><div style="height:8px;width:{width:.1f}%;background:#8a63d2"></div></div>'
               f"<span>turns down {abs(reduction):.1f} dB</span></div>")


def _events(events: Sequence[Event]) -> Iterator[str]:
    for event in events[-SHOWN:]:
        yield f'<div style="opacity:.75">{_clock(event.at_s)} {escaped(event.text)}</div>'


def _db(value: float) -> str:
    return f"{value:.1f}" if value > SILENCE_DB else "−∞"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
