"""Rules and actions: what is done when something is found, by whom, how often, and what when it does not work."""

import contextlib
import http.server
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.errors import DocumentError, GraphError, ParameterError
from flowaudio.graph.document import dump
from flowaudio.live.action import Action
from flowaudio.live.actions import Duck, Save, Set, Swap
from flowaudio.live.engine import Engine
from flowaudio.live.events import Event
from flowaudio.live.filling import Template, facts
from flowaudio.live.messages import Command, WebHook
from flowaudio.live.rules import WAITING, Actions
from flowaudio.nodes.failover import Failover
from flowaudio.nodes.pick import Pick
from flowaudio.testing import SimulatedCard

RATE = 48_000
PATIENCE_S = 120.0


def began(kind: str = "failover", at_s: float = 1.5, channel: int | None = None, node: str = "safe") -> Event:
    return Event(kind, at_s, f"{node}: {kind} found", node, "began", None, channel, -70.0)


def ended(kind: str = "failover", at_s: float = 1.5, channel: int | None = None, node: str = "safe") -> Event:
    return Event(kind, at_s, f"{node}: {kind} is over", node, "ended", at_s + 1.0, channel, -20.0)


def whole(kind: str = "failover") -> Event:
    return began(kind)._replace(phase="whole", end_s=1.6)


def graph() -> fa.Graph:
    """Four channels come in: two for the main input, two for the backup."""
    made = fa.Graph()
    for name, node in (("main", Pick(count=2)), ("spare", Pick(first=3, count=2)),
                       ("safe", Failover(after_s=0.2, return_s=0.2, fade_ms=10)), ("music", fa.Gain(gain_db=-1))):
        made.add(node, name)
    for source, target in (("in", "main"), ("in", "spare"), ("main", "safe"), ("spare", "safe.backup"),
                           ("safe", "music"), ("music", "out")):
        made.connect(source, target)
    return made


def noise(seconds: float) -> Any:
    return (0.1 * np.random.default_rng(1).standard_normal((4, round(seconds * RATE)))).astype(np.float32)


@contextlib.contextmanager
def acting(x: Any = None, clock: Any = None) -> Iterator[tuple[Engine, Actions, SimulatedCard]]:
    """An engine at a simulated card, not yet run, and its actions."""
    card = SimulatedCard(input_channels=4)
    card.play_into_input(noise(0.2) if x is None else x)
    with Engine(graph(), card, card, allow_feedback=True) as engine:
        actions = Actions(engine) if clock is None else Actions(engine, clock)
        try:
            yield engine, actions, card
        finally:
            actions.close()


def failures(engine: Engine) -> list[str]:
    return [event.text for event in engine.events if event.kind == "action_failed"]


