"""Keeps what C libraries print on standard error from the terminal, and nothing else.

ALSA and libjack print dozens of lines when PortAudio looks for devices, most of them about devices that nobody has.
What is printed meanwhile is collected and looked through: their lines are dropped, what anybody else wrote is passed
on. What PortAudio's own thread prints at some other time (ALSA's, when a server goes) cannot be kept away.
"""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

__all__ = ["others", "quiet"]

NOISE = (b"ALSA lib ", b"Expression '", b"Cannot connect to server ", b"jack server is not running", b"JackShm",
         b"Jack server was closed", b"Cleanup client ref", b"Cannot lock down ", b"no message buffer overruns",
         b"connect(2) call to ", b"attempt to connect to server failed", b"Connection failure: ", b"Stream error: ")
"""How their lines begin, as seen with ALSA 1.2, JACK 1.9 and PulseAudio 16."""

_lock = threading.Lock()
_inside = 0
_diverted: list[tuple[int, IO[bytes]]] = []
"""Standard error as it was, and where it goes now."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within it, what ALSA, JACK and PortAudio say on standard error goes nowhere. Many threads may be within it."""
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _divert()
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _restore()


def _divert() -> None:
    with contextlib.suppress(OSError):      # it is closed, or there is no room for a file: then nothing is diverted
        before = os.dup(2)
        try:
            printed = tempfile.TemporaryFile()  # noqa: SIM115  closed in _restore
        except OSError:
            os.close(before)
            raise
        _flush()
        os.dup2(printed.fileno(), 2)
        _diverted.append((before, printed))


def _restore() -> None:
    if _diverted:
        before, printed = _diverted.pop()
        _flush()
        os.dup2(before, 2)
        os.close(before)
        with printed, contextlib.suppress(OSError):
            printed.seek(0)
            rest = others(printed.read())
            while rest:
                rest = rest[os.write(2, rest):]


def others(printed: bytes) -> bytes:
    """What is none of their noise. Empty lines go with the noise that they stand in."""
    lines = printed.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(NOISE)]
    if len(kept) < len(lines):
        kept = [line for line in kept if line.strip()]
    return b"".join(kept)


def _flush() -> None:
    """What Python still holds belongs to the time before."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
