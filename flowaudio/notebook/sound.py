"""`Signal`: a sound that shows itself as a player, its levels, a waveform and a spectrogram. `show` does so at once."""

import io
import math
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.io.encoder import Encoder
from flowaudio.io.formats import FLAC, fitting
from flowaudio.io.resampling import Resampler
from flowaudio.nodes import LevelMeter, LoudnessMeter
from flowaudio.nodes.loudness import loudness
from flowaudio.notebook.pixels import PALETTE, data_uri, outline, png, shaded, spectrogram
from flowaudio.notebook.svg import LINE, escaped, sheet
from flowaudio.stream.faults import many

__all__ = ["Levels", "Signal", "show", "wave_picture"]

Array = np.ndarray[Any, Any]

PLAYED_S = 60.0
"""Longer signals are played to here: what is played stands in the page."""

WIDTH, WAVE_HEIGHT, SPECTRUM_HEIGHT = 900, 64, 200
MOST_ROWS = 8
"""Channels that are drawn."""

COLUMNS = 720
TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
WAVE = "#4d7ea8"
PIECE = 1 << 16


class Levels(NamedTuple):
    """How loud a signal is. Minus infinity is silence, or too short to be told."""

    integrated_lufs: float
    true_peak_dbtp: float
    peak_dbfs: float
    rms_dbfs: float
    clipped: int                        # samples at or above full scale


class Signal:
    """A sound in a notebook::

        fa.Signal(y, 48_000, title="after the limiter")

    The player plays what is in the array, at its level: nothing is normalised. What is above full scale clips there,
    and is counted. Float ``[channels, frames]`` or ``[frames]``.
    """

    def __init__(self, x: Any, rate: int, *, title: str = "") -> None:
        """:raises ParameterError: no array of floating point, or a rate that is none."""
        array = np.asarray(x)
        if array.ndim == 1:
            array = array[np.newaxis]
        if array.ndim != 2 or array.dtype.kind != "f" or not 1 <= array.shape[0] <= 64:
            raise ParameterError(f"a signal must be floating point [channels, frames] with 1 to 64 channels (got shape "
                                 f"{np.shape(x)}, {array.dtype}): transpose it if frames come first, divide 16-bit "
                                 "samples by 32768")
        if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not 1000 <= rate <= 768_000:
            raise ParameterError(f"rate must be a whole number of Hz between 1000 and 768000 (got {shown(rate)})")
        self.array: Array = np.ascontiguousarray(array, np.float32)
        """float32 ``[channels, frames]``."""
        self.rate = int(rate)
        self.title = title
        self._levels: Levels | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.array.shape[1] / self.rate)

    @property
    def levels(self) -> Levels:
        """Measured when it is first asked for: ITU-R BS.1770 loudness and true peak, peak and RMS."""
        if self._levels is None:
            self._levels = _measured(self.array, self.rate)
        return self._levels

    def flac(self) -> bytes:
        """A FLAC file of it, 16 bits with dither, at its level: for players. At most two channels and 60 s.

        A rate that FLAC does not have (above 655,350 Hz) becomes one that it has.
        """
        part = self.array[:2, :round(PLAYED_S * self.rate)]
        codec, count = FLAC(), part.shape[0]
        rate, _ = fitting(codec, self.rate, count)
        resampler = Resampler(self.rate, rate, count) if rate != self.rate else None
        content = io.BytesIO()
        with Encoder(content, codec, rate, count) as encoder:
            for start in range(0, part.shape[1], PIECE):
                piece = np.nan_to_num(part[:, start:start + PIECE])
                encoder.write(resampler.process(piece) if resampler else piece)
            if resampler:
                encoder.write(resampler.finish())
        return content.getvalue()

    def __str__(self) -> str:
        count = self.array.shape[0]
        kind = {1: "mono", 2: "stereo"}.get(count, f"{count} channels")
        return ", ".join([f"{self.seconds:.3g} s", f"{self.rate / 1000:g} kHz {kind}", *_said(self.levels)])

    def __repr__(self) -> str:
        return f"<Signal {self.array.shape[0]} x {self.array.shape[1]} at {self.rate} Hz>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))         # for shells without pages

    def _repr_html_(self) -> str:
        return "".join(_page(self))


def show(x: Any, rate: int, *, title: str = "") -> None:
    """Show a signal now, in the middle of a cell: player, levels, waveform, spectrogram. See :class:`Signal`.

    Outside of a notebook a line of text is printed.
    """
    signal = x if isinstance(x, Signal) else Signal(x, rate, title=title)
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import display

        display(signal)  # type: ignore[no-untyped-call]  # IPython's
    else:
        print(signal)


def _measured(x: Array, rate: int) -> Levels:
    graph = Graph.chain(LevelMeter(), LoudnessMeter())
    plan = Plan(graph, rate, x.shape[0])
    for start in range(0, x.shape[1], PIECE):
        plan.process(np.nan_to_num(x[:, start:start + PIECE]))
    level, told = plan.read("level_meter"), loudness(plan.read("loudness_meter"))
    power = 10 ** (level["mean_rms_dbfs"].astype(np.float64) / 10)
    rms = 10 * math.log10(power.mean()) if power.mean() > 1e-15 else -math.inf
    peak = float(level["max_peak_dbfs"].max())
    return Levels(told.integrated_lufs, told.true_peak_dbtp, peak if peak > -159 else -math.inf, rms,
                  int(level["clipped"].sum()))


