"""Stages: the same samples as offline, and a clean end from whichever side trouble comes."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import integer
from flowaudio.graph.graph import Graph, chain
from flowaudio.graph.plan import Plan, render
from flowaudio.graph.plumbing import Line
from flowaudio.nodes import Biquad, Gain
from flowaudio.runtime.pipeline import Stage, decode_into, encode_from, run_stages, walk_between
from flowaudio.runtime.ring import Ring

STAGES = ("flowaudio-decoder", "flowaudio-plan", "flowaudio-encoder")
"""Threads of pipelines; a sound card's may stay."""


@node
class Late:
    """A pass-through that is late on purpose, and says so."""

    frames: int = integer(1, 100_000, "delay", default=300)

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Line(np.zeros((format.channels, self.frames), np.float32), np.zeros(1, np.int64))

    def latency(self, format: Format) -> int:
        return self.frames

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at = s.at[0]
        for n in range(x.shape[1]):
            for c in range(x.shape[0]):
                sample = x[c, n]
                y[c, n] = s.ring[c, at]
                s.ring[c, at] = sample
            at = (at + 1) % s.ring.shape[1]
        s.at[0] = at


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []

    def write(self, block: np.ndarray) -> None:
        self.blocks.append(block.copy())

    @property
    def signal(self) -> np.ndarray:
        return np.concatenate(self.blocks, axis=1)


def ragged(x: np.ndarray, seed: int = 1) -> Iterator[np.ndarray]:
    rng, at = np.random.default_rng(seed), 0
    while at < x.shape[1]:
        frames = int(rng.integers(1, 3000))
        yield x[:, at:at + frames]
        at += frames


def through(graph: Graph, x: np.ndarray, capacity: int = 5000) -> np.ndarray:
    plan = Plan(graph, 48_000, x.shape[0])
    a, b, sink = Ring(x.shape[0], capacity), Ring(plan.output_channels, capacity), Collector()
    run_stages([decode_into(ragged(x), a), walk_between(plan, a, b), encode_from(b, sink)])
    return sink.signal


@pytest.mark.parametrize("capacity", [257, 5000, 40_000])
def test_rings_and_threads_give_the_samples_of_an_offline_render(capacity: int) -> None:
    x = np.random.default_rng(3).standard_normal((2, 50_000)).astype(np.float32) * 0.1
    graph = chain(Gain(gain_db=-3), Late(frames=777), Biquad(kind="highpass", frequency_hz=200))
    np.testing.assert_array_equal(through(graph, x, capacity), render(graph, x))


def test_latency_longer_than_the_signal_still_gives_all_of_it() -> None:
    x = np.random.default_rng(3).standard_normal((1, 100)).astype(np.float32)
    np.testing.assert_array_equal(through(chain(Late(frames=1000)), x), x)


class Full(Exception):
    """The disk is full."""


@pytest.mark.parametrize("broken", ["decoder", "encoder"])
def test_an_error_in_a_stage_stops_all_and_is_raised(broken: str) -> None:
    def blocks() -> Iterator[np.ndarray]:
        for k in range(1000):
            if broken == "decoder" and k == 50:
                raise Full
            yield np.zeros((2, 1000), np.float32)

    class Sink(Collector):
        def write(self, block: np.ndarray) -> None:
            super().write(block)
            if broken == "encoder" and len(self.blocks) == 3:
                raise Full

    plan = Plan(chain(Gain()), 48_000, 2)
    a, b = Ring(2, 4000), Ring(2, 4000)
    with pytest.raises(Full):
        run_stages([decode_into(blocks(), a), walk_between(plan, a, b), encode_from(b, Sink())])
    assert not [t for t in threading.enumerate() if t.name in STAGES]


def test_a_real_signal_waits_for_what_runs() -> None:
    """Or a decoder would be closed while its thread is within it."""
    ended = []

    def work() -> None:
        time.sleep(0.1)                 # until the other thread waits
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        ended.append(True)

    # Tests that are run in the background are deaf to Ctrl-C otherwise.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_stages([Stage("slow", work, [])])
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended


def test_ctrl_c_stops_all_stages() -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield np.zeros((2, 1000), np.float32)

    def press() -> None:
        raise KeyboardInterrupt

    plan = Plan(chain(Gain()), 48_000, 2)
    a, b = Ring(2, 4000), Ring(2, 4000)
    with pytest.raises(KeyboardInterrupt):
        run_stages([decode_into(endless(), a), walk_between(plan, a, b), encode_from(b, Collector())], press)
    assert not [t for t in threading.enumerate() if t.name in STAGES]
