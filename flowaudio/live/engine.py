"""`Engine`: a graph that runs, between any source and any sink, and can be changed while it does."""

import weakref
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown
from flowaudio.graph.graph import Graph
from flowaudio.live.checks import number, same_file, whole
from flowaudio.live.connect import Ends
from flowaudio.live.ends import File, Listening, file_of
from flowaudio.live.events import Event, Log
from flowaudio.live.flight import FlightRecorder
from flowaudio.live.handle import NodeHandle
from flowaudio.live.recording import Recording
from flowaudio.live.resolve import channels_of, rate_of, refuse_feedback, sink_of, source_of
from flowaudio.live.rules import Rule
from flowaudio.live.stats import Stats, stats_of
from flowaudio.live.streams import is_card
from flowaudio.live.supervisor import Supervisor, finish_sink
from flowaudio.runtime.control import Rack

__all__ = ["Engine"]

Array = np.ndarray[Any, Any]


class Engine:
    """Runs a graph from a source to a sink::

        with Engine(graph, input=SoundCard("USB"), output=SoundCard("USB")) as engine:
            engine["comp"].threshold_db = -24       # no click, at a known sample
            engine.record("take.flac")
            print(engine.read("meter"), engine.stats)
            engine.swap(other_graph)                # state stays where nodes do; one fades into the other

    `input` is a SoundCard, a path, a :class:`File`, an array ``[channels, frames]``, ``other.listen("node")``, or
    None for a graph of sources. `output` is a SoundCard, a path, a :class:`File`, a :class:`Memory`, or None to
    measure only.

    With a sound card on both sides the plan runs inside its callback and adds nothing to its latency. ``direct=False``
    puts the plan into a thread of its own, `buffer_ms` behind: for plans that now and then take longer than a block. It
    is for one sound card, alone or with a file or an array; ParameterError where it cannot be.

    What goes wrong with a graph, a file or a device is raised before sound starts, or where it is asked for
    (GraphError, ParameterError, SourceError, TargetError). What happens to the sound while it runs raises nothing: it
    is counted (`stats`) and told (`events`). An array is taken to be at the engine's rate.

    An engine plays as long as somebody holds it: a variable, a ``with`` statement, another engine that listens to it.
    One that is dropped fades out and is closed, with a ResourceWarning; so is one that plays when the process ends.
    """

    def __init__(self, graph: Any, input: Any = None, output: Any = None, *, rate: int | None = None,
                 channels: int | None = None, block: int | None = None, direct: bool = True,
                 buffer_ms: float | None = None, allow_feedback: bool = False, fade_ms: float = 20.0,
                 edge_ms: float = 10.0, on_event: Callable[[Event], None] | None = None) -> None:
        """
        :param rate: Hz; by default what the output has, or else the input.
        :param channels: that the graph gets; by default as many as the input has.
        :param block: frames that the plan is walked in; a sound card's own setting stands in ``SoundCard(block=…)``.
        :param buffer_ms: spare time between the threads and the sound card.
        :param allow_feedback: go on although the loudspeaker plays into the microphone, and do not guard against it.
        :param fade_ms: how long a swap fades, and a change takes unless it says otherwise.
        :param edge_ms: fade at the start and the end of what a sound card plays.
        :param on_event: called with each :class:`Event`, in the thread where it happens: mostly the engine's own, for
            "mark", "recorded" and "saved" that of whoever asked for it. A function that refers to the engine holds it.
        """
        _check(rate, channels, block, buffer_ms, fade_ms, edge_ms, on_event)
        self.log = Log(on_event)
        file, target = file_of(input), file_of(output)
        if file is not None and target is not None and same_file(file.path, target.path):
            raise ParameterError(f"{file.path} is both input and output: choose another name for the output")
        in_card, out_card = (card if is_card(card) else None for card in (input, output))
        if in_card is not None and out_card is not None and not allow_feedback:
            refuse_feedback(in_card, out_card)
        wanted = rate or rate_of(input, in_card, out_card)
        source = source_of(input, in_card, wanted, channels)
        self.rate: int = wanted or source.rate
        count = channels or channels_of(source, in_card, out_card)
        virtual = any(card is not None and card.clock() for card in (in_card, out_card))
        card_block = int(getattr(out_card or in_card, "block", None) or 0)
        walked = block or 256
        live = in_card is not None or out_card is not None
        lead_frames = 0 if virtual else 2 * max(walked, card_block) if live else 8 * walked
        self.rack = Rack(graph, self.rate, count, walked, fade_ms=fade_ms)
        sink = None if out_card is not None else sink_of(output, self.rate, self.rack.output_channels)
        self.clock = next((card.clock() for card in (out_card, in_card) if card is not None), 0)
        """Address of a virtual time; 0 for the real one."""
        buffer_frames = round(buffer_ms * self.rate / 1000) if buffer_ms else 2 * (card_block or walked)
        ends = Ends(source=source if in_card is None else None, sink=sink, input_card=in_card,
                    output_card=out_card, block=walked, card_block=card_block, direct=direct,
                    buffer_frames=buffer_frames, follows=file is not None and file.live,
                    howl=in_card is not None and out_card is not None and not allow_feedback)
        used = {each.path: side for each, side in ((file, "input"), (target, "output")) if each is not None}
        try:
            self._supervisor = Supervisor(
                self.rack, self.log, ends, lead_frames=lead_frames, used=used,
                edge_ms=edge_ms if out_card is not None and not virtual else 0.0)
        except BaseException:
            finish_sink(sink, abort=True)
            raise
        self._drive = self._supervisor.drive
        # Whatever refers to the engine itself keeps it playing: its parts know their supervisor instead.
        weakref.finalize(self, self._supervisor.drop).atexit = False

    # Beginning and end.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        # What was recorded live is kept when somebody presses Ctrl-C; half a file that was read is not.
        leaving = kind is not None and issubclass(kind, (KeyboardInterrupt, SystemExit))
        self.close(abort=kind is not None and not (leaving and self._drive.ends.input_card is not None))

    def start(self) -> None:
        """Open the devices and let it sound.

        :raises SourceError, TargetError: what the devices have against it; everything is closed again then.
        """
        self._supervisor.start()

    def close(self, *, abort: bool = False) -> None:
        """Fade out, stop, finish recordings and files. More than once does no harm.

        Ctrl-C does not break it off, unless it is pressed three times. From `on_event`, or an action, it returns at
        once: the engine is closed when they have.
        :param abort: leave nothing behind of the file that is being written.
        :raises SourceError, TargetError: what a file turned out to have against it.
        """
        self._supervisor.close(abort)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until the source has ended and all of it has been heard, or `timeout_s` is over; whether it has ended."""
        return self._supervisor.ended.wait(timeout_s)

    # While it runs.

    def __getitem__(self, name: str) -> NodeHandle:
        """A node, to change its parameters and to read what it measures; GraphError if there is none."""
        return NodeHandle(self.rack, name)

    def __contains__(self, name: object) -> bool:
        """Whether the graph has a node of that name."""
        return name in self.rack.names

    def __iter__(self) -> Iterator[str]:
        """The names of all nodes."""
        return iter(self.rack.names)

    def swap(self, graph: Any) -> float:
        """Put another graph in this one's place; the engine's time at which it begins.

        Nodes stay what they were, with their state, where name, kind and size are the same. Not one sample is lost.
        :raises GraphError, ParameterError: what is wrong with it; the old one plays on.
        """
        return self._supervisor.swap(graph)

    def read(self, name: str) -> dict[str, Array]:
        """What the node `name` measures, all at one moment."""
        return self.rack.read(name)

    def mute(self, muted: bool = True) -> None:
        """Fade the output out, or in again. Before the start, and while the device is gone: begin so."""
        self._supervisor.level.mute(muted)

    def bypass(self, bypassed: bool = True) -> None:
        """Fade to what comes in, as late as the graph would make it, or back."""
        self._supervisor.level.bypass(bypassed)

    def mark(self, text: str = "mark") -> float:
        """Note a moment among the events; the engine's time."""
        self.log.add("mark", self.time_s, text)
        return self.time_s

    def record(self, path: str | File, point: str = "out") -> Recording:
        """Write what passes a point ("in", "out", or behind a node) to a file from now on, until it is closed."""
        return self._supervisor.takes.record(path, point)

    def remember(self, seconds: float, point: str = "in") -> FlightRecorder:
        """Keep the last seconds of a point, to be written when something has happened."""
        return self._supervisor.takes.remember(seconds, point)

    def on(self, kinds: str | Iterable[str], action: Any, *, node: str | None = None, phase: str | None = None,
           at_most_every_s: float | None = None) -> Rule:
        """Have something done when something happens, from now on until the rule is cancelled.

        :param kinds: of events: those of the engine, those that detectors in its graph declare, or "any".
        :param action: a function of the :class:`Event`, or Save, Duck, Set, Swap, Command, WebHook.
        :param node: only what this detector finds.
        :param phase: "began" (with what was over when it was found), "ended" or "both"; by default as the action needs
            it.
        :param at_most_every_s: what comes sooner, of one kind and node, is left out.
        :raises ParameterError: what no such event or action can be.
        """
        return self._supervisor.actions.on(kinds, action, node=node, phase=phase, at_most_every_s=at_most_every_s)

    def listen(self, point: str = "out") -> Listening:
        """A point of this engine, as another engine's input."""
        if self.closed:
            raise ParameterError("the engine is closed, and nothing can be heard of it: make a new one")
        self.rack.channels_of(point)
        return Listening(self, point)

    # What is known of it.

    @property
    def graph(self) -> Graph:
        """A copy of the graph as it plays, with the values of now."""
        return self.rack.graph

    @property
    def time_s(self) -> float:
        """The engine's time: frames that have gone through the plan, in seconds."""
        return self.rack.position / self.rate

    @property
    def events(self) -> list[Event]:
        """What has happened, the last thousand."""
        return self.log.events

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._supervisor.closed

    @property
    def muted(self) -> bool:
        """Whether it has been muted."""
        return self._supervisor.level.muted

    @property
    def bypassed(self) -> bool:
        """Whether what comes in is heard instead of the graph."""
        return self._supervisor.level.bypassed

    @property
    def alive(self) -> bool:
        """Whether an audio thread may be at work."""
        return self._drive.alive

    @property
    def stats(self) -> Stats:
        """What can be counted, now."""
        watching = self._supervisor
        return stats_of(self.rack, self._drive, running=watching.running, missed_frames=watching.takes.missed_frames)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "running" if self._supervisor.started else "not started"
        return f"<Engine of {len(self.rack.names)} nodes at {self.rate} Hz, {state}>"


def _check(rate: Any, channels: Any, block: Any, buffer_ms: Any, fade_ms: Any, edge_ms: Any, on_event: Any) -> None:
    for name, value, low, high in (("rate", rate, 1000, 1_000_000), ("channels", channels, 1, 64),
                                   ("block", block, 1, 1 << 20)):
        if value is not None:
            whole(f"Engine.{name}", value, low, high)
    for name, value in (("buffer_ms", buffer_ms), ("fade_ms", fade_ms), ("edge_ms", edge_ms)):
        if value is not None:
            number(f"Engine.{name}", value, 0, 10_000, "ms")
    if on_event is not None and not callable(on_event):
        raise ParameterError(f"Engine.on_event must be a function of an Event (got {shown(on_event)})")
