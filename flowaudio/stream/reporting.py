"""From what the instruments measured to a report: each value or the reason why there is none."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.units import db_to_power, power_to_db
from flowaudio.stream.cleaning import Cleaner
from flowaudio.stream.faults import Ledger
from flowaudio.stream.instruments import Instruments
from flowaudio.stream.overview import Overview
from flowaudio.stream.report import ChannelReport, Report
from flowaudio.stream.score import Measurements, quality_score, score_parts

__all__ = ["Heard", "Values", "finite", "known", "reported", "values_of"]

Array = np.ndarray[Any, Any]
Values = dict[str, float | None]

FLOOR_DB = -159.0
"""Meters show silence as a level of -160 dB or less."""

LIKELY = 0.3
"""A ceiling that is less certain is not told."""

CERTAIN = 0.5
"""A noise floor that the meter is less sure of is none."""

SLICES_PER_SECOND, FEWEST = 50, 10
"""Of the noise meter, and how many of them a floor can be told from."""


class Heard(NamedTuple):
    """A sound that was listened to."""

    name: str
    rate: int
    channels: int
    frames: int
    instruments: Instruments
    ledger: Ledger
    cleaner: Cleaner
    overview: Overview
    damage: str


def known(value: Any) -> float | None:
    """A plain number; None for what is no number, or silence."""
    number = float(value)
    return number if math.isfinite(number) and number > FLOOR_DB else None


def finite(value: Any) -> float | None:
    """A plain number, or None."""
    return float(value) if math.isfinite(float(value)) else None


def _loudness(m: dict[str, Array], duration_s: float) -> Values:
    # A window that was never full would be measured as if there had been silence before the sound.
    return {
        "integrated_lufs": known(m["integrated_lufs"][0]) if duration_s >= 0.4 else None,
        "max_momentary_lufs": known(m["momentary_max_lufs"][0]) if duration_s >= 0.4 else None,
        "max_short_term_lufs": known(m["short_term_max_lufs"][0]) if duration_s >= 3 else None,
        "loudness_range_lu": finite(m["loudness_range_lu"][0]) if duration_s >= 3 else None,
        "true_peak_dbtp": known(m["true_peak_dbtp"].max()),
    }


def _levels(m: dict[str, Array], duration_s: float) -> Values:
    rms = power_to_db(float(np.mean([db_to_power(float(each)) for each in m["mean_rms_dbfs"]])))
    dc = m.get("mean_dc")
    peak, rms_dbfs = known(m["max_peak_dbfs"].max()), known(rms)
    return {
        "peak_dbfs": peak,
        "rms_dbfs": rms_dbfs if peak is not None else None,
        "crest_db": peak - rms_dbfs if peak is not None and rms_dbfs is not None else None,
        "dc_offset": float(dc[np.abs(dc).argmax()]) if dc is not None else None,
        "clipped_samples": float(m["clipped"].sum()),
    }


def _noise(m: dict[str, Array], duration_s: float) -> Values:
    # A steady sound is all floor: only what stands above it makes it noise.
    heard = np.isfinite(m["snr_db"]) & (m["confidence"] >= CERTAIN)
    snr = m["snr_db"][heard]
    return {"noise_floor_dbfs": float(m["noise_floor_dbfs"][heard].max()) if heard.any() else None,
            "snr_db": float(snr.min()) if snr.size else None}


def _dynamics(m: dict[str, Array], duration_s: float) -> Values:
    return {"dynamic_range_db": finite(m["dynamic_range_db"][0])}


def _stereo(m: dict[str, Array], duration_s: float) -> Values:
    return {"correlation": finite(m["mean_correlation"][0]), "balance_db": finite(m["mean_balance_db"][0])}


def _tempo(m: dict[str, Array], duration_s: float) -> Values:
    return {"tempo_bpm": finite(m["tempo_bpm"][0]) if m["confidence"][0] >= LIKELY else None}


def _bandwidth(m: dict[str, Array], duration_s: float) -> Values:
    """Of the channel where a ceiling is most certain, if there is one at all."""
    place = int(np.argmax(m["confidence"]))
    confidence = float(m["confidence"][place])
    found = confidence >= LIKELY
    return {"bandwidth_hz": float(m["cutoff_hz"][place]) if found else None,
            "bandwidth_confidence": confidence if found else None}


READERS: dict[str, Callable[[dict[str, Array], float], Values]] = {
    "loudness": _loudness,
    "levels": _levels,
    "noise": _noise,
    "dynamics": _dynamics,
    "stereo": _stereo,
    "tempo": _tempo,
    "bandwidth": _bandwidth,
}
"""How the measures of each meter become values of a report."""

STEREO = ("correlation", "balance_db")
FIELDS = ("integrated_lufs", "loudness_range_lu", "max_momentary_lufs", "max_short_term_lufs", "true_peak_dbtp",
          "peak_dbfs", "rms_dbfs", "crest_db", "dynamic_range_db", "snr_db", "noise_floor_dbfs", "correlation",
          "balance_db", "dc_offset", "tempo_bpm", "bandwidth_hz")

SHORTEST_S = {"integrated_lufs": (0.4, "a gating block"), "max_momentary_lufs": (0.4, "the window"),
              "max_short_term_lufs": (3.0, "the window"), "loudness_range_lu": (3.0, "the window"),
              "dynamic_range_db": (6.5, "three blocks of 3 s, of which the last may be half a second"),
              "snr_db": (0.5, "what noise can be told from"), "noise_floor_dbfs": (0.5, "what noise can be told from")}

OTHERWISE = {
    "integrated_lufs": "no block of 0.4 s is above -70 LUFS",
    "loudness_range_lu": "no 3 s are above -70 LUFS",
    "dynamic_range_db": "the loud parts are below -100 dBFS",
    "snr_db": "there are no pauses, in which noise could be heard",
    "noise_floor_dbfs": "there are no pauses, in which noise could be heard",
    "correlation": "one of the two channels is silent",
    "balance_db": "both channels are silent",
    "tempo_bpm": "there is no steady beat",
    "bandwidth_hz": "no ceiling was found below what the rate allows",
}


def values_of(instruments: Instruments, duration_s: float) -> Values:
    """All values by field, as far as there are meters for them."""
    values: Values = {}
    for name, reader in READERS.items():
        if measured := instruments.measured(name):
            values.update(reader(measured, duration_s))
    return values


def _why(field: str, heard: Heard, values: Values) -> str:
    """Why a field has no value."""
    seconds = heard.frames / heard.rate
    if not heard.frames:
        return "there is not one frame of sound"
    if field == "bandwidth_hz" and not heard.instruments.measured("bandwidth"):
        return "its detector was not asked for"
    if field in STEREO and heard.channels == 1:
        return "there is one channel only"
    if values.get("peak_dbfs") is None:
        return "there is nothing but silence"
    shortest, what = SHORTEST_S.get(field, (0.0, ""))
    if seconds < shortest:
        return f"the sound is {seconds:.3g} s long, and {what} needs {shortest:g} s"
    if field in ("snr_db", "noise_floor_dbfs") and _pauses_are_silent(heard):
        return "the pauses are digital silence, in which there is no noise"
    return OTHERWISE.get(field, "it could not be measured")


def _pauses_are_silent(heard: Heard) -> bool:
    """Whether each channel that sounds has zeros for as long as a noise floor would need."""
    silent = heard.instruments.measured("noise")["silent_slices"]
    sounding = silent[silent < int(heard.frames / heard.rate * SLICES_PER_SECOND)]
    return bool(sounding.size) and bool(sounding.min() >= FEWEST)


def reported(heard: Heard, quality_floor: float | None, target_lufs: float | None, start: float) -> Report:
    """The report of a sound that was listened to.

    :param start: when the analysis began, by ``time.perf_counter``.
    """
    seconds = heard.frames / heard.rate
    values = values_of(heard.instruments, seconds)
    if heard.channels == 1 or not heard.frames:
        values.update(dict.fromkeys(STEREO))
    if not heard.frames:
        values["dc_offset"] = None
    reasons = {field: _why(field, heard, values) for field in FIELDS if values.get(field) is None}
    _remark(heard, values, reasons)
    # Silence has nothing that could be good or bad; what was there and is no number is as bad as can be.
    something = values.get("peak_dbfs") is not None or heard.cleaner.not_numbers
    parts = score_parts(_measurements(heard, values, target_lufs)) if heard.frames and something else {}
    score = quality_score(parts) if parts else None
    if score is None:
        reasons["quality_score"] = _why("quality_score", heard, values)
    elif quality_floor is not None and score < quality_floor:
        heard.ledger.add("low_quality", 0, heard.frames, None, score)
    return Report(
        source=heard.name, duration_s=seconds, sample_rate=heard.rate, channels=heard.channels,
        **{field: values.get(field) for field in FIELDS}, clipped_samples=int(values.get("clipped_samples") or 0),
        bandwidth_confidence=values.get("bandwidth_confidence"),
        quality_score=score, score_parts=parts, quality_floor=quality_floor, target_lufs=target_lufs,
        events=tuple(sorted(heard.ledger.findings, key=lambda found: (found.start_frame, found.kind))),
        events_left_out=heard.ledger.left_out, channel_reports=_channel_reports(heard), damage=heard.damage,
        reasons=reasons, overview=heard.overview, elapsed_s=time.perf_counter() - start,
    )


def _measurements(heard: Heard, values: Values, target_lufs: float | None) -> Measurements:
    return Measurements(
        duration_s=heard.frames / heard.rate, sample_rate=heard.rate, faults=heard.ledger.tallies,
        snr_db=values.get("snr_db"), dynamic_range_db=values.get("dynamic_range_db"),
        true_peak_dbtp=values.get("true_peak_dbtp"), bandwidth_hz=values.get("bandwidth_hz"),
        bandwidth_confidence=values.get("bandwidth_confidence") or 0.0,
        dc_offset=values.get("dc_offset"), integrated_lufs=values.get("integrated_lufs"), target_lufs=target_lufs,
        damaged=bool(heard.damage))


def _remark(heard: Heard, values: Values, reasons: dict[str, str]) -> None:
    """What is to be known of values that are there."""
    if values.get("loudness_range_lu") is not None and heard.frames < 60 * heard.rate:
        reasons["loudness_range_lu"] = "of less than 60 s it is not stable yet"
    cleaner = heard.cleaner
    if cleaner.not_numbers:
        samples = "sample is no number" if cleaner.not_numbers == 1 else "samples are no numbers"
        reasons["peak_dbfs"] = (f"{cleaner.not_numbers} {samples} (NaN or infinite) and counted as 0 in all "
                                "measurements")
    if cleaner.too_large:
        samples = "sample is" if cleaner.too_large == 1 else "samples are"
        reasons["true_peak_dbtp"] = (f"{cleaner.too_large} {samples} beyond 10000, which is no sound with full scale "
                                     "at 1, and counted as 10000: divide 16-bit samples by 32768")
    if heard.ledger.left_out:
        reasons["events"] = f"{heard.ledger.left_out} more were found than are listed; they count in the score"


def _channel_reports(heard: Heard) -> tuple[ChannelReport, ...]:
    levels, loud = heard.instruments.measured("levels"), heard.instruments.measured("loudness")
    made = []
    for c in range(heard.channels):
        peak, rms = known(levels["max_peak_dbfs"][c]), known(levels["mean_rms_dbfs"][c])
        made.append(ChannelReport(
            peak_dbfs=peak, rms_dbfs=rms, true_peak_dbtp=known(loud["true_peak_dbtp"][c]),
            crest_db=peak - rms if peak is not None and rms is not None else None,
            dc_offset=finite(levels["mean_dc"][c]) if "mean_dc" in levels and heard.frames else None,
            clipped_samples=int(levels["clipped"][c])))
    return tuple(made)
