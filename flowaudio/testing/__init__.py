"""For tests of one's own: the laws that every node keeps, strategies for Hypothesis, sound cards in virtual time, and
live runs that are recorded and replayed bit for bit.

Parts are imported when they are first asked for; :func:`check_node` and the strategies need the package hypothesis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowaudio.testing.check import LawBroken, check_node
    from flowaudio.testing.laws import LAWS, Law
    from flowaudio.testing.recorder import Recorder, Replayed, replay
    from flowaudio.testing.signals import signal
    from flowaudio.testing.simulated import SimulatedCard, SimulatedStream
    from flowaudio.testing.trial import Trial
    from flowaudio.testing.virtual import VirtualClock

_PLACES = {
    "check": ("LawBroken", "check_node"),
    "laws": ("LAWS", "Law"),
    "recorder": ("Recorder", "Replayed", "replay"),
    "signals": ("signal",),
    "simulated": ("SimulatedCard", "SimulatedStream"),
    "trial": ("Trial",),
    "virtual": ("VirtualClock",),
}
_FOUND = {name: place for place, names in _PLACES.items() for name in names}

__all__ = ["LAWS", "Law", "LawBroken", "Recorder", "Replayed", "SimulatedCard", "SimulatedStream", "Trial",
           "VirtualClock", "check_node", "replay", "signal"]


def __getattr__(name: str) -> Any:
    if name not in _FOUND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FOUND[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
