"""What happens to an engine, told once: to whoever asks later, and to a function that is called at once."""

import collections
import threading
import warnings
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["KINDS", "Event", "Log"]

KEPT = 1000

KINDS = ("device_lost", "device_back", "node_silenced", "howl", "underrun", "overrun", "late", "ended", "recorded",
         "saved", "failed", "mark")
"""What may happen."""


class Event(NamedTuple):
    """Something happened.

    Kinds: ``device_lost``, ``device_back``, ``node_silenced``, ``howl``, ``underrun``, ``overrun``, ``late``,
    ``ended``, ``recorded``, ``saved``, ``failed``, ``mark``.
    """

    kind: str
    at_s: float                         # of the engine's time, in which frames are counted
    text: str                           # one sentence


class Log:
    """The last events, and who wants to hear of them."""

    def __init__(self, listener: Callable[[Event], None] | None) -> None:
        self._events: collections.deque[Event] = collections.deque(maxlen=KEPT)
        self._listeners: list[Callable[[Event], None]] = [] if listener is None else [listener]
        self._lock = threading.Lock()

    def add(self, kind: str, at_s: float, text: str) -> None:
        """Note an event and tell the listeners. One that fails is reported and heard no more of."""
        event = Event(kind, at_s, text)
        self._events.append(event)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(event)
            except BaseException as error:  # nobody's mistake, nor sys.exit(), may stop the engine's supervision
                self.forget(listener)
                warnings.warn(f"a listener of the engine failed and is not called again: {type(error).__name__}: "
                              f"{error}", RuntimeWarning, stacklevel=2)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call a function at every event, from the engine's supervising thread."""
        with self._lock:
            self._listeners.append(listener)

    def forget(self, listener: Callable[[Event], None]) -> None:
        """Call it no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    @property
    def events(self) -> list[Event]:
        """The last thousand, oldest first."""
        return list(self._events)
