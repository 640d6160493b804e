"""A long time on a simulated sound card, with somebody who changes things, and the same in another rack's calls.

What is asked for is a function of its number: another rack, or the definition in `naive_rack`, is asked for the same
at the same frames and gets the same sound in calls of other lengths. Every sample is compared as it comes; none kept.
"""

import itertools
import time
from typing import Any

import numpy as np
from live_rigs import RATE, Rig, effects
from naive_rack import NaiveRack

import flowaudio as fa
from flowaudio.runtime.control import Rack
from flowaudio.testing import SimulatedCard

__all__ = ["play_and_compare"]

PIECE = 1 << 16
CALLS = (4096, 333, 1, 1024, 7777)
"""Frames of the other rack's calls, over and over."""


def usual(rng: np.random.Generator, bands: int = 4) -> fa.Graph:
    """Equaliser, compressor, limiter."""
    graph = fa.Graph()
    shape = [fa.Band(frequency_hz=rng.uniform(60, 9000), gain_db=rng.uniform(-6, 6)) for _ in range(bands)]
    for node, name in ((fa.Equalizer(bands=shape), "eq"), (effects["comp"](rng), "comp"),
                       (fa.Limiter(ceiling_dbtp=rng.uniform(-12, -1)), "limit")):
        graph.add(node, name)
    for source, target in itertools.pairwise(["in", "eq", "comp", "limit", "out"]):
        graph.connect(source, target)
    return graph


class Ask:
    """What somebody asks for, a function of the number of the request: the same for every rack."""

    def __init__(self, seed: int, swaps: bool) -> None:
        self.seed, self.swaps = seed, swaps

    def __call__(self, rack: Any, number: int) -> None:
        rng = np.random.default_rng([self.seed, number])
        what = int(rng.integers(6 if self.swaps else 4))
        if what == 0:
            rack.change("comp", {"threshold_db": rng.uniform(-40, -10), "attack_ms": rng.uniform(1, 200)})
        elif what == 1:
            bands = usual(rng).nodes["eq"]["node"].bands
            rack.change("eq", {"bands": bands})
        elif what == 2:
            rack.change("limit", {"ceiling_dbtp": rng.uniform(-12, -1)})
        elif what == 3:
            rack.change("comp", {"ratio": rng.uniform(1, 10)}, rack.position + int(rng.integers(1, RATE)))
        elif what == 4:
            rack.swap(usual(rng, 3 + int(rng.integers(3))))
        else:
            rack.change("limit", {"lookahead_ms": float(rng.choice([2.0, 5.0]))})


def sound(seed: int) -> Any:
    """A function that makes noise with a level that comes and goes, in pieces of any length."""
    rng, at = np.random.default_rng(seed), 0

    def more(frames: int) -> Any:
        nonlocal at
        level = 0.3 + 0.3 * np.sin(2 * np.pi * 0.2 / RATE * np.arange(at, at + frames))
        at += frames
        # As two channels that are read in turn: the pieces' lengths must not change what is made.
        return (rng.uniform(-1, 1, (frames, 2)).T * level).astype(np.float32)

    return more


class Follower:
    """A rack that is given the same frames in other calls, and compares what comes out of both."""

    def __init__(self, rack: Any, x: Any, ask: Ask, events: list[int]) -> None:
        self.rack, self.x, self.ask = rack, x, ask
        self.events, self.asked = events, 0
        self.calls = itertools.cycle(CALLS)
        self.compared, self.seconds = 0, 0.0

    def __call__(self, y: Any) -> None:
        """The card has played this."""
        start = time.perf_counter()
        done = 0
        while done < y.shape[1]:
            if self.asked < len(self.events) and self.rack.position == self.events[self.asked]:
                self.ask(self.rack, self.asked)
                self.asked += 1
                continue
            upcoming = self.events[self.asked] if self.asked < len(self.events) else 1 << 62
            count = min(y.shape[1] - done, upcoming - self.rack.position, next(self.calls))
            got = self.rack.process(self.x(count))
            if hasattr(self.rack, "feed"):
                self.rack.feed()
            # The card takes nothing beyond full scale.
            np.testing.assert_array_equal(y[:, done:done + count], np.clip(got, -1.0, 1.0))
            done += count
        self.compared += done
        self.seconds += time.perf_counter() - start


def event_frames(seconds: float, every_s: float, seed: int) -> list[int]:
    """When something is asked for: between calls of the card, in the order of time."""
    rng = np.random.default_rng(seed)
    calls = np.cumsum(rng.uniform(0.2, 2 * every_s, int(2 * seconds / every_s))) * RATE // 128
    return [int(call) * 128 for call in calls if call * 128 < seconds * RATE]


def play_and_compare(seconds: float, every_s: float, *, swaps: bool, naive: bool = False,
                     seed: int = 1) -> tuple[Rig, float, float]:
    """Play so long through a card and compare all of it; seconds that the card's side took, and the other's."""
    graph, events, ask = usual(np.random.default_rng(seed)), event_frames(seconds, every_s, seed), Ask(seed, swaps)
    other: Any = NaiveRack(graph, RATE, 2, 512) if naive else Rack(graph, RATE, 2, 512)
    follower = Follower(other, sound(seed), ask, events)
    card = SimulatedCard(block=128, keep=follower)
    card.play_into_input(sound(seed))
    rig = Rig(graph, card)
    start = time.perf_counter()
    for number, frame in enumerate([*events, round(seconds * RATE)]):
        while rig.rack.position < frame:
            rig.run_to(min(frame, rig.rack.position + PIECE - PIECE % 128))
        if number < len(events):
            ask(rig.rack, number)
    taken = time.perf_counter() - start - follower.seconds
    rig.stream.close()
    assert follower.compared == rig.rack.position >= seconds * RATE
    assert follower.asked == len(events)
    return rig, taken, follower.seconds
