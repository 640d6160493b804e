"""`Rack`: the control thread's side of a running plan. It computes, sends letters, and keeps alive what they name."""

import contextlib
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from flowaudio.core.errors import FlowaudioError, GraphError, ParameterError
from flowaudio.core.node import declaration
from flowaudio.core.params import shown
from flowaudio.core.units import ms_to_frames
from flowaudio.graph.findings import NodeEvent
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.image import address
from flowaudio.runtime import rack
from flowaudio.runtime.drift import Drift
from flowaudio.runtime.journal import Journal
from flowaudio.runtime.post import LETTERS, Post
from flowaudio.runtime.rack_memory import Counters, RackMemory
from flowaudio.runtime.replanning import Replanning
from flowaudio.runtime.ring import Ring
from flowaudio.runtime.tally import Tally
from flowaudio.runtime.tap import IN_SLOT, OUT_SLOT, Tap
from flowaudio.runtime.timeline import Moment, curve, from_now, steps
from flowaudio.runtime.underway import owned
from flowaudio.runtime.voice import Voice

__all__ = ["Rack"]

Array = np.ndarray[Any, Any]

HORIZON_S = 2.0
"""How far ahead what is planned is handed to the audio thread: it goes on for as long if Python is held up."""

FADE_MS = 20.0
"""How long a change of a parameter is walked to, and a plan faded over."""