class Gate(Action):
    """Says that it has begun, and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.open, self.events = threading.Semaphore(0), threading.Event(), list[Event]()

    def __repr__(self) -> str:
        return "Gate"

    def run(self, engine: Any, event: Event, closing: threading.Event) -> None:
        self.events.append(event)
        self.begun.release()
        assert self.open.wait(PATIENCE_S)


# --- rules ----------------------------------------------------------------------------------------------------------

def test_a_function_is_called_from_a_thread_of_its_own() -> None:
    threads, heard = [], []

    def function(event: Event) -> None:
        threads.append(threading.current_thread())
        heard.append(event)

    with acting() as (engine, actions, _):
        rule = actions.on("mark", function)
        engine.mark("here")
        assert rule.wait(PATIENCE_S)
    assert [event.text for event in heard] == ["here"]
    assert threads[0] is not threading.current_thread() and threads[0].name.startswith("flowaudio-action")
    assert (rule.done, rule.failed, rule.skipped, rule.missed) == (1, 0, 0, 0)
    assert rule.cancelled and not threads[0].is_alive()


def test_what_a_detector_finds_comes_through() -> None:
    """From the compiled node to the function: with its time to the sample."""
    x = noise(1.5)
    x[:2, 24_000:48_000] = 0.0
    heard, two = [], threading.Semaphore(0)

    def function(event: Event) -> None:
        heard.append(event)
        two.release()

    with acting(x) as (_, actions, card):
        actions.on("failover", function, node="safe", phase="both")
        card.run(x.shape[1])
        assert two.acquire(timeout=PATIENCE_S) and two.acquire(timeout=PATIENCE_S)
    (first, second) = heard
    assert (first.phase, second.phase) == ("began", "ended")
    assert first.at_s == second.at_s == pytest.approx(0.7, abs=0.011)
    assert second.end_s == pytest.approx(1.2, abs=0.011)


@pytest.mark.parametrize(("phase", "wanted"), [
    (None, "began whole  "), ("began", "began whole  "), ("ended", "ended whole  "), ("both", "began ended whole  ")])
def test_phases(phase: str | None, wanted: str) -> None:
    heard: list[str] = []
    with acting() as (engine, actions, _):
        rule = actions.on("any", lambda event: heard.append(event.phase), phase=phase)
        for event in (began(), ended(), whole()):
            engine.log.put(event)
        engine.mark()
        engine.log.add("action_failed", 0.0, "of another one")
        assert rule.wait(PATIENCE_S)
    assert " ".join(heard) + " " == wanted


def test_kinds_and_nodes() -> None:
    heard: list[tuple[str, str]] = []
    with acting() as (engine, actions, _):
        actions.on(("failover", "mark"), lambda event: heard.append((event.kind, event.node)))
        actions.on("failover", lambda event: heard.append((event.kind, "only music")), node="music")
        engine.log.put(began())
        engine.log.put(began("howl"))
        assert actions.wait(PATIENCE_S)
        engine.log.put(began(node="music"))
        assert actions.wait(PATIENCE_S)
    assert heard[0] == ("failover", "safe")
    assert sorted(heard[1:]) == [("failover", "music"), ("failover", "only music")]


def test_at_most_every_so_often_for_each_kind_and_node() -> None:
    now = [100.0]
    heard: list[Event] = []
    with acting(clock=lambda: now[0]) as (engine, actions, _):
        rule = actions.on(("failover", "mark"), heard.append, at_most_every_s=5, phase="both")
        first, last = began(at_s=1.0), ended(at_s=1.0)
        for event in (first, began(at_s=2.0), last, began(at_s=3.0, node="music")):     # an end is always told
            engine.log.put(event)
        engine.mark()
        now[0] = 104.9
        engine.log.put(began(at_s=4.0))
        now[0] = 105.0
        engine.log.put(began(at_s=5.0))
        assert rule.wait(PATIENCE_S)
    assert [(e.kind, e.phase, e.node, e.at_s) for e in heard if e.kind != "mark"] == [
        ("failover", "began", "safe", 1.0), ("failover", "ended", "safe", 1.0), ("failover", "began", "music", 3.0),
        ("failover", "began", "safe", 5.0)]
    assert len(heard) == 5 and rule.skipped == 2


def test_a_slow_action_keeps_nobody_waiting_and_what_is_too_much_is_told_once() -> None:
    slow, quick = Gate(), list[Event]()
    with acting() as (engine, actions, _):
        rule, other = actions.on("mark", slow), actions.on("mark", quick.append)
        engine.mark("0")
        assert slow.begun.acquire(timeout=PATIENCE_S)
        for k in range(1, WAITING + 10):
            engine.mark(str(k))                         # comes back at once
            assert other.wait(PATIENCE_S)
        assert len(quick) == WAITING + 10
        assert rule.missed == 9
        (text,) = failures(engine)
        assert text.startswith("Gate is too slow for all that happens")
        slow.open.set()
        assert rule.wait(PATIENCE_S)
    assert [event.text for event in slow.events] == [str(k) for k in range(WAITING + 1)]


def test_a_failure_is_an_event_and_the_rule_goes_on() -> None:
    def fails(event: Event) -> None:
        raise ValueError(f"no {event.text}")

    def leaves(event: Event) -> None:
        sys.exit(3)

    with acting() as (engine, actions, _):
        rule, exits = actions.on("mark", fails), actions.on("howl", leaves)
        for text in ("one", "two", "three"):
            engine.mark(text)
            assert rule.wait(PATIENCE_S)
        engine.log.put(began("howl"))
        assert exits.wait(PATIENCE_S)
        told = failures(engine)
    assert rule.failed == 3 and rule.done == 0
    assert told[0] == "fails on mark failed: ValueError: no one"
    assert told[-1] == "leaves on howl failed: SystemExit: 3"
    assert len(told) < 4                                # not every one of many


def test_a_failing_action_on_failures_does_not_go_round() -> None:
    def fails(event: Event) -> None:
        raise ValueError("again")

    with acting() as (engine, actions, _):
        first, second = actions.on(("mark", "action_failed"), fails), actions.on("action_failed", fails)
        engine.mark()
        assert first.wait(PATIENCE_S) and second.wait(PATIENCE_S)
        assert len(failures(engine)) == 1
        assert (first.failed, second.failed) == (1, 1)


def test_a_cancelled_rule_does_nothing_more() -> None:
    slow = Gate()
    with acting() as (engine, actions, _):
        rule = actions.on("mark", slow)
        engine.mark("first")
        assert slow.begun.acquire(timeout=PATIENCE_S)
        engine.mark("second")
        rule.cancel()
        rule.cancel()
        engine.mark("third")
        slow.open.set()
        assert rule.wait(PATIENCE_S)
        assert rule.cancelled and actions.rules == []
        assert "cancelled" in repr(rule)
    assert [event.text for event in slow.events] == ["first"]


def test_at_the_end_what_is_due_is_done() -> None:
    heard: list[str] = []
    slow = Gate()
    with acting() as (engine, actions, _):
        actions.on("mark", slow)
        actions.on("mark", lambda event: heard.append(event.text))
        for k in range(5):
            engine.mark(str(k))
        slow.open.set()
    assert heard == [str(k) for k in range(5)] and len(slow.events) == 5
    with pytest.raises(ParameterError, match="closed"):
        actions.on("mark", heard.append)


def test_the_end_does_not_wait_for_ever() -> None:
    slow = Gate()
    with acting() as (engine, actions, _):
        rule = actions.on("mark", slow)
        engine.mark()
        engine.mark()
        assert slow.begun.acquire(timeout=PATIENCE_S)
        actions.close(timeout_s=0.0)
        assert rule.cancelled
        slow.open.set()
        assert rule.wait(PATIENCE_S)
    assert len(slow.events) == 1


@pytest.mark.parametrize(("given", "options", "match"), [
    (("silense", print), {}, r"nothing here tells of 'silense' \(there is: failover, device_lost, .*\): choose"),
    ((3, print), {}, "kinds must be a kind of events"),
    (((), print), {}, "kinds must be a kind of events"),
    (("mark", 3), {}, r"a function of an Event, or a ready one such as Save or Command \(got 3\)"),
    (("mark", Duck), {}, "an action must be"),
    (("mark", print), {"phase": "often"}, r"phase must be one of began, ended, both \(got 'often'\)"),
    (("mark", print), {"at_most_every_s": -1}, "at_most_every_s must be between 0"),
    (("mark", Duck("music")), {"phase": "began"}, "leave phase='began' out"),
    (("mark", Duck("main")), {}, r"Duck turns gain_db down, and main \(Pick\) has none: name a Gain"),
    (("mark", Set("music", gain_db=500)), {}, "Gain.gain_db must be between"),
    (("mark", Set("music", loud=5)), {}, "Gain has no parameter 'loud'"),
    (("mark", Swap(fa.Graph.chain(Pick()))), {}, "puts out 1 channels where the engine has 2"),
])
def test_what_is_wrong_is_said_when_a_rule_is_made(given: Any, options: Any, match: str) -> None:
    with acting() as (_, actions, _), pytest.raises(ParameterError, match=match):
        actions.on(*given, **options)


def test_nodes_that_are_not_there() -> None:
    with acting() as (_, actions, _):
        for action in (Duck("gone"), Set("gone", gain_db=1)):
            with pytest.raises(GraphError, match="no node called 'gone'"):
                actions.on("mark", action)
        with pytest.raises(GraphError, match="no node called 'gone'"):
            actions.on("mark", print, node="gone")


# --- what an engine does to itself ----------------------------------------------------------------------------------

def test_duck_lowers_and_restores() -> None:
    with acting() as (engine, actions, card):
        rule = actions.on("failover", Duck("music", gain_db=-12, ramp_ms=0))

        def after(event: Event) -> float:
            engine.log.put(event)
            assert rule.wait(PATIENCE_S)
            card.run(1000)
            engine.rack.feed()
            return float(engine["music"].gain_db)

        assert after(whole()) == -1.0                   # it has no length
        assert after(began(channel=0)) == -13.0
        assert after(began(channel=1)) == -13.0         # counts as one
        assert after(ended(channel=0)) == -13.0
        assert after(ended(channel=1)) == -1.0
        assert after(began()) == -13.0
        engine["music"].gain_db = -3.0                  # somebody knows better
        card.run(2000)
        assert after(ended()) == -3.0
        assert after(began()) == -15.0
        rule.cancel()
        assert rule.wait(PATIENCE_S)
        card.run(1000)
        assert engine["music"].gain_db == -3.0
        assert failures(engine) == []


def test_a_ducked_node_that_is_swapped_away() -> None:
    with acting() as (engine, actions, card):
        rule = actions.on("failover", Duck("music", ramp_ms=0))
        engine.log.put(began())
        assert rule.wait(PATIENCE_S)
        engine.swap(fa.Graph.chain(Pick(count=2)))
        card.run(4000)
        engine.log.put(ended())
        assert rule.wait(PATIENCE_S)
        (text,) = failures(engine)
    assert "Duck('music', -12) on failover failed: the graph has no node called 'music'" in text


def test_set_and_swap(tmp_path: Path) -> None:
    other = graph()
    other.nodes["music"]["node"] = fa.Gain(gain_db=-30)
    with acting() as (engine, actions, card):
        actions.on("mark", Set("music", gain_db=-6, ramp_ms=0))
        engine.mark()
        assert actions.wait(PATIENCE_S)
        card.run(1000)
        assert engine["music"].gain_db == -6
        actions.on("howl", Swap(other))
        engine.log.put(began("howl"))
        assert actions.wait(PATIENCE_S)
        card.run(4000)
        assert engine["music"].gain_db == -30
    dump(fa.Graph.chain(fa.Gain()), tmp_path / "quiet.toml")
    assert repr(Swap(tmp_path / "quiet.toml")).startswith("Swap(")
    with pytest.raises(DocumentError, match="there is no file"):
        Swap(tmp_path / "missing.toml")
    with pytest.raises(ParameterError, match="needs a parameter and its value"):
        Set("music")
    with pytest.raises(ParameterError, match="Duck needs the name of a node"):
        Duck(3)  # type: ignore[arg-type]  # that is the point


def test_save_writes_what_was_found_and_never_over_anything(tmp_path: Path) -> None:
    x = noise(2.0)
    x[:2, 24_000:] = 0.0
    saved = threading.Semaphore(0)
    with acting(x) as (engine, actions, card):
        memory = engine.remember(1.0)
        engine.log.listen(lambda event: saved.release() if event.kind == "saved" else None)
        rule = actions.on("failover", Save(memory, tmp_path / "new" / "{kind}-{node}.flac"), at_most_every_s=0)
        card.run(RATE)
        assert saved.acquire(timeout=PATIENCE_S)
        end = engine.rack.position
        assert rule.wait(PATIENCE_S)
        for _ in range(2):
            engine.log.put(began())
            assert rule.wait(PATIENCE_S)
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["failover-safe-2.flac", "failover-safe-3.flac", "failover-safe.flac"]
    with fa.Decoder(tmp_path / "new" / "failover-safe.flac") as decoder:
        y = np.concatenate(list(decoder.blocks()), axis=1)
    np.testing.assert_allclose(y, x[:, end - RATE:end], atol=1e-4)


def test_what_an_action_brings_about_does_not_call_it_again(tmp_path: Path) -> None:
    with acting() as (engine, actions, card):
        memory = engine.remember(1.0)
        rule = actions.on("any", Save(memory, tmp_path / "{kind}.flac"), at_most_every_s=0)
        card.run(4800)
        engine.mark()
        assert rule.wait(PATIENCE_S)
    assert [path.name for path in tmp_path.iterdir()] == ["mark.flac"]
    assert [event.kind for event in engine.events] == ["mark", "saved"]


def test_save_at_the_last_moment(tmp_path: Path) -> None:
    """The engine is closed while it waits for what comes behind the event."""
    with acting() as (engine, actions, card):
        memory = engine.remember(30.0)
        actions.on("mark", Save(memory, tmp_path / "{kind}.wav", after_s=30.0))
        card.run(4800)
        engine.mark()
    assert [path.name for path in tmp_path.iterdir()] == ["mark.wav"]
    with fa.Decoder(tmp_path / "mark.wav") as decoder:
        assert sum(block.shape[1] for block in decoder.blocks()) >= 4800


def test_save_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with acting() as (engine, actions, card):
        memory = engine.remember(1.0)
        card.run(4800)
        rule = actions.on("mark", Save(memory, tmp_path / "file" / "a.flac"))
        engine.mark()
        assert rule.wait(PATIENCE_S)
        (text,) = failures(engine)
        assert "choose another folder" in text
        for name, match in (("a.xyz", "unknown kind"), ("{kin}.flac", r"nothing is known of '\{kin\}'"),
                            (3, "file name"), ("{kind.__class__}.flac", "nothing is known of"),
                            ("{kind!r}.flac", "nothing is known"), ("{at_s:q}.flac", "cannot be filled"),
                            ("{.flac", "cannot be filled"), ("", "text of 1 to")):
            with pytest.raises(ParameterError, match=match):
                Save(memory, name)  # type: ignore[arg-type]  # one of them is no name
        with pytest.raises(ParameterError, match=r"Save\.after_s must be between 0 and 1 s, as many as are kept"):
            Save(memory, after_s=2.0)
        memory.close()
        with pytest.raises(ParameterError, match="closed"):
            Save(memory)
        with pytest.raises(ParameterError, match="needs a flight recorder"):
            Save(engine)  # type: ignore[arg-type]  # that is the point
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- what others are told -------------------------------------------------------------------------------------------

def test_templates() -> None:
    event = Event("hum", 3.14159, "a; b $(c)", "x/../y", "ended", None, 1, float("nan"))
    assert Template("{kind} at {at_s:.1f} s, {{{channel:02d}}}", "T").filled(event) == "hum at 3.1 s, {01}"
    assert Template("[{end_s:.3f}]", "T").filled(event) == "[]"
    assert Template("a/{node}.wav", "T", in_a_name=True).filled(event) == "a/x_.._y.wav"
    assert Template("a/{node}{time}.wav", "T", in_a_name=True).filled(event._replace(node="../..")).startswith("a/_")
    assert facts(event)["strength"] is None and json.dumps(facts(event), allow_nan=False)
    for text in ("{", "{0}", "{}", "{kind[0]}", "{at_s:{kind}}", "{at_s:99999}", "a\0b", 3, "x" * 5000):
        with pytest.raises(ParameterError):
            Template(text, "T")


SHOW = """
import json, os, sys
told = dict(os.environ)
open(sys.argv[1], "w").write(json.dumps([sys.argv[2:], told, sys.stdin.read()]))
"""


def test_a_command_gets_each_argument_whole(tmp_path: Path) -> None:
    with acting() as (engine, actions, _):
        out = tmp_path / "out.json"
        rule = actions.on("failover", Command([sys.executable, "-c", SHOW, str(out), "{kind} at {at_s:.1f} s", "{text}",
                                               "{end_s}", "", "$HOME `id`; *"]))
        engine.log.put(began()._replace(text='a "b"; rm -rf $(pwd)\n{kind}'))
        assert rule.wait(PATIENCE_S)
        assert failures(engine) == [] and rule.done == 1
    arguments, environment, heard = json.loads(out.read_text())
    assert arguments == ["failover at 1.5 s", 'a "b"; rm -rf $(pwd)\n{kind}', "", "", "$HOME `id`; *"]
    wanted = {"KIND": "failover", "AT_S": "1.5", "NODE": "safe", "PHASE": "began", "END_S": "", "CHANNEL": "",
              "STRENGTH": "-70.0"}
    assert {name: environment[f"FLOWAUDIO_{name}"] for name in wanted} == wanted
    assert heard == ""


@pytest.mark.parametrize(("code", "match"), [
    ("import sys; print('\\x1b[2Jlots ' * 2000 + 'of\\nwords'); sys.exit(3)",
     r"on failover failed: it ended with 3: … .*lots of words$"),
    ("import sys; sys.exit(1)", r"failed: it ended with 1$"),
    ("import os; os.kill(os.getpid(), 9)", r"failed: it was ended by signal 9$"),
])
def test_a_command_that_fails_is_told_with_what_it_said(code: str, match: str) -> None:
    with acting() as (engine, actions, _):
        rule = actions.on("failover", Command([sys.executable, "-c", code]))
        engine.log.put(began())
        assert rule.wait(PATIENCE_S)
        (text,) = failures(engine)
    assert re.search(match, text), text
    assert len(text) < 400 and "\x1b" not in text and "\n" not in text


def test_a_command_that_hangs_is_killed() -> None:
    with acting() as (engine, actions, _):
        command = Command([sys.executable, "-c", "import time; time.sleep(1000)"], timeout_s=0.05)
        rule = actions.on("failover", command)
        engine.log.put(began())
        assert rule.wait(PATIENCE_S)
        assert "it took longer than 0.05 s and was killed" in failures(engine)[0]


def test_what_a_command_has_started_is_killed_with_it(tmp_path: Path) -> None:
    """Its child holds a pipe's other end: when that is closed, nobody is left. The engine is closed meanwhile."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = f"import time; f = open({str(pipe)!r}, 'w'); f.write('x'); f.flush(); time.sleep(1000)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with acting() as (engine, actions, _):
        rule = actions.on("failover", Command([sys.executable, "-c", code], timeout_s=600))
        engine.log.put(began())
        with pipe.open() as reader:
            assert reader.read(1) == "x"
            actions.close(timeout_s=0.0)
            assert reader.read() == ""
        assert rule.wait(PATIENCE_S) and rule.failed == 1


