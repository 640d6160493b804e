"""What an analysis found."""

import dataclasses
import math
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flowaudio.stream.faults import Finding
from flowaudio.stream.overview import Overview

__all__ = ["ChannelReport", "Report"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChannelReport:
    """What was measured of one channel. None: it is silent."""

    peak_dbfs: float | None
    rms_dbfs: float | None
    true_peak_dbtp: float | None
    crest_db: float | None
    dc_offset: float | None
    clipped_samples: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Measurements of a sound, what is wrong with it, and how good that makes it.

    What could not be had is None, and `reasons` says why, by the field's name. ``print(report)`` is a summary,
    ``report.as_dict()`` plain values for JSON, ``report.plot("out.png")`` a picture.
    """

    source: str
    duration_s: float
    """Of the sound itself, counted."""
    sample_rate: int
    channels: int
    integrated_lufs: float | None
    """Loudness of the whole programme, gated. ITU-R BS.1770-5."""
    loudness_range_lu: float | None
    """EBU Tech 3342."""
    max_momentary_lufs: float | None
    """Of 400 ms."""
    max_short_term_lufs: float | None
    """Of 3 s."""
    true_peak_dbtp: float | None
    """Highest of all channels; so are the next two, but RMS is over all channels together."""
    peak_dbfs: float | None
    rms_dbfs: float | None
    crest_db: float | None
    dynamic_range_db: float | None
    """DR: how far the peaks stand above the loudest fifth of the blocks of 3 s."""
    snr_db: float | None
    noise_floor_dbfs: float | None
    correlation: float | None
    """Of left and right: 1 is mono, 0 is unrelated, -1 is out of phase."""
    balance_db: float | None
    """Above 0 where the right is louder."""
    dc_offset: float | None
    """The mean of the channel where it is furthest from 0."""
    clipped_samples: int
    """At or above full scale."""
    bandwidth_hz: float | None
    """Where the spectrum ends below what the rate allows; None if it does not."""
    bandwidth_confidence: float | None
    tempo_bpm: float | None
    quality_score: float | None
    """Between 0 and 1, see :mod:`flowaudio.stream.score`; the product of `score_parts`. None for silence."""
    score_parts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    quality_floor: float | None = None
    """Below this the score is an anomaly."""
    target_lufs: float | None = None
    """What the loudness was judged against."""
    events: tuple[Finding, ...] = ()
    """Everything that was found, in order of time."""
    events_left_out: int = 0
    """What was found beyond those; it counts in the score."""
    channel_reports: tuple[ChannelReport, ...] = ()
    damage: str = ""
    """What is missing or damaged in the input, as a sentence."""
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Why a field is None, or what is to be known of its value."""
    elapsed_s: float = dataclasses.field(default=0.0, compare=False)
    """How long the analysis took."""
    overview: Overview | None = dataclasses.field(default=None, compare=False, repr=False)
    """Waveform, loudness and spectrum over time, for the picture."""

    def __post_init__(self) -> None:
        for name in ("score_parts", "reasons"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def low_quality(self) -> bool:
        """Whether the score is below the floor that was asked for."""
        return (self.quality_floor is not None and self.quality_score is not None
                and self.quality_score < self.quality_floor)

    @property
    def speed(self) -> float:
        """Seconds of sound a second of work."""
        return self.duration_s / self.elapsed_s if self.elapsed_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All but the overview as plain values: no NaN, no infinity, ready for JSON."""
        made = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)
                if field.name not in ("overview", "score_parts", "reasons", "events", "channel_reports")}
        return {
            **{name: _plain(value) for name, value in made.items()},
            "score_parts": {name: _plain(value) for name, value in self.score_parts.items()},
            "reasons": dict(self.reasons),
            "channel_reports": [_plain_record(each) for each in self.channel_reports],
            "events": [_plain_record(each) for each in self.events],
        }

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw it: waveform, loudness, spectrogram, what was found. Needs the extra ``flowaudio[plot]``.

        :raises ParameterError: no matplotlib, or a suffix that it does not know. TargetError: `path` cannot be written.
        """
        from flowaudio.stream.picture import draw

        draw(self, path)

    def __str__(self) -> str:
        from flowaudio.stream.summary import lines

        return "\n".join([self.source, *(f"  {name:<16}{value}" for name, value in lines(self))])


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain_record(record: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in dataclasses.asdict(record).items()}
