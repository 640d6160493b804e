"""One graph, every driver: a thousand random graphs give the same bits offline in one go, in ragged blocks, through
rings with threads, and on a simulated sound card that cannot keep its time.

Each of ten seeds stands for a hundred graphs; a failure shows the smallest graph of its seed, as a document.
"""

import importlib
import itertools
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, note, seed, settings
from hypothesis import strategies as st
from live_rigs import RATE, Rig

import flowaudio as fa
import flowaudio.nodes
from flowaudio.graph import walk
from flowaudio.graph.plan import Plan
from flowaudio.runtime.pipeline import decode_into, encode_from, run_stages, walk_between
from flowaudio.runtime.ring import Ring
from flowaudio.runtime.voice_walk import EXPLODED_BITS
from flowaudio.testing import SimulatedCard
from flowaudio.testing.signals import KINDS, signal
from flowaudio.testing.strategies import cuts, graphs
from flowaudio.testing.trial import Heard, heard

SEEDS, EACH = 10, 100
FRAMES = 1500
THOROUGH = settings(max_examples=EACH, deadline=None, suppress_health_check=list(HealthCheck), database=None)
BACK = fa.Gain(gain_db=-30.0)

LEFT_OUT: dict[str, str] = {}
"""Nodes that are not tried, and why."""


def shipped() -> list[type]:
    """All node classes of the package."""
    modules = [importlib.import_module(each.name)
               for each in pkgutil.iter_modules(flowaudio.nodes.__path__, "flowaudio.nodes.")]
    found = {value for module in modules for value in vars(module).values()
             if isinstance(value, type) and "__declaration__" in vars(value) and value.__module__ == module.__name__}
    return sorted((cls for cls in found if cls.__name__ not in LEFT_OUT), key=lambda cls: cls.__name__)


def fit(count: int) -> fa.ChannelMap:
    return fa.ChannelMap(channels=count)


DRAWN = graphs(shipped(), most=4, loop=BACK, fit=fit)


def plan_of(graph: fa.Graph, block: int) -> Plan:
    """A plan that takes for an explosion what a running engine does."""
    plan = Plan(graph, RATE, 2, block)
    plan.image.header[walk.LIMIT] = EXPLODED_BITS
    return plan


def ragged(x: Any, lengths: list[int]) -> Iterator[Any]:
    at = 0
    for length in itertools.cycle(lengths):
        if at >= x.shape[1]:
            return
        yield np.ascontiguousarray(x[:, at:at + length])
        at += length


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.blocks: list[Any] = []

    def write(self, block: Any) -> None:
        self.blocks.append(block.copy())


def in_blocks(graph: fa.Graph, x: Any, lengths: list[int], block: int) -> Heard:
    plan = plan_of(graph, block)
    return heard(plan, np.concatenate([plan.process(part) for part in ragged(x, lengths)], axis=1))


def through_rings(plans: list[Plan], x: Any, lengths: list[int], capacity: int) -> Any:
    """A thread that reads, one for each plan, one that writes. What comes out is aligned with what went in."""
    rings = [Ring(plan.channels, capacity + plan.block) for plan in plans]
    last, sink = Ring(plans[-1].output_channels, capacity + plans[-1].block), Collector()
    run_stages([decode_into(ragged(x, lengths), rings[0]),
                *(walk_between(plan, *ends) for plan, ends in
                  zip(plans, itertools.pairwise([*rings, last]), strict=True)),
                encode_from(last, sink)])
    return np.concatenate(sink.blocks, axis=1)


def on_a_card(graph: fa.Graph, x: Any, lengths: list[int], block: int, late_ms: float) -> Any:
    """A rack in the callback of a card whose calls have all these lengths, and come when they like."""
    card = SimulatedCard(block=lengths, jitter_ms=late_ms, seed=len(lengths))
    card.play_into_input(x)
    rig = Rig(graph, card, block=block)
    card.run(x.shape[1])
    rig.stream.close()
    assert rig.rack.trouble == {}
    return card.recorded[:, :x.shape[1]]


