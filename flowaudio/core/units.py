"""Decibels, powers, times: the conversions that everything above needs on the control side, stated once."""

import math

__all__ = ["db_to_gain", "db_to_power", "gain_to_db", "ms_to_frames", "power_to_db", "smoothing"]


def db_to_gain(db: float) -> float:
    """Decibels as a factor of amplitude: 6.02 dB is 2."""
    return float(10.0 ** (db / 20.0))


def gain_to_db(gain: float) -> float:
    """A factor of amplitude in decibels; ``-inf`` for 0."""
    return 20.0 * math.log10(gain) if gain > 0.0 else -math.inf


def db_to_power(db: float) -> float:
    """Decibels as a factor of power: 3.01 dB is 2."""
    return float(10.0 ** (db / 10.0))


def power_to_db(power: float) -> float:
    """A factor of power in decibels; ``-inf`` for 0."""
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf


def ms_to_frames(ms: float, rate: int) -> int:
    """Milliseconds in whole frames at `rate` (Hz), halves rounded up."""
    return math.floor(ms * rate / 1000 + 0.5)


def smoothing(ms: float, rate: int) -> float:
    """What a one-pole average keeps of itself in a frame, for a time constant of `ms` (to 63 %); 0 for 0 ms."""
    return math.exp(-1000.0 / (ms * rate)) if ms > 0.0 else 0.0
