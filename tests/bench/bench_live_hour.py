"""An hour of sound through a simulated sound card, faster than it lasts: ``python tests/bench/bench_live_hour.py``.

Calls of 128 frames, equaliser, compressor and limiter, a change or another graph every few seconds. The same is asked
of a second rack that gets the same frames in calls of other lengths, as an array is rendered: every sample must be the
same. A piece of it, with changes alone, is set against the definition in `naive_rack`. Told: how much faster than real
time, and what the card and its clock take of that.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from live_hour import play_and_compare
from live_rigs import Rig

import flowaudio as fa
from flowaudio.testing import SimulatedCard


def card_alone(seconds: float) -> float:
    """What card and clock take by themselves: nothing in the rack, silence."""
    rig = Rig(fa.Graph.chain(), SimulatedCard(block=128, keep=False))
    start = time.perf_counter()
    rig.card.time.run(seconds)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    play_and_compare(1.0, 0.3, swaps=True)           # compiles what is not compiled
    alone = card_alone(60 * minutes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rig, card_s, other_s = play_and_compare(60 * minutes, 3.0, swaps=True)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    counters = rig.rack.counters
    print(f"{minutes:g} min in calls of 128 frames, {counters.calls} of them, a change or a graph every 3 s: "
          f"{card_s:.1f} s, {60 * minutes / card_s:.0f} times real time; of that card and clock {alone:.1f} s, "
          f"plan and changes {1e-9 * counters.busy_ns:.1f} s in calls")
    print(f"the same in other calls: {other_s:.1f} s with the comparison; bit-equal, {counters.position} frames")
    print(f"memory: {grown} kB more at its peak than after the first second")
    play_and_compare(20.0, 0.5, swaps=False, naive=True)
    print("20 s with changes alone: bit-equal to the definition")


if __name__ == "__main__":
    main()
