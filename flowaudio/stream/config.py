"""What a processor is set up with, and sound in memory with its format."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.stream.presets import QualityPreset, quality_presets

__all__ = ["AudioConfig", "AudioStream"]

BIT_DEPTHS = (16, 24, 32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioConfig:
    """Format and effects of what a processor puts out."""

    sample_rate: int | None = None
    """Hz; None for that of the input, or the nearest that the encoder takes."""
    channels: int | None = None
    """1 to 8; None for those of the input."""
    bit_depth: int = 24
    """16 or 24 bits, or 32 for float: what samples are rounded to (with dither) where they are kept as samples."""
    buffer_size: int = 256
    """Frames in one call of a kernel. The sound does not depend on it."""
    enable_effects: bool = True
    quality_presets: Mapping[str, QualityPreset] = dataclasses.field(default_factory=quality_presets)

    def __post_init__(self) -> None:
        self._check("sample_rate", self.sample_rate, 1_000, 1_000_000)
        self._check("channels", self.channels, 1, 8)
        self._check("buffer_size", self.buffer_size, 1, 1 << 20)
        if self.bit_depth not in BIT_DEPTHS:
            raise ParameterError(f"AudioConfig.bit_depth must be 16, 24 or 32 (got {self.bit_depth!r})")

    def _check(self, name: str, value: Any, low: int, high: int) -> None:
        if value is None and name != "buffer_size":
            return
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ParameterError(f"AudioConfig.{name} must be a whole number between {low} and {high} (got {value!r})")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioStream:
    """Sound in memory: float32 ``[channels, frames]``, full scale at ±1, with the bit depth that it was made for."""

    data: np.ndarray[Any, Any]
    sample_rate: int
    bit_depth: int = 32

    @property
    def channels(self) -> int:
        """How many channels `data` has."""
        return int(self.data.shape[0])

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return float(self.data.shape[1]) / self.sample_rate
