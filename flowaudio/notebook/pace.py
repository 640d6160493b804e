"""What goes on beside a panel: its meters about ten times a second, and the time of a simulated card."""

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Ticker", "card_time"]

STEP_S = 0.02
"""How often a simulated card's time is let go on."""

MOST_S = 0.25
"""After a pause it goes on from here: nobody wants to hear what was missed."""


class Ticker:
    """Calls a method now and then in a thread of its own, until it is stopped, or its object is gone."""

    def __init__(self, method: Callable[[], object], every_s: float, name: str) -> None:
        self._method = weakref.WeakMethod(method)
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Call it no more. When this returns no call is going on, unless it comes from within one."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    @property
    def alive(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            method = self._method()
            if method is None:
                return
            method()
            del method                  # or the object would live as long as this waits


class _CardTime:
    """Lets virtual time go by as the real one does."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._last = time.monotonic()
        self._ticker = Ticker(self.step, STEP_S, "flowaudio-card-time")

    def step(self) -> None:
        """Up to now."""
        now = time.monotonic()
        passed, self._last = min(now - self._last, MOST_S), now
        self._clock.run(passed)

    def stop(self) -> None:
        """Stand still."""
        self._ticker.stop()


def card_time(*cards: Any) -> list[Any]:
    """For each virtual clock that the cards have, something that makes it go, until its `stop` is called."""
    clocks = {id(card.time): card.time for card in cards
              if getattr(card, "time", None) is not None and hasattr(card, "clock") and card.clock()}
    return [_CardTime(clock) for clock in clocks.values()]
