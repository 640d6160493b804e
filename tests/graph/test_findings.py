"""What detectors find: at the right frame whatever the blocks, the latency and the failures, each once, none in
silence."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.errors import GraphError
from flowaudio.core.eventlog import BEGAN, CAPACITY, ENDED, EVERY, WHOLE, Found, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import node
from flowaudio.graph.findings import NodeEvent
from flowaudio.runtime.control import Rack

RATE = 48_000


class State(NamedTuple):
    log: Any
    since: Any                          # int64 [channel]: where it went over, or -1


@node(in_place=True, events=("over", "peak"))
class Over:
    """Tells where a channel goes over a half and comes back, and single samples of one or more."""

    def prepare(self, format: fa.Format) -> tuple[None, State]:
        return None, State(event_log(), np.full(format.channels, -1))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                at = now(s.log) + n
                if x[c, n] >= 1.0:
                    emit(s.log, 1, WHOLE, at, at + 1, EVERY, x[c, n])
                if x[c, n] > 0.5 and s.since[c] < 0:
                    s.since[c] = at
                    emit(s.log, 0, BEGAN, at, at, c, 0.0)
                elif x[c, n] <= 0.5 and s.since[c] >= 0:
                    emit(s.log, 0, ENDED, s.since[c], at, c, 0.25)
                    s.since[c] = -1
                y[c, n] = x[c, n]


def pulses(*places: tuple[int, int, int], frames: int = 4000) -> Any:
    x = np.zeros((2, frames), np.float32)
    for channel, start, end in places:
        x[channel, start:end] = 0.75
    return x


EXPECTED = [NodeEvent("over", "over", "began", 100, None, 0, 0.0),
            NodeEvent("over", "over", "ended", 100, 700, 0, 0.25),
            NodeEvent("over", "over", "began", 1999, None, 1, 0.0),
            NodeEvent("over", "over", "ended", 1999, 2000, 1, 0.25)]
X = pulses((0, 100, 700), (1, 1999, 2000))


@pytest.mark.parametrize("block", [1, 7, 256, 4000])
@pytest.mark.parametrize("pieces", [1, 3])
def test_events_have_their_places(block: int, pieces: int) -> None:
    plan = fa.Plan(Over(), RATE, 2, block)
    found: list[NodeEvent] = []
    for piece in np.array_split(X, pieces, axis=1):
        plan.process(np.ascontiguousarray(piece))
        found += plan.events()
    assert found == EXPECTED
    assert plan.events() == [] and plan.lost_events == {}


def test_places_are_those_of_the_input() -> None:
    """A node in front of it that is late changes nothing."""
    plan = fa.Plan(fa.Graph.chain(fa.Limiter(), Over()), RATE, 2)
    assert plan.latency > 0
    plan.process(np.concatenate([0.9 * X, np.zeros((2, plan.latency), np.float32)], axis=1))
    assert [(event.start, event.end) for event in plan.events()] == [(e.start, e.end) for e in EXPECTED]


def test_reset_begins_anew() -> None:
    plan = fa.Plan(Over(), RATE, 2)
    plan.process(X)
    plan.reset()
    assert plan.events() == []
    plan.process(X)
    assert plan.events() == EXPECTED


def test_a_failure_neither_moves_nor_forgets() -> None:
    """A NaN resets a node's state; its log and the time are not its state."""
    plan = fa.Plan(Over(), RATE, 2, 100)
    plan.process(pulses((0, 10, 20), frames=1000))
    bad = np.zeros((2, 100), np.float32)
    bad[0, 50] = np.nan
    plan.process(bad)
    plan.process(pulses((1, 5, 8), frames=100))
    assert plan.trouble == {"over": 1}
    assert [(event.start, event.end) for event in plan.events()] == [(10, None), (10, 20), (1105, None), (1105, 1108)]


def test_too_many_are_counted() -> None:
    plan = fa.Plan(Over(), RATE, 1)
    plan.process(np.ones((1, 1000), np.float32))                # 1000 peaks, and one that goes over
    found = plan.events()
    assert len(found) == CAPACITY - 1
    assert plan.lost_events == {"over": 1001 - len(found)}
    assert [event.start for event in found] == list(range(1000 - len(found), 1000))
    plan.process(np.ones((1, CAPACITY - 1), np.float32))        # as many as there is room for
    assert len(plan.events()) == CAPACITY - 1
    assert plan.lost_events == {"over": 1001 - len(found)}


