"""Sound cards that are not there: any number of them on one virtual clock, each with a rate, jitter and faults of its
own. What happens is the same in every run, and takes as long as the computing does::

    card = SimulatedCard(rate=48_000, ppm=80, block=128)
    card.play_into_input(x)
    ...                                 # open a stream: by hand, or as an engine's input and output
    card.time.run(10.0)
    card.recorded                       # [channels, frames]
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError, SourceError, TargetError
from flowaudio.graph.image import address
from flowaudio.runtime.card import Request
from flowaudio.testing import device
from flowaudio.testing.virtual import VirtualClock

__all__ = ["SimulatedCard", "SimulatedStream"]

Array = np.ndarray[Any, Any]
Hears = Callable[[int], Array]

CHUNK = 8192
"""Frames that go from Python to a stream, and back, at once."""


class SimulatedStream:
    """A stream of a simulated card. See :class:`flowaudio.runtime.card.CardStream`."""

    def __init__(self, card: "SimulatedCard", side: str, request: Request, lengths: Sequence[int]) -> None:
        self.card, self.side = card, side
        self.rate = float(request.rate)
        self.input_latency_frames = card.input_latency_frames if request.input_channels else 0
        self.output_latency_frames = card.output_latency_frames if request.output_channels else 0
        self.unplugged = False
        self._request: Request | None = request
        self._longest = max(lengths)
        self._words = np.zeros(device.STREAM, np.int64)
        self._lengths = np.array(lengths, np.int64)
        self._times = np.zeros(3)
        self._in = np.zeros((self._longest, max(request.input_channels, 1)), np.float32)
        self._out = np.zeros((self._longest, max(request.output_channels, 1)), np.float32)
        self._heard = np.zeros((0, max(request.input_channels, 1)), np.float32)
        keeps = CHUNK + self._longest if card.keeps and request.output_channels else 0
        self._played = np.zeros((keeps, max(request.output_channels, 1)), np.float32)
        lag = card.loop_frames if side == "duplex" else 0
        self._loop = np.zeros((lag + self._longest if lag else 0, max(request.output_channels, 1)), np.float32)
        self._fill(card, request, lag)

    def _fill(self, card: "SimulatedCard", request: Request, lag: int) -> None:
        words, real = self._words, self._words.view(np.float64)
        for place, value in (
                (device.LENGTHS, address(self._lengths)), (device.LENGTH_COUNT, len(self._lengths)),
                (device.CALLBACK, request.callback), (device.USER, request.user),
                (device.INPUTS, request.input_channels), (device.OUTPUTS, request.output_channels),
                (device.IN, address(self._in)), (device.OUT, address(self._out)), (device.MORE, 1),
                (device.PLAYED, address(self._played) if len(self._played) else 0),
                (device.PLAYED_SIZE, len(self._played)),
                (device.LOOP, address(self._loop) if lag else 0), (device.LOOP_SIZE, len(self._loop)),
                (device.LOOP_LAG, lag), (device.JITTER, round(1e6 * card.jitter_ms)), (device.DICE, card.seed),
                (device.TIMES, address(self._times)), (device.IN_LATENCY, self.input_latency_frames),
                (device.OUT_LATENCY, self.output_latency_frames)):
            words[place] = value
        real[device.NS_A_FRAME] = 1e9 / (request.rate * (1 + 1e-6 * card.ppm))
        real[device.LOOP_GAIN] = card.loop_gain

    @property
    def address(self) -> int:
        """Of its words."""
        return address(self._words)

    @property
    def total(self) -> int:
        """Frames that have gone through it, or were lost."""
        return int(self._words[device.TOTAL])

    @property
    def calls(self) -> int:
        """How often it has called."""
        return int(self._words[device.CALLS])

    @property
    def active(self) -> bool:
        """Whether calls can be expected."""
        return bool(self._words[device.ACTIVE])

    def start(self) -> None:
        """Call from now on: for the first time when as much time has passed as the first block lasts."""
        with self.card.time.lock:
            if self._request is None or self.unplugged:
                raise self.card.error(self.side, "the stream is closed" if self._request is None else "it is gone")
            if not self.active:
                now = self.card.time.now_ns
                self._words[[device.SINCE, device.LAST]] = now
                self._words[device.BEGUN] = 0
                self._words[device.ACTIVE] = 1
                device.schedule_stream(self.address)

    def stop(self) -> None:
        """No more calls."""
        with self.card.time.lock:
            self._words[device.ACTIVE] = 0

    def close(self) -> None:
        """No more calls, ever."""
        with self.card.time.lock:
            self._words[device.ACTIVE] = 0
            self.card.time.take_off(self)
            self._request = None
        self.card.forget(self)
        self.flush()

    def unplug(self) -> None:
        """Its device goes; with the clock's lock held."""
        self._words[device.ACTIVE] = 0
        self.unplugged = True

    def wake(self) -> None:
        """There is something to hear."""
        self._words[device.MORE] = 1

    def skip(self, frames: int) -> None:
        """Let frames pass without a call."""
        while frames > 0:
            with self.card.time.lock:
                skipped = device.skip_frames(self.address, frames)
            frames -= skipped
            if not skipped:
                self.serve()

    def stop_at(self, total: int) -> None:
        """Let the clock's loop return when so many frames have gone; 0: not at all."""
        self._words[device.STOP] = total

    def serve(self) -> None:
        """Fill the queue of what is heard, empty the buffer of what was played."""
        words = self._words
        if words[device.PLAYED] and words[device.PLAYED_SIZE] - words[device.PLAYED_AT] < self._longest:
            self.flush()
        if words[device.MORE] and words[device.HEARD_END] - words[device.HEARD_AT] < self._longest:
            words[device.MORE] = 0      # before looking: what comes meanwhile sets it again
            parts = [self._heard[words[device.HEARD_AT]:words[device.HEARD_END]]]
            wanted = CHUNK + self._longest
            while wanted > 0 and (part := self.card.take(wanted)) is not None:
                parts.append(part[:self._heard.shape[1]].T)
                wanted -= part.shape[1]
            if wanted <= 0:
                words[device.MORE] = 1
            self._heard = np.ascontiguousarray(np.concatenate(parts), np.float32)
            words[device.HEARD], words[device.HEARD_AT] = address(self._heard), 0
            words[device.HEARD_END] = len(self._heard)

    def flush(self) -> None:
        """Hand over what was played."""
        with self.card.time.lock:
            played = self._played[:self._words[device.PLAYED_AT]].T.copy()
            self._words[device.PLAYED_AT] = 0
        if played.shape[1]:
            self.card.put(played)


