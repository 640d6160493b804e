"""Processor time of an engine that has nothing to do: silence, 256 frames, a usual graph, on JACK's dummy driver.

    python tests/bench/bench_idle.py [seconds]

Counted thread by thread, by the kernel's own clock, against a stream whose callback does nothing: what that takes is
PortAudio's and JACK's. Wake-ups of the engine's threads tell whether anybody waits busily.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rigs import jack

import flowaudio as fa
from flowaudio.core.memory import clear
from flowaudio.core.native import native
from flowaudio.runtime.card import Request

RATE, BLOCK = 48_000, 256


@native
def nothing(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """A callback that gives silence."""
    clear(out, 8 * (frames & 0xFFFFFFFF))
    return 0


def threads() -> dict[str, tuple[int, int]]:
    """Of each thread: nanoseconds on a processor, and how often it went to sleep."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        spent = int((task / "schedstat").read_text().split()[0])
        sleeps = next(line for line in (task / "status").read_text().splitlines() if line.startswith("voluntary"))
        found[task.name] = spent, int(sleeps.split()[1])
    return found


def measured(seconds: float, label: str) -> float:
    """Per cent of a core, of all threads but this one; told thread by thread."""
    time.sleep(2)
    before = threads()
    time.sleep(seconds)
    after = threads()
    names = {str(t.native_id): t.name for t in threading.enumerate()}
    total = 0.0
    for task, (spent, sleeps) in after.items():
        was = before.get(task, (spent, sleeps))
        share = (spent - was[0]) / seconds / 1e7
        if task != str(os.getpid()):
            total += share
            if share > 0.02:
                print(f"  {label}: {names.get(task, 'audio'):20} {share:5.2f} %, "
                      f"{(sleeps - was[1]) / seconds:5.0f} sleeps a second")
    print(f"{label}: {total:.2f} % of a core")
    return total


def with_nothing(seconds: float) -> float:
    """PortAudio and JACK alone."""
    stream = fa.SoundCard("system").open("duplex", Request(RATE, BLOCK, 2, 2, nothing.address, 0, ()))
    stream.start()
    try:
        return measured(seconds, "callback that does nothing")
    finally:
        stream.close()


def with_engine(direct: bool) -> Callable[[float], float]:
    """The engine."""
    def run(seconds: float) -> float:
        graph = fa.Graph.chain(fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=1000, gain_db=3)]),
                               fa.Compressor(), fa.Limiter(), fa.LoudnessMeter())
        card = fa.SoundCard("system")
        with fa.Engine(graph, card, card, direct=direct, allow_feedback=True):
            return measured(seconds, "engine, plan in the callback" if direct else "engine, plan in a thread")

    return run


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    with jack(rate=RATE, period=BLOCK):
        alone = with_nothing(seconds)
        for direct in (True, False):
            print(f"of that the engine: {with_engine(direct)(seconds) - alone:.2f} %")


if __name__ == "__main__":
    main()
