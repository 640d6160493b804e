"""A plan's turn: the place of a plan that waits for its frame, and that another one may take until it begins."""

import numpy as np

from flowaudio.core.atomics import compare_exchange, exchange
from flowaudio.core.kernel import kernel
from flowaudio.core.native import native
from flowaudio.graph.image import address

__all__ = ["Turn", "turn_take"]


@kernel
def turn_take(turn: int) -> int:
    """The plan whose turn it is; from here on none takes its place any more."""
    return exchange(turn, 0)


@native
def give(turn: int, old: int, new: int) -> int:
    """Put another plan in the place of one; 1 if that has not begun."""
    return 1 if compare_exchange(turn, old, new) else 0


class Turn:
    """One word: the address of the plan that begins then."""

    def __init__(self, voice: int) -> None:
        """:param voice: address of a plan."""
        self._words = np.array([voice], np.int64)
        self._voice = voice

    @property
    def address(self) -> int:
        """What the compiled functions take."""
        return address(self._words)

    def give(self, voice: int) -> bool:
        """Let another plan begin instead; whether it is in time for that."""
        if give(self.address, self._voice, voice) == 0:
            return False
        self._voice = voice
        return True
