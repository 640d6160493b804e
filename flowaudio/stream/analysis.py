"""`analyze`: everything that can be measured and found in a sound, in one pass."""

import math
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.named_layouts import DEFAULT
from flowaudio.nodes.spectrum import Spectrogram
from flowaudio.stream.cleaning import Cleaner
from flowaudio.stream.faults import Ledger
from flowaudio.stream.instruments import Instruments, chosen, detector_names
from flowaudio.stream.overview import Sketch, step_frames
from flowaudio.stream.presets import QualityPreset
from flowaudio.stream.presets import preset as find_preset
from flowaudio.stream.report import Report
from flowaudio.stream.reporting import Heard, reported
from flowaudio.stream.sounds import AnySound, open_sound

__all__ = ["Progress", "analyze", "instruments_for"]

Array = np.ndarray[Any, Any]
Progress = Callable[[str, float, float | None], None]
"""Called with what is done now, the seconds of sound done, and the seconds in all if they are known."""

EVENTS_EVERY = 3
"""Steps from one look at the detectors to the next: 0.6 s."""

PICTURE_SHORT_S = 30.0
"""Sound up to this length gets a finer spectrogram."""

FALSE_STEREO = 0.9995
"""Correlation above which two channels are one."""

WINDOWS_KEPT = 24
"""Of the spectrogram's ring: more than a step has."""


def analyze(
    source: AnySound,
    *,
    sample_rate: int | None = None,
    layout: str | None = None,
    preset: str | QualityPreset | None = None,
    quality_floor: float | None = None,
    detectors: bool | Collection[str] = True,
    allowed_protocols: Iterable[str] = ("file",),
    progress: Progress | None = None,
) -> Report:
    """Measure a sound and find what is wrong with it.

    One pass in pieces, on one thread, with memory that does not grow with the length. What is missing in a damaged
    file is told in `Report.damage`, samples that are no numbers count as 0 and are told as events; what cannot be
    measured is None, with its reason.

    :param source: a path, a URL whose protocol stands in `allowed_protocols`, a binary file object, an AudioStream,
        or an array ``[channels, frames]`` or ``[frames]`` of floating point with full scale at 1.
    :param sample_rate: of an array, in Hz.
    :param layout: of the channels, by FFmpeg's name (such as ``"3.1"``), which says what counts as surround and as LFE;
        by default what a file says, or else the usual one of their number.
    :param preset: whose loudness the sound is judged against, if it normalises, and whose `quality_floor`.
    :param quality_floor: instead of the preset's: a score below it is told as an event, ``low_quality``.
    :param detectors: which: True for all, False for none, or names of :data:`flowaudio.stream.instruments.DETECTORS`.
    :raises SourceError: the input cannot be read at all. ParameterError: a value is wrong.
    """
    start = time.perf_counter()
    wanted = find_preset(preset) if preset is not None else None
    floor = quality_floor if quality_floor is not None else wanted.quality_floor if wanted is not None else None
    if floor is not None and not 0 <= floor <= 1:
        raise ParameterError(f"quality_floor must be between 0 and 1 (got {quality_floor!r})")
    target = wanted.target_lufs if wanted is not None and wanted.enable_normalization else None
    names = detector_names(detectors)
    with open_sound(source, sample_rate, allowed_protocols, layout=layout) as sound:
        listener = _Listener(sound.rate, sound.channels, names, sound.duration_s, sound.layout)
        shown = 0
        with np.errstate(over="ignore", invalid="ignore"):  # a file of doubles may hold what no float32 does
            for block in sound.blocks(listener.step):
                listener.hear(block)
                shown += 1
                if progress is not None and not shown % EVENTS_EVERY:
                    progress("analysing", listener.frames / sound.rate, sound.duration_s)
        heard = listener.finish(sound.name, sound.damage)
    return reported(heard, floor, target, start)


