"""Failover."""

import math
from typing import Any

import numpy as np
import pytest
from support import in_pieces, wired

from flowaudio.core.errors import GraphError
from flowaudio.graph.document import dumps, loads
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.nodes.delay import Delay
from flowaudio.nodes.failover import Failover
from flowaudio.nodes.limiter import Limiter
from flowaudio.nodes.pick import Pick
from flowaudio.nodes.sources import Sine
from flowaudio.runtime.control import Rack

RATES = [8000, 44_100, 48_000, 96_000, 192_000]
KNOWN = {"Failover": Failover, "Pick": Pick}
QUICK = Failover(after_s=0.3, return_s=0.2, fade_ms=30)


def wiring(node: Failover, inputs: int = 2, width: int = 2) -> Graph:
    """Inputs of `width` channels side by side."""
    names = [f"source{k}" for k in range(inputs)]
    nodes = {name: Pick(first=1 + width * k, count=width) for k, name in enumerate(names)}
    ports = ["safe", *["safe.backup"] * (inputs - 1)]
    return wired({**nodes, "safe": node}, *(("in", name) for name in names), *zip(names, ports, strict=True),
                 ("safe", "out"))


def plan(node: Failover, rate: int, inputs: int = 2, width: int = 2, block: int = 4096) -> Plan:
    return Plan(wiring(node, inputs, width), rate, inputs * width, block)


def noises(rate: int, seconds: float, *silences: list[tuple[float, float]], width: int = 2, level: float = 0.1) -> Any:
    """Noise for each input, but for these stretches, in seconds."""
    rng = np.random.default_rng(5)
    x = level * rng.standard_normal((len(silences) * width, round(seconds * rate)))
    for k, stretches in enumerate(silences):
        for start, end in stretches:
            x[width * k:width * (k + 1), round(start * rate):round(end * rate)] = 0.0
    return x.astype(np.float32)


def naive(x: Any, rate: int, node: Failover, inputs: int = 2) -> tuple[Any, list[tuple[str, int, int | None]]]:
    """The description in float64: the output, and events."""
    sources = x.reshape(inputs, -1, x.shape[1]).astype(np.float64)
    cell = 8 * max(round(rate / 800), 1)
    after, back = (math.ceil(seconds * rate / cell) for seconds in (node.after_s, node.return_s))
    frames = round(node.fade_ms * rate / 1000)
    silent = 10 ** (node.threshold_dbfs / 20)
    gains = np.zeros((inputs, x.shape[1]))
    gains[0] = 1.0
    quiet, here, playing, events, began = [0] * inputs, [0] * inputs, 0, [], 0
    for at in range(cell, x.shape[1] + 1, cell):
        rms = np.sqrt(np.mean(sources[:, :, at - cell:at] ** 2, axis=2)).max(axis=1)
        for k in range(inputs):
            quiet[k] = quiet[k] + 1 if rms[k] < silent else 0
            here[k] += bool(here[k] or rms[k] >= silent * 10 ** (node.hysteresis_db / 20))
            here[k] *= quiet[k] <= after / 2
        goal = playing
        if quiet[playing] >= after:
            goal = next((k for k in range(inputs) if k != playing and here[k]), playing)
        else:
            goal = next((k for k in range(playing) if here[k] >= back and not quiet[k]), playing)
        if goal != playing and at < x.shape[1]:
            if playing == 0:
                began = at
                events.append(("began", at, None))
            elif goal == 0:
                events.append(("ended", began, at))
            part = np.minimum((np.arange(x.shape[1] - at) + (frames == 0)) / max(frames, 1), 1.0)
            wanted = np.zeros(inputs)
            wanted[goal] = 1.0
            gains[:, at:] = gains[:, at:at + 1] + (wanted[:, None] - gains[:, at:at + 1]) * part
            playing = goal
    return np.sum(gains[:, None] * sources, axis=0), events


def told(events: Any) -> list[tuple[str, int, int | None]]:
    assert all(e.node == "safe" and e.kind == "failover" and e.channel is None for e in events)
    return [(e.phase, e.start, e.end) for e in events]


def check(x: Any, rate: int, node: Failover, inputs: int = 2, width: int = 2) -> list[tuple[str, int, int | None]]:
    """That the node does as the naive version; its events."""
    made = plan(node, rate, inputs, width)
    y = made.process(x)
    wanted, events = naive(x, rate, node, inputs)
    assert np.abs(y - wanted).max() <= 3e-7 * np.abs(x).max()
    assert told(made.events()) == events
    return events


