"""A terminal for tests: a program is started in one, keys are typed, and what it draws comes to a screen."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

__all__ = ["CURSOR", "OTHER_SCREEN", "WRAP", "AtTerminal", "Emulator", "at_terminal"]

SEQUENCE = re.compile(r"\x1b\[([?>=]?)([\d;]*)([A-Za-z])|(\r\n|\r|\n|\x07|\x08)")
CURSOR, WRAP, OTHER_SCREEN = 25, 7, 1049


class Emulator:
    """Rows of cells, for the sequences that our screen sends. A character of two cells has an empty one behind it."""

    def __init__(self, width: int, height: int) -> None:
        self.modes: set[int] = {CURSOR, WRAP}
        """Private modes that are on."""
        self.before = ""
        """What was written while the other screen was not there, without what moves the cursor."""
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """An empty screen, if this is another size than before."""
        if (width, height) != getattr(self, "_size", None):
            self._size = (width, height)
            self._clear()

    def feed(self, text: str) -> None:
        """Take what the program writes."""
        at = 0
        for found in SEQUENCE.finditer(text):
            self._put(text[at:found.start()])
            at = found.end()
            if OTHER_SCREEN in self.modes or found[1]:
                self._do(found)
            elif found[4]:
                self.before += found[4]
        self._put(text[at:])

    def lines(self) -> list[str]:
        """What is seen."""
        return ["".join(row).rstrip() for row in self._cells]

    @property
    def text(self) -> str:
        """The same, in one."""
        return "\n".join(self.lines())

    def _clear(self) -> None:
        self._cells = [[" "] * self._size[0] for _ in range(self._size[1])]
        self._row = self._column = 0

    def _put(self, text: str) -> None:
        if OTHER_SCREEN not in self.modes:
            self.before += text
            return
        for c in text:
            wide = cell_len(c)
            if wide >= 1 and self._column + wide <= self._size[0]:
                self._cells[self._row][self._column] = c
                self._cells[self._row][self._column + 1:self._column + wide] = [""] * (wide - 1)
            self._column = min(self._column + wide, self._size[0])

    def _do(self, found: "re.Match[str]") -> None:
        private, numbers, what, control = found.groups()
        if control:
            self._column = 0
            self._row = min(self._row + ("\n" in control), self._size[1] - 1)
        elif private:
            for number in map(int, numbers.split(";")):
                (self.modes.add if what == "h" else self.modes.discard)(number)
                if number == OTHER_SCREEN and what == "h":
                    self._clear()
        elif what == "H":
            row, column = (int(n) for n in (numbers or "1;1").split(";"))
            self._row, self._column = min(row, self._size[1]) - 1, min(column, self._size[0]) - 1
        elif what == "K":
            at = min(self._column, self._size[0] - 1)     # behind a full line it stands on the last character
            self._cells[self._row][at:] = [" "] * (self._size[0] - at)
        elif what == "J" and numbers == "2":
            row, column = self._row, self._column
            self._clear()
            self._row, self._column = row, column
        elif what != "m":
            raise ValueError(f"a sequence that nobody expects: {found.group()!r}")


class AtTerminal:
    """A program in a terminal of its own."""

    LIMIT_S = 180.0

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: Path,
                 size: tuple[int, int]) -> None:
        self._master, slave = pty.openpty()
        self._lock = threading.Lock()
        self._emulator = Emulator(*size)
        self._size(*size)
        self.settings_before = self.settings
        variables = {**environment, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=variables, start_new_session=True,
            # Its keyboard can then stop it; and whoever runs the tests may have made their children deaf to Ctrl-C.
            preexec_fn=lambda: (fcntl.ioctl(0, termios.TIOCSCTTY, 0), signal.signal(signal.SIGINT, signal.SIG_DFL)))
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def settings(self) -> list[Any]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._master)

    @property
    def modes(self) -> set[int]:
        """Private modes that are on."""
        with self._lock:
            return set(self._emulator.modes)

    @property
    def screen(self) -> list[str]:
        """The lines of the screen that the program has taken."""
        with self._lock:
            return self._emulator.lines()

    @property
    def before(self) -> str:
        """What was written on the usual screen."""
        with self._lock:
            return self._emulator.before

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def wait(self, true: Callable[[], Any], what: str) -> Any:
        """What `true` returns as soon as that is true. The test fails if it never is, or if the program ends."""
        end = time.monotonic() + self.LIMIT_S
        while not (value := true()):
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(5.0)
                if value := true():
                    return value
            if ended or time.monotonic() > end:
                shown = "\n".join(self.screen)
                pytest.fail(f"waited in vain for {what}; exit code {self.process.poll()}\n{shown}\n{self.before}")
            time.sleep(0.01)
        return value

    def see(self, part: str) -> str:
        """Wait until something stands on the screen; its line."""
        found: str = self.wait(lambda: next((line for line in self.screen if part in line), ""), f"{part!r}")
        return found

    def miss(self, part: str) -> None:
        """Wait until something does not stand on the screen any more."""
        self.wait(lambda: all(part not in line for line in self.screen), f"{part!r} to go")

    def resize(self, width: int, height: int) -> None:
        """Pull at the window's corner."""
        self._size(width, height)

    def end(self) -> int:
        """Wait for the program's end; its exit code."""
        code = self.process.wait(self.LIMIT_S)
        self._reader.join(5.0)
        return code

    def hang_up(self) -> None:
        """Close the window."""
        fd, self._master = self._master, -1
        os.close(fd)

    def close(self) -> None:
        """End it if it still runs: in order if it can, for a sound server may not bear that its clients are killed."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(self.process.pid, number)
                    self.process.wait(10.0)
        if self._master >= 0:
            self._reader.join(5.0)
            self.hang_up()

    def restored(self) -> bool:
        """Whether the terminal is as it was."""
        return self.settings == self.settings_before and self.modes == {CURSOR, WRAP}

    def _size(self, width: int, height: int) -> None:
        with self._lock:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            self._emulator.resize(width, height)

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:             # nobody has it open any more
                return
            if not data:
                return
            # A sequence or a character may come in two parts.
            rest += data
            whole = re.sub(rb"(\x1b(\[[?\d;]*)?|[\xc2-\xf4][\x80-\xbf]{0,2})$", b"", rest)
            if len(whole) == len(rest) or not _is_begun(rest[len(whole):]):
                whole = rest
            with self._lock:
                self._emulator.feed(whole.decode("utf-8", "replace"))
            rest = rest[len(whole):]


def _is_begun(end: bytes) -> bool:
    """Whether these bytes want more."""
    if end[:1] == b"\x1b":
        return True
    try:
        end.decode()
    except UnicodeDecodeError:
        return True
    return False


@contextlib.contextmanager
def at_terminal(command: Sequence[str], environment: dict[str, str], folder: Path,
                size: tuple[int, int] = (100, 30)) -> Iterator[AtTerminal]:
    """A program in a terminal of this many columns and lines; killed at the end if it still runs."""
    made = AtTerminal(command, environment, folder, size)
    try:
        yield made
    finally:
        made.close()
