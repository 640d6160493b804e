"""`listen`: render a graph and play it in the page, where there is no sound card."""

import os
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown
from flowaudio.graph.plan import render
from flowaudio.notebook.sound import Signal
from flowaudio.stream.metering import takes_input

__all__ = ["listen"]

SECONDS = 5.0
"""Of a graph that makes its own sound, unless it is said how many."""


def listen(graph: Any, x: Any = None, rate: int = 48_000, seconds: float | None = None, *,
           title: str = "") -> Signal:
    """Render a graph; the result shows itself as a player with its levels, waveform and spectrogram.

    :param x: float ``[channels, frames]`` or ``[frames]`` at `rate`, or a path or URL, which is converted to it. None
        for a graph that makes its own sound.
    :param seconds: of `x`, from its beginning: all, by default. Of a graph that makes its own: 5.
    :returns: the sound; its ``array`` is float32 ``[channels, frames]``, aligned with `x`.
    :raises GraphError, KernelError: what is wrong with the graph. ParameterError, SourceError: with the sound.
    """
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float))
                                or not 0 < seconds <= 24 * 3600):
        raise ParameterError(f"seconds must be above 0 and at most a day (got {shown(seconds)})")
    if x is None:
        if hasattr(graph, "out_degree") and takes_input(graph):
            raise ParameterError("the graph takes an input: give listen a signal x [channels, frames], or a file's "
                                 "name")
        return Signal(render(graph, rate=rate, frames=round((seconds or SECONDS) * rate)), rate, title=title)
    if isinstance(x, (str, os.PathLike)):
        title = title or os.fspath(x)
        x = _read(x, rate, seconds)
    x = np.asarray(x)
    if seconds is not None:
        x = x[..., :round(seconds * rate)]
    return Signal(render(graph, x, rate), rate, title=title)


def _read(path: str | os.PathLike[str], rate: int, seconds: float | None) -> Any:
    from flowaudio.io.decoder import Decoder

    parts, wanted = [], float("inf") if seconds is None else seconds * rate
    with Decoder(path, sample_rate=rate) as decoder:
        for block in decoder.blocks():
            parts.append(block.copy())
            wanted -= block.shape[1]
            if wanted <= 0:
                break
        channels = decoder.channels
    return np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0), np.float32)
