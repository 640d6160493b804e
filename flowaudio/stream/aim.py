"""Where a master has to aim, so that what a listener decodes is where it should be.

A lossy codec takes a little of the loudness (the top of the spectrum) and adds to the peaks. A short rehearsal shows
how much, before minutes of encoding go wrong.
"""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.io import Decoder, Encoder
from flowaudio.io.formats import FLAC, WAV, Codec
from flowaudio.nodes import Limiter
from flowaudio.nodes.loudness import LoudnessReading, loudness
from flowaudio.stream.mastering import Master, final_limiter, metered, straight

__all__ = ["REHEARSAL_S", "Aim", "Change", "is_lossy", "rehearse"]

REHEARSAL_S = 12.0
SKIP_S = 30.0
"""The rehearsal begins here, or at the beginning of what is shorter: a title is no measure of a programme."""

SMALL_LU = 0.05
TOLERANCE_LU = 0.4
"""A file that is off by more is made again: 0.5 is promised."""


class Change(NamedTuple):
    """What a codec did to an excerpt."""

    loss_lu: float
    overshoot_db: float


class Aim:
    """Loudness and ceiling to aim at; they move as it becomes known what the codec does."""

    def __init__(self, target_lufs: float, ceiling_dbtp: float, limiter: Limiter, lossy: bool) -> None:
        self.target_lufs, self.limit_dbtp = target_lufs, ceiling_dbtp
        self.limiter, self.lossy = limiter, lossy
        self.lufs = target_lufs
        # The limiter may err by 0.2 dB; lossy codecs add up to a decibel to the peaks of dense material.
        self.ceiling_dbtp = max(ceiling_dbtp - (1.0 if lossy else 0.2), -30.0)

    def master(self, gain_db: float) -> Master:
        """A gain, within what the node takes, and the limiter at the ceiling aimed at."""
        return Master(min(max(gain_db, -100.0), 40.0), _at(self.limiter, self.ceiling_dbtp))

    def allow_for(self, change: Change) -> bool:
        """Move by what a rehearsal showed; whether that makes a difference."""
        self.lufs = self.target_lufs + change.loss_lu
        ceiling = min(self.ceiling_dbtp, self.limit_dbtp - change.overshoot_db - 0.3)
        moved = abs(change.loss_lu) > SMALL_LU or ceiling < self.ceiling_dbtp
        self.ceiling_dbtp = max(ceiling, -30.0)
        return moved

    def missed(self, reached: LoudnessReading) -> bool:
        """Whether the finished file is off; then the aim has moved by as much."""
        excess = reached.true_peak_dbtp - self.limit_dbtp
        if excess > 0:
            self.ceiling_dbtp = max(self.ceiling_dbtp - excess - 0.2, -30.0)
        error = reached.integrated_lufs - self.target_lufs
        far = np.isfinite(error) and abs(error) > TOLERANCE_LU
        if far:
            self.lufs -= error
        return bool(excess > 0 or far)


def _at(limiter: Limiter, ceiling_dbtp: float) -> Limiter:
    return final_limiter(Graph.chain(limiter), ceiling_dbtp)


def is_lossy(codec: Codec) -> bool:
    """Whether a codec changes the sound."""
    return not isinstance(codec, (WAV, FLAC))


def rehearse(open_decoder: Callable[[], Decoder], effects: Graph, master: Master, codec: Codec, suffix: str) -> Change:
    """Master, encode and decode some seconds in memory."""
    with open_decoder() as decoder:
        rate = decoder.sample_rate
        skip = round(min(SKIP_S, (decoder.info.duration_s or 0) / 3) * rate)
        excerpt = _excerpt(decoder, skip, round(REHEARSAL_S * rate))
        plan = Plan(master.after(effects), rate, decoder.channels)
    if not excerpt.size:
        return Change(0.0, 0.0)
    mastered = plan.process(excerpt)
    before = _measured(mastered, rate)
    file = io.BytesIO()
    with Encoder(file, codec, rate, plan.output_channels, container=suffix) as encoder:
        encoder.write(mastered)
    file.seek(0)
    with Decoder(file) as decoder:
        after = _measured(np.concatenate(list(decoder.blocks()), axis=1), decoder.sample_rate)
    loss = before.integrated_lufs - after.integrated_lufs
    return Change(float(loss) if np.isfinite(loss) else 0.0, max(after.true_peak_dbtp - before.true_peak_dbtp, 0.0))


def _excerpt(decoder: Decoder, skip: int, frames: int) -> np.ndarray[Any, Any]:
    blocks, have = [], 0
    for block in decoder.blocks():
        have += block.shape[1]
        if have > skip:
            blocks.append(block)
        if have >= skip + frames:
            break
    return np.concatenate(blocks, axis=1)[:, -frames:] if blocks else np.zeros((decoder.channels, 0), np.float32)


def _measured(x: np.ndarray[Any, Any], rate: int) -> LoudnessReading:
    joined, meter = metered(straight())
    plan = Plan(joined, rate, x.shape[0])
    plan.process(x)
    return loudness(plan.read(meter))
