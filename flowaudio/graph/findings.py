"""What the detectors in a plan have found, as Python reads it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, EVERY, WHOLE, Found
from flowaudio.core.node import declaration
from flowaudio.graph.schedule import Op

__all__ = ["Findings", "NodeEvent"]

Array = np.ndarray[Any, Any]

PHASES = {WHOLE: "whole", BEGAN: "began", ENDED: "ended"}


class NodeEvent(NamedTuple):
    """Something that a node has found in the signal."""

    node: str
    kind: str                           # as the node declares it
    phase: str                          # "began": it lasts; "ended": it has; "whole": it was over when it was found
    start: int                          # frame of the graph's input, since the start
    end: int | None                     # the first frame that is good again; None while it lasts
    channel: int | None                 # None: all together
    strength: float                     # in the unit that the node's description names


class Findings:
    """Reads the logs of a plan. Belongs to one thread, or to whoever holds a lock."""

    def __init__(self, ops: list[Op], logs: Mapping[int, Array]) -> None:
        self._readers = {k: Found(log) for k, log in logs.items()}
        self._ops = ops

    @property
    def lost(self) -> dict[str, int]:
        """Nodes that found more than their logs could hold until they were read, and how much was lost."""
        return {self._ops[k].name: reader.lost for k, reader in self._readers.items() if reader.lost}

    def new(self) -> list[NodeEvent]:
        """What was found since it was last asked for, by nodes, each in its order."""
        return [event for k in self._readers for event in self.of(k)]

    def of(self, k: int) -> list[NodeEvent]:
        """The same, of one operation."""
        records = self._readers[k].new()
        if not records:
            return []
        op = self._ops[k]
        kinds = declaration(op.node).events
        made = []
        for kind, phase, start, end, channel, strength in records:
            name = kinds[kind] if 0 <= kind < len(kinds) else f"kind {kind}"
            made.append(NodeEvent(op.name, name, PHASES.get(phase, "whole"), start, None if phase == BEGAN else end,
                                  None if channel == EVERY else channel, strength))
        return made

    def follow(self, k: int, other: "Findings", j: int) -> None:
        """Operation `k` goes on with the log of another plan's operation `j`, and what was read there is not read
        again."""
        self._readers[k].seen = max(self._readers[k].seen, other._readers[j].seen)

    def forget(self) -> None:
        """The logs were emptied."""
        for reader in self._readers.values():
            reader.seen = reader.lost = 0
