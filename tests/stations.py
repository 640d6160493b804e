"""A radio station for tests: WAV without an end, over HTTP, at the speed of sound."""

import contextlib
import http.server
import socketserver
import struct
import threading
import time
from typing import Any

import numpy as np

from flowaudio.live.ends import File

__all__ = ["RATE", "Station"]

RATE = 48_000
PIECE = 4_800
ENDLESS = 0xFFFFFFFF
HEAD = (b"RIFF" + struct.pack("<I", ENDLESS) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, RATE, 4 * RATE, 4, 16)
        + b"data" + struct.pack("<I", ENDLESS))


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    allow_reuse_address = True
    daemon_threads = True


class Station:
    """Sends WAV without an end, `level` in both channels, at the speed of sound; ends, and begins again."""

    def __init__(self) -> None:
        self.level, self.port = 0.25, 0
        self._on = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/live.wav"

    def begin(self) -> None:
        """Send to whoever asks, at the same address each time."""
        station = self
        self._on.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "audio/wav")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(HEAD)
                    station.send(self.wfile)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def send(self, file: Any) -> None:
        """To one of them, until the end."""
        due = time.monotonic()
        while self._on.is_set():
            file.write(np.full((PIECE, 2), self.level * 32768, "<i2").tobytes())
            due += PIECE / RATE
            time.sleep(max(due - time.monotonic(), 0))

    def source(self, live: bool = True) -> File:
        """What an engine takes it from."""
        return File(self.url, live=live, allowed_protocols=("http", "tcp"))

    def end(self) -> None:
        """Send no more; nobody is there."""
        if self._server is not None:
            self._on.clear()
            self._server.shutdown()
            self._server.server_close()
            self._server = None
