"""The command `live`: a graph between sound cards and files, with meters, keys and a graph file that is watched."""

import contextlib
import functools
import math
import queue
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flowaudio.cli import kernels
from flowaudio.cli.failures import Stopped
from flowaudio.cli.live_bars import ASCII, BLOCKS
from flowaudio.cli.live_lines import (
    event_line,
    json_line,
    plain_line,
    print_event,
    print_json_line,
    summary,
    tell_summary,
)
from flowaudio.cli.live_screen import COUNTED, GOOD, Screen
from flowaudio.cli.live_session import Session, free_name
from flowaudio.cli.live_terminal import Terminal, without_errors
from flowaudio.cli.progress import display
from flowaudio.cli.targets import check_target
from flowaudio.core.errors import ParameterError, SourceError
from flowaudio.graph import shipped
from flowaudio.graph.graph import Graph
from flowaudio.graph.watching import Watched
from flowaudio.io import probe
from flowaudio.io.formats import CONTAINERS, check_container, default_codec
from flowaudio.live.action import Action
from flowaudio.live.ends import File
from flowaudio.live.engine import Engine
from flowaudio.live.events import Event
from flowaudio.live.rules import ANY
from flowaudio.live.streams import is_card
from flowaudio.stream.metering import Metered, metered, straight, takes_input

__all__ = ["run"]

FRAME_S = 0.045
"""Between two pictures: 22 a second."""

LINE_S = 1.0
"""Between two lines, where there is no terminal."""

LOOK_S = 0.1
"""How soon an event is told there."""

AGAIN_S = 30.0
"""How long an event of a kind that is counted is not told again."""

RECORDING = "live.flac"
RATE, CHANNELS = 48_000, 2
"""For which kernels are compiled ahead: they serve all others too."""


def run(args: Any) -> None:
    """``flowaudio live``."""
    _check(args)
    watched = Watched(shipped.find(args.graph)) if args.graph else None
    graph = watched.load() if watched is not None else straight()
    names = metered(graph)
    if args.record is not None:
        record = free_name(Path(args.record))
        check_container(default_codec(record), record)
        check_target(record)
    rules = _rules(args)
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with display(args.quiet, args.json) as shown:
        kernels.load(_kernels(names, args), shown)
        source, sink = _input(args, graph), _output(args)
        if source is None and not is_card(sink):
            raise ParameterError("without an input and without a sound card nothing sets the pace; name an --input, or "
                                 "a sound card as --output")
        block = args.block if not (is_card(source) or is_card(sink)) else None
        engine = Engine(names.graph, source, sink, rate=args.rate, channels=args.channels, block=block,
                        allow_feedback=args.allow_feedback, on_event=events.put)
        try:
            for kind, action, phase in rules:
                engine.on(kind, action, phase=phase)
        except BaseException:
            engine.close(abort=True)
            raise
    session = Session(engine, names, graph=_title(args), route=_route(source, sink), watched=watched,
                      record=args.record or RECORDING, keep_s=args.keep, hears=source is not None)
    _play(args, engine, session, events)


def _check(args: Any) -> None:
    for name, low, high in (("rate", 4000, 768_000), ("block", 1, 65_536), ("channels", 1, 64), ("keep", 0, 3600)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise ParameterError(f"--{name} must be between {low} and {high} (got {value:g})")
    if args.seconds is not None and not 0 < args.seconds < 1e9:
        raise ParameterError(f"--seconds must be above 0 (got {args.seconds:g})")
    if args.no_input and args.input is not None:
        raise ParameterError("--no-input and --input exclude each other; leave one of them out")


def _rules(args: Any) -> list[tuple[str, Action, str]]:
    """What is done when something happens: kind of events, action, phase."""
    from flowaudio.live.messages import Command, WebHook

    rules: list[tuple[str, Action, str]] = []
    for each in args.on:
        kind, _, command = each.partition("=")
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ParameterError(f"--on {each}: {error}; close every quotation") from None
        if not kind or not words:
            raise ParameterError(f"--on takes KIND=COMMAND, such as --on 'silence=notify-send {{kind}}' (got {each})")
        try:
            rules.append((kind, Command(words), "began"))
        except ParameterError as error:
            raise ParameterError(f"--on {kind}: {error}") from error
    return rules + [(ANY, WebHook(url), "both") for url in args.hook]


def _kernels(names: Metered, args: Any) -> list[kernels.Kernel]:
    """All that the engine is going to need. What is wrong with the graph at its true rate is for the engine to say."""
    wanted = [each for package in kernels.LIVE for each in kernels.of_package(package)]
    with contextlib.suppress(ParameterError, ValueError):
        wanted += kernels.of_graph(names.graph, args.rate or RATE, args.channels or CHANNELS)
    return wanted


# --- from where to where --------------------------------------------------------------------------------------------

def _input(args: Any, graph: Graph) -> Any:
    """A sound card, a file, or None."""
    name = args.input
    if args.no_input or name == "none" or (name is None and not takes_input(graph)):
        return None
    if name is not None and ("://" in name or Path(name).is_file()):
        allowed = ("file", *args.allow)
        # What has no end has a clock of its own, and is followed.
        return File(name, live="://" in name and probe(name, allowed_protocols=allowed).duration_s is None,
                    allowed_protocols=allowed)
    if name is not None and _is_path(name):
        raise SourceError(f"there is no file {name}: name one that is there, a URL or a sound card")
    return _card(name, args)


def _is_path(name: str) -> bool:
    """Whether a name that is no file's is meant to be one: a sound card's may have a slash in it."""
    path = Path(name)
    return path.is_absolute() or name.startswith((".", "~")) or path.suffix.lower() in CONTAINERS


def _output(args: Any) -> Any:
    """A sound card, a file, or None."""
    name = args.output
    if name == "none":
        return None
    if name is not None and Path(name).suffix.lower() in CONTAINERS:
        check_target(Path(name), args.input if args.input and Path(args.input).is_file() else None)
        return File(name)
    return _card(name, args)


def _card(name: str | None, args: Any) -> Any:
    from flowaudio.io.soundcard import SoundCard

    # More than it has is asked of no card: the engine takes what the graph needs of them.
    return SoundCard("" if name in (None, "default") else name, channels=args.channels, block=args.block)


def _route(source: Any, sink: Any) -> str:
    """From where to where, as the system names it."""
    names, hosts = [], []
    for end, side in ((source, "input"), (sink, "output")):
        if is_card(end):
            device = end.device(side)
            names.append(device.name)
            hosts.append(device.host)
        else:
            names.append("none" if end is None else end.path)
    return " -> ".join(names) + (f" ({' and '.join(dict.fromkeys(hosts))})" if hosts else "")


def _title(args: Any) -> str:
    return Path(args.graph).name if args.graph else "straight through"


# --- while it runs --------------------------------------------------------------------------------------------------

def _play(args: Any, engine: Engine, session: Session, events: "queue.SimpleQueue[Event]") -> None:
    """Start, show, and end in order whatever ends it: what has been recorded is kept."""
    watched = not (args.json or args.quiet) and Terminal.possible()
    ended: BaseException | None = None
    began = time.monotonic()
    with without_errors() if watched else contextlib.nullcontext():
        engine.start()
        try:
            with session.running():
                if args.record is not None:
                    session.start_recording()
                if watched:
                    _screen(args, engine, session)
                else:
                    _lines(args, engine, session, events)
        except (KeyboardInterrupt, Stopped, BrokenPipeError) as error:
            ended = error
        except BaseException:
            engine.close(abort=True)
            raise
        engine.close()
    session.finish(_say)
    # Whoever hung up, or has closed the pipe, reads nothing more.
    with contextlib.suppress(OSError) if ended is not None else contextlib.nullcontext():
        _tell(args, engine, session, events, time.monotonic() - began)
    if ended is not None:
        raise ended
    for recording in session.recorded:
        if recording.error is not None:     # a screen that is gone has shown it at most
            raise recording.error


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"flowaudio: {text}", file=sys.stderr, flush=True)