def test_strengths_are_float64_and_places_do_not_end() -> None:
    log = event_log()
    reader = Found(log)

    class Only(NamedTuple):
        log: Any

    @node(events=("seen",))
    class Far:
        def prepare(self, format: fa.Format) -> tuple[None, Only]:
            return None, Only(log)

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            emit(s.log, 0, WHOLE, 1 << 60, (1 << 60) + 1, 3, 1.0 / 3.0)

    fa.Plan(Far(), RATE, 1, 64).process(np.zeros((1, 64), np.float32))
    assert reader.new() == [(0, WHOLE, 1 << 60, (1 << 60) + 1, 3, 1.0 / 3.0)]


def test_a_branch_that_only_looks_is_kept() -> None:
    graph = fa.Graph()
    graph.add(fa.Gain(), "gain")
    graph.add(Over(), "over")
    graph.connect("in", "gain")
    graph.connect("gain", "out")
    graph.connect("in", "over")
    plan = fa.Plan(graph, RATE, 2)
    plan.process(X)
    assert plan.events() == EXPECTED


def test_a_log_is_asked_for() -> None:
    class Nothing(NamedTuple):
        logs: Any

    @node(events=("seen",))
    class Forgot:
        def prepare(self, format: fa.Format) -> tuple[None, Nothing]:
            return None, Nothing(event_log())

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            y[0, 0] = x[0, 0]

    with pytest.raises(GraphError, match=r"Forgot declares events \(seen\).*event_log"):
        fa.Plan(Forgot(), RATE, 1)


# --- in a running rack ------------------------------------------------------------------------------------------------

def with_others(*others: Any) -> fa.Graph:
    graph = fa.Graph()
    graph.add(Over(), "over")
    names = ["in", "over"]
    for k, other in enumerate(others):
        graph.add(other, f"other{k}")
        names.append(f"other{k}")
    names.append("out")
    for source, target in itertools.pairwise(names):
        graph.connect(source, target)
    return graph


@pytest.mark.parametrize("look", ["always", "at the end"])
@pytest.mark.parametrize("block", [64, 1000])
def test_a_node_that_stays_keeps_its_log_and_its_time(look: str, block: int) -> None:
    """Swaps while events come: each is told once, at its frame, whoever reads when."""
    rack = Rack(with_others(), RATE, 2, 64)
    rng = np.random.default_rng(7)
    starts = np.cumsum(rng.integers(200, 900, 60))
    x = pulses(*((k % 2, start, start + 150) for k, start in enumerate(starts)), frames=40_000)
    found: list[NodeEvent] = []
    graphs = [with_others(fa.Gain(gain_db=-1.0)), with_others(fa.Limiter()), with_others()]
    for k, piece in enumerate(np.array_split(x, 40, axis=1)):
        if k % 5 == 2:
            rack.swap(graphs[k // 5 % 3])
        rack.process(np.ascontiguousarray(piece), block)
        rack.feed()
        if look == "always":
            found += rack.events()
    found += rack.events()
    known = [(int(start), int(start) + 150, k % 2) for k, start in enumerate(starts) if start + 150 < 40_000]
    ended = [(event.start, event.end, event.channel) for event in found if event.phase == "ended"]
    assert ended == known
    assert rack.lost_events == {}


def test_what_a_node_found_before_it_left_is_told() -> None:
    rack = Rack(with_others(), RATE, 2, 64)
    rack.process(pulses((0, 100, 200)))
    rack.swap(fa.Graph.chain(fa.Gain()))
    rack.process(np.zeros((2, 4000), np.float32))
    rack.feed()
    assert [(event.start, event.end) for event in rack.events()] == [(100, None), (100, 200)]
    rack.swap(with_others())
    rack.process(np.zeros((2, 4000), np.float32))
    rack.process(pulses((1, 7, 9)))
    rack.process(np.zeros((2, 4000), np.float32))
    rack.feed()
    assert [(event.start, event.end) for event in rack.events()] == [(12_007, None), (12_007, 12_009)]
