"""A minute on a sound card, with a thousand changes and two hundred graphs: nothing clicks, nothing is lost.

A sine stays a sine of its frequency in every linear node, whatever it does to level and phase. So what is left when
that frequency is taken out, ``y[n+1] - 2 cos(w) y[n] + y[n-1]``, is what the signal cannot have by itself. A jump by d
leaves d there; the sine's own slope, its largest difference from frame to frame, is what it is set against.
"""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from live_rigs import RATE, Rig, effects, random_graph, random_node, sines

import flowaudio as fa
from flowaudio.runtime.change import STEP
from flowaudio.testing import SimulatedCard

AMPLITUDE = 0.2
FADE = 960
STAIR = AMPLITUDE * STEP / FADE
"""A gain that goes from 1 to 0 within a fade takes steps of this size."""


def slope(frequency_hz: float) -> float:
    """Of the sine: its largest difference from frame to frame."""
    return 2 * np.pi * frequency_hz / RATE * AMPLITUDE


def left_over(y: Any, frequency_hz: float) -> Any:
    """What no sine of that frequency explains, frame by frame, of the worse channel."""
    wide = y.astype(np.float64)
    return np.abs(wide[:, 2:] - 2 * np.cos(2 * np.pi * frequency_hz / RATE) * wide[:, 1:-1] + wide[:, :-2]).max(axis=0)


