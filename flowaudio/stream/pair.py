"""Two sounds read at a common rate, in as many channels, without samples that are no numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from flowaudio.stream._extremes import LIMIT
from flowaudio.stream.sounds import ArraySound, FileSound

__all__ = ["STEP", "Pair", "Sound"]

Array = np.ndarray[Any, Any]
Sound = FileSound | ArraySound

STEP = 1 << 14
"""Frames that are read at once."""


class Pair:
    """Two sounds with a common rate and channels."""

    def __init__(self, a: Sound, b: Sound) -> None:
        self.a, self.b = a, b
        self.rate = a.rate
        self.channels = a.channels if a.channels == b.channels else 1

    def blocks(self, sound: Sound, frames: int, rate: int | None = None,
               channels: int | None = None) -> Iterator[Array]:
        """Of one of them, without samples that are no numbers."""
        rate, channels = rate or self.rate, channels or self.channels
        for block in sound.blocks(frames, rate, channels):
            with np.errstate(invalid="ignore"):
                fine = np.abs(block).max(initial=0.0) <= LIMIT
            yield block if fine else np.clip(np.nan_to_num(block, nan=0, posinf=0, neginf=0), -LIMIT, LIMIT)
