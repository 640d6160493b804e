"""What the audio thread has counted and its detectors have found, told as events."""

import time

from flowaudio.live.drive import Drive
from flowaudio.live.events import Log, event_of
from flowaudio.live.level import Level
from flowaudio.runtime.control import Rack

__all__ = ["Watch"]

EVERY_S = 2.0
"""What happens over and over is told so often, with how many times."""


class Watch:
    """Looks at counters from time to time, and says what is new."""

    def __init__(self, drive: Drive, rack: Rack, log: Log, level: Level) -> None:
        self._drive, self._rack, self._log, self._level = drive, rack, log, level
        self._counts: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], float] = {}

    def check(self) -> None:
        """Say what is new. Devices that are gone are looked for."""
        at = self._rack.position / self._rack.rate
        self._drive.adapt()
        for stream in self._drive.parts.streams:
            now = stream.check()
            if now == "lost":
                self._log.add("device_lost", at, f"{stream.name} has gone; it is taken up again when it is back")
            elif now == "back":
                self._log.add("device_back", at, f"{stream.name} is back, after {stream.last_gap_s:.1f} s")
        self._level.follow(not any(stream.lost for stream in self._drive.parts.streams if stream.side != "input"))
        for name, count in self._rack.trouble.items():
            self._new("node_silenced", count, at, f"{name} failed, exploded or was given what is no number; it is "
                                                  "silent and begins anew, the second time after a second", name)
        counters = self._drive.counters
        self._new("underrun", sum(c.underrun_calls + c.output_underflows for c in counters), at,
                  "there was nothing to play in time")
        self._new("overrun", sum(c.overrun_calls + c.input_overflows for c in counters) + self._drive.misses, at,
                  "there was no room for what came in")
        self._new("howl", sum(caller.howls for caller in self._drive.parts.callers), at,
                  "the loudspeaker feeds the microphone; the output was turned down for two seconds")
        self._new("late", self._rack.counters.late_blocks if self._drive.parts.callers else 0, at,
                  "the plan took longer than a block lasts")
        self.hear()

    def hear(self) -> None:
        """Tell what detectors in the graph have found."""
        for found in self._rack.events():
            self._log.put(event_of(found, self._rack.rate))
        for name, count in self._rack.lost_events.items():
            self._new("events_lost", count, self._rack.position / self._rack.rate,
                      f"{name} found more than could be told", name)

    def _new(self, kind: str, count: int, at: float, text: str, which: str = "") -> None:
        key = kind, which
        before, now = self._counts.get(key, 0), time.monotonic()
        if count > before and now - self._told.get(key, -EVERY_S) >= EVERY_S:
            self._counts[key], self._told[key] = count, now
            times = f" ({count - before} times)" if count - before > 1 else ""
            self._log.add(kind, at, f"{text}{times}")
