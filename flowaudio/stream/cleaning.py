"""Samples that are no numbers, or absurdly large: put right before anything is measured, and told."""

from typing import Any

import numpy as np

from flowaudio.stream._extremes import LIMIT, extremes

__all__ = ["Cleaner"]

Array = np.ndarray[Any, Any]

HOLD_S = 0.1
"""Faults that are closer than this are one."""


class Cleaner:
    """Puts 0 for NaN and infinities, ±10 000 (+80 dBFS) for what is larger, and keeps where that was.

    `runs` grows by one for each stretch of such samples; those of all channels count together.
    """

    def __init__(self, rate: int) -> None:
        self._hold = max(round(HOLD_S * rate), 1)
        self.frames = 0
        self.not_numbers = 0
        """Samples that were NaN or infinite."""
        self.too_large = 0
        """Samples that were larger than that."""
        self.runs: list[tuple[int, int, int]] = []
        """(first frame, end, samples) of what was no number."""

    def clean(self, x: Array, width: int) -> tuple[Array, Array, Array]:
        """The block, sound, and what is lowest and highest in each `width` frames: float32 [columns, channels]."""
        low, high, fine = extremes(x, width)
        if not fine:
            x = self._put_right(x)
            low, high, _ = extremes(x, width)
        self.frames += x.shape[1]
        return x, low, high

    def _put_right(self, x: Array) -> Array:
        bad = ~np.isfinite(x)
        clean = np.where(bad, np.float32(0), x)
        large = np.abs(clean) > LIMIT
        self.not_numbers += int(bad.sum())
        self.too_large += int(large.sum())
        counts = bad.sum(axis=0)
        places = np.flatnonzero(counts)
        if places.size:
            for group in np.split(places, np.flatnonzero(np.diff(places) > self._hold) + 1):
                self._add(self.frames + int(group[0]), self.frames + int(group[-1]) + 1, int(counts[group].sum()))
        return np.asarray(np.clip(clean, -LIMIT, LIMIT), np.float32)

    def _add(self, start: int, end: int, count: int) -> None:
        if self.runs and start - self.runs[-1][1] <= self._hold:
            first, _, before = self.runs[-1]
            self.runs[-1] = (first, end, before + count)
        else:
            self.runs.append((start, end, count))
