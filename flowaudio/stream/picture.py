"""A report as a picture: waveform, loudness, what was found, spectrogram. Needs matplotlib, loaded here only."""

import importlib.util
import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.io.codecs import failure
from flowaudio.io.target import Target
from flowaudio.stream.faults import Finding, moment, named
from flowaudio.stream.report import Report
from flowaudio.stream.score import FREE
from flowaudio.stream.summary import channels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "check_picture", "draw", "figure"]

Array = np.ndarray[Any, Any]

FORMATS = ("png", "pdf", "svg", "jpg", "webp")
SIZE_IN, DPI = (16.0, 9.0), 100

INK, FAINT, GRID, PAPER, CARD = "#1b2530", "#71808f", "#dfe5ea", "#ffffff", "#f3f6f8"
WAVE, WAVE_EDGE, MOMENTARY, SHORT, TARGET = "#4d7ea8", "#2f5d86", "#a9c3d9", "#d8572a", "#2a9d6f"
GOOD, FAIR, BAD = "#2a9d6f", "#e0a030", "#c8372d"
PALETTE = ("#c8372d", "#8e44ad", "#e08e0b", "#0b7285", "#d6336c", "#5c940d", "#364fc7", "#862e9c", "#a0522d", "#495057")

LEFT, WIDTH = 0.1, 0.865
LANES = 9
"""Kinds that have a lane of their own; the others share the last."""
MARKS = 400
LOWEST_LUFS = -60.0
SHOWN_DB = 90.0
"""Depth of the spectrogram."""
LOWEST_HZ, ROWS = 30.0, 360
TICKS_HZ = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 80_000)


def check_picture(path: str | os.PathLike[str]) -> str:
    """The format of a picture, by its suffix. ParameterError where it cannot be drawn, said before any work is done."""
    suffix = Path(path).suffix.lower().removeprefix(".").replace("jpeg", "jpg")
    if suffix not in FORMATS:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise ParameterError(f"a picture's name ends in {known} (got {os.fspath(path)!r})")
    if importlib.util.find_spec("matplotlib") is None:
        raise ParameterError("a picture needs matplotlib: pip install 'flowaudio[plot]'")
    return suffix


def draw(report: Report, path: str | os.PathLike[str]) -> None:
    """Draw a report into a file, which appears when it is whole. ParameterError, TargetError."""
    suffix = check_picture(path)
    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a file's name may have letters that the font has not
        figure(report).savefig(made, format=suffix, dpi=DPI, facecolor=PAPER)
    try:
        target = Target(path)
    except OSError as error:
        raise failure(TargetError, os.fspath(path), error) from error
    try:
        target.write(made.getvalue())
        target.commit()
    except OSError as error:
        target.discard()
        raise failure(TargetError, os.fspath(path), error) from error
    except BaseException:
        target.discard()
        raise


class _Lane(NamedTuple):
    """Findings that are drawn in one line."""

    name: str
    colour: str
    events: list[Finding]


def figure(report: Report) -> "Figure":
    """The picture, as a figure of matplotlib's."""
    if report.overview is None:
        raise ParameterError("the report has no overview to draw: it was not made by analyze()")
    from matplotlib.figure import Figure

    drawn = Figure(figsize=SIZE_IN, facecolor=PAPER)
    _header(drawn, report)
    _cards(drawn, report)
    lanes = _lanes(report.events)
    lane_height = 0.026 * max(len(lanes), 1)
    top, gap = 0.775, 0.022
    height = top - 0.06 - lane_height - 3 * gap
    wave = drawn.add_axes((LEFT, top - 0.27 * height, WIDTH, 0.27 * height))
    loud = drawn.add_axes((LEFT, top - 0.52 * height - gap, WIDTH, 0.25 * height), sharex=wave)
    found = drawn.add_axes((LEFT, top - 0.52 * height - 2 * gap - lane_height, WIDTH, lane_height), sharex=wave)
    spectrum = drawn.add_axes((LEFT, 0.06, WIDTH, 0.48 * height), sharex=wave)
    _wave(wave, report)
    _loudness(loud, report)
    _found(found, report, lanes)
    _spectrum(spectrum, report)
    for axes in (wave, loud, found, spectrum):
        _style(axes)
        axes.set_xlim(0, max(report.duration_s, 1e-3))
    for axes in (wave, loud, found):
        axes.tick_params(axis="x", labelbottom=False, length=0)
    for label, lane in zip(found.get_yticklabels(), lanes, strict=False):
        label.set_color(lane.colour)
    spectrum.grid(visible=False)
    _shade((wave, loud), report, lanes)
    spectrum.xaxis.set_major_formatter(lambda value, _: _clock(value, report.duration_s))
    return drawn


