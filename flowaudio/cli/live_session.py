"""A running engine in the hands of somebody at a terminal: keys, recordings, marks, and the graph's file, watched."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from flowaudio.cli import kernels
from flowaudio.cli.live_screen import COUNTED, View
from flowaudio.cli.live_spectrum import FRAMES
from flowaudio.core import cache
from flowaudio.core.errors import FlowaudioError, TargetError
from flowaudio.graph.graph import Graph
from flowaudio.graph.watching import POLL_S, Watched
from flowaudio.live.engine import Engine
from flowaudio.live.flight import FlightRecorder
from flowaudio.live.recording import Recording
from flowaudio.stream.metering import Metered, Meters, metered

__all__ = ["MARKS", "Session", "free_name"]

MARKS = ".marks.txt"
"""Behind the name of a recording: its marks, as labels that Audacity reads (start, end, text)."""

SHOWN = 3
PROMPT_S = 0.3
LOAD_S = 1.0


class _Mark(NamedTuple):
    at_s: float
    text: str


class Session:
    """What is done to an engine while it runs. All methods but `view` and `press` return at once."""

    def __init__(self, engine: Engine, names: Metered, *, graph: str, route: str, watched: Watched | None, record: str,
                 keep_s: float, hears: bool = True) -> None:
        """
        :param names: the graph that plays, with its meters.
        :param graph: its name; `route`: from where to where, for the eye.
        :param record: how recordings are called; one that exists is numbered, not replaced.
        :param keep_s: how much of what went out can be saved; 0 for none.
        :param hears: whether an input is open.
        """
        self.engine, self.meters = engine, Meters(engine, names)
        self.over = False
        """Whether somebody wants to go."""
        self.recorded: list[Recording] = []
        self.saved: list[str] = []
        self._graph, self._route, self._watched, self._record, self._keep_s = graph, route, watched, record, keep_s
        self._hears = hears
        self._muted = self._bypassed = self._help = False
        self._recording: Recording | None = None
        self._marks: list[_Mark] = []
        self._memory: FlightRecorder | None = None
        self._status = ""
        self._load = (0.0, 0.0, 0.0)    # seconds computed and passed, when last looked at; the load since then
        self._errands: queue.SimpleQueue[tuple[str, Callable[[], None]] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._work, name="flowaudio-errands", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="flowaudio-watching", daemon=True)

    # Beginning and end.

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watch the graph's file and run errands while this lasts; at its end recordings are finished. What is being
        compiled for a new graph is not waited for: see `finish`."""
        with cache.on_compile(self._compiling):
            self._worker.start()
            if self._watched is not None:
                self._watcher.start()
            try:
                yield
            finally:
                self._closing.set()
                if self._recording is not None:
                    self._stop_recording()
                self._errands.put(None)
                self._worker.join()

    def finish(self, tell: Callable[[str], None]) -> None:
        """Wait for a compiler that is still at work: a process must not end around it. To be called when the engine is
        closed, so that nothing sounds meanwhile.

        :param tell: is given a sentence if that takes time.
        """
        if self._watched is None or self._watcher.ident is None:
            return
        self._watcher.join(PROMPT_S)
        if self._watcher.is_alive():
            tell("waiting for the compiler, which is at work for the graph that was saved")
            self._watcher.join()

    # Keys.

    def press(self, keys: str) -> None:
        """Do what keys ask for. What cannot be done is told as an event."""
        for key in keys:
            action = self._actions.get(key.lower())
            if action is not None:
                try:
                    action(self)
                except FlowaudioError as error:
                    self._fail(str(error))

    def mute(self) -> None:
        """Fade out, or in again."""
        self.engine.mute(not self._muted)
        self._muted = not self._muted

    def bypass(self) -> None:
        """To the input, or back to the graph."""
        self.engine.bypass(not self._bypassed)
        self._bypassed = not self._bypassed

    def mark(self) -> None:
        """Note this moment."""
        text = f"mark {len(self._marks) + 1}"
        self._marks.append(_Mark(self.engine.mark(text), text))

    def record(self) -> None:
        """Start or stop."""
        if self._now_recording() is not None:
            self._stop_recording()
        else:
            self._errand("starting to record", self.start_recording)

    def start_recording(self) -> None:
        """Record what goes out, under a name that is free.

        :raises TargetError: the file cannot be written.
        """
        path = free_name(Path(self._record))
        self._recording = self.engine.record(str(path))
        self.recorded.append(self._recording)
        self._say("recording", f"{path} is being recorded")

    def save(self) -> None:
        """Write what went out last."""
        memory = self._memory
        if memory is None or not self._keep_s:
            self._fail("nothing is kept to be saved: start with --keep SECONDS")
            return

        def work() -> None:
            base = Path(self._record)
            self.saved.append(memory.save(str(free_name(base.with_name(f"{base.stem}-kept{base.suffix}"))),
                                          self._keep_s))

        self._errand(f"saving the last {self._keep_s:g} s", work)

    def help(self) -> None:
        """Show or hide what the keys do."""
        self._help = not self._help

    def quit(self) -> None:
        """End."""
        self.over = True

    _actions: ClassVar[dict[str, Callable[["Session"], None]]] = {
        "m": mute, "b": bypass, " ": mark, "k": mark, "r": record, "s": save, "?": help, "h": help, "q": quit}

    # What there is to see.

    def remember(self) -> None:
        """Keep what goes out, for the spectrum and to be saved."""
        self._memory = self.engine.remember(max(self._keep_s, 2 * FRAMES / self.engine.rate), point="out")

    def view(self) -> View:
        """Everything, now."""
        engine, meters = self.engine, self.meters
        stats = engine.stats
        recording = self._now_recording()
        memory = self._memory
        sound = memory.array(FRAMES / engine.rate) if memory is not None else np.zeros((1, 0), np.float32)
        events = [event for event in engine.events if event.kind not in COUNTED]
        return View(
            graph=self._graph, route=self._route, rate=engine.rate, levels_in=meters.input(),
            levels_out=meters.output(), loudness=meters.loudness(), reductions=meters.reductions(), sound=sound,
            stats=stats, load=self._recent_load(stats.load * stats.time_s, stats.time_s), own=meters.names.own,
            muted=self._muted, bypassed=self._bypassed, recording=recording.path if recording is not None else "",
            recorded_s=recording.seconds if recording is not None else 0.0, status=self._status,
            events=events[-SHOWN:], help=self._help, keys=self._keys)

    @property
    def _keys(self) -> str:
        stop = "stop recording" if self._now_recording() is not None else "record"
        save = f"  s save {self._keep_s:g} s" if self._keep_s else ""
        return f"q quit  ? help  m mute  b bypass  space mark  r {stop}{save}"

    def _recent_load(self, busy_s: float, passed_s: float) -> float:
        busy, passed, load = self._load
        if passed_s - passed >= LOAD_S or passed == 0.0:
            load = (busy_s - busy) / max(passed_s - passed, 1e-9)
            self._load = busy_s, passed_s, load
        return load

    # Recordings.

    def _now_recording(self) -> Recording | None:
        if self._recording is not None and self._recording.closed:     # it has failed; the engine has told it
            self._recording = None
        return self._recording

    def _stop_recording(self) -> None:
        recording, self._recording = self._recording, None

        def work() -> None:
            if recording is not None:
                recording.close()
                self._write_marks(recording)

        self._errand("finishing the recording", work)

    def _write_marks(self, recording: Recording) -> None:
        begin = recording.begins_s
        if begin is None:
            return
        inside = [mark for mark in self._marks if begin <= mark.at_s <= begin + recording.seconds]
        if not inside:
            return
        path = Path(recording.path + MARKS)
        lines = [f"{mark.at_s - begin:.6f}\t{mark.at_s - begin:.6f}\t{mark.text}\n" for mark in inside]
        try:
            path.write_text("".join(lines), "utf-8")
        except OSError as error:
            raise TargetError(f"{path} cannot be written: {error.strerror}") from error

    # Threads.

    def _errand(self, status: str, work: Callable[[], None]) -> None:
        """Do something that takes time, behind the others, while the screen goes on."""
        self._errands.put((status, work))

    def _work(self) -> None:
        while (errand := self._errands.get()) is not None:
            self._status = errand[0]
            try:
                errand[1]()
            except Exception as error:  # FFmpeg, a disk: sound goes on
                self._fail(str(error))
            self._status = ""

    def _watch(self) -> None:
        assert self._watched is not None
        while not self._closing.wait(POLL_S):
            saved = self._watched.look()
            if saved is None:
                continue
            if saved.graph is None:
                self._say("broken", f"{saved.error}; the old graph plays on")
                continue
            try:
                self._swap(saved.graph)
            except Exception as error:  # nodes of other packages may do anything
                self._say("broken", f"{self._watched.path}: {error}; the old graph plays on")
            self._status = ""

    def _swap(self, graph: Graph) -> None:
        engine = self.engine
        # Here, so that nobody who asks the engine for something has to wait for a compiler.
        for kernel in kernels.of_graph(graph, engine.rate, engine.rack.channels):
            if self._closing.is_set():
                return
            kernel.load()
        names = metered(graph)
        if self._closing.is_set():
            return
        engine.swap(names.graph)
        self.meters.names = names
        deaf = names.input is not None and not self._hears
        self._say("swapped", f"{self._graph} was saved and plays" + (
            "; it takes an input, and none is open: start again with --input" if deaf else ""))

    def _compiling(self, name: str, seconds: float | None) -> None:
        self._status = f"compiling {name}" if seconds is None else ""

    def _say(self, kind: str, text: str) -> None:
        self.engine.log.add(kind, self.engine.time_s, text)

    def _fail(self, text: str) -> None:
        self._say("failed", text)


def free_name(path: Path) -> Path:
    """This name, or the first of NAME-2, NAME-3, … under which nothing stands."""
    made, number = path, 1
    while made.exists() or made.is_symlink():
        number += 1
        made = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return made


