"""A rack behind a simulated sound card, as an engine has them, and what such tests ask of it at random."""

from collections.abc import Callable
from typing import Any

import numpy as np

import flowaudio as fa
from flowaudio.core.params import parameters
from flowaudio.runtime.callback import Caller, card_callback
from flowaudio.runtime.card import Request
from flowaudio.runtime.control import Rack
from flowaudio.testing import SimulatedCard

__all__ = ["RATE", "Rig", "effects", "random_graph", "random_node", "sines"]

RATE = 48_000


class Rig:
    """A rack in the callback of a card, both sides of it."""

    def __init__(self, graph: Any, card: SimulatedCard, *, block: int = 128, fade_ms: float = 20.0) -> None:
        self.card = card
        self.rack = Rack(graph, RATE, 2, block, fade_ms=fade_ms)
        self.caller = Caller(rack=self.rack.address, card_in=2, card_out=2, plan_in=2, plan_out=2, clock=card.clock(),
                             rate=RATE)
        keep = (self.caller, self.rack)
        self.stream = card.open("duplex", Request(RATE, 0, 2, 2, card_callback.address, self.caller.address, keep))
        self.stream.start()

    def run_to(self, frame: int) -> int:
        """Until so many frames have gone through, or a few more; then feed the rack."""
        if frame > self.rack.position:
            self.card.run(frame - self.rack.position)
        self.rack.feed()
        return self.rack.position


def sines(frequency_hz: float, amplitude: float) -> Callable[[int], Any]:
    """A sine in two phases, from frame 0 on, piece by piece: what a card's microphone may hear."""
    at = 0

    def more(frames: int) -> Any:
        nonlocal at
        turns = 2 * np.pi * frequency_hz / RATE * np.arange(at, at + frames)
        at += frames
        return (amplitude * np.stack([np.sin(turns), np.sin(turns + 1.0)])).astype(np.float32)

    return more


def _equalizer(rng: np.random.Generator) -> fa.Equalizer:
    kinds = ("peak", "lowshelf", "highshelf")
    return fa.Equalizer(bands=tuple(fa.Band(kind=kinds[rng.integers(3)], frequency_hz=rng.uniform(100, 8000),
                                            gain_db=rng.uniform(-9, 0), q=rng.uniform(0.3, 2.0)) for _ in range(3)))


effects: dict[str, Callable[[np.random.Generator], Any]] = {
    "gain": lambda rng: fa.Gain(gain_db=rng.uniform(-20, 0)),
    "eq": _equalizer,
    "tone": lambda rng: fa.Biquad(kind=("lowpass", "highpass", "notch", "allpass")[rng.integers(4)],
                                  frequency_hz=rng.uniform(100, 8000), q=rng.uniform(0.5, 0.7)),
    "soft": lambda rng: fa.OnePole(frequency_hz=rng.uniform(200, 10_000)),
    "comp": lambda rng: fa.Compressor(threshold_db=rng.uniform(-30, -10), ratio=rng.uniform(1, 8),
                                      attack_ms=rng.uniform(5, 150), release_ms=rng.uniform(50, 300),
                                      detector=("peak", "rms")[rng.integers(2)]),
    "limit": lambda rng: fa.Limiter(ceiling_dbtp=rng.uniform(-12, -1), release_ms=rng.uniform(30, 200),
                                    lookahead_ms=(3.0, 5.0)[rng.integers(2)]),
    "pan": lambda rng: fa.Pan(pan=rng.uniform(-1, 1)),
    "echo": lambda rng: fa.Delay(time_ms=rng.uniform(5, 200), feedback=rng.uniform(0, 0.5), wet=rng.uniform(0, 0.5),
                                 ping_pong=bool(rng.integers(2))),
    "room": lambda rng: fa.Reverb(room_size=rng.uniform(0, 1), wet=rng.uniform(0, 0.4), damping=rng.uniform(0, 1)),
    "level": lambda rng: fa.LevelMeter(),
}
"""Nodes that make a sine no louder, but for their echoes, by the names that they have in every graph."""


def random_graph(rng: np.random.Generator, names: list[str], most: int = 5) -> fa.Graph:
    """A chain of some of these effects; now and then with a second way round all but the first."""
    graph = fa.Graph()
    chosen = [str(name) for name in rng.choice(names, size=rng.integers(1, min(most, len(names)) + 1), replace=False)]
    for name in chosen:
        graph.add(effects[name](rng), name)
    for source, target in zip(["in", *chosen], [*chosen, "out"], strict=True):
        graph.connect(source, target)
    if len(chosen) > 1 and rng.random() < 0.2:
        graph.add(fa.Gain(gain_db=-12.0), "beside")
        graph.connect(chosen[0], "beside")
        graph.connect("beside", "out")
    return graph


def random_node(rng: np.random.Generator, name: str, node: Any) -> dict[str, Any]:
    """Another value of one of a node's parameters."""
    made = effects[name](rng) if name in effects else fa.Gain(gain_db=rng.uniform(-20, -6))
    key = str(rng.choice(list(parameters(type(node)))))
    return {key: getattr(made, key)}