def _header(drawn: "Figure", report: Report) -> None:
    name = Path(report.source).name or report.source
    name = name if len(name) <= 70 else f"{name[:45]}…{name[-22:]}"
    drawn.text(0.02, 0.945, name, size=19, weight="bold", color=INK, va="center", parse_math=False)
    about = [f"{report.sample_rate / 1000:g} kHz", channels(report.channels), _length(report.duration_s)]
    if report.tempo_bpm is not None:
        about.append(f"{report.tempo_bpm:.0f} bpm")
    if report.bandwidth_hz is not None:
        about.append(f"bandwidth {report.bandwidth_hz / 1000:.1f} kHz")
    drawn.text(0.02, 0.905, "   ·   ".join(about), size=11.5, color=FAINT, va="center", parse_math=False)
    said = report.damage or _first_reason(report)
    if said:
        drawn.text(0.97, 0.905, said[:140], size=10.5, color=BAD if report.damage else FAINT, va="center", ha="right",
                   parse_math=False)


def _first_reason(report: Report) -> str:
    why = report.reasons.get("integrated_lufs", "")
    return f"no loudness: {why}" if why else ""


def _cards(drawn: "Figure", report: Report) -> None:
    """A strip of the main numbers; the score first."""
    score = report.quality_score
    colour = FAINT if score is None else GOOD if score >= 0.9 else FAIR if score >= 0.7 else BAD
    if report.low_quality:
        colour = BAD
    cards = [
        ("quality", "–" if score is None else f"{score:.2f}", "of 1", colour),
        ("integrated", _number(report.integrated_lufs), "LUFS", INK),
        ("range", _number(report.loudness_range_lu), "LU", INK),
        ("max short-term", _number(report.max_short_term_lufs), "LUFS", INK),
        ("true peak", _number(report.true_peak_dbtp), "dBTP", BAD if (report.true_peak_dbtp or -1) > 0 else INK),
        ("RMS", _number(report.rms_dbfs), "dBFS", INK),
        ("dynamic range", _number(report.dynamic_range_db), "dB", INK),
        ("noise floor", _number(report.noise_floor_dbfs), "dBFS", INK),
        ("correlation", _number(report.correlation, 2), "", BAD if (report.correlation or 0) < 0 else INK),
        ("found", str(len(report.events) + report.events_left_out), "events", INK),
    ]
    from matplotlib.patches import FancyBboxPatch

    width = 0.96 / len(cards)
    for place, (name, value, unit, ink) in enumerate(cards):
        left = 0.02 + place * width
        drawn.add_artist(FancyBboxPatch((left, 0.806), width - 0.008, 0.068, facecolor=CARD, edgecolor="none",
                                        boxstyle="round,pad=0,rounding_size=0.006", mutation_aspect=16 / 9))
        drawn.text(left + 0.008, 0.861, name, size=9, color=FAINT, va="center")
        drawn.text(left + 0.008, 0.828, value, size=17, weight="bold", color=ink, va="center")
        drawn.text(left + width - 0.014, 0.825, unit, size=9, color=FAINT, va="center", ha="right")


