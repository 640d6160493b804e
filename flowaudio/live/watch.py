"""What the audio thread has counted and its detectors have found, told as events."""

import time

from flowaudio.live.drive import Drive
from flowaudio.live.ends import Reader
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
        self._silent = False            # the station

    def check(self) -> None:
        """Say what is new. Devices that are gone are looked for."""
        at = self._rack.position / self._rack.rate
        self._drive.adapt()
        for stream in self._drive.parts.streams:
            now = stream.check()
            if now == "lost":
                self._log.add("device_lost", at, f"{stream.name} has gone; it is taken up again when it is back")
            elif now == "back":
                self._log.add("device_back", at, f"{stream.name} is back, after {stream.absence.last_s:.1f} s")
        self._listen(at)
        silent = any(each.absence.lasts for each in self._drive.parts.streams if each.side != "input")
        self._level.follow(not silent)
        for name, count in self._rack.trouble.items():
            self._new("node_silenced", count, at, f"{name} failed, exploded or was given what is no number; it is "
                                                  "silent and begins anew, the second time after a second", name)
        counters = self._drive.counters
        underruns = sum(c.underrun_calls + c.output_underflows for c in counters)
        if self._silent:
            self._counts["underrun", ""] = underruns    # why there is nothing to play has been told
        self._new("underrun", underruns, at, "there was nothing to play in time")
        self._new("overrun", sum(c.overrun_calls + c.input_overflows for c in counters) + self._drive.misses, at,
                  "there was no room for what came in")
        self._new("howl", sum(caller.howls for caller in self._drive.parts.callers), at,
                  "the loudspeaker feeds the microphone; the output was turned down for two seconds")
        self._new("late", self._rack.counters.late_blocks if self._drive.parts.callers else 0, at,
                  "the plan took longer than a block lasts")
        self.hear()

    def _listen(self, at: float) -> None:
        """Is the station there?"""
        source = self._drive.ends.source
        if isinstance(source, Reader) and source.absence.lasts != self._silent:
            self._silent = not self._silent
            if self._silent:
                self._log.add("source_lost", at, f"{source.name} has stopped sending; it is taken up again when it "
                                                 "is back")
            else:
                self._log.add("source_back", at, f"{source.name} is back, after {source.absence.last_s:.1f} s")

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
