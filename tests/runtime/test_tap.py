"""Taps and joints in a plan by themselves: what they are linked to, in any order of coming and going."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import flowaudio as fa
from flowaudio.core.memory import copy, f32_1d, i64_1d
from flowaudio.core.native import native
from flowaudio.graph import walk
from flowaudio.graph.graph import IN, OUT
from flowaudio.graph.image import address
from flowaudio.runtime.ring import Ring
from flowaudio.runtime.tap import Tap, tap_link, tap_unlink
from flowaudio.runtime.voice import Voice


@native
def link(tap: int, voice: int) -> int:
    tap_link(tap, voice)
    return 0


@native
def unlink(tap: int) -> int:
    tap_unlink(tap)
    return 0


@native
def walk_once(header: int, x: int, frames: int, channels: int) -> int:
    copy(i64_1d(header, walk.HEADER)[walk.IN], x, 4 * frames * channels)
    walk.walk(header, frames)
    return int(f32_1d(i64_1d(header, walk.HEADER)[walk.OUT], 1)[0] * 1000)


def voice(*gains: float) -> Voice:
    plan = fa.Plan(fa.chain(*[fa.Gain(gain_db=g) for g in gains]), 48_000, 1, 16)
    return Voice(plan, {name: k for k, name in enumerate(plan.order)}, {})


@given(steps=st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_number_stands_behind_a_node_and_goes_in_any_order(steps: list[tuple[int, bool]]) -> None:
    """Eight taps at three nodes; each has heard just the blocks in which it was there, and what its node put out."""
    made = voice(0.0, -6.0, -20.0)
    taps = [Tap(k % 3, Ring(1, 4096)) for k in range(8)]
    there: set[int] = set()
    expected: list[list[Any]] = [[] for _ in taps]
    x = np.arange(1, 11, dtype=np.float32)
    behind = [(x * np.float32(1)), x * np.float32(10 ** (-6 / 20)), None]
    behind[2] = behind[1] * np.float32(0.1)
    for which, comes in steps:
        if comes and which not in there:
            link(taps[which].address, made.address)
            there.add(which)
        elif not comes:
            unlink(taps[which].address)         # that is nowhere: no harm
            there.discard(which)
        walk_once(made.plan.header, address(x), 10, 1)
        for k in there:
            expected[k].append(behind[k % 3])
    for tap, parts in zip(taps, expected, strict=True):
        np.testing.assert_allclose(tap.ring.try_read(4096)[0], np.concatenate([np.zeros(0), *parts]), rtol=1e-6)


def test_from_one_plan_to_the_next() -> None:
    one, other, none = voice(0.0, 0.0), voice(-20.0, 0.0), voice(0.0)
    tap, x = Tap(1, Ring(1, 100)), np.ones(10, np.float32)
    for each in (one, other, none, one):
        unlink(tap.address)
        link(tap.address, each.address)
        for plan in (one, other, none):
            walk_once(plan.plan.header, address(x), 10, 1)
    np.testing.assert_allclose(tap.ring.try_read(100)[0], [1.0] * 10 + [0.1] * 10 + [1.0] * 10, rtol=1e-6)
    assert IN != OUT
