"""How loud the output of an engine is: muted by somebody, silent where a device begins and where it ends."""

import contextlib
import threading
import time
from collections.abc import Callable

from flowaudio.core.errors import ParameterError
from flowaudio.runtime.control import Rack

__all__ = ["Level"]

END_S = 0.5
"""How long the last fade may take to be heard, at most."""


class Level:
    """The gain behind a rack's graph. Any thread may ask for something.

    While nobody takes what is played, before the start and while the device is gone, it is only noted what is asked
    for: requests would pile up, and a device that comes back would begin in the middle of a wave.
    """

    def __init__(self, rack: Rack, edge_ms: float) -> None:
        """:param edge_ms: how long the sound takes to begin and to end; 0 where nobody's ears are at the other end."""
        self.edge_ms = edge_ms
        self.muted = self.bypassed = False
        self._rack = rack
        self._asked = 1.0               # of the rack
        self._heard = self._over = False
        self._lock = threading.Lock()

    def mute(self, muted: bool) -> None:
        """Fade out, or in again.

        :raises ParameterError: the engine is closed, or about to be.
        """
        with self._lock:
            if self._over:
                raise ParameterError("the engine is closed: make a new one")
            if self._heard:
                self._ask(0.0 if muted else 1.0)
            self.muted = muted

    def bypass(self, bypassed: bool) -> None:
        """Fade to what comes in, or back."""
        self._rack.bypass(1.0 if bypassed else 0.0)
        self.bypassed = bypassed

    def begin(self) -> None:
        """The first frame is about to be played. To be called while requests are made at once: without a lead."""
        with self._lock:
            self._heard = True
            if self.edge_ms:
                self._ask(0.0, 0.0)
                self._ask(self._wanted, self.edge_ms)
            elif self._wanted != self._asked:
                self._ask(self._wanted, 0.0)

    def follow(self, heard: bool) -> None:
        """Whether there is a device now that plays; to be called often. What cannot be asked for is asked again."""
        if heard == self._heard:
            return
        with self._lock, contextlib.suppress(ParameterError):   # nobody reads, and all places are taken
            if heard:
                if self.edge_ms or self._wanted != self._asked:
                    self._ask(self._wanted, self.edge_ms or None)
                self._heard = True
                return
            self._heard = False
            if self.edge_ms:
                self._silence()

    def end(self, behind_frames: int, alive: Callable[[], bool]) -> None:
        """Fade out for good, and wait until that has been played: `behind_frames` later, as long as anything plays."""
        with self._lock:
            self._over = True
            if not self.edge_ms or not self._heard or not alive():
                return
            end = self._ask(0.0, self.edge_ms) + round(self.edge_ms * self._rack.rate / 1000) + behind_frames
        deadline = time.monotonic() + END_S
        while self._rack.position < end and alive() and time.monotonic() < deadline:
            time.sleep(0.002)

    # What follows is called with the lock held.

    @property
    def _wanted(self) -> float:
        return 0.0 if self.muted else 1.0

    def _ask(self, gain: float, ms: float | None = None) -> int:
        at = self._rack.gain(gain, ms)
        self._asked = gain
        return at

    def _silence(self) -> None:
        """From the very next frame on: the audio thread stands still, and nothing need be asked for ahead of time."""
        rack = self._rack
        with rack.lock:
            lead, rack.lead_frames = rack.lead_frames, 0
            try:
                self._ask(0.0, 0.0)
            finally:
                rack.lead_frames = lead
