"""What a recorder of a run is told."""

import contextlib
from typing import Any, Protocol

__all__ = ["Journal"]


class Journal(Protocol):
    """Who is told of every request that changes what sounds, as a recorder is.

    A rack's output follows from its input, the requests in their order, and the positions that each of them went by:
    nothing else that time or threads do has a part in it, as long as no letter comes too late.
    """

    def asked(self, what: str, *arguments: Any) -> contextlib.AbstractContextManager[None]:
        """Entered before a request is carried out and left behind it, with the rack's lock held.

        ``"change", name, values, at, ramp_ms``; ``"automate", name, parameter, points``; ``"swap", graph``;
        ``"gain", gain, ms``; ``"bypass", amount, ms``; ``"feed"``.
        """

    def position(self, frame: int) -> int:
        """The position that the request goes by: the rack is at `frame`, and who repeats a run says where it was."""