def as_played(y: Any) -> Any:
    """What a card gets of it: nothing beyond full scale, and zero where a denormal number passes by all nodes."""
    y = np.clip(y, -1, 1)
    return np.where(np.abs(y) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), y), y)


def assert_bits(y: Any, expected: Any, driver: str) -> None:
    assert y.shape == expected.shape, driver
    where = np.argwhere((np.ascontiguousarray(y).view(np.uint32) != np.ascontiguousarray(expected).view(np.uint32)).T)
    if len(where):
        n, c = where[0]
        pytest.fail(f"{driver}: channel {c}, frame {n} is {y[c, n]:.9g} where it is {expected[c, n]:.9g} in one go")


def assert_alike(one: Heard, other: Heard, driver: str) -> None:
    """The sound, what was measured, what was found."""
    assert_bits(other.sound, one.sound, driver)
    for key, value in one.measured.items():
        np.testing.assert_array_equal(other.measured[key], value, f"{driver}: {key}")
    assert other.events == one.events, driver


@pytest.mark.parametrize("number", range(SEEDS))
def test_a_graph_sounds_the_same_however_it_is_driven(number: int) -> None:
    tried = 0

    @seed(number)
    @given(graph=DRAWN, lengths=cuts(), kind=st.sampled_from(KINDS), block=st.sampled_from([1, 16, 100, 256, 1000]),
           late_ms=st.sampled_from([0.0, 5.0]))
    @THOROUGH
    def drive(graph: fa.Graph, lengths: list[int], kind: str, block: int, late_ms: float) -> None:
        nonlocal tried
        note(str(fa.dumps(graph, "toml")))
        plan = plan_of(graph, 8192)
        x = signal(kind, number, 2, FRAMES + plan.latency, 0.1)
        x[:, FRAMES:] = 0.0             # what is on its way comes out
        whole = heard(plan, plan.process(x))
        assume(not plan.trouble)        # what explodes is silenced block by block
        tried += 1
        assert_alike(whole, in_blocks(graph, x, lengths, block), "in blocks")
        between = plan_of(graph, max(block, 16))
        y = through_rings([between], x[:, :FRAMES], lengths, 16 * len(lengths))
        assert_alike(whole._replace(sound=whole.sound[:, plan.latency:]), heard(between, y), "through rings")
        assert_bits(on_a_card(graph, x, lengths, max(block, 16), late_ms), as_played(whole.sound), "on a card")

    drive()
    assert tried >= EACH


@pytest.mark.parametrize("number", range(SEEDS))
def test_a_chain_sounds_the_same_when_it_is_split_over_threads(number: int) -> None:
    """Two plans with a ring between them; the first must not be late, for what is cut off there the second had heard.
    """
    tried = 0

    @seed(number)
    @given(first=DRAWN, second=DRAWN, lengths=cuts())
    @settings(THOROUGH, max_examples=EACH // 10)
    def drive(first: fa.Graph, second: fa.Graph, lengths: list[int]) -> None:
        nonlocal tried
        early = plan_of(first, 100)
        assume(early.latency == 0)
        # Not `first >> second`: sums on both sides of it may become one, added up in another order.
        front, back = plan_of(first, 8192), plan_of(second, 8192)
        x = signal("noise", number, 2, FRAMES + back.latency, 0.1)
        x[:, FRAMES:] = 0.0
        between = front.process(x[:, :FRAMES])
        whole = back.process(np.pad(between, ((0, 0), (0, back.latency))))
        assume(not front.trouble and not back.trouble)
        tried += 1
        y = through_rings([early, plan_of(second, 64)], x[:, :FRAMES], lengths, 300)
        assert_bits(y, whole[:, back.latency:], "in two threads")

    drive()
    assert tried >= EACH // 10