def _wave(axes: "Axes", report: Report) -> None:
    """What is lowest and highest in each column: of each of two channels, else of all."""
    view = report.overview
    assert view is not None
    count = len(view.lowest)
    top = max(float(np.abs(np.concatenate([view.lowest, view.highest])).max()) if count else 0.0, 1e-4)
    top = 1.0 if 0.3 < top <= 1.05 else 1.08 * top
    if report.channels == 2:
        rows = [(view.lowest[:, c], view.highest[:, c], offset, "LR"[c]) for c, offset in ((0, top), (1, -top))]
        axes.set_ylim(-2 * top, 2 * top)
    else:
        rows = [(view.lowest.min(axis=1, initial=0), view.highest.max(axis=1, initial=0), 0.0, "")]
        axes.set_ylim(-top, top)
    edges = np.append(np.arange(count) * view.wave_s, report.duration_s) if count else np.zeros(0)
    for low, high, offset, name in rows:
        if count:
            axes.fill_between(edges, offset + np.append(low, low[-1]), offset + np.append(high, high[-1]), step="post",
                              facecolor=WAVE, edgecolor=WAVE_EDGE, linewidth=0.4)
        axes.axhline(offset, color=WAVE_EDGE, linewidth=0.5, alpha=0.5)
        if name:
            box = {"facecolor": PAPER, "alpha": 0.7, "edgecolor": "none", "pad": 1.5}
            axes.text(0.004, 0.75 if offset > 0 else 0.25, name, transform=axes.transAxes, size=9, color=INK,
                      weight="bold", va="center", bbox=box)
    if report.channels == 2:
        axes.axhline(0, color=GRID, linewidth=1)
    tick = 10.0 ** np.floor(np.log10(top))
    tick *= 0.5 if top < 2 * tick else 1 if top < 5 * tick else 2
    marks = [sign * tick for sign in (-1, 0, 1)]
    axes.set_yticks([offset + mark for *_, offset, _ in rows for mark in marks],
                    [f"{mark:g}" for _ in rows for mark in marks])
    axes.set_ylabel("waveform")


def _loudness(axes: "Axes", report: Report) -> None:
    view = report.overview
    assert view is not None
    momentary, short = (np.maximum(each, LOWEST_LUFS) for each in (view.momentary_lufs, view.short_term_lufs))
    at = np.minimum((np.arange(len(momentary)) + 1) * view.loudness_s, report.duration_s)
    heard = momentary[momentary > LOWEST_LUFS]
    low = max(min(float(np.percentile(heard, 2)) - 6, -30.0), LOWEST_LUFS) if heard.size else LOWEST_LUFS
    high = max(float(heard.max()) + 4 if heard.size else -10.0, low + 20, (report.target_lufs or low) + 4)
    axes.fill_between(at, low, np.maximum(momentary, low), color=MOMENTARY, linewidth=0, label="momentary")
    axes.plot(at, short, color=SHORT, linewidth=1.8, label="short-term")
    if report.integrated_lufs is not None:
        axes.axhline(report.integrated_lufs, color=INK, linewidth=1.1, linestyle=(0, (5, 3)),
                     label=f"integrated {report.integrated_lufs:.1f}")
    if report.target_lufs is not None:
        axes.axhline(report.target_lufs, color=TARGET, linewidth=1.3, linestyle=(0, (2, 2)),
                     label=f"target {report.target_lufs:g}")
    axes.set_ylim(low, high)
    axes.set_ylabel("LUFS")
    axes.legend(loc="lower right", ncols=4, fontsize=8.5, frameon=True, facecolor=PAPER, edgecolor="none",
                framealpha=0.85, borderpad=0.3, handlelength=1.6, columnspacing=1.2)


def _lanes(events: Iterable[Finding]) -> list[_Lane]:
    """Kinds of faults, the most frequent first. What is told of the whole sound needs no place."""
    kinds: dict[str, list[Finding]] = {}
    for event in events:
        if event.kind not in FREE:
            kinds.setdefault(event.kind, []).append(event)
    order = sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))
    own = order if len(order) <= LANES else order[:LANES - 1]
    lanes = [_Lane(named(kind), PALETTE[place % len(PALETTE)], kinds[kind]) for place, kind in enumerate(own)]
    rest = [event for kind in order[len(own):] for event in kinds[kind]]
    return [*lanes, _Lane("others", PALETTE[-1], rest)] if rest else lanes


def _found(axes: "Axes", report: Report, lanes: list[_Lane]) -> None:
    """A line for each kind, with a bar where it was found."""
    least = report.duration_s / 500
    for row, lane in enumerate(lanes):
        spans = [(event.start_s, max(event.end_s - event.start_s, least)) for event in lane.events[:MARKS]]
        axes.broken_barh(spans, (row - 0.36, 0.72), facecolors=lane.colour, linewidth=0)
        axes.axhline(row, color=GRID, linewidth=0.8, zorder=0)
        _name_places(axes, lane, row, report.duration_s)
    axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(lanes)), [f"{lane.name}  {len(lane.events)}" if len(lane.events) > 1 else lane.name
                                        for lane in lanes])
    if not lanes:
        axes.text(0.5, 0.5, "nothing wrong was found", transform=axes.transAxes, ha="center", va="center", size=10,
                  color=GOOD)
        axes.set_yticks([])


