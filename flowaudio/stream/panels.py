"""The sound itself, in a picture of a report: waveform, loudness over time, spectrogram."""

from typing import TYPE_CHECKING, Any

import numpy as np

from flowaudio.stream.look import FAINT, GRID, INK, PAPER, number
from flowaudio.stream.overview import Overview
from flowaudio.stream.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["loudness", "spectrum", "wave"]

Array = np.ndarray[Any, Any]

WAVE, WAVE_EDGE, MOMENTARY, SHORT, TARGET = "#4d7ea8", "#2f5d86", "#a9c3d9", "#d8572a", "#2a9d6f"
MOMENTARY_S, SHORT_S = 0.4, 3.0
"""The windows of ITU-R BS.1770: before one is full, it reads as if there had been silence before the sound."""
LOWEST_LUFS = -60.0
SHOWN_DB = 90.0
"""Depth of the spectrogram."""
LOWEST_HZ, ROWS = 30.0, 360
TICKS_HZ = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 80_000)


def wave(axes: "Axes", report: Report, view: Overview) -> None:
    """What is lowest and highest in each column: of each of two channels, else of all."""
    count = len(view.lowest)
    top = float(np.abs(np.concatenate([view.lowest, view.highest])).max(initial=0.0))
    top = 1.0 if 0.3 < top <= 1.05 or not top else 1.08 * max(top, 1e-4)
    if report.channels == 2:
        rows = [(view.lowest[:, c], view.highest[:, c], offset, "LR"[c]) for c, offset in ((0, top), (1, -top))]
        axes.set_ylim(-2 * top, 2 * top)
        axes.axhline(0, color=GRID, linewidth=1)
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
    tick = 10.0 ** np.floor(np.log10(top))
    tick *= 0.5 if top < 2 * tick else 1 if top < 5 * tick else 2
    marks = [sign * tick for sign in (-1, 0, 1)]
    names = [f"{mark:g}".replace("-", "−") if mark or len(rows) == 1 else "" for mark in marks]
    axes.set_yticks([offset + mark for *_, offset, _ in rows for mark in marks], names * len(rows))
    axes.set_ylabel("waveform" if report.channels <= 2 else "all channels")


def loudness(axes: "Axes", report: Report, view: Overview) -> None:
    """Momentary and short-term loudness from where their windows are full, and the integrated one."""
    at = np.minimum((np.arange(len(view.momentary_lufs)) + 1) * view.loudness_s, report.duration_s)
    brief, longer = (np.flatnonzero(at >= window) for window in (MOMENTARY_S, SHORT_S))
    momentary, short = (np.maximum(each, LOWEST_LUFS) for each in (view.momentary_lufs, view.short_term_lufs))
    heard = momentary[brief]
    heard = heard[heard > LOWEST_LUFS]
    low = max(min(float(np.percentile(heard, 2)) - 6, -30.0), LOWEST_LUFS) if heard.size else LOWEST_LUFS
    high = max(float(heard.max()) + 4 if heard.size else -10.0, low + 20, (report.target_lufs or low) + 4)
    if brief.size:
        axes.fill_between(at[brief], low, np.maximum(momentary[brief], low), color=MOMENTARY, linewidth=0,
                          label="momentary")
    if longer.size:
        axes.plot(at[longer], short[longer], color=SHORT, linewidth=1.8, label="short-term")
    if report.integrated_lufs is not None:
        axes.axhline(report.integrated_lufs, color=INK, linewidth=1.1, linestyle=(0, (5, 3)),
                     label=f"integrated {number(report.integrated_lufs)}")
    if report.target_lufs is not None:
        axes.axhline(report.target_lufs, color=TARGET, linewidth=1.3, linestyle=(0, (2, 2)),
                     label=f"target {report.target_lufs:g}".replace("-", "−"))
    axes.set_ylim(low, high)
    axes.set_ylabel("LUFS")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", ncols=4, fontsize=8.5, frameon=True, facecolor=PAPER, edgecolor="none",
                    framealpha=0.85, borderpad=0.3, handlelength=1.6, columnspacing=1.2)


def spectrum(axes: "Axes", report: Report, view: Overview) -> None:
    """Frequencies on the mel scale: linear up to about 1 kHz, then logarithmic."""
    top_hz = report.sample_rate / 2
    low, high = _mel(min(LOWEST_HZ, top_hz / 4)), _mel(top_hz)
    axes.set_ylim(low, high)
    ticks: list[int] = []
    for hz in TICKS_HZ:
        if low < _mel(hz) < high and (not ticks or _mel(hz) - _mel(ticks[-1]) > 0.05 * (high - low)):
            ticks.append(hz)
    axes.set_yticks([_mel(hz) for hz in ticks], [f"{hz // 1000} k" if hz >= 1000 else str(hz) for hz in ticks])
    axes.set_ylabel("Hz")
    if not len(view.spectrum_db):
        if report.duration_s:
            axes.text(0.5, 0.5, "too short for a spectrogram", transform=axes.transAxes, ha="center", va="center",
                      size=10, color=FAINT)
        return
    power_db, begin_s = _spread(view, report)
    image = _rows(power_db, view.spectrum_hz, low, high)
    loudest = max(float(np.percentile(image, 99.9)), -80.0)
    extent = (begin_s, begin_s + len(image) * view.spectrum_s, low, high)
    drawn = axes.imshow(image.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=loudest - SHOWN_DB,
                        vmax=loudest, interpolation="bilinear")
    inset = axes.inset_axes((1.006, 0.0, 0.008, 1.0))
    bar = axes.figure.colorbar(drawn, cax=inset)
    bar.outline.set_visible(False)
    inset.tick_params(labelsize=7.5, colors=FAINT, length=0, pad=2)


def _spread(view: Overview, report: Report) -> tuple[Array, float]:
    """The columns, each around the middle of its window, and when the first begins.

    Windows begin with the first frame and end before the last, so that up to a window's length has no column of its
    own: there the nearest one goes on.
    """
    window_s = 2 * (view.spectrum_hz.size - 1) / report.sample_rate
    lead_s = max(window_s - view.spectrum_s, 0.0) / 2       # where windows overlap, their middles come later
    rest_s = report.duration_s - lead_s - len(view.spectrum_db) * view.spectrum_s
    before, after = (max(int(np.ceil(each / view.spectrum_s - 1e-9)), 0) for each in (lead_s, rest_s))
    return np.pad(view.spectrum_db, ((before, after), (0, 0)), mode="edge"), lead_s - before * view.spectrum_s


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
