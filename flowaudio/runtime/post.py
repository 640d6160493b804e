"""Letters to an audio thread, what they are about, and what comes back: kept alive until nobody there needs it."""

import itertools
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.graph.image import address
from flowaudio.runtime import agenda
from flowaudio.runtime.mailbox import LETTER, Mailbox

__all__ = ["LETTERS", "Post"]

LETTERS = 4096
"""Things that may be on their way at once."""

T = TypeVar("T")


class Post:
    """Both boxes, the audio thread's agenda, and the owners of all addresses that it has."""

    def __init__(self) -> None:
        self._out, self._in = Mailbox(LETTERS), Mailbox(4 * LETTERS)
        self._agenda = np.zeros(agenda.HEAD + LETTER * (LETTERS + 1), np.int64)
        self._agenda[agenda.CAPACITY] = LETTERS
        self._alive: dict[int, Any] = {}
        self._number = itertools.count()
        self._closed = False

    @property
    def addresses(self) -> tuple[int, int, int]:
        """Of the box that the audio thread reads, of the one that it writes, and of its agenda."""
        return self._out.address, self._in.address, address(self._agenda)

    def __len__(self) -> int:
        """How many things the audio thread has, or will have."""
        return len(self._alive)

    def __contains__(self, where: int) -> bool:
        """Whether the audio thread may still use what stands at an address."""
        return where in self._alive

    def keep(self, where: int, owner: object) -> None:
        """The audio thread has this from the start, or finds it where a letter leads to."""
        self._alive[where] = owner

    def drop(self, where: int) -> None:
        """The audio thread does not have this, and never will."""
        del self._alive[where]

    def all(self, kind: type[T]) -> list[T]:
        """Everything of a kind that it has."""
        return [each for each in self._alive.values() if isinstance(each, kind)]

    def send(self, at: int, kind: int, *words: int, owner: object = None) -> None:
        """Send a letter. Its `owner` is kept until the first of its words comes back.

        :raises ParameterError: too much is on its way.
        """
        if self._closed:
            raise ParameterError("the engine is closed: make a new one")
        if owner is not None:
            if len(self._alive) >= LETTERS:
                raise ParameterError(f"{LETTERS} changes are on their way already: ask for fewer at a time, or plan "
                                     "them with automate()")
            self._alive[words[0]] = owner
        if not self._out.put(at, next(self._number), kind, *words):
            if owner is not None:
                del self._alive[words[0]]
            raise ParameterError("the engine does not take any more changes: is it running?")

    def close(self) -> None:
        """Send nothing more: nobody reads it."""
        self._closed = True

    def returned(self) -> Iterator[object]:
        """What has come back, once each."""
        for where, *_ in self._in.letters():
            gone = self._alive.pop(where, None)
            if gone is not None:
                yield gone
