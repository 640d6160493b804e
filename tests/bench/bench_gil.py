"""Callbacks that a sound card misses while Python is kept busy: the engine's, and a Python callback's beside it.

    python tests/bench/bench_gil.py [seconds]

JACK's dummy driver stands in for the card: 48 kHz, 128 frames, in real time. In each phase the callbacks that ran are
counted against those that the clock asks for, and what the driver flagged. Phases: idle; a thread that never lets go of
the GIL for longer than it must, with one C call of 0.7 s that holds it throughout; garbage collection without pause;
another kernel compiled, over and over.
"""

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from rigs import jack

import flowaudio as fa
from flowaudio.core.native import native

RATE, BLOCK = 48_000, 128


class Phase(NamedTuple):
    """What was seen in one."""

    missed: float                       # callbacks, of those that were due
    due: float
    flagged: int


def hold_the_gil(stop: threading.Event) -> None:
    """Never lets go for longer than it must; once, in the middle, not at all for 0.7 s."""
    usleep = ctypes.PyDLL(None).usleep  # a PyDLL keeps the GIL while it calls
    usleep(700_000)
    while not stop.is_set():
        sum(i * i for i in range(1000))


def collect(stop: threading.Event) -> None:
    """Garbage collections of a large heap, one behind the other."""
    heap = [[object() for _ in range(100)] for _ in range(10_000)]
    while not stop.is_set():
        heap.append(heap)
        gc.collect()
        heap.pop()


def compile_kernels(stop: threading.Event) -> None:
    """A kernel that nobody has seen yet, compiled anew each time."""
    count = 0
    while not stop.is_set():
        count += 1
        scope: dict[str, Any] = {}
        body = f"y = x\n    for k in range(100):\n        y = y * {count} + k\n    return y"
        exec(f"def nobody_knows(x):\n    {body}", scope)
        native(scope["nobody_knows"])(3)


@contextmanager
def busy(work: Callable[[threading.Event], None] | None) -> Iterator[None]:
    """A thread that does this meanwhile."""
    if work is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


PHASES = {"idle": None, "GIL held": hold_the_gil, "garbage collection": collect, "compilation": compile_kernels}


def measured(seconds: float, work: Any, count: Callable[[], tuple[int, int]]) -> Phase:
    """Callbacks in a phase of so many seconds. `count` gives calls and flags so far."""
    with busy(work):
        calls, flags = count()
        begin = time.monotonic()
        time.sleep(seconds)
        calls, flags = (after - before for after, before in zip(count(), (calls, flags), strict=True))
        due = (time.monotonic() - begin) * RATE / BLOCK
    return Phase(due - calls, due, flags)


def with_engine(seconds: float) -> dict[str, Phase]:
    """The engine, its plan in the callback."""
    graph = fa.Graph.chain(fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=1000, gain_db=3)]), fa.Compressor(),
                           fa.Limiter())
    card = fa.SoundCard("system")
    with fa.Engine(graph, card, card, allow_feedback=True) as engine:
        time.sleep(1)

        def count() -> tuple[int, int]:
            stats = engine.stats
            return stats.device_calls, stats.underruns + stats.overruns

        return {name: measured(seconds, work, count) for name, work in PHASES.items()}


def with_python(seconds: float) -> dict[str, Phase]:
    """A Python callback that only turns the volume down."""
    import sounddevice

    seen = np.zeros(2, np.int64)

    def callback(x: Any, y: Any, frames: int, times: Any, status: Any) -> None:
        seen[:] += 1, bool(status)
        y[:] = 0.5 * x

    with sounddevice.Stream(samplerate=RATE, blocksize=BLOCK, channels=2, dtype="float32", latency="low",
                            callback=callback):
        time.sleep(1)
        found = {name: measured(seconds, work, lambda: (int(seen[0]), int(seen[1]))) for name, work in PHASES.items()}
    sounddevice._terminate()            # while the server is there: at exit PortAudio would abort without it
    return found


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with jack(rate=RATE, period=BLOCK):
        for name, run in (("engine", with_engine), ("Python callback", with_python)):
            for phase, seen in run(seconds).items():
                print(f"{name:16} {phase:20} missed {seen.missed:7.1f} of {seen.due:.0f} "
                      f"({100 * seen.missed / seen.due:5.2f} %), flagged {seen.flagged}", flush=True)


if __name__ == "__main__":
    main()
