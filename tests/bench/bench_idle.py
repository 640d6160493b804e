"""Processor time of an engine that has nothing to do: silence, 256 frames, a usual graph, on JACK's dummy driver.

    python tests/bench/bench_idle.py [seconds] [rounds]

By turns, in one process: a stream whose callback does nothing (what that takes is PortAudio's and JACK's), the engine
with its plan in the callback, and with its plan in a thread. Counted thread by thread, by the kernel's own clock. How
often a thread went to sleep tells whether it waits busily. Told are the medians of the rounds.
"""

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from rigs import jack

import flowaudio as fa
from flowaudio.core.memory import clear
from flowaudio.core.native import native
from flowaudio.runtime.card import Request

RATE, BLOCK = 48_000, 256
ASKED = 2.0                             # per cent of a core


class Seen(NamedTuple):
    """Of a thread, or of several: per cent of a core, and how often they went to sleep in a second."""

    share: float
    sleeps: float


@native
def nothing(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """A callback that gives silence."""
    clear(out, 8 * (frames & 0xFFFFFFFF))
    return 0


def threads() -> dict[str, Seen]:
    """Of each thread since its start, by the system's number: nanoseconds on a processor, and sleeps."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        spent = int((task / "schedstat").read_text().split()[0])
        sleeps = next(line for line in (task / "status").read_text().splitlines() if line.startswith("voluntary"))
        found[task.name] = Seen(spent, int(sleeps.split()[1]))
    return found


def measured(seconds: float) -> dict[str, Seen]:
    """All threads but this one, by name: "audio" are those of PortAudio and JACK."""
    time.sleep(2)
    before, begin = threads(), time.monotonic()
    time.sleep(seconds)
    after, passed = threads(), time.monotonic() - begin
    names = {str(t.native_id): t.name for t in threading.enumerate()}
    made: dict[str, Seen] = {}
    for task, now in after.items():
        if task == str(os.getpid()):
            continue
        name, was = names.get(task, "audio"), before.get(task, now)
        so_far = made.get(name, Seen(0.0, 0.0))
        made[name] = Seen(so_far.share + (now.share - was.share) / passed / 1e7,
                          so_far.sleeps + (now.sleeps - was.sleeps) / passed)
    return made


def with_nothing(seconds: float) -> dict[str, Seen]:
    """PortAudio and JACK alone."""
    stream = fa.SoundCard("system").open("duplex", Request(RATE, BLOCK, 2, 2, nothing.address, 0, ()))
    stream.start()
    try:
        return measured(seconds)
    finally:
        stream.close()


def with_engine(direct: bool) -> Callable[[float], dict[str, Seen]]:
    """The engine."""
    def run(seconds: float) -> dict[str, Seen]:
        graph = fa.Graph.chain(fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=1000, gain_db=3)]),
                               fa.Compressor(), fa.Limiter(), fa.LoudnessMeter())
        card = fa.SoundCard("system")
        with fa.Engine(graph, card, card, direct=direct, allow_feedback=True) as engine:
            seen = measured(seconds)
            stats = engine.stats
        print(f"    {stats.underruns} underruns, {stats.overruns} overruns, {stats.late_blocks} late blocks, "
              f"{100 * stats.load:.2f} % load", flush=True)
        return seen

    return run


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ways = {"callback that does nothing": with_nothing, "engine, plan in the callback": with_engine(True),
            "engine, plan in a thread": with_engine(False)}
    seen: dict[str, list[dict[str, Seen]]] = {way: [] for way in ways}
    with jack(rate=RATE, period=BLOCK):
        for _ in range(rounds):
            for way, run in ways.items():
                seen[way].append(run(seconds))
    alone = 0.0
    for way, found in seen.items():
        total = statistics.median(sum(thread.share for thread in each.values()) for each in found)
        alone = alone or total
        print(f"{way}: {total:.2f} % of a core, the engine's part {total - alone:.2f} % (asked: {ASKED:g} %)")
        for name in sorted({name for each in found for name in each}):
            of = [each.get(name, Seen(0.0, 0.0)) for each in found]
            print(f"    {name:20} {statistics.median(each.share for each in of):5.2f} %, "
                  f"{statistics.median(each.sleeps for each in of):5.0f} sleeps a second")


if __name__ == "__main__":
    main()