def storm(seed: int, frequency_hz: float, changes: int, swaps: int, seconds: int = 60) -> tuple[Rig, Any]:
    """Changes and swaps at random times; the output, without its first half second."""
    rng = np.random.default_rng(seed)
    card = SimulatedCard(block=[128, 128, 64, 192])
    card.play_into_input(sines(frequency_hz, AMPLITUDE))
    rig = Rig(random_graph(rng, list(effects)), card)
    times = np.sort(rng.integers(RATE // 2, seconds * RATE, changes + swaps))
    for at, swapped in zip(times.tolist(), rng.permutation(changes + swaps) < swaps, strict=True):
        rig.run_to(at)
        if swapped:
            rig.rack.swap(random_graph(rng, list(effects)))
        else:
            name = str(rng.choice(rig.rack.names))
            rig.rack.change(name, random_node(rng, name, rig.rack.node(name)))
    rig.run_to((seconds + 1) * RATE)
    return rig, card.recorded[:, RATE // 2:]


def assert_whole(rig: Rig, y: Any) -> None:
    """Every frame came, and everything that was asked for was done and given back."""
    counters, counted = rig.rack.counters, rig.caller.counters
    assert y.shape[1] == counters.position - RATE // 2 == counted.frames - RATE // 2
    assert counters.late_letters == 0
    assert (counted.underrun_frames, counted.overrun_frames, counted.output_underflows) == (0, 0, 0)
    assert rig.rack.trouble == {}
    assert np.isfinite(y).all()
    rig.rack.collect()
    assert len(rig.rack._post) == 1


@pytest.mark.parametrize(("frequency_hz", "seed"), [(997.0, 1), (60.0, 2)])
def test_a_thousand_changes_and_two_hundred_graphs_in_a_minute(frequency_hz: float, seed: int) -> None:
    rig, y = storm(seed, frequency_hz, 1000, 200)
    assert_whole(rig, y)
    left = left_over(y, frequency_hz)
    # Steps of two gains at once, of all of their way; beside them, what fades and filters leave.
    assert left.max() < 2.0 * STAIR + 0.1 * slope(frequency_hz)
    assert left.max() < slope(frequency_hz)
    assert np.quantile(left, 0.99) < 0.1 * slope(frequency_hz)


@pytest.mark.parametrize(("frequency_hz", "seed"), [(997.0, 3), (60.0, 4)])
def test_two_hundred_graphs_alone_leave_next_to_nothing(frequency_hz: float, seed: int) -> None:
    """No steps here: only lines that begin and end, over 20 ms, and over 5 ms where a new node begins to hear.

    A room answers such a corner many times.
    """
    rig, y = storm(seed, frequency_hz, 0, 200)
    assert_whole(rig, y)
    corner = AMPLITUDE / (FADE // 4)
    assert left_over(y, frequency_hz).max() < 0.1 * slope(frequency_hz) + 3.0 * corner


def test_the_measure_finds_a_jump() -> None:
    y = sines(997.0, AMPLITUDE)(RATE)
    assert left_over(y, 997.0).max() < 1e-6
    y[:, 20_000:] *= np.float32(0.9)
    assert 0.01 < left_over(y, 997.0).max() < 0.021


TRANSPARENT: dict[str, Any] = {
    "gain": fa.Gain(), "eq": fa.Equalizer(bands=(fa.Band(), fa.Band(kind="lowshelf"))), "tone": fa.Biquad(kind="peak"),
    "comp": fa.Compressor(threshold_db=0.0, knee_db=0.0), "pan": fa.Pan(), "level": fa.LevelMeter(), "desk": fa.Mix(),
    "loud": fa.LoudnessMeter(true_peak=False), "echo": fa.Delay(wet=0.0, time_ms=3.0), "map": fa.ChannelMap(),
}
"""What changes no bit of a signal below full scale."""


def test_through_graphs_that_change_nothing_comes_every_sample() -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(-0.9, 0.9, (2, 20 * RATE)).astype(np.float32)
    card = SimulatedCard(block=[128, 37, 300])
    card.play_into_input(x)
    rig = Rig(fa.Graph.chain(), card)
    for at in np.sort(rng.integers(0, x.shape[1] - 1000, 300)).tolist():
        rig.run_to(at)
        graph = fa.Graph()
        names = [str(name) for name in rng.permutation(list(TRANSPARENT))[:rng.integers(0, 6)]]
        for name in names:
            graph.add(TRANSPARENT[name], name)
        for source, target in zip(["in", *names], [*names, "out"], strict=True):
            graph.connect(source, target)
        rig.rack.swap(graph)
    rig.run_to(x.shape[1])
    np.testing.assert_array_equal(card.recorded[:, :x.shape[1]], x)


def test_memory_stays_flat_in_a_storm() -> None:
    """What Python holds after some storm, and after more of it."""
    rng = np.random.default_rng(6)
    names = ["gain", "eq", "tone", "comp", "limit", "pan", "level"]
    card = SimulatedCard(keep=False)
    card.play_into_input(sines(997.0, AMPLITUDE))
    rig = Rig(random_graph(rng, names), card)
    held = []
    tracemalloc.start()
    try:
        for part in range(4):
            for k in range(150):
                if k % 5 == 0:
                    rig.rack.swap(random_graph(rng, names))
                else:
                    name = str(rng.choice(rig.rack.names))
                    rig.rack.change(name, random_node(rng, name, rig.rack.node(name)))
                if k % 50 == 0:
                    tap = rig.rack.tap("out", 1000, remembers=True)
                rig.run_to(rig.rack.position + 3000)
                if k % 50 == 49:
                    rig.rack.untap(tap)
            rig.rack.swap(random_graph(np.random.default_rng(7), names))    # the same each time
            rig.run_to(rig.rack.position + RATE)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
            assert len(rig.rack._post) == 1, part
    finally:
        tracemalloc.stop()
    # What leaks grows every time; a table of Python's own grows once, whenever it is full.
    assert np.diff(held).min() < 20_000


ECHO = fa.Delay(time_ms=100.0, feedback=0.5, wet=0.5)


@pytest.mark.parametrize("after", [
    fa.Graph.chain(fa.Biquad(kind="lowpass", frequency_hz=400.0), ECHO), fa.Graph.chain(ECHO, fa.Gain(gain_db=-6.0)),
    fa.Graph.chain(fa.Delay(time_ms=130.0, feedback=0.5, wet=0.5)),
    fa.Graph.chain(fa.Delay(time_ms=100.0, feedback=0.1, wet=0.3)),
    fa.Graph.chain(fa.Limiter(ceiling_dbtp=-20.0), ECHO), fa.Graph.chain(fa.Gain(gain_db=-20.0), fa.Gain(), ECHO)],
    ids=["before it", "behind it", "its time", "its feedback", "a latency", "a level"])
def test_an_echo_hears_no_cut(after: fa.Graph) -> None:
    """Of what changes around it, or in itself: neither when it is made, nor when it comes back from the line."""
    card = SimulatedCard()
    card.play_into_input(sines(200.0, AMPLITUDE))
    rig = Rig(fa.chain(ECHO), card)
    rig.run_to(2 * RATE)                # the beginning of the sine itself has come back often enough
    rig.rack.swap(after)
    rig.run_to(3 * RATE)
    left = left_over(card.recorded[:, 2 * RATE - 1000:], 200.0)
    assert left.max() < 0.1 * slope(200.0) + 0.5 * STAIR + AMPLITUDE / (FADE // 4)   # a cut would be ten times that
