"""`Recorder`: a live run on disk. `replay`: the same run again, in another cutting, and whether every bit is the same.

Whatever somebody heard can be heard again at a desk::

    engine = fa.Engine(graph, input=card, output=card)
    with Recorder(engine, "take-7"), engine:
        ...                             # changes, automation, swaps, mutes
    print(replay("take-7"))             # "480000 frames and 31 requests: every bit is the same"

What is compared is what leaves the graph: what a sound card clips, or a guard against howling turns down, comes behind
it. Of a node that failed or exploded the engine silences a block, and blocks are others in a replay: then it says so.
The promise holds on one machine with one version of flowaudio: another processor's compiler may round elsewhere.
"""

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from flowaudio.core.errors import DocumentError, FlowaudioError, ParameterError
from flowaudio.graph.document import dumps, loads
from flowaudio.graph.graph import Graph
from flowaudio.graph.known import known_nodes
from flowaudio.runtime.control import Rack
from flowaudio.runtime.tap import Tap
from flowaudio.testing.tape import VERSION, Tape, TapeWriter, plain, read_tape
from flowaudio.testing.virtual import VirtualClock

__all__ = ["Recorder", "Replayed", "replay"]

Array = np.ndarray[Any, Any]

SLACK_S = 10.0
"""How long the disk may be held up before frames are missed."""

DRAIN_S = 0.1
"""How often what has passed is written down."""

READ_FRAMES = 1 << 14

LENGTHS = (480, 31, 1, 1023, 7, 256, 64, 3)
"""Frames of the calls in which a run is rendered again: over and over, whatever they were."""

BLOCKS = (96, 160)
"""Frames that are walked at once then: the first that is not the run's own."""

FIELDS = {"change": ("name", "values", "at", "ramp_ms"), "automate": ("name", "parameter", "points"),
          "swap": ("graph",), "gain": ("gain", "ms"), "bypass": ("amount", "ms"), "feed": ()}
"""Requests, and what their arguments are called in the log."""


class Recorder:
    """Writes a run down from its first frame on: what comes in, what goes out, every request with its frame.

    To be attached to an :class:`~flowaudio.Engine` or a :class:`~flowaudio.runtime.control.Rack` before it starts. A
    context manager; it may be closed before or behind the engine. What a crash leaves can be replayed.
    """

    def __init__(self, engine: Any, folder: str | Path, *, nodes: Mapping[str, type] | None = None,
                 clock: VirtualClock | None = None) -> None:
        """
        :param engine: an engine, or a rack, that has not begun and was asked for nothing yet.
        :param nodes: node classes of your own by name, if they are called like some that others offer.
        :param clock: of a simulated card: then writing keeps up with virtual time, however fast that goes.
        :raises ParameterError: it has begun. TargetError: the folder holds a recording already.
        """
        rack: Rack = getattr(engine, "rack", engine)
        self._rack = rack
        self._known = None if nodes is None else {**known_nodes(), **nodes}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._late = self._frames = 0
        self.missed_frames = 0
        """That came while the disk was held up: the recording ends before them."""
        with rack.lock:
            if rack.position or rack.requests or rack.journal is not None:
                raise ParameterError("a recorder is attached before the start, before anything is asked for, and once: "
                                     "make a new engine")
            document = dumps(rack.graph, "json", self._known)
            self._tape = TapeWriter(Path(folder))
            self._tape.note({"what": "run", "version": VERSION, "rate": rack.rate, "channels": rack.channels,
                             "output_channels": rack.output_channels, "block": rack.block,
                             "fade_ms": float(rack.fade_ms), "graph": document})
            lead, rack.lead_frames = rack.lead_frames, 0    # the taps hear the very first frame
            self._taps: list[Tap] = [rack.tap(point, round(SLACK_S * rack.rate)) for point in ("in", "out")]
            rack.lead_frames = lead
            rack.journal = self._journal = _Writing(self._tape, self._known, rack)
        if clock is not None:
            clock.every(DRAIN_S, self._drain)
        self._thread = threading.Thread(target=self._keep_up, name="flowaudio-recorder", daemon=True)
        if clock is None:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    @property
    def frames(self) -> int:
        """Frames that have been written down."""
        return self._frames

    def close(self) -> None:
        """Write down what has passed until now, and end. More than once does no harm."""
        if self._closing.is_set():
            return
        rack = self._rack
        with rack.lock:                 # no request is half noted
            rack.journal = None
        for tap in self._taps:
            with contextlib.suppress(ParameterError):   # the engine is closed, and nobody writes to it
                rack.untap(tap)
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._drain(last=True)

    def _keep_up(self) -> None:
        while not self._closing.wait(DRAIN_S):
            self._drain()

    def _drain(self, last: bool = False) -> None:
        """Write down what has come in and gone out."""
        with self._lock:
            if self._closing.is_set() and not last:
                return
            rings = [tap.ring for tap in self._taps]
            missed = max(tap.missed for tap in self._taps)
            while not self.missed_frames and not missed and (
                    count := min(READ_FRAMES, *(ring.fill for ring in rings))):
                x, y = (ring.try_read(count) for ring in rings)
                self._tape.sound(x, y)
                self._frames += count
                missed = max(tap.missed for tap in self._taps)
            if missed and not self.missed_frames:
                self._tape.note({"what": "missed", "count": missed})
            self.missed_frames = missed
            if (late := self._rack.counters.late_letters) != self._late:
                self._late = late
                self._tape.note({"what": "late", "count": late})
            if last:
                self._tape.note({"what": "end", "count": self._frames})
                self._tape.close()


