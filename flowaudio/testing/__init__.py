"""For tests of one's own: sound cards that run in virtual time, with faults on demand."""

from flowaudio.testing.simulated import SimulatedCard, SimulatedStream
from flowaudio.testing.virtual import VirtualClock

__all__ = ["SimulatedCard", "SimulatedStream", "VirtualClock"]
