"""Single keys from the terminal, without Enter: termios on POSIX, the console on Windows."""

import contextlib
import os
import re
import select
import sys
import time
from typing import Any, Protocol

__all__ = ["Keys", "NoKeys", "PosixKeys", "WindowsKeys", "keyboard", "typed"]

ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])?", re.DOTALL)
"""What arrow and function keys send, and what follows Alt."""


class Keys(Protocol):
    """Where keys come from."""

    def take(self) -> None:
        """Let each key arrive as it is pressed, and show none."""

    def release(self) -> None:
        """As it was before. More than once does no harm."""

    def wait(self, seconds: float) -> str:
        """The keys that are pressed within this time, as soon as there are any; else an empty string."""


class NoKeys:
    """Nobody types: standard input is no terminal."""

    def take(self) -> None:
        """Nothing to do."""

    def release(self) -> None:
        """Nothing to do."""

    def wait(self, seconds: float) -> str:
        """Let the time go by."""
        time.sleep(max(seconds, 0.0))
        return ""


class PosixKeys:
    """A terminal's keys. Ctrl-C and Ctrl-Z go on meaning what they mean."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._before: list[Any] | None = None
        self._gone = False

    def take(self) -> None:
        import termios

        if self._before is not None or self._gone:
            return
        try:
            self._before = termios.tcgetattr(self._file)
            mode = termios.tcgetattr(self._file)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._file, termios.TCSADRAIN, mode)
        except termios.error:           # hung up
            self._gone = True

    def release(self) -> None:
        import termios

        if self._before is not None:
            with contextlib.suppress(termios.error):
                # What was typed and not read was meant for us: the shell shall not run it.
                termios.tcsetattr(self._file, termios.TCSAFLUSH, self._before)
        self._before = None

    def wait(self, seconds: float) -> str:
        if self._before is None:
            time.sleep(max(seconds, 0.0))
            return ""
        try:
            if not select.select([self._file], [], [], max(seconds, 0.0))[0]:
                return ""
            data = os.read(self._file, 256)
        except OSError:
            data = b""
        if not data:                    # the terminal has gone: do not ask it again and again
            self.release()
            self._gone = True
        return typed(data)


class WindowsKeys:
    """The console's keys."""

    STEP_S = 0.02

    def take(self) -> None:
        """Nothing to do: they are asked for one by one."""

    def release(self) -> None:
        """Nothing to do."""

    def wait(self, seconds: float) -> str:
        console: Any = __import__("msvcrt")
        end = time.monotonic() + seconds
        while not console.kbhit():
            left = end - time.monotonic()
            if left <= 0:
                return ""
            time.sleep(min(left, self.STEP_S))
        found = ""
        while console.kbhit():
            key = console.getwch()
            if key in "\0\xe0":         # an arrow or a function key: its number follows
                console.getwch()
            elif key == "\x03":
                raise KeyboardInterrupt
            else:
                found += key
        return found


def typed(data: bytes) -> str:
    """The plain keys among what a terminal has sent."""
    return ESCAPE.sub(b"", data).decode("utf-8", "ignore")


def keyboard() -> Keys:
    """What standard input is."""
    if not sys.stdin or not sys.stdin.isatty():
        return NoKeys()
    return WindowsKeys() if os.name == "nt" else PosixKeys(sys.stdin.fileno())
