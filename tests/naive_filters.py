"""Filters written the slow, obvious way: the "Audio EQ Cookbook" as printed, in extended precision."""

from typing import Any

import numpy as np

Wide = np.longdouble


def noise(channels: int, frames: int) -> Any:
    """float32 [channels, frames], normal, 0.1 strong."""
    return (np.random.default_rng(0).standard_normal((channels, frames)) * 0.1).astype(np.float32)


def cookbook(kind: str, frequency_hz: float, q: float, gain_db: float, rate: int) -> Any:
    """b0, b1, b2, a0, a1, a2 with a0 = 1."""
    w = 2 * Wide(np.pi) * Wide(frequency_hz) / rate
    a = Wide(10) ** (Wide(gain_db) / 40)
    c, alpha = np.cos(w), np.sin(w) / (2 * Wide(q))
    shelf = 2 * np.sqrt(a) * alpha
    table = {
        "lowpass": ((1 - c) / 2, 1 - c, (1 - c) / 2, 1 + alpha, -2 * c, 1 - alpha),
        "highpass": ((1 + c) / 2, -(1 + c), (1 + c) / 2, 1 + alpha, -2 * c, 1 - alpha),
        "bandpass": (alpha, 0, -alpha, 1 + alpha, -2 * c, 1 - alpha),
        "notch": (1, -2 * c, 1, 1 + alpha, -2 * c, 1 - alpha),
        "allpass": (1 - alpha, -2 * c, 1 + alpha, 1 + alpha, -2 * c, 1 - alpha),
        "peak": (1 + alpha * a, -2 * c, 1 - alpha * a, 1 + alpha / a, -2 * c, 1 - alpha / a),
        "lowshelf": (a * ((a + 1) - (a - 1) * c + shelf), 2 * a * ((a - 1) - (a + 1) * c),
                     a * ((a + 1) - (a - 1) * c - shelf), (a + 1) + (a - 1) * c + shelf,
                     -2 * ((a - 1) + (a + 1) * c), (a + 1) + (a - 1) * c - shelf),
        "highshelf": (a * ((a + 1) + (a - 1) * c + shelf), -2 * a * ((a - 1) + (a + 1) * c),
                      a * ((a + 1) + (a - 1) * c - shelf), (a + 1) - (a - 1) * c + shelf,
                      2 * ((a - 1) - (a + 1) * c), (a + 1) - (a - 1) * c - shelf),
    }
    row = np.array(table[kind], Wide)
    return row / row[3]


def biquad(x: Any, coefficients: Any) -> Any:
    """One channel through one section, direct form I."""
    b0, b1, b2, _, a1, a2 = coefficients
    y = np.zeros(x.size, Wide)
    x1 = x2 = y1 = y2 = Wide(0)
    for n, sample in enumerate(x.astype(Wide)):
        y[n] = b0 * sample + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        x2, x1, y2, y1 = x1, sample, y1, y[n]
    return y


def one_pole(x: Any, kind: str, frequency_hz: float, rate: int) -> Any:
    """The bilinear transform of ``1 / (1 + s)`` or ``s / (1 + s)``."""
    g = np.tan(Wide(np.pi) * Wide(frequency_hz) / rate)
    b0, b1 = (g, g) if kind == "lowpass" else (Wide(1), Wide(-1))
    return biquad(x, (b0 / (1 + g), b1 / (1 + g), 0, 1, (g - 1) / (g + 1), 0))