def test_the_end_breaks_off_what_waits_for_room(tmp_path: Path) -> None:
    """Two rules share a command of which only one may run: neither is left."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = f"import time; f = open({str(pipe)!r}, 'w'); f.write('x'); f.flush(); time.sleep(1000)"
    command = Command([sys.executable, "-c", code], timeout_s=600)
    with acting() as (engine, actions, _):
        rules = [actions.on("mark", command) for _ in range(2)]
        engine.mark()
        with pipe.open() as reader:
            assert reader.read(1) == "x"
            actions.close(timeout_s=0.0)
            assert all(rule.wait(PATIENCE_S) for rule in rules)
            assert reader.read() in ("", "x")
        assert sum(rule.failed for rule in rules) == 2


def test_never_more_than_so_many_commands_at_once(tmp_path: Path) -> None:
    """Each says how many others it finds at work; two rules share one command."""
    code = """
import os, sys
folder = sys.argv[1]
mine = os.path.join(folder, str(os.getpid()))
open(mine, "w").close()
open(sys.argv[2], "a").write(str(len(os.listdir(folder))) + "\\n")
os.remove(mine)
"""
    (tmp_path / "now").mkdir()
    command = Command([sys.executable, "-c", code, str(tmp_path / "now"), str(tmp_path / "seen")], at_once=2)
    with acting() as (engine, actions, _):
        for kind in ("mark", "failover"):
            actions.on(kind, command, at_most_every_s=0)
        for _ in range(4):
            engine.mark()
            engine.log.put(began())
        assert actions.wait(PATIENCE_S)
        assert failures(engine) == []
    seen = [int(line) for line in (tmp_path / "seen").read_text().split()]
    assert len(seen) == 8 and max(seen) <= 2


@pytest.mark.parametrize(("arguments", "options", "match"), [
    ("ls -l", {}, "takes a list of a program and its arguments"),
    ([], {}, "takes a list"),
    ([3], {}, "no program 3"),
    (["no-such-program-here"], {}, "no program 'no-such-program-here' that could be run: install it"),
    ([sys.executable, 3], {}, r"Command\.arguments\[1\] must be text"),
    ([sys.executable, "{when}"], {}, r"Command\.arguments\[1\] cannot be filled: nothing is known of '\{when\}'"),
    ([sys.executable], {"timeout_s": 0}, r"Command\.timeout_s"),
    ([sys.executable], {"at_once": 0}, r"Command\.at_once"),
])
def test_wrong_commands(arguments: Any, options: Any, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        Command(arguments, **options)


class Server:
    """Answers with what it is told to, and keeps what it gets."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.command, self.path, dict(self.headers), body))
                code, headers = outer.answers.pop(0) if outer.answers else (204, {})
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    made.thread.start()
    yield made
    made.http.shutdown()
    made.thread.join()
    made.http.server_close()


