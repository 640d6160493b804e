"""What a stream is worth, buffer by buffer: levels, loudness, noise floor, spectrum, faults and one score."""

import collections
import dataclasses
import datetime
import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.named_layouts import DEFAULT
from flowaudio.core.units import db_to_gain, gain_to_db
from flowaudio.graph.findings import NodeEvent
from flowaudio.nodes.spectrum import Spectrum
from flowaudio.stream.cleaning import Cleaner
from flowaudio.stream.faults import Ledger, Tally
from flowaudio.stream.instruments import MOST_FRAMES, Instruments, chosen, detector_names
from flowaudio.stream.presets import QualityPreset
from flowaudio.stream.presets import preset as find_preset
from flowaudio.stream.reporting import Values, finite, known, values_of
from flowaudio.stream.score import Measurements, quality_score, score_parts

__all__ = ["AudioQualityMetrics", "QualityAnalyzer"]

Array = np.ndarray[Any, Any]

HYSTERESIS = 0.02
"""So far above the floor a score has to come before quality is no longer low."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioQualityMetrics:
    """Measurements of one buffer of a stream. Levels are linear with full scale at 1 unless their names have a unit.

    What needs more sound than was heard yet, or has no value (the loudness of silence), is None.
    """

    rms_level: float
    """Of this buffer, all channels together; so is the peak."""
    peak_level: float
    dynamic_range: float | None
    """DR in dB of the stream so far, from 9 s on."""
    signal_to_noise_ratio: float | None
    """dB, of the last ten seconds or so where noise is heard in them, else of the stream so far."""
    frequency_spectrum: Array
    """float64 [bins], dBFS: mean of the channels' powers in the last window; a sine at full scale reads 0. Empty as
    long as less than a window was heard."""
    spectrum_hz: Array
    """float64 [bins], the frequency of each bin."""
    silence_detected: bool
    """The buffer's RMS is below the threshold, or the stream has been silent for longer."""
    clipping_detected: bool
    """Something in this buffer is clipped."""
    timestamp: datetime.datetime
    position_s: float
    """Where in the stream the buffer ends."""
    momentary_lufs: float | None
    """Of the last 400 ms."""
    short_term_lufs: float | None
    """Of the last 3 s."""
    integrated_lufs: float | None
    """Of the stream so far; so are the next three."""
    loudness_range_lu: float | None
    true_peak_dbtp: float | None
    noise_floor_dbfs: float | None
    correlation: float | None
    """Of left and right in the last 400 ms; None with one channel."""
    dc_offset: float | None
    """The mean of the stream so far, of the channel where it is furthest from 0."""
    quality_score: float
    """Between 0 and 1, see :mod:`flowaudio.stream.score`; faults count for as long as the window reaches back."""
    score_parts: dict[str, float]
    low_quality: bool
    """The score is below the floor."""
    events: tuple[NodeEvent, ...]
    """What the detectors told in this buffer, in frames since the start; node "quality" tells ``low_quality``."""
    lasting: tuple[str, ...]
    """Kinds of faults that have begun and not ended."""


class _Part(NamedTuple):
    """What the window remembers of a buffer."""

    seconds: float
    faults: dict[str, Tally]