@pytest.mark.parametrize("rate", RATES)
def test_fails_over_and_returns(rate: int) -> None:
    x = noises(rate, 2.5, [(0.5, 1.4)], [])
    events = check(x, rate, QUICK)
    assert [phase for phase, *_ in events] == ["began", "ended"]
    start, end = events[1][1:]
    assert end is not None
    assert abs(start / rate - 0.8) <= 0.03 and abs(end / rate - 1.6) <= 0.03
    y = plan(QUICK, rate).process(x)
    fade = round(0.03 * rate) + 1
    for first, last, source in ((0, start, 0), (start + fade, end, 2), (end + fade, x.shape[1], 0)):
        np.testing.assert_array_equal(y[:, first:last], x[source:source + 2, first:last])     # to the bit


@pytest.mark.parametrize("values", [
    {"fade_ms": 0.0}, {"fade_ms": 500.0}, {"threshold_dbfs": -10.0}, {"threshold_dbfs": -120.0}, {"after_s": 0.02},
    {"return_s": 0.02}, {"hysteresis_db": 0.0}, {"hysteresis_db": 40.0}])
def test_all_settings_do_as_described(values: dict[str, float]) -> None:
    node = Failover(**{"after_s": 0.3, "return_s": 0.2, "fade_ms": 30.0, **values})
    x = noises(8000, 4.0, [(0.5, 1.4), (2.0, 2.2), (2.3, 2.9)], [(0.6, 0.7), (1.0, 1.1), (2.7, 3.5)])
    check(x, 8000, node)


def test_a_pause_is_no_silence_and_a_click_no_return() -> None:
    """Words with pauses between them; and a main input of which nothing but a click is heard in a while."""
    x = noises(8000, 4.0, [(0.3, 0.55), (0.8, 1.0), (1.5, 2.0), (2.01, 4.0)], [])
    events = check(x, 8000, QUICK)
    assert len(events) == 1 and abs(events[0][1] / 8000 - 1.8) < 0.03


def test_speech_comes_back_with_its_pauses() -> None:
    pauses = [(1.0 + 0.2 * k, 1.1 + 0.2 * k) for k in range(20)]
    x = noises(8000, 3.0, [(0.2, 1.0), *pauses], [])
    events = check(x, 8000, QUICK)
    assert len(events) == 2 and 1.2 < events[1][2] / 8000 < 1.45


def test_what_is_silent_too_is_not_turned_to() -> None:
    both = noises(8000, 3.0, [(0.5, 3.0)], [(0.0, 2.0)])
    events = check(both, 8000, QUICK)
    assert len(events) == 1 and abs(events[0][1] / 8000 - 2.0) < 0.03       # as soon as there is something
    assert check(noises(8000, 3.0, [(0.0, 3.0)], [(0.0, 3.0)]), 8000, QUICK) == []
    falls = noises(8000, 3.0, [(0.2, 1.5)], [(1.3, 3.0)])                   # at once, not after return_s
    slow = Failover(after_s=0.3, return_s=2.0, fade_ms=30)
    events = check(falls, 8000, slow)
    assert len(events) == 2 and abs(events[1][2] / 8000 - 1.6) < 0.03


def test_backups_in_their_order() -> None:
    x = noises(8000, 5.0, [(0.3, 3.0)], [(1.0, 2.0)], [], width=1)
    made = plan(QUICK, 8000, 3, 1)
    playing = [int(made.process(x[:, n:n + 800]) is not None and made.read("safe")["playing"][0])
               for n in range(0, 40_000, 800)]
    assert [p for k, p in enumerate(playing) if k == 0 or p != playing[k - 1]] == [0, 1, 2, 1, 0]
    events = check(x, 8000, QUICK, 3, 1)
    assert [phase for phase, *_ in events] == ["began", "ended"]


def test_strength_and_measures() -> None:
    x = noises(48_000, 1.5, [(0.3, 1.5)], [])
    x[0, 14_400:] = 0.001 * np.sqrt(2) * np.sin(2 * np.pi * 1000 / 48_000 * np.arange(x.shape[1] - 14_400))
    made = plan(QUICK, 48_000)
    made.process(x)
    (event,) = made.events()
    assert event.strength == pytest.approx(-60.0, abs=0.01)
    measured = made.read("safe")
    assert measured["playing"].tolist() == [1]
    assert measured["level_dbfs"][0] == pytest.approx(-60.0, abs=0.01)
    assert measured["level_dbfs"][1] == pytest.approx(-20.0, abs=1.0)
    made.process(np.zeros((4, 4800), np.float32))
    assert np.all(made.read("safe")["level_dbfs"] == -160.0)


