"""`compare`: by what two sounds differ: delay, gain, polarity, what is left, loudness, spectrum."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from flowaudio.core.units import gain_to_db, power_to_db
from flowaudio.stream.alignment import RELATED, Lateness, lateness
from flowaudio.stream.analysis import Progress
from flowaudio.stream.pair import Pair, Sound
from flowaudio.stream.side_by_side import BAND_HZ, Sums
from flowaudio.stream.sounds import AnySound, open_sound

__all__ = ["Comparison", "compare"]

NOTHING_DB = -140.0
"""A difference that is softer is rounding."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """By what `b` differs from `a`. None is what could not be had; `reasons` says why, by the field's name."""

    a: str
    b: str
    sample_rate: int
    """At which they were compared: that of `a`."""
    channels: int
    """In which they were compared: one, a mix, where the two have not as many."""
    identical: bool
    """Every sample is the same, at the same rate, in as many channels and frames."""
    delay_samples: float | None
    """By how much `b` comes later, in frames of `a`; where the clocks differ, at the beginning of `a`."""
    delay_s: float | None
    drift_ppm: float | None
    """By how much the clock of `b` is faster: above 0 where the same sound has more frames in it. 0 where no difference
    is found that is more than the error of the measure."""
    gain_db: float | None
    """By how much `b` is louder, sample by sample, where both are aligned."""
    polarity: int | None
    """1, or -1 where `b` is upside down."""
    correlation: float | None
    """Of the aligned two, from 0 to 1: how much of one is the other."""
    residual_db: float | None
    """What is left when `b`, aligned and brought to the level of `a`, is taken from `a`, against it; -140: nothing."""
    residual_dbfs: float | None
    """The same as a level."""
    loudness_a_lufs: float | None
    loudness_b_lufs: float | None
    loudness_difference_lu: float | None
    """Of `b` over `a`."""
    band_hz: tuple[float, ...]
    """Middles of third-octave bands."""
    band_difference_db: tuple[float | None, ...]
    """Of `b` over `a` in each band, gain included; None where one of them has nothing above -100 dB there."""
    duration_a_s: float
    duration_b_s: float
    rate_a: int
    rate_b: int
    channels_a: int
    channels_b: int
    remarks: tuple[str, ...] = ()
    """What else is different, a sentence each: rates, channels, lengths, damage."""
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)


def compare(
    a: AnySound,
    b: AnySound,
    *,
    sample_rate: int | None = None,
    layout: str | None = None,
    allowed_protocols: Iterable[str] = ("file",),
    progress: Progress | None = None,
) -> Comparison:
    """Align two sounds and say by what they differ.

    The delay is where the cross-correlation of the first five minutes is largest, then, around it and in the loudest
    part of both, to about 0.01 frames. Gain and residual are those of the least squares: ``a ≈ g · b``, over
    everything that both have. `b` is resampled to the rate of `a`, and to its clock, where the delays at 16 places of
    these minutes lie on a line: clocks may differ by up to 1500 ppm.

    :param a, b: as :func:`~flowaudio.analyze` takes them.
    :param sample_rate: of arrays, in Hz.
    :param layout: of the channels of both, by FFmpeg's name, instead of what files say and of the usual one of arrays.
    :raises SourceError: one cannot be read. ParameterError: a value is wrong.
    """
    show = progress or (lambda *_: None)
    allowed = tuple(allowed_protocols)
    with _opened(a, sample_rate, allowed, "the first array", layout) as first, \
            _opened(b, sample_rate, allowed, "the second array", layout) as second:
        pair = Pair(first, second)
        show("aligning", 0.0, None)
        delay = lateness(pair)
        sums = Sums(pair)
        for done in sums.over(delay):
            show("comparing", done / pair.rate, first.duration_s)
        return _comparison(pair, delay, sums)


