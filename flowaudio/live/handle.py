"""`engine["comp"]`: a node of a running engine, with its parameters as attributes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.node import declaration
from flowaudio.live.checks import number
from flowaudio.runtime.control import Rack

__all__ = ["NodeHandle"]

Array = np.ndarray[Any, Any]


class NodeHandle:
    """A node as it plays. Reading an attribute gives a parameter's value, setting it changes the sound::

        engine["comp"].threshold_db = -24
        engine["comp"].set(threshold_db=-24, ratio=3, ramp_ms=200)
        engine["gain"].automate(gain_db=[(0, -60), (2, 0)])
    """

    __slots__ = ("_name", "_rack")

    _name: str
    _rack: Rack

    def __init__(self, rack: Rack, name: str) -> None:
        object.__setattr__(self, "_rack", rack)
        object.__setattr__(self, "_name", name)
        rack.node(name)                 # says so if there is none

    @property
    def node(self) -> Any:
        """The node with the values that it has now."""
        return self._rack.node(self._name)

    def set(self, *, at_s: float | None = None, ramp_ms: float | None = None, **values: Any) -> float:
        """Change parameters together.

        They go to their new values within `ramp_ms` (by default the engine's fade), in steps of 4 frames; what cannot
        be walked to, a delay time or a mode, is faded over as another plan.
        :param at_s: the engine's time at which it begins; by default as soon as that can be known.
        :returns: that time. It is exact to the sample.
        :raises ParameterError: a value out of range; nothing has changed then.
        """
        rack = self._rack
        if ramp_ms is not None:
            number("ramp_ms", ramp_ms, 0, 600_000, "ms")
        if at_s is not None and number("at_s", at_s, 0, 1e9, "s") * rack.rate < rack.position:
            raise ParameterError(f"at_s must not be past: the engine is at {rack.position / rack.rate:.2f} s "
                                 f"(got {at_s:g} s)")
        at = None if at_s is None else round(at_s * rack.rate)
        return rack.change(self._name, values, at, ramp_ms) / rack.rate

    def automate(self, **lines: Sequence[tuple[float, float]]) -> None:
        """Let parameters follow lines through points of (engine's time in seconds, value)."""
        for parameter, points in lines.items():
            self._rack.automate(self._name, parameter, points)

    def read(self) -> dict[str, Array]:
        """What it measures, by name."""
        return self._rack.read(self._name)

    def __getattr__(self, parameter: str) -> Any:
        node = self._rack.node(self._name)
        if parameter.startswith("_") or parameter not in declaration(node).params:
            known = ", ".join(declaration(node).params) or "none"
            raise AttributeError(f"{self._name} has no parameter {parameter!r} (it has: {known})")
        return getattr(node, parameter)

    def __setattr__(self, parameter: str, value: Any) -> None:
        self._rack.change(self._name, {parameter: value})

    def __dir__(self) -> list[str]:
        return ["automate", "node", "read", "set", *declaration(self.node).params]

    def __repr__(self) -> str:
        return f"<{self._name}: {self.node!r}>"
