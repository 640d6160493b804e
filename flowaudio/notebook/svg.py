"""Pieces of SVG and HTML: text that cannot break out, and colours that can be read on light and on dark pages."""

import html
from typing import Any

__all__ = ["CARD", "DARK", "EDGE", "FAINT", "INK", "LINE", "escaped", "sheet", "shortened", "text_width"]

INK, FAINT, CARD, EDGE, LINE = "#1b2530", "#5d6b79", "#ffffff", "#c5ced8", "#7b8a9a"
"""Written into each shape, so that a picture is whole where style sheets are cut out: cards bring their own paper."""

DARK = {"ink": "#e6edf3", "faint": "#a3b1bf", "card": "#1f2833", "edge": "#465464", "line": "#8b9bab"}

NARROW, WIDE = "iljt.,:;'|!()[] -", "mwMW@%×…"


def escaped(value: Any) -> str:
    """Text for an element or an attribute. Characters that XML knows none of become a box."""
    text = "".join(c if c in "\t\n" or (c >= " " and c not in "\x7f￾￿" and not "\ud800" <= c <= "\udfff")
                   else "▯" for c in str(value))
    return html.escape(text, quote=True)


def shortened(text: str, most: int) -> str:
    """With dots in the middle where it is longer than `most` letters."""
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head):]}"


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a usual font, rather too much than too little."""
    units = sum(0.32 if c in NARROW else 0.95 if c in WIDE else 0.7 if c.isupper() else 1.0 if ord(c) > 0x2E80
                else 0.58 for c in text)
    return units * size


def sheet(scope: str) -> str:
    """Style rules for the classes ink, faint, card, edge and line within a class of its own.

    A dark page is known by what its system says, or by how Jupyter and editors mark it; a light Jupyter on a dark
    system stays light.
    """
    def rules(prefix: str, c: dict[str, str]) -> str:
        here = f"{prefix} .{scope}" if prefix else f".{scope}"
        return (f"{here} .ink{{fill:{c['ink']}}}{here} .faint{{fill:{c['faint']}}}"
                f"{here} .card{{fill:{c['card']};stroke:{c['edge']}}}{here} .line{{stroke:{c['line']}}}"
                f"{here} .tip{{fill:{c['line']}}}")

    light = {"ink": INK, "faint": FAINT, "card": CARD, "edge": EDGE, "line": LINE}
    dark = "".join(rules(mark, DARK) for mark in ("[data-jp-theme-light=false]", ".vscode-dark", "[theme=dark]"))
    return (f"<style>{rules('', light)}@media (prefers-color-scheme:dark){{{rules('', DARK)}}}"
            f"{rules('[data-jp-theme-light=true]', light)}{rules('.vscode-light', light)}{dark}</style>")