class SimulatedCard:
    """A sound card in virtual time. See :class:`flowaudio.runtime.card.Card`, whose methods engines use."""

    def __init__(self, name: str = "simulated", *, rate: int = 48_000, input_channels: int = 2,
                 output_channels: int = 2, block: int | Sequence[int] = 128, ppm: float = 0.0, jitter_ms: float = 0.0,
                 input_latency_frames: int = 0, output_latency_frames: int = 0, loopback: float = 0.0,
                 keep: bool | Callable[[Array], object] = True, clock: VirtualClock | None = None,
                 seed: int = 0) -> None:
        """
        :param block: frames of a call where a stream leaves it to the card; several take turns.
        :param ppm: by how much its clock is faster than its rate says.
        :param jitter_ms: a call comes up to so late.
        :param input_latency_frames: what it says of itself; with `loopback` it is also true.
        :param loopback: gain with which a duplex stream hears what it plays, as many frames later as both latencies
            are together: no fewer than a call has.
        :param keep: whether what is played can be had as `recorded`, or a function that is given it piece by piece,
            float32 ``[output_channels, frames]``.
        :param clock: to be shared with other cards.
        """
        self.name, self.ppm, self.jitter_ms, self.seed = name, ppm, jitter_ms, seed
        self.input_channels, self.output_channels = input_channels, output_channels
        self.input_latency_frames, self.output_latency_frames = input_latency_frames, output_latency_frames
        self.loop_gain = float(loopback)
        self.time = clock if clock is not None else VirtualClock()
        """What makes it go."""
        self._rate = rate
        self._blocks = [block] if isinstance(block, int) else list(block)
        if not self._blocks or min(self._blocks) < 1:
            raise ParameterError(f"{name}: a block must have at least one frame (got {block!r})")
        self._keep = keep
        self._kept: list[Array] = []
        self._queue: deque[Array | Hears] = deque()
        self._streams: list[SimulatedStream] = []
        self._refused: set[int] = set()
        self._gone = False

    # What an engine asks for.

    def rate(self, side: str) -> int:
        """Its rate; SourceError or TargetError while it is unplugged."""
        self._check(side)
        return self._rate

    def channels(self, side: str) -> int:
        """Channels of "input" or "output"."""
        self._check(side)
        return self.input_channels if side == "input" else self.output_channels

    def clock(self) -> int:
        """Address of the virtual time."""
        return self.time.address

    def same_device(self, other: object) -> bool:
        """Whether `other` is this very card."""
        return other is self

    def may_hear(self, output: object) -> bool:
        """Whether it hears what it plays itself is for tests to say: see `loopback`."""
        return False

    def refresh(self) -> None:
        """Nothing to be done: it knows whether it is there."""

    def open(self, side: str, request: Request) -> SimulatedStream:
        """A stream, not yet started.

        :raises SourceError, TargetError: it is unplugged, or refuses the rate or the channels.
        """
        if side not in ("input", "output", "duplex"):
            raise ParameterError(f'{self.name}: a side is "input", "output" or "duplex" (got {side!r})')
        self._check(side)
        wanted = {"input": request.input_channels, "output": request.output_channels}
        for each, count in wanted.items():
            most = self.channels(each) if side in (each, "duplex") else 0
            if not (1 <= count <= most if side in (each, "duplex") else count == 0):
                raise self.error(side, f"it has {most} {each} channels for this stream (asked for {count})")
        if request.rate in self._refused or request.rate < 1:
            raise self.error(side, f"it does not run at {request.rate} Hz")
        lengths = [request.block] if request.block else self._blocks
        if side == "duplex" and 0 < self.loop_frames < max(lengths):
            raise ParameterError(f"{self.name}: what it plays would be heard after {self.loop_frames} frames, within a "
                                 f"call of {max(lengths)}: give it latencies of so many frames in all")
        stream = SimulatedStream(self, side, request, lengths)
        with self.time.lock:
            self._streams.append(stream)
            self.time.hang(stream)
        return stream

    # What a test asks for.

    def play_into_input(self, x: Array | Hears) -> None:
        """Let the microphone hear something, behind what it was given before; silence when all is over.

        :param x: float ``[input_channels, frames]``, or ``[frames]`` for all channels; or a function that is asked for
            so many frames of that, ahead of their time, until it gives fewer.
        """
        self._queue.append(x if callable(x) else self._rows(x))
        for stream in tuple(self._streams):
            stream.wake()

    @property
    def recorded(self) -> Array:
        """All that was played so far, float32 ``[output_channels, frames]``, the streams one behind the other."""
        for stream in tuple(self._streams):
            stream.flush()
        self._kept = [np.concatenate(self._kept, axis=1) if self._kept else
                      np.zeros((self.output_channels, 0), np.float32)]
        return self._kept[0]

    @property
    def streams(self) -> tuple[SimulatedStream, ...]:
        """Those that are open."""
        return tuple(self._streams)

    def run(self, frames: int) -> None:
        """Let time go on until `frames` frames more have gone through its stream, or a little more: whole calls."""
        running = [stream for stream in self._streams if stream.active]
        if not running:
            raise ParameterError(f"{self.name} has no stream that runs: open and start one")
        stream = running[0]
        total = stream.total + frames
        stream.stop_at(total)
        try:
            self.time.run_stream(stream, total)
        finally:
            stream.stop_at(0)

    def unplug(self) -> None:
        """Away with it: its streams die."""
        with self.time.lock:
            self._gone = True
            for stream in self._streams:
                stream.unplug()

    def plug(self) -> None:
        """Here it is again, to be opened anew."""
        self._gone = False

    def xrun(self, frames: int) -> None:
        """Lose frames: what was to be heard is dropped, silence is played; the driver says so at the next call."""
        for stream in tuple(self._streams):
            if stream.active:
                stream.skip(frames)

    def refuse_rate(self, *rates: int) -> None:
        """Do not run at these rates."""
        self._refused.update(rates)

    # What its streams ask for.

    @property
    def keeps(self) -> bool:
        """Whether anybody wants what is played."""
        return self._keep is not False

    @property
    def loop_frames(self) -> int:
        """How long after it was played a frame is heard; 0 without a loop."""
        return max(self.input_latency_frames + self.output_latency_frames, 1) if self.loop_gain else 0

    def error(self, side: str, what: str) -> SourceError | TargetError:
        """What is raised for a side."""
        kind = TargetError if side == "output" else SourceError
        return kind(f"{self.name} cannot be used for {side}: {what}")

    def forget(self, stream: SimulatedStream) -> None:
        """It is closed."""
        with self.time.lock:
            if stream in self._streams:
                self._streams.remove(stream)

    def take(self, frames: int) -> Array | None:
        """At most `frames` frames of what comes next, or None."""
        while self._queue:
            first = self._queue[0]
            if callable(first):
                made = self._rows(first(frames))
                if made.shape[1] < frames:
                    self._queue.popleft()
            else:
                made = first[:, :frames]
                if made.shape[1] < first.shape[1]:
                    self._queue[0] = first[:, frames:]
                else:
                    self._queue.popleft()
            if made.shape[1]:
                return made
        return None

    def put(self, played: Array) -> None:
        """Keep float32 ``[channels of the stream, frames]``."""
        if played.shape[0] < self.output_channels:
            missing = np.zeros((self.output_channels - played.shape[0], played.shape[1]), np.float32)
            played = np.concatenate([played, missing])
        if callable(self._keep):
            self._keep(played)
        else:
            self._kept.append(played)

    def _check(self, side: str) -> None:
        if self._gone:
            raise self.error(side, "it is unplugged")
        for each, count in (("input", self.input_channels), ("output", self.output_channels)):
            if side in (each, "duplex") and count < 1:
                raise self.error(side, f"it has no {each}")

    def _rows(self, x: Any) -> Array:
        rows = np.asarray(x, np.float32)
        if rows.ndim == 1:
            rows = np.broadcast_to(rows, (self.input_channels, rows.shape[0]))
        if rows.ndim != 2 or rows.shape[0] != self.input_channels:
            raise ParameterError(f"{self.name} hears float [{self.input_channels}, frames] (got shape {rows.shape})")
        return rows