def _opened(source: Any, rate: int | None, allowed: Iterable[str], name: str, layout: str | None) -> Sound:
    is_array = isinstance(source, np.ndarray)
    return open_sound(source, rate if is_array else None, allowed, name, layout)


def _comparison(pair: Pair, delay: Lateness, sums: Sums) -> Comparison:
    a, b = pair.a, pair.b
    found = delay.found and sums.aa > 0 and sums.bb > 0
    match = min(sums.ab * sums.ab / (sums.aa * sums.bb), 1.0) if found else 0.0
    found = found and match >= RELATED**2
    left = max(power_to_db(1.0 - match), NOTHING_DB) if match < 1 else NOTHING_DB
    left = NOTHING_DB if sums.same else left
    frames = delay.frames * pair.ratio  # it was found in frames of `a`'s clock
    level = power_to_db(sums.aa / (sums.common * pair.channels)) if found else 0.0
    first, second = sums.lufs
    return Comparison(
        a=a.name, b=b.name, sample_rate=pair.rate, channels=pair.channels, identical=sums.same,
        delay_samples=frames if found else None, delay_s=frames / pair.rate if found else None,
        drift_ppm=1e6 * (pair.ratio - 1.0) if found else None,
        gain_db=gain_to_db(abs(sums.ab) / sums.aa) if found else None,
        polarity=(1 if sums.ab >= 0 else -1) if found else None, correlation=math.sqrt(match) if found else None,
        residual_db=left if found else None, residual_dbfs=max(left + level, 2 * NOTHING_DB) if found else None,
        loudness_a_lufs=first, loudness_b_lufs=second,
        loudness_difference_lu=second - first if first is not None and second is not None else None,
        band_hz=BAND_HZ, band_difference_db=tuple(map(_band, *sums.bands)),
        duration_a_s=sums.frames[0] / pair.rate, duration_b_s=sums.frames[1] / pair.rate,
        rate_a=a.rate, rate_b=b.rate, channels_a=a.channels, channels_b=b.channels,
        remarks=tuple(_remarks(pair, sums, delay if found else None)), reasons=_reasons(sums, found))


def _band(first: float, second: float) -> float | None:
    return power_to_db(second / first) if min(first, second) > 1e-10 else None


def _remarks(pair: Pair, sums: Sums, delay: Lateness | None) -> list[str]:
    a, b = pair.a, pair.b
    said = [sound.damage for sound in (a, b) if sound.damage]
    if a.rate != b.rate:
        said.append(f"{a.name} has {a.rate} Hz and {b.name} {b.rate} Hz; they were compared at {pair.rate} Hz")
    if a.channels != b.channels:
        said.append(f"{a.name} has {a.channels} channels and {b.name} {b.channels}; they were compared as mono")
    if delay is not None and pair.ratio != 1.0:
        ppm = 1e6 * (pair.ratio - 1.0)
        shown = f"{float(f'{abs(ppm):.3g}'):g}"  # 1000, not 1e+03
        said.append(f"the clocks differ by {shown} ppm: {b.name if ppm > 0 else a.name} has more frames of the same "
                    "sound; they were compared in step")
    longer = (sums.frames[1] - sums.frames[0]) / pair.rate
    if sums.frames[0] != sums.frames[1]:
        said.append(f"{b.name if longer > 0 else a.name} is {abs(longer):.6g} s longer"
                    + (f"; {sums.common / pair.rate:.6g} s of both were compared" if delay is not None else ""))
    return said


def _reasons(sums: Sums, found: bool) -> dict[str, str]:
    reasons = {}
    if not found:
        why = ("there is nothing but silence in one of them" if not sums.heard() else
               "the two have nothing in common that they could be aligned by")
        reasons = dict.fromkeys(("delay_samples", "delay_s", "drift_ppm", "gain_db", "polarity", "correlation",
                                 "residual_db", "residual_dbfs"), why)
    if None in sums.lufs:
        reasons["loudness_difference_lu"] = "one of them is silent, or shorter than 0.4 s"
    return reasons
