"""What happens to an engine, told once: to whoever asks later, and to a function that is called at once."""

import collections
import threading
import warnings
from collections.abc import Callable
from typing import NamedTuple

from flowaudio.graph.findings import NodeEvent

__all__ = ["KINDS", "Event", "Log", "event_of"]

KEPT = 1000

KINDS = ("device_lost", "device_back", "source_lost", "source_back", "node_silenced", "howl", "underrun", "overrun",
         "late", "ended", "recorded", "saved", "failed", "mark", "events_lost", "action_failed")
"""What may happen to an engine. Detectors in its graph add their own kinds."""


class Event(NamedTuple):
    """Something happened.

    To the engine: ``device_lost``, ``device_back``, ``source_lost``, ``source_back``, ``node_silenced``, ``howl``,
    ``underrun``, ``overrun``, ``late``, ``ended``, ``recorded``, ``saved``, ``failed``, ``mark``, ``events_lost``,
    ``action_failed``. Or a detector in its graph found something in the signal: then `node` says which, and what
    follows is known.
    """

    kind: str
    at_s: float                         # of the engine's time, in which frames are counted; where a fault starts
    text: str                           # one sentence
    node: str = ""
    phase: str = ""                     # "began": it lasts; "ended": it has; "whole": it was over when it was found
    end_s: float | None = None
    channel: int | None = None          # None: all together
    strength: float | None = None       # in the unit that the node's description names


def event_of(found: NodeEvent, rate: int) -> Event:
    """What a detector has found, as an event of an engine at `rate`."""
    where = "" if found.channel is None else f" in channel {found.channel}"
    at_s, end_s = found.start / rate, None if found.end is None else found.end / rate
    lasted = "" if end_s is None else f" for {end_s - at_s:.3f} s"
    word = found.kind.replace("_", " ")
    text = f"{found.node}: {word}{where} {'is over' if found.phase == 'ended' else 'found'}{lasted}"
    return Event(found.kind, at_s, f"{text} ({found.strength:.3g})", found.node, found.phase, end_s, found.channel,
                 found.strength)


class Log:
    """The last events, and who wants to hear of them."""

    def __init__(self, listener: Callable[[Event], None] | None) -> None:
        self._events: collections.deque[Event] = collections.deque(maxlen=KEPT)
        self._listeners: list[Callable[[Event], None]] = [] if listener is None else [listener]
        self._lock = threading.Lock()

    def add(self, kind: str, at_s: float, text: str) -> None:
        """Note an event of the engine's own."""
        self.put(Event(kind, at_s, text))

    def put(self, event: Event) -> None:
        """Note an event and tell the listeners. One that fails is reported and heard no more of."""
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
        """Call a function at every event, in the thread where it happens."""
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