def _name_places(axes: "Axes", lane: _Lane, row: int, duration_s: float) -> None:
    """When it was, beside the bars, as long as there is room."""
    if len(lane.events) > 12:
        return
    events = sorted(lane.events, key=lambda each: each.start_s)
    for place, event in enumerate(events):
        right = max(event.end_s, event.start_s + duration_s / 500)
        room = min((other.start_s for other in events[place + 1:]), default=duration_s) - right
        if room > 0.05 * duration_s:
            axes.text(right + 0.003 * duration_s, row, _clock(event.start_s, duration_s, exact=True), size=7.5,
                      color=lane.colour, va="center", parse_math=False)


def _shade(panels: Iterable["Axes"], report: Report, lanes: list[_Lane]) -> None:
    """The places of what was found, behind waveform and loudness."""
    for lane in lanes:
        for event in lane.events[:60]:
            whole = event.end_s - event.start_s > 0.95 * report.duration_s
            for axes in panels:
                if not whole:
                    axes.axvspan(event.start_s, max(event.end_s, event.start_s + report.duration_s / 1500),
                                 color=lane.colour, alpha=0.16, linewidth=0, zorder=0.5)


def _spectrum(axes: "Axes", report: Report) -> None:
    """Frequencies on the mel scale: linear up to about 1 kHz, then logarithmic."""
    view = report.overview
    assert view is not None
    top_hz = report.sample_rate / 2
    low, high = _mel(min(LOWEST_HZ, top_hz / 4)), _mel(top_hz)
    axes.set_ylim(low, high)
    ticks: list[int] = []
    for hz in TICKS_HZ:
        if low < _mel(hz) < high and (not ticks or _mel(hz) - _mel(ticks[-1]) > 0.05 * (high - low)):
            ticks.append(hz)
    axes.set_yticks([_mel(hz) for hz in ticks], [f"{hz // 1000} k" if hz >= 1000 else str(hz) for hz in ticks])
    axes.set_ylabel("Hz")
    axes.set_facecolor("#000004")
    if not len(view.spectrum_db):
        return
    image = _rows(view.spectrum_db, view.spectrum_hz, low, high)
    loudest = max(float(np.percentile(image, 99.9)), -80.0)
    end = min(len(image) * view.spectrum_s, report.duration_s)
    drawn = axes.imshow(image.T, origin="lower", aspect="auto", extent=(0, end, low, high), cmap="magma",
                        vmin=loudest - SHOWN_DB, vmax=loudest, interpolation="bilinear")
    inset = axes.inset_axes((1.006, 0.0, 0.008, 1.0))
    bar = axes.figure.colorbar(drawn, cax=inset)
    bar.outline.set_visible(False)
    inset.tick_params(labelsize=7.5, colors=FAINT, length=0, pad=2)


def _rows(power_db: Array, hz: Array, low: float, high: float) -> Array:
    """float32 [columns, ROWS]: the loudest bin of each row, or between two bins where they are further apart."""
    edges = _hz(np.linspace(low, high, ROWS + 1))
    middles = np.sqrt(edges[1:] * edges[:-1])
    place = np.interp(middles, hz, np.arange(hz.size))
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, hz.size - 1)
    part = (place - below).astype(np.float32)
    rows = (1 - part) * power_db[:, below] + part * power_db[:, above]
    first, last = np.searchsorted(hz, edges[:-1]), np.searchsorted(hz, edges[1:])
    for row in np.flatnonzero(last - first > 1):
        rows[:, row] = power_db[:, first[row]:last[row]].max(axis=1)
    return np.asarray(rows)


def _mel(hz: float) -> float:
    return 2595.0 * float(np.log10(1.0 + hz / 700.0))


def _hz(mel: Array) -> Array:
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))


def _style(axes: "Axes") -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    axes.yaxis.label.set_color(FAINT)
    axes.yaxis.label.set_fontsize(9)
    axes.yaxis.set_label_coords(-0.055, 0.5)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _length(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 60 else _clock(seconds, seconds)


def _clock(seconds: float, duration_s: float, exact: bool = False) -> str:
    """As short as the length of the whole allows."""
    full = moment(max(seconds, 0.0))
    if exact:
        return full[:-1] if duration_s < 60 else full[:-4]
    if duration_s < 0.5:
        return full
    return full[:-2] if duration_s < 20 else full[:-4]