class Rack:
    """A graph at work, at one rate, from one number of channels to another, that can be changed while it runs.

    All methods may be called from any thread but the audio thread. What goes wrong is said where it is asked for
    (GraphError, ParameterError), and then nothing has changed.
    """

    def __init__(self, graph: Any, rate: int, channels: int, block: int = 256, *, lead_frames: int = 0,
                 fade_ms: float = FADE_MS) -> None:
        """
        :param block: frames that are walked at once, at most; calls may have any number.
        :param lead_frames: how far ahead of the last known frame a change is made that shall be made now.
        :param fade_ms: how long a swap fades, and a change takes unless it says otherwise.
        """
        self.rate, self.channels, self.block = rate, channels, block
        self.lead_frames = lead_frames
        self.fade_ms = fade_ms
        self.lock = threading.RLock()
        self.virtual = False
        """Whether it runs in virtual time: by the real one nothing is late then."""
        self.journal: Journal | None = None
        """Who is told of every request from now on."""
        self.requests = 0
        """How many there have been, without feeding."""
        self._asking = False
        self._post = Post()
        fade_frames = ms_to_frames(fade_ms, rate)
        self._plans = Replanning(owned(graph), rate, channels, block, fade_frames, self._post, self._soon)
        self.output_channels = self._plans.output_channels
        self._tally = Tally()
        self._tap_count = 0
        self._points: dict[int, str] = {}       # what taps stand at, by their addresses, until they are to be gone
        self._memory = RackMemory(rate, channels, self.output_channels, block, fade_frames, self._post.addresses,
                                  self._voice.address)

    @property
    def address(self) -> int:
        """What the compiled functions take. It holds as long as this does."""
        return self._memory.address

    @property
    def clock(self) -> int:
        """Address of the time of the call that is running, in ns."""
        return self.address + rack.NOW

    @property
    def position(self) -> int:
        """Frames since the start, as they were when the audio thread last came by."""
        return self._memory.position

    @property
    def _voice(self) -> Voice:
        """The newest plan."""
        return self._plans.voice

    @property
    def latency(self) -> int:
        """Frames by which the output of the newest plan is behind its input."""
        return self._voice.plan.latency

    @property
    def graph(self) -> Graph:
        """A copy of the graph with the values that its nodes have now."""
        with self.lock:
            return self._plans.values.copy()

    @property
    def names(self) -> list[str]:
        """Of all nodes."""
        return self._plans.values.names

    @property
    def measuring(self) -> list[str]:
        """Names of the nodes that measure."""
        return self._voice.measuring

    @property
    def counters(self) -> Counters:
        """What the audio thread has counted."""
        counted = self._memory.counters
        return counted._replace(late_blocks=0) if self.virtual else counted

    @property
    def busy_ns(self) -> dict[str, float]:
        """Nanoseconds a frame that each operation of the newest plan takes."""
        return self._voice.busy_ns

    @property
    def trouble(self) -> dict[str, int]:
        """Nodes that failed or exploded, and how many blocks of theirs were silenced for it, since the start.

        "in" is what came in so, and went by all nodes.
        """
        with self.lock:
            made = self._tally.trouble(self._post.all(Voice))
            if mended := self._memory.mended:
                made[IN] = mended
            return made

    def node(self, name: str) -> Any:
        """A node with the values that it was given last, as far as they are not planned for later."""
        with self.lock:
            self._plans.values.settle(name)
            return self._plans.values.node(name)

    def read(self, name: str) -> dict[str, Array]:
        """What a node measures, as it was at the end of one block."""
        with self.lock:
            voice = self._voice
            if not voice.heard and voice.before is not None and name in voice.before.measuring:
                voice = voice.before
            if name not in voice.measuring:
                known = ", ".join(voice.measuring) or "none"
                raise GraphError(f"the graph has no node called {name!r} that measures (those that do: {known})")
            return voice.read(name)

    def events(self) -> list[NodeEvent]:
        """What detectors have found since it was last asked for. Frames are those of the engine's time."""
        with self.lock:
            self.collect()
            return self._tally.events(self._post.all(Voice))

    @property
    def lost_events(self) -> dict[str, int]:
        """Detectors that found more than they could keep until they were asked, and how many events were lost."""
        with self.lock:
            return self._tally.lost(self._post.all(Voice))

    def change(self, name: str, values: Mapping[str, Any], at: int | None = None, ramp_ms: float | None = None) -> int:
        """Give a node other values of its parameters.

        They are walked to in `ramp_ms`, in steps of 4 frames, or by a fade to another plan where that cannot be.
        :param at: the frame at which it begins; by default as soon as it can be known.
        :returns: that frame.
        """
        ready = self._plans.foresee(name, [values], self.lock)    # what is wrong with the values is said now
        with self._asked("change", name, values, at, ramp_ms):
            self.collect()
            self._plans.holds(ready, name, [values])
            frames = ms_to_frames(self.fade_ms if ramp_ms is None else ramp_ms, self.rate)
            if at is not None and at < (position := self._position()):
                raise ParameterError(f"frame {at} is past: the engine is at frame {position}")
            now = self._plans.now()
            later = at is not None and at > now
            self._plans.replan(name, set() if later else set(values))
            if at is not None and later:
                self._plans.timeline.add(iter([Moment(at, name, dict(values), frames)]))
            else:
                at = self._plans.make(Moment(now, name, dict(values), frames), ready=ready)
            self.feed()
            return at

    def automate(self, name: str, parameter: str, points: Sequence[tuple[float, Any]]) -> None:
        """Let a parameter follow a line through points (seconds since the start, value).

        It takes the place of what was planned for that parameter before. A parameter that has no values in between (a
        mode, a delay time) goes from one to the next in steps.
        """
        points = list(points) if isinstance(points, Iterable) else points
        with self.lock:
            known = declaration(self._plans.values.node(name)).params.get(parameter)
        smooth = known is None or known.interpolated
        pieces = curve(points, self.rate) if smooth else steps(points, self.rate)
        wanted = [{parameter: value} for _, value in points]
        ready = self._plans.foresee(name, wanted, self.lock)
        with self._asked("automate", name, parameter, points):
            self._plans.holds(ready, name, wanted)
            now = self._plans.now()
            self._plans.replan(name, {parameter})
            self._plans.timeline.add(Moment(at, name, {parameter: value}, frames)
                                     for at, value, frames in from_now(pieces, now))
            self.feed()

    def swap(self, graph: Any) -> int:
        """Put another graph in this one's place: state stays where nodes do, one fades into the other.

        A node stays if its name, its kind and the size of its memory do, whatever its parameters are. While one graph
        fades into another, the next one waits; one that is asked for then takes the place of the one that waits.
        Kernels are compiled before anything else has to wait for it.

        The state of what stays is copied when the new plan begins, in one callback: a delay of 10 s in stereo, 4 MB,
        takes 0.4 ms of it, eight of them more than a block of 128 frames lasts (`counters.longest_begin_ns`).
        :returns: the frame at which the new plan begins to run.
        :raises GraphError, ParameterError: what is wrong with it; the old one goes on.
        """
        graph = owned(graph)
        plan = self._plans.plan(graph)
        with self._asked("swap", graph):
            self.collect()
            at = self._plans.swap(graph, plan)
            self.feed()
            return at

    def gain(self, gain: float, ms: float | None = None) -> int:
        """Fade the output to a gain (linear, 0 is mute); the frame at which that begins."""
        return self._fade(rack.GAIN_KIND, gain, ms)

    def bypass(self, amount: float, ms: float | None = None) -> int:
        """Fade to the input, as late as the graph would make it, and back: 1 is the input alone."""
        if self.channels != self.output_channels:
            raise GraphError(f"only a graph with as many outputs as inputs can be bypassed (this one makes "
                             f"{self.output_channels} channels of {self.channels})")
        return self._fade(rack.BYPASS_KIND, amount, ms)

    def tap(self, point: str, capacity_frames: int = 0, remembers: bool = False, *, ring: Ring | None = None,
            drift: Drift | None = None, clock: int = 0) -> Tap:
        """Copy what passes "in", "out" or the (first) output of a node into a ring from now on.

        :param remembers: the ring keeps the last frames, and nobody empties it.
        :param ring: one that is there already, of as many channels; else one of `capacity_frames` is made.
        :param drift: what its reader follows our clock by; `clock` is the address of a virtual one.
        """
        with self.lock:
            self.collect()
            if self._tap_count >= rack.MOST_TAPS:
                raise ParameterError(f"an engine has {rack.MOST_TAPS} taps at most: take one away first")
            slot, channels = self._point(point)
            if ring is None:
                ring = Ring(channels, capacity_frames)
            made = Tap(slot, ring, remembers, drift, clock)
            self._post.send(self._plans.now(), rack.TAP_KIND, made.address, owner=made)
            self._tap_count += 1
            self._points[made.address] = point
            return made

    def channels_of(self, point: str) -> int:
        """How many channels pass a point."""
        with self.lock:
            return self._point(point)[1]

    def untap(self, tap: Tap) -> int:
        """Take a tap away; the frame from which on it hears nothing more."""
        with self.lock:
            at = self._plans.now()
            self._post.send(at, rack.UNTAP_KIND, tap.address)
            self._points.pop(tap.address, None)
            return at

    def deaf_taps(self) -> list[Tap]:
        """Taps that are to hear silence from the newest plan: their node is not in it, or has other channels."""
        with self.lock:
            taps = [tap for tap in self._post.all(Tap) if tap.address in self._points]
            return [tap for tap in taps if not self._hears(self._points[tap.address], tap.ring.channels)]

    def holds(self, tap: Tap) -> bool:
        """Whether the audio thread may still write to a tap."""
        with self.lock:
            self.collect()
            return tap.address in self._post

    def process(self, x: Array, block: int | None = None) -> Array:
        """float32 ``[channels, frames]`` through the running plan, in this thread. For engines without a driver."""
        x = np.ascontiguousarray(x, np.float32)
        if x.ndim != 2 or x.shape[0] != self.channels:
            raise ParameterError(f"the rack takes float32 [{self.channels}, frames] (got shape {x.shape})")
        y = np.empty((self.output_channels, x.shape[1]), np.float32)
        rack.run_rack(self.address, address(x), x.shape[1], address(y), y.shape[1], x.shape[1], block or self.block)
        return y

    def close(self) -> None:
        """Take nothing more: what runs it has stopped."""
        self._post.close()

    def feed(self) -> None:
        """Hand over what is planned for the near future, and free what has been given back. To be called often.

        :raises GraphError, ParameterError: what was planned and cannot be made any more, since the graph is another
            one. All the rest is done.
        """
        with self._asked("feed"):
            self.collect()
            if not self._plans.timeline:
                return
            now = self._plans.now()
            later: list[Moment] = []
            errors: list[FlowaudioError] = []
            for moment in self._plans.timeline.due(now + round(HORIZON_S * self.rate)):
                if len(self._post) > LETTERS // 2:     # the rest when these have been made
                    later.append(moment)
                    continue
                try:
                    self._plans.make(moment, later)
                except FlowaudioError as error:
                    errors.append(error)
            for moment in later:
                self._plans.timeline.add(iter([moment]))
            if errors:
                raise errors[0]

    def collect(self) -> None:
        """Free what the audio thread has given back."""
        with self.lock:
            for gone in self._post.returned():
                if isinstance(gone, Voice):
                    self._tally.bury(gone, self._post.all(Voice))
                elif isinstance(gone, Tap):
                    self._tap_count -= 1

    # What follows is called with the lock held.

    @contextlib.contextmanager
    def _asked(self, what: str, *arguments: Any) -> Iterator[None]:
        """The lock, for a request; who keeps the journal is told of it. What one request asks of another is a part
        of it."""
        with self.lock:
            if self._asking:
                yield
                return
            self.requests += what != "feed"
            self._asking = True
            try:
                with contextlib.nullcontext() if self.journal is None else self.journal.asked(what, *arguments):
                    yield
            finally:
                self._asking = False

    def _position(self) -> int:
        """The position, as a request goes by it."""
        return self.position if self.journal is None or not self._asking else self.journal.position(self.position)

    def _soon(self) -> int:
        return self._position() + self.lead_frames

    def _point(self, point: str) -> tuple[int, int]:
        """Slot and channels of a place in the graph."""
        if point == IN:
            return IN_SLOT, self.channels
        if point == OUT:
            return OUT_SLOT, self.output_channels
        self._plans.values.node(point)
        if point not in self._voice.names:
            raise GraphError(f"{point} leads nowhere in this graph, and nothing passes it")
        op = self._voice.plan.ops[self._voice.index(point)]
        if not op.outputs:
            raise GraphError(f"{point} has no output to listen to")
        return self._plans.slots[point], op.outputs[0].channels

    def _hears(self, point: str, channels: int) -> bool:
        """Whether so many channels pass a point."""
        try:
            return self._point(point)[1] == channels
        except GraphError:
            return False

    def _fade(self, kind: int, value: float, ms: float | None) -> int:
        with self._asked("gain" if kind == rack.GAIN_KIND else "bypass", value, ms):
            if not 0.0 <= value <= 1.0:
                raise ParameterError(f"a fade goes to a gain between 0 and 1 (got {shown(value)})")
            at = self._soon()           # no swap need be waited for
            self._post.send(at, kind, struct.unpack("q", struct.pack("d", value))[0],
                            ms_to_frames(self.fade_ms if ms is None else ms, self.rate))
            return at

