"""Which callbacks, rings and threads lie between an engine's source and its sink.

::

    one sound card        card ─► plan ─► card                  the plan in the callback (direct), or in a thread
    two sound cards       card ─► ring, resampler ─► plan ─► card
    file to sound card    decoder ─► ring ─► plan ─► card
    sound card to file    card ─► plan ─► ring ─► encoder
    file to file          decoder ─► ring ─► plan ─► ring ─► encoder

Where both sides have clocks, and they are not one, the resampler follows the difference. A side without a clock waits.
"""

import contextlib
import dataclasses
from typing import Any, Protocol

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.memory import monotonic_ns
from flowaudio.core.native import native
from flowaudio.live.ends import Listening, Reader
from flowaudio.live.streams import LiveStream
from flowaudio.runtime.callback import Caller
from flowaudio.runtime.card import Card
from flowaudio.runtime.control import Rack
from flowaudio.runtime.drift import Drift, drift_anew, drift_wrote, least_ring_frames, safe_target_frames
from flowaudio.runtime.pipeline import Stage, encode_from
from flowaudio.runtime.rack_stage import run_rack_between
from flowaudio.runtime.ring import Cancelled, Ring
from flowaudio.runtime.tap import Tap

__all__ = ["Ends", "Parts", "Sink", "connect", "leave"]

Array = np.ndarray[Any, Any]

RING_S = 1.0
"""What a ring between a thread and a callback holds: how long Python may be held up."""

NETWORK_S, NETWORK_JITTER_MS = 1.5, 250.0
"""Least delay when a station in the network is followed, and how unevenly its packets may come."""


@native
def note_written(drift: int, frames: int, again: int) -> int:
    """Tell the reader of a ring that `frames` frames have been written to it now; `again`: after a pause."""
    if again:
        drift_anew(drift)
    drift_wrote(drift, monotonic_ns(), frames)
    return 0


class Sink(Protocol):
    """What takes blocks of sound, float32 ``[channels, frames]``."""

    def write(self, block: Array) -> None:
        """Take one block."""

    def close(self) -> None:
        """All is there."""


@dataclasses.dataclass(frozen=True)
class Ends:
    """What is to be connected, and how."""

    source: Reader | Listening | None   # beside a card
    sink: Sink | None
    input_card: Card | None
    output_card: Card | None
    block: int                          # frames that the plan is walked in
    card_block: int                     # frames of a card's calls; 0: as it likes
    direct: bool                        # the plan runs in the callback
    buffer_frames: int                  # that wait between a card and a plan in a thread
    follows: bool                       # the source is a reader with a clock of its own
    howl: bool                          # guard against howling


@dataclasses.dataclass
class Parts:
    """What moves the frames. They own their memory as long as anything runs."""

    streams: list[LiveStream] = dataclasses.field(default_factory=list)
    stages: list[Stage] = dataclasses.field(default_factory=list)
    rings: list[Ring] = dataclasses.field(default_factory=list)
    callers: list[Caller] = dataclasses.field(default_factory=list)
    drift: Drift | None = None
    input_rate: int = 0                 # of what the resampler takes in
    followed_block: int = 0             # the longest block that its delay is made for
    jitter_ms: float = 1.0
    tap: tuple[Rack, Tap] | None = None     # of the engine that is listened to
    waiting_frames: int = 0             # in rings between the source and the sink, where that is fixed


def connect(rack: Rack, ends: Ends) -> Parts:
    """Everything between source and sink; nothing of it runs yet.

    :raises ParameterError: what cannot be connected. SourceError, TargetError: a device that is not there. Nothing of
        it is left then.
    """
    connector = _Connector(rack, ends)
    try:
        return connector.run()
    except BaseException:
        leave(connector.parts)
        raise


def leave(parts: Parts) -> None:
    """Take the tap off the engine that is listened to."""
    if parts.tap is not None:
        rack, tap = parts.tap
        with contextlib.suppress(ParameterError):       # that engine is closed
            rack.untap(tap)


