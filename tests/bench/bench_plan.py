"""How long a plan takes to make, and what the walk costs for each node: ``python tests/bench/bench_plan.py``.

The graphs are checked first: a chain of gains must have the gain of their sum. Dispatch is the cost of a node whose
kernel does nothing, in blocks of one frame: the call, the check for numbers, the bookkeeping. It is set against a plain
memory copy of one cache line in the same loop, so that a slow machine is slow for both.
"""

import time
from typing import Any

import numpy as np

import flowaudio as fa
from flowaudio.core import cache
from flowaudio.core.memory import copy
from flowaudio.core.native import native


@fa.node(in_place=True)
class Nothing:
    """A node that does nothing: what remains is the engine."""

    def prepare(self, format: fa.Format) -> tuple[None, None]:
        return None, None

    @fa.kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        pass


@native
def copies(to: int, source: int, count: int) -> int:
    """As many copies of a cache line as the walk makes calls."""
    for k in range(count):
        copy(to + 64 * (k % 1024), source + 64 * (k % 1021), 64)
    return count


def best(work: Any, repeats: int = 15) -> float:
    """The fastest of some runs, in seconds: what the machine can do when nobody disturbs it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def stock(count: int) -> fa.Graph:
    """A chain of stock nodes of several kinds."""
    kinds = (lambda k: fa.Gain(gain_db=k % 7 - 3.0), lambda k: fa.Biquad(frequency_hz=100.0 + k),
             lambda k: fa.Equalizer(bands=(fa.Band(frequency_hz=500.0 + k, gain_db=1.0),)),
             lambda k: fa.Compressor(threshold_db=-20.0 - k % 9), lambda k: fa.OnePole(frequency_hz=9000.0))
    return fa.chain(*[kinds[k % len(kinds)](k) for k in range(count)])


def planning() -> None:
    """Time to make a plan of 100 stock nodes whose kernels are known; nothing is compiled."""
    compiled: list[str] = []
    fa.Plan(stock(10), 48_000, 2)
    with cache.on_compile(lambda name, seconds: compiled.append(name)):
        graph = stock(100)
        plan_s = best(lambda: fa.Plan(graph, 48_000, 2))
    assert not compiled, f"a new graph of known nodes compiled {compiled}"
    print(f"plan of 100 stock nodes: {plan_s * 1e3:.2f} ms, nothing compiled")


def dispatch() -> None:
    """Cost of a node and block, from 100 to 10,000 nodes."""
    x = np.random.default_rng(1).standard_normal((2, 64)).astype(np.float32)
    gains = fa.Plan(fa.chain(*[fa.Gain(gain_db=0.01)] * 1000), 48_000, 2)
    np.testing.assert_allclose(gains.process(x), x * 10 ** (10 / 20), rtol=1e-4)
    lines = np.zeros((2, 1 << 16), np.uint8)
    a, b = (int(row.__array_interface__["data"][0]) for row in lines)
    for nodes in (100, 1_000, 10_000):
        blocks = 2_000_000 // nodes
        frames = np.zeros((1, blocks), np.float32)
        plan = fa.Plan(fa.chain(*[Nothing()] * nodes), 48_000, 1)
        calls = nodes * blocks
        walk_ns = best(lambda: plan.process(frames, 1)) / calls * 1e9  # noqa: B023  called at once
        copy_ns = best(lambda: copies(a, b, calls)) / calls * 1e9  # noqa: B023  called at once
        print(f"dispatch, {nodes:6d} nodes: {walk_ns:5.2f} ns a node and block "
              f"({walk_ns / copy_ns:4.1f} copies of a cache line)")


if __name__ == "__main__":
    planning()
    dispatch()