def _said(levels: Levels) -> list[str]:
    if levels.peak_dbfs == -math.inf:
        return ["silent"]
    parts = [f"{levels.integrated_lufs:.1f} LUFS" if levels.integrated_lufs > -math.inf
             else "too short or too quiet for a loudness",
             f"true peak {levels.true_peak_dbtp:.1f} dBTP", f"RMS {levels.rms_dbfs:.1f} dBFS"]
    if levels.clipped:
        parts.append(f"{many(levels.clipped, 'sample')} at or above full scale, clipped by the player")
    return parts


def _page(signal: Signal) -> Iterator[str]:
    yield '<div class="flowaudio-signal" style="max-width:960px">'
    if signal.title:
        yield f'<div style="font-weight:600;margin:4px 0">{escaped(signal.title)}</div>'
    if signal.array.shape[1]:
        yield (f'<audio controls preload="metadata" style="width:100%;max-width:900px;height:38px" '
               f'src="{data_uri(signal.flac(), "audio/flac")}"></audio>')
    yield f'<div style="font-size:12px;opacity:.8;margin:3px 0">{escaped(signal)}{escaped(_left_out(signal))}</div>'
    if signal.array.shape[1]:
        yield wave_picture(signal.array, signal.rate)
    yield "</div>"


def _left_out(signal: Signal) -> str:
    parts = []
    if signal.seconds > PLAYED_S:
        parts.append(f"the first {PLAYED_S:g} s")
    if signal.array.shape[0] > 2:
        parts.append("channels 1 and 2")
    return f". The player has {' and '.join(parts)} only" if parts else ""


def wave_picture(x: Array, rate: int) -> str:
    """Waveform and spectrogram of float32 ``[channels, frames]`` over one time axis, as SVG."""
    rows = min(x.shape[0], MOST_ROWS)
    top, left = 4.0, 46.0
    width = WIDTH - left - 18.0
    spectrum_top = top + rows * WAVE_HEIGHT + 8.0
    height = spectrum_top + SPECTRUM_HEIGHT + 22.0
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" class="flowaudio-wave" role="img" aria-label="waveform and '
             f'spectrogram" width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}" '
             f'font-family="system-ui, sans-serif" font-size="10" style="max-width:100%;height:auto">',
             sheet("flowaudio-wave")]
    for c in range(rows):
        parts += _wave_row(x[c], left, top + c * WAVE_HEIGHT, width)
    parts += _spectrum(x, rate, left, spectrum_top, width)
    parts += _times(x.shape[1] / rate, left, spectrum_top + SPECTRUM_HEIGHT, width)
    return "".join([*parts, "</svg>"])


def _wave_row(row: Array, left: float, top: float, width: float) -> Iterator[str]:
    """One channel. The scale reaches to full scale, or to what is higher; a quiet one is not blown up."""
    low, high = outline(row, COLUMNS)
    most = max(1.0, float(np.abs(np.concatenate([low, high])).max(initial=0.0)))
    middle, half = top + WAVE_HEIGHT / 2, (WAVE_HEIGHT - 6) / 2
    step = width / max(len(low), 1)
    above = " ".join(f"{left + k * step:.1f},{middle - half * v / most - 0.4:.1f}" for k, v in enumerate(high))
    below = " ".join(f"{left + k * step:.1f},{middle - half * v / most + 0.4:.1f}"
                     for k, v in reversed(list(enumerate(low))))
    for value in (most, 0.0, -most):
        y = middle - half * value / most
        yield (f'<line class="line" x1="{left:.1f}" x2="{left + width:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE}" '
               f'stroke-width="0.5" opacity="0.5"/>')
        if value >= 0:                  # the next channel's label stands where the lowest would
            yield (f'<text class="faint" x="{left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end" fill="{LINE}">'
                   f'{value:.3g}</text>')
    yield f'<polygon points="{above} {below}" fill="{WAVE}" stroke="{WAVE}" stroke-width="0.5"/>'


def _spectrum(x: Array, rate: int, left: float, top: float, width: float) -> Iterator[str]:
    image = png(shaded(spectrogram(x, rate, COLUMNS, SPECTRUM_HEIGHT)), PALETTE)
    yield (f'<image x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{SPECTRUM_HEIGHT}" '
           f'preserveAspectRatio="none" href="{data_uri(image, "image/png")}"/>')
    octaves = math.log(rate / 2 / 30.0)
    for hz in TICKS_HZ:
        if hz < 0.45 * rate:
            y = top + SPECTRUM_HEIGHT * (1 - math.log(hz / 30.0) / octaves)
            text = f"{hz / 1000:g}k" if hz >= 1000 else f"{hz}"
            yield (f'<text class="faint" x="{left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end" fill="{LINE}">'
                   f'{text}</text>')


def _times(seconds: float, left: float, y: float, width: float) -> Iterator[str]:
    step = next((s for s in STEPS_S if seconds / s <= 10), 7200.0)
    for k in range(int(seconds / step + 1e-9) + 1):
        x = left + width * k * step / seconds
        yield (f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y + 4:.1f}" stroke="{LINE}"/>'
               f'<text class="faint" x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle" fill="{LINE}">'
               f'{_time(k * step, step)}</text>')


def _time(seconds: float, step: float) -> str:
    if step >= 60 or seconds >= 600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{seconds * 1000:.4g} ms" if step < 0.1 else f"{seconds:.4g} s"