def test_a_web_hook_gets_the_event_as_json(server: Server) -> None:
    with acting() as (engine, actions, _):
        rule = actions.on("failover", WebHook(f"{server.url}/a?b=c", headers={"X-Token": "secret"}), phase="both")
        engine.log.put(began())
        engine.log.put(ended()._replace(strength=float("-inf")))
        assert rule.wait(PATIENCE_S)
        assert failures(engine) == []
    method, path, headers, body = server.got[0]
    assert (method, path, headers["X-Token"], headers["Content-Type"]) == ("POST", "/a?b=c", "secret",
                                                                           "application/json")
    assert json.loads(body) == {"kind": "failover", "at_s": 1.5, "text": "safe: failover found", "node": "safe",
                                "phase": "began", "end_s": None, "channel": None, "strength": -70.0}
    assert json.loads(server.got[1][3])["strength"] is None
    assert "secret" not in repr(rule) and "b=c" not in repr(rule)


@pytest.mark.parametrize(("answers", "posts", "match"), [
    ([(503, {}), (500, {})], 3, ""),
    ([(503, {}), (503, {}), (503, {})], 3, r"the server answered 503 'Service Unavailable' \(tried 3 times\)$"),
    ([(404, {})], 1, r"the server answered 404 'Not Found'$"),
    ([(302, {"Location": "file:///etc/passwd"})], 1, "sends it on to 'file:///etc/passwd', which is not followed"),
    ([(307, {"Location": "/there"})], 1, "sends it on to '/there', which is not followed: use that address"),
    ([(303, {"Location": "ftp://127.0.0.1/"})], 1, "is not followed"),
])
def test_answers_of_a_web_hook(server: Server, answers: Any, posts: int, match: str) -> None:
    server.answers = answers
    with acting() as (engine, actions, _):
        rule = actions.on("failover", WebHook(server.url, retry_s=0))
        engine.log.put(began())
        assert rule.wait(PATIENCE_S)
        told = failures(engine)
    assert len(server.got) == posts
    if not match:
        assert told == [] and rule.done == 1
    else:
        (text,) = told
        assert re.search(match, text), text


