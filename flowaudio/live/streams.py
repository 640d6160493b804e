"""One stream of a sound card that may go away and come back: opened by name, watched, opened again."""

import time
from typing import Any

from flowaudio.core.errors import FlowaudioError
from flowaudio.live.absence import Absence
from flowaudio.live.priority import prefer
from flowaudio.runtime.callback import Caller, card_callback
from flowaudio.runtime.card import Card, CardStream, Request

__all__ = ["LiveStream", "is_card"]

SILENT_S = 0.7
"""A device that has not called for so long has gone, whatever its driver says."""

RETRY_S, MOST_RETRY_S = 0.25, 2.0
"""A device that has gone is looked for after so long, and then less and less often: each look costs 40 ms."""


def is_card(value: Any) -> bool:
    """Whether it is a sound card, real or simulated."""
    return all(hasattr(value, name) for name in ("open", "same_device", "channels", "rate"))


class LiveStream:
    """A stream with the memory of its callback, which stays when the device goes."""

    def __init__(self, card: Card, side: str, caller: Caller, rate: int, block: int, channels: tuple[int, int],
                 keep: tuple[object, ...]) -> None:
        self.card, self.side, self.caller = card, side, caller
        self._request = Request(rate, block, *channels, card_callback.address, caller.address, (caller, *keep))
        self._stream: CardStream | None = None
        self._seen, self._seen_at, self._looked_at = 0, 0.0, 0.0
        self._try_at, self._retry_s = 0.0, RETRY_S
        self.absence = Absence()
        self.realtime: bool | None = None
        """Whether its thread has real-time priority; None while that is not known."""
        self.latency_frames = 0
        """Of the device and its driver, both sides; what it was last, while it is gone."""

    @property
    def name(self) -> str:
        """For messages."""
        return self.card.name or "the default sound card"

    @property
    def running(self) -> bool:
        """Whether its callback may be called."""
        return self._stream is not None

    def open(self) -> None:
        """Open and start it.

        :raises SourceError, TargetError: what the device has against it.
        """
        stream = self.card.open(self.side, self._request)
        self.latency_frames = stream.input_latency_frames + stream.output_latency_frames
        self._stream = stream
        self.caller.thread, self.realtime = 0, None     # PortAudio calls from another one each time
        self._seen_at = time.monotonic()
        try:
            stream.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop and close it; its callback is not called again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def check(self) -> str:
        """"lost" or "back" if that has just happened, else "". To be called often."""
        now = time.monotonic()
        if not self.absence.lasts:
            if self._healthy(now):
                if self.realtime is None and self.caller.thread and not self.card.clock():
                    self.realtime = prefer(self.caller.thread)
                return ""
            self.absence.begin()
            self._try_at, self._retry_s = now, RETRY_S
            self.close()
            return "lost"
        if now < self._try_at:
            return ""
        self._try_at = now + self._retry_s
        self._retry_s = min(2 * self._retry_s, MOST_RETRY_S)
        try:
            self.card.refresh()
            self.open()
        except FlowaudioError:
            return ""                   # not yet
        self.absence.end()
        return "back"

    def _healthy(self, now: float) -> bool:
        if self._stream is None or not self._stream.active:
            return False
        calls = self.caller.calls
        if now - self._looked_at > SILENT_S / 2:
            self._seen_at = now         # nobody looked, as when the process was stopped: that says nothing of it
        self._looked_at = now
        if calls != self._seen or self.card.clock():    # a virtual clock may stand still
            self._seen, self._seen_at = calls, now
        return now - self._seen_at < SILENT_S
