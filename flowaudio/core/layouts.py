"""Channel layouts of one to eight channels, and the matrices that mix one into another.

A layout is a tuple of speaker names in FFmpeg's order, which WAV, FLAC and Opus share::

    1 mono    FC                          5 5.0     FL FR FC BL BR
    2 stereo  FL FR                       6 5.1     FL FR FC LFE BL BR
    3 3.0     FL FR FC                    7 6.1     FL FR FC LFE BC SL SR
    4 quad    FL FR BL BR                 8 7.1     FL FR FC LFE BL BR SL SR

Where FFmpeg's own default for a count differs from what FLAC and Opus define (three and four channels), the codecs win.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from flowaudio.core.errors import ParameterError

__all__ = ["LAYOUTS", "MAX_CHANNELS", "Speakers", "layout_name", "mix_matrix", "speakers"]

Speakers = tuple[str, ...]

LAYOUTS: dict[str, Speakers] = {
    "mono": ("FC",),
    "stereo": ("FL", "FR"),
    "3.0": ("FL", "FR", "FC"),
    "quad": ("FL", "FR", "BL", "BR"),
    "5.0": ("FL", "FR", "FC", "BL", "BR"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
    "6.1": ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    "7.1": ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""Speakers of the default layout of each count, by FFmpeg's name; the n-th entry has n channels."""

MAX_CHANNELS = len(LAYOUTS)

_MINUS_3_DB = 2.0**-0.5

# Where a speaker goes that the output has not: to all speakers of the first group that is there, each at the group's
# gain. A speaker that finds no place (the LFE) is left out.
_FOLDS: dict[str, tuple[tuple[Speakers, float], ...]] = {
    "FC": ((("FL", "FR"), _MINUS_3_DB),),
    "BC": ((("BL", "BR"), _MINUS_3_DB), (("SL", "SR"), _MINUS_3_DB), (("FL", "FR"), 0.5)),
    "BL": ((("SL",), 1.0), (("BC",), _MINUS_3_DB), (("FL",), _MINUS_3_DB)),
    "BR": ((("SR",), 1.0), (("BC",), _MINUS_3_DB), (("FR",), _MINUS_3_DB)),
    "SL": ((("BL",), 1.0), (("BC",), _MINUS_3_DB), (("FL",), _MINUS_3_DB)),
    "SR": ((("BR",), 1.0), (("BC",), _MINUS_3_DB), (("FR",), _MINUS_3_DB)),
}


def layout_name(channels: int) -> str:
    """FFmpeg's name of the default layout of `channels` (1 to 8), such as ``"5.1"``."""
    _check("channels", channels)
    return list(LAYOUTS)[channels - 1]


def speakers(channels: int) -> Speakers:
    """Speakers of the default layout of `channels` (1 to 8), in channel order."""
    return LAYOUTS[layout_name(channels)]


def mix_matrix(inputs: int | Speakers, outputs: int | Speakers) -> NDArray[np.float64]:
    """The matrix `[outputs, inputs]` with which ``y = matrix @ x`` mixes one layout into another.

    Each side is a number of channels (1 to 8: the default layout) or a tuple of speaker names. The coefficients are
    those of ITU-R BS.775 and are **not normalised**: centre and surrounds come down at -3 dB beside fronts at unity,
    and the LFE is left out, so that dialogue keeps its level. A full-scale 5.1 signal can therefore reach +7.7 dBFS in
    stereo; put a limiter behind it. Mono goes to both sides of stereo at unity; stereo to mono is ``0.5 (L + R)``, and
    any layout folds to mono as its stereo fold would. A layout that goes into a larger one keeps its speakers, and the
    others are silent; mono alone goes to the centre where there is one.

    Raises ParameterError for a count outside 1 to 8.
    """
    source = speakers(inputs) if isinstance(inputs, int) else inputs
    target = speakers(outputs) if isinstance(outputs, int) else outputs
    return _matrix(source, target).copy()


@cache
def _matrix(source: Speakers, target: Speakers) -> NDArray[np.float64]:
    mono = LAYOUTS["mono"]
    if target == mono and source != mono:
        return np.asarray(0.5 * _matrix(source, LAYOUTS["stereo"]).sum(axis=0, keepdims=True))
    matrix = np.zeros((len(target), len(source)))
    for column, speaker in enumerate(source):
        for name, gain in _places(speaker, source, target).items():
            matrix[target.index(name), column] = gain
    return matrix


def _places(speaker: str, source: Speakers, target: Speakers) -> dict[str, float]:
    """The speakers of `target` that carry `speaker`, with their gains."""
    if speaker in target:
        return {speaker: 1.0}
    if source == LAYOUTS["mono"]:
        # A lone channel is no centre speaker: both fronts carry it whole.
        return {"FL": 1.0, "FR": 1.0}
    for names, gain in _FOLDS.get(speaker, ()):
        if all(name in target for name in names):
            # A pair that only changes its name keeps its level; one that joins another pair comes in at -3 dB.
            return {name: _MINUS_3_DB if gain == 1.0 and name in source else gain for name in names}
    return {}


def _check(name: str, channels: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise ParameterError(f"{name} must be between 1 and {MAX_CHANNELS} (got {channels})")
