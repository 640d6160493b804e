"""What can be done when something happens to an engine: what all actions have in common."""

import abc
import threading
from typing import Any, Protocol

from flowaudio.core.errors import FlowaudioError
from flowaudio.live.events import Event, Log
from flowaudio.runtime.control import Rack

__all__ = ["Action", "ActionError", "Running"]


class Running(Protocol):
    """What actions need of their engine."""

    rack: Rack
    log: Log
    rate: int

    def swap(self, graph: Any) -> float:
        """Put another graph in this one's place."""


class ActionError(FlowaudioError):
    """What an action was asked to do did not work; it becomes an event."""


class Action(abc.ABC):
    """Something to be done. The ready ones derive from this; any function of an :class:`Event` will do as well."""

    phase = "began"
    """When, unless the rule says otherwise."""
    every_s = 0.0
    """How often at most for the same kind and node, unless the rule says otherwise."""
    at_once = 1
    """How many may run at the same time."""

    def check(self, engine: Running) -> None:  # noqa: B027  most have nothing to check
        """Raise what is wrong with it for this engine, before anything happens."""

    @abc.abstractmethod
    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        """Do it. What it raises is told as an event. Where it waits, it stops waiting when `closing` is set."""

    def stop(self) -> None:  # noqa: B027  most are over at once
        """Break off what is being done: there is no more time for it."""

    def release(self, engine: Running) -> None:  # noqa: B027  most last
        """The rule has ended: undo what was to last for a while only."""
