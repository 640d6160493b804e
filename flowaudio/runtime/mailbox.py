"""Letters between two threads: records of eight int64, one side writes, the other reads, nobody waits.

A full box refuses a letter; whoever may not lose one makes sure that there is room.
"""

from collections.abc import Iterator

import numpy as np

from flowaudio.core.atomics import load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import copy, i64_1d
from flowaudio.core.native import native

__all__ = ["LETTER", "Mailbox", "mail_put", "mail_take"]

LETTER = 8
"""int64 of a letter: one cache line."""

# Byte offsets in the header; what either side writes lies two cache lines apart.
WRITTEN, READ, CAPACITY, DATA = 0, 128, 256, 264
HEADER_BYTES = 384


@kernel
def mail_put(box: int, letter: int) -> bool:
    """Writer: add the letter at an address; whether there was room."""
    written = i64_1d(box + WRITTEN, 1)[0]
    capacity = i64_1d(box + CAPACITY, 2)
    if written - load_acquire(box + READ) >= capacity[0]:
        return False
    copy(capacity[1] + 8 * LETTER * (written % capacity[0]), letter, 8 * LETTER)
    store_release(box + WRITTEN, written + 1)
    return True


@kernel
def mail_take(box: int, letter: int) -> bool:
    """Reader: the oldest letter, to an address; whether there was one."""
    read = i64_1d(box + READ, 1)[0]
    if load_acquire(box + WRITTEN) == read:
        return False
    capacity = i64_1d(box + CAPACITY, 2)
    copy(letter, capacity[1] + 8 * LETTER * (read % capacity[0]), 8 * LETTER)
    store_release(box + READ, read + 1)
    return True


@native
def put_native(box: int, letter: int) -> int:
    """Add a letter; 1 if there was room."""
    return 1 if mail_put(box, letter) else 0


@native
def take_native(box: int, letter: int) -> int:
    """Take a letter; 1 if there was one."""
    return 1 if mail_take(box, letter) else 0


class Mailbox:
    """One writer, one reader. Each method belongs to one of the two sides."""

    def __init__(self, capacity: int) -> None:
        """:param capacity: letters that it holds."""
        self._memory = np.zeros(HEADER_BYTES // 8 + 16 + LETTER * capacity, np.int64)
        start = self._memory.__array_interface__["data"][0]
        self.address: int = start + -start % 128
        """Where its header stands: what the compiled functions take."""
        words = self._memory[(self.address - start) // 8:]
        words[CAPACITY // 8], words[DATA // 8] = capacity, self.address + HEADER_BYTES
        self._out, self._in = np.zeros((2, LETTER), np.int64)

    def put(self, *words: int) -> bool:
        """Writer: add a letter of up to eight whole numbers; whether there was room."""
        self._out[:] = 0
        self._out[:len(words)] = words
        return put_native(self.address, self._out.__array_interface__["data"][0]) == 1

    def letters(self) -> Iterator[list[int]]:
        """Reader: all letters that are there."""
        while take_native(self.address, self._in.__array_interface__["data"][0]):
            yield self._in.tolist()
