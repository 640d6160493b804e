"""All meters and detectors as one plan: what an analysis and a quality analyser listen with."""

import itertools
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.named_layouts import DEFAULT
from flowaudio.core.node import declaration
from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.plan import Plan

__all__ = ["DETECTORS", "METERS", "Instrument", "Instruments", "chosen", "detector_names", "listening"]

Array = np.ndarray[Any, Any]

MOST_FRAMES = 4096
"""In one call of a kernel: what fits into a processor's nearest memory with two channels."""


class Instrument(NamedTuple):
    """A node that listens."""

    module: str
    cls: str
    options: Mapping[str, Any] = {}

    def make(self, layout: str = DEFAULT) -> Any:
        """The node, for a layout of the channels where it asks for one."""
        cls = getattr(import_module(f"flowaudio.nodes.{self.module}"), self.cls)
        return cls(**{**({"layout": layout} if "layout" in declaration(cls).params else {}), **self.options})


METERS: Mapping[str, Instrument] = {
    "loudness": Instrument("loudness", "LoudnessMeter"),
    "levels": Instrument("meters", "LevelMeter"),
    "noise": Instrument("noise_meter", "NoiseMeter"),
    "dynamics": Instrument("dynamics_meter", "DynamicsMeter"),
    "stereo": Instrument("stereo", "StereoMeter"),
    "tempo": Instrument("tempo", "TempoTracker"),
}

DETECTORS: Mapping[str, Instrument] = {
    "silence": Instrument("silence", "SilenceDetector"),
    "dropout": Instrument("dropout", "DropoutDetector"),
    "level_jump": Instrument("level_jump", "LevelJumpDetector"),
    "stuck": Instrument("stuck", "StuckChannelDetector"),
    "dc_offset": Instrument("dc_offset", "DCDetector"),
    "phase": Instrument("phase", "PhaseDetector"),
    "clipping": Instrument("clipping", "ClippingDetector"),
    "clicks": Instrument("clicks", "ClickDetector"),
    "bursts": Instrument("bursts", "NoiseBurstDetector"),
    "hum": Instrument("hum", "HumDetector"),
    "bandwidth": Instrument("bandwidth", "BandwidthDetector"),
}


def detector_names(chosen: bool | Collection[str]) -> tuple[str, ...]:
    """The detectors that are meant: True for all, False for none, or names. ParameterError with the names there are."""
    if isinstance(chosen, bool):
        return tuple(DETECTORS) if chosen else ()
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    for name in names:
        if name not in DETECTORS:
            raise ParameterError(f"there is no detector called {name!r} (there are: {', '.join(DETECTORS)})")
    return tuple(name for name in DETECTORS if name in names)


def chosen(detectors: Collection[str], layout: str = DEFAULT) -> dict[str, Any]:
    """All meters and some detectors, made for a layout of the channels, by name."""
    wanted = {**METERS, **{name: DETECTORS[name] for name in detectors}}
    return {name: each.make(layout) for name, each in wanted.items()}


class Instruments:
    """A plan of nodes that listen, one behind the other; each lets the signal pass as it is.

    :param nodes: by name.
    :param block: frames that are given at once, at most.
    """

    def __init__(self, rate: int, channels: int, nodes: Mapping[str, Any], block: int) -> None:
        parts = -(-block // MOST_FRAMES)
        self.plan = Plan(listening(nodes), rate, channels, -(-block // parts))
        self._sink = np.zeros((channels, block), np.float32)
        self._places = {op.name: k for k, op in enumerate(self.plan.ops)}

    def hear(self, x: Array) -> None:
        """The next frames: float32 ``[channels, frames]``, contiguous, of numbers within ±10,000 only."""
        self.plan.process_into(x, self._sink[:, :x.shape[1]])

    def events(self) -> list[NodeEvent]:
        """What was found since it was last asked for."""
        return self.plan.events()

    @property
    def lost(self) -> int:
        """Events that came too fast to be kept until they were asked for."""
        return sum(self.plan.lost_events.values())

    def measured(self, name: str) -> dict[str, Array]:
        """What a meter measured, or nothing if there is none of that name."""
        return self.plan.read(name) if name in self._places else {}

    def view(self, name: str, measure: str) -> Array:
        """A measure as it is now: the array changes while the plan runs."""
        return self.plan.image.view(self._places[name], measure, state=True)


def listening(nodes: Mapping[str, Any]) -> Graph:
    """A graph that hands what comes in through a chain of nodes."""
    graph = Graph()
    for name, node in nodes.items():
        graph.add(node, name)
    for source, target in itertools.pairwise([IN, *nodes, OUT]):
        graph.connect(source, target)
    return graph
