"""What nodes with faults are made of, and where they are kept."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node


class Nothing:
    """Prepares nothing."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, None


class Line(NamedTuple):
    """One number a channel."""

    y: Any


class Table(NamedTuple):
    """Numbers."""

    values: Any


class Kept:
    """Keeps one number a channel."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Line(np.zeros(format.channels, np.float32))


def planted(law: str, **declared: Any) -> Any:
    """A node with a fault that this law finds."""
    def register(cls: type) -> Any:
        FAULTS[cls.__name__] = law, node(**declared)(cls)
        return FAULTS[cls.__name__][1]

    return register


FAULTS: dict[str, tuple[str, Any]] = {}
"""By the name of the class: which law it breaks, and the class."""


class Calls(NamedTuple):
    """How many there have been."""

    count: Any


class Early(NamedTuple):
    """A log, misused as a memory: no reset reaches it."""

    log: Any


SPARE = 200
"""A row of the log that no test fills."""


class Ring(NamedTuple):
    """What is on its way, and where it is read."""

    samples: Any
    at: Any


class Late:
    """Hands on what comes in, some frames later."""

    def late(self, format: Format) -> int:
        return 10

    def latency(self, format: Format) -> int:
        return 10

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Ring(np.zeros((format.channels, self.late(format)), np.float32), np.zeros(1, np.int64))


@kernel
def hand_on(x: Any, y: Any, p: Any, s: Any) -> None:
    """By way of the ring."""
    at = s.at[0]
    for n in range(x.shape[1]):
        for c in range(x.shape[0]):
            before = s.samples[c, at]
            s.samples[c, at] = x[c, n]
            y[c, n] = before
        at = (at + 1) % s.samples.shape[1]
    s.at[0] = at
