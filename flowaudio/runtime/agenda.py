"""What is to happen at which frame: letters in the order of their time, and of their arrival where times are equal.

A binary heap in memory that is there from the start. Only the audio thread touches it.
"""

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import copy, i64_1d
from flowaudio.runtime.mailbox import LETTER

__all__ = ["AT", "NUMBER", "agenda_add", "agenda_first", "agenda_full", "agenda_next", "agenda_take"]

AT, NUMBER = 0, 1
"""The words of a letter that it is sorted by: the frame, and the number that its sender gave it."""

# Two words before the letters: how many there are, how many there can be.
COUNT, CAPACITY, HEAD = range(3)

NEVER = 1 << 62


@kernel
def place(agenda: int, k: int) -> int:
    """Where letter `k` lies."""
    return agenda + 8 * HEAD + 8 * LETTER * k


@kernel
def sooner(a: int, b: int) -> bool:
    """Whether the letter at `a` comes before that at `b`."""
    one, other = i64_1d(a, LETTER), i64_1d(b, LETTER)
    return one[AT] < other[AT] or (one[AT] == other[AT] and one[NUMBER] < other[NUMBER])


@kernel
def agenda_full(agenda: int) -> bool:
    """Whether there is no room."""
    told = i64_1d(agenda, HEAD)
    return told[COUNT] >= told[CAPACITY]


@kernel
def agenda_add(agenda: int, letter: int) -> None:
    """Put in a letter; there must be room."""
    told = i64_1d(agenda, HEAD)
    k = told[COUNT]
    told[COUNT] += 1
    while k > 0 and sooner(letter, place(agenda, (k - 1) // 2)):
        copy(place(agenda, k), place(agenda, (k - 1) // 2), 8 * LETTER)
        k = (k - 1) // 2
    copy(place(agenda, k), letter, 8 * LETTER)


@kernel
def agenda_next(agenda: int) -> int:
    """The frame of the first letter; NEVER if there is none."""
    if i64_1d(agenda, HEAD)[COUNT] == 0:
        return NEVER
    return i64_1d(place(agenda, 0), LETTER)[AT]


@kernel
def agenda_first(agenda: int) -> int:
    """Where the first letter lies; there must be one."""
    return place(agenda, 0)


@kernel
def agenda_take(agenda: int) -> None:
    """Remove the first letter."""
    told = i64_1d(agenda, HEAD)
    told[COUNT] -= 1
    count = told[COUNT]
    last, k = place(agenda, count), 0
    while 2 * k + 1 < count:
        child = 2 * k + 1
        if child + 1 < count and sooner(place(agenda, child + 1), place(agenda, child)):
            child += 1
        if not sooner(place(agenda, child), last):
            break
        copy(place(agenda, k), place(agenda, child), 8 * LETTER)
        k = child
    copy(place(agenda, k), last, 8 * LETTER)