class _Writing:
    """A rack's journal that is written down."""

    def __init__(self, tape: TapeWriter, known: Mapping[str, type] | None, rack: Rack) -> None:
        self._tape, self._known, self._rack = tape, known, rack
        self._positions: list[int] = []

    @contextlib.contextmanager
    def asked(self, what: str, *arguments: Any) -> Iterator[None]:
        """Note a request when it is done, with the positions that it went by."""
        self._positions.clear()
        entry = {"what": what, "lead": self._rack.lead_frames}
        try:
            spelled = self._spelled(what, arguments)
        except FlowaudioError:          # then it is refused by the rack, too
            spelled = None
        try:
            yield
        except BaseException as error:
            entry["error"] = str(error)
            raise
        finally:
            if self._positions or (what != "feed" and spelled is not None):
                entry["positions"] = list(self._positions)
                entry["ended"] = self._rack.position
                self._note(entry, spelled)

    def position(self, frame: int) -> int:
        """The rack's own."""
        self._positions.append(frame)
        return frame

    def _spelled(self, what: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
        named = zip(FIELDS[what], arguments, strict=True)
        return {key: dumps(value, "json", self._known) if isinstance(value, Graph) else plain(value)
                for key, value in named if value is not None}

    def _note(self, entry: dict[str, Any], spelled: dict[str, Any] | None) -> None:
        try:
            self._tape.note({**entry, **(spelled or {}), **({} if spelled is not None else {"unknown": True})})
        except FlowaudioError:          # values that no document can hold
            if "error" not in entry or entry["positions"]:
                self._tape.note({**entry, "unknown": True})


class _Reading:
    """A rack's journal that says what the positions were."""

    def __init__(self) -> None:
        self.positions: deque[int] = deque()

    def asked(self, what: str, *arguments: Any) -> contextlib.AbstractContextManager[None]:
        """Nothing is noted."""
        return contextlib.nullcontext()

    def position(self, frame: int) -> int:
        """What it was; what it is, if the run goes another way than it went."""
        return self.positions.popleft() if self.positions else frame


class Replayed(NamedTuple):
    """What came of a run that was rendered again."""

    frames: int                         # that were rendered and compared
    requests: int                       # that were made
    same: bool                          # every bit of every frame
    first: tuple[int, int] | None       # (frame, channel) of the first difference
    difference: str                     # what that is; empty if there is none
    notes: tuple[str, ...]              # what may keep this recording from being repeated, or whole

    def __str__(self) -> str:
        found = "every bit is the same" if self.same else self.difference
        return "; ".join([f"{self.frames} frames and {self.requests} requests: {found}", *self.notes])


def replay(folder: str | Path, nodes: Mapping[str, type] | None = None, *,
           lengths: Sequence[int] = LENGTHS) -> Replayed:
    """Render a recorded run again from its folder alone, and compare every bit.

    :param nodes: node classes of your own by name, beside those of installed packages.
    :param lengths: frames of the calls, over and over.
    :raises SourceError: there is no recording. DocumentError: its graphs hold nodes that are not known.
    """
    if not lengths or min(lengths) < 1:
        raise ParameterError(f"the lengths of calls must be at least 1 (got {list(lengths)})")
    tape = read_tape(Path(folder))
    run = _Run(tape, {**known_nodes(), **(nodes or {})}, itertools.cycle(lengths))
    try:
        run.all()
    except DocumentError as error:
        raise DocumentError(f"{folder}: {error}; replay takes classes of your own as nodes={{name: class}}") from error
    same = not run.difference
    return Replayed(run.rack.position, run.made, same, run.first, run.difference, tuple(_notes(tape, run)))


class _Run:
    """A recorded run on its way through a new rack."""

    def __init__(self, tape: Tape, known: Mapping[str, type], lengths: Iterator[int]) -> None:
        began = tape.began
        self.tape, self.known, self.lengths = tape, known, lengths
        self.first: tuple[int, int] | None = None
        self.difference = ""
        self.made = 0
        self.frames = tape.x.shape[1]
        self.unknown: int | None = None
        self._journal = _Reading()
        self._graph = began["graph"]
        self._block = next(block for block in BLOCKS if block != began["block"])

    def all(self) -> None:
        """Every request at its frame, and the sound between them."""
        began = self.tape.began
        self.rack = Rack(loads(self._graph, "json", self.known), began["rate"], began["channels"], self._block,
                         fade_ms=began["fade_ms"])
        self.rack.journal = self._journal
        for entry in self.tape.requests:
            at = min(entry["positions"], default=0) + entry["lead"]
            if self.difference or at > self.frames:
                break
            self._sound(at)             # all that it brings about begins here, or later
            if entry.get("unknown"):
                self.unknown = self.made
                break
            self._make(entry)
        self._sound(self.frames)

    def _make(self, entry: dict[str, Any]) -> None:
        what, rack = entry["what"], self.rack
        arguments = [entry.get(key) for key in FIELDS[what]]
        if what == "swap":
            arguments = [loads(entry["graph"], "json", self.known)]
        self._journal.positions = deque(entry["positions"])
        rack.lead_frames = entry["lead"]
        self.made += what != "feed"
        with contextlib.suppress(*[FlowaudioError] if "error" in entry else []):
            getattr(rack, what)(*arguments)
        self._journal.positions.clear()

    def _sound(self, until: int) -> None:
        """Go on until a frame, or until something differs."""
        while not self.difference and (at := self.rack.position) < min(until, self.frames):
            end = min(at + next(self.lengths), until, self.frames)
            y = self.rack.process(self.tape.x[:, at:end], end - at)
            was = np.ascontiguousarray(self.tape.y[:, at:end], np.float32)
            # The sign of a zero depends on where a fade to silence is cut, and is no sound.
            if not np.array_equal(y, was, equal_nan=True):
                n, c = np.argwhere(((y != was) & ~(np.isnan(y) & np.isnan(was))).T)[0].tolist()
                self.first = at + n, c
                self.difference = (f"channel {c}, frame {at + n} is {y[c, n]:.9g} where it was {was[c, n]:.9g}")


def _notes(tape: Tape, run: _Run) -> Iterator[str]:
    if run.unknown is not None:
        yield (f"request {run.unknown + 1} ({tape.requests[run.unknown]['what']}) was made with values that could not "
               "be written down, and nothing behind it was made")
    if tape.late_letters:
        yield (f"{tape.late_letters} requests came too late for their frame and were carried out when they came: such "
               "a run is not exactly repeatable (a larger lead_frames of its rack, or less load, helps)")
    late = [entry for entry in tape.requests if entry["positions"]
            and entry["ended"] > entry["positions"][-1] + entry["lead"]]
    if late and run.difference and not tape.late_letters:
        yield (f"{late[0]['what']} was asked for at frame {late[0]['positions'][0]} and took until frame "
               f"{late[0]['ended']}: what it took back may have happened already")
    if run.difference and run.rack.trouble:
        yield (f"{', '.join(run.rack.trouble)} failed or exploded: what does is silent for a block of the calls that "
               "there were, and in other calls for another")
    if tape.missed_frames:
        yield f"it ends where the disk was held up, and at least {tape.missed_frames} frames were missed"
    elif not tape.whole:
        yield "the recording was not closed: what had been written before is compared"
