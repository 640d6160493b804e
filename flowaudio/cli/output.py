"""What people and programs get on standard output: tables and JSON; and how numbers are written."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowaudio.cli.failures import one_line

__all__ = ["bitrate", "channels", "clock", "console", "decibels", "facts", "print_json", "put", "rate", "size", "warn"]

PIPED_WIDTH = 110
"""Columns where there is no terminal to ask, unless COLUMNS says otherwise."""


def console(stderr: bool = False) -> Console:
    """For a terminal as wide as it is, with colours unless NO_COLOR is set; for a pipe, plain."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS", "").isdigit() else PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def put(*shown: Any) -> None:
    """Each of these, on standard output. In a pipe, without the blanks that fill a table's last column."""
    out = console()
    with out.capture() as drawn:
        for each in shown:
            out.print(each)
    lines = drawn.get().split("\n")
    sys.stdout.write("\n".join(lines if out.is_terminal else (line.rstrip() for line in lines)))


def print_json(value: Any) -> None:
    """One value, alone, indented."""
    print(json.dumps(value, indent=2, default=str, allow_nan=False))


def facts(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """A heading and what there is to know, one line each; what is empty is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(Text(f"  {name}"), Text(one_line(value)))
    put(Text(one_line(title), style="bold", overflow="fold"), table)


def warn(sentence: str) -> None:
    """One sentence in yellow on standard error."""
    console(stderr=True).print(Text(one_line(f"flowaudio: {sentence}"), style="yellow", overflow="fold"),
                               soft_wrap=True)


def clock(seconds: float, tenths: bool = True) -> str:
    """``0:07.3``, ``12:05``, ``1:02:05``: tenths only where they matter."""
    if tenths and seconds < 59.95:
        return f"0:{seconds:04.1f}"
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return (f"{whole // 3600}:" if whole >= 3600 else "") + f"{minutes}:{whole % 60:02d}"


def rate(hz: int) -> str:
    """``48 kHz``, ``44.1 kHz``."""
    return f"{hz / 1000:g} kHz"


def channels(count: int) -> str:
    """``mono``, ``stereo``, ``6 channels``."""
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def bitrate(bits: int) -> str:
    """``192 kbit/s``."""
    return f"{bits / 1000:.4g} kbit/s" if bits < 9_999_500 else f"{bits / 1e6:.4g} Mbit/s"


def decibels(value: float | None, unit: str, sign: bool = False) -> str:
    """``-16.0 LUFS``; silence has no level."""
    return "silence" if value is None else f"{value:{'+' if sign else ''}.1f} {unit}"


def size(count: int) -> str:
    """``1.2 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000  # type: ignore[assignment]  # a float from here on
    return f"{count:.3g} GB"
