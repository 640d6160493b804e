"""A report in words and numbers, for people."""

from collections import Counter

from flowaudio.stream.faults import Finding, many, named
from flowaudio.stream.report import Report

__all__ = ["channels", "counted", "heard", "lines", "score_text", "worst"]

COUNTED = 6
"""Kinds that are named in one line."""


def lines(report: Report) -> list[tuple[str, str]]:
    """What there is to know, as (name, value); what there is nothing to say of is left out."""
    rows = [
        ("Format", f"{report.sample_rate / 1000:g} kHz, {channels(report.channels)}"),
        ("Duration", f"{report.duration_s:.3f} s"),
        ("Loudness", _value(report, "integrated_lufs", "LUFS") + _target(report)),
        ("Loudness range", _value(report, "loudness_range_lu", "LU")),
        ("Loudest", _loudest(report)),
        ("True peak", _value(report, "true_peak_dbtp", "dBTP")),
        ("Levels", _levels(report)),
        ("Dynamic range", _value(report, "dynamic_range_db", "dB")),
        ("Noise", _noise(report)),
        ("Stereo", _stereo(report)),
        ("Bandwidth", _bandwidth(report)),
        ("Tempo", f"{report.tempo_bpm:.1f} bpm" if report.tempo_bpm is not None else ""),
        ("Found", heard(report.events, report.events_left_out)),
        ("Quality", score_text(report)),
        ("Damage", report.damage),
        ("Speed", f"{report.speed:.0f} x real time ({report.elapsed_s:.1f} s)" if report.elapsed_s else ""),
    ]
    return [(name, value) for name, value in rows if value]


def channels(count: int) -> str:
    """``mono``, ``stereo``, ``6 channels``."""
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def counted(events: tuple[Finding, ...]) -> list[tuple[str, int]]:
    """Kinds with how many of each, most frequent first."""
    return Counter(event.kind for event in events).most_common()


def heard(events: tuple[Finding, ...], left_out: int = 0) -> str:
    """``click 12, dropout 1``; or that there is nothing."""
    if not events:
        return "nothing wrong"
    kinds = counted(events)
    said = ", ".join(f"{named(kind)} {count}" for kind, count in kinds[:COUNTED])
    return said + (", and others" if len(kinds) > COUNTED else "") + (f", and {left_out} more" if left_out else "")


def worst(report: Report) -> list[tuple[str, float]]:
    """Parts of the score that cost something, the dearest first."""
    return sorted(((name, part) for name, part in report.score_parts.items() if part < 0.995), key=lambda pair: pair[1])


def score_text(report: Report) -> str:
    """``0.87 of 1; clicks 0.90, noise 0.97``."""
    if report.quality_score is None:
        return f"none: {report.reasons.get('quality_score', '')}"
    parts = ", ".join(f"{name.replace('_', ' ')} {part:.2f}" for name, part in worst(report)[:4])
    floor = f", below the floor of {report.quality_floor:g}" if report.low_quality else ""
    return f"{report.quality_score:.2f} of 1{floor}" + (f"; it costs: {parts}" if parts else "")


def _value(report: Report, field: str, unit: str) -> str:
    value, why = getattr(report, field), report.reasons.get(field, "")
    if value is None:
        return f"none: {why}" if why else ""
    return f"{value:.1f} {unit}" + (f" ({why})" if why else "")


def _target(report: Report) -> str:
    return f" (target {report.target_lufs:g})" if report.target_lufs is not None else ""


def _loudest(report: Report) -> str:
    momentary, short = report.max_momentary_lufs, report.max_short_term_lufs
    said = [f"{value:.1f} LUFS {word}" for value, word in ((momentary, "momentary"), (short, "short-term"))
            if value is not None]
    return ", ".join(said)


def _levels(report: Report) -> str:
    if report.peak_dbfs is None or report.rms_dbfs is None:
        return ""
    clipped = f", {many(report.clipped_samples, 'sample')} at full scale" if report.clipped_samples else ""
    offset = f", offset {report.dc_offset:+.4f}" if report.dc_offset and abs(report.dc_offset) >= 0.001 else ""
    why = f" ({report.reasons['peak_dbfs']})" if "peak_dbfs" in report.reasons else ""
    return f"peak {report.peak_dbfs:.1f} dBFS, RMS {report.rms_dbfs:.1f} dBFS{clipped}{offset}{why}"


def _noise(report: Report) -> str:
    if report.noise_floor_dbfs is None:
        why = report.reasons.get("noise_floor_dbfs", "")
        return f"none told: {why}" if why else ""
    ratio = f", {report.snr_db:.0f} dB under the sound" if report.snr_db is not None else ""
    return f"{report.noise_floor_dbfs:.1f} dBFS{ratio}"


def _stereo(report: Report) -> str:
    if report.correlation is None:
        return ""
    balance = report.balance_db
    if balance is None or abs(balance) < 0.1:
        return f"correlation {report.correlation:+.2f}"
    side = "right" if balance > 0 else "left"
    return f"correlation {report.correlation:+.2f}, {side} {abs(balance):.1f} dB louder"


def _bandwidth(report: Report) -> str:
    if report.bandwidth_hz is None:
        return ""
    return f"ends at {report.bandwidth_hz / 1000:.1f} kHz (confidence {report.bandwidth_confidence or 0.0:.2f})"
