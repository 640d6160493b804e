"""Bars of characters: levels that lie, and a spectrum that stands."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flowaudio.cli.live_terminal import Line

__all__ = ["ASCII", "BLOCKS", "Glyphs", "axis", "bar", "cells", "columns", "scale", "short_db"]

Array = np.ndarray[Any, Any]

LOW_DB, HIGH_DB = -60.0, 0.0
"""What a level's bar shows."""

ZONES = ((-12.0, "green"), (-3.0, "yellow"), (1e9, "red"))
"""Up to where a level is of which colour."""

TICKS_DB = (-60, -50, -40, -30, -20, -12, -6, -3, 0)
TICKS_HZ = ((20, "20"), (50, "50"), (100, "100"), (200, "200"), (500, "500"), (1000, "1k"), (2000, "2k"), (5000, "5k"),
            (10_000, "10k"), (20_000, "20k"))


class Glyphs(NamedTuple):
    """What bars are made of."""

    lying: str                          # from an empty cell to a full one
    standing: str
    peak: str                           # between the RMS and the peak
    hold: str
    rest: str                           # above
    infinity: str
    dot: str


BLOCKS = Glyphs(" ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█", "─", "│", " ", "-∞", "●")
ASCII = Glyphs(" #", " #", "-", "|", " ", "-inf", "*")


def short_db(value: float, glyphs: Glyphs = BLOCKS, width: int = 6) -> str:
    """A level in so many cells; silence is minus infinity."""
    text = f"{value:.1f}" if value > -99.95 else glyphs.infinity
    return text.rjust(width)


def cells(db: float, width: int) -> float:
    """How far a level reaches, in cells."""
    return min(max((db - LOW_DB) / (HIGH_DB - LOW_DB), 0.0), 1.0) * width


def bar(rms: float, peak: float, hold: float, width: int, glyphs: Glyphs = BLOCKS) -> Line:
    """A level in dBFS, lying, `width` cells long: full up to the RMS, a line up to the peak, a mark at its hold."""
    steps = len(glyphs.lying) - 1
    eighths = round(cells(rms, width) * steps)
    full, part = divmod(eighths, steps)
    text = glyphs.lying[steps] * full + (glyphs.lying[part] if part else "")
    reach = round(cells(peak, width))
    text += glyphs.peak * (reach - len(text))
    at = min(round(cells(hold, width)), width) - 1
    if at >= len(text):
        text = text.ljust(at, glyphs.rest) + glyphs.hold
    return _coloured(text.ljust(width, glyphs.rest), width)


def _coloured(text: str, width: int) -> Line:
    made: Line = []
    start = 0
    for high, style in ZONES:
        end = min(round(cells(high, width)), width)
        if end > start:
            made.append((style, text[start:end]))
        start = max(start, end)
    return made


def scale(width: int) -> str:
    """The decibels under a bar, `width` cells long."""
    return _labels([(round(cells(db, width)) - (1 if db else len(str(db))), str(db)) for db in reversed(TICKS_DB)],
                   width)


def axis(edges_hz: Array, wide: int) -> str:
    """The frequencies under a spectrum whose bands are `wide` cells wide."""
    bands = len(edges_hz) - 1
    ratio = np.log(edges_hz[-1] / edges_hz[0])
    places = [(int(np.log(hz / edges_hz[0]) / ratio * bands * wide), label) for hz, label in TICKS_HZ
              if edges_hz[0] * 0.99 < hz < edges_hz[-1] * 1.03]
    width = bands * wide
    # From both ends: what is in between gives way.
    ends = [(max(min(at, width - len(label)), 0), label) for at, label in places]
    return _labels([ends[-1], *ends[:-1]] if ends else [], width)


def _labels(places: Sequence[tuple[int, str]], width: int) -> str:
    """Words at places in a line, the first come first; those that would touch another are left out."""
    line = [" "] * width
    for at, label in places:
        at = max(min(at, width - len(label)), 0)
        around = line[max(at - 1, 0):at + len(label) + 1]
        if len(label) <= width and all(c == " " for c in around):
            line[at:at + len(label)] = label
    return "".join(line)


def columns(levels: Array, height: int, wide: int, low_db: float, high_db: float, glyphs: Glyphs = BLOCKS) -> list[str]:
    """Levels in dB, standing side by side, from the top line down: `wide` cells each, the last of them empty."""
    steps = len(glyphs.standing) - 1
    part = np.clip((levels - low_db) / (high_db - low_db), 0.0, 1.0)
    eighths = np.rint(part * height * steps).astype(int)
    thick = max(wide - 1, 1)
    words = [glyph * thick + " " * (wide - thick) for glyph in glyphs.standing]
    rows = np.clip(eighths[None, :] - steps * np.arange(height)[::-1, None], 0, steps)
    return ["".join([words[k] for k in row]) for row in rows.tolist()]
