"""A whole terminal as a screen: taken, drawn on, and given back as it was, whatever happens.

A screen is a list of lines, a line a list of (style, text). Only lines that have changed are written, all in one piece:
so twenty pictures a second cost a terminal and us next to nothing. (A library that renders tables anew for each costs
several times as much as the sound.)
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

from flowaudio.cli.live_keys import Keys, keyboard
from flowaudio.cli.output import console

__all__ = ["Line", "Painter", "Terminal", "fitted", "without_errors"]

Line = list[tuple[str, str]]
"""(style, text) from left to right; styles as rich spells them, "" for none."""

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The other screen, no cursor, no wrapping at the right edge."""

LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"

ERASE = "\x1b[K"
"""From the cursor to the end of the line."""

COLORS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR,
          "windows": ColorSystem.WINDOWS}

SMALLEST, LARGEST = (20, 5), (500, 200)


class Painter:
    """From lines to what a terminal is sent."""

    def __init__(self, colors: ColorSystem | None) -> None:
        """:param colors: what the terminal can show; None for no colours, and then nothing but text is written."""
        self._colors = colors
        self._styles: dict[str, tuple[str, str]] = {"": ("", "")}
        self._shown: list[str] = []
        self._size = (0, 0)

    def forget(self) -> None:
        """Something else has written on the terminal: draw all of it at the next time."""
        self._size = (0, 0)

    def paint(self, lines: Sequence[Line], width: int, height: int) -> str:
        """What turns the picture that was drawn last into this one."""
        drawn = [self._line(line, width) for line in lines[:height]]
        drawn += [ERASE] * (height - len(drawn))
        out = []
        if self._size != (width, height):
            out.append("\x1b[0m\x1b[2J")
            self._shown, self._size = [ERASE] * height, (width, height)
        out += [f"\x1b[{row};1H{new}" for row, (old, new) in enumerate(zip(self._shown, drawn, strict=True), 1)
                if old != new]
        self._shown = drawn
        return "".join(out)

    def _line(self, line: Line, width: int) -> str:
        out = []
        for style, text in fitted(line, width):
            before, after = self._style(style)
            out.append(f"{before}{text}{after}")
            width -= _cells(text)
        if width > 0:                   # behind a full line the cursor still stands on its last character
            out.append(ERASE)
        return "".join(out)

    def _style(self, name: str) -> tuple[str, str]:
        if name not in self._styles:
            made = Style.parse(name).render("|", color_system=self._colors) if self._colors is not None else "|"
            before, _, after = made.partition("|")
            self._styles[name] = before, after
        return self._styles[name]


def fitted(line: Line, width: int) -> Line:
    """The part of a line that fits into `width` cells."""
    made: Line = []
    for style, text in line:
        cells = _cells(text)
        if cells > width:
            text, cells = set_cell_size(text, width), width
        if text:
            made.append((style, text))
        width -= cells
        if width <= 0:
            break
    return made


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


class Terminal:
    """A context: within it the terminal shows what is drawn, and keys come as they are pressed.

    It is given back at the end, at an error, and while the process is stopped (Ctrl-Z). In the background nothing is
    drawn.
    """

    def __init__(self, keys: Keys | None = None) -> None:
        shown = console()
        self._keys = keys if keys is not None else keyboard()
        self._painter = Painter(COLORS.get(shown.color_system or "") if not shown.no_color else None)
        self._taken = self._stale = False
        self._file = sys.stdout.fileno()
        self._signals: dict[int, Any] = {}

    @staticmethod
    def possible() -> bool:
        """Whether standard output is a terminal on which a cursor can be moved."""
        if not sys.stdout.isatty():
            return False
        shown = console()
        return not (shown.legacy_windows or shown.is_dumb_terminal)

    def __enter__(self) -> Self:
        self._listen()
        try:
            self._take()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            found = os.get_terminal_size(self._file)
        except OSError:
            return 80, 24
        if not found.columns or not found.lines:        # some do not say
            return 80, 24
        return tuple(min(max(n, low), high)  # type: ignore[return-value]  # two numbers
                     for n, low, high in zip(found, SMALLEST, LARGEST, strict=True))

    def draw(self, picture: Callable[[int, int], Sequence[Line]]) -> None:
        """Show `picture(width, height)`; BrokenPipeError if the terminal has gone."""
        try:
            if self._stale and self._in_front():
                self._stale = False
                self._release()
            self._take()
            if self._taken:
                width, height = self.size
                self._write(self._painter.paint(picture(width, height), width, height))
        except OSError as error:
            raise BrokenPipeError(*error.args) from error

    def wait(self, seconds: float) -> str:
        """The keys that are pressed within this time."""
        return self._keys.wait(seconds)

    # Taking and giving back.

    def _take(self) -> None:
        if self._taken or not self._in_front():
            return
        self._taken = True
        self._keys.take()
        self._write(ENTER)
        self._painter.forget()

    def _release(self) -> None:
        if not self._taken:
            return
        self._taken = False
        with contextlib.suppress(OSError):
            self._write(LEAVE)
        self._keys.release()

    def _close(self) -> None:
        self._release()
        for number, handler in self._signals.items():
            signal.signal(number, handler)
        self._signals = {}

    def _write(self, text: str) -> None:
        rest = text.encode(sys.stdout.encoding or "utf-8", "replace")
        while rest:
            rest = rest[os.write(self._file, rest):]

    def _in_front(self) -> bool:
        """Whether the terminal is ours: a process in the background that changes it is stopped."""
        if not hasattr(os, "tcgetpgrp"):
            return True
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:                 # it is not the terminal that controls us
            return True

    # Job control.

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name, handler in (("SIGTSTP", self._stop), ("SIGCONT", self._go_on)):
            number = getattr(signal, name, None)
            if number is not None:
                self._signals[number] = signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        """Ctrl-Z: give the terminal back, stop, and take it again when we are in front again."""
        self._release()
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), number)
        signal.signal(number, self._stop)
        self._take()

    def _go_on(self, number: int, frame: object) -> None:
        """After a stop that could not be seen coming, others may have drawn on it. A hangup comes with this, too."""
        self._stale = True


@contextlib.contextmanager
def without_errors() -> Iterator[None]:
    """What is printed on standard error goes nowhere, if it is a terminal: sound servers print what they like, when
    they like, over the picture. With FLOWAUDIO_DEBUG it stays.

    Nobody else may put standard error elsewhere when this begins or ends: no engine runs then.
    """
    if os.environ.get("FLOWAUDIO_DEBUG") or not sys.stderr or not os.isatty(2):
        yield
        return
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