def instruments_for(detectors: bool | Collection[str] = True, rate: int = 48_000,
                    duration_s: float | None = None, layout: str = DEFAULT) -> dict[str, Any]:
    """The nodes that an analysis listens with, by name."""
    return {**chosen(detector_names(detectors), layout), "spectrogram": _spectrogram(rate, duration_s)}


def _spectrogram(rate: int, duration_s: float | None) -> Spectrogram:
    """Windows of some 40 ms, each channel for itself: sound out of phase is sound, too."""
    short = duration_s is not None and duration_s <= PICTURE_SHORT_S
    size = 1 << max(round(math.log2(0.04 * rate)), 6)
    return Spectrogram(size=size, overlap=0.75 if short else 0.0, source="channels", columns=WINDOWS_KEPT)


class _Listener:
    """Hears a sound step by step."""

    def __init__(self, rate: int, channels: int, detectors: Collection[str], duration_s: float | None,
                 layout: str) -> None:
        self.step = step_frames(rate)
        self.frames = 0
        self._names = detectors
        nodes = instruments_for(detectors, rate, duration_s, layout)
        self._instruments = Instruments(rate, channels, nodes, self.step)
        self._rate, self._channels = rate, channels
        self._edge_dbfs = nodes["dropout"].edge_dbfs if "dropout" in nodes else 0.0
        self._cleaner = Cleaner(rate)
        self._ledger = Ledger(rate, channels)
        self._momentary = self._instruments.view("loudness", "momentary_lufs")
        self._short_term = self._instruments.view("loudness", "short_term_lufs")
        self._written = self._instruments.view("spectrogram", "written")
        self._columns = self._instruments.view("spectrogram", "columns")
        self._seen = self._steps = 0
        size = 2 * (self._columns.shape[2] - 1)
        self._sketch = Sketch(rate, channels, self._instruments.view("spectrogram", "bin_hz").copy(),
                              round(size * (1 - nodes["spectrogram"].overlap)))

    def hear(self, block: Array) -> None:
        """A step: as many frames as `step`, or fewer at the end."""
        x, low, high = self._cleaner.clean(block, self._sketch.width())
        self._instruments.hear(x)
        self.frames += x.shape[1]
        self._sketch.add(low, high, self._momentary.item(0), self._short_term.item(0))
        written = self._written.item(0)
        while self._seen < written:     # as far as the ring's end, and then from its beginning
            first = self._seen % WINDOWS_KEPT
            new = self._columns[:, first:min(first + written - self._seen, WINDOWS_KEPT)]
            self._sketch.add_spectra(new.max(axis=0))
            self._seen += new.shape[1]
        self._steps += 1
        if self._steps % EVENTS_EVERY == 0:
            self._ledger.take(self._instruments.events())

    def finish(self, name: str, damage: str) -> Heard:
        """The sound is over."""
        self._ledger.take(self._instruments.events())
        self._ledger.close(self.frames)
        self._ledger.left_out += self._instruments.lost
        self._look_at_the_end()
        self._look_for_false_stereo()
        for start, end, count in self._cleaner.runs:
            self._ledger.add("not_a_number", start, end, None, count)
        return Heard(name, self._rate, self._channels, self.frames, self._instruments, self._ledger, self._cleaner,
                     self._sketch.overview(), damage)

    def _look_at_the_end(self) -> None:
        """Sound up to the last frame was cut off: only who knows that it was the last can tell."""
        tail = self._instruments.measured("dropout").get("tail_dbfs")
        if tail is not None and self.frames and tail.max() > self._edge_dbfs:
            first = max(self.frames - self._rate // 100, 0)
            self._ledger.add("cut_end", first, self.frames, None, float(tail.max()))

    def _look_for_false_stereo(self) -> None:
        """Of all of the sound: a mono voice in stereo music is no fault."""
        if self._channels == 2 and "phase" in self._names:
            correlation = float(self._instruments.measured("stereo")["mean_correlation"][0])
            if correlation > FALSE_STEREO:  # NaN, for silence, is not
                self._ledger.add("false_stereo", 0, self.frames, None, correlation)
