"""A report as a picture: waveform, loudness, what was found, spectrogram. Needs matplotlib, loaded here only."""

import importlib.util
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.io.codecs import failure
from flowaudio.io.target import Target
from flowaudio.stream.faults import named
from flowaudio.stream.lanes import found, lanes_of, shade
from flowaudio.stream.look import (
    BAD,
    CARD,
    FAINT,
    FAIR,
    GOOD,
    INK,
    PAPER,
    clock,
    fitting,
    number,
    style,
    time_axis,
    width_pt,
)
from flowaudio.stream.panels import loudness, spectrum, wave
from flowaudio.stream.report import Report
from flowaudio.stream.score import FREE
from flowaudio.stream.summary import channels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "check_picture", "draw", "figure"]

FORMATS = ("png", "pdf", "svg", "jpg", "webp")
SIZE_IN, DPI = (16.0, 9.0), 100
WIDTH_PT = 72 * SIZE_IN[0]
LEFT, WIDTH = 0.1, 0.865
OUT_OF_PHASE = -0.1
"""Correlation below which mono loses something. That of two noises, which have nothing to do with each other, lies
around 0."""


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


def figure(report: Report) -> "Figure":
    """The picture, as a figure of matplotlib's."""
    view = report.overview
    if view is None:
        raise ParameterError("the report has no overview to draw: it was not made by analyze()")
    from matplotlib.figure import Figure

    drawn = Figure(figsize=SIZE_IN, facecolor=PAPER)
    _header(drawn, report)
    _cards(drawn, report)
    lanes = lanes_of(report.events)
    lane_height = 0.026 * max(len(lanes), 1)
    top, gap = 0.775, 0.022
    height = top - 0.06 - lane_height - 3 * gap
    waves = drawn.add_axes((LEFT, top - 0.27 * height, WIDTH, 0.27 * height))
    loud = drawn.add_axes((LEFT, top - 0.52 * height - gap, WIDTH, 0.25 * height), sharex=waves)
    faults = drawn.add_axes((LEFT, top - 0.52 * height - 2 * gap - lane_height, WIDTH, lane_height), sharex=waves)
    tones = drawn.add_axes((LEFT, 0.06, WIDTH, 0.48 * height), sharex=waves)
    wave(waves, report, view)
    loudness(loud, report, view)
    spectrum(tones, report, view)
    for axes in (waves, loud, faults, tones):
        style(axes)
    found(faults, report, lanes)
    for axes in (waves, loud, faults):
        axes.tick_params(axis="x", labelbottom=False, length=0)
    tones.grid(visible=False)
    shade((waves, loud), report, lanes)
    time_axis(tones, report.duration_s)         # all four share it
    return drawn


def _header(drawn: "Figure", report: Report) -> None:
    """The name, what kind of sound it is, and what must be known first."""
    name = Path(report.source).name or report.source
    title, size = fitting(name, 19, 0.95 * WIDTH_PT, "bold", least=12)
    drawn.text(0.02, 0.945, title, size=size, weight="bold", color=INK, va="center", parse_math=False)
    about = [f"{report.sample_rate / 1000:g} kHz", channels(report.channels), _length(report.duration_s)]
    if report.tempo_bpm is not None:
        about.append(f"{report.tempo_bpm:.0f} bpm")
    if report.bandwidth_hz is not None:
        about.append(f"bandwidth {report.bandwidth_hz / 1000:.1f} kHz")
    about += [named(kind) for kind in sorted(FREE) if any(event.kind == kind for event in report.events)]
    line = "   ·   ".join(about)
    drawn.text(0.02, 0.905, line, size=11.5, color=FAINT, va="center", parse_math=False)
    said = report.damage.replace(report.source, name) or _first_reason(report)
    if said:
        said, size = fitting(said, 10.5, 0.93 * WIDTH_PT - width_pt(line, 11.5))
        drawn.text(0.97, 0.905, said, size=size, color=BAD if report.damage else FAINT, va="center", ha="right",
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
    faults = sum(event.kind not in FREE for event in report.events) + report.events_left_out
    cards = [
        ("quality", number(score, 2), "of 1", colour),
        ("integrated", number(report.integrated_lufs), "LUFS", INK),
        ("range", number(report.loudness_range_lu), "LU", INK),
        ("max short-term", number(report.max_short_term_lufs), "LUFS", INK),
        ("true peak", number(report.true_peak_dbtp), "dBTP", BAD if (report.true_peak_dbtp or -1) > 0 else INK),
        ("RMS", number(report.rms_dbfs), "dBFS", INK),
        ("dynamic range", number(report.dynamic_range_db), "dB", INK),
        ("noise floor", number(report.noise_floor_dbfs), "dBFS", INK),
        ("correlation", number(report.correlation, 2), "", BAD if (report.correlation or 0) < OUT_OF_PHASE else INK),
        ("found", str(faults), "event" if faults == 1 else "events", INK),
    ]
    from matplotlib.patches import FancyBboxPatch

    width = 0.96 / len(cards)
    for place, (name, value, unit, ink) in enumerate(cards):
        left = 0.02 + place * width
        drawn.add_artist(FancyBboxPatch((left, 0.806), width - 0.008, 0.068, facecolor=CARD, edgecolor="none",
                                        boxstyle="round,pad=0,rounding_size=0.006", mutation_aspect=16 / 9))
        drawn.text(left + 0.008, 0.856, name, size=9, color=FAINT, va="baseline")
        _, size = fitting(value, 17, (width - 0.030) * WIDTH_PT - width_pt(unit, 9), "bold")
        drawn.text(left + 0.008, 0.819, value, size=size, weight="bold", color=ink, va="baseline")
        drawn.text(left + width - 0.014, 0.819, unit, size=9, color=FAINT, va="baseline", ha="right")


def _length(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 60 else clock(seconds)
