"""What PortAudio does not tell of a JACK server: that it has gone, and its latencies.

PortAudio 19.6 and 19.7 call the server on as if nothing had happened, and wait ten minutes for an answer or abort the
process (see `portaudio.py`). A client of our own, without ports, is told when the server goes.
"""

import contextlib
import ctypes
import re
from typing import Any, ClassVar

import numpy as np

from flowaudio.core.atomics import store_release
from flowaudio.core.native import native

__all__ = ["JackServer", "JackWatch", "mark_gone"]

LIBRARIES = ("libjack.so.0", "libjack.0.dylib")
NO_START_SERVER = 1
CAPTURE, PLAYBACK = 0, 1                # jack_latency_callback_mode_t
INPUT_PORTS, OUTPUT_PORTS = 1, 2        # JackPortFlags: what a program writes to, what it reads from
AUDIO = b"32 bit float mono audio"


@native
def mark_gone(flag: int) -> int:
    """libjack calls this, from a thread of its own, when the server goes."""
    store_release(flag, 1)
    return 0


class _Range(ctypes.Structure):
    """jack_latency_range_t, in frames."""

    _fields_: ClassVar = [("least", ctypes.c_uint32), ("most", ctypes.c_uint32)]


class JackServer:
    """A JACK server, for as long as it is there: shared by all that know it, told by the first who notices."""

    def __init__(self) -> None:
        self._gone = np.zeros(1, np.int64)
        _flags.append(self._gone)           # libjack may write to it as long as the process lives

    @property
    def gone(self) -> bool:
        """Whether it has gone. It does not come back: another may."""
        return bool(self._gone[0])

    def lose(self) -> None:
        """Somebody has found out that it is not there."""
        self._gone[0] = 1

    def watch(self) -> "JackWatch | None":
        """A client of it; None if there is none to be had."""
        library = _library()
        client = library and library.jack_client_open(b"flowaudio-watch", NO_START_SERVER, ctypes.byref(ctypes.c_int()))
        if not client:
            return None
        library.jack_on_shutdown(client, mark_gone.address, self._gone.__array_interface__["data"][0])
        return JackWatch(library, client)


class JackWatch:
    """A client of the server that PortAudio is a client of, of the same process and the same libjack.

    Nothing of it may be called when the server has gone.
    """

    def __init__(self, library: Any, client: int) -> None:
        self._library, self._client = library, client

    def latency_frames(self, device: str, side: str) -> int:
        """Frames between the converter of `device`, a client of the server, and a program connected to it.

        PortAudio 19.6 takes one period off.
        """
        capture = side == "input"
        names = self._library.jack_get_ports(self._client, b"^" + re.escape(device).encode() + b":.*", AUDIO,
                                             OUTPUT_PORTS if capture else INPUT_PORTS)
        if not names:
            return 0
        found = _Range()
        port = self._library.jack_port_by_name(self._client, names[0])
        self._library.jack_free(names)
        if port:
            self._library.jack_port_get_latency_range(port, CAPTURE if capture else PLAYBACK, ctypes.byref(found))
        return int(found.least)

    def end(self) -> None:
        """Leave the server."""
        self._library.jack_client_close(self._client)


_flags: list[Any] = []
_libraries: list[Any] = []


def _library() -> Any:
    """libjack, that PortAudio has loaded already; None where there is none."""
    for name in () if _libraries else LIBRARIES:
        with contextlib.suppress(OSError):
            _libraries.append(_declared(ctypes.CDLL(name)))
            break
    return _libraries[0] if _libraries else None


def _declared(library: Any) -> Any:
    """Pointers do not fit the int that ctypes takes everything for."""
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    library.jack_client_open.restype = pointer
    library.jack_client_open.argtypes = [text, ctypes.c_int, pointer]
    library.jack_client_close.argtypes = [pointer]
    library.jack_on_shutdown.argtypes = [pointer, pointer, pointer]
    library.jack_get_ports.restype = ctypes.POINTER(text)
    library.jack_get_ports.argtypes = [pointer, text, text, ctypes.c_ulong]
    library.jack_free.argtypes = [pointer]
    library.jack_port_by_name.restype = pointer
    library.jack_port_by_name.argtypes = [pointer, text]
    library.jack_port_get_latency_range.argtypes = [pointer, ctypes.c_int, pointer]
    return library
