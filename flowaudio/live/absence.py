"""How often something was away that comes back, and for how long."""

import time

__all__ = ["Absence"]


class Absence:
    """Of a device or a station. One thread begins and ends it, any may read."""

    def __init__(self) -> None:
        self.times, self.last_s = 0, 0.0
        self._gap: tuple[float, float | None] = (0.0, None)     # seconds that are over; since when it is away

    def begin(self) -> None:
        """It has gone."""
        self.times += 1
        self._gap = self._gap[0], time.monotonic()

    def end(self) -> None:
        """It is back."""
        past, since = self._gap
        if since is not None:
            self.last_s = time.monotonic() - since
            self._gap = past + self.last_s, None

    @property
    def lasts(self) -> bool:
        """Whether it is away."""
        return self._gap[1] is not None

    @property
    def seconds(self) -> float:
        """In all."""
        past, since = self._gap         # as one: another thread ends the gap
        return past + (time.monotonic() - since if since is not None else 0.0)