class QualityAnalyzer:
    """Analyses a stream that is given buffer by buffer, with the plan that :func:`~flowaudio.analyze` runs on files.

    Buffers of any length; the metrics do not depend on how a stream is cut, but for those that are of the buffer. A
    buffer with another number of channels begins a new stream, as :meth:`reset` does. A NaN or infinity counts as 0.

    :param sample_rate: Hz.
    :param fft_size: samples of the spectrum, under a Hann window; rounded up to a power of two.
    :param silence_dbfs: RMS below which it is silent.
    :param clip_dbfs: level from which runs of three or more equal samples count as clipped.
    :param quality_floor: score below which quality is low; so that it is told, give this or a preset.
    :param preset: whose `quality_floor`, and whose loudness if it normalises, the stream is judged by.
    :param window_s: how far back faults count in the score.
    :param detectors: which: True for all, False for none, or names, as in :func:`~flowaudio.analyze`.
    :param layout: of the channels, by FFmpeg's name, where their number alone leaves a doubt.
    """

    def __init__(self, sample_rate: int = 48_000, *, fft_size: int = 1024, silence_dbfs: float = -60.0,
                 clip_dbfs: float = -0.45, quality_floor: float | None = None,
                 preset: str | QualityPreset | None = None, window_s: float = 10.0,
                 detectors: bool | Collection[str] = True, layout: str = DEFAULT) -> None:
        if sample_rate < 1000 or fft_size < 16:
            raise ParameterError("QualityAnalyzer needs sample_rate of at least 1000 Hz and fft_size of at least 16 "
                                 f"(got {sample_rate}, {fft_size})")
        if not window_s > 0:
            raise ParameterError(f"QualityAnalyzer.window_s must be above 0 (got {window_s})")
        wanted = find_preset(preset) if preset is not None else None
        if quality_floor is None and wanted is not None:
            quality_floor = wanted.quality_floor
        if quality_floor is not None and not 0 <= quality_floor <= 1:
            raise ParameterError(f"QualityAnalyzer.quality_floor must be between 0 and 1 (got {quality_floor})")
        self.sample_rate, self.fft_size = sample_rate, fft_size
        self.quality_floor, self.window_s = quality_floor, window_s
        self._target = wanted.target_lufs if wanted is not None and wanted.enable_normalization else None
        self._silence, self._clip_dbfs, self._silence_dbfs = db_to_gain(silence_dbfs), clip_dbfs, silence_dbfs
        self._detectors, self._layout = detector_names(detectors), layout
        self._stream: _Stream | None = None

    def reset(self) -> None:
        """Forget what was heard: the next buffer is the first of another stream."""
        self._stream = None

    def analyze_buffer(self, buffer: Array) -> AudioQualityMetrics:
        """Metrics of float ``[channels, frames]`` or ``[frames]``, which goes on where the last buffer ended."""
        x = np.atleast_2d(np.asarray(buffer))
        if x.ndim != 2 or not x.size or x.dtype.kind not in "fiu":
            raise ParameterError(f"analyze_buffer takes numbers [channels, frames] with at least one frame "
                                 f"(got {x.dtype} {x.shape})")
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.ascontiguousarray(x, np.float32)
        if self._stream is None or self._stream.channels != x.shape[0]:
            self._stream = _Stream(self.sample_rate, x.shape[0], self._nodes())
        return self._metrics(self._stream, x)

    def _nodes(self) -> dict[str, Any]:
        nodes = chosen(self._detectors, self._layout)
        # A stream has no edges: it may be joined at any time.
        for name, options in (("silence", {"threshold_dbfs": self._silence_dbfs}),
                              ("clipping", {"threshold_dbfs": self._clip_dbfs}), ("dropout", {"edges": False})):
            if name in nodes:
                nodes[name] = dataclasses.replace(nodes[name], **options)
        return {**nodes, "spectrum": Spectrum(size=self.fft_size, source="channels", average="none")}

    def _metrics(self, stream: "_Stream", x: Array) -> AudioQualityMetrics:
        x, peak, events = stream.hear(x)
        rms = math.sqrt(float(np.mean(np.square(x, dtype=np.float64))))
        values = values_of(stream.instruments, stream.frames / self.sample_rate)
        parts = score_parts(self._measurements(stream, values, peak))
        score = quality_score(parts)
        events += stream.judge(score, self.quality_floor)
        loud, stereo, noise = (stream.instruments.measured(name) for name in ("loudness", "stereo", "noise"))
        recent = float(noise["recent_snr_db"].min())
        lasting = tuple(dict.fromkeys(event.kind for event in stream.ledger.lasting()))
        kinds = {event.kind for event in events}
        return AudioQualityMetrics(
            rms_level=rms, peak_level=peak, dynamic_range=values["dynamic_range_db"],
            signal_to_noise_ratio=recent if math.isfinite(recent) else values["snr_db"],
            frequency_spectrum=stream.spectrum(), spectrum_hz=stream.spectrum_hz,
            silence_detected=rms < self._silence or "silence" in lasting,
            clipping_detected="clipping" in kinds or "clipping" in lasting,
            timestamp=datetime.datetime.now(datetime.UTC), position_s=stream.frames / self.sample_rate,
            momentary_lufs=known(loud["momentary_lufs"][0]), short_term_lufs=known(loud["short_term_lufs"][0]),
            integrated_lufs=values["integrated_lufs"], loudness_range_lu=values["loudness_range_lu"],
            true_peak_dbtp=values["true_peak_dbtp"], noise_floor_dbfs=values["noise_floor_dbfs"],
            correlation=finite(stereo["correlation"][0]) if stream.channels > 1 else None,
            dc_offset=values["dc_offset"], quality_score=score, score_parts=parts, low_quality=stream.low is not None,
            events=tuple(events), lasting=lasting)

    def _measurements(self, stream: "_Stream", values: Values, peak: float) -> Measurements:
        seconds, faults = stream.window(self.window_s)
        return Measurements(
            duration_s=seconds, sample_rate=self.sample_rate, faults=faults, snr_db=values["snr_db"],
            dynamic_range_db=values["dynamic_range_db"], true_peak_dbtp=gain_to_db(peak) if peak > 1 else None,
            dc_offset=values["dc_offset"], integrated_lufs=values["integrated_lufs"], target_lufs=self._target)


