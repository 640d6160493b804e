"""Two sounds read at a common rate, in as many channels, without samples that are no numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from flowaudio.io.resampling import Restorer
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
        self.ratio = 1.0
        """Frames of `b` for one frame of `a`, both at the common rate: not 1 where their clocks differ."""

    def blocks(self, sound: Sound, frames: int, rate: int | None = None,
               channels: int | None = None) -> Iterator[Array]:
        """Of one of them, without samples that are no numbers."""
        rate, channels = rate or self.rate, channels or self.channels
        for block in sound.blocks(frames, rate, channels):
            with np.errstate(invalid="ignore"):
                fine = np.abs(block).max(initial=0.0) <= LIMIT
            yield block if fine else np.clip(np.nan_to_num(block, nan=0, posinf=0, neginf=0), -LIMIT, LIMIT)

    def in_step(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """Blocks of `b` as they would be with the clock of `a`."""
        if self.ratio == 1.0:
            yield from blocks
            return
        restorer = None
        for block in blocks:
            restorer = restorer or Restorer(self.ratio, block.shape[0])
            yield restorer.process(block)
        if restorer is not None:
            yield restorer.finish()
