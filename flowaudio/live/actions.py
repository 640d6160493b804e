"""What an engine may do to itself when something is found: save, duck, swap, set."""

import os
import threading
from pathlib import Path
from typing import Any

from flowaudio.core.errors import ParameterError
from flowaudio.core.node import declaration
from flowaudio.core.params import shown
from flowaudio.graph import shipped
from flowaudio.graph.document import load
from flowaudio.graph.plan import Plan
from flowaudio.live.action import Action, Running
from flowaudio.live.checks import number
from flowaudio.live.events import Event
from flowaudio.live.filling import Template
from flowaudio.live.flight import FlightRecorder
from flowaudio.live.handle import NodeHandle
from flowaudio.live.naming import reserved

__all__ = ["Duck", "Save", "Set", "Swap"]

LOWEST_DB = -120.0                      # of a Gain: silence


class Save(Action):
    """Writes what a flight recorder holds, under a name that nothing has yet::

        memory = engine.remember(30)
        engine.on("dropout", Save(memory, "faults/{time}-{kind}.flac", after_s=5))

    :param name: may hold `{kind}`, `{node}`, `{time}` (year to second), `{at_s:.0f}`, `{channel}`, `{phase}`; a name
        that exists gets a number.
    :param after_s: how long to wait, so that what comes behind the event is in it, too; when the engine is closed
        meanwhile it is written then.
    """

    def __init__(self, recorder: FlightRecorder, name: str | os.PathLike[str] = "fault-{kind}-{time}.flac", *,
                 after_s: float = 0.0) -> None:
        from flowaudio.io.formats import check_container, default_codec

        if not isinstance(recorder, FlightRecorder):
            raise ParameterError(f"Save needs a flight recorder, as engine.remember(30) makes one (got "
                                 f"{shown(recorder)})")
        if not isinstance(name, (str, os.PathLike)):
            raise ParameterError(f"Save.name must be a file name (got {shown(name)})")
        self._recorder, self._name = recorder, Template(os.fspath(name), "Save.name", in_a_name=True)
        sample = self._name.sample()
        check_container(default_codec(sample), sample)
        if recorder.closed:
            raise ParameterError("the flight recorder is closed: make another one with engine.remember()")
        self.after_s = number("Save.after_s", after_s, 0, recorder.seconds, "s, as many as are kept")
        self.every_s = recorder.seconds

    def __repr__(self) -> str:
        return f"Save({self._name.text!r})"

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        closing.wait(self.after_s)
        path = reserved(Path(self._name.filled(event)))
        try:
            self._recorder.save(str(path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise


class Duck(Action):
    """Lowers a Gain while something lasts, and restores it when it is over::

        engine.on("speech", Duck("music", gain_db=-12, ramp_ms=200))

    What overlaps counts as one. A value that somebody has set meanwhile is left alone. What was over when it was found
    does nothing. For a signal that ducks another one sample by sample there is the node Ducker.

    :param gain_db: by how much, added to what the node has.
    """

    phase = "both"

    def __init__(self, node: str, gain_db: float = -12.0, ramp_ms: float = 200.0) -> None:
        self.node = _name("Duck", node)
        self.gain_db = number("Duck.gain_db", gain_db, LOWEST_DB, 0, "dB")
        self.ramp_ms = number("Duck.ramp_ms", ramp_ms, 0, 600_000, "ms")
        self._lasting: set[tuple[str, str, int | None]] = set()
        self._before = self._ducked = 0.0
        self._down = False
        self._lock = threading.Lock()   # it may stand in several rules

    def __repr__(self) -> str:
        return f"Duck({self.node!r}, {self.gain_db:g})"

    def check(self, engine: Running) -> None:
        node = NodeHandle(engine.rack, self.node).node
        if "gain_db" not in declaration(node).params:
            raise ParameterError(f"Duck turns gain_db down, and {self.node} ({type(node).__name__}) has none: name a "
                                 "Gain")

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        which = event.kind, event.node, event.channel
        with self._lock:
            if event.phase == "began":
                self._lasting.add(which)
            elif event.phase == "ended":
                self._lasting.discard(which)
            if self._lasting:
                self._lower(engine)
            else:
                self._restore(engine)

    def release(self, engine: Running) -> None:
        with self._lock:
            self._lasting.clear()
            self._restore(engine)

    def _lower(self, engine: Running) -> None:
        if self._down:
            return
        handle = NodeHandle(engine.rack, self.node)
        self._before = float(handle.gain_db)
        self._ducked = max(self._before + self.gain_db, LOWEST_DB)
        handle.set(gain_db=self._ducked, ramp_ms=self.ramp_ms)
        self._down = True

    def _restore(self, engine: Running) -> None:
        if not self._down:
            return
        self._down = False
        handle = NodeHandle(engine.rack, self.node)
        if handle.gain_db == self._ducked:
            handle.set(gain_db=self._before, ramp_ms=self.ramp_ms)


class Set(Action):
    """Gives a node other values of its parameters: ``engine.on("hum", Set("notch", frequency_hz=50))``.

    :param ramp_ms: how long they take to get there; by default the engine's fade.
    """

    def __init__(self, node: str, /, *, ramp_ms: float | None = None, **values: Any) -> None:
        self.node, self.values = _name("Set", node), values
        self.ramp_ms = None if ramp_ms is None else number("Set.ramp_ms", ramp_ms, 0, 600_000, "ms")
        if not values:
            raise ParameterError(f"Set({self.node!r}) needs a parameter and its value, such as gain_db=-6")

    def __repr__(self) -> str:
        return f"Set({self.node!r}, {', '.join(f'{name}={shown(value)}' for name, value in self.values.items())})"

    def check(self, engine: Running) -> None:
        node = engine.rack.node(self.node)
        current = {name: getattr(node, name) for name in declaration(node).params}
        type(node)(**{**current, **self.values})

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        NodeHandle(engine.rack, self.node).set(ramp_ms=self.ramp_ms, **self.values)


class Swap(Action):
    """Puts another graph in the one's place that plays: a graph, a document's path, or a ready graph's name."""

    def __init__(self, graph: Any) -> None:
        self._title = shown(graph) if isinstance(graph, (str, os.PathLike)) else "a graph"
        self._graph = load(shipped.find(os.fspath(graph))) if isinstance(graph, (str, os.PathLike)) else graph

    def __repr__(self) -> str:
        return f"Swap({self._title})"

    def check(self, engine: Running) -> None:
        rack = engine.rack
        plan = Plan(self._graph, rack.rate, rack.channels, rack.block)  # its kernels are compiled by that, too
        if plan.output_channels != rack.output_channels:
            raise ParameterError(f"{self!r} puts out {plan.output_channels} channels where the engine has "
                                 f"{rack.output_channels}: end it with a ChannelMap(channels={rack.output_channels})")

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        engine.swap(self._graph)


def _name(owner: str, node: Any) -> str:
    if not isinstance(node, str) or not node:
        raise ParameterError(f"{owner} needs the name of a node in the graph (got {shown(node)})")
    return node
