"""Threads that sleep until another one wakes them, on a word in memory, for compiled code: Linux's futex.

To wake is one call of the system, which never waits; who has nobody to wake need not make it. On other systems, to wake
does nothing, and to sleep takes as long as is allowed.
"""

import sys

from flowaudio.core.stub import stub

__all__ = ["CAN_WAKE", "fence", "sleep_on", "wake"]

CAN_WAKE = sys.platform == "linux"
"""Whether :func:`wake` ends a sleep."""


@stub
def sleep_on(word: int, expected: int, longest_ns: int) -> None:
    """Sleep until somebody wakes this word, less than a second; not at all if it is not `expected`.

    It may end early. Of the int64 at `word`, the lower half is compared.
    """


@stub
def wake(word: int) -> None:
    """Wake a thread that sleeps on this word, if there is one. It must be changed before, or who is just going to
    sleep would not notice."""


@stub
def fence() -> None:
    """Nothing that stands before it happens after what stands behind it, nor is a store left for later."""
