"""A stream of a sound card: PortAudio calls a compiled function, and nothing that it touches is freed before it ends.

PortAudio keeps neither the function nor its memory alive, and a stream that is only dropped goes on calling. Here the
part that knows the stream outlives the object that was dropped: it stops and closes the stream first, and lets go of
the memory then; at the interpreter's exit, too. See `portaudio.py` for why nothing waits for a server that has gone.
"""

import atexit
import contextlib
import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from flowaudio.io.devices import Device, read_devices
from flowaudio.io.loading import NoPortAudio
from flowaudio.io.portaudio import JACK_NAME, Instance, NoAnswer, Refusal, before_looking, bury, give_back, lease
from flowaudio.io.quiet import quiet
from flowaudio.io.refusals import INVALID_SAMPLE_RATE, UNAVAILABLE, told
from flowaudio.runtime.card import Request

__all__ = ["Chosen", "SoundCardStream"]

CLOSE_S = 3.0
"""How long a close is waited for. It takes a few periods; 1 s where PulseAudio stalls."""

NOTICE_S = 0.2
"""A running stream is inactive a few ms before or after we are told that its server has gone."""

USUAL_RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
"""Frames a second that a device is asked about when it refuses one."""


class Chosen(NamedTuple):
    """The devices of a stream, now that it is known which there are, and the latencies to ask of them in seconds."""

    input: Device | None
    output: Device | None
    input_latency_s: float
    output_latency_s: float


Choose = Callable[[Sequence[Device]], Chosen]


class _Line:
    """The part of a stream that outlives it. What begins with ``do`` belongs to the instance's thread."""

    def __init__(self, request: Request) -> None:
        self.instance: Instance = lease()
        self.request: Request | None = request
        self.chosen: Chosen | None = None
        self.rates: list[int] = []
        """What the device takes, if it refused the rate."""
        self.rate = float(request.rate)
        self.latency_frames = (0, 0)
        self._initialised = self._running = self._on_jack = False
        self._pointer: Any = None
        self._left: Future[None] | None = None
        self._lock = threading.Lock()       # whether it is active is asked from any thread; not of a closed stream
        _open.add(self)

    def do_open(self, choose: Choose, request: Request) -> None:
        """Look which devices there are, let `choose` choose, and open."""
        self.instance.initialise()
        self._initialised = True
        self.chosen = chosen = choose(read_devices(self.instance))
        self._on_jack = (chosen.input or chosen.output or _NOBODY).host == JACK_NAME
        with self.instance.alone():
            if self._lost():
                raise Refusal(UNAVAILABLE, "its sound server has gone")
            self._pointer = self._open(chosen, request)
            about = self.instance.library.Pa_GetStreamInfo(self._pointer)
            self.rate = float(about.sampleRate)
            self.latency_frames = self._latency(chosen, request, about)

    def _open(self, chosen: Chosen, request: Request) -> Any:
        """PortAudio's pointer. Where it refuses the rate, those are noted that it takes."""
        ffi, library = self.instance.ffi, self.instance.library
        into = _parameters(self.instance, chosen.input, request.input_channels, chosen.input_latency_s)
        out = _parameters(self.instance, chosen.output, request.output_channels, chosen.output_latency_s)
        place = ffi.new("PaStream**")
        try:
            self.instance.check(library.Pa_OpenStream(
                place, into, out, float(request.rate), request.block, library.paNoFlag,
                ffi.cast("PaStreamCallback*", request.callback), ffi.cast("void*", request.user)))
        except Refusal as refusal:
            if refusal.code == INVALID_SAMPLE_RATE:
                self.rates = [rate for rate in USUAL_RATES if library.Pa_IsFormatSupported(into, out, rate) == 0]
            raise
        return place[0]

    def _latency(self, chosen: Chosen, request: Request, about: Any) -> tuple[int, int]:
        """Frames from the converter to the callback, and from the callback to the converter.

        Of JACK, what its ports say. On top of that PortAudio holds one block back where a stream has two sides and
        blocks of fixed size, be it the server's size or not; and nothing where the size is the server's own. So
        measured, with a loop through the server, for blocks of 32 to 1024 frames and periods of 128.
        """
        watch = self.instance.watch
        if watch is None or not self._on_jack:
            return round(about.inputLatency * self.rate), round(about.outputLatency * self.rate)
        into = watch.latency_frames(chosen.input.name, "input") if chosen.input else 0
        out = watch.latency_frames(chosen.output.name, "output") if chosen.output else 0
        return into, out + (request.block if chosen.input and chosen.output else 0)

    def do_start(self) -> None:
        with self.instance.alone():
            if self._lost():
                raise Refusal(UNAVAILABLE, "its sound server has gone")
            if not self._running:
                self.instance.check(self.instance.library.Pa_StartStream(self._pointer))
                self._running = True

    def do_stop(self) -> None:
        """Let it play what it has, and no more."""
        with self.instance.alone():
            if self._running and not self._lost():
                self._running = False
                self.instance.library.Pa_StopStream(self._pointer)

    def do_close(self) -> None:
        """Close it, leave the devices, let go of the memory: in this order, or not at all."""
        if self._pointer is not None:
            with self.instance.alone():
                if self._running and not self._lost():
                    self._running = False
                    self.instance.library.Pa_AbortStream(self._pointer)
                if self._lost():            # perhaps while that waited
                    bury(self.request)
                else:
                    self.instance.library.Pa_CloseStream(self._pointer)
        if self._initialised:
            self.instance.terminate()
        self._pointer = self.request = None
        give_back(self.instance)
        _open.discard(self)

    def _lost(self) -> bool:
        """Whether its server has gone. That the stream is not active any more may be known first."""
        instance, until = self.instance, time.monotonic() + NOTICE_S
        while (self._on_jack and not instance.gone and self._running and time.monotonic() < until
               and instance.library.Pa_IsStreamActive(self._pointer) != 1):
            time.sleep(0.005)
        return self._on_jack and instance.gone

    def active(self) -> bool:
        with self._lock:
            return (self._left is None and self._running and not (self._on_jack and self.instance.gone)
                    and self.instance.library.Pa_IsStreamActive(self._pointer) == 1)

    @property
    def closed(self) -> bool:
        """Whether it is being closed, or has been."""
        return self._left is not None

    def leave(self) -> "Future[None]":
        """Have it closed, in its turn, once, and do not wait: a garbage collection may ask for that."""
        with self._lock:
            if self._left is None:
                self._left = self.instance.post(self.do_close)
            return self._left

    def left(self, limit_s: float) -> bool:
        """Leave, and wait for that; whether it is done."""
        return self.instance.waited(self.leave(), limit_s) or self.given_up()

    def given_up(self) -> bool:
        """Whether nobody is left to close it: its server has gone. What it needs is let go of then, all the same."""
        if not self.closed or not self.instance.hopeless:
            return False
        bury(self.request)
        self.request = None
        _open.discard(self)
        return True