class _Connector:
    def __init__(self, rack: Rack, ends: Ends) -> None:
        self.rack, self.ends, self.parts = rack, ends, Parts()
        self._source, self._sink = ends.source, ends.sink
        self._in, self._out = ends.input_card, ends.output_card
        self._block, self._card_block = ends.block, ends.card_block
        self._direct, self._buffer = ends.direct, ends.buffer_frames

    def run(self) -> Parts:
        self._check_direct()
        self._counts()                  # what does not fit is said before anything is opened or tapped
        if self._in is not None and self._out is not None:
            if self._in is self._out or self._in.same_device(self._out):
                self._one_card()
            else:
                self._two_cards()
        elif self._out is not None:
            self._to_card()
        elif self._in is not None:
            self._from_card()
        else:
            self._without_card()
        return self.parts

    def _check_direct(self) -> None:
        """A resampler that follows a clock, and a graph of sources, are called by the output: no thread is between."""
        if self._direct or self._out is None:
            return
        if self._in is not None:
            why = "" if self._in is self._out or self._in.same_device(self._out) else "two sound cards"
        else:
            why = ("a graph without an input" if self._source is None else
                   "another engine" if isinstance(self._source, Listening) else
                   "a source with a clock of its own" if self.ends.follows else "")
        if why:
            raise ParameterError(f"direct=False is for one sound card, alone or with a file or an array, and here is "
                                 f"{why}: leave direct out")

    # Each way to connect source and sink.

    def _one_card(self) -> None:
        assert self._in is not None
        if self._direct:
            self._stream(self._in, "duplex", self._caller(rack=True), self._counts())
            return
        into, out = self._ring(self.rack.channels), self._ring(self.rack.output_channels)
        out.write(np.zeros((self.rack.output_channels, self._buffer), np.float32))
        self.parts.waiting_frames = self._buffer
        self._plan(into, out, live=True)
        self._stream(self._in, "duplex", self._caller(sink=into, source=out), self._counts())

    def _two_cards(self) -> None:
        assert self._in is not None and self._out is not None
        ring = self._followed(self._in.rate("input"), self.rack.channels)
        assert self.parts.drift is not None
        # The input has a stream of its own rate; what follows its clock is in the output's callback.
        capture = self._caller(sink=ring, sink_drift=self.parts.drift, clock_of=self._in)
        self._stream(self._in, "input", capture, (self._counts()[0], 0), self._in.rate("input"))
        play = self._caller(rack=True, source=ring, source_drift=self.parts.drift)
        self._stream(self._out, "output", play, (0, self._counts()[1]))

    def _to_card(self) -> None:
        assert self._out is not None
        ring: Ring | None = None
        if isinstance(self._source, Reader) and not self.ends.follows:
            ring = self._ring(self.rack.channels)
            self._decode(self._source, ring)
        elif self._source is not None:
            ring = self._follow(self._source)
        if not self._direct and ring is not None and self.parts.drift is None:
            out = self._ring(self.rack.output_channels)
            self._plan(ring, out, live=False)
            self._stream(self._out, "output", self._caller(source=out), (0, self._counts()[1]))
            return
        self._stream(self._out, "output", self._caller(rack=True, source=ring, source_drift=self.parts.drift),
                     (0, self._counts()[1]))

    def _from_card(self) -> None:
        assert self._in is not None
        out = self._ring(self.rack.output_channels) if self._sink is not None else None
        if self._direct:
            caller = self._caller(rack=True, sink=out)
        else:
            into = self._ring(self.rack.channels)
            self._plan(into, out, live=True)
            caller = self._caller(sink=into)
        if out is not None:
            self._encode(out)
        self._stream(self._in, "input", caller, (self._counts()[0], 0))

    def _without_card(self) -> None:
        into = self._ring(self.rack.channels)
        out = self._ring(self.rack.output_channels) if self._sink is not None else None
        if isinstance(self._source, Listening):
            self._listen(self._source, into)
        elif isinstance(self._source, Reader):
            self._decode(self._source, into)
        else:
            raise ParameterError("an engine without a source and without a sound card has nothing that would make it "
                                 "go: give it an input, or a SoundCard() as its output")
        self._plan(into, out, live=isinstance(self._source, Listening))
        if out is not None:
            self._encode(out)

    # Their parts.

    def _ring(self, channels: int, least: int = 0) -> Ring:
        ring = Ring(channels, max(round(RING_S * self.rack.rate), 4 * self._block, 2 * self._buffer, least))
        self.parts.rings.append(ring)
        return ring

    def _counts(self) -> tuple[int, int]:
        """Channels to ask of the cards: what the plan has, or all that there are if those are fewer."""
        rack = self.rack
        into = min(rack.channels, self._in.channels("input")) if self._in is not None else 0
        out = max(min(rack.output_channels, self._out.channels("output")), 1) if self._out is not None else 0
        if self._out is not None and rack.output_channels == 1:
            out = min(2, self._out.channels("output"))  # a mono graph is heard on both sides
        elif self._out is not None and out < rack.output_channels:
            name = self._out.name or "the default sound card"
            raise ParameterError(f"the graph puts out {rack.output_channels} channels, and {name} has {out}: end the "
                                 f"graph with a ChannelMap(channels={out})")
        return into, out

    def _caller(self, *, rack: bool = False, source: Ring | None = None, source_drift: Drift | None = None,
                sink: Ring | None = None, sink_drift: Drift | None = None, clock_of: Card | None = None) -> Caller:
        into, out = self._counts()
        card = clock_of or self._out or self._in
        assert card is not None
        made = Caller(rack=self.rack.address if rack else 0, card_in=into, card_out=out,
                      plan_in=self.rack.channels, plan_out=self.rack.output_channels,
                      source=source.address if source is not None else 0,
                      source_drift=source_drift.address if source_drift is not None else 0,
                      sink=sink.address if sink is not None else 0,
                      sink_drift=sink_drift.address if sink_drift is not None else 0,
                      clock=card.clock(), howl=self.ends.howl and self._out is not None, rate=self.rack.rate)
        self.parts.callers.append(made)
        return made

    def _stream(self, card: Card, side: str, caller: Caller, channels: tuple[int, int], rate: int = 0) -> None:
        self.parts.streams.append(LiveStream(card, side, caller, rate or self.rack.rate, self._card_block, channels,
                                       (self.rack, self.parts.rings, self.parts.drift)))

    def _followed(self, rate: int, channels: int, least_s: float = 0.0, jitter_ms: float = 1.0) -> Ring:
        """A ring whose reader follows the clock of its writer."""
        block = max(self._card_block, self._block)
        safe = safe_target_frames(rate, self.rack.rate, block, block, jitter_ms)
        target = max(safe, round(least_s * rate), self._buffer if self._buffer > block else 0)
        self.parts.drift = Drift(channels, rate, self.rack.rate, target, jitter_ms)
        self.parts.input_rate, self.parts.followed_block, self.parts.jitter_ms = rate, block, jitter_ms
        return self._ring(channels, least_ring_frames(rate, target, block, jitter_ms))

    def _follow(self, source: Any) -> Ring:
        if isinstance(source, Reader):
            ring = self._followed(source.rate, self.rack.channels, NETWORK_S, NETWORK_JITTER_MS)
            self._decode(source, ring, self.parts.drift)
            return ring
        ring = self._followed(source.engine.rack.rate, self.rack.channels)
        self._listen(source, ring)
        return ring

    def _listen(self, source: Listening, ring: Ring) -> None:
        """Let another engine write into a ring; our own letter takes it off again."""
        other = source.engine
        there = other.rack.channels_of(source.point)
        if there != self.rack.channels:
            raise ParameterError(f"the point {source.point!r} of the other engine has {there} channels, and this one "
                                 f"is to have {self.rack.channels}: leave channels out, and begin the graph with a "
                                 "ChannelMap")
        if self.parts.drift is None and other.rate != self.rack.rate:
            raise ParameterError(f"the other engine runs at {other.rate} Hz, and this one, which has no sound card, at "
                                 f"{self.rack.rate} Hz: leave rate out")
        tap = other.rack.tap(source.point, ring=ring, drift=self.parts.drift, clock=other.clock or other.rack.clock)
        self.parts.tap = other.rack, tap

    def _decode(self, reader: Reader, ring: Ring, drift: Drift | None = None) -> None:
        def work() -> None:
            pauses = 0
            for block in reader.blocks(now=drift is not None):
                ring.write(block)
                if drift is not None:
                    before, pauses = pauses, reader.absence.times
                    note_written(drift.address, block.shape[1], pauses - before)
            ring.close()

        self.parts.stages.append(Stage("decoder", work, [ring]))

    def _plan(self, into: Ring, out: Ring | None, live: bool) -> None:
        """A thread for the plan. Live, it takes what the card brings, so that it is not late by a block of its own."""
        block = min(self._block, self._card_block or self._block) if live else self._block

        def work() -> None:
            if not run_rack_between(self.rack, into, out, block=block, live=live):
                raise Cancelled("a ring of the plan was cancelled")

        self.parts.stages.append(Stage("plan", work, [into] if out is None else [into, out]))

    def _encode(self, ring: Ring) -> None:
        sink = self._sink
        assert sink is not None
        self.parts.stages.append(encode_from(ring, sink))
