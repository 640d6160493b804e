"""Numbers for the names of nodes: the audio thread knows a node by its number, whichever plan runs."""

import itertools
from collections.abc import Collection

__all__ = ["Slots"]

MOST_NAMES = 1 << 16


class Slots:
    """A number for each name, for as long as anybody uses it."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self._slots[name]

    def __len__(self) -> int:
        return len(self._slots)

    def of(self, wanted: Collection[str], used: Collection[str]) -> dict[str, int]:
        """The numbers of these names. In a long life, names that are neither wanted nor used give theirs up."""
        new = [name for name in wanted if name not in self._slots]
        if len(self._slots) + len(new) > MOST_NAMES:
            self._slots = {name: k for name, k in self._slots.items() if name in used or name in wanted}
        taken = set(self._slots.values())
        free = (k for k in itertools.count() if k not in taken)
        self._slots.update(zip(new, free, strict=False))
        return {name: self._slots[name] for name in wanted}
