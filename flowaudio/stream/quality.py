"""What a buffer of sound is worth: levels, noise floor, spectrum, silence and clipping."""

import dataclasses
import datetime
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.units import db_to_gain, gain_to_db

__all__ = ["AudioQualityMetrics", "QualityAnalyzer"]

Array = np.ndarray[Any, Any]

FLOOR = 1e-10
"""-200 dBFS: the level of digital silence in ratios."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioQualityMetrics:
    """Measurements of one buffer. Levels are linear with full scale at 1, ratios are in dB."""

    rms_level: float
    peak_level: float
    dynamic_range: float
    """dB from the 10th to the 95th percentile of the RMS of 20 ms frames."""
    signal_to_noise_ratio: float
    """dB of the RMS over the noise floor, the 10th percentile of the RMS of 20 ms frames; at most 200."""
    frequency_spectrum: Array
    """float64 [bins], dBFS: a sine at full scale reads 0. Empty for buffers that are too short."""
    spectrum_hz: Array
    """float64 [bins], the frequency of each bin."""
    silence_detected: bool
    clipping_detected: bool
    timestamp: datetime.datetime


class QualityAnalyzer:
    """Analyses buffers; everything that depends on the rate is computed once.

    :param sample_rate: Hz.
    :param fft_size: samples of the spectrum, from the middle of the buffer, under a Hann window.
    :param silence_dbfs: RMS below which a buffer is silent.
    :param clip_dbfs: level from which runs of three or more equal samples count as clipped.
    """

    def __init__(self, sample_rate: int = 48_000, *, fft_size: int = 1024, silence_dbfs: float = -60.0,
                 clip_dbfs: float = -0.45) -> None:
        if sample_rate < 1000 or fft_size < 16:
            raise ParameterError("QualityAnalyzer needs sample_rate of at least 1000 Hz and fft_size of at least 16 "
                                 f"(got {sample_rate}, {fft_size})")
        self.sample_rate, self.fft_size = sample_rate, fft_size
        self._silence, self._clip = db_to_gain(silence_dbfs), db_to_gain(clip_dbfs)
        self._window = np.hanning(fft_size + 1)[:-1]
        self._hz = np.fft.rfftfreq(fft_size, 1 / sample_rate)

    def analyze_buffer(self, buffer: Array) -> AudioQualityMetrics:
        """Metrics of float ``[channels, frames]`` or ``[frames]``. What is no finite number counts as silence."""
        x = np.atleast_2d(np.asarray(buffer, np.float64))
        if x.ndim != 2 or not x.size:
            raise ParameterError(f"analyze_buffer takes [channels, frames] with at least one frame (got {x.shape})")
        x = np.where(np.isfinite(x), x, 0.0)
        rms = float(np.sqrt(np.mean(x * x)))
        quiet, loud = np.percentile(self._frame_rms(x), [10, 95])
        return AudioQualityMetrics(
            rms_level=rms,
            peak_level=float(np.abs(x).max()),
            dynamic_range=_ratio_db(loud, quiet),
            signal_to_noise_ratio=_ratio_db(rms, quiet),
            frequency_spectrum=self._spectrum(x),
            spectrum_hz=self._hz,
            silence_detected=rms < self._silence,
            clipping_detected=self._clips(x),
            timestamp=datetime.datetime.now(datetime.UTC),
        )

    def _frame_rms(self, x: Array) -> Array:
        size = max(1, min(x.shape[1], self.sample_rate // 50))
        whole = x.shape[1] // size
        frames = x[:, :whole * size].reshape(x.shape[0], whole, size)
        return np.sqrt(np.mean(frames * frames, axis=(0, 2)))  # type: ignore[no-any-return]  # NumPy types it as Any

    def _spectrum(self, x: Array) -> Array:
        start = (x.shape[1] - self.fft_size) // 2
        if start < 0:
            return np.zeros(0)
        bins = np.fft.rfft(x[:, start:start + self.fft_size] * self._window, axis=1)
        power = np.mean(np.abs(bins * (2 / self._window.sum())) ** 2, axis=0)
        return 10 * np.log10(np.maximum(power, FLOOR**2))  # type: ignore[no-any-return]  # NumPy types it as Any

    def _clips(self, x: Array) -> bool:
        if np.abs(x).max() > 1.0:
            return True
        hot = np.abs(x) >= self._clip
        flat = (x[:, 1:] == x[:, :-1]) & hot[:, 1:]
        return bool(np.any(flat[:, 1:] & flat[:, :-1]))


def _ratio_db(a: float, b: float) -> float:
    return gain_to_db(max(a, FLOOR) / max(b, FLOOR))