def test_a_web_hook_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there; somebody is, and says nothing; or what he says is no HTTP."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener, acting() as (engine, actions, _):
        port = listener.getsockname()[1]
        silent = actions.on("mark", WebHook(f"http://127.0.0.1:{port}", timeout_s=0.05, retries=0))
        engine.mark()
        assert silent.wait(PATIENCE_S)
        assert "127.0.0.1) on mark failed: no" in failures(engine)[0]
        listener.close()
        gone = actions.on("howl", WebHook(f"http://127.0.0.1:{port}", timeout_s=5, retries=1, retry_s=0))
        engine.log.put(began("howl"))
        assert gone.wait(PATIENCE_S)
        assert "no connection: Connection refused (tried 2 times)" in failures(engine)[1]


@pytest.mark.parametrize(("url", "options", "match"), [
    ("ftp://host/x", {}, "http and https only"), ("file:///etc/passwd", {}, "http and https only"),
    ("host/path", {}, "http and https only"), ("http://", {}, "http and https only"), (3, {}, "web address"),
    ("http://host:port/", {}, "no web address"), ("http://me:secret@host/", {}, "may hold no user and password"),
    ("http://host/a b", {}, "spaces"), ("http://host/\r\nX: y", {}, "spaces"),
    ("http://host", {"headers": {"X": "a\r\nb: c"}}, "the value of X must be text in one line"),
    ("http://host", {"headers": {"X Y": "a"}}, "no name of a header"),
    ("http://host", {"timeout_s": 0}, r"WebHook\.timeout_s"), ("http://host", {"retries": 99}, r"WebHook\.retries"),
])
def test_wrong_web_hooks(url: Any, options: Any, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        WebHook(url, **options)