def _over(args: Any, engine: Engine, session: Session, began: float) -> bool:
    late = args.seconds is not None and max(time.monotonic() - began, engine.time_s) >= args.seconds
    return session.over or late or engine.wait(0.0)


def _screen(args: Any, engine: Engine, session: Session) -> None:
    """Pictures and keys, until the end."""
    utf = "utf" in (sys.stdout.encoding or "").lower()
    screen = Screen(BLOCKS if utf else ASCII)
    began = due = time.monotonic()
    session.remember()
    with Terminal() as terminal, _warnings_as_events(engine):
        while not _over(args, engine, session, began):
            terminal.draw(functools.partial(screen.picture, session.view()))
            due = max(due + FRAME_S, time.monotonic())
            while not session.over and (left := due - time.monotonic()) > 0:
                session.press(terminal.wait(left))


def _lines(args: Any, engine: Engine, session: Session, events: "queue.SimpleQueue[Event]") -> None:
    """A line a second, and events as they come."""
    tell = _told_as_json if args.json else _Warnings() if args.quiet else _Warnings(good=True)
    began = time.monotonic()
    due = began + LINE_S
    while not _over(args, engine, session, began):
        engine.wait(max(min(LOOK_S, due - time.monotonic()), 0.0))
        _drain(events, tell)
        if time.monotonic() >= due:
            due += LINE_S
            if args.json:
                print_json_line(json_line(session.view()))
            elif not args.quiet:
                print(plain_line(session.view()), flush=True)


def _drain(events: "queue.SimpleQueue[Event]", tell: Callable[[Event], None]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            tell(events.get_nowait())


def _told_as_json(event: Event) -> None:
    print_json_line(event_line(event))


class _Warnings:
    """Tells events on standard error. What is counted anyway is not told again and again."""

    def __init__(self, good: bool = False) -> None:
        """:param good: tell those too that nobody needs to worry about."""
        self._good = good
        self._last: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind in COUNTED and now - self._last.get(event.kind, -math.inf) < AGAIN_S:
            return
        self._last[event.kind] = now
        if self._good or event.kind not in GOOD:
            print_event(event)


@contextlib.contextmanager
def _warnings_as_events(engine: Engine) -> Iterator[None]:
    """A warning, or what a thread dies of, would be printed over the picture."""
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        engine.log.add("warning", engine.time_s, str(message))

    def fail(thrown: threading.ExceptHookArgs) -> None:
        engine.log.add("failed", engine.time_s, f"{thrown.exc_type.__name__}: {thrown.exc_value}")

    before = warnings.showwarning, threading.excepthook
    warnings.showwarning, threading.excepthook = show, fail
    try:
        yield
    finally:
        warnings.showwarning, threading.excepthook = before


def _tell(args: Any, engine: Engine, session: Session, events: "queue.SimpleQueue[Event]", seconds: float) -> None:
    """What it has come to."""
    view = session.view()
    recorded = [(each.path, each.seconds) for each in session.recorded if Path(each.path).exists()]
    told = summary(view, seconds, recorded, session.saved)
    if args.json:
        _drain(events, _told_as_json)
        print_json_line(told)
    elif args.quiet:
        _drain(events, _Warnings())
    else:
        tell_summary(view, told)