_NOBODY = Device(name="", host="")


def _parameters(instance: Instance, device: Device | None, channels: int, latency_s: float) -> Any:
    if device is None:
        return instance.ffi.NULL
    return instance.ffi.new("PaStreamParameters*", (device.index, channels, instance.library.paFloat32, latency_s,
                                                    instance.ffi.NULL))


class SoundCardStream:
    """An open stream, as :class:`flowaudio.runtime.card.CardStream` describes it.

    Dropped without a close, it is closed by itself. Its callback has to return 0.
    """

    def __init__(self, side: str, name: str, request: Request, choose: Choose) -> None:
        """:raises SourceError, TargetError: what is against it; and what `choose` raises."""
        self._side, self._name, self._request = side, name, request._replace(keep=())
        try:
            self._line = line = _Line(request)
        except (NoPortAudio, NoAnswer) as error:
            raise told(error, side, name, None, request) from error
        try:
            line.instance.call(lambda: line.do_open(choose, request))
        except BaseException as error:
            line.leave()                    # a call that goes on, after a Ctrl-C too, is undone when it has ended
            if isinstance(error, (Refusal, NoAnswer, NoPortAudio)):
                raise self._told(error) from error
            raise
        self._finalizer = weakref.finalize(self, line.leave)
        self._finalizer.atexit = False      # at the exit somebody has to wait: _leave_all
        self.rate = line.rate
        self.input_latency_frames, self.output_latency_frames = line.latency_frames

    def start(self) -> None:
        """From now on the callback is called.

        :raises SourceError, TargetError: the device does not begin.
        """
        if self._line.closed:
            raise self._told(Refusal(UNAVAILABLE, "the stream was closed"))
        try:
            self._line.instance.call(self._line.do_start)
        except (Refusal, NoAnswer) as error:
            raise self._told(error) from error

    def stop(self) -> None:
        """When it returns, what was put out has been played, and no more calls come. It can be started again."""
        if not self._line.closed:
            with contextlib.suppress(NoAnswer):
                self._line.instance.call(self._line.do_stop)

    def close(self) -> None:
        """Give the device back, at once: what has not been played yet is not. May be called more than once.

        A device that does not answer for some seconds is left to itself, together with what its callback needs.
        """
        with quiet():
            self._line.left(CLOSE_S)

    @property
    def active(self) -> bool:
        """Whether calls can be expected. A server that hangs is still active, and does not call."""
        return self._line.active()

    def _told(self, problem: Exception) -> Exception:
        chosen = self._line.chosen
        device = (chosen.input or chosen.output) if chosen is not None else None
        return told(problem, self._side, self._name, device, self._request, self._line.rates)


_open: set[_Line] = set()


def _give_up() -> None:
    """Whom nobody waited for any more when his server went."""
    for line in list(_open):
        line.given_up()


before_looking.append(_give_up)


def _leave_all() -> None:
    """At the exit: no callback is called any more when Python frees what it stands on."""
    until = time.monotonic() + CLOSE_S
    lines = list(_open)
    for line in lines:
        line.leave()
    for line in lines:
        if not line.left(max(until - time.monotonic(), 0)):  # it hangs, and may go on: it is never freed
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(line))


atexit.register(_leave_all)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)  # they are the parent's