def test_a_turn_within_a_fade_makes_no_click() -> None:
    """Gains go on from where they are: the sum of two constants of the same size never leaves it."""
    t = np.arange(24_000) / 8000
    x = np.stack([0.5 * ((t < 0.3) | (t > 0.75)), 0.5 * (t < 1e9)]).astype(np.float32)
    node = Failover(after_s=0.3, return_s=0.02, fade_ms=1000)
    check(x, 8000, node, 2, 1)
    y = plan(node, 8000, 2, 1).process(x)[0]
    steps = np.abs(np.diff(y))
    steps[[n for n in range(steps.size) if x[0, n] != x[0, n + 1]]] = 0.0
    assert steps.max() < 1e-3


@pytest.mark.parametrize("lengths", [[1], [7, 80, 3], [333], [1, 8191], [64]])
def test_no_cut_changes_a_bit(lengths: list[int]) -> None:
    x = noises(8000, 2.5, [(0.5, 1.4), (1.9, 2.3)], [(0.9, 1.0)])
    whole, pieces = plan(QUICK, 8000, block=1 << 15), plan(QUICK, 8000, block=8192)
    np.testing.assert_array_equal(whole.process(x).view(np.uint32), in_pieces(pieces, x, lengths).view(np.uint32))
    events = whole.events()
    assert events and pieces.events() == events
    for name, value in whole.read("safe").items():
        np.testing.assert_array_equal(value, pieces.read("safe")[name])


def test_inputs_that_are_late_in_different_ways_stay_aligned() -> None:
    """The same programme on both ways, one of them through a limiter that looks ahead: no fade is heard."""
    graph = wired({"late": Limiter(ceiling_dbtp=0), "mute": Delay(time_ms=0, wet=0), "safe": QUICK}, ("in", "late"),
                  ("in", "mute"), ("mute", "safe"), ("late", "safe.backup"), ("safe", "out"))
    x = noises(48_000, 1.0, [], width=2, level=0.05)
    y = Plan(graph, 48_000, 2).process(x)
    late = Plan(graph, 48_000, 2).latency
    assert late > 0
    np.testing.assert_allclose(y[:, late:], x[:, :-late], atol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_no_number_is_no_signal_and_spoils_nothing(bad: float) -> None:
    """While the backup plays; when the main input itself does, a block of it is silenced, as behind every node."""
    graph = wired({"tone": Sine(), "safe": QUICK}, ("in", "safe"), ("tone", "safe.backup"), ("safe", "out"))
    x = noises(8000, 2.5, [(0.5, 1.4)])
    clean, made = Plan(graph, 8000, 2), Plan(graph, 8000, 2)
    wanted = clean.process(x)
    x[:, 8000:8010] = bad
    np.testing.assert_array_equal(made.process(x), wanted)
    assert made.events() == clean.events() != []


def test_goes_on_while_parameters_change_and_graphs_are_swapped() -> None:
    """Neither what plays nor what is being counted is forgotten, and nothing is heard of it."""
    x = noises(48_000, 2.0, [(0.3, 1.2)], [])
    rack = Rack(wiring(QUICK), 48_000, 4, 128)
    y = np.empty((2, x.shape[1]), np.float32)
    for k, n in enumerate(range(0, x.shape[1], 4800)):
        y[:, n:n + 4800] = rack.process(x[:, n:n + 4800])
        if k == 8:
            rack.change("safe", {"fade_ms": 2000.0, "after_s": 0.4, "threshold_dbfs": -45.0})
        if k in (4, 7, 9):
            rack.swap(wiring(Failover(after_s=0.35, return_s=0.2, fade_ms=30) if k == 7 else QUICK))
        rack.feed()
    (first, second) = rack.events()
    assert (first.phase, first.start, second.phase, second.end) == ("began", 28_800, "ended", 67_200)
    fade = round(0.03 * 48_000)
    for start, end, source in ((0, 28_800, 0), (28_800 + fade, 67_200, 2), (67_200 + fade, x.shape[1], 0)):
        np.testing.assert_allclose(y[:, start:end], x[source:source + 2, start:end], atol=1e-7)


def test_as_a_document() -> None:
    graph = wiring(QUICK, 3)
    for format in ("toml", "json"):
        again = loads(dumps(graph, format, KNOWN), format, KNOWN)
        x = noises(8000, 2.0, [(0.3, 1.4)], [(0.8, 1.0)], [])
        np.testing.assert_array_equal(Plan(again, 8000, 6).process(x), plan(QUICK, 8000, 3).process(x))


def test_needs_a_backup_of_the_same_width() -> None:
    with pytest.raises(GraphError, match=r"nothing is connected to safe\.backup"):
        Plan(wired({"safe": QUICK}, ("in", "safe"), ("safe", "out")), 48_000, 2)
    graph = wired({"one": Pick(), "safe": QUICK}, ("in", "one"), ("in", "safe"), ("one", "safe.backup"),
                  ("safe", "out"))
    with pytest.raises(GraphError, match=r"safe\.backup gets 1 channels where 2 are expected"):
        Plan(graph, 48_000, 2)
