"""Dynamics and loudness written the slow, obvious way in float64, and the meter that judges the limiter."""

from typing import Any

import numpy as np
import scipy.signal as sps

TABLE_48K = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585],
             [1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
"""The coefficients printed in ITU-R BS.1770, tables 1 and 2."""


def compress(x: Any, rate: int, threshold_db: float, ratio: float, attack_ms: float, release_ms: float, *,
             knee_db: float = 0.0, makeup_db: float = 0.0, linked: bool = True, rms_ms: float | None = None,
             side: Any = None) -> Any:
    """Giannoulis, Massberg, Reiss 2012, sample by sample."""
    x = np.asarray(x, np.float64)
    side = x if side is None else np.asarray(side, np.float64)
    level = np.abs(side)
    if rms_ms is not None:
        keep = np.exp(-1000 / (rms_ms * rate))
        level = np.sqrt(sps.lfilter([1 - keep], [1, -keep], side ** 2, axis=1))
    if linked:
        level = level.max(axis=0, keepdims=True)
    over = 20 * np.log10(np.maximum(level, 1e-10 if rms_ms is not None else 1e-20)) - threshold_db
    slope = 1 - 1 / ratio
    wanted = slope * np.maximum(over, 0)
    if knee_db:
        inside = np.abs(over) <= knee_db / 2
        wanted = np.where(inside, slope * (over + knee_db / 2) ** 2 / (2 * knee_db), wanted)
    attack = np.exp(-1000 / (attack_ms * rate)) if attack_ms else 0.0
    release = np.exp(-1000 / (release_ms * rate))
    reduction = np.zeros_like(wanted)
    for c in range(len(wanted)):
        now = 0.0
        for n, goal in enumerate(wanted[c]):
            keep = attack if goal > now else release
            now = keep * now + (1 - keep) * goal
            reduction[c, n] = now
    return x * 10 ** ((makeup_db - reduction) / 20)


def true_peak(x: Any, times: int = 8, half: int = 64) -> float:
    """Greatest magnitude at `times` the rate: a Kaiser-windowed sinc of `half` samples on each side, in float64."""
    taps = sps.firwin(2 * half * times + 1, 1 / times, window=("kaiser", 8.0)) * times
    return float(np.abs(sps.upfirdn(taps, np.asarray(x, np.float64), times, axis=-1)).max())


def true_peak_resampled(x: Any, times: int = 8) -> float:
    """The same by SciPy's resampler as it is."""
    return float(np.abs(sps.resample_poly(np.asarray(x, np.float64), times, 1, axis=-1)).max())


def k_weighted(x: Any) -> Any:
    """By the table of the standard: 48 kHz only."""
    b1, a1, b2, a2 = TABLE_48K
    return sps.lfilter(b2, a2, sps.lfilter(b1, a1, np.asarray(x, np.float64), axis=1), axis=1)


def integrated(x: Any, weights: Any = None) -> float:
    """Gated loudness of ``[channels, frames]`` at 48 kHz, block by block."""
    power = np.asarray(weights if weights is not None else np.ones(len(x))) @ k_weighted(x) ** 2
    starts = range(0, power.size - 19_200 + 1, 4800)
    blocks = np.array([power[n:n + 19_200].mean() for n in starts])
    level = -0.691 + 10 * np.log10(np.maximum(blocks, 1e-20))
    blocks, level = blocks[level > -70], level[level > -70]
    gate = -0.691 + 10 * np.log10(blocks.mean()) - 10
    return float(-0.691 + 10 * np.log10(blocks[level > gate].mean()))


def tones(*parts: tuple[float, float], rate: int = 48_000, channels: int = 2, frequency_hz: float = 1000.0) -> Any:
    """A sine in pieces of (seconds, peak level in dBFS), the phase going on."""
    level = np.concatenate([np.full(round(seconds * rate), 10 ** (db / 20)) for seconds, db in parts])
    wave = level * np.sin(2 * np.pi * frequency_hz * np.arange(level.size) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))
