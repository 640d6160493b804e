"""`Engine`: a graph that runs, between any source and any sink, and can be changed while it does."""

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from flowaudio.core.errors import FlowaudioError, ParameterError
from flowaudio.core.params import shown
from flowaudio.graph.graph import Graph
from flowaudio.live.checks import number, same_file, whole
from flowaudio.live.connect import Ends
from flowaudio.live.drive import Drive
from flowaudio.live.ends import File, Listening, Memory, Writer, file_of
from flowaudio.live.events import Event, Log
from flowaudio.live.handle import NodeHandle
from flowaudio.live.recording import FlightRecorder, Recording, close_all
from flowaudio.live.resolve import channels_of, rate_of, refuse_feedback, sink_of, source_of
from flowaudio.live.rules import Actions, Rule
from flowaudio.live.stats import Stats
from flowaudio.live.streams import is_card
from flowaudio.live.watch import Watch
from flowaudio.runtime.callback import CallbackCounters
from flowaudio.runtime.control import Rack

__all__ = ["Engine"]

Array = np.ndarray[Any, Any]

TICK_S = 0.2
"""How often the supervising thread looks after everything."""

_open: "weakref.WeakSet[Engine]" = weakref.WeakSet()


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
    puts the plan into a thread of its own, `buffer_ms` behind: for plans that now and then take longer than a block.

    What goes wrong with a graph, a file or a device is raised before sound starts, or where it is asked for
    (GraphError, ParameterError, SourceError, TargetError). What happens to the sound while it runs raises nothing: it
    is counted (`stats`) and told (`events`). An array is taken to be at the engine's rate. An engine that is dropped
    without being closed plays on until the process ends.
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
        :param on_event: called with each :class:`Event`, from the engine's supervising thread.
        """
        _check(rate, channels, block, buffer_ms, fade_ms, edge_ms, on_event)
        self.log = Log(on_event)
        file, target = file_of(input), file_of(output)
        if file is not None and target is not None and same_file(file.path, target.path):
            raise ParameterError(f"{file.path} is both input and output: choose another name for the output")
        in_card, out_card = (card if is_card(card) else None for card in (input, output))
        if in_card is not None and out_card is not None and not allow_feedback:
            refuse_feedback(in_card, out_card)
        self.rate = rate or rate_of(input, in_card, out_card)
        source = source_of(input, in_card, self.rate, channels)
        count = channels or channels_of(source, in_card, out_card)
        virtual = any(card is not None and card.clock() for card in (in_card, out_card))
        card_block = int(getattr(out_card or in_card, "block", None) or 0)
        walked = block or 256
        live = in_card is not None or out_card is not None
        self._lead = 0 if virtual else 2 * max(walked, card_block) if live else 8 * walked
        self.rack = Rack(graph, self.rate, count, walked, fade_ms=fade_ms)
        self._sink = None if out_card is not None else sink_of(output, self.rate, self.rack.output_channels)
        self._edge_ms = edge_ms if out_card is not None and not virtual else 0.0
        self.clock = next((card.clock() for card in (out_card, in_card) if card is not None), 0)
        """Address of a virtual time; 0 for the real one."""
        buffer_frames = round(buffer_ms * self.rate / 1000) if buffer_ms else 2 * (card_block or walked)
        ends = Ends(source=source if in_card is None else None, sink=self._sink, input_card=in_card,
                    output_card=out_card, block=walked, card_block=card_block, direct=direct,
                    buffer_frames=buffer_frames, follows=file is not None and file.live,
                    howl=in_card is not None and out_card is not None and not allow_feedback)
        try:
            self._drive = Drive(self.rack, ends)
        except BaseException:
            self._finish_sink(abort=True)
            raise
        self._recordings: list[Recording] = []
        self._memories: list[FlightRecorder] = []
        self._watch = Watch(self._drive, self.rack, self.log)
        self._actions = Actions(self)
        self._supervisor = threading.Thread(target=self._supervise, name="flowaudio-engine", daemon=True)
        self._closing = threading.Event()
        self._ended = threading.Event()
        self._state = threading.RLock()
        self._started = self._closed = False
        self._missed = 0                # frames of recordings that are closed
        self._process = os.getpid()

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
        with self._state:
            if self._started or self._closed:
                raise ParameterError("an engine starts once, and not when it is closed: make a new one")
            self._started = True
        _open.add(self)
        if self._edge_ms:
            self.rack.gain(0.0, 0.0)
            self.rack.gain(1.0, self._edge_ms)
        self.rack.lead_frames = self._lead      # what was asked for before begins with the first sample
        try:
            self._drive.start()
        except BaseException:
            self.close(abort=True)
            raise
        self._supervisor.start()

    def close(self, *, abort: bool = False) -> None:
        """Fade out, stop, finish recordings and files. More than once does no harm.

        :param abort: leave nothing behind of the file that is being written.
        :raises SourceError, TargetError: what a file turned out to have against it.
        """
        if os.getpid() != self._process:
            return                      # a child that was forked has the memory, but not the threads
        with self._state:               # who comes second waits for the first
            if self._closed:
                return
            try:
                errors = self._shut(abort)
            except BaseException:       # Ctrl-C, while it closes
                self._drive.stop(abort=True)
                raise
            finally:
                self._closed = True
                self.rack.close()
                _open.discard(self)
                self._ended.set()
        if errors and not abort:
            raise errors[0]

    def _shut(self, abort: bool) -> list[BaseException]:
        self._closing.set()
        if self._supervisor.is_alive() and threading.current_thread() is not self._supervisor:
            self._supervisor.join()
        if self._edge_ms and self._running:
            self._fade_out()
        errors = close_all(self._recordings)
        errors += self._drive.stop(abort)
        self._watch.hear()
        self._actions.close()               # it may want to save what is remembered
        errors += close_all(self._memories)
        try:
            self._finish_sink(abort or bool(errors))
        except FlowaudioError as error:
            errors.append(error)
        return errors

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until the source has ended and all of it has been heard, or `timeout_s` is over; whether it has ended."""
        return self._ended.wait(timeout_s)

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
        return self.rack.swap(graph) / self.rate

    def read(self, name: str) -> dict[str, Array]:
        """What the node `name` measures, all at one moment."""
        return self.rack.read(name)

    def mute(self, muted: bool = True) -> None:
        """Fade the output out, or in again."""
        self.rack.gain(0.0 if muted else 1.0)

    def bypass(self, bypassed: bool = True) -> None:
        """Fade to what comes in, as late as the graph would make it, or back."""
        self.rack.bypass(1.0 if bypassed else 0.0)

    def mark(self, text: str = "mark") -> float:
        """Note a moment among the events; the engine's time."""
        self.log.add("mark", self.time_s, text)
        return self.time_s

    def record(self, path: str | File, point: str = "out") -> Recording:
        """Write what passes a point ("in", "out", or behind a node) to a file from now on, until it is closed."""
        file = path if isinstance(path, File) else File(path)
        self._forget_closed()
        if any(same_file(file.path, other.path) for other in self._recordings):
            raise ParameterError(f"{file.path} is being recorded already: close that recording, or choose another name")
        made = Recording(self, file, point)
        self._recordings.append(made)
        return made

    def remember(self, seconds: float, point: str = "in") -> FlightRecorder:
        """Keep the last seconds of a point, to be written when something has happened."""
        self._forget_closed()
        made = FlightRecorder(self, seconds, point)
        self._memories.append(made)
        return made

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
        return self._actions.on(kinds, action, node=node, phase=phase, at_most_every_s=at_most_every_s)

    def listen(self, point: str = "out") -> Listening:
        """A point of this engine, as another engine's input."""
        if self._closed:
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
        return self._closed

    @property
    def alive(self) -> bool:
        """Whether an audio thread may be at work."""
        return self._drive.alive

    @property
    def stats(self) -> Stats:
        """What can be counted, now."""
        drive, rack, counters, calls = self._drive, self.rack, self.rack.counters, self._drive.counters
        parts = drive.parts
        passed_ns = max(counters.position, 1) / self.rate * 1e9
        late, device = rack.latency + drive.latency_frames, drive.device_latency_frames
        return Stats(
            time_s=counters.position / self.rate, running=self._running,
            underruns=_sum(calls, "underrun_calls", "output_underflows"),
            underrun_frames=_sum(calls, "underrun_frames"),
            overruns=_sum(calls, "overrun_calls", "input_overflows"), overrun_frames=_sum(calls, "overrun_frames"),
            late_blocks=counters.late_blocks, load=counters.busy_ns / passed_ns, peak_load=counters.peak_load,
            node_loads={name: float(ns) * self.rate / 1e9 for name, ns in rack.busy_ns.items()},
            latency_frames=late, device_latency_frames=device, latency_ms=1000.0 * (late + device) / self.rate,
            node_silenced=rack.trouble, gaps=sum(stream.gaps for stream in parts.streams),
            gap_s=sum(stream.gap_s for stream in parts.streams), howls=sum(caller.howls for caller in parts.callers),
            clock_ppm=parts.drift.ppm if parts.drift is not None else 0.0,
            missed_frames=self._missed + sum(recording.missed_frames for recording in self._recordings),
            late_changes=counters.late_letters, device_calls=_sum(calls, "calls"),
            realtime=bool(parts.streams) and all(stream.realtime for stream in parts.streams))

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._started else "not started"
        return f"<Engine of {len(self.rack.names)} nodes at {self.rate} Hz, {state}>"

    # Its inner life.

    @property
    def _running(self) -> bool:
        return self._started and not self._closed and self.alive

    def _supervise(self) -> None:
        """Feed the rack, watch the devices, the recordings and the stages, until the engine is closed."""
        while not self._closing.wait(TICK_S):
            try:
                self._look_after()
            except Exception as error:  # of a node's own prepare(), for example: sound goes on, and so must this
                self.log.add("failed", self.time_s, f"what was planned cannot be made: {type(error).__name__}: {error}")

    def _look_after(self) -> None:
        self.rack.feed()
        self._watch.check()
        for recording in list(self._recordings):
            with contextlib.suppress(FlowaudioError):   # it has been told as an event
                recording.check()
        for memory in list(self._memories):
            memory.check()
        source = self._drive.ends.source
        if isinstance(source, Listening) and source.engine.closed and not self._ended.is_set():
            self.log.add("ended", self.time_s, "the engine that was listened to is closed")
            self._ended.set()
        if not self._ended.is_set() and (self._drive.ended or self._drive.failed is not None):
            self._tell_the_end()
            self._ended.set()

    def _forget_closed(self) -> None:
        self._missed += sum(recording.missed_frames for recording in self._recordings if recording.closed)
        self._recordings = [recording for recording in self._recordings if not recording.closed]
        self._memories = [memory for memory in self._memories if not memory.closed]

    def _tell_the_end(self) -> None:
        """Say that it is over, when what is on its way through the plan and the device has been heard."""
        failed = self._drive.failed
        if failed is not None:
            self.log.add("failed", self.time_s, f"the engine's source or sink has failed: {failed}")
            return
        tail = self.rack.latency + self._drive.device_latency_frames
        end, deadline = self.rack.position + tail, time.monotonic() + tail / self.rate + 1.0
        while self._drive.parts.streams and self.rack.position < end and time.monotonic() < deadline:
            if self._closing.wait(0.005):
                return
        self.log.add("ended", self.time_s, "the source has ended and was played to its end")

    def _fade_out(self) -> None:
        """Ask for silence and wait until it has been played."""
        end = self.rack.gain(0.0, self._edge_ms) + round(self._edge_ms * self.rate / 1000)
        end += self._drive.device_latency_frames
        deadline = time.monotonic() + 0.5
        while self.rack.position < end and self.alive and time.monotonic() < deadline:
            time.sleep(0.002)

    def _finish_sink(self, abort: bool) -> None:
        if isinstance(self._sink, Writer):
            if abort:
                self._sink.abort()
            else:
                self._sink.close()
        elif isinstance(self._sink, Memory):
            self._sink.close()


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


def _sum(counters: list[CallbackCounters], *names: str) -> int:
    return sum(getattr(each, name) for each in counters for name in names)


@atexit.register
def _close_all() -> None:
    """Nothing may call into memory that is going away."""
    for engine in list(_open):
        try:
            engine.close()
        except Exception:               # others are waiting to be closed
            continue
