"""What is done when something happens: rules that join events to actions, each with a thread of its own.

Listeners are called where something happens; here they only put events into short queues. Whatever an action
takes, or fails at, neither the audio thread nor the supervision waits for it.
"""

import collections
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from flowaudio.core.errors import FlowaudioError, ParameterError
from flowaudio.core.node import declaration
from flowaudio.core.params import shown
from flowaudio.graph.graph import IN, OUT
from flowaudio.live.action import Action, Running
from flowaudio.live.checks import number
from flowaudio.live.events import KINDS, Event
from flowaudio.runtime.control import Rack

__all__ = ["ANY", "PHASES", "Actions", "Rule"]

ANY = "any"
"""As a kind: all but what is told of the actions themselves."""

OWN = "action_failed"

PHASES = ("began", "ended", "both")

WAITING = 64
"""Events that wait for one rule, at most."""

CLOSE_S = 5.0
"""How long what is due may take when the engine is closed."""

GRACE_S = 0.5
"""How long threads may take to end when what they do has been stopped."""

STOP_S = 0.05

TOLD_S = 2.0
"""Failures of one rule are told so often, with how many."""


class _Call(Action):
    """Somebody's function."""

    def __init__(self, function: Callable[[Event], object]) -> None:
        self._function = function

    def __repr__(self) -> str:
        return getattr(self._function, "__name__", None) or shown(self._function)

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        self._function(event)


