"""The command `compare`: by what two files differ."""

from typing import Any

from flowaudio.cli import kernels
from flowaudio.cli.output import clock, decibels, facts, print_json, warn
from flowaudio.cli.progress import display
from flowaudio.io import probe
from flowaudio.nodes import LoudnessMeter
from flowaudio.stream.compare import Comparison, compare
from flowaudio.stream.instruments import listening

__all__ = ["run"]

AUDIBLE_DB = 0.1
"""A band that differs by less is not named."""


def run(args: Any) -> None:
    """``flowaudio compare A B``."""
    allowed = ("file", *args.allow)
    with display(args.quiet, args.json) as shown:
        first, second = (probe(path, allowed_protocols=allowed) for path in (args.a, args.b))
        channels = first.channels if first.channels == second.channels else 1
        kernels.ready(listening({"loudness": LoudnessMeter(true_peak=False)}), first.sample_rate, channels,
                      kernels.ARRAYS, shown)
        found = compare(args.a, args.b, allowed_protocols=allowed, progress=shown)
    if args.json:
        print_json(found.as_dict())
    elif not args.quiet:
        _show(found)
    for remark in found.remarks:
        warn(remark)


def _show(found: Comparison) -> None:
    facts(f"{found.b} against {found.a}", [
        ("Identical", "yes, every sample" if found.identical else "no"),
        ("Delay", _delay(found)),
        ("Gain", decibels(found.gain_db, "dB", sign=True) if found.gain_db is not None else ""),
        ("Polarity", "inverted" if found.polarity == -1 else ""),
        ("Residual", _residual(found)),
        ("Loudness", _loudness(found)),
        ("Spectrum", _spectrum(found)),
        ("Duration", f"{clock(found.duration_a_s)} and {clock(found.duration_b_s)}"),
    ])


def _delay(found: Comparison) -> str:
    if found.delay_samples is None or found.delay_s is None:
        return f"none: {found.reasons['delay_samples']}"
    if not found.delay_samples:
        return "none"
    side = "later" if found.delay_samples > 0 else "earlier"
    size = abs(found.delay_samples)
    return f"{size:.6g} sample{'s' * (size != 1)} {side} ({abs(found.delay_s) * 1000:.4g} ms)"


def _residual(found: Comparison) -> str:
    if found.residual_db is None:
        return ""
    if found.residual_db <= -140:
        return "nothing: apart from that they are the same"
    return f"{found.residual_db:.1f} dB under the sound ({found.residual_dbfs:.1f} dBFS)".replace("-", "", 1)


def _loudness(found: Comparison) -> str:
    if found.loudness_difference_lu is None:
        return f"none: {found.reasons['loudness_difference_lu']}"
    return (f"{found.loudness_difference_lu:+.2f} LU ({found.loudness_b_lufs:.1f} LUFS against "
            f"{found.loudness_a_lufs:.1f} LUFS)")


def _spectrum(found: Comparison) -> str:
    """The bands that differ most, once the gain is taken off."""
    gain = found.gain_db or 0.0
    bands = zip(found.band_hz, found.band_difference_db, strict=True)
    off = [(abs(value - gain), value - gain, hz) for hz, value in bands if value is not None]
    if not off:
        return ""
    most = sorted((each for each in off if each[0] >= AUDIBLE_DB), reverse=True)[:4]
    if not most:
        return f"the same within {AUDIBLE_DB:g} dB in each third of an octave"
    return ", ".join(f"{value:+.1f} dB at {_hz(hz)}" for _, value, hz in sorted(most, key=lambda each: each[2]))


def _hz(hz: float) -> str:
    return f"{hz / 1000:.3g} kHz" if hz >= 1000 else f"{hz:.3g} Hz"
