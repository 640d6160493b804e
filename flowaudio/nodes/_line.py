"""The last frames of each channel in a line, for detectors that look at whole hops and at what was before them.

Hops begin at multiples of HOP frames since the node's own start, wherever a block begins: what is found in them does
not depend on how the signal was cut. Once in a while the end of the line moves to its front; nothing else is copied.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import load, load_part, select, splat, store, store_part, vabs

__all__ = ["HOP", "clean", "line", "room", "take"]

HOP = 512
"""Frames that come in before they are looked at."""

ZERO = np.float32(0.0)
LARGEST = np.float32(1e4)


def line(channels: int, kept: int) -> Any:
    """float32 [channel, frame], silent: `kept` frames, a multiple of 8, for what was, more than that for what comes."""
    return np.zeros((channels, 2 * kept + 16 * HOP), np.float32)


@kernel
def clean(v: Any) -> Any:
    """0 for what is not finite, or beyond 80 dBFS."""
    return select(vabs(v) <= LARGEST, v, splat(ZERO))


@kernel
def take(x: Any, first: int, count: int, into: Any, at: int) -> None:
    """``into[:, at : at + count] = x[:, first : first + count]``, cleaned."""
    whole, rest = count - count % 8, count % 8
    for c in range(x.shape[0]):
        source, target = x[c], into[c]
        for n in range(0, whole, 8):
            store(target, at + n, clean(load(source, first + n)))
        if rest:
            store_part(target, at + whole, rest, clean(load_part(source, first + whole, rest)))


@kernel
def room(into: Any, at: int, span: int, kept: int) -> int:
    """A hop is over: where the next one, of `span` frames, begins. `kept` frames stay."""
    if at + span <= into.shape[1]:
        return at
    for c in range(into.shape[0]):
        row = into[c]
        for n in range(0, kept, 8):
            store(row, n, load(row, at - kept + n))
    return kept
