"""Watching over a running engine, and bringing it to its end: what goes on although nobody asks for anything."""

import atexit
import contextlib
import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from flowaudio.core.errors import ParameterError, SourceError
from flowaudio.live.connect import Ends
from flowaudio.live.drive import Drive
from flowaudio.live.ends import Listening, Memory, Writer
from flowaudio.live.events import Log
from flowaudio.live.level import Level
from flowaudio.live.rules import Actions
from flowaudio.live.takes import Takes
from flowaudio.live.watch import Watch
from flowaudio.runtime.control import Rack

__all__ = ["Supervisor", "finish_sink"]

TICK_S = 0.2
"""How often everything is looked after."""

PATIENCE = 3
"""Who presses Ctrl-C so often while an engine closes need not wait any longer."""

_open: "set[Supervisor]" = set()


class Supervisor:
    """All that an engine consists of while it runs, and the thread that looks after it.

    Of the engine itself it knows nothing: that one is what users hold, and where nobody holds it any more everything
    is closed. Closing is done by the thread, too: no Ctrl-C gets there, and what is being recorded is finished. Whoever
    asks for it takes no lock that is made of Python, as an Event has one: Ctrl-C may leave that locked for ever.
    """

    def __init__(self, rack: Rack, log: Log, ends: Ends, *, edge_ms: float, lead_frames: int,
                 used: Mapping[str, str]) -> None:
        """
        :param lead_frames: how far ahead of the audio thread a change is made, once it runs.
        :param used: paths of the engine's input and output, and what they are.
        :raises ParameterError, SourceError, TargetError: what cannot be connected.
        """
        self.rack, self.log, self.rate = rack, log, rack.rate
        self.drive = Drive(rack, ends)
        self.level = Level(rack, edge_ms)
        self.takes = Takes(self, used)
        self.actions = Actions(self)
        self.ended = threading.Event()
        """Whether the source has ended and all of it has been heard, or everything is closed."""
        self.started = self.closed = False
        self._watch = Watch(self.drive, rack, log, self.level)
        self._lead = lead_frames
        self._state = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="flowaudio-engine", daemon=True)
        self._closer: threading.Thread | None = None
        self._asked = self._abort = self._dropped = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over = False
        self._errors: list[BaseException] = []
        self._process = os.getpid()

    def start(self) -> None:
        """Open the devices and let it sound.

        :raises SourceError, TargetError: what the devices have against it; everything is closed again then.
        """
        with self._state:
            if self.started or self._asked:
                raise ParameterError("an engine starts once, and not when it is closed: make a new one")
            self.started = True
            _open.add(self)
            try:
                self.level.begin()
                self.rack.lead_frames = self._lead  # what was asked for before begins with the first sample
                self.drive.start()
                self._thread.start()
            except BaseException:
                self.close(abort=True)
                raise

    def close(self, abort: bool = False) -> None:
        """Fade out, stop, finish recordings and files. Who comes second waits for the first.

        A listener or an action that asks for it does not wait: it is closed when that has returned.
        :param abort: leave nothing behind of the file that is being written.
        :raises SourceError, TargetError: what a file turned out to have against it.
        """
        if os.getpid() != self._process:
            return                      # a child that was forked has the memory, but not the threads
        inside = threading.current_thread() in (self._thread, self._closer) or self.actions.at_work_here
        if inside and self._closer is not None:
            return
        with self._state:
            first = not self._asked
            if first:
                self._abort, self._asked = abort, True
            if not self._thread.is_alive() and self._closer is None:
                self._shut()            # it was never started
        self._wakes.put(None)
        if not inside:
            self._wait()
            if first and self._errors and not abort:
                raise self._errors[0]

    def drop(self) -> None:
        """Nobody holds the engine any more. To be called wherever that turns out: it waits for nobody."""
        if self._asked or os.getpid() != self._process:
            return
        if not self.started:
            self.close(abort=True)
            return
        self._dropped = True            # no more than that: the thread that we are in may hold any lock
        self._wakes.put(None)
        warnings.warn("an Engine was dropped while it ran, and fades out now: keep a reference to it as long as it "
                      "shall play, use it in a with statement, or close() it", ResourceWarning, stacklevel=3)

    def swap(self, graph: Any) -> float:
        """Put another graph in this one's place; the engine's time at which it begins."""
        return self.rack.swap(graph) / self.rate

    @property
    def time_s(self) -> float:
        """Frames that have gone through the plan, in seconds."""
        return self.rack.position / self.rate

    @property
    def alive(self) -> bool:
        """Whether an audio thread may be at work."""
        return self.drive.alive

    @property
    def running(self) -> bool:
        """Whether it has been started, not been closed, and its devices are there."""
        return self.started and not self.closed and self.alive

    # Its thread.

    def _run(self) -> None:
        while not (self._asked or self._dropped):
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=TICK_S)
                continue
            try:
                self._look_after()
            except Exception as error:  # of a node's own prepare(), for example: sound goes on, and so must this
                self.log.add("failed", self.time_s, f"what was planned cannot be made: {type(error).__name__}: {error}")
        if not self._asked:
            self.log.add("ended", self.time_s, "nobody holds the engine any more, and it is closed")
        self._shut()

    def _look_after(self) -> None:
        self.rack.feed()
        self._watch.check()
        self.takes.check()
        source = self.drive.ends.source
        if isinstance(source, Listening) and source.engine.closed and not self.ended.is_set():
            self.log.add("ended", self.time_s, "the engine that was listened to is closed")
            self.drive.parts.rings[0].close()       # what does not come is missed by nobody
            self.ended.set()
        if not self.ended.is_set() and (self.drive.ended or self.drive.failed is not None):
            self._tell_the_end()
            self.ended.set()

    def _tell_the_end(self) -> None:
        """Say that it is over, when what is on its way through the plan and the device has been heard."""
        failed = self.drive.failed
        if failed is not None:
            self.log.add("failed", self.time_s, f"the engine's source or sink has failed: {failed}")
            return
        tail = self.rack.latency + self.drive.device_latency_frames
        end, deadline = self.rack.position + tail, time.monotonic() + tail / self.rate + 1.0
        while self.drive.parts.streams and self.rack.position < end and time.monotonic() < deadline:
            if self._asked or self._dropped:
                return
            time.sleep(0.005)
        if self.drive.ends.follows:
            error = SourceError("the station has stopped sending: start again when it is back")
            self._errors.append(error)
            self.log.add("failed", self.time_s, str(error))
        else:
            self.log.add("ended", self.time_s, "the source has ended and was played to its end")

    # The end.

    def _wait(self) -> None:
        """Until everything is closed. Ctrl-C is raised then, and not before: files are being finished."""
        kept: BaseException | None = None
        for _ in range(PATIENCE):
            try:
                while not self._over:
                    time.sleep(0.002)
                break
            except BaseException as error:  # whatever a signal's handler raises
                kept = error
        if kept is not None:
            raise kept

    def _shut(self) -> None:
        """Close everything, in its order, whatever happens to a part of it."""
        self._closer = threading.current_thread()
        steps: tuple[Callable[[], object], ...] = (
            self._fade_out, lambda: self._errors.extend(self.takes.finish()), self._stop, self._watch.hear,
            self.actions.close,         # one may want to save what is remembered
            self.takes.forget)
        try:
            for step in steps:
                try:
                    step()
                except Exception as error:
                    self._errors.append(error)
        finally:
            self.closed = True
            self.rack.close()
            _open.discard(self)
            self._over = True
            self.ended.set()

    def _fade_out(self) -> None:
        self.level.end(self.drive.device_latency_frames, lambda: self.alive)

    def _stop(self) -> None:
        """Stop what moves the frames. The file that they go to is whole, or it is not there."""
        failed: list[BaseException] = []
        try:
            failed = self.drive.stop(self._abort)
        except Exception as error:
            failed = [error]
        self._errors += failed
        finish_sink(self.drive.ends.sink, abort=self._abort or bool(failed) or not self.started)


def finish_sink(sink: object, *, abort: bool) -> None:
    """Close what an engine has opened for its output.

    :param abort: leave nothing behind of it.
    :raises TargetError: the file cannot be finished.
    """
    if isinstance(sink, Writer):
        if abort:
            sink.abort()
        else:
            sink.close()
    elif isinstance(sink, Memory):
        sink.close()


@atexit.register
def _close_all() -> None:
    """Nothing may call into memory that is going away."""
    for each in tuple(_open):
        with contextlib.suppress(Exception):    # others are waiting to be closed
            each.close()
