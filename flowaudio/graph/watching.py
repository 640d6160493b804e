"""Watching a graph document: a look at the file now and then tells when it has been saved, and what it says.

No help of the system is needed, so it works on every file system. An editor may write in place, piece by piece, or
write another file and rename it: what counts is that the name stands still. A document that is broken gets a little
longer before that is said: perhaps the rest of it is on its way.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flowaudio.core.errors import DocumentError
from flowaudio.graph import document
from flowaudio.graph.graph import Graph
from flowaudio.graph.known import Known

__all__ = ["POLL_S", "Saved", "Watched"]

POLL_S = 0.2
"""How often somebody should look."""

STILL_S = 0.15
"""How long a file must not have changed before it is read."""

BROKEN_S = 0.6
"""The same before its faults are told. A name that is gone, between two steps of an editor, may be back by then."""

Mark = tuple[int, int, int, int]
"""What changes when a file is written or replaced: modification time, size, inode, device."""


class Saved(NamedTuple):
    """What a look has found: a graph, or what is wrong with the file."""

    graph: Graph | None
    error: DocumentError | None


class Watched:
    """A document that somebody may be working on::

        watched = Watched("podcast.toml")
        graph = watched.load()
        ...
        saved = watched.look()          # five times a second
        if saved is not None and saved.graph is not None:
            engine.swap(saved.graph)
    """

    def __init__(self, path: str | Path, known: Known = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """
        :param known: as for :func:`flowaudio.graph.document.load`.
        :param clock: seconds, from anywhere.
        """
        self.path = Path(path)
        self._known, self._clock = known, clock
        self._told = self._seen = _mark(self.path)
        self._seen_at = clock()

    def load(self) -> Graph:
        """The graph as it is now; DocumentError says why there is none."""
        self._told = self._seen = _mark(self.path)
        return document.load(self.path, self._known)

    def look(self) -> Saved | None:
        """What has been saved since the last look, once; None if nothing has, or if it is still being written."""
        mark, now = _mark(self.path), self._clock()
        if mark != self._seen:
            self._seen, self._seen_at = mark, now
        still_s = now - self._seen_at
        if mark == self._told or still_s < (STILL_S if mark is not None else BROKEN_S):
            return None
        try:
            saved = Saved(document.load(self.path, self._known), None)
        except DocumentError as error:
            if still_s < BROKEN_S:
                return None
            saved = Saved(None, error)
        if _mark(self.path) != mark:    # it was written just now: what was read may be half of each
            return None
        self._told = mark
        return saved


def _mark(path: Path) -> Mark | None:
    """None: there is no such file."""
    try:
        found = path.stat()             # of what a link points to
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev
