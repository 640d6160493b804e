"""Every channel layout that FFmpeg has a name for: its speakers, and which of them are low-frequency effects."""

from flowaudio.core.errors import ParameterError
from flowaudio.core.layouts import LAYOUTS, MAX_CHANNELS, Speakers, speakers

__all__ = ["DEFAULT", "LOW_FREQUENCY", "NAMED_LAYOUTS", "layout_called", "layout_speakers"]

DEFAULT = "default"
"""What is meant where nothing is said: the layout that :mod:`flowaudio.core.layouts` has for a number of channels."""

LOW_FREQUENCY = frozenset({"LFE", "LFE2"})

_5_0 = ("FL", "FR", "FC", "BL", "BR")
_5_0_SIDE = ("FL", "FR", "FC", "SL", "SR")
_TOP = ("TFL", "TFC", "TFR", "TBL", "TBC", "TBR")

NAMED_LAYOUTS: dict[str, Speakers] = {
    **LAYOUTS,
    "downmix": ("DL", "DR"),
    "2.1": ("FL", "FR", "LFE"),
    "3.0(back)": ("FL", "FR", "BC"),
    "3.1": ("FL", "FR", "FC", "LFE"),
    "4.0": ("FL", "FR", "FC", "BC"),
    "quad(side)": ("FL", "FR", "SL", "SR"),
    "4.1": ("FL", "FR", "FC", "LFE", "BC"),
    "5.0(side)": _5_0_SIDE,
    "5.1(side)": ("FL", "FR", "FC", "LFE", "SL", "SR"),
    "6.0": ("FL", "FR", "FC", "BC", "SL", "SR"),
    "6.0(front)": ("FL", "FR", "FLC", "FRC", "SL", "SR"),
    "hexagonal": (*_5_0, "BC"),
    "6.1(back)": ("FL", "FR", "FC", "LFE", "BL", "BR", "BC"),
    "6.1(front)": ("FL", "FR", "LFE", "FLC", "FRC", "SL", "SR"),
    "7.0": (*_5_0, "SL", "SR"),
    "7.0(front)": ("FL", "FR", "FC", "FLC", "FRC", "SL", "SR"),
    "3.1.2": ("FL", "FR", "FC", "LFE", "TFL", "TFR"),
    "7.1(wide)": ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC"),
    "7.1(wide-side)": ("FL", "FR", "FC", "LFE", "FLC", "FRC", "SL", "SR"),
    "5.1.2": ("FL", "FR", "FC", "LFE", "SL", "SR", "TFL", "TFR"),
    "5.1.2(back)": ("FL", "FR", "FC", "LFE", "BL", "BR", "TFL", "TFR"),
    "octagonal": (*_5_0, "BC", "SL", "SR"),
    "cube": ("FL", "FR", "BL", "BR", "TFL", "TFR", "TBL", "TBR"),
    "hexadecagonal": (*_5_0, "BC", "SL", "SR", *_TOP, "WL", "WR"),
    "22.2": ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", *_TOP, "LFE2", "TSL", "TSR",
             "BFC", "BFL", "BFR"),
}
"""Speakers in channel order, by FFmpeg's names."""


def layout_called(names: Speakers) -> str:
    """FFmpeg's name of the layout of these speakers in this order; `DEFAULT` where it has none."""
    return next((name for name, has in NAMED_LAYOUTS.items() if has == names), DEFAULT)


def layout_speakers(layout: str, channels: int, owner: str) -> Speakers:
    """Speakers of `channels` in a layout: a name of NAMED_LAYOUTS, or `DEFAULT`, which above eight channels is unnamed
    ones. ParameterError, which names `owner`, for a layout that there is not, or of another number of channels."""
    if layout == DEFAULT:
        return speakers(channels) if channels <= MAX_CHANNELS else ("",) * channels
    if layout not in NAMED_LAYOUTS:
        raise ParameterError(f"{owner} must be one of {DEFAULT}, {', '.join(NAMED_LAYOUTS)} (got {layout!r})")
    names = NAMED_LAYOUTS[layout]
    if len(names) != channels:
        fitting = ", ".join(name for name, has in NAMED_LAYOUTS.items() if len(has) == channels) or DEFAULT
        raise ParameterError(f"{owner} must fit {channels} channel{'s' if channels > 1 else ''}: {fitting} "
                             f"(got {layout}, which has {len(names)})")
    return names
