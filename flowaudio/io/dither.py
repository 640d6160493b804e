"""Float samples to integers of 16 or 24 bits, with dither."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dither"]


class Dither:
    """Quantises blocks to `bits` with TPDF dither of ±1 LSB: no distortion, a constant noise floor, always the same.

    Each sample's noise depends on its place alone, as long as all blocks but the last have an even length. A block that
    lies on the grid already (digital silence, a 16-bit source that nothing changed) drops no bits and passes as it is.
    """

    def __init__(self, bits: int) -> None:
        self._noise = np.random.SFC64(seed=bits)
        self._bits = bits
        self._scale = 2.0 ** (bits - 1)
        # 24 bits and the dither below them are more than a float32 holds.
        self._float: type[np.floating[Any]] = np.float32 if bits <= 16 else np.float64

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.signedinteger[Any]]:
        """Integers `[channels, frames]`, int16 or left-aligned int32, for a block `[channels, frames]` within ±1."""
        scaled = np.multiply(block, self._scale, dtype=self._float)
        noise = self._tpdf(block.size).reshape(block.shape[::-1]).T
        rounded = np.rint(scaled)
        if not np.array_equal(rounded, scaled):
            scaled += noise
            np.rint(scaled, out=rounded)
        # +1.0 itself lies one step above the largest integer.
        np.clip(rounded, -self._scale, self._scale - 1, out=rounded)
        if self._bits == 16:
            return rounded.astype(np.int16)
        return rounded.astype(np.int32) << (32 - self._bits)

    def _tpdf(self, count: int) -> NDArray[np.floating[Any]]:
        """Triangular noise between -1 and +1: the sum of two uniform numbers, each of 16 random bits."""
        raw = self._noise.random_raw((count + 1) // 2).view(np.uint16)
        pairs = raw[: 2 * count].reshape(count, 2)
        noise = np.add(pairs[:, 0], pairs[:, 1], dtype=self._float)
        noise -= 65_535
        noise *= 1 / 65_536
        return noise