class _Stream:
    """A stream that is being heard."""

    def __init__(self, rate: int, channels: int, nodes: dict[str, Any]) -> None:
        self.channels, self.frames = channels, 0
        self.instruments = Instruments(rate, channels, nodes, MOST_FRAMES)
        self.ledger = Ledger(rate, channels)
        self.low: int | None = None
        """The frame since which the quality is low."""
        self.spectrum_hz = self.instruments.view("spectrum", "bin_hz").copy()
        self._power, self._windows = (self.instruments.view("spectrum", name) for name in ("power_dbfs", "windows"))
        self._rate, self._cleaner = rate, Cleaner(rate)
        self._parts: collections.deque[_Part] = collections.deque()

    def hear(self, x: Array) -> tuple[Array, float, list[NodeEvent]]:
        """A buffer. It comes back with what is no number put right, with its peak, and what was found with it."""
        first = self.frames
        x, low, high = self._cleaner.clean(x, x.shape[1])
        for begin in range(0, x.shape[1], MOST_FRAMES):
            self.instruments.hear(x[:, begin:begin + MOST_FRAMES])
        self.frames += x.shape[1]
        events = self.instruments.events()
        for start, end, count in self._cleaner.runs:
            events.append(NodeEvent("samples", "not_a_number", "whole", start, end, None, count))
        self._cleaner.runs.clear()
        before = self.ledger.lasting()
        self.ledger.take(events)
        self.ledger.findings.clear()
        self._remember(first, before, events)
        return x, max(-float(low.min()), float(high.max()), 0.0), events

    def _remember(self, first: int, before: list[NodeEvent], events: list[NodeEvent]) -> None:
        """What the buffer that began with the frame `first` has of each fault: how often, and how long."""
        faults: dict[str, Tally] = {}

        def add(event: NodeEvent, count: float, start: int, end: int) -> None:
            part = 1.0 if event.channel is None else 1.0 / self.channels
            old = faults.get(event.kind, Tally())
            faults[event.kind] = Tally(old.times + part * count, old.seconds + part * max(end - start, 0) / self._rate)

        for event in events:
            if event.phase == "whole":
                add(event, 1, event.start, event.end or event.start)
            elif event.phase == "began":
                add(event, 1, event.start, min(self.frames, first))
        lasting = {(event.node, event.kind, event.channel) for event in self.ledger.lasting()}
        ended = {(event.node, event.kind, event.channel): event.end for event in events if event.phase == "ended"}
        for event in before + [event for event in events if event.phase == "began"]:
            key = (event.node, event.kind, event.channel)
            add(event, 0, max(first, event.start), self.frames if key in lasting else ended.get(key) or self.frames)
        self._parts.append(_Part((self.frames - first) / self._rate, faults))

    def window(self, seconds: float) -> tuple[float, dict[str, Tally]]:
        """How much was heard in the last so many seconds, and what was found in them."""
        while len(self._parts) > 1 and sum(part.seconds for part in self._parts) - self._parts[0].seconds >= seconds:
            self._parts.popleft()
        total: dict[str, Tally] = {}
        for part in self._parts:
            for kind, tally in part.faults.items():
                old = total.get(kind, Tally())
                total[kind] = Tally(old.times + tally.times, old.seconds + tally.seconds)
        return sum(part.seconds for part in self._parts), total

    def judge(self, score: float, floor: float | None) -> list[NodeEvent]:
        """Whether the quality has become low, or good again."""
        if floor is None:
            return []
        if self.low is None and score < floor:
            self.low = self.frames
            return [NodeEvent("quality", "low_quality", "began", self.frames, None, None, score)]
        if self.low is not None and score >= min(floor + HYSTERESIS, 1.0):
            start, self.low = self.low, None
            return [NodeEvent("quality", "low_quality", "ended", start, self.frames, None, score)]
        return []

    def spectrum(self) -> Array:
        """float64 [bins], dBFS: mean power of all channels in the last window."""
        if not self._windows[0]:
            return np.zeros(0)
        power = np.mean(10.0 ** (self._power.astype(np.float64) / 10), axis=0)
        return 10 * np.log10(power)  # type: ignore[no-any-return]  # NumPy types it as Any