class Rule:
    """An action that is done when events of some kinds happen, until it is cancelled."""

    def __init__(self, engine: Running, kinds: frozenset[str], action: Action, node: str | None, phase: str,
                 every_s: float, clock: Callable[[], float]) -> None:
        self.kinds, self.action, self.node, self.phase, self.at_most_every_s = kinds, action, node, phase, every_s
        self.done = 0
        """How often the action has been done."""
        self.failed = 0
        """How often it did not work."""
        self.skipped = 0
        """Events that came too soon behind another one."""
        self.missed = 0
        """Events for which there was no room any more."""
        self._engine, self._clock = engine, clock
        self._waiting: collections.deque[Event] = collections.deque()
        self._change = threading.Condition()
        self._running = self._untold = 0
        self._at_work = action.at_once          # threads
        self._crowded = self._cancelled = False
        self._ending = self._over = False
        self._closing = threading.Event()
        self._last: dict[tuple[str, str], float] = {}
        self._told = float("-inf")
        self._threads = [threading.Thread(target=self._work, name=f"flowaudio-action-{k}", daemon=True)
                         for k in range(action.at_once)]
        for thread in self._threads:
            thread.start()

    def __repr__(self) -> str:
        return f"<on {', '.join(sorted(self.kinds))}: {self.action!r}{', cancelled' if self._cancelled else ''}>"

    @property
    def cancelled(self) -> bool:
        """Whether it does nothing any more."""
        return self._cancelled

    def cancel(self) -> None:
        """Do nothing more. What is being done just now is finished. More than once does no harm."""
        with self._change:
            if self._cancelled:
                return
            self._cancelled = True
            self._waiting.clear()
        self._end()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until all that was due has been done, or `timeout_s` is over; whether it has been."""
        with self._change:
            return self._change.wait_for(
                lambda: not (self._waiting or self._running or (self._ending and not self._over)), timeout_s)

    # For those who watch over it.

    def hear(self, event: Event) -> None:
        """Take note of an event, if it is meant. Returns at once."""
        if not self._means(event) or self.at_work_here:   # what it has brought about itself
            return
        with self._change:
            if self._cancelled or self._ending:
                return
            if self._too_soon(event):
                self.skipped += 1
                return
            full = len(self._waiting) >= WAITING
            tell = full and not self._crowded
            self._crowded = full or (self._crowded and bool(self._waiting))
            if full:
                self.missed += 1
            else:
                self._waiting.append(event)
                self._change.notify()
        if tell and event.kind != OWN:
            self._engine.log.add(OWN, self._now_s, f"{self.action!r} is too slow for all that happens: what came "
                                                   f"behind the last {WAITING} events was left out")

    def closing(self) -> None:
        """Take nothing more; let nobody wait for what might still come."""
        self._closing.set()
        self._end()

    def join(self, deadline: float) -> None:
        """Wait until what is due has been done; no longer than `deadline`, of the monotonic clock."""
        for thread in self._alive:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def cut(self, until: float) -> None:
        """Break off what is still being done. What cannot be broken off may go on behind `until`."""
        with self._change:
            self._waiting.clear()
            self._cancelled = True
        while self._alive:
            self.action.stop()          # again and again: what waited for room begins only now
            if time.monotonic() > until:
                return
            self.join(time.monotonic() + STOP_S)

    @property
    def at_work_here(self) -> bool:
        """Whether the calling thread is one of its own."""
        return threading.current_thread() in self._threads

    # Its inner life.

    @property
    def _now_s(self) -> float:
        return self._engine.rack.position / self._engine.rate

    def _means(self, event: Event) -> bool:
        if event.kind not in self.kinds and (ANY not in self.kinds or event.kind == OWN):
            return False
        if self.node is not None and event.node != self.node:
            return False
        return self.phase == "both" or event.phase in ("", "whole", self.phase)

    def _too_soon(self, event: Event) -> bool:
        if self.phase == "both" and event.phase == "ended":     # whoever has heard of the beginning hears of the end
            return False
        now, key = self._clock(), (event.kind, event.node)
        if now - self._last.get(key, float("-inf")) < self.at_most_every_s:
            return True
        self._last[key] = now
        return False

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    break
                event = self._waiting.popleft()
                self._running += 1
            try:
                self.action.run(self._engine, event, self._closing)
                self.done += 1
            except BaseException as error:      # whatever a function does: sound goes on, and so do the others
                self.failed += 1
                self._tell(event, error)
            finally:
                with self._change:
                    self._running -= 1
                    self._change.notify_all()
        with self._change:
            self._at_work -= 1
            last = not self._at_work
        if last:                                # nothing else is being done
            self._release()
            with self._change:
                self._over = True
                self._change.notify_all()

    def _tell(self, event: Event, error: BaseException) -> None:
        now = time.monotonic()
        if event.kind == OWN or self._cancelled:        # or it would go round for ever
            return
        if now - self._told < TOLD_S:
            self._untold += 1
            return
        more = f" (and {self._untold} times before)" if self._untold else ""
        self._told, self._untold = now, 0
        said = str(error) if isinstance(error, FlowaudioError) else f"{type(error).__name__}: {error}"
        self._engine.log.add(OWN, self._now_s, f"{self.action!r} on {event.kind} failed: {said}{more}")

    def _end(self) -> None:
        with self._change:
            self._ending = True
            self._change.notify_all()

    @property
    def _alive(self) -> list[threading.Thread]:
        """Threads that can be waited for."""
        return [thread for thread in self._threads if thread.is_alive() and thread is not threading.current_thread()]

    def _release(self) -> None:
        try:
            self.action.release(self._engine)
        except Exception as error:      # the node is gone, for example
            self._engine.log.add(OWN, self._now_s, f"{self.action!r} could not be undone: {error}")


class Actions:
    """All rules of an engine."""

    def __init__(self, engine: Running, clock: Callable[[], float] = time.monotonic) -> None:
        """:param clock: seconds, for what is done at most every so often."""
        self._engine, self._clock = engine, clock
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._closed = False

    def on(self, kinds: str | Iterable[str], action: Any, *, node: str | None = None, phase: str | None = None,
           at_most_every_s: float | None = None) -> Rule:
        """Do something when something happens.

        :param kinds: of events, such as "silence" or ("click", "dropout"); "any" is all of them. What the action brings
            about itself is not meant.
        :param action: one of the ready ones, or a function of the :class:`Event`.
        :param node: only what this node has found.
        :param phase: "began" (the usual one), "ended" or "both". What was over when it was found, or has no length, is
            told at once in any case.
        :param at_most_every_s: what follows sooner, of the same kind and node, is left out.
        :raises ParameterError, GraphError: what is wrong with it.
        """
        wanted = _kinds(self._engine.rack, kinds)
        made = action if isinstance(action, Action) else _Call(action)
        if not isinstance(action, Action) and (not callable(action) or isinstance(action, type)):
            raise ParameterError(f"an action must be a function of an Event, or a ready one such as Save or Command "
                                 f"(got {shown(action)})")
        if phase not in (None, *PHASES):
            raise ParameterError(f"phase must be one of {', '.join(PHASES)} (got {shown(phase)})")
        if made.phase == "both" and phase not in (None, "both"):
            raise ParameterError(f"{made!r} is for as long as something lasts: leave phase={phase!r} out")
        every_s = made.every_s if at_most_every_s is None else at_most_every_s
        number("at_most_every_s", every_s, 0, 1e6, "s")
        if node is not None:
            self._engine.rack.node(node)        # says so if there is none
        made.check(self._engine)
        with self._lock:
            if self._closed:
                raise ParameterError("the engine is closed, and nothing happens to it any more: make a new one")
            rule = Rule(self._engine, wanted, made, node, phase or made.phase, every_s, self._clock)
            if not self._rules:
                self._engine.log.listen(self._hear)
            self._rules = [*(each for each in self._rules if not each.cancelled), rule]
        return rule

    @property
    def rules(self) -> list[Rule]:
        """Those that are not cancelled."""
        return [rule for rule in self._rules if not rule.cancelled]

    @property
    def at_work_here(self) -> bool:
        """Whether the calling thread is an action's."""
        return any(rule.at_work_here for rule in self._rules)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until all that was due has been done, or `timeout_s` is over; whether it has been."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        return all(rule.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0))
                   for rule in self.rules)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Do what is due, within `timeout_s`, and end. More than once does no harm."""
        with self._lock:
            self._closed = True
            rules = self._rules
        self._engine.log.forget(self._hear)
        deadline = time.monotonic() + timeout_s
        for rule in rules:
            rule.closing()
        for rule in rules:
            rule.join(deadline)
        until = time.monotonic() + GRACE_S
        for rule in rules:
            rule.cut(until)

    def _hear(self, event: Event) -> None:
        for rule in self._rules:
            rule.hear(event)


def _kinds(rack: Rack, kinds: Any) -> frozenset[str]:
    """What an engine may tell of, among these."""
    wanted = (kinds,) if isinstance(kinds, str) else kinds
    if not isinstance(wanted, Iterable) or not (wanted := tuple(wanted)):
        raise ParameterError(f"kinds must be a kind of events, or several of them (got {shown(kinds)})")
    graph = rack.graph
    found = dict.fromkeys(kind for name in graph if name not in (IN, OUT)
                          for kind in declaration(graph.nodes[name]["node"]).events)
    known = (*found, *KINDS)
    for kind in wanted:
        if kind not in (*known, ANY, OWN):
            raise ParameterError(f"nothing here tells of {shown(kind)} (there is: {', '.join(known)}): choose one of "
                                 "these, or put a node that finds it into the graph")
    return frozenset(wanted)
