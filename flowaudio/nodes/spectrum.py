"""Spectrum and spectrogram: how loud the sound is at each frequency, live and over all of it."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, integer, param
from flowaudio.core.simd import fma, high_f64, load, load_part, low_f64, narrow, splat, store, store_part, vmax
from flowaudio.core.simdmath import FLOOR_DB, log2_normal
from flowaudio.nodes import _fft
from flowaudio.nodes._fft import LARGEST, SMALLEST, append, fill, pass_on, power, sane, transform
from flowaudio.nodes._truepeak import shift

__all__ = ["Spectrogram", "SpectrogramReading", "Spectrum", "spectrogram"]

SOURCES = ("mono", "channels", "mid", "side")
MOST_BYTES = 1 << 30                    # of a spectrogram
FLOOR = np.float32(1e-20)               # FLOOR_DB as a power
DB = np.float32(3.010299956639812)      # decibels in a power of 2
ZERO = np.float32(0.0)
HALF = np.float32(0.5)


class Params(NamedTuple):
    """Fixed for a rate and a channel count."""

    size: int
    hop: int
    apart: int                          # 1: each channel for itself; 0: their sum, by `weights`
    least: Any                          # float64 [1], what a new window counts at least in the average, 0 … 1
    weights: Any                        # float32 [channel]
    shape: Any                          # float32 [size], the window
    factors: Any                        # float32, of the transform


class Gathered(NamedTuple):
    """What both nodes keep: frames until they make a window, and the memory of the transform."""

    clock: Any                          # int64 [2]: frames that wait; frames since the start that went before them
    past: Any                           # float32 [source, size + 8], frames that wait
    work: Any                           # float32, of the transform
    bins: Any                           # float32 [bins], power of the last window


class State(NamedTuple):
    """As `Gathered`, and the average."""

    clock: Any
    past: Any
    work: Any
    bins: Any
    mean: Any                           # float64 [source, bins]
    power_dbfs: Any                     # float32 [source, bins]
    bin_hz: Any                         # float64 [bins]
    noise_bandwidth_hz: Any             # float64 [1]
    windows: Any                        # int64 [1]


class Columns(NamedTuple):
    """As `Gathered`, and a ring."""

    clock: Any
    past: Any
    work: Any
    bins: Any
    columns: Any                        # float32 [source, column, bins], dBFS; column `written % columns` is next
    first_frame: Any                    # int64 [column], of its window, since the start or the last reset
    written: Any                        # int64 [1], columns since then
    bin_hz: Any                         # float64 [bins]
    window_s: Any                       # float64 [1], length of a window
    rate: Any                           # float64 [1]


def _prepared(node: Any, format: Format, least: float) -> tuple[Params, Gathered]:
    size = _fft.rounded_size(node.size)
    hop = round(node.hop_ms * format.rate / 1000) if node.hop_ms else round(size * (1 - node.overlap))
    hop = min(size, max(hop, size // 64, 8))
    channels = format.channels
    weights = np.full(channels, 1 / channels, np.float32)
    if node.source in ("mid", "side"):
        weights[:] = 0.0
        weights[0] = 0.5 if channels > 1 or node.source == "side" else 1.0
        weights[1:2] = 0.5 if node.source == "mid" else -0.5
        if channels == 1 and node.source == "side":
            weights[0] = 0.0
    apart = node.source == "channels"
    return (Params(size, hop, int(apart), np.array([least]), weights, _fft.window(node.window, size),
                   _fft.tables(size)),
            Gathered(np.zeros(2, np.int64), np.zeros((channels if apart else 1, size + 8), np.float32),
                     _fft.workspace(size), np.zeros(size // 2 + 1, np.float32)))


@node(in_place=True, measures=("power_dbfs", "bin_hz", "noise_bandwidth_hz", "windows"))
class Spectrum:
    """Measures the power of each frequency; the signal passes unchanged::

        source ─► windows of `size` frames, one each hop ─► transform ─► squares ─► average ─► dBFS

    ``plan.read(name)`` gives

    - ``power_dbfs`` ``[source, size / 2 + 1]``. A sine of amplitude 1.0 in the middle of a bin reads 0 dBFS there, with
      every window. Between two bins it reads less: 1.42 dB with "hann", 0.83 with "blackman_harris", 0.01 with
      "flat_top", 3.92 with "rectangle". One-sided: the bins at 0 Hz and at half the rate have no mirror, so that a
      constant 1.0 reads +3.01, as its RMS does. Silence, and what is below, reads -200.
    - ``bin_hz`` ``[size / 2 + 1]``, the bins' frequencies.
    - ``noise_bandwidth_hz`` ``[1]``: noise reads its density in dBFS/Hz plus 10 log10 of this. The powers of all bins,
      added and divided by the window's noise bandwidth in bins (this, times size / rate), give the mean square against
      that of a full-scale sine (Parseval).
    - ``windows`` ``[1]``: how many were transformed since the start or the last reset.

    Sources: "mono" is the mean of all channels, "channels" each for itself, "mid" and "side" half the sum and half the
    difference of the first two. Average: "none" shows the last window; "exponential" has a time constant of
    `average_ms`, and begins as a plain mean; "all" is the plain mean since the start. What is not finite, or beyond
    ±1e6, counts as 0.

    Windows begin at multiples of the hop, counted from the start, wherever blocks begin. All the work of a window is
    done in the block that completes it: about 3 µs a source at 2048 frames, 30 at 16384, 150 at 65536. Latency: none.
    Welch (1967); scaling as in Heinzel et al., Spectrum and spectral density estimation by the DFT (2002), section 9.
    Error against float64: 2e-5 dB for all that is at most 60 dB below the loudest bin, 3e-4 at 90, 0.06 at 120.
    """

    size: int = integer(SMALLEST, LARGEST, "frames of a window, rounded up to a power of two", default=2048)
    overlap: float = param(0.0, 0.98, "part of a window that the next one has too", default=0.5, interpolated=False)
    hop_ms: float = param(0.0, 1000.0, "from one window to the next, at most its length; 0: as overlap says",
                          default=0.0, interpolated=False)
    window: str = choice(tuple(_fft.WINDOWS), "shape of the window", default="hann")
    source: str = choice(SOURCES, "what is measured", default="mono")
    average: str = choice(("none", "exponential", "all"), "over which windows", default="exponential")
    average_ms: float = param(1.0, 60_000.0, "time constant of the exponential average", default=300.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Window and factors for the size; silence."""
        params, state = _prepared(self, format, 0.0)
        least = {"none": 1.0, "all": 0.0}.get(self.average)
        params.least[0] = 1 - math.exp(-1000 * params.hop / format.rate / self.average_ms) if least is None else least
        sources, bins = len(state.past), params.size // 2 + 1
        width = format.rate / params.size
        return params, State(*state, np.zeros((sources, bins)), np.full((sources, bins), FLOOR_DB, np.float32),
                             np.arange(bins) * width, np.array([_fft.noise_bandwidth(self.window) * width]),
                             np.zeros(1, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        before = s.windows[0]
        done = 0
        while done < x.shape[1]:
            done = gather(x, done, p, s)
            if s.clock[0] == p.size:
                new = max(p.least[0], 1.0 / (s.windows[0] + 1))
                for k in range(s.past.shape[0]):
                    window_power(k, p, s)
                    mix(s.bins, new, s.mean[k])
                s.windows[0] += 1
                step(p, s)
        if s.windows[0] > before:
            for k in range(s.past.shape[0]):
                averaged_dbfs(s.mean[k], s.power_dbfs[k])
        pass_on(x, y)


@node(in_place=True, measures=("columns", "first_frame", "written", "bin_hz", "window_s", "rate"))
class Spectrogram:
    """Keeps the spectra of the last windows, for a picture; the signal passes unchanged.

    As :class:`Spectrum` without an average, and with the same scaling, windows, sources and cost. ``plan.read(name)``
    gives a ring, which :func:`spectrogram` unrolls:

    - ``columns`` ``[source, columns, bins]`` in dBFS, float32.
    - ``first_frame`` ``[columns]``: the first frame of each window, counted since the start or the last reset.
    - ``written`` ``[1]``: columns since then. The next goes to ``written % columns``.
    - ``bin_hz`` ``[bins]``, ``window_s`` ``[1]``, ``rate`` ``[1]``.

    A file of known length is kept whole where `columns` is ``(frames - size) / hop + 1`` or more. The memory, 4 bytes a
    column, bin and source, may be 1 GiB at most. A display reads the ring while it is written: the column that comes
    next may be half new. Latency: none.
    """

    size: int = integer(SMALLEST, LARGEST, "frames of a window, rounded up to a power of two", default=2048)
    overlap: float = param(0.0, 0.98, "part of a window that the next one has too", default=0.5, interpolated=False)
    hop_ms: float = param(0.0, 1000.0, "from one window to the next, at most its length; 0: as overlap says",
                          default=0.0, interpolated=False)
    window: str = choice(tuple(_fft.WINDOWS), "shape of the window", default="hann")
    source: str = choice(SOURCES, "what is measured", default="mono")
    columns: int = integer(1, 1_000_000, "windows that are kept", default=512)

    def prepare(self, format: Format) -> tuple[Params, Columns]:
        """Window and factors for the size; no columns yet.

        :raises ParameterError: more than 1 GiB of columns.
        """
        params, state = _prepared(self, format, 1.0)
        sources, bins = len(state.past), params.size // 2 + 1
        if 4 * sources * bins * self.columns > MOST_BYTES:
            raise ParameterError(f"Spectrogram.columns must be at most {MOST_BYTES // (4 * sources * bins)} with "
                                 f"{sources} times {bins} bins, 1 GiB (got {self.columns}): keep fewer, or make size "
                                 "smaller")
        return params, Columns(*state, np.zeros((sources, self.columns, bins), np.float32),
                               np.zeros(self.columns, np.int64), np.zeros(1, np.int64),
                               np.arange(bins) * (format.rate / params.size),
                               np.array([params.size / format.rate]), np.array([float(format.rate)]))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        done = 0
        while done < x.shape[1]:
            done = gather(x, done, p, s)
            if s.clock[0] == p.size:
                place = s.written[0] % s.first_frame.size
                for k in range(s.past.shape[0]):
                    window_power(k, p, s)
                    power_dbfs(s.bins, s.columns[k, place])
                s.first_frame[place] = s.clock[1]
                s.written[0] += 1
                step(p, s)
        pass_on(x, y)


class SpectrogramReading(NamedTuple):
    """A spectrogram in the order of time."""

    power_dbfs: Any                     # float32 [bins, columns]
    times_s: Any                        # float64 [columns], the middles of the windows, since the start
    bin_hz: Any                         # float64 [bins]


def spectrogram(measured: Mapping[str, Any], source: int = 0) -> SpectrogramReading:
    """What ``plan.read(name)`` of a Spectrogram gave, oldest column first, as far as there are any.

    :param source: which channel, for the source "channels".
    """
    written, length = int(measured["written"][0]), measured["first_frame"].size
    order = np.arange(max(0, written - length), written) % length
    times = measured["first_frame"][order] / measured["rate"][0] + measured["window_s"][0] / 2
    return SpectrogramReading(measured["columns"][source][order].T, times, measured["bin_hz"])


@kernel
def gather(x: Any, done: int, p: Any, s: Any) -> int:
    """Take frames from `done` on until there are enough for a window; says how far it came."""
    waiting = s.clock[0]
    count: int = min(x.shape[1] - done, p.size - waiting)
    if p.apart:
        for c in range(x.shape[0]):
            append(x[c], done, count, s.past[c], waiting)
    elif x.shape[0] == 1 and p.weights[0] == 1.0:
        append(x[0], done, count, s.past[0], waiting)
    else:
        for n in range(0, count - count % 8, 8):
            store(s.past[0], waiting + n, mixed(x, done + n, 8, p.weights))
        if count % 8:
            n = count - count % 8
            store(s.past[0], waiting + n, mixed(x, done + n, count % 8, p.weights))
    s.clock[0] = waiting + count
    return done + count


@kernel
def mixed(x: Any, n: int, count: int, weights: Any) -> Any:
    """The weighted sum of all channels, eight frames, or the first `count` of them."""
    total = splat(ZERO)
    for c in range(x.shape[0]):
        v = load(x[c], n) if count == 8 else load_part(x[c], n, count)
        total = fma(sane(v), weights[c], total)
    return total


@kernel
def window_power(k: int, p: Any, s: Any) -> None:
    """Power of the frames that wait, one-sided, against a full-scale sine."""
    fill(s.past[k], 0, p.shape, p.size, s.work)
    power(s.work, transform(s.work, p.factors, p.size), p.factors, p.size, s.bins)
    s.bins[0] *= HALF
    s.bins[p.size // 2] *= HALF


@kernel
def step(p: Any, s: Any) -> None:
    """A window was transformed: its first frames, as many as a hop, are used up."""
    for k in range(s.past.shape[0]):
        shift(s.past[k], 0, p.hop, p.size - p.hop)
    s.clock[0] = p.size - p.hop
    s.clock[1] += p.hop


@kernel
def mix(bins: Any, new: float, mean: Any) -> None:
    """``mean = (1 - new) mean + new bins``, in float64."""
    keep = 1.0 - new
    for k in range(0, bins.size - 1, 8):
        v = load(bins, k)
        store(mean, k, fma(load(mean, k), keep, low_f64(v) * new))
        store(mean, k + 4, fma(load(mean, k + 4), keep, high_f64(v) * new))
    last = bins.size - 1
    mean[last] = fma(mean[last], keep, np.float64(bins[last]) * new)


@kernel
def dbfs(v: Any) -> Any:
    """Of eight powers."""
    return log2_normal(vmax(v, splat(FLOOR))) * DB


@kernel
def averaged_dbfs(mean: Any, result: Any) -> None:
    """Of float64 powers."""
    for k in range(0, mean.size - 1, 8):
        store(result, k, dbfs(narrow(load(mean, k), load(mean, k + 4))))
    last = mean.size - 1
    store_part(result, last, 1, dbfs(splat(np.float32(mean[last]))))


@kernel
def power_dbfs(bins: Any, result: Any) -> None:
    """Of float32 powers."""
    for k in range(0, bins.size - 1, 8):
        store(result, k, dbfs(load(bins, k)))
    last = bins.size - 1
    store_part(result, last, 1, dbfs(splat(bins[last])))
